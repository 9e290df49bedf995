//! The memory of runs, as far as the system sees to it.

use super::Host;
use crate::machine::input::RunId;
use crate::platform::os::cgroup;
use std::io;
use std::time::Instant;

/// The hard limit of the memory of one run.
#[derive(Debug)]
pub struct MemoryLimit(Option<cgroup::Tree>);

impl MemoryLimit {
    /// Sets it to `bytes`, unless it is that already; `false` where the system can't see to it. Not for the core loop.
    #[must_use]
    pub fn ensure(&self, bytes: u64) -> bool {
        self.0.as_ref().is_some_and(|cgroup| cgroup.limit_memory(bytes))
    }

    /// Takes it away, if it is the supervisor's own: `is_ours` where that is known; else it is found out. Not for the core loop.
    ///
    /// # Errors
    /// It is still in force.
    pub fn lift(&self, is_ours: bool) -> io::Result<()> {
        self.0
            .as_ref()
            .map_or(Ok(()), |cgroup| cgroup.unlimit_memory(is_ours))
    }
}

impl Host {
    /// The hard limit of a run's memory, to be looked at where that may take its time.
    #[must_use]
    pub fn memory_limit(&self, run: RunId) -> MemoryLimit {
        let process = self.runs.get(&run);
        MemoryLimit(process.and_then(|process| process.cgroup.clone()))
    }

    /// Looks who of these was killed for want of memory since the last look, and how many processes of it; they live all the
    /// same. What is seen here is not taken for the reason of an end that comes much later.
    pub fn look_at_memory_kills(&mut self, runs: impl Iterator<Item = RunId>) -> Vec<(RunId, u64)> {
        let now = Instant::now();
        self.memory_kills.look(now);
        runs.filter_map(|run| {
            let process = self.runs.get_mut(&run).filter(|process| !process.ended)?;
            let more = process.look_at_kills(now);
            (more > 0).then_some((run, more))
        })
        .collect()
    }

    /// Those of the runs that have just ended that did so for want of memory. With each of them, whether by SIGKILL.
    pub(super) fn for_want_of_memory(&mut self, ended: &[(RunId, bool)]) -> Vec<RunId> {
        let now = Instant::now();
        let mut found = Vec::new();
        let mut undated = Vec::new();
        let mut killed = Vec::new();
        for (run, by_kill) in ended {
            let Some(process) = self.runs.get_mut(run) else {
                continue;
            };
            let more = process.look_at_kills(now);
            if process.kills.is_near(now) {
                found.push(*run);
                continue;
            }
            if let Some(within) = process.kills.latest(now).filter(|_| more > 0) {
                undated.push((*run, process.component.clone(), more, within));
            }
            if *by_kill {
                killed.push((process.pid, *run));
            }
        }
        if !found.is_empty() {
            // Their kills are in the count for all as well.
            self.memory_kills.are_known(now);
        }
        if !killed.is_empty() {
            let pids: Vec<u32> = killed.iter().map(|(pid, _)| *pid).collect();
            let for_memory = self.memory_kills.among(&pids, now);
            killed.retain(|(pid, _)| for_memory.contains(pid));
            found.extend(killed.into_iter().map(|(_, run)| run));
        }
        undated.retain(|(run, ..)| !found.contains(run));
        for (run, component, more, within) in undated {
            log::warn!(
                "{component}: the kernel has killed {more} processes of run {} for want of memory within the last {} s; whether \
                 that is why it has ended is not known",
                run.run,
                within.as_secs()
            );
        }
        found
    }
}
