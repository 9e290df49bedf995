//! What a run comes to by what is told of it, and by what becomes of others: readiness, losses, another registry.

use super::{Component, Step};
use crate::machine::checks::Finding;
use crate::machine::effect::Effect;
use crate::machine::input::{Loss, Policy, Remembered, Slot};
use crate::machine::life::{Cause, Ending, Life};
use crate::machine::restart;
use s7proto::reply::Outcome;
use s7proto::status::{Actor, EndCause, Wish};

impl Component {
    /// What its checks have come to.
    pub(super) fn follow(&mut self, step: &mut Step<'_>, finding: Finding) {
        self.health = self.checks.health();
        match finding {
            Finding::Nothing => {}
            // It may have been ready before that by having lived long enough.
            Finding::Ready if matches!(self.life, Life::Running { .. }) => {}
            Finding::Ready => self.ready(step),
            Finding::Unwell(why) => {
                self.end_row_if_stable(step);
                if self.policy.dump_when_hung {
                    step.effects.push(Effect::Diagnose {
                        run: self.run_id(step),
                        unwell: Some(why),
                    });
                }
                self.ask(step, Cause::Unwell(why));
            }
        }
    }

    /// Something that it depends on, `on`, is lost.
    pub(in crate::machine) fn lose(&mut self, step: &mut Step<'_>, on: Slot, loss: Loss) {
        // What only waits has not begun to rely on anything, and what has ended while nobody looked, unasked, only waits.
        let relies = match &self.life {
            Life::Ending(ending) => ending.cause != Cause::Unseen || ending.again,
            life => life.may_have_process() || matches!(life, Life::Backoff { .. }),
        };
        if self.wish == Wish::Down || !relies {
            return;
        }
        match loss {
            Loss::Restart if self.is_checked() => self.ask(step, Cause::DependencyLost),
            Loss::Restart => self.bereft = matches!(self.life, Life::Spawning { .. }),
            Loss::Stop => {
                let alive = self.is_checked();
                // Whoever waits for it hears for want of what.
                self.held_by(step, on);
                self.wish_down(step, None);
                let (who, at_ms) = (Actor::Supervisor, step.stamp.wall_ms);
                self.stopped_by = Some((who.clone(), at_ms));
                // It holds until somebody starts it, whichever daemon there is by then.
                if !self.removed {
                    step.effects.push(Effect::Remember(Remembered {
                        slot: step.slot,
                        wish: Wish::Down,
                        who,
                        at_ms,
                        overruled: false,
                    }));
                }
                if alive {
                    self.ask(step, Cause::DependencyLost);
                }
            }
        }
    }

    /// Whether others may rely on it still: what has said that it ends may do so as its policy wants it.
    pub(in crate::machine) fn is_relied_on(&self) -> bool {
        match &self.life {
            Life::Running { .. } => true,
            Life::Ending(ending) => ending.was_ready && self.life.is_leaving(),
            _ => false,
        }
    }

    /// Whether its run has been left by readiness in a way that those who rely on it have to follow. One that has done its work
    /// is not lost, as its policy wants it to stay ended.
    pub(in crate::machine) fn is_lost(&self) -> bool {
        let done = |ending: &Ending| {
            let finished = ending.report.as_ref().map(|report| report.cause) == Some(EndCause::Finished);
            finished && self.policy.stays_ended(true) && self.wants_run()
        };
        match &self.life {
            _ if self.is_relied_on() => false,
            Life::Ending(ending) => !done(ending),
            _ => true,
        }
    }

    /// The registry says something else of it now; a run that lives is checked by that from now on. What follows from it is
    /// looked at in [`Component::review`].
    pub(in crate::machine) fn alter(&mut self, step: &mut Step<'_>, policy: Policy) {
        let ways = |of: &Policy| {
            let ages = (of.ready_after, of.first_check_after);
            (ages, of.health.clone(), of.readiness.clone(), of.notify)
        };
        let same = ways(&self.policy) == ways(&policy);
        self.policy = policy;
        if same || !self.is_checked() {
            return;
        }
        self.checks.alter(&self.policy, step.stamp.now, step.jitter);
        self.health = self.checks.health();
        if let Life::Starting { ready_at } = &mut self.life {
            // It was begun without the notification that the registry may speak of now, so it owes none.
            let owes_none = self.policy.notify.map(|_| self.policy.first_check_after);
            let after = self.policy.ready_after.or(owes_none);
            *ready_at = after
                .filter(|_| !self.checks.are_awaited())
                .map(|after| self.started + after);
        }
    }

    /// All changes of a registry are known: it may be ready by them.
    pub(in crate::machine) fn review(&mut self, step: &mut Step<'_>) {
        let now = step.stamp.now;
        match self.life {
            Life::Starting { ready_at: Some(at) } if at <= now => self.ready(step),
            Life::Starting { ready_at: None } if self.checks.are_awaited() => {
                let finding = self.checks.look_whether_ready(now);
                self.follow(step, finding);
            }
            _ => {}
        }
    }

    pub(super) fn ready(&mut self, step: &mut Step<'_>) {
        let now = step.stamp.now;
        self.life = Life::Running {
            since: now,
            stable_at: Some(now + restart::STABLE_AFTER),
        };
        self.checks.be_ready(now);
        self.health = self.checks.health();
        let Some(info) = self.run_info() else { return };
        self.settle_up(step, |replaces| match replaces {
            Some(before) => Outcome::Restarted { before, after: info },
            None => Outcome::Started(info),
        });
    }
}
