//! From the call that starts the supervisor to the first line of the last worker.
//!
//! Once in a folder in which the components have their logs, as at every start but the very first, and once in a fresh one:
//! what it costs to make a thousand files depends on the file system and on what was deleted in it in the last minutes (ext4
//! looks for inodes that nobody has let go of lately), and the floor makes none.

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
    let (mut ours, mut fresh, mut floor) = (Vec::new(), Vec::new(), Vec::new());
    let folder = options.tools.fresh_folder()?;
    let (bed, begun) = Bed::workers_in(&options.tools, folder.clone(), COMPONENTS)?;
    fresh.push(ms(last(&begun)? - bed.began));
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
        let (bed, begun) = Bed::workers_in(&options.tools, options.tools.fresh_folder()?, COMPONENTS)?;
        fresh.push(ms(last(&begun)? - bed.began));
        bed.stop()?;
        quiet();
    }
    let least = (median(&floor)?, spread(&floor)?);
    let row = |measure, took: &[f64]| {
        Ok::<_, io::Error>(Row {
            measure,
            n: Some(COMPONENTS),
            ours: median(took)?,
            unit: "ms",
            floor: Some(least.0),
            bound: Bound::TimesFloor(1.4),
            note: format!("{}; floor {}", spread(took)?, least.1),
        })
    };
    Ok(vec![row("start", &ours)?, row("start, no logs yet", &fresh)?])
}

/// When the last of them began.
///
/// # Errors
/// There are none.
pub fn last(begun: &[Start]) -> io::Result<Duration> {
    let last = begun.iter().map(|start| start.at).max();
    last.ok_or_else(|| io::Error::other("nobody began"))
}
