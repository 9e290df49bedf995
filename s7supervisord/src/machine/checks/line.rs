//! One kind of check: what it has shown, and when it is made again.

use crate::machine::input::{CheckPolicy, Role};
use crate::machine::moment::Moment;
use crate::machine::restart::Jitter;
use std::time::Duration;

/// From one check to the next in the startup time of a run that isn't ready: it is wanted, so its readiness is noticed soon.
pub const STARTUP_INTERVAL: Duration = Duration::from_secs(1);

/// One kind of check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Line {
    pub(super) role: Role,
    pub(super) policy: CheckPolicy,
    /// When the next one is to begin, or when the one under way was to.
    pub(super) next_at: Moment,
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
            well: None,
            successes: 0,
            failures: 0,
            unsure: true,
        }
    }

    /// Whether the startup phase waits for it.
    pub(super) fn holds_startup(&self) -> bool {
        self.policy.restarts && self.well.is_none()
    }

    /// When the next one begins: never later than an interval after this one was to, so that who stops answering is noticed
    /// within interval × failures + timeout (issue 5).
    pub(super) fn plan_next(&mut self, now: Moment, quick: bool, jitter: &mut Jitter) {
        let span = if quick {
            self.policy.interval.min(STARTUP_INTERVAL)
        } else {
            self.policy.interval
        };
        let next = self.next_at + jitter.shorten(span);
        self.next_at = if next + span < now {
            // Rounds were missed, also by others: they aren't made up for, and don't go on in step.
            now + jitter.part_of(span)
        } else {
            next.max(now)
        };
    }
}
