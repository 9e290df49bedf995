//! The processes of all runs: orders go in, events come out.

use super::census::Orphans;
pub use super::census::tree;
use super::cgroup::{self, Tree};
use super::command_mark::Present;
use super::create::Creator;
use super::handed::Socket;
use super::held::{Command, Origin, Process};
use super::inherited::Inherited;
use super::leftovers::Leftovers;
pub use super::measure::{Meter, Usage};
use super::memory_kills::{Kills, MemoryKills};
use super::notices::Notices;
use super::order::{Order, Spawned};
use super::output::Capture;
use super::ports::Ports;
use super::recording::Recording;
use super::spawner::Spawner;
use super::sweeper::{Job, Leader, Leaders, Sweeper, Swept};
use super::watch::Watch;
use super::words::asked_signal;
use beside::Errands;
use hearing::Names;
pub use memory::MemoryLimit;
use signs::Signs;

use crate::failpoint::{self, Point};
use crate::machine::input::{Event, RunId, Slot};
use crate::registry::plan::ComponentPlan;
use crate::state::journal::Journal;
use crate::state::known::{StartedRun, Stays, Tally, end_words};
use crate::until::until;

use rustix::process::{WaitId, WaitIdOptions};
use s7proto::name::ComponentName;
use s7proto::status::Exit;
use std::collections::{HashMap, HashSet};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError};
use std::time::Instant;
use tokio::signal::unix::{Signal as SignalStream, SignalKind, signal};
use tokio::sync::mpsc;

mod adoption;
mod asking;
mod beside;
mod ending;
mod hearing;
mod memory;
mod results;
mod signs;
mod trees;

/// What the threads tell the core loop. At most a few lie in the queue for each run, since each is answered before the
/// next is ordered.
pub(super) enum Told {
    Spawned(Spawned),
    /// Nobody waits for this command beside a run any more.
    GivenUp(u64),
    Swept(Swept),
    CannotAsk(RunId),
}

/// All processes that this daemon has created and not yet seen the end of.
pub struct Host {
    runs: HashMap<RunId, Process>,
    keys: HashMap<u64, RunId>,
    commands: HashMap<u64, Command>,
    errands: Errands,
    /// Commands bear these numbers: they begin where no daemon before this one can have come to.
    next_key: u64,
    first_key: u64,
    watch: Watch,
    spawner: Spawner,
    sweeper: Sweeper,
    leaders: Leaders,
    /// Components whose next run is being created.
    coming: HashSet<Slot>,
    orphans: Option<Orphans>,
    told: mpsc::UnboundedReceiver<Told>,
    tell: mpsc::UnboundedSender<Told>,
    children: SignalStream,
    recording: Recording,
    instance: String,
    leftovers: Option<Leftovers>,
    /// Runs that nobody waited for and of which nothing is left.
    gone: Vec<StartedRun>,
    memory_kills: MemoryKills,
    notices: Notices,
    names: Names,
    signs: Signs,
    /// Sockets of runs that are still to be adopted.
    handed: Vec<Socket>,
    runtime_dir: PathBuf,
}

impl Host {
    /// Makes this process the one that orphans come to, and starts the threads that create and sweep processes.
    ///
    /// To be called inside the runtime. `instance` is told to every component as `S7_INSTANCE`.
    ///
    /// # Errors
    /// What could not be set up.
    pub fn start(
        runtime_dir: &Path,
        instance: String,
        capture: Capture,
        journal: Arc<Journal>,
        inherited: Inherited,
    ) -> io::Result<Self> {
        // Before the first thread and the first run: it moves all of this process.
        cgroup::settle(inherited.first_image_ns().is_none());
        rustix::process::set_child_subreaper(rustix::process::Pid::from_raw(1))?;
        let children = signal(SignalKind::child())?;
        let (tell, told) = mpsc::unbounded_channel();
        let (leaders, present) = (Leaders::default(), Present::default());
        let first_key = crate::platform::process::since_boot_ns();
        let orphans = Orphans::open();
        if let Err(error) = &orphans {
            log::warn!("opening the list of orphans ({error}): what leaves its session can't be found");
        }
        let swept = tell.clone();
        let sweeper = Sweeper::start(
            instance.clone(),
            (Arc::clone(&leaders), present.clone()),
            Orphans::open().ok(),
            inherited.first_image_ns(),
            move |fact| {
                let _ = swept.send(Told::Swept(fact));
            },
        )?;
        let done = tell.clone();
        let ports = Ports::new(Arc::clone(&leaders), instance.clone());
        let creator = Creator::new(runtime_dir, instance.clone(), capture, journal, inherited, ports)?;
        let spawner = Spawner::new(creator, move |fact| {
            let _ = done.send(Told::Spawned(fact));
        });
        Ok(Self {
            runs: HashMap::new(),
            keys: HashMap::new(),
            commands: HashMap::new(),
            errands: Errands::new(present),
            next_key: first_key,
            first_key,
            watch: Watch::new()?,
            spawner,
            sweeper,
            leaders,
            coming: HashSet::new(),
            orphans: orphans.ok(),
            told,
            tell,
            children,
            recording: Recording::default(),
            instance,
            leftovers: None,
            gone: Vec::new(),
            memory_kills: MemoryKills::begin(),
            notices: Notices::default(),
            names: Names::default(),
            signs: Signs::default(),
            handed: Vec::new(),
            runtime_dir: runtime_dir.to_owned(),
        })
    }

    /// Whether no process is being created and no record is being written, so that another image can take over.
    #[must_use]
    pub fn is_at_rest(&self) -> bool {
        self.coming.is_empty() && self.has_no_errands() && self.told.is_empty() && self.spawner.is_at_rest()
    }

    /// Why the record can't be written, or that of a run that lives could not be, if so.
    #[must_use]
    pub fn record_fault(&self) -> Option<&str> {
        self.recording.fault()
    }

    /// Puts lines into the record, given by their words.
    pub fn note(&mut self, lines: Vec<String>) {
        for words in lines {
            self.spawner.submit(Order::Note(words));
        }
    }

    /// Nothing can be recorded, for this reason, until [`Host::record_again`] succeeds.
    pub fn record_is_lost(&mut self, why: String) {
        self.recording.is_lost(why);
    }

    /// Records everything that runs once more, and `others` (lines by their words). How that went is told by
    /// [`Host::recorded_again`].
    pub fn record_again(&mut self, others: &[String]) {
        let records = self.runs.values().map(Process::lines);
        if let Some(lines) = self.recording.again(records, others) {
            self.spawner.submit(Order::RecordAgain(lines));
        }
    }

    /// The lines that say in the record what lives.
    #[must_use]
    pub fn records(&self) -> Vec<u8> {
        self.runs.values().flat_map(Process::lines).collect()
    }

    /// Notes that a component has come to rest without a run: nobody could begin one. `stays` says why there is no other.
    pub fn note_rest(&mut self, component: &ComponentName, run: RunId, tally: &Tally, stays: Stays) {
        let words = end_words(component, run.run, tally, Some(stays));
        self.spawner.submit(Order::Note(words));
    }

    /// Whether everything could be recorded since this was asked last.
    pub fn recorded_again(&mut self) -> bool {
        self.recording.take_success()
    }

    /// Creates a run. Answered by `Spawned` or `SpawnFailed`. `tally` goes into its record.
    pub fn spawn(&mut self, run: RunId, plan: Arc<ComponentPlan>, tally: Tally) {
        self.coming.insert(run.slot);
        let run = (run, Instant::now());
        self.spawner.submit(Order::Create { run, plan, tally });
    }

    /// What the creation of a run waits for isn't waited for longer than it must.
    pub fn hasten(&mut self, run: RunId) {
        if self.coming.contains(&run.slot) {
            self.spawner.hasten(run);
        }
    }

    /// Sends a signal to the first process of a run; `false` where it has ended.
    ///
    /// # Errors
    /// The system doesn't let it be sent.
    pub fn signal(&mut self, run: RunId, signal: s7proto::signal::Signal) -> io::Result<bool> {
        let process = self.runs.get(&run).filter(|process| !process.ended);
        let Some(pidfd) = process.and_then(|process| process.pidfd.as_ref()) else {
            return Ok(false);
        };
        match rustix::process::pidfd_send_signal(pidfd, asked_signal(signal)) {
            Ok(()) => Ok(true),
            Err(rustix::io::Errno::SRCH) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// The run is over: its number may be anybody's now. Called after `Emptied`. `tally` and `stays` go into the record.
    pub fn forget(&mut self, run: RunId, tally: &Tally, stays: Option<Stays>) {
        let Some(process) = self.runs.remove(&run) else {
            return;
        };
        failpoint::reach(Point::RecordEnd);
        self.keys.remove(&process.key);
        self.recording.forget(run);
        if let Some(pidfd) = &process.pidfd {
            self.watch.remove(pidfd.as_fd());
            let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG;
            let _ = rustix::process::waitid(WaitId::PidFd(pidfd.as_fd()), options);
        }
        self.leaders
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(&process.pid);
        self.end_errands_of(run);
        for command in self.commands.values_mut().filter(|command| command.run == run) {
            command.kill();
        }
        let channel = self.notices.remove(run);
        if process.cgroup.is_some() || channel.is_some() {
            self.spawner.submit(Order::Remove(process.cgroup, channel));
        }
        // The record of the next run says it as well, and so does the note of a failure to create one.
        if !self.coming.contains(&run.slot) {
            let words = end_words(&process.component, run.run, tally, stays);
            self.spawner.submit(Order::Note(words));
        }
    }

    /// The component has left the registry.
    pub fn forget_component(&mut self, component: &ComponentName) {
        self.spawner.submit(Order::Forget(component.clone()));
    }

    /// The first processes of all runs that live.
    pub fn pids(&self) -> impl Iterator<Item = (RunId, u32)> + '_ {
        self.runs
            .iter()
            .filter(|(_, process)| !process.ended)
            .map(|(run, process)| (*run, process.pid))
    }

    /// Waits for something to happen. Can be dropped at any time without losing anything.
    pub async fn next(&mut self) -> Vec<(RunId, Event)> {
        let mut facts = Vec::new();
        tokio::select! {
            _ = self.told.recv_many(&mut facts, 256) => self.heard(facts),
            keys = self.watch.next() => self.deaths(&keys),
            said = self.notices.next() => {
                self.have_said(&said);
                said
            }
            () = until(self.signs.due()) => {
                self.note_signs();
                Vec::new()
            }
            _ = self.children.recv() => {
                // A run's first process is noticed by its descriptor; this is about everybody else.
                if self.has_orphans() {
                    self.sweeper.order(Job::Look);
                }
                Vec::new()
            }
        }
    }

    fn add(
        &mut self,
        run: RunId,
        component: ComponentName,
        (pid, pidfd): (u32, Option<OwnedFd>),
        origin: Origin,
        (record, cgroup): (Vec<u8>, Option<Tree>),
    ) {
        let key = self.next_key;
        self.next_key += 1;
        let watched = pidfd
            .as_ref()
            .map_or(Ok(()), |pidfd| self.watch.add(pidfd.as_fd(), key));
        if let Err(error) = watched {
            // Its death would go unnoticed until it is stopped; the system is out of memory for 200 bytes.
            log::error!("{component}: watching process {pid}: {error}");
        }
        if origin == Origin::Own {
            let leader = Leader {
                run,
                component: component.clone(),
            };
            self.leaders
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .insert(pid, leader);
        }
        self.keys.insert(key, run);
        let ended = pidfd.is_none();
        self.runs.insert(
            run,
            Process {
                component,
                run: run.run,
                pid,
                pidfd,
                origin,
                record,
                swept: false,
                key,
                ended,
                cgroup,
                signs: None,
                until: None,
                kills: Kills::begin(0, Instant::now()),
            },
        );
    }

    fn deaths(&mut self, keys: &[u64]) -> Vec<(RunId, Event)> {
        let mut events = Vec::with_capacity(keys.len());
        let mut ended = Vec::with_capacity(keys.len());
        for key in keys {
            let Some(run) = self.keys.get(key).copied() else {
                self.errand_ended(*key);
                events.extend(self.command_ended(*key));
                continue;
            };
            let Some(process) = self.runs.get_mut(&run) else {
                continue;
            };
            // What it has said last is heard first.
            events.extend(self.notices.last_words(run));
            process.ended = true;
            let exit = process.exit();
            ended.push((
                run,
                matches!(&exit, Exit::Signal { name, .. } if name == "SIGKILL"),
            ));
            self.end_errands_of(run);
            events.push((run, Event::Exited(exit)));
        }
        let for_memory = self.for_want_of_memory(&ended);
        // Before the ends themselves: once those are told nobody asks why.
        events.splice(..0, for_memory.into_iter().map(|run| (run, Event::OutOfMemory)));
        events
    }
}
