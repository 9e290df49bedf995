//! Context switches of every thread of the daemon over 20 s in which nothing happens (DESIGN 12).

use crate::bed::Bed;
use crate::row::{Bound, Row};
use crate::{Options, quiet};
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::time::Duration;

/// DESIGN 12: rest is 20 s without client, probe, watchdog or statistics.
const REST: Duration = Duration::from_secs(20);
/// Threads that were needed at the start (the registry, the look at all processes) end after ten seconds without work.
const SETTLED: Duration = Duration::from_secs(12);

/// The measure.
///
/// # Errors
/// What could not be measured.
pub fn rows(options: &Options) -> io::Result<Vec<Row>> {
    options
        .sizes
        .iter()
        .map(|n| {
            let (bed, _) = Bed::workers(&options.tools, *n)?;
            std::thread::sleep(SETTLED);
            let before = switches(bed.pid()?)?;
            std::thread::sleep(REST);
            let after = switches(bed.pid()?)?;
            bed.stop()?;
            quiet();
            // A thread that has ended or begun counts with all that it has done.
            let names: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
            let of = |all: &BTreeMap<String, u64>, name| all.get(name).copied().unwrap_or(0);
            let differences = names
                .into_iter()
                .map(|name| of(&after, name).abs_diff(of(&before, name)));
            let switches: u64 = differences.sum();
            let mut note = format!("{} threads", after.len());
            if after != before {
                note = format!("{note}: {before:?}, then {after:?}");
            }
            #[expect(clippy::cast_precision_loss, reason = "a count far below 2^52")]
            let ours = switches as f64;
            Ok(Row {
                measure: "switches in 20 s",
                n: Some(*n),
                ours,
                unit: "",
                floor: None,
                bound: Bound::AtMost(0.0),
                note,
            })
        })
        .collect()
}

/// Of each thread, by its number and name, willing and unwilling together.
fn switches(pid: u32) -> io::Result<BTreeMap<String, u64>> {
    let mut found = BTreeMap::new();
    for task in std::fs::read_dir(format!("/proc/{pid}/task"))? {
        let task = task?.path();
        let status = std::fs::read_to_string(task.join("status"))?;
        let name = std::fs::read_to_string(task.join("comm"))?;
        let number = task
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        let counts: Vec<u64> = status
            .lines()
            .filter(|line| line.contains("ctxt_switches"))
            .filter_map(|line| line.split_whitespace().last()?.parse().ok())
            .collect();
        if counts.len() != 2 {
            return Err(io::Error::other(format!("no context switches in {status:?}")));
        }
        found.insert(format!("{number} {}", name.trim_end()), counts.iter().sum());
    }
    if found.is_empty() {
        return Err(io::Error::other("the daemon has no thread"));
    }
    Ok(found)
}
