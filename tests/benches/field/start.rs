//! From the call that starts the supervisor to the first line of the last worker.
//!
//! In a folder in which the components have their logs, as at every start but the very first. That one is measured too and
//! told in the note: what it costs to make a thousand files depends on the file system and on what was deleted in it in the
//! last minutes (ext4 looks for inodes that nobody has let go of lately), and the floor makes none.

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
    let folder = options.tools.fresh_folder()?;
    let (bed, begun) = Bed::workers_in(&options.tools, folder.clone(), COMPONENTS)?;
    let first = ms(last(&begun)? - bed.began);
    bed.stop()?;
    quiet();
    for _ in 0..options.rounds(7) {
        let (bed, begun) = Floor::workers(&options.tools, COMPONENTS)?;
        floor.push(ms(last(&begun)? - bed.began));
        drop(bed);
        quiet();
        let (bed, begun) = Bed::workers_in(&options.tools, folder.clone(), COMPONENTS)?;
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
        note: format!(
            "{}; floor {}; with new logs {first:.0}",
            spread(&ours)?,
            spread(&floor)?
        ),
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
