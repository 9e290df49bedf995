//! From SIGTERM to the daemon until it has ended: every component was asked, obeyed, and its tree was seen to be empty.

use crate::bed::Bed;
use crate::row::{Bound, Row, median, spread};
use crate::starts::{Start, ms};
use crate::{Options, STEADY, quiet};
use std::io;
use std::path::Path;

const COMPONENTS: usize = 1000;

/// The measure.
///
/// # Errors
/// What could not be measured, or something that is left.
pub fn rows(options: &Options) -> io::Result<Vec<Row>> {
    let mut ours = Vec::new();
    for _ in 0..options.rounds(5) {
        let (bed, begun) = Bed::workers(&options.tools, COMPONENTS)?;
        std::thread::sleep(STEADY);
        ours.push(ms(bed.stop()?));
        let left = begun.iter().filter(|start| lives(start)).count();
        if left > 0 {
            return Err(io::Error::other(format!(
                "{left} workers are left after the stop"
            )));
        }
        quiet();
    }
    Ok(vec![Row {
        measure: "stop",
        n: Some(COMPONENTS),
        ours: median(&ours)?,
        unit: "ms",
        floor: None,
        bound: Bound::AtMost(500.0),
        note: spread(&ours)?,
    }])
}

fn lives(start: &Start) -> bool {
    Path::new(&format!("/proc/{}", start.pid)).exists()
}
