//! All workers killed at once, until the first line of the last of their successors.

use crate::bed::{Bed, PATIENCE, kill_all};
use crate::floor::Floor;
use crate::row::{Bound, Row, median, spread};
use crate::start::last;
use crate::starts::{Start, Starts, ms};
use crate::{Options, STEADY, quiet};
use std::io;

const COMPONENTS: usize = 1000;

/// The measure.
///
/// # Errors
/// What could not be measured.
pub fn rows(options: &Options) -> io::Result<Vec<Row>> {
    let (mut ours, mut floor) = (Vec::new(), Vec::new());
    for _ in 0..options.rounds(7) {
        let (mut bed, begun) = Floor::workers(&options.tools, COMPONENTS)?;
        floor.push(crash(&begun, &mut bed.starts)?);
        drop(bed);
        quiet();
        let (mut bed, begun) = Bed::workers(&options.tools, COMPONENTS)?;
        ours.push(crash(&begun, &mut bed.starts)?);
        bed.stop()?;
        quiet();
    }
    Ok(vec![Row {
        measure: "mass crash",
        n: Some(COMPONENTS),
        ours: median(&ours)?,
        unit: "ms",
        floor: Some(median(&floor)?),
        bound: Bound::TimesFloor(1.2),
        note: format!("{}; floor {}", spread(&ours)?, spread(&floor)?),
    }])
}

fn crash(begun: &[Start], starts: &mut Starts) -> io::Result<f64> {
    std::thread::sleep(STEADY);
    let killed = kill_all(begun.iter().map(|start| start.pid))?;
    let again = starts.many(begun.len(), PATIENCE)?;
    Ok(ms(last(&again)? - killed))
}
