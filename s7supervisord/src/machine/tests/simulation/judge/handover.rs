//! What has to hold when one daemon follows another: what is carried over, and what its boot may do.

use super::{Judge, WINDOW};
use crate::machine::input::{Command, Fate, Legacy, Remembered, RunId, Slot};
use crate::machine::moment::Moment;
use crate::machine::tests::simulation::daemon::{Daemon, Input};
use crate::machine::tests::simulation::host::Host;
use s7proto::status::{EndCause, ExitReport, State, Wish};
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
        // No tier waits for what was given up before this boot.
        let state = |slot| daemon.fleet.view(slot, host.now).map(|view| view.state);
        let given_up = daemon
            .fleet
            .slots()
            .filter(|slot| state(*slot) == Some(State::Fatal));
        self.excused.extend(given_up);
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
                Fate::Exited | Fate::Fatal => next.at_rest.insert(slot),
            };
            next.inherited.insert(slot, up);
        }
        next
    }

    /// Nothing that is up is touched by a boot, unless it is wished down.
    pub(super) fn boot_ends(&self, input: &Input, run: RunId) {
        let booting = matches!(input, Input::Command(_, Command::Boot(..)));
        let wished_down = self.wishes.get(&run.slot) == Some(&Wish::Down);
        assert!(!booting || wished_down, "a boot ends {run:?}");
    }
}

/// Whether `input` is about this run by name, so that it keeps to no tiers.
pub(super) fn names(input: &Input, run: RunId) -> bool {
    match input {
        Input::Command(_, Command::Stop(slots) | Command::Restart(slots)) => slots.contains(&run.slot),
        Input::Command(_, Command::Boot(remembered, _)) => {
            let stopped = |one: &Remembered| one.slot == run.slot && one.wish == Wish::Down;
            remembered.iter().any(stopped)
        }
        Input::Event(of, _) => *of == run,
        _ => false,
    }
}
