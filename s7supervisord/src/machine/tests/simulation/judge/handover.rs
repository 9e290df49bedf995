//! What has to hold when one daemon follows another: what is carried over, and what its boot may do.

use super::{Judge, WINDOW};
use crate::machine::input::{Fate, Legacy, Remembered, RunId, Slot};
use crate::machine::moment::Moment;
use crate::machine::tests::simulation::daemon::Daemon;
use crate::machine::tests::simulation::host::Host;
use s7proto::status::{EndCause, ExitReport, Wish};
use std::time::Duration;

impl Judge {
    /// What is wished follows from what was noted, and from what was up.
    pub(super) fn boot(
        &mut self,
        daemon: &Daemon,
        host: &Host,
        remembered: &[Remembered],
        all_down: Option<i64>,
    ) {
        self.before_boot = false;
        self.excused.extend(&self.given_up);
        let wished_up = |slot: &Slot| {
            let named = remembered.iter().find(|one| one.slot == *slot);
            match (named, all_down) {
                (Some(one), _) if one.wish == Wish::Down => false,
                (Some(one), Some(since)) => one.at_ms >= since,
                (None, Some(_)) => false,
                (Some(_), None) => true,
                (None, None) => {
                    let auto = daemon.roster.plan(*slot).is_some_and(|plan| plan.auto_start);
                    auto || self.inherited.get(slot) == Some(&true)
                }
            }
        };
        let (up, down): (Vec<Slot>, Vec<Slot>) = daemon.fleet.slots().partition(wished_up);
        self.wish_down(&down);
        if all_down.is_some() {
            down.iter().for_each(|slot| self.queue(daemon, host, *slot));
        }
        self.start_in_tiers(daemon, host, &up);
    }

    /// The judge of the next daemon, which calls components by other slots: what is to hold over all of them.
    pub fn next(
        self,
        now: Moment,
        slot_of: impl Fn(Slot) -> Option<Slot>,
        left: &[(Slot, Legacy)],
        patience: impl Fn(Slot) -> Duration,
    ) -> Self {
        let mut next = Self {
            changes: self.changes,
            awake: self.awake,
            before_boot: true,
            ..Self::default()
        };
        next.changes.retain(|at| now.since(*at) < WINDOW);
        next.changes.push_back(now);
        next.starts = self
            .starts
            .into_iter()
            .filter_map(|(slot, starts)| Some((slot_of(slot)?, starts)))
            .collect();
        for (slot, legacy) in left {
            let slot = *slot;
            next.last_run.insert(slot, legacy.run);
            let unseen = |report: &ExitReport| report.cause == EndCause::Unseen;
            let up = match &legacy.fate {
                Fate::Lives { asked, .. } => {
                    let run = RunId {
                        slot,
                        run: legacy.run,
                    };
                    next.patience.extend(asked.map(|at| (run, at + patience(slot))));
                    next.asked.extend(asked.map(|_| run));
                    true
                }
                Fate::Unseen { .. } => true,
                Fate::Over => legacy.crashes > 0 || legacy.last_exit.as_ref().is_some_and(unseen),
                Fate::Exited => next.at_rest.insert(slot),
                Fate::Fatal => next.at_rest.insert(slot) && next.given_up.insert(slot),
            };
            next.inherited.insert(slot, up);
        }
        next
    }
}
