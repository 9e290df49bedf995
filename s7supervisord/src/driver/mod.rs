//! The acting side: one loop that hears what happens, asks the machine, and carries out what it says.
//!
//! The loop never waits for anything but its own `select!`: disks, look-ups, other processes' memory and clients are for
//! other threads and tasks, whose results come back as one more thing that happens.

mod background;
mod calls;
pub mod clock;
mod concern;
mod explain;
mod history;
pub mod operations;
mod overview;
mod perform;
mod reload;
pub mod roster;
mod statistics;
mod streams;
mod waits;
mod wishes;

use crate::control::audit;
use crate::control::call::Call;
use crate::daemon_log::DaemonLog;
use crate::machine::effect::Effect;
use crate::machine::fleet::Fleet;
use crate::machine::input::{Command, Order, RunId, Slot};
use crate::platform::host::Host;
use crate::platform::output::Capture;
use crate::platform::signals::{Asked, Signals};
use crate::registry::LoadOptions;
use crate::registry::plan::{Plan, SupervisorPlan};
use crate::state;
use crate::state::journal::{Journal, StartedRun};
use background::{Background, Found};
use clock::Clock;
use history::History;
use operations::Operations;
use roster::Roster;
use s7proto::event::Happening;
use s7proto::name::ComponentName;
use s7proto::status::Actor;
use statistics::Statistics;
use std::collections::{HashMap, HashSet};
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use tokio::sync::{Notify, mpsc, watch};
use waits::Waits;
use wishes::Wishes;

/// Everything that the loop is made of.
pub struct Driver {
    fleet: Fleet,
    roster: Roster,
    host: Host,
    capture: Capture,
    clock: Clock,
    operations: Operations,
    background: Background,
    statistics: Statistics,
    history: History,
    /// Runs that an earlier daemon had begun: how long they lived and how they end, this one can't say.
    left_over: HashSet<RunId>,
    waits: Waits,
    wishes: Wishes,
    wish_fault: Option<String>,
    /// What concerns the daemon itself, as it was at its start: some of it a reload doesn't change.
    config: SupervisorPlan,
    /// Dropped with the loop, which tells those who follow output.
    alive: watch::Sender<()>,
    signals: Signals,
    inbox: mpsc::Receiver<Call>,
    refresh: Arc<Notify>,
    journal: PathBuf,
    endpoint: String,
    load: LoadOptions,
    log: DaemonLog,
    effects: Vec<Effect>,
    state_fault: Option<String>,
    terminations: u32,
    end: Option<End>,
    then: End,
}

/// How the loop ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// Everything is stopped, as somebody wished.
    Stopped,
    /// Everything is stopped, and the daemon is to begin anew.
    Again,
}

/// What the loop is given.
pub struct Parts {
    /// The registry.
    pub plan: Plan,
    /// How it was loaded, to load it again.
    pub load: LoadOptions,
    /// The processes.
    pub host: Host,
    /// Their output.
    pub capture: Capture,
    /// Why the record can't be written, if so.
    pub state_fault: Option<String>,
    /// Clients' requests.
    pub inbox: mpsc::Receiver<Call>,
    /// Told when the socket is to be looked after.
    pub refresh: Arc<Notify>,
    /// The record of runs and wishes.
    pub journal: Arc<Journal>,
    /// What people have wished by name, as the daemon before has noted it.
    pub wishes: state::wishes::Wishes,
    /// Where clients connect, to be shown.
    pub endpoint: String,
    /// The daemon's own log.
    pub log: DaemonLog,
    /// Signals to the daemon.
    pub signals: Signals,
}

impl Driver {
    /// Sets everything up; nothing is started yet.
    #[must_use]
    pub fn new(parts: Parts) -> Self {
        let slots: HashMap<ComponentName, Slot> = parts
            .plan
            .components
            .iter()
            .map(|component| component.id.clone())
            .zip((0..).map(Slot))
            .collect();
        let slot_of = |name: &ComponentName| slots.get(name).copied();
        let policies = parts
            .plan
            .components
            .iter()
            .map(|plan| roster::policy(plan, slot_of))
            .collect();
        let mut roster = Roster::default();
        roster.set(&parts.plan, slot_of);
        let clock = Clock::start();
        let statistics = Statistics::new(parts.plan.supervisor.stats_interval, clock.now());
        let config = parts.plan.supervisor.clone();
        let background = Background::new(parts.plan);
        let wishes = Wishes::new(parts.wishes, Arc::clone(&parts.journal), background.teller());
        Self {
            fleet: Fleet::new(policies, clock::seed()),
            roster,
            host: parts.host,
            capture: parts.capture,
            clock,
            operations: Operations::default(),
            background,
            statistics,
            history: History::default(),
            left_over: HashSet::new(),
            waits: Waits::default(),
            wishes,
            config,
            wish_fault: None,
            alive: watch::Sender::new(()),
            signals: parts.signals,
            inbox: parts.inbox,
            refresh: parts.refresh,
            journal: parts.journal.path().to_owned(),
            endpoint: parts.endpoint,
            load: parts.load,
            log: parts.log,
            effects: Vec::new(),
            state_fault: parts.state_fault,
            terminations: 0,
            end: None,
            then: End::Stopped,
        }
    }

    /// Runs until everything is stopped. Those who follow output are told by the sender that comes out, when it is dropped.
    pub async fn run(mut self) -> (End, watch::Sender<()>) {
        self.boot();
        self.perform();
        loop {
            let wake = self.fleet.next_deadline().map(|at| self.clock.instant(at));
            let statistics = self.statistics.deadline().map(|at| self.clock.instant(at));
            tokio::select! {
                events = self.host.next() => {
                    let stamp = self.clock.stamp();
                    for (run, event) in events {
                        self.fleet.event(stamp, run, event, &mut self.effects);
                    }
                }
                Some(call) = self.inbox.recv() => self.call(call),
                found = self.background.next() => self.found(found),
                asked = self.signals.next() => self.signalled(asked),
                () = at(wake) => self.fleet.tick(self.clock.stamp(), &mut self.effects),
                () = at(statistics) => self.begin_statistics(),
            }
            self.perform();
            if let Some(end) = self.end {
                return (end, self.alive);
            }
        }
    }

    /// Has what an earlier daemon left ended; each component's next run waits for that.
    ///
    /// # Errors
    /// Nobody can look after them.
    pub fn take_over(&mut self, left: Vec<StartedRun>, instance: String) -> io::Result<()> {
        if left.is_empty() {
            return Ok(());
        }
        let stamp = self.clock.stamp();
        let mut runs = Vec::new();
        for record in left {
            let slot = self.roster.slot(&record.component);
            let run = slot.map(|slot| RunId {
                slot,
                run: record.run,
            });
            if let Some(run) = run {
                self.fleet.take_over(stamp, run, record.pid, &mut self.effects);
                self.left_over.insert(run);
                let found = Happening::LeftOver {
                    run: run.run,
                    gone: false,
                };
                let component = Some((run.slot, record.component.clone()));
                self.history.note(stamp.wall_ms, component, found);
            }
            log::warn!(
                "{}: run {} was left by an earlier supervisor, ending it",
                record.component,
                record.run
            );
            runs.push((run, record));
        }
        for (run, event) in self.host.take_over(runs, instance)? {
            self.fleet.event(stamp, run, event, &mut self.effects);
        }
        Ok(())
    }

    fn signalled(&mut self, asked: Asked) {
        match asked {
            Asked::Reload => {
                log::info!("SIGHUP: loading the registry anew");
                audit::signalled("SIGHUP, reload");
                self.refresh.notify_one();
                let journal = self.journal.clone();
                self.background.run(
                    move || Found::JournalGone(!journal.exists()),
                    Found::JournalGone(false),
                );
                self.begin_reload(None, false, true);
            }
            Asked::Stop => {
                self.terminations += 1;
                audit::signalled("stop everything and end");
                self.asked(&Actor::Supervisor, "shutdown", Vec::new());
                // Whatever was to come after the stop: now nothing is.
                self.then = End::Stopped;
                let command = if self.terminations == 1 {
                    log::info!(target: "lifecycle", "asked to stop: stopping everything in order");
                    Command::Shutdown
                } else {
                    log::warn!("asked to stop again: killing what is left");
                    Command::Hurry
                };
                self.command(None, Actor::Supervisor, command);
            }
        }
    }

    fn command(&mut self, ticket: Option<crate::machine::input::Ticket>, who: Actor, command: Command) {
        self.fleet.command(
            self.clock.stamp(),
            Order { ticket, who, command },
            &mut self.effects,
        );
    }

    fn found(&mut self, found: Found) {
        match found {
            Found::JournalGone(gone) => {
                if gone {
                    let fault = format!(
                        "{} was removed: a next supervisor won't know what runs; restart this one to mend it",
                        self.journal.display()
                    );
                    log::error!("{fault}");
                    self.state_fault = Some(fault);
                }
            }
            Found::WishesNoted(fault) => self.wishes_noted(fault),
            Found::Loaded(loaded) => self.loaded(*loaded),
            Found::Measured(usages) => self.measured(&usages),
        }
    }
}

async fn at(when: Option<tokio::time::Instant>) {
    match when {
        Some(when) => tokio::time::sleep_until(when).await,
        None => std::future::pending().await,
    }
}
