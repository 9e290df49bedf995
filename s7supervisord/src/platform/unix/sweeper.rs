//! Emptying trees: finding what a run has left behind, ending it, and saying when nothing is left.
//!
//! A thread of its own, because looking into another process (its environment) may wait for it. The core loop comes here
//! only when there is something to sweep; a run that leaves nothing never does.

use super::census::{self, Orphans, Stat};
use crate::machine::input::RunId;
use rustix::process::{Pid, PidfdFlags, Signal, WaitId, WaitIdOptions};
use s7proto::name::ComponentName;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::io;
use std::path::Path;
use std::sync::mpsc;
use std::sync::{Arc, Mutex, PoisonError};

/// The thread allocates and reads small files; the deepest it goes is a directory listing.
const STACK: usize = 256 * 1024;

/// How the members of a tree are treated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Manner {
    /// SIGTERM and SIGCONT, once each.
    Ask,
    /// SIGKILL, until they are gone.
    Kill,
}

/// What the sweeper is told.
pub enum Job {
    /// Empty the tree of a run. A later job about the same run replaces the earlier one.
    Sweep {
        /// Which run.
        run: RunId,
        /// Its first process.
        leader: u32,
        /// How.
        manner: Manner,
        /// Whether its first process has ended (and is kept unreaped until the tree is empty).
        leader_ended: bool,
    },
    /// Some child of the daemon has ended.
    Look,
}

/// What the sweeper says.
pub enum Swept {
    /// Nothing is left of the tree. Only for runs whose first process has ended.
    Empty(RunId),
    /// So many were still there when they were killed.
    Survivors(RunId, u32),
}

/// The first processes of all runs, by process id: shared between the core loop, which writes, and the sweeper.
pub type Leaders = Arc<Mutex<HashMap<u32, Leader>>>;

/// The first process of a run.
#[derive(Debug, Clone)]
pub struct Leader {
    /// Whose.
    pub run: RunId,
    /// The component's name, as it stands in the environment of its processes.
    pub component: ComponentName,
}

/// The handle of the thread.
pub struct Sweeper {
    jobs: mpsc::Sender<Job>,
}

impl Sweeper {
    /// Starts the thread.
    ///
    /// # Errors
    /// The thread can't be created.
    pub fn start(
        instance: String,
        leaders: Leaders,
        orphans: Option<Orphans>,
        tell: impl Fn(Swept) + Send + 'static,
    ) -> io::Result<Self> {
        // The queue holds at most a few jobs for each run and one look for each wake-up of the core loop.
        let (jobs, queue) = mpsc::channel();
        std::thread::Builder::new()
            .name("s7-sweep".to_owned())
            .stack_size(STACK)
            .spawn(move || {
                let mut work = Work {
                    instance,
                    leaders,
                    orphans,
                    tell: Box::new(tell),
                    active: HashMap::new(),
                    latest: None,
                    owners: HashMap::new(),
                    foreign: HashSet::new(),
                };
                work.foreign = work
                    .living_orphans()
                    .into_iter()
                    .map(|(pid, stat)| (pid, stat.started))
                    .collect();
                while let Ok(first) = queue.recv() {
                    for job in std::iter::once(first).chain(queue.try_iter()) {
                        work.take(job);
                    }
                    work.pass();
                }
            })?;
        Ok(Self { jobs })
    }

    /// Hands over a job.
    pub fn order(&self, job: Job) {
        // The thread ends only with this handle.
        let _ = self.jobs.send(job);
    }
}

struct Work {
    /// What the environment of this supervisor's components says.
    instance: String,
    leaders: Leaders,
    orphans: Option<Orphans>,
    tell: Box<dyn Fn(Swept)>,
    active: HashMap<RunId, Active>,
    /// The run that was last seen to end: strangers that turn up then are taken for its own.
    latest: Option<RunId>,
    /// Whose each orphan is, by process id and creation time.
    owners: HashMap<(u32, u64), Owner>,
    /// Children that were there before the daemon began (a shell may execute it beside others): none of ours.
    foreign: HashSet<(u32, u64)>,
}

/// Whose an orphan is.
#[derive(Clone)]
enum Owner {
    /// This run's.
    Run(RunId),
    /// One of these: they lived when it was first seen, and nothing about it says more.
    OneOf(HashSet<RunId>),
}

struct Active {
    leader: u32,
    manner: Manner,
    leader_ended: bool,
    asked: HashSet<u32>,
    /// A kill was ordered and what it left hasn't been told yet.
    count: bool,
}

impl Work {
    fn take(&mut self, job: Job) {
        let Job::Sweep {
            run,
            leader,
            manner,
            leader_ended,
        } = job
        else {
            return;
        };
        if leader_ended {
            self.latest = Some(run);
        }
        let asked = self
            .active
            .remove(&run)
            .map(|active| active.asked)
            .unwrap_or_default();
        let count = manner == Manner::Kill;
        self.active.insert(
            run,
            Active {
                leader,
                manner,
                leader_ended,
                asked,
                count,
            },
        );
    }

    fn pass(&mut self) {
        let orphans = self.living_orphans();
        let mut owned: HashMap<RunId, Vec<u32>> = HashMap::new();
        for (pid, stat) in &orphans {
            match self.owner(*pid, stat) {
                Owner::Run(run) => owned.entry(run).or_default().push(*pid),
                // Every run that it can come from is over.
                Owner::OneOf(runs) if runs.is_empty() => {
                    log::warn!("process {pid} is left of a run that is over, killing it");
                    signal(*pid, &[Signal::KILL], &BTreeSet::new());
                }
                Owner::OneOf(_) => {}
            }
        }
        let present: HashSet<(u32, u64)> = orphans.iter().map(|(pid, stat)| (*pid, stat.started)).collect();
        self.owners.retain(|key, _| present.contains(key));

        let runs: Vec<RunId> = self.active.keys().copied().collect();
        for run in runs {
            let Some(active) = self.active.get_mut(&run) else {
                continue;
            };
            let roots = owned.remove(&run).unwrap_or_default();
            if active.leader_ended && roots.is_empty() {
                self.active.remove(&run);
                (self.tell)(Swept::Empty(run));
                continue;
            }
            let left = active.treat(&roots);
            if active.count {
                active.count = false;
                (self.tell)(Swept::Survivors(run, left));
            }
        }
    }

    /// The orphans that live, after those that have ended were reaped.
    fn living_orphans(&self) -> Vec<(u32, Stat)> {
        let list = self.orphans.as_ref().map(Orphans::list).unwrap_or_default();
        list.into_iter()
            .filter(|pid| !self.is_leader(*pid) && !reap(*pid))
            .filter_map(|pid| Some((pid, census::stat(pid)?)))
            .filter(|(pid, stat)| !self.foreign.contains(&(*pid, stat.started)))
            .collect()
    }

    fn is_leader(&self, pid: u32) -> bool {
        self.leaders
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .contains_key(&pid)
    }

    /// Whose run an orphan comes from: by session or group, by the marker in its environment, by the run's output or lock
    /// that it holds open. A stranger with none of these belongs to a run that lived when it was first seen: to the one
    /// that had just ended then, or else to the last of them that is left.
    fn owner(&mut self, pid: u32, stat: &Stat) -> Owner {
        let key = (pid, stat.started);
        let owner = match self.owners.remove(&key) {
            Some(Owner::OneOf(runs)) => self.one_left(runs),
            Some(known) => known,
            None => self.first_sight(pid, stat),
        };
        self.owners.insert(key, owner.clone());
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

    fn first_sight(&self, pid: u32, stat: &Stat) -> Owner {
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
        let by_marker =
            || census::marker(pid, &self.instance).and_then(|(component, run)| named(&component, Some(run)));
        let by_files = || {
            census::open_files(pid).find_map(|path| {
                let (component, run) = named_by_file(&path)?;
                named(&component, run)
            })
        };
        if let Some(run) = by_session().or_else(by_marker).or_else(by_files) {
            return Owner::Run(run);
        }
        // It can't come from a run that began after it.
        let older = |pid: u32| census::stat(pid).is_some_and(|leader| leader.started <= stat.started);
        let candidates: HashSet<RunId> = leaders
            .iter()
            .filter(|(pid, _)| older(**pid))
            .map(|(_, leader)| leader.run)
            .collect();
        match self
            .latest
            .filter(|run| candidates.contains(run) && self.active.contains_key(run))
        {
            Some(run) => Owner::Run(run),
            None => self.one_left(candidates),
        }
    }
}

/// The component and run that a file of the runtime folder belongs to: `out/<id>.<run>` or `locks/<id>`.
fn named_by_file(path: &Path) -> Option<(String, Option<u64>)> {
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

impl Active {
    /// Signals what is there, and says how many that was.
    fn treat(&mut self, roots: &[u32]) -> u32 {
        let mut members: BTreeSet<u32> = roots.iter().flat_map(|pid| census::tree(*pid)).collect();
        if !self.leader_ended {
            members.extend(census::tree(self.leader));
        }
        match self.manner {
            Manner::Kill => {
                // The leader isn't reaped yet, so nobody else can have its number as a group.
                if let Some(group) = Pid::from_raw(i32::try_from(self.leader).unwrap_or(0)) {
                    let _ = rustix::process::kill_process_group(group, Signal::KILL);
                }
                for pid in &members {
                    signal(*pid, &[Signal::KILL], &members);
                }
            }
            Manner::Ask => {
                for pid in &members {
                    if *pid != self.leader && self.asked.insert(*pid) {
                        signal(*pid, &[Signal::TERM, Signal::CONT], &members);
                    }
                }
            }
        }
        u32::try_from(members.len()).unwrap_or(u32::MAX)
    }
}

/// Signals one process, after its descriptor is held and its parent is still one of the tree or the daemon: the number
/// of a process that its own parent reaped meanwhile may belong to somebody else.
fn signal(pid: u32, signals: &[Signal], tree: &BTreeSet<u32>) {
    let Some(raw) = i32::try_from(pid).ok().and_then(Pid::from_raw) else {
        return;
    };
    let Ok(pidfd) = rustix::process::pidfd_open(raw, PidfdFlags::empty()) else {
        return;
    };
    let own = std::process::id();
    if census::stat(pid).is_some_and(|stat| stat.parent == own || tree.contains(&stat.parent)) {
        for signal in signals {
            let _ = rustix::process::pidfd_send_signal(&pidfd, *signal);
        }
    }
}

/// Takes the remains of an orphan that has ended; `false` if it lives.
fn reap(pid: u32) -> bool {
    let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) else {
        return false;
    };
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG;
    matches!(
        rustix::process::waitid(WaitId::Pid(pid), options),
        Ok(Some(_)) | Err(rustix::io::Errno::CHILD)
    )
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
