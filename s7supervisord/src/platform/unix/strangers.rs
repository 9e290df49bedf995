//! Children that this process had before it became the daemon: a shell may have executed it beside others. None of them is ours.

use super::census::{self, Orphans, Stat};
use std::collections::HashSet;

/// They, by process id and creation time.
#[derive(Debug, Default)]
pub struct Strangers(HashSet<(u32, u64)>);

impl Strangers {
    /// Looks for them, and reaps nobody: what has ended may be the first process of a run that is still to be adopted.
    ///
    /// All children that are there, where this is the first image of the daemon in its process. Where it isn't, the images before
    /// it have left children of their own, and the first one of all began at `first_image_ns` (nanoseconds since boot):
    /// those that were created not later than that.
    #[must_use]
    pub fn find(orphans: Option<&Orphans>, first_image_ns: Option<u64>) -> Self {
        let until = first_image_ns.map(ticks);
        let present = orphans.map(Orphans::list).unwrap_or_default().into_iter();
        Self(
            present
                .filter_map(|pid| Some((pid, census::stat(pid)?.started)))
                // A shell often creates a child and executes the daemon within one tick; no run is created so soon.
                .filter(|(_, started)| until.is_none_or(|until| *started <= until))
                .collect(),
        )
    }

    /// Whether that one is such a child.
    #[must_use]
    pub fn contains(&self, pid: u32, stat: &Stat) -> bool {
        self.0.contains(&(pid, stat.started))
    }
}

/// Nanoseconds since boot as the kernel counts the creation of a process.
fn ticks(ns: u64) -> u64 {
    let ticks_per_second = rustix::param::clock_ticks_per_second().max(1);
    ns / (1_000_000_000 / ticks_per_second)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::platform::process;

    #[test]
    fn a_tick_is_the_one_that_the_kernel_gives_to_a_process_created_then() {
        let before = ticks(process::since_boot_ns());
        let mut child = std::process::Command::new("sleep").arg("100").spawn().unwrap();
        let after = ticks(process::since_boot_ns());
        let started = census::stat(child.id()).unwrap().started;
        child.kill().unwrap();
        child.wait().unwrap();
        assert!((before..=after).contains(&started), "{before} {started} {after}");
    }
}
