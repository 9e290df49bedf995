//! Operations that wait for a component: what each waits for, and what it is told.

use super::{Component, Step};
use crate::machine::effect::Effect;
use crate::machine::input::{Slot, Ticket};
use crate::machine::life::Life;
use crate::machine::moment::Moment;
use s7proto::reply::{Outcome, RunInfo};

/// What an operation waits for.
#[derive(Debug, Clone)]
pub(super) struct Goal {
    pub(super) ticket: Ticket,
    pub(super) since: Moment,
    pub(super) want: Want,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Want {
    /// A ready run with at least this number.
    Up {
        from_run: u64,
        replaces: Option<Option<RunInfo>>,
    },
    /// An empty tree.
    Down,
}

impl Component {
    pub(super) fn aim_up(
        &mut self,
        step: &Step<'_>,
        ticket: Option<Ticket>,
        from_run: u64,
        replaces: Option<Option<RunInfo>>,
    ) {
        if let Some(ticket) = ticket {
            self.goals.push(Goal {
                ticket,
                since: step.stamp.now,
                want: Want::Up { from_run, replaces },
            });
        }
    }

    pub(super) fn answer(&self, step: &mut Step<'_>, ticket: Option<Ticket>, outcome: Outcome) {
        if let Some(ticket) = ticket {
            step.effects.push(Effect::Part {
                ticket,
                slot: step.slot,
                outcome,
                took_us: 0,
            });
        }
    }

    fn settle(&self, step: &mut Step<'_>, goal: Goal, outcome: Outcome) {
        let took_us = step.stamp.now.micros_since(goal.since);
        step.effects.push(Effect::Part {
            ticket: goal.ticket,
            slot: step.slot,
            outcome,
            took_us,
        });
    }

    /// Settles what waits for a run up to the present one.
    pub(super) fn settle_up(
        &mut self,
        step: &mut Step<'_>,
        outcome: impl Fn(Option<Option<RunInfo>>) -> Outcome,
    ) {
        let run = self.run;
        for goal in self.take_goals(|want| matches!(want, Want::Up { from_run, .. } if *from_run <= run)) {
            let replaces = match goal.want {
                Want::Up { replaces, .. } => replaces,
                Want::Down => None,
            };
            self.settle(step, goal, outcome(replaces));
        }
    }

    pub(super) fn settle_down(&mut self, step: &mut Step<'_>, outcome: Outcome) {
        for goal in self.take_goals(|want| *want == Want::Down) {
            self.settle(step, goal, outcome.clone());
        }
    }

    /// Whoever waited for a run after the present one has been overtaken: there won't be one.
    pub(super) fn supersede_later_runs(&mut self, step: &mut Step<'_>) {
        let run = self.run;
        self.supersede(
            step,
            |want| matches!(want, Want::Up { from_run, .. } if *from_run > run),
        );
    }

    /// Whoever waited for a run after the present one is served by the present one.
    pub(super) fn content_with_present_run(&mut self) {
        for goal in &mut self.goals {
            if let Want::Up { from_run, .. } = &mut goal.want {
                *from_run = (*from_run).min(self.run);
            }
        }
    }

    pub(super) fn supersede(&mut self, step: &mut Step<'_>, which: impl Fn(&Want) -> bool) {
        for goal in self.take_goals(which) {
            self.settle(step, goal, Outcome::Superseded);
        }
    }

    fn take_goals(&mut self, which: impl Fn(&Want) -> bool) -> Vec<Goal> {
        self.goals.extract_if(.., |goal| which(&goal.want)).collect()
    }

    /// Whether somebody waits for a run that has not begun.
    pub(in crate::machine) fn waits_with_goals(&self) -> bool {
        matches!(self.life, Life::Waiting) && !self.goals.is_empty()
    }

    /// Tells everybody who waits that it doesn't begin, because of `on`.
    pub(in crate::machine) fn held_by(&mut self, step: &mut Step<'_>, on: Slot) {
        let held = std::mem::take(&mut self.goals);
        step.effects
            .extend(held.into_iter().map(|goal| Effect::DependencyDown {
                ticket: goal.ticket,
                slot: step.slot,
                on,
            }));
    }

    /// Tells everybody who still waits that it can't be ended.
    pub(in crate::machine) fn give_up_waiting(&mut self, step: &mut Step<'_>) {
        for goal in std::mem::take(&mut self.goals) {
            self.settle(step, goal, Outcome::Unkillable);
        }
    }
}
