//! The daemon's own memory (PSS) with everything running.

use crate::bed::Bed;
use crate::row::{Bound, Row};
use crate::{Options, STEADY, quiet};
use std::io;

/// The measure.
///
/// # Errors
/// What could not be measured.
pub fn rows(options: &Options) -> io::Result<Vec<Row>> {
    let bounded = |n: &usize| match n {
        ..10 => 5.0,
        10..=100 => 6.0,
        _ => 14.0,
    };
    options
        .sizes
        .iter()
        .map(|n| {
            let (bed, _) = Bed::workers(&options.tools, *n)?;
            std::thread::sleep(STEADY);
            let ours = pss(bed.pid()?)?;
            bed.stop()?;
            quiet();
            Ok(Row {
                measure: "memory (PSS)",
                n: Some(*n),
                ours,
                unit: "MiB",
                floor: None,
                bound: Bound::AtMost(bounded(n)),
                note: String::new(),
            })
        })
        .collect()
}

/// In MiB.
fn pss(pid: u32) -> io::Result<f64> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/smaps_rollup"))?;
    let line = text.lines().find_map(|line| line.strip_prefix("Pss:"));
    let kibibytes = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<f64>().ok());
    let kibibytes = kibibytes.filter(|kibibytes| *kibibytes > 0.0);
    Ok(kibibytes.ok_or_else(|| io::Error::other(format!("no Pss in {text:?}")))? / 1024.0)
}
