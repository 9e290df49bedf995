//! The daemon of a simulation: the machine with the driver's own roster and operations, and clients that wait.

use crate::control::call::Answer;
use crate::driver::operations::{Kind, Operations};
use crate::driver::roster::{self, Roster};
use crate::machine::effect::Effect;
use crate::machine::fleet::Fleet;
use crate::machine::input::{Command, Event, Order, RunId, Slot, Stamp, Ticket};
use crate::machine::moment::Moment;
use crate::machine::view::Why;
use crate::registry::diff::diff;
use crate::registry::plan::Plan;
use s7proto::name::ComponentName;
use s7proto::refusal::Refusal;
use s7proto::reply::{Done, Outcome, Part, ReloadReport, Reply};
use s7proto::status::{Actor, State, Wish};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use tokio::sync::oneshot;

/// What the machine is told at the moment.
#[derive(Debug, Clone)]
pub enum Input {
    Command(Option<Ticket>, Command),
    Event(RunId, Event),
    Tick,
}

/// The daemon without a system.
pub struct Daemon {
    pub fleet: Fleet,
    pub roster: Roster,
    pub plan: Plan,
    operations: Operations,
    /// Who waits for which ticket.
    waiting: BTreeMap<Ticket, oneshot::Receiver<Reply>>,
    told: BTreeSet<(Ticket, Slot)>,
    pub halted: bool,
}

impl Daemon {
    /// As it is when it has loaded its registry and before it has heard of anything.
    pub fn new(plan: &Plan, seed: u64) -> Self {
        let slots: HashMap<&ComponentName, Slot> = plan
            .components
            .iter()
            .map(|one| &one.id)
            .zip((0..).map(Slot))
            .collect();
        let slot_of = |name: &ComponentName| slots.get(name).copied();
        let policies = plan.components.iter().map(|one| roster::policy(one, slot_of));
        let mut roster = Roster::default();
        roster.set(plan, slot_of);
        Self {
            fleet: Fleet::new(policies.collect(), seed),
            roster,
            plan: plan.clone(),
            operations: Operations::default(),
            waiting: BTreeMap::new(),
            told: BTreeSet::new(),
            halted: false,
        }
    }

    /// A client begins to wait.
    pub fn open(&mut self, kind: Kind, about: Option<&[Slot]>) -> Ticket {
        let (answer, _, replied) = Answer::new(None);
        let ticket = self.operations.open(kind, about, answer);
        self.waiting.insert(ticket, replied);
        ticket
    }

    /// Takes up another registry, as the driver does; gives what the machine is to be told.
    pub fn renew(&mut self, plan: &Plan, restart: bool) -> (Ticket, Command) {
        let differences = diff(&self.plan, plan);
        let changes = self.roster.renew(plan, &differences, self.fleet.next_slot());
        self.plan = plan.clone();
        let report = ReloadReport {
            dry_run: false,
            changes: Vec::new(),
            warnings: Vec::new(),
            parts: Vec::new(),
        };
        let ticket = self.open(Kind::Reload(report), None);
        (ticket, Command::Reload { changes, restart })
    }

    /// Has the machine hear of something.
    pub fn feed(&mut self, stamp: Stamp, input: Input) -> Vec<Effect> {
        let mut effects = Vec::new();
        match input {
            Input::Command(ticket, command) => {
                let who = Actor::Uid(0);
                self.fleet
                    .command(stamp, Order { ticket, who, command }, &mut effects);
            }
            Input::Event(run, event) => self.fleet.event(stamp, run, event, &mut effects),
            Input::Tick => {
                self.fleet.tick(stamp, &mut effects);
                let next = self.fleet.next_deadline();
                assert!(
                    next.is_none_or(|next| next > stamp.now),
                    "a timer of the past is left"
                );
            }
        }
        effects
    }

    /// Carries out what concerns names and clients.
    pub fn perform(&mut self, effect: &Effect) {
        match effect {
            Effect::Spawn(run) => assert!(self.roster.plan(run.slot).is_some(), "{run:?} has no plan"),
            Effect::Part {
                ticket,
                slot,
                outcome,
                took_us,
            } => self.part(*ticket, *slot, outcome.clone(), *took_us),
            Effect::DependencyDown { ticket, slot, on } => {
                let (component, dependency) = (self.name(*slot), self.name(*on));
                let refusal = Refusal::DependencyDown {
                    component,
                    dependency,
                };
                self.part(*ticket, *slot, Outcome::Refused(refusal), 0);
            }
            Effect::Reply(ticket) => {
                let places = self.roster.order().to_vec();
                let place = |slot| places.iter().position(|one| *one == slot).unwrap_or(usize::MAX);
                self.operations.reply(*ticket, place);
                let parts = match self.hear(*ticket) {
                    Ok(Done::Operation(parts) | Done::ShutDown(parts) | Done::Restarting(parts)) => parts,
                    Ok(Done::Reload(report)) => report.parts,
                    other => panic!("{ticket:?} is answered by {other:?}"),
                };
                let told = self.told.iter().filter(|(of, _)| of == ticket).count();
                assert_eq!(parts.len(), told, "every part of {ticket:?} reaches the client");
            }
            Effect::Refuse(ticket) => {
                self.operations.refuse(*ticket, Refusal::ShuttingDown);
                assert!(self.hear(*ticket).is_err());
            }
            Effect::Forget(slot) => self.roster.forget(*slot),
            Effect::Halt => self.halted = true,
            _ => {}
        }
    }

    /// Its tier is open, and it waits for something that nobody wants or that was given up, itself or through others.
    pub fn comes_to_nothing(&self, slot: Slot, now: Moment) -> bool {
        let why = self.fleet.view(slot, now).map(|view| view.why);
        matches!(why, Some(Why::Dependency(_))) && self.is_held(slot, now)
    }

    fn is_held(&self, slot: Slot, now: Moment) -> bool {
        let Some(plan) = self.roster.plan(slot) else {
            return false;
        };
        plan.depends_on.iter().any(|one| {
            let on = self.roster.slot(&one.on);
            on.and_then(|on| self.fleet.view(on, now)).is_some_and(|on| {
                let waits = on.state == State::Waiting;
                on.wish == Wish::Down || on.state == State::Fatal || (waits && self.is_held(on.slot, now))
            })
        })
    }

    /// What `ticket` is answered; that has to be there now, and never again.
    fn hear(&mut self, ticket: Ticket) -> Reply {
        let replied = self.waiting.remove(&ticket);
        let mut replied =
            replied.unwrap_or_else(|| panic!("{ticket:?} is answered twice, or was never asked"));
        replied
            .try_recv()
            .unwrap_or_else(|_| panic!("{ticket:?} is decided and not answered"))
    }

    fn part(&mut self, ticket: Ticket, slot: Slot, outcome: Outcome, took_us: u64) {
        assert!(
            self.told.insert((ticket, slot)),
            "{slot:?} has two parts in {ticket:?}"
        );
        let component = self.name(slot);
        self.operations.part(
            ticket,
            slot,
            Part {
                component,
                outcome,
                took_us,
            },
        );
    }

    /// Its name, without which clients would not hear of it.
    pub fn name(&self, slot: Slot) -> ComponentName {
        let name = self.roster.name(slot).cloned();
        name.unwrap_or_else(|| panic!("{slot:?} has no name"))
    }

    /// Whether `ticket` is not answered yet.
    pub fn is_waiting(&self, ticket: Ticket) -> bool {
        self.waiting.contains_key(&ticket)
    }

    /// Who still waits.
    pub fn waiting(&self) -> impl Iterator<Item = Ticket> {
        self.waiting.keys().copied()
    }
}
