//! The acting side: one loop that hears what happens, asks the machine, and carries out what it says.
//!
//! The loop never waits for anything but its own `select!`: disks, look-ups, other processes' memory and clients are for
//! other threads and tasks, whose results come back as one more thing that happens.

mod background;
mod calls;
mod checks;
pub mod clock;
mod concern;
mod dumps;
mod explain;
mod folders;
mod history;
mod history_writer;
mod hooks;
mod inherit;
mod logs;
pub mod matches;
mod memory;
pub mod operations;
mod overview;
mod perform;
mod recording;
mod reload;
mod remains;
pub mod roster;
mod service;
mod stale;
mod statistics;
mod streams;
pub mod upgrade;
mod waits;
mod wishes;

use crate::control::audit;
use crate::control::call::Call;
use crate::daemon_log::DaemonLog;
use crate::failpoint::{self, Point};
use crate::machine::effect::Effect;
use crate::machine::fleet::Fleet;
use crate::machine::input::{Command, Event, Order, Slot};
use crate::machine::moment::Moment;
use crate::panics::Indispensable;
use crate::platform::binary::Binary;
use crate::platform::host::Host;
use crate::platform::output::Capture;
use crate::platform::signals::{Asked, Signals};
use crate::registry::plan::{Plan, SupervisorPlan};
use crate::registry::{LoadFailure, LoadOptions, Sources};
use crate::state;
use crate::state::journal::Journal;
use crate::state::past::Kept;
use crate::until::until;
use background::{Background, Found};
use checks::Checker;
use clock::Clock;
use dumps::Dumps;
use folders::Folders;
use history::History;
use hooks::Hooks;
use inherit::Inheritance;
use matches::Matches;
use memory::Memory;
use operations::Operations;
use roster::Roster;
use s7proto::name::ComponentName;
use s7proto::overview::SupervisorFact;
use s7proto::status::Actor;
use statistics::Statistics;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::mpsc::Receiver;
use tokio::sync::{Notify, mpsc, oneshot, watch};
use upgrade::Upgrade;
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
    checker: Checker,
    matches: Matches,
    hooks: Hooks,
    memory: Memory,
    dumps: Dumps,
    history: History,
    /// What it goes on with comes from there, before anybody is heard.
    remembered: Option<Receiver<Kept>>,
    inheritance: Inheritance,
    /// Why the registry can't be loaded, while the last one that could is in force.
    stale: Option<LoadFailure>,
    keeping: stale::Keeping<Sources>,
    /// What is kept, to keep it again where somebody removes it: some KiB.
    sources: Option<Sources>,
    /// The boot was ordered: before, nobody is heard.
    booted: bool,
    /// When it is tried again to record what could not be.
    record_at: Option<Moment>,
    waits: Waits,
    wishes: Wishes,
    wish_fault: Option<String>,
    /// What concerns the daemon itself, as it was at its start: some of it a reload doesn't change.
    config: SupervisorPlan,
    /// Dropped with the loop, which tells those who follow; or it says that another image goes on.
    alive: watch::Sender<Turn>,
    /// Another binary is to take this one's place.
    upgrade: Option<Upgrade>,
    /// The last try came to nothing at its last step, for the status: until the next image, or SIGHUP.
    upgrade_failed: Option<SupervisorFact>,
    folders: Folders,
    /// The binary that begins anew once everything is stopped.
    successor: Option<Binary>,
    signals: Signals,
    service: service::Manager,
    inbox: mpsc::Receiver<Call>,
    refresh: Arc<Notify>,
    looked: watch::Receiver<Option<String>>,
    /// What is missing of the runtime folder and can't be made again.
    place_fault: Option<String>,
    journal: Arc<Journal>,
    endpoint: String,
    load: LoadOptions,
    log: DaemonLog,
    effects: Vec<Effect>,
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

/// Whose turn it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// This image's.
    Present,
    /// The next one's: who follows something goes on there.
    HandedOver,
}

/// How the loop was left.
pub enum Outcome {
    /// It is over. Those who follow output are told when the sender is dropped.
    Over {
        /// How.
        end: End,
        /// What the next daemon has to know, as lines of the record.
        record: Vec<u8>,
        /// Tells those who follow output.
        alive: watch::Sender<Turn>,
        /// Hears when everything that has happened is written down.
        history: Option<oneshot::Receiver<()>>,
        /// The binary that begins anew.
        successor: Option<Binary>,
    },
    /// Everything is at rest, and another image can take over; if it doesn't, the loop can go on.
    HandOver(Box<Driver>),
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
    /// The search of that output.
    pub matches: Matches,
    /// Why the record can't be written, if so.
    pub state_fault: Option<String>,
    /// Clients' requests.
    pub inbox: mpsc::Receiver<Call>,
    /// Told when the socket is to be looked after.
    pub refresh: Arc<Notify>,
    /// Hears when the socket and its folder were looked after, and what is missing of them.
    pub looked: watch::Receiver<Option<String>>,
    /// The record of runs and wishes.
    pub journal: Arc<Journal>,
    /// What has happened under the daemon before, once it is read.
    pub remembered: Receiver<Kept>,
    /// What people have wished by name, and of everything, as the daemon before has noted it.
    pub wishes: (state::wishes::Wishes, Option<(Actor, i64)>),
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
        let mut host = parts.host;
        if let Some(fault) = parts.state_fault {
            host.record_is_lost(fault);
        }
        Self {
            fleet: Fleet::new(policies, clock::seed()),
            roster,
            host,
            capture: parts.capture,
            clock,
            operations: Operations::default(),
            background,
            statistics,
            checker: Checker::default(),
            matches: parts.matches,
            hooks: Hooks::default(),
            memory: Memory::default(),
            dumps: Dumps::default(),
            history: History::waiting(),
            remembered: Some(parts.remembered),
            inheritance: Inheritance::default(),
            stale: None,
            keeping: stale::Keeping::default(),
            sources: None,
            booted: false,
            record_at: None,
            waits: Waits::default(),
            wishes,
            config,
            wish_fault: None,
            alive: watch::Sender::new(Turn::Present),
            upgrade: None,
            upgrade_failed: None,
            folders: Folders::default(),
            successor: None,
            signals: parts.signals,
            service: service::Manager::from_environment(),
            inbox: parts.inbox,
            refresh: parts.refresh,
            looked: parts.looked,
            place_fault: None,
            journal: parts.journal,
            endpoint: parts.endpoint,
            load: parts.load,
            log: parts.log,
            effects: Vec::new(),
            terminations: 0,
            end: None,
            then: End::Stopped,
        }
    }

    /// Runs until everything is stopped, or another image can take over.
    pub async fn run(mut self) -> Outcome {
        self.begin();
        self.perform();
        self.tell_service_manager();
        Box::new(self).go_on().await
    }

    /// Runs on, where no other image has taken over.
    pub async fn go_on(mut self: Box<Self>) -> Outcome {
        let _indispensable = Indispensable;
        loop {
            failpoint::reach(Point::Loop);
            // Then only what is under way is brought to its end.
            let settling = self.is_settling();
            let wake = self.fleet.next_deadline().map(|at| self.clock.instant(at));
            let statistics = self.statistics.deadline().map(|at| self.clock.instant(at));
            let record = self.record_at.map(|at| self.clock.instant(at));
            let beside = [self.hooks.deadline(), self.memory.deadline()];
            let beside = beside
                .into_iter()
                .flatten()
                .min()
                .map(|at| self.clock.instant(at));
            let service = self.service.deadline().map(|at| self.clock.instant(at));
            tokio::select! {
                events = self.host.next() => {
                    let stamp = self.clock.stamp();
                    for (run, event) in events {
                        let failed = match &event {
                            Event::SpawnFailed(failure) => Some(failure.clone()),
                            _ => None,
                        };
                        if let Some(failure) = &failed {
                            self.tell_of_start(run, failure);
                        }
                        self.fleet.event(stamp, run, event, &mut self.effects);
                        if let Some(failure) = failed {
                            self.tell_if_tried_at_once(run, failure);
                        }
                    }
                    self.leftovers_gone();
                }
                Some(call) = self.inbox.recv(), if self.booted && !settling => self.call(call),
                verdict = self.checker.next() => self.checked(verdict),
                slot = self.hooks.next() => self.hooks.ended(slot),
                found = self.matches.next() => self.matched(found),
                found = self.background.next() => self.found(found),
                asked = self.signals.next() => self.signalled(asked),
                Ok(()) = self.looked.changed() => self.looked_after(),
                () = until(wake), if !settling => self.fleet.tick(self.clock.stamp(), &mut self.effects),
                () = until(statistics), if !settling => self.begin_statistics(),
                () = until(record) => self.try_again(),
                // What is due is told after each step.
                () = until(service) => {}
                () = until(beside), if !settling => {}
                () = Self::a_moment(), if settling => {}
            }
            self.perform();
            self.begin_hooks();
            self.look_at_memory();
            self.look_at_record();
            self.tell_service_manager();
            if let Some(end) = self.end
                && self.hooks_are_over()
            {
                self.host.end_what_comes().await;
                return Outcome::Over {
                    end,
                    record: self.last_record(),
                    history: self.close_history(),
                    alive: self.alive,
                    successor: self.successor,
                };
            }
            if self.settled() {
                return Outcome::HandOver(self);
            }
        }
    }

    fn signalled(&mut self, asked: Asked) {
        match asked {
            Asked::Reload => {
                log::info!("SIGHUP: loading the registry anew");
                audit::signalled("SIGHUP, reload");
                self.refresh.notify_one();
                self.upgrade_failed = None;
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
            Found::RegistryKept => self.registry_kept(),
            Found::History(wanted) => self.history_wants(wanted),
            Found::Folders(made) => self.folders_made(made),
            Found::Missing {
                journal,
                history,
                registry,
            } => self.missing(journal, history, registry),
            Found::Unrecorded(found) => self.found_unrecorded(found),
            Found::TakenUp(kept) => self.taken_up(kept),
            Found::WishesNoted(fault) => self.wishes_noted(fault),
            Found::Loaded(loaded) => self.loaded(*loaded),
            Found::Memory(sampled) => self.memory_sampled(&sampled),
            Found::MemoryLimits(applied) => self.memory_limits_applied(applied),
            Found::Measured(usages) => self.measured(&usages),
            Found::Examined(examined) => self.examined(examined),
            Found::Dumped(dumped) => self.dumped(*dumped),
            Found::Remains(run, remains) => self.found_remains(run, remains),
        }
    }
}
