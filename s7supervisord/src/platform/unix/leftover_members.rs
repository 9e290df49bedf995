//! Who belongs to a run that is recorded: its first process by what no other has, the others by session, group or marker.

use super::census::{self, Marker, Stat};
use super::pidfd;
use crate::state::known::StartedRun;
use std::collections::{HashMap, HashSet};
use std::os::fd::{AsFd, BorrowedFd};

/// How often one look reads the list of processes at most, which it does as long as there are new ones.
const ROUNDS: u32 = 10;

/// The processes of each run, by the number that it has in `runs`; each is told to `found` at once. Whoever has come into being
/// meanwhile is looked at as well, so that who hands his place on to a child is caught up with.
pub(super) fn members(
    runs: &[&StartedRun],
    instance: &str,
    mut found: impl FnMut(usize, u32),
) -> Vec<Vec<u32>> {
    let by_number: HashMap<u32, usize> = runs
        .iter()
        .enumerate()
        .map(|(index, run)| (run.process.pid, index))
        .collect();
    let by_name: HashMap<(&str, u64), usize> = runs
        .iter()
        .enumerate()
        .map(|(index, run)| ((run.component.as_str(), run.run), index))
        .collect();
    let mut members = vec![Vec::new(); runs.len()];
    let mut seen = HashSet::new();
    let rounds = (0..ROUNDS).map_while(|_| {
        let new: Vec<u32> = census::everyone().filter(|pid| seen.insert(*pid)).collect();
        (!new.is_empty()).then_some(new)
    });
    for pid in rounds.flatten() {
        let Some(stat) = census::stat(pid).filter(|_| census::lives(pid)) else {
            continue;
        };
        let related = [pid, stat.session, stat.group]
            .iter()
            .find_map(|number| by_number.get(number))
            .copied();
        let index = related.or_else(|| {
            let (component, run) = census::marker(pid, instance)?.of_run()?;
            by_name.get(&(component.as_str(), run)).copied()
        });
        if let Some(index) = index.filter(|index| belongs(pid, &stat, runs[*index], instance)) {
            found(index, pid);
            members[index].push(pid);
        }
    }
    members
}

/// Whether a process is the one that was recorded: it bears the number that the kernel gives to no other of this boot, or, where
/// there are no such numbers, it was created not later than its record was written.
#[must_use]
pub fn is_recorded(run: &StartedRun, pidfd: BorrowedFd<'_>) -> bool {
    match (run.process.inode, pidfd::inode(pidfd)) {
        (Some(recorded), Some(present)) => recorded == present,
        _ => census::stat(run.process.pid).is_some_and(|stat| stat.started <= recorded_tick(run)),
    }
}

/// Whether the first process of a recorded run is there.
#[must_use]
pub fn lives(run: &StartedRun) -> bool {
    pidfd::open(run.process.pid).is_some_and(|pidfd| is_recorded(run, pidfd.as_fd()))
}

/// Whether a process is of a recorded run: the recorded one itself (a foreign process on a recycled number is younger), or
/// a member of its session or group, or it carries the run's marker.
pub(super) fn belongs(pid: u32, stat: &Stat, run: &StartedRun, instance: &str) -> bool {
    let recorded_tick = recorded_tick(run);
    if pid == run.process.pid {
        return stat.started <= recorded_tick;
    }
    if stat.session == run.process.pid || stat.group == run.process.pid {
        // A number is not given to a new process while a session or group still bears it, so a relative is a real one
        // unless a younger process has taken the number and begun a session of its own.
        // With the first process gone a stranger may have had the number in between, and have left a session behind.
        return match census::stat(run.process.pid) {
            Some(leader) => leader.started <= recorded_tick,
            None => is_marked(pid, run, instance) || holds_its_files(pid, run),
        };
    }
    let young_enough = stat.started >= recorded_tick.saturating_sub(1);
    young_enough && is_marked(pid, run, instance)
}

fn is_marked(pid: u32, run: &StartedRun, instance: &str) -> bool {
    census::marker(pid, instance)
        .and_then(Marker::of_run)
        .is_some_and(|(component, number)| component == run.component.as_str() && number == run.run)
}

/// Whether it holds the run's output or the component's lock open.
fn holds_its_files(pid: u32, run: &StartedRun) -> bool {
    census::open_files(pid)
        .filter_map(|path| super::owners::named_by_file(&path))
        .any(|(component, number)| {
            component == run.component.as_str() && number.is_none_or(|number| number == run.run)
        })
}

/// When the record was written, in the kernel's clock ticks since the machine's boot.
fn recorded_tick(run: &StartedRun) -> u64 {
    run.began_ns / tick_ns()
}

/// Nanoseconds of one of the kernel's clock ticks.
pub(super) fn tick_ns() -> u64 {
    1_000_000_000 / rustix::param::clock_ticks_per_second().max(1)
}
