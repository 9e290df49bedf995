//! One kind of check: what it has shown, and when it is made again.

use crate::machine::input::{CheckPolicy, Role};
use crate::machine::moment::Moment;
use crate::machine::restart::Jitter;
use std::time::Duration;

/// From one check to the next in the startup time of a run that isn't ready: it is wanted, so its readiness is noticed soon.
pub const STARTUP_INTERVAL: Duration = Duration::from_secs(1);
/// After this long it is tried again to begin one that could not begin because the one before isn't gone.
const AGAIN_AFTER: Duration = Duration::from_millis(200);

/// One kind of check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Line {
    pub(super) role: Role,
    pub(super) policy: CheckPolicy,
    /// When the next one is to begin, or when the one under way was to.
    pub(super) next_at: Moment,
    /// It was due, and waits for the other kind.
    pub(super) has_waited: bool,
    /// What it has last come to.
    pub(super) well: Option<bool>,
    pub(super) successes: u32,
    pub(super) failures: u32,
    /// Nothing is known yet, or the prober has said nothing about the component the last time.
    pub(super) unsure: bool,
}

impl Line {
    pub(super) fn new(role: Role, policy: CheckPolicy, next_at: Moment) -> Self {
        Self {
            role,
            policy,
            next_at,
            has_waited: false,
            well: None,
            successes: 0,
            failures: 0,
            unsure: true,
        }
    }

    /// The registry says something else of it now: what others have come to that asked for something else says nothing of it, and
    /// it is made soon. Gives whether it is so.
    pub(super) fn alter(&mut self, policy: &CheckPolicy, now: Moment, jitter: &mut Jitter) -> bool {
        let asks_anew = (self.policy.asks, self.policy.timeout) != (policy.asks, policy.timeout);
        self.next_at = self.next_at.min(now + policy.interval);
        if asks_anew {
            let soon = now + jitter.part_of(policy.interval.min(STARTUP_INTERVAL));
            self.next_at = self.next_at.min(soon);
            (self.failures, self.successes, self.unsure) = (0, 0, true);
        }
        if self.policy.asks != policy.asks {
            // Others don't rely on what was ill before the new one has said that it is well.
            self.well = self.well.filter(|well| !well);
        }
        self.policy = policy.clone();
        asks_anew
    }

    /// Whether the startup phase waits for it.
    pub(super) fn holds_startup(&self) -> bool {
        self.policy.restarts && self.well.is_none()
    }

    /// It was not made, because the one before isn't gone yet.
    pub(super) fn put_off(&mut self, now: Moment) {
        self.next_at = now + AGAIN_AFTER.min(self.policy.interval);
    }

    /// When the next one begins: never later than an interval after this one was to, so that who stops answering is noticed
    /// within interval × failures + timeout (issue 5), and no sooner than after `room`, which this one and another take.
    pub(super) fn plan_next(&mut self, now: Moment, quick: bool, room: Duration, jitter: &mut Jitter) {
        let span = if quick {
            self.policy.interval.min(STARTUP_INTERVAL)
        } else {
            self.policy.interval
        };
        // The registry sees to it that both have room in an interval.
        let shorter = jitter.shorten(span);
        let next = self.next_at + shorter.max(span.min(room));
        self.next_at = if next + span < now {
            // Rounds were missed, also by others: they aren't made up for, and don't go on in step.
            now + jitter.part_of(span)
        } else {
            next.max(now)
        };
    }
}
