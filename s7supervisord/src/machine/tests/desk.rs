//! A fleet on a desk: components by name, time that stands still, and effects in words.

use crate::machine::effect::Effect;
use crate::machine::fleet::Fleet;
use crate::machine::input::{
    Command, Event, Legacy, Order, Policy, Restart, Role, RunId, Slot, Stamp, Ticket,
};
use crate::machine::moment::Moment;
use s7proto::reply::Outcome;
use s7proto::status::{Actor, EndCause, Exit, Health, SpawnFailure, SpawnStage, State};
use std::time::Duration;

/// A fleet whose components have names and whose clock is moved by hand.
pub struct Desk {
    pub fleet: Fleet,
    pub now: Moment,
    pub names: Vec<String>,
    pub tickets: u64,
}

impl Desk {
    pub fn new(components: Vec<(&str, Policy)>) -> Self {
        let names = components.iter().map(|(name, _)| (*name).to_owned()).collect();
        let policies = components.into_iter().map(|(_, policy)| policy).collect();
        Self {
            fleet: Fleet::new(policies, 7),
            now: Moment::default(),
            names,
            tickets: 0,
        }
    }

    /// The slot of the youngest component of that name.
    pub fn slot(&self, name: &str) -> Slot {
        let place = self.names.iter().rposition(|known| known == name);
        let place = place.unwrap_or_else(|| panic!("no component is called {name:?}"));
        Slot(u32::try_from(place).unwrap())
    }

    pub fn stamp(&self) -> Stamp {
        Stamp {
            now: self.now,
            wall_ms: i64::try_from(self.now.as_micros() / 1000).unwrap(),
        }
    }

    /// Tells of a component as an earlier daemon has left it.
    pub fn inherit(&mut self, slot: Slot, legacy: Legacy) -> Vec<Effect> {
        let mut effects = Vec::new();
        self.fleet.inherit(self.stamp(), slot, legacy, &mut effects);
        self.check_timers();
        effects
    }

    /// Gives a command, with the next ticket.
    pub fn order(&mut self, command: Command) -> Vec<Effect> {
        self.tickets += 1;
        let order = Order {
            ticket: Some(Ticket(self.tickets)),
            who: Actor::Uid(1000),
            command,
        };
        let mut effects = Vec::new();
        self.fleet.command(self.stamp(), order, &mut effects);
        self.check_timers();
        effects
    }

    /// Reports an event of the present run.
    pub fn report(&mut self, slot: Slot, event: Event) -> Vec<Effect> {
        let run = self
            .fleet
            .view(slot, self.now)
            .map_or(0, |component| component.run);
        self.report_of(RunId { slot, run }, event)
    }

    pub fn report_of(&mut self, run: RunId, event: Event) -> Vec<Effect> {
        let mut effects = Vec::new();
        self.fleet.event(self.stamp(), run, event, &mut effects);
        self.check_timers();
        effects
    }

    pub fn tick(&mut self) -> Vec<Effect> {
        let mut effects = Vec::new();
        self.fleet.tick(self.stamp(), &mut effects);
        if let Some(next) = self.fleet.next_deadline() {
            assert!(
                next > self.now,
                "after a tick at {} the next is due at {next}",
                self.now
            );
        }
        self.check_timers();
        effects
    }

    pub fn state(&self, slot: Slot) -> Option<State> {
        Some(self.fleet.view(slot, self.now)?.state)
    }

    /// Each component has its next timer in the index, and none where nothing is awaited.
    pub fn check_timers(&self) {
        let mut armed = self.fleet.armed();
        armed.sort_unstable();
        let owned: Vec<(Slot, Moment)> = self
            .fleet
            .slots()
            .filter_map(|slot| Some((slot, self.fleet.component(slot).deadline()?)))
            .collect();
        assert_eq!(armed, owned, "the index of timers has diverged from the states");
        for (slot, at) in armed {
            let state = self.state(slot).unwrap();
            let at_rest = matches!(
                state,
                State::Stopped | State::Waiting | State::Exited | State::Fatal
            );
            assert!(!at_rest, "a timer at {at} is armed in state {}", state.name());
        }
    }

    /// The effects in words, in their order.
    pub fn words(&self, effects: &[Effect]) -> Vec<String> {
        let name = |slot: &Slot| self.names[slot.index()].clone();
        let run = |run: &RunId| format!("{}/{}", self.names[run.slot.index()], run.run);
        let word = |effect: &Effect| match effect {
            Effect::Spawn(of) => format!("spawn {}", run(of)),
            Effect::Ask(of) => format!("ask {}", run(of)),
            Effect::AskRest(of) => format!("ask-rest {}", run(of)),
            Effect::Kill(of) => format!("kill {}", run(of)),
            Effect::Entered { slot, state } => format!("{} {}", name(slot), state.name()),
            Effect::Ended { run: of, report } => format!("{} ended {}", run(of), cause(report.cause)),
            Effect::Part {
                ticket,
                slot,
                outcome,
                ..
            } => format!("#{} {} {}", ticket.0, name(slot), outcome_word(outcome)),
            Effect::DependencyDown { ticket, slot, on } => {
                format!("#{} {} held-by {}", ticket.0, name(slot), name(on))
            }
            Effect::Reply(ticket) => format!("#{} done", ticket.0),
            Effect::Refuse(ticket) => format!("#{} refused", ticket.0),
            Effect::GateTimedOut { tier, laggards } => {
                let laggards: Vec<String> = laggards.iter().map(name).collect();
                format!("tier {tier} opens without {}", laggards.join(" "))
            }
            Effect::Check {
                run: of,
                role,
                number,
            } => {
                format!("check {} {} {number}", run(of), role_word(*role))
            }
            Effect::Diagnose { run: of, unwell } => {
                let why = unwell.map_or("too slow", |unwell| cause(unwell.end_cause()));
                format!("diagnose {} {why}", run(of))
            }
            Effect::Health { slot, health } => format!("{} is {}", name(slot), health_word(*health)),
            Effect::SpawnOverdue(of) => format!("overdue {}", run(of)),
            Effect::Forget(slot) => format!("forget {}", name(slot)),
            Effect::Halt => "halt".to_owned(),
            Effect::Remember(_) | Effect::Unremember(_) | Effect::RememberAll(_) | Effect::Hasten(_) => {
                unreachable!("{effect:?} is told by itself")
            }
        };
        let told = |effect: &&Effect| {
            !matches!(
                effect,
                Effect::Remember(_) | Effect::Unremember(_) | Effect::RememberAll(_) | Effect::Hasten(_)
            )
        };
        effects.iter().filter(told).map(word).collect()
    }
}

fn cause(cause: EndCause) -> &'static str {
    match cause {
        EndCause::Finished => "finished",
        EndCause::Crashed => "crashed",
        EndCause::Requested => "requested",
        EndCause::KilledAfterTimeout => "killed",
        EndCause::Unseen => "unseen",
        EndCause::OutOfMemory => "out of memory",
        EndCause::Hung => "hung",
        EndCause::TooMuchMemory => "too much memory",
        EndCause::DependencyLost => "for want of a dependency",
        EndCause::NotReady => "not ready",
        EndCause::WatchdogMissed => "watchdog missed",
        EndCause::InTrouble => "in trouble",
        EndCause::OutputMatched => "matched",
    }
}

fn role_word(role: Role) -> &'static str {
    match role {
        Role::Health => "health",
        Role::Readiness => "readiness",
    }
}

fn health_word(health: Health) -> &'static str {
    match health {
        Health::None => "not checked",
        Health::Unknown => "not known",
        Health::Healthy => "healthy",
        Health::Unhealthy => "unhealthy",
    }
}

fn outcome_word(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Started(run) => format!("started {}", run.run),
        Outcome::AlreadyUp(_) => "already-up".to_owned(),
        Outcome::Completed(_) => "completed".to_owned(),
        Outcome::Stopped(_) => "stopped".to_owned(),
        Outcome::AlreadyDown => "already-down".to_owned(),
        Outcome::Restarted { before, after } => {
            let before = before.map_or("nothing".to_owned(), |run| run.run.to_string());
            format!("restarted {before}->{}", after.run)
        }
        Outcome::FailedRun(_) => "failed-run".to_owned(),
        Outcome::FailedSpawn(_) => "failed-spawn".to_owned(),
        Outcome::Unkillable => "unkillable".to_owned(),
        Outcome::Superseded => "superseded".to_owned(),
        Outcome::Refused(_) => "refused".to_owned(),
        Outcome::Signalled(_) | Outcome::NotRunning | Outcome::Failed(_) => {
            unreachable!("the machine tells no {outcome:?}")
        }
    }
}

/// The defaults of DESIGN 3: tier 1, ready after 1 s, 60 s to stop, restarted always, without limit.
pub fn policy() -> Policy {
    Policy {
        auto_start: true,
        tier: 1,
        ready_after: Some(Duration::from_secs(1)),
        first_check_after: Duration::ZERO,
        health: None,
        readiness: None,
        notify: None,
        dump_when_hung: false,
        dump_before_kill: false,
        stop_timeout: Duration::from_secs(60),
        restart: Restart::Always,
        max_retries: 0,
        success: vec![0],
        depends_on: Vec::new(),
        on_loss: Vec::new(),
    }
}

pub fn failure(host_fault: bool) -> SpawnFailure {
    SpawnFailure {
        stage: if host_fault {
            SpawnStage::CreatingProcess
        } else {
            SpawnStage::Executing
        },
        subject: "/opt/server".to_owned(),
        os_error: Some(if host_fault { 11 } else { 2 }),
        cause: "pretended".to_owned(),
        host_fault,
    }
}

pub fn killed_from_outside() -> Exit {
    Exit::Signal {
        name: "SIGKILL".to_owned(),
        core: false,
    }
}
