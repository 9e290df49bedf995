//! Trees of runs that an earlier daemon has begun and whose orphans don't come to this one, because they aren't its children.
//!
//! So nothing tells that such a tree is empty but looking: a thread looks at all processes of the machine every now and then,
//! as long as something is to be ended.

use super::census::{self, Marker};
use super::cgroup::{self, Tree};
use super::fifo;
use super::leftover_members::{belongs, members, tick_ns};
pub use super::leftover_members::{is_recorded, lives};
use super::leftovers_of_commands::Commands;
use super::pidfd::{self, open};
use super::sweeper::{Manner, Swept};
use crate::failpoint::{self, Point};
use crate::machine::input::RunId;
use crate::state::known::{Recorded, StartedRun, Unrecorded};
use rustix::process::Signal;
use s7proto::name::ComponentName;
use std::collections::{HashMap, HashSet};
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant};

/// From one look at all processes to the next.
const LOOK: Duration = Duration::from_millis(20);
/// How long a run of a component that the registry no longer has may take to end before it is killed. Nothing else says
/// how long it may; ten seconds are what supervisord gives.
const PATIENCE: Duration = Duration::from_secs(10);
/// Looks in a row without a member that prove a tree to be empty where nothing was created on the machine meanwhile: what is just
/// executing another program has no environment for a moment, and so is missed by one of them.
const QUIET_LOOKS: u32 = 2;
/// The same where something was: a process that hands its place on to a child is missed by each look during which it does so, if
/// that comes late enough in it. Most looks see it all the same, so they don't miss it so many times in a row (as the sweeper).
const EMPTY_LOOKS: u32 = 25;
/// How far a run that isn't recorded may be ahead of the last one that is: far more than can begin while nothing can be written,
/// and little enough that a number which somebody has invented can't use up those that are left.
const MOST_RUNS: u64 = 1_000_000;
/// The thread reads small files; the deepest it goes is a directory listing.
const STACK: usize = 256 * 1024;

/// The machine's boot, as the kernel names it; empty where it doesn't.
#[must_use]
pub fn boot_id() -> String {
    std::fs::read_to_string("/proc/sys/kernel/random/boot_id")
        .unwrap_or_default()
        .trim()
        .to_owned()
}

/// What is to be done about a run.
#[derive(Debug)]
pub enum Job {
    /// Treat its processes, until there are none.
    Treat {
        /// Which run.
        run: RunId,
        /// What is recorded of it.
        record: StartedRun,
        /// The cgroup of its own that it lives in, if so: its first process, which would tell, may be gone.
        cgroup: Option<Tree>,
        /// How.
        manner: Manner,
    },
    /// End it, politely first; nobody waits.
    EndAlone(StartedRun),
}

/// The handle of the thread.
pub struct Leftovers {
    jobs: mpsc::Sender<Job>,
}

impl Leftovers {
    /// Starts the thread, which sleeps where there is nothing to end.
    ///
    /// # Errors
    /// The thread can't be created.
    pub fn start(instance: String, tell: impl Fn(Swept) + Send + 'static) -> io::Result<Self> {
        // A few jobs for each run: the machine waits for each answer.
        let (jobs, queue) = mpsc::channel();
        let thread = std::thread::Builder::new()
            .name("s7-leftovers".to_owned())
            .stack_size(STACK);
        thread.spawn(move || work(&instance, &queue, &tell))?;
        Ok(Self { jobs })
    }

    /// Hands over a job.
    pub fn order(&self, job: Job) {
        // The thread ends only with this handle.
        let _ = self.jobs.send(job);
    }
}

/// The processes of `runs`, and of the runs of this supervisor that aren't among them. Looks at all processes of the
/// machine.
#[must_use]
pub fn everything_of(runs: &[StartedRun], instance: &str) -> Vec<u32> {
    let recorded = runs.iter().map(|run| (run.component.clone(), run.run)).collect();
    let mut all = runs.to_vec();
    let (unrecorded, commands) = look_for(&recorded, instance);
    all.extend(unrecorded.into_iter().map(|found| found.run));
    let mut pids = members(&all.iter().collect::<Vec<_>>(), instance, |_, _| {}).concat();
    pids.extend(commands.pids());
    pids
}

/// The runs of this supervisor that live and aren't recorded: they are known by what their environment says, or by their
/// cgroup. `recorded` gives the last run of each component that is. Looks at all processes of the machine.
///
/// Commands beside runs are no runs. Those that an earlier daemon has left, by numbers below `before`, are ended here, which may take
/// a second.
#[must_use]
pub fn unrecorded(recorded: &HashMap<ComponentName, u64>, instance: &str, before: u64) -> Vec<Unrecorded> {
    let (found, commands) = look_for(recorded, instance);
    let lives = |component: &str, run: u64| {
        let is_it = |of: &ComponentName, number: u64| of.as_str() == component && number == run;
        let mut known = recorded.iter();
        known.any(|(of, number)| is_it(of, *number))
            || found
                .iter()
                .any(|found| is_it(&found.run.component, found.run.run))
    };
    commands.end(before, lives, || look_for(recorded, instance).1);
    found
}

/// All of this supervisor that isn't recorded: runs, and commands beside runs.
fn look_for(recorded: &HashMap<ComponentName, u64>, instance: &str) -> (Vec<Unrecorded>, Commands) {
    let (mut found, mut commands) = (Vec::new(), Commands::default());
    for pid in census::everyone().filter(|pid| *pid != std::process::id()) {
        let Some(marker) = census::marker(pid, instance) else {
            continue;
        };
        if commands.note(pid, &marker) {
            continue;
        }
        let Marker { component, run, .. } = marker;
        if let Ok(component) = ComponentName::parse(&component)
            && is_believed(pid, &component, run, instance)
        {
            note(&mut found, recorded, component, run, pid);
        }
    }
    // Some write something else over their environment.
    let living = cgroup::living(instance);
    commands.note_living(&living);
    for (component, run, cgroup) in living {
        for pid in cgroup.members().into_iter().filter(|pid| !commands.has(*pid)) {
            note(&mut found, recorded, component.clone(), run, pid);
        }
    }
    (found, commands)
}

/// Whether what the environment of a process says of it is believed: anybody can write anything there. The daemon's own user
/// could do whatever the daemon does; of others the run's output pipe is proof, which nobody else can open. Where that has no name,
/// the component's lock is, which nobody else can open either.
fn is_believed(pid: u32, component: &ComponentName, run: u64, instance: &str) -> bool {
    let owner = std::fs::metadata(format!("/proc/{pid}")).map(|of| of.uid());
    if owner.is_ok_and(|owner| owner == rustix::process::geteuid().as_raw()) {
        return true;
    }
    let output = Path::new(instance).join("out").join(format!("{component}.{run}"));
    let in_cgroup = cgroup::run_of(pid).is_some_and(|(of, number)| of == component.as_str() && number == run);
    let lock = Path::new(instance).join("locks").join(component.as_str());
    let is_unnamed = fifo::unnamed_of(pid).is_some();
    in_cgroup || census::open_files(pid).any(|file| file == output || (is_unnamed && file == lock))
}

/// A process says that it is of a run, which has the leader of its session for its first process.
fn note(
    found: &mut Vec<Unrecorded>,
    recorded: &HashMap<ComponentName, u64>,
    component: ComponentName,
    run: u64,
    pid: u32,
) {
    let last = recorded.get(&component).copied();
    // A number that no run has come to is somebody's invention.
    let is_possible = run <= last.unwrap_or(0).saturating_add(MOST_RUNS);
    let Some(pidfd) = open(pid).filter(|_| last != Some(run) && is_possible) else {
        return;
    };
    let Some(stat) = census::stat(pid) else { return };
    let candidate = Unrecorded {
        run: StartedRun {
            component,
            run,
            process: Recorded {
                pid,
                inode: pidfd::inode(pidfd.as_fd()),
            },
            // It has begun in this tick of the clock; where nothing else tells who it is, that does.
            began_ns: (stat.started + 1).saturating_mul(tick_ns()) - 1,
        },
        leads: stat.session == pid,
        output: (stat.session == pid).then(|| fifo::unnamed_of(pid)).flatten(),
    };
    let same = |known: &&mut Unrecorded| {
        known.run.component == candidate.run.component && known.run.run == candidate.run.run
    };
    match found.iter_mut().find(same) {
        Some(known) if candidate.leads && !known.leads => *known = candidate,
        // Of several whose first process is gone, the oldest says since when they may be there.
        Some(known) if !known.leads => {
            known.run.began_ns = known.run.began_ns.min(candidate.run.began_ns);
        }
        Some(_) => {}
        None => found.push(candidate),
    }
}

struct Treatment {
    /// Whose; `None` for a run that nobody waits for.
    run: Option<RunId>,
    record: StartedRun,
    /// The cgroup of its own that it lives in, if so.
    cgroup: Option<Tree>,
    manner: Manner,
    began: Instant,
    asked: HashSet<u32>,
    empty_looks: u32,
    /// Those of them, in a row too, during which nothing was created.
    quiet_looks: u32,
}

fn work(instance: &str, queue: &mpsc::Receiver<Job>, tell: &dyn Fn(Swept)) {
    let mut treated: Vec<Treatment> = Vec::new();
    loop {
        let job = if treated.is_empty() {
            queue.recv().map_err(|_| RecvTimeoutError::Disconnected)
        } else {
            queue.recv_timeout(LOOK)
        };
        let (run, record, cgroup, manner) = match job {
            Ok(Job::Treat {
                run,
                record,
                cgroup,
                manner,
            }) => (Some(run), record, cgroup, manner),
            Ok(Job::EndAlone(record)) => {
                let (component, pid) = (&record.component, record.process.pid);
                let cgroup = Tree::find_of(component, record.run, instance, pid);
                (None, record, cgroup, Manner::Ask)
            }
            Err(RecvTimeoutError::Timeout) => {
                look(&mut treated, instance, tell);
                continue;
            }
            Err(RecvTimeoutError::Disconnected) => return,
        };
        treated.retain(|treatment| run.is_none() || treatment.run != run);
        let (began, asked) = (Instant::now(), HashSet::new());
        treated.push(Treatment {
            run,
            record,
            cgroup,
            manner,
            began,
            asked,
            empty_looks: 0,
            quiet_looks: 0,
        });
    }
}

fn look(treated: &mut Vec<Treatment>, instance: &str, tell: &dyn Fn(Swept)) {
    failpoint::reach(Point::LeftoversBefore);
    let elsewhere = treated.iter().filter(|treatment| treatment.cgroup.is_none());
    let elsewhere: Vec<&Treatment> = elsewhere.collect();
    let records: Vec<&StartedRun> = elsewhere.iter().map(|treatment| &treatment.record).collect();
    let newest = census::newest();
    // Not all processes of the machine where cgroups tell.
    let mut members = if records.is_empty() {
        Vec::new()
    } else {
        // At once, not after all others were looked at: it may live for some milliseconds only and leave another in its place.
        members(&records, instance, |index, pid| {
            if elsewhere[index].manner == Manner::Kill {
                elsewhere[index].send(pid, &[Signal::KILL], instance);
            }
        })
    }
    .into_iter();
    let quiet = newest.is_some() && census::newest() == newest;
    for treatment in treated.iter_mut() {
        let members = match &treatment.cgroup {
            Some(cgroup) => treatment.has_left(cgroup),
            None => members.next().unwrap_or_default(),
        };
        let empty = members.is_empty() && treatment.cgroup.as_ref().is_none_or(Tree::is_empty);
        treatment.empty_looks = if empty { treatment.empty_looks + 1 } else { 0 };
        treatment.quiet_looks = if empty && quiet {
            treatment.quiet_looks + 1
        } else {
            0
        };
        if treatment.run.is_none() && treatment.began.elapsed() > PATIENCE {
            treatment.manner = Manner::Kill;
        }
        treatment.treat_cgroup();
        treatment.ask(&members, instance);
    }
    for treatment in treated.extract_if(.., |treatment| {
        // A cgroup says it for certain.
        let enough = if treatment.cgroup.is_some() {
            1
        } else {
            EMPTY_LOOKS
        };
        treatment.empty_looks >= enough || treatment.quiet_looks >= QUIET_LOOKS
    }) {
        let Some(run) = treatment.run else {
            if let Some(cgroup) = &treatment.cgroup {
                // What fails here is tried again when the daemon ends.
                let _ = cgroup.remove();
            }
            tell(Swept::Alone(treatment.record));
            continue;
        };
        tell(Swept::Empty(run));
    }
}

impl Treatment {
    /// Its first process, if it has left its cgroup (which only root can): nobody else who did so is known.
    fn has_left(&self, cgroup: &Tree) -> Vec<u32> {
        let pid = self.record.process.pid;
        let lives =
            open(pid).is_some_and(|pidfd| is_recorded(&self.record, pidfd.as_fd())) && census::lives(pid);
        let left = lives && !cgroup.members().contains(&pid);
        Vec::from_iter(Some(pid).filter(|_| left))
    }

    fn treat_cgroup(&mut self) {
        let Some(cgroup) = &self.cgroup else { return };
        match self.manner {
            Manner::Ask => {
                let asked = &mut self.asked;
                cgroup.signal(&[Signal::TERM, Signal::CONT], |pid| asked.insert(pid));
            }
            Manner::Kill => {
                if let Err(error) = cgroup.kill() {
                    log::warn!("killing all in {cgroup}: {error}");
                }
            }
        }
    }

    /// Asks those of `members` to end that weren't asked yet; who is in no cgroup is killed when he is found.
    fn ask(&mut self, members: &[u32], instance: &str) {
        for pid in members {
            if self.manner == Manner::Kill {
                self.send(*pid, &[Signal::KILL], instance);
            } else if self.asked.insert(*pid) && self.send(*pid, &[Signal::TERM, Signal::CONT], instance) {
                let component = &self.record.component;
                log::warn!("{component}: process {pid} was left by an earlier supervisor, asked it to end");
            }
        }
    }

    /// Gives whether it is still one of the run.
    fn send(&self, pid: u32, signals: &[Signal], instance: &str) -> bool {
        // Held first, then looked at again: the number may be somebody else's by now.
        let Some(pidfd) = open(pid) else { return false };
        let still = census::stat(pid).is_some_and(|stat| belongs(pid, &stat, &self.record, instance));
        for signal in signals.iter().filter(|_| still) {
            let _ = rustix::process::pidfd_send_signal(&pidfd, *signal);
        }
        still
    }
}
