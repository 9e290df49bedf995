//! The verdicts: each effect when it comes.
//!
//! The numbers are those of the invariants in the research on reliability (C2).

use super::judge::{Court, Input};
use super::reference::Next;
use super::world::Process;
use crate::machine::effect::Effect;
use crate::machine::fleet::GATE_TIMEOUT;
use crate::machine::input::{RunId, Slot, Ticket};
use crate::machine::life::{DIAGNOSIS, SPAWN_OVERDUE};
use s7proto::reply::Outcome;
use s7proto::status::{State, Wish};

impl Court {
    /// Holds what came out of one step against the reference, and lets the world act on it.
    pub fn judge(&mut self, input: &Input, effects: &[Effect]) {
        let ends = effects.contains(&Effect::Halt);
        for effect in effects {
            self.record.push(format!("{} {effect:?}", self.now()));
            self.judge_effect(input, effect, ends);
            self.world.perform(effect);
        }
        assert!(
            self.bereaved.is_empty(),
            "{:?} mind a loss, and nothing is done",
            self.bereaved
        );
        self.judge_tickets();
        if self.punctual {
            self.judge_order();
            self.judge_states();
        } else {
            // Who has been stopped and runs again has left the stop that is under way, before anybody wishes something else.
            self.models.prune_stop(self.world.now);
        }
    }

    fn judge_effect(&mut self, input: &Input, effect: &Effect, ends: bool) {
        let now = self.now();
        match effect {
            Effect::Spawn(run) => self.judge_spawn(*run),
            Effect::Ask(run) | Effect::Kill(run) => {
                self.judge_end(input, *run, matches!(effect, Effect::Kill(_)))
            }
            Effect::AskRest(run) => {
                let model = self.model(run.slot);
                assert_eq!((model.run, model.process), (run.run, Some(Process::Headless)));
                assert_eq!(model.first_kill, None, "a tree that is being killed isn't asked");
            }
            Effect::Entered { slot, state } => {
                let before = self.announced.insert(*slot, *state);
                assert_ne!(before, Some(*state), "{slot:?} enters the state that it is in");
                // The time of the next try has come, and something else has to come first. Known at once, since what is decided
                // next in the same step depends on it: a tier doesn't wait for what can't begin.
                let punctual = self.punctual;
                if *state == State::Waiting
                    && let Some(model) = self.models.all.get_mut(slot)
                    && let Next::Retry(earliest, latest) = model.next
                {
                    let in_time = earliest <= now && now <= latest;
                    assert!(in_time || !punctual, "I11: {slot:?} is tried again at {now}");
                    model.next = Next::Go;
                }
            }
            Effect::Ended { run, report } => {
                assert!(
                    self.living.remove(run),
                    "I3: {run:?} ends once, and only if it was there"
                );
                let model = self.model(run.slot);
                assert_eq!(
                    model.process, None,
                    "I1: the tree of {run:?} is empty when it has ended"
                );
                assert_eq!(Some(report.cause), model.cause, "why {run:?} ended");
                assert!(
                    report.lasted_us <= now.micros_since(model.last_start),
                    "how long it lasted"
                );
            }
            Effect::Part {
                ticket,
                slot,
                outcome,
                ..
            } => {
                self.tell_part(*ticket, *slot);
                self.judge_outcome(*ticket, *slot, outcome, ends);
            }
            Effect::DependencyDown { ticket, slot, on } => {
                self.tell_part(*ticket, *slot);
                let minder = self.model(*slot);
                let lost =
                    minder.wish == Wish::Down && minder.policy.on_loss.iter().any(|(lost, _)| lost == on);
                let (punctual, on) = (self.punctual, self.model(*on));
                let given_up = on.process.is_none() && (on.next == Next::GiveUp || !punctual);
                assert!(
                    on.wish == Wish::Down || given_up || lost,
                    "{slot:?} is held by what could come"
                );
            }
            Effect::Reply(ticket) => {
                let open = self.pending.remove(ticket);
                assert_eq!(
                    open.map(|parts| parts.len()),
                    Some(0),
                    "I8: one reply, after all parts"
                );
            }
            Effect::RememberAll(_) | Effect::Health { .. } => {}
            Effect::Check { run, role, number } => {
                let model = self.model(run.slot);
                let alive = model.process == Some(Process::Alive) && model.ending.is_none();
                assert!(
                    model.run == run.run && alive,
                    "{run:?} is checked, and there is nothing to check"
                );
                let before = model.under_way.replace((*role, *number));
                assert_eq!(before, None, "one check at a time");
            }
            Effect::Diagnose { run, unwell } => {
                let (punctual, model) = (self.punctual, self.model(run.slot));
                assert_eq!((model.run, model.process), (run.run, Some(Process::Alive)));
                if model.ending.is_none() {
                    assert!(model.policy.dump_when_hung && unwell.is_some());
                } else {
                    assert_eq!(*unwell, None, "it is asked for not having stopped");
                    assert!(model.policy.dump_before_kill && model.first_kill.is_none());
                    assert!(
                        model.kill_due.is_some_and(|due| due <= now),
                        "it has time to stop"
                    );
                    assert!(
                        model.kill_due == Some(now) || !punctual,
                        "its time to stop is over before"
                    );
                    model.kill_due = Some(now + DIAGNOSIS);
                }
            }
            Effect::Remember(remembered) => {
                let wish = self.model(remembered.slot).wish;
                assert_eq!(
                    wish, remembered.wish,
                    "what is remembered of {:?} is so",
                    remembered.slot
                );
            }
            Effect::Unremember(slot) => {
                let model = self.model(*slot);
                assert!(
                    model.removed || (model.wish == Wish::Up && model.policy.auto_start),
                    "what was wished of {slot:?} is forgotten, and it is not as it would be by itself"
                );
            }
            Effect::Refuse(ticket) => panic!("{ticket:?} is refused without a reason"),
            Effect::GateTimedOut { tier, laggards } => {
                if self.punctual {
                    self.models.prune_stop(now);
                    assert!(
                        self.models.stopping.is_empty(),
                        "tiers open when nothing is being stopped"
                    );
                    assert_eq!(
                        self.models.lowest_ordered(),
                        Some(*tier),
                        "I6: tiers open in order"
                    );
                    assert_eq!(self.models.laggards(*tier, now), *laggards, "who isn't ready");
                    let since = self.models.gate_since.expect("a tier waits");
                    assert!(now >= since + GATE_TIMEOUT, "a tier waits for 60 s");
                }
                self.models.excused.extend(laggards);
                self.models.open(*tier, now);
            }
            Effect::Hasten(run) => {
                let model = self.model(run.slot);
                assert_eq!((model.run, model.process), (run.run, Some(Process::Creating)));
            }
            Effect::SpawnOverdue(run) => {
                let model = self.model(run.slot);
                assert_eq!((model.run, model.process), (run.run, Some(Process::Creating)));
                assert!(now >= model.last_start + SPAWN_OVERDUE && !model.overdue);
                model.overdue = true;
            }
            Effect::Forget(slot) => {
                let model = self.models.all.remove(slot).expect("it is forgotten once");
                assert!(
                    model.removed && model.process.is_none(),
                    "only what is removed and gone"
                );
            }
            Effect::Halt => {
                self.models.prune_stop(now);
                assert!(
                    self.shutting_down && !self.halted,
                    "I9: one halt, after a shutdown"
                );
                if self.punctual {
                    assert!(
                        self.models.stopping.is_empty(),
                        "I9: everything is stopped at the halt"
                    );
                }
                self.halted = true;
            }
        }
    }

    fn judge_spawn(&mut self, run: RunId) {
        let now = self.now();
        assert!(!self.shutting_down, "I9: {run:?} is created after a shutdown");
        assert_eq!(
            self.world.process(run.slot),
            None,
            "I1: {run:?} is created beside another"
        );
        if self.models.all[&run.slot].ordered && self.punctual {
            self.models.prune_stop(now);
            assert!(
                self.models.stopping.is_empty(),
                "I6: {run:?} is created while everything stops"
            );
            let tier = self.models.all[&run.slot].policy.tier;
            // Tiers before it may have opened in the same step, without a run.
            while let Some(lower) = self.models.lowest_ordered().filter(|lower| *lower < tier) {
                let laggards = self.models.laggards(lower, now);
                assert_eq!(laggards, [], "I6: {run:?} is out of turn");
                self.models.open(lower, now);
            }
            assert_eq!(
                self.models.laggards(tier, now),
                [],
                "I6: {run:?} is created before its tier opens"
            );
            self.models.open(tier, now);
        }
        // Which tiers have opened is only followed where timers are in time; what is created has had its turn all the same.
        self.model(run.slot).ordered &= self.punctual;
        let missing = self.models.missing(run.slot, now);
        let (punctual, model) = (self.punctual, self.model(run.slot));
        assert_eq!(model.wish, Wish::Up, "I2: {run:?} is created and not wished");
        assert_eq!(model.run + 1, run.run, "runs are counted");
        if punctual {
            assert_eq!(
                missing, None,
                "{run:?} is created before what it depends on is ready"
            );
            match model.next {
                Next::Go => {}
                Next::Retry(earliest, latest) => {
                    assert!(
                        earliest <= now,
                        "I5: {run:?} is created before {earliest}, at {now}"
                    );
                    assert!(now <= latest, "I11: {run:?} is created after {latest}, at {now}");
                }
                other => panic!("{run:?} is created although {other:?}"),
            }
        }
        model.spawning(now);
    }

    fn tell_part(&mut self, ticket: Ticket, slot: Slot) {
        let parts = self.pending.get_mut(&ticket);
        let told = parts.is_some_and(|parts| parts.remove(&slot));
        assert!(told, "I8: {slot:?} has one part in {ticket:?}");
    }

    /// What an operation is told of a component has to be true when it is told.
    fn judge_outcome(&mut self, ticket: Ticket, slot: Slot, outcome: &Outcome, ends: bool) {
        let now = self.now();
        let overtaken = self.touched.get(&slot).is_some_and(|last| *last > ticket);
        let punctual = self.punctual;
        let model = self.model(slot);
        let is_up = model.process == Some(Process::Alive) && (model.is_up(now) || !punctual);
        let holds = match outcome {
            Outcome::Started(run) => is_up && run.run == model.run,
            Outcome::AlreadyUp(run) => is_up && run.run == model.run,
            Outcome::Restarted { before, after } => {
                is_up && after.run == model.run && before.is_none_or(|before| before.run < after.run)
            }
            Outcome::Completed(_) | Outcome::Stopped(_) | Outcome::FailedRun(_) => {
                model.process.is_none() && model.run > 0
            }
            Outcome::AlreadyDown | Outcome::FailedSpawn(_) => model.process.is_none(),
            Outcome::Unkillable => model.is_stuck(now) || model.overdue || ends || !punctual,
            Outcome::Superseded => overtaken || model.removed,
            Outcome::Refused(_) | Outcome::Signalled(_) | Outcome::NotRunning | Outcome::Failed(_) => false,
        };
        assert!(
            holds,
            "{outcome:?} is told of {slot:?} to {ticket:?}, and it is {model:?}"
        );
    }
}
