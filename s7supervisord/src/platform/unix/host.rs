//! The processes of all runs: orders go in, events come out.

use super::census::Orphans;
pub use super::census::tree;
use super::cgroup::{self, Tree};
use super::held::{Command, Origin, Process};
use super::inherited::Inherited;
use super::leftovers::{self, Leftovers};
pub use super::measure::{Meter, Usage};
use super::output::Capture;
use super::pidfd;
use super::spawner::{Order, Spawned, Spawner};
use super::sweeper::{Job, Leader, Leaders, Sweeper, Swept};
use super::watch::Watch;
use super::words::{asked_signal, exit_of, unix_signal};

use crate::machine::input::{Event, RunId, Slot};
use crate::registry::plan::{ComponentPlan, StopPlan};
use crate::state::journal::Journal;
use crate::state::known::{StartedRun, Stays, Tally, asked_words, end_words};
use crate::state::line;
use rustix::process::{Signal, WaitId, WaitIdOptions};
use s7proto::name::ComponentName;
use s7proto::status::SpawnFailure;
use std::collections::{HashMap, HashSet};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::sync::{Arc, PoisonError};
use tokio::signal::unix::{Signal as SignalStream, SignalKind, signal};
use tokio::sync::mpsc;

mod trees;

/// What the threads tell the core loop. At most a few lie in the queue for each run, since each is answered before the
/// next is ordered.
enum Told {
    Spawned(Spawned),
    Swept(Swept),
    CannotAsk(RunId),
}

/// All processes that this daemon has created and not yet seen the end of.
pub struct Host {
    runs: HashMap<RunId, Process>,
    keys: HashMap<u64, RunId>,
    commands: HashMap<u64, Command>,
    next_key: u64,
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
    /// Runs whose records could not be written, and why.
    record_faults: HashMap<RunId, String>,
    /// Why nothing can be recorded.
    record_fault: Option<String>,
    /// Of these runs the records are being written again.
    recording: Vec<RunId>,
    recorded_again: bool,
    instance: String,
    leftovers: Option<Leftovers>,
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
        cgroup::home();
        rustix::process::set_child_subreaper(rustix::process::Pid::from_raw(1))?;
        let children = signal(SignalKind::child())?;
        let (tell, told) = mpsc::unbounded_channel();
        let leaders = Leaders::default();
        let orphans = Orphans::open();
        if let Err(error) = &orphans {
            log::warn!("opening the list of orphans ({error}): what leaves its session can't be found");
        }
        let swept = tell.clone();
        let sweeper = Sweeper::start(
            instance.clone(),
            Arc::clone(&leaders),
            Orphans::open().ok(),
            move |fact| {
                let _ = swept.send(Told::Swept(fact));
            },
        )?;
        let done = tell.clone();
        let spawner = Spawner::new(
            runtime_dir,
            instance.clone(),
            capture,
            journal,
            inherited,
            move |fact| {
                let _ = done.send(Told::Spawned(fact));
            },
        )?;
        Ok(Self {
            runs: HashMap::new(),
            keys: HashMap::new(),
            commands: HashMap::new(),
            next_key: 0,
            watch: Watch::new()?,
            spawner,
            sweeper,
            leaders,
            coming: HashSet::new(),
            orphans: orphans.ok(),
            told,
            tell,
            children,
            record_faults: HashMap::new(),
            record_fault: None,
            recording: Vec::new(),
            recorded_again: false,
            instance,
            leftovers: None,
        })
    }

    /// Takes charge of a run that an earlier daemon has begun; whether its first process is there, so that its end will be told.
    ///
    /// # Errors
    /// The thread that looks after what isn't a child of this process can't be created.
    pub fn adopt(&mut self, run: RunId, started: StartedRun, record: Vec<u8>) -> io::Result<bool> {
        let pid = started.process.pid;
        let pidfd = pidfd::open(pid).filter(|pidfd| leftovers::is_recorded(&started, pidfd.as_fd()));
        let is_there = pidfd.is_some();
        // After an upgrade in place it is a child as before.
        let is_child = pidfd.as_ref().is_some_and(|pidfd| pidfd::is_child(pidfd.as_fd()));
        if !is_child {
            self.leftovers()?;
        }
        let component = started.component.clone();
        let origin = if is_child {
            Origin::Own
        } else {
            Origin::Left(started)
        };
        let cgroup = Tree::find(&component, run.run, &self.instance);
        self.add(run, component, (pid, pidfd), origin, (record, cgroup));
        Ok(is_there)
    }

    /// Ends a run that nobody knows any more, politely first.
    ///
    /// # Errors
    /// As [`Host::adopt`].
    pub fn end_alone(&mut self, started: StartedRun) -> io::Result<()> {
        self.leftovers()?.order(leftovers::Job::EndAlone(started));
        Ok(())
    }

    fn leftovers(&mut self) -> io::Result<&Leftovers> {
        match &mut self.leftovers {
            Some(leftovers) => Ok(leftovers),
            none => {
                let told = self.tell.clone();
                let leftovers = Leftovers::start(self.instance.clone(), move |fact| {
                    let _ = told.send(Told::Swept(fact));
                })?;
                Ok(none.insert(leftovers))
            }
        }
    }

    /// Why the record can't be written, or that of a run that lives could not be, if so.
    #[must_use]
    pub fn record_fault(&self) -> Option<&str> {
        let of_runs = self.record_faults.values().next();
        self.record_fault.as_ref().or(of_runs).map(String::as_str)
    }

    /// Nothing can be recorded, for this reason, until [`Host::record_again`] succeeds.
    pub fn record_is_lost(&mut self, why: String) {
        self.record_fault = Some(why);
    }

    /// Records everything that runs once more, and `others` (lines by their words). How that went is told by
    /// [`Host::recorded_again`].
    pub fn record_again(&mut self, others: &[String]) {
        let mut lines: Vec<u8> = others
            .iter()
            .flat_map(|words| line::sealed(words).into_bytes())
            .collect();
        for process in self.runs.values() {
            lines.extend_from_slice(&process.record);
        }
        self.recording = self.record_faults.keys().copied().collect();
        self.spawner.submit(Order::RecordAgain(lines));
    }

    /// Whether everything could be recorded since this was asked last.
    pub fn recorded_again(&mut self) -> bool {
        std::mem::take(&mut self.recorded_again)
    }

    /// Creates a run. Answered by `Spawned` or `SpawnFailed`. `tally` goes into its record.
    pub fn spawn(&mut self, run: RunId, plan: Arc<ComponentPlan>, tally: Tally) {
        self.coming.insert(run.slot);
        self.spawner.submit(Order::Create { run, plan, tally });
    }

    /// Asks the first process of a run to end, and wakes it should it be stopped.
    pub fn ask(&mut self, run: RunId, plan: &ComponentPlan) {
        let Some(process) = self.runs.get(&run) else {
            return;
        };
        // So that a next daemon neither takes its end for a crash nor asks it once more.
        let words = asked_words(&process.component, run.run, super::process::since_boot_ns());
        self.spawner.submit(Order::Note(words));
        match &plan.stop {
            StopPlan::Signal(name) => process.send(unix_signal(*name)),
            StopPlan::Console => process.send(Signal::INT),
            StopPlan::Tcp { host, port, text } => {
                super::ask::by_tcp(host.clone(), *port, text.clone(), self.cannot_ask(run));
            }
            StopPlan::Command { program, arguments } => {
                let plan = Arc::new(super::ask::command_plan(plan, program, arguments));
                self.spawner.submit(Order::Ask { run, plan });
            }
        }
        // A stopped process would take the signal only after it is continued (reliability A2).
        process.send(Signal::CONT);
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

    fn cannot_ask(&self, run: RunId) -> impl FnOnce() + Send + 'static {
        let tell = self.tell.clone();
        move || {
            let _ = tell.send(Told::CannotAsk(run));
        }
    }

    /// The run is over: its number may be anybody's now. Called after `Emptied`. `tally` and `stays` go into the record.
    pub fn forget(&mut self, run: RunId, tally: &Tally, stays: Option<Stays>) {
        let Some(process) = self.runs.remove(&run) else {
            return;
        };
        self.keys.remove(&process.key);
        self.record_faults.remove(&run);
        if let Some(pidfd) = &process.pidfd {
            self.watch.remove(pidfd.as_fd());
            let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG;
            let _ = rustix::process::waitid(WaitId::PidFd(pidfd.as_fd()), options);
        }
        self.leaders
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(&process.pid);
        for command in self.commands.values_mut().filter(|command| command.run == run) {
            command.kill();
        }
        if let Some(cgroup) = process.cgroup {
            self.spawner.submit(Order::Remove(cgroup));
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
            _ = self.children.recv() => {
                // A run's first process is noticed by its descriptor; this is about everybody else.
                if self.has_orphans() {
                    self.sweeper.order(Job::Look);
                }
                Vec::new()
            }
        }
    }

    fn heard(&mut self, facts: Vec<Told>) -> Vec<(RunId, Event)> {
        let mut events = Vec::with_capacity(facts.len());
        for fact in facts {
            events.push(match fact {
                Told::Spawned(Spawned::Yes {
                    run,
                    pid,
                    pidfd,
                    component,
                    record,
                    unrecorded,
                    cgroup,
                }) => {
                    if let Some(why) = unrecorded {
                        let why = format!("writing the record of {component}, run {}: {why}", run.run);
                        self.record_faults.insert(run, why);
                    }
                    self.coming.remove(&run.slot);
                    self.add(run, component, (pid, Some(pidfd)), Origin::Own, (record, cgroup));
                    (run, Event::Spawned { pid })
                }
                Told::Spawned(Spawned::Recorded(recorded)) => {
                    match recorded {
                        Ok(()) => {
                            let recorded: HashSet<RunId> = self.recording.drain(..).collect();
                            self.record_faults.retain(|run, _| !recorded.contains(run));
                            self.record_fault = None;
                            self.recorded_again = true;
                        }
                        Err(why) => self.record_fault = Some(format!("writing the record of runs: {why}")),
                    }
                    continue;
                }
                Told::Spawned(Spawned::No { run, failure }) => {
                    self.coming.remove(&run.slot);
                    (run, Event::SpawnFailed(failure))
                }
                Told::Spawned(Spawned::Asking { run, command }) => match self.asking(run, command) {
                    Some(event) => (run, event),
                    None => continue,
                },
                Told::Swept(Swept::Empty(run)) => (run, Event::Emptied),
                Told::Swept(Swept::Survivors(run, left)) => (run, Event::Survivors(left)),
                Told::CannotAsk(run) => (run, Event::CannotAsk),
            });
        }
        events
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
                pid,
                pidfd,
                origin,
                record,
                swept: false,
                key,
                ended,
                cgroup,
            },
        );
    }

    /// The command that asks a run to stop has begun, or has not.
    fn asking(&mut self, run: RunId, command: Result<(u32, OwnedFd), SpawnFailure>) -> Option<Event> {
        let (pid, pidfd) = match command {
            Ok(command) => command,
            Err(failure) => {
                log::warn!("the stop command: {failure}");
                return Some(Event::CannotAsk);
            }
        };
        let key = self.next_key;
        self.next_key += 1;
        let mut command = Command {
            pid,
            pidfd,
            run,
            idle: false,
        };
        if let Err(error) = self.watch.add(command.pidfd.as_fd(), key) {
            log::error!("watching the stop command, process {pid}: {error}");
        }
        // The run may have ended before its stop command has begun.
        if !self.runs.contains_key(&run) {
            command.kill();
        }
        self.commands.insert(key, command);
        None
    }

    fn command_ended(&mut self, key: u64) -> Option<(RunId, Event)> {
        let command = self.commands.remove(&key)?;
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG;
        let status = rustix::process::waitid(WaitId::PidFd(command.pidfd.as_fd()), options)
            .ok()
            .flatten()?;
        if command.idle || status.exit_status() == Some(0) {
            return None;
        }
        log::warn!("the stop command {}", exit_of(&status));
        Some((command.run, Event::CannotAsk))
    }

    fn deaths(&mut self, keys: &[u64]) -> Vec<(RunId, Event)> {
        let mut events = Vec::with_capacity(keys.len());
        for key in keys {
            let Some(run) = self.keys.get(key).copied() else {
                events.extend(self.command_ended(*key));
                continue;
            };
            let Some(process) = self.runs.get_mut(&run) else {
                continue;
            };
            process.ended = true;
            let exit = process.exit();
            if process.ran_out_of_memory() {
                let (component, number) = (&process.component, run.run);
                log::warn!("{component}: the system has killed of run {number} for want of memory");
            }
            events.push((run, Event::Exited(exit)));
        }
        events
    }
}
