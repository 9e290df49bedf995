//! Emptying trees: finding what a run has left behind, ending it, and saying when nothing is left.
//!
//! A thread of its own, because looking into another process (its environment) may wait for it. The core loop comes here
//! only when there is something to sweep; a run that leaves nothing never does.

use super::census::{self, Orphans, Stat};
use super::cgroup::Tree;
use super::command_mark::Present;
use super::owners::{Owner, Owners};
use super::strangers::Strangers;
use crate::failpoint::{self, Point};
use crate::machine::input::RunId;
use crate::state::known::StartedRun;
use rustix::process::{Pid, PidfdFlags, Signal, WaitId, WaitIdOptions};
use s7proto::name::ComponentName;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::io;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// The thread allocates and reads small files; the deepest it goes is a directory listing.
const STACK: usize = 256 * 1024;

/// Looks in a row without a member after which a tree is taken for empty, although strangers come and go. A process that
/// hands its place on to a child is missed by one look if it ends within it, and not by so many in a row.
const ENOUGH_LOOKS: u32 = 25;

/// From one look at a cgroup that isn't empty to the next, at first: nothing tells of the moment. A process that has ended is
/// reported before it has left its cgroup (Linux 6.18), and not at all where it wasn't a child of this daemon.
const FIRST_PAUSE: Duration = Duration::from_millis(1);
/// Twice as long after each look, and never longer than this; a death that is reported begins anew.
const LONGEST_PAUSE: Duration = Duration::from_millis(250);

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
        /// The cgroup of its own that it lives in, if so.
        cgroup: Option<Tree>,
    },
    /// Some child of the daemon has ended.
    Look,
    /// This run is ended by somebody else, who takes his time.
    LeaveAlone(StartedRun),
    /// Every run that lives is known now. Nothing is looked at before: whose an orphan is could not be told.
    AllKnown,
}

/// What the sweeper says.
pub enum Swept {
    /// Nothing is left of the tree. Only for runs whose first process has ended.
    Empty(RunId),
    /// Nothing is left of a run that nobody waits for.
    Alone(StartedRun),
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
    /// Starts the thread, which waits for [`Job::AllKnown`]. `first_image_ns` is as in [`Strangers::find`].
    ///
    /// # Errors
    /// The thread can't be created.
    pub fn start(
        instance: String,
        (leaders, commands): (Leaders, Present),
        orphans: Option<Orphans>,
        first_image_ns: Option<u64>,
        tell: impl Fn(Swept) + Send + 'static,
    ) -> io::Result<Self> {
        // The queue holds at most a few jobs for each run and one look for each wake-up of the core loop.
        let (jobs, queue) = mpsc::channel();
        let mut work = Work {
            owners: Owners::new(instance, Arc::clone(&leaders), commands),
            leaders,
            // Before anything is created here.
            strangers: Strangers::find(orphans.as_ref(), first_image_ns),
            orphans,
            tell: Box::new(tell),
            active: HashMap::new(),
            latest: None,
        };
        std::thread::Builder::new()
            .name("s7-sweep".to_owned())
            .stack_size(STACK)
            .spawn(move || {
                work.wait_until_all_are_known(&queue);
                let mut pause = FIRST_PAUSE;
                loop {
                    let first = if work.waits_for_a_cgroup() {
                        queue.recv_timeout(pause)
                    } else {
                        queue.recv().map_err(|_| RecvTimeoutError::Disconnected)
                    };
                    pause = match first {
                        Ok(_) => FIRST_PAUSE,
                        Err(RecvTimeoutError::Timeout) => LONGEST_PAUSE.min(pause * 2),
                        Err(RecvTimeoutError::Disconnected) => return,
                    };
                    for job in first.into_iter().chain(queue.try_iter()) {
                        work.take(job);
                    }
                    // What ended while it was looked at may have left a child that wasn't.
                    while !work.pass() {
                        for job in queue.try_iter() {
                            work.take(job);
                        }
                    }
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
    leaders: Leaders,
    orphans: Option<Orphans>,
    tell: Box<dyn Fn(Swept) + Send>,
    active: HashMap<RunId, Active>,
    /// The run that was last seen to end: strangers that turn up then are taken for its own.
    latest: Option<RunId>,
    owners: Owners,
    strangers: Strangers,
}

struct Active {
    leader: u32,
    manner: Manner,
    leader_ended: bool,
    asked: HashSet<u32>,
    /// Looks in a row in which nothing of it was seen, while strangers came and went.
    empty_looks: u32,
    /// A kill was ordered and what it left hasn't been told yet.
    count: bool,
    cgroup: Option<Tree>,
}

impl Work {
    /// Whether some tree is only waited for until its cgroup is empty.
    fn waits_for_a_cgroup(&self) -> bool {
        self.active
            .values()
            .any(|active| active.leader_ended && active.cgroup.is_some())
    }

    /// What is to be swept meanwhile is swept then.
    fn wait_until_all_are_known(&mut self, queue: &mpsc::Receiver<Job>) {
        let mut early = Vec::new();
        loop {
            match queue.recv() {
                Ok(Job::AllKnown) | Err(_) => break,
                Ok(job @ Job::LeaveAlone(_)) => self.take(job),
                Ok(job) => early.push(job),
            }
        }
        // Who came from the image before is seen now, with no run ending: none of them is taken for what the one that ends first
        // has left.
        self.pass();
        for job in early {
            self.take(job);
        }
        while !self.pass() {}
    }

    fn take(&mut self, job: Job) {
        let (run, leader, manner, leader_ended, cgroup) = match job {
            Job::Sweep {
                run,
                leader,
                manner,
                leader_ended,
                cgroup,
            } => (run, leader, manner, leader_ended, cgroup),
            Job::LeaveAlone(started) => return self.owners.leave_alone(started),
            Job::Look | Job::AllKnown => return,
        };
        failpoint::reach(Point::SweepBefore);
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
                empty_looks: 0,
                count,
                cgroup,
            },
        );
    }

    /// Looks at all orphans once and treats those of the trees that are to be emptied. `false` if a tree may be empty and
    /// has to be looked at again: something ended meanwhile, and what it has left is in the next list only.
    fn pass(&mut self) -> bool {
        let (orphans, mut unsettled, unsettled_runs) = self.living_orphans();
        let mut done = true;
        let ending = self.latest.filter(|run| self.active.contains_key(run));
        let mut owned: HashMap<RunId, Vec<u32>> = HashMap::new();
        for (pid, stat) in &orphans {
            match self.owners.of(*pid, stat, ending) {
                Owner::Run(run) => {
                    // At once, not after all others were looked at: it may live for some milliseconds only and leave
                    // another in its place. It is a child of ours that isn't reaped, so the number is its own.
                    if self
                        .active
                        .get(&run)
                        .is_some_and(|active| active.manner == Manner::Kill)
                    {
                        kill_child(*pid);
                    }
                    owned.entry(run).or_default().push(*pid);
                }
                Owner::Command { number, run } => {
                    let active = run.and_then(|run| self.active.get(&run));
                    let is_killed = active.is_some_and(|active| active.manner == Manner::Kill);
                    if is_killed || self.owners.is_over(number) {
                        kill_child(*pid);
                    }
                    // Its run isn't over before it is gone.
                    if let Some(run) = run {
                        owned.entry(run).or_default().push(*pid);
                    }
                }
                // It lives as long as it likes, and is reaped like any other.
                Owner::Nobody | Owner::Coming => {}
                // Every run that it can come from is over.
                Owner::OneOf(runs) if runs.is_empty() => {
                    log::warn!("process {pid} is left of a run that is over, killing it");
                    signal(*pid, &[Signal::KILL], &BTreeSet::new());
                }
                // A process on its way out has no environment any more, and what it leaves has one.
                Owner::OneOf(_) => unsettled |= reap(*pid),
            }
        }
        self.owners.keep(&orphans);

        let runs: Vec<RunId> = self.active.keys().copied().collect();
        for run in runs {
            let Some(active) = self.active.get_mut(&run) else {
                continue;
            };
            let roots = owned.remove(&run).unwrap_or_default();
            let empty = roots.is_empty() && active.cgroup.as_ref().is_none_or(Tree::is_empty);
            if active.leader_ended && empty {
                active.empty_looks += 1;
                let quiet = !unsettled && !unsettled_runs.contains(&run);
                // Another component that never comes to rest must not hold this one up for ever.
                if quiet || active.empty_looks >= ENOUGH_LOOKS {
                    self.active.remove(&run);
                    (self.tell)(Swept::Empty(run));
                } else {
                    done = false;
                }
                continue;
            }
            active.empty_looks = 0;
            let left = active.treat(&roots);
            if active.count {
                active.count = false;
                (self.tell)(Swept::Survivors(run, left));
            }
        }
        done
    }

    /// The orphans that live, after those that have ended were reaped; whether a stranger had ended; and the runs of which
    /// one had ended.
    fn living_orphans(&self) -> (Vec<(u32, Stat)>, bool, HashSet<RunId>) {
        let list = self.orphans.as_ref().map(Orphans::list).unwrap_or_default();
        let (mut living, mut unsettled, mut runs) = (Vec::new(), false, HashSet::new());
        for pid in list.into_iter().filter(|pid| !self.is_leader(*pid)) {
            // Before it is reaped: a process that has ended still bears its session and group.
            let stat = census::stat(pid);
            let run = stat.and_then(|stat| self.run_of(&stat));
            match (reap(pid), stat, run) {
                (true, _, Some(run)) => {
                    runs.insert(run);
                }
                (true, _, None) => unsettled = true,
                (false, Some(stat), _) if self.strangers.contains(pid, &stat) => {}
                (false, Some(stat), _) => living.push((pid, stat)),
                // It lives and can't be looked at (hidepid); it belongs to nobody that could be told.
                (false, None, _) => {}
            }
        }
        (living, unsettled, runs)
    }

    fn run_of(&self, stat: &Stat) -> Option<RunId> {
        let leaders = self.leaders.lock().unwrap_or_else(PoisonError::into_inner);
        let leader = leaders.get(&stat.session).or_else(|| leaders.get(&stat.group))?;
        Some(leader.run)
    }

    fn is_leader(&self, pid: u32) -> bool {
        self.leaders
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .contains_key(&pid)
    }
}

impl Active {
    /// Signals all that is in its cgroup, and says who that was.
    fn treat_cgroup(&mut self) -> BTreeSet<u32> {
        let Some(cgroup) = &self.cgroup else {
            return BTreeSet::new();
        };
        let members = cgroup.members().into_iter().collect();
        match self.manner {
            Manner::Kill => {
                if let Err(error) = cgroup.kill() {
                    log::warn!("killing all in {cgroup}: {error}");
                }
            }
            Manner::Ask => {
                let (leader, asked) = (self.leader, &mut self.asked);
                cgroup.signal(&[Signal::TERM, Signal::CONT], |pid| {
                    pid != leader && asked.insert(pid)
                });
            }
        }
        members
    }

    /// Signals what is there, and says how many that was. Beside its cgroup there are only those that have left it, which
    /// root alone can do.
    fn treat(&mut self, roots: &[u32]) -> u32 {
        let contained = self.treat_cgroup();
        let leader = Some(self.leader).filter(|_| !self.leader_ended);
        let known = roots.iter().copied().chain(leader);
        let members: BTreeSet<u32> = known.flat_map(census::tree).collect();
        let others = members.difference(&contained);
        match self.manner {
            Manner::Kill => {
                // The leader isn't reaped yet, so nobody else can have its number as a group.
                if let Some(group) = Pid::from_raw(i32::try_from(self.leader).unwrap_or(0)) {
                    let _ = rustix::process::kill_process_group(group, Signal::KILL);
                }
                for pid in others {
                    signal(*pid, &[Signal::KILL], &members);
                }
            }
            Manner::Ask => {
                for pid in others {
                    if *pid != self.leader && self.asked.insert(*pid) {
                        signal(*pid, &[Signal::TERM, Signal::CONT], &members);
                    }
                }
            }
        }
        u32::try_from(members.union(&contained).count()).unwrap_or(u32::MAX)
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

fn kill_child(pid: u32) {
    if let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) {
        let _ = rustix::process::kill_process(pid, Signal::KILL);
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
