//! Memory and CPU time of whole trees.

use super::census;
use crate::machine::input::RunId;
use std::collections::HashMap;

/// Memory and CPU time of one tree.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Usage {
    /// Resident memory in bytes, pages that several processes share counted in each.
    pub memory_bytes: u64,
    /// CPU time used so far, in microseconds.
    pub cpu_us: u64,
}

/// Adds up the tree of each process. It reads many small files, so never on the core loop.
#[must_use]
pub fn usage(pids: &[(RunId, u32)]) -> HashMap<RunId, Usage> {
    let page = rustix::param::page_size() as u64;
    let tick_us = 1_000_000 / rustix::param::clock_ticks_per_second().max(1);
    let mut sums = HashMap::with_capacity(pids.len());
    for (run, pid) in pids {
        let mut sum = Usage::default();
        for member in census::tree(*pid) {
            let resident = std::fs::read_to_string(format!("/proc/{member}/statm"))
                .ok()
                .and_then(|text| text.split(' ').nth(1)?.parse::<u64>().ok());
            sum.memory_bytes += resident.unwrap_or(0) * page;
            sum.cpu_us += census::stat(member).map_or(0, |stat| stat.ticks * tick_us);
        }
        sums.insert(*run, sum);
    }
    sums
}
