//! Whose an orphan is: which run has left it.

use super::census::{self, Marker, Stat};
use super::cgroup;
use super::command_mark::{Kind, Present};
use super::sweeper::{Leader, Leaders};
use crate::machine::input::RunId;
use crate::state::known::StartedRun;
use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::sync::PoisonError;
use std::time::Duration;

/// How long it may take at most until the core loop hears of a new run; usually it is a millisecond.
const NEWS: Duration = Duration::from_secs(5);

/// Whose an orphan is.
#[derive(Clone)]
pub enum Owner {
    /// This run's.
    Run(RunId),
    /// Nobody's here: it was left by somebody who has entered the container whose first process this daemon is, or it is of
    /// a run that somebody else ends.
    Nobody,
    /// That of a run of which nothing is known here yet: it was created a moment ago. It is looked at again.
    Coming,
    /// That of a command beside a run: with what it has made it ends when it is over.
    Command {
        /// Which one.
        number: u64,
        /// The run that it ends with at the latest.
        run: Option<RunId>,
    },
    /// One of these: they lived when it was first seen, and nothing about it says more.
    OneOf(HashSet<RunId>),
}

/// What is known of the orphans that are there.
pub struct Owners {
    /// What the environment of this supervisor's components says.
    instance: String,
    /// The daemon is the first process of a container: not everything that comes to it was its own.
    first: bool,
    leaders: Leaders,
    commands: Present,
    /// Runs that somebody else ends.
    alone: Vec<StartedRun>,
    /// By process id and creation time.
    known: HashMap<(u32, u64), Owner>,
}

impl Owners {
    /// Nothing is known yet.
    pub fn new(instance: String, leaders: Leaders, commands: Present) -> Self {
        Self {
            instance,
            first: super::process::is_first(),
            leaders,
            commands,
            alone: Vec::new(),
            known: HashMap::new(),
        }
    }

    /// What is of this run is nobody's here.
    pub fn leave_alone(&mut self, started: StartedRun) {
        self.alone.push(started);
    }

    /// Whether a command is over, so that whoever comes from it is to end.
    pub fn is_over(&self, command: u64) -> bool {
        !self.commands.has(command)
    }

    /// Forgets all but those that are there.
    pub fn keep(&mut self, present: &[(u32, Stat)]) {
        let present: HashSet<(u32, u64)> = present.iter().map(|(pid, stat)| (*pid, stat.started)).collect();
        self.known.retain(|key, _| present.contains(key));
    }

    /// Whose run an orphan comes from (`ending` is the run that was last seen to end): by session or group, by its cgroup, by the marker in its environment, by the run's output or lock
    /// that it holds open. A stranger with none of these belongs to a run that lived when it was first seen: to the one
    /// that had just ended then, or else to the last of them that is left; but in a container, to nobody.
    pub fn of(&mut self, pid: u32, stat: &Stat, ending: Option<RunId>) -> Owner {
        let key = (pid, stat.started);
        let owner = match self.known.remove(&key) {
            Some(Owner::OneOf(runs)) => self.one_left(runs),
            Some(known) => known,
            None => self.first_sight(pid, stat, ending),
        };
        if !matches!(owner, Owner::Coming) {
            self.known.insert(key, owner.clone());
        }
        owner
    }

    fn one_left(&self, mut runs: HashSet<RunId>) -> Owner {
        let leaders = self.leaders.lock().unwrap_or_else(PoisonError::into_inner);
        runs.retain(|run| leaders.values().any(|leader| leader.run == *run));
        match runs.iter().next() {
            Some(run) if runs.len() == 1 => Owner::Run(*run),
            _ => Owner::OneOf(runs),
        }
    }

    fn first_sight(&self, pid: u32, stat: &Stat, ending: Option<RunId>) -> Owner {
        let leaders = self
            .leaders
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        let named = |component: &str, number: Option<u64>| {
            let fits = |leader: &&Leader| {
                leader.component.as_str() == component && number.is_none_or(|number| number == leader.run.run)
            };
            leaders.values().find(fits).map(|leader| leader.run)
        };
        let by_session = || {
            let leader = leaders.get(&stat.session).or_else(|| leaders.get(&stat.group))?;
            Some(leader.run)
        };
        let by_cgroup = || cgroup::run_of(pid).and_then(|(component, run)| named(&component, Some(run)));
        let marker = census::marker(pid, &self.instance);
        let command = marker.as_ref().and_then(|marker| marker.command);
        let marker = marker.and_then(Marker::of_run);
        if let Some(command) = command.filter(|command| command.kind != Kind::Stop) {
            let run = marker.as_ref();
            return Owner::Command {
                number: command.number,
                run: run.and_then(|(component, run)| named(component, Some(*run))),
            };
        }
        let by_marker = || {
            let (component, run) = marker.as_ref()?;
            named(component, Some(*run))
        };
        let by_files = || {
            census::open_files(pid).find_map(|path| {
                let (component, run) = named_by_file(&path)?;
                named(&component, run)
            })
        };
        if let Some(run) = by_session()
            .or_else(by_cgroup)
            .or_else(by_marker)
            .or_else(by_files)
        {
            return Owner::Run(run);
        }
        let is_alone = |started: &StartedRun| {
            let leader = started.process.pid;
            let says_so = |(component, run): &(String, u64)| {
                component == started.component.as_str() && *run == started.run
            };
            stat.session == leader
                || stat.group == leader
                || marker.as_ref().is_some_and(says_so)
                || cgroup::run_of(pid).as_ref().is_some_and(says_so)
        };
        if self.alone.iter().any(is_alone) {
            return Owner::Nobody;
        }
        // A run may leave its first orphan before the core loop has heard of the run itself.
        let is_coming = |(component, run): &(String, u64)| {
            let mut present = leaders
                .values()
                .filter(|leader| leader.component.as_str() == component);
            present.all(|leader| leader.run.run < *run)
        };
        if is_young(stat) && marker.as_ref().is_some_and(is_coming) {
            return Owner::Coming;
        }
        if self.first {
            return Owner::Nobody;
        }
        // It can't come from a run that began after it.
        let older = |pid: u32| census::stat(pid).is_some_and(|leader| leader.started <= stat.started);
        let candidates: HashSet<RunId> = leaders
            .iter()
            .filter(|(pid, _)| older(**pid))
            .map(|(_, leader)| leader.run)
            .collect();
        match ending.filter(|run| candidates.contains(run)) {
            Some(run) => Owner::Run(run),
            None => self.one_left(candidates),
        }
    }
}

/// Whether a process was created so lately that the core loop may not have heard of its run.
fn is_young(stat: &Stat) -> bool {
    let ticks = rustix::param::clock_ticks_per_second().max(1);
    let created = Duration::from_millis(stat.started.saturating_mul(1000) / ticks);
    Duration::from_nanos(super::process::since_boot_ns()).saturating_sub(created) < NEWS
}

/// The component and run that a file of the runtime folder belongs to: `out/<id>.<run>` or `locks/<id>`.
pub fn named_by_file(path: &Path) -> Option<(String, Option<u64>)> {
    let name = path
        .file_name()?
        .to_str()?
        .trim_end_matches(" (deleted)")
        .to_owned();
    match path.parent()?.file_name()?.to_str()? {
        "locks" => Some((name, None)),
        "out" => {
            let (component, run) = name.rsplit_once('.')?;
            Some((component.to_owned(), Some(run.parse().ok()?)))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_the_runtime_folder_name_their_run() {
        let named = |path: &str| named_by_file(Path::new(path));
        assert_eq!(
            named("/run/x/out/text-1.17"),
            Some(("text-1".to_owned(), Some(17)))
        );
        assert_eq!(
            named("/run/x/out/a.b.17 (deleted)"),
            Some(("a.b".to_owned(), Some(17)))
        );
        assert_eq!(named("/run/x/locks/text-1"), Some(("text-1".to_owned(), None)));
        assert_eq!(named("/etc/passwd"), None);
        assert_eq!(named("pipe:[123]"), None);
    }
}
