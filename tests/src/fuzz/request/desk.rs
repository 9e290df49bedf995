//! A daemon without a system: its roster, its operations and its machine, and a host that does what it is told to.

use super::happening::Happening;
use super::host::Host;
use super::registries::plans;
use crate::fuzz::frame::round_trip;
use s7proto::codec;
use s7proto::name::ComponentName;
use s7proto::refusal::Refusal;
use s7proto::reply::{Done, Outcome, Part, ReloadReport, Reply, Response};
use s7proto::request::{Request, Selection};
use s7proto::status::{Actor, State, StatusReport, SupervisorStatus, Wish};
use s7supervisord::control::call::Answer;
use s7supervisord::driver::operations::{Kind, Operations};
use s7supervisord::driver::roster::{self, Roster};
use s7supervisord::machine::effect::Effect;
use s7supervisord::machine::fleet::Fleet;
use s7supervisord::machine::input::{Command, Event, Order, RunId, Slot, Stamp, Ticket};
use s7supervisord::machine::moment::Moment;
use s7supervisord::registry::diff::diff;
use s7supervisord::registry::plan::Plan;
use std::collections::BTreeSet;
use std::time::Duration;
use tokio::sync::oneshot;

/// A client that waits for its answer.
struct Asked {
    ticket: Ticket,
    replied: oneshot::Receiver<Reply>,
}

/// The daemon without a system.
pub struct Desk {
    fleet: Fleet,
    roster: Roster,
    operations: Operations,
    plan: Plan,
    on_disk: usize,
    now: Moment,
    host: Host,
    asked: Vec<Asked>,
    parts: BTreeSet<(Ticket, Slot)>,
    answered: BTreeSet<Ticket>,
    shutting_down: bool,
    halted: bool,
}

impl Desk {
    /// With the first registry, and everything in it about to start.
    pub fn new() -> Self {
        let plan = plans()[0].clone();
        let names: Vec<ComponentName> = plan.components.iter().map(|one| one.id.clone()).collect();
        let slot_of = |name: &ComponentName| {
            (0..)
                .map(Slot)
                .zip(&names)
                .find(|(_, one)| *one == name)
                .map(|(slot, _)| slot)
        };
        let policies = plan
            .components
            .iter()
            .map(|one| roster::policy(one, slot_of))
            .collect();
        let mut roster = Roster::default();
        roster.set(&plan, slot_of);
        let mut desk = Self {
            fleet: Fleet::new(policies, 7),
            roster,
            operations: Operations::default(),
            plan,
            on_disk: 0,
            now: Moment::from_micros(1),
            host: Host::default(),
            asked: Vec::new(),
            parts: BTreeSet::new(),
            answered: BTreeSet::new(),
            shutting_down: false,
            halted: false,
        };
        desk.command(None, Command::StartAll);
        desk
    }

    // ---- what comes in

    /// One body, as it comes from a client.
    pub fn request(&mut self, body: &[u8]) {
        let Ok(request) = codec::decode::<Request>(body) else {
            return;
        };
        if self.halted {
            return;
        }
        round_trip(&request);
        match request {
            Request::Status(which) => self.status(&which),
            Request::Start(which) => self.operate(&which, Command::StartAll, Command::Start),
            Request::Stop(which) => self.operate(&which, Command::StopAll, Command::Stop),
            Request::Restart(which) => self.operate(&which, Command::RestartAll, Command::Restart),
            Request::Reload { dry_run, restart } => self.reload(dry_run, restart),
            Request::Shutdown => self.shut_down(Kind::ShutDown),
            Request::RestartSupervisor => self.shut_down(Kind::Restarting),
            // The others change nothing in the machine.
            _ => {}
        }
    }

    fn operate(&mut self, which: &Selection, all: Command, some: impl FnOnce(Vec<Slot>) -> Command) {
        let slots = match self.roster.resolve(which) {
            Ok(slots) => slots,
            Err(refusal) => return refused(refusal),
        };
        let is_all = matches!(which, Selection::All);
        let about = (!is_all).then_some(slots.as_slice());
        let ticket = self.open(Kind::Plain, about);
        self.command(Some(ticket), if is_all { all } else { some(slots) });
    }

    fn reload(&mut self, dry_run: bool, restart: bool) {
        let plan = plans()[self.on_disk].clone();
        let differences = diff(&self.plan, &plan);
        // The loop has nobody apply a registry that was asked for before everything was to stop.
        if dry_run || self.shutting_down {
            return;
        }
        let changes = self.roster.renew(&plan, &differences, self.fleet.next_slot());
        self.plan = plan;
        let report = ReloadReport {
            dry_run,
            changes: Vec::new(),
            warnings: Vec::new(),
            parts: Vec::new(),
        };
        let ticket = self.open(Kind::Reload(report), None);
        self.command(Some(ticket), Command::Reload { changes, restart });
    }

    fn shut_down(&mut self, kind: Kind) {
        let ticket = self.open(kind, None);
        self.shutting_down = true;
        self.command(Some(ticket), Command::Shutdown);
    }

    fn open(&mut self, kind: Kind, about: Option<&[Slot]>) -> Ticket {
        let (answer, _, replied) = Answer::new(None);
        let ticket = self.operations.open(kind, about, answer);
        self.asked.push(Asked { ticket, replied });
        ticket
    }

    /// Every component as a client sees it, and that goes over the wire.
    fn status(&mut self, which: &Selection) {
        let slots = match self.roster.resolve(which) {
            Ok(slots) => slots,
            Err(refusal) => return refused(refusal),
        };
        let components = slots.iter().map(|slot| {
            let status = self.roster.status(&self.fleet, *slot, self.now);
            status.unwrap_or_else(|| panic!("{slot:?} has a name and no status"))
        });
        let supervisor = SupervisorStatus {
            pid: 1,
            version: String::new(),
            uptime_us: 0,
            registry: String::new(),
            containment: String::new(),
            state_not_persisted: None,
        };
        let done = Done::Status(StatusReport {
            supervisor,
            components: components.collect(),
        });
        round_trip(&Response::Done(done));
    }

    /// Something else happens.
    pub fn happen(&mut self, happening: &Happening) {
        if self.halted {
            return;
        }
        match happening {
            Happening::Event { slot, ago, event } => {
                let slot = Slot(*slot);
                let present = self.host.run(slot);
                let run = match ago {
                    255 => present + 1,
                    ago => present.saturating_sub(u64::from(*ago)),
                };
                self.event(RunId { slot, run }, event.clone());
            }
            Happening::Leap(span) => self.now = self.now + *span,
            Happening::Pass(span) => self.pass(*span),
            Happening::Write(which) => self.on_disk = *which,
            Happening::Signal => {
                let command = if self.shutting_down {
                    Command::Hurry
                } else {
                    Command::Shutdown
                };
                self.shutting_down = true;
                self.command(None, command);
            }
        }
    }

    fn command(&mut self, ticket: Option<Ticket>, command: Command) {
        let stops = matches!(
            command,
            Command::Stop(_) | Command::StopAll | Command::Shutdown | Command::Hurry
        );
        let mut effects = Vec::new();
        let order = Order {
            ticket,
            who: Actor::Uid(7),
            command,
        };
        self.fleet.command(self.stamp(), order, &mut effects);
        if self.shutting_down && !stops {
            assert_eq!(
                effects,
                ticket.map(Effect::Refuse).into_iter().collect::<Vec<_>>()
            );
        }
        self.perform(effects);
    }

    fn event(&mut self, run: RunId, event: Event) {
        self.host.note(run, &event);
        let mut effects = Vec::new();
        self.fleet.event(self.stamp(), run, event, &mut effects);
        self.perform(effects);
    }

    fn pass(&mut self, span: Duration) {
        let end = self.now + span;
        // Each timer leads to a finite row of others before the next second, so this is far more than can be due.
        for _ in 0..100_000 {
            let Some(due) = self.fleet.next_deadline().filter(|due| *due <= end) else {
                self.now = end.max(self.now);
                return;
            };
            self.now = due.max(self.now);
            self.tick();
            if self.halted {
                return;
            }
        }
        panic!("the machine is busy without end");
    }

    fn tick(&mut self) {
        let mut effects = Vec::new();
        self.fleet.tick(self.stamp(), &mut effects);
        let next = self.fleet.next_deadline();
        assert!(
            next.is_none_or(|next| next > self.now),
            "a timer of the past is left"
        );
        self.perform(effects);
    }

    fn stamp(&self) -> Stamp {
        Stamp {
            now: self.now,
            wall_ms: 0,
        }
    }

    // ---- what comes out

    fn perform(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            assert!(!self.halted, "{effect:?} after the halt");
            match effect {
                Effect::Spawn(run) => {
                    assert!(!self.shutting_down, "{run:?} is created in a shutdown");
                    assert!(self.roster.plan(run.slot).is_some(), "{run:?} has no plan");
                    self.host.spawn(run);
                }
                Effect::Ask(run) | Effect::AskRest(run) | Effect::Kill(run) => self.host.order_to_end(run),
                Effect::Ended { run, .. } => {
                    let is_it = self.host.run(run.slot) == run.run && self.host.is_over(run.slot);
                    assert!(is_it, "{run:?} has ended without having been told so");
                }
                Effect::Part {
                    ticket,
                    slot,
                    outcome,
                    took_us,
                } => self.part(ticket, slot, outcome, took_us),
                Effect::DependencyDown { ticket, slot, on } => {
                    let name = |slot| {
                        self.roster
                            .name(slot)
                            .cloned()
                            .unwrap_or_else(|| panic!("{slot:?} has no name"))
                    };
                    let (component, dependency) = (name(slot), name(on));
                    self.part(
                        ticket,
                        slot,
                        Outcome::Refused(Refusal::DependencyDown {
                            component,
                            dependency,
                        }),
                        0,
                    );
                }
                Effect::Reply(ticket) => {
                    self.operations.reply(ticket, |slot| slot.index());
                    self.take_reply(ticket);
                }
                Effect::Refuse(ticket) => {
                    assert!(self.shutting_down, "{ticket:?} is refused without a reason");
                    self.operations.refuse(ticket, Refusal::ShuttingDown);
                    self.take_reply(ticket);
                }
                Effect::Forget(slot) => {
                    assert!(self.host.is_over(slot), "{slot:?} is forgotten and has a process");
                    self.roster.forget(slot);
                }
                Effect::Halt => {
                    assert!(self.shutting_down, "a halt without a shutdown");
                    self.halted = true;
                }
                // Told to people.
                _ => {}
            }
        }
        for asked in &mut self.asked {
            assert!(
                asked.replied.try_recv().is_err(),
                "{:?} is answered before it is decided",
                asked.ticket
            );
        }
        assert!(
            !self.halted || self.asked.is_empty(),
            "somebody still waits at the halt"
        );
    }

    fn part(&mut self, ticket: Ticket, slot: Slot, outcome: Outcome, took_us: u64) {
        assert!(
            self.parts.insert((ticket, slot)),
            "{slot:?} has two parts in {ticket:?}"
        );
        let component = self.roster.name(slot).cloned();
        let component = component.unwrap_or_else(|| panic!("{slot:?} has a part in {ticket:?} and no name"));
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

    fn take_reply(&mut self, ticket: Ticket) {
        assert!(self.answered.insert(ticket), "{ticket:?} is answered twice");
        let place = self.asked.iter().position(|asked| asked.ticket == ticket);
        let mut asked = self
            .asked
            .swap_remove(place.expect("only what was asked is answered"));
        let reply = asked.replied.try_recv().expect("what is decided is answered");
        let response = match reply {
            Ok(done) => Response::Done(done),
            Err(refusal) => Response::Refused(refusal),
        };
        round_trip(&response);
    }

    // ---- how it ends

    /// From now on the host does at once what it is told to do, and nothing else happens.
    pub fn settle(&mut self) {
        // Whatever was begun takes some retries, the gates of all tiers and a row of crashes: hours, and no more.
        for _ in 0..2_000 {
            if self.halted {
                return;
            }
            match (self.host.next(), self.fleet.next_deadline()) {
                (Some((run, event)), _) => self.event(run, event),
                (None, Some(due)) => {
                    self.now = due.max(self.now);
                    self.tick();
                }
                (None, None) => return self.judge_rest(),
            }
        }
        panic!("it never comes to rest");
    }

    fn judge_rest(&self) {
        assert!(
            self.asked.is_empty(),
            "{} clients wait for ever",
            self.asked.len()
        );
        for slot in self.fleet.slots() {
            let view = self.fleet.view(slot, self.now).expect("it exists");
            let name = self
                .roster
                .name(slot)
                .unwrap_or_else(|| panic!("{slot:?} has no name"));
            let fits = match (view.wish, view.state) {
                (Wish::Up, State::Running | State::Exited | State::Fatal) => true,
                // What it depends on is down, or given up, and so waits.
                (Wish::Up, State::Waiting) => self
                    .plan
                    .components
                    .iter()
                    .any(|one| one.id == *name && !one.depends_on.is_empty()),
                (Wish::Down, State::Stopped) => true,
                _ => false,
            };
            // What probes are to find ready waits for them, and here is none of those.
            assert!(fits, "{name} is at rest, and it is {view:?}");
        }
        assert!(!self.shutting_down, "a shutdown came to rest without a halt");
    }

    /// Everything stops.
    pub fn end(mut self) {
        if !self.halted {
            self.shut_down(Kind::ShutDown);
            if !self.halted {
                self.settle();
            }
        }
        assert!(self.halted, "a shutdown ends");
    }
}

fn refused(refusal: Refusal) {
    if let Refusal::NoSuchComponent { similar, .. } = &refusal {
        assert!(similar.len() <= 3, "{similar:?}");
    }
    round_trip(&Response::Refused(refusal));
}
