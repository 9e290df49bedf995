//! From the call that starts the supervisor to the first line of the last worker.

use crate::bed::Bed;
use crate::floor::Floor;
use crate::row::{Bound, Row, median, spread};
use crate::starts::{Start, ms};
use crate::{Options, quiet};
use std::io;
use std::time::Duration;

const COMPONENTS: usize = 1000;

/// The measure.
///
/// # Errors
/// What could not be measured.
pub fn rows(options: &Options) -> io::Result<Vec<Row>> {
    let (mut ours, mut floor) = (Vec::new(), Vec::new());
    for _ in 0..options.rounds(7) {
        let (bed, begun) = Floor::workers(&options.tools, COMPONENTS)?;
        floor.push(ms(last(&begun)? - bed.began));
        drop(bed);
        quiet();
        let (bed, begun) = Bed::workers(&options.tools, COMPONENTS)?;
        ours.push(ms(last(&begun)? - bed.began));
        bed.stop()?;
        quiet();
    }
    Ok(vec![Row {
        measure: "start",
        n: Some(COMPONENTS),
        ours: median(&ours)?,
        unit: "ms",
        floor: Some(median(&floor)?),
        bound: Bound::TimesFloor(1.4),
        note: format!("{}; floor {}", spread(&ours)?, spread(&floor)?),
    }])
}

/// When the last of them began.
///
/// # Errors
/// There are none.
pub fn last(begun: &[Start]) -> io::Result<Duration> {
    let last = begun.iter().map(|start| start.at).max();
    last.ok_or_else(|| io::Error::other("nobody began"))
}
