//! Whose turn it is: one check of a component is under way at a time, and neither kind starves the other.

use super::Checks;
use super::line::Line;
use crate::machine::input::Role;
use crate::machine::moment::Moment;
use std::time::Duration;

impl Checks {
    /// The one that has waited longest, so that none of them starves another.
    pub(super) fn next_line(&self) -> Option<&Line> {
        self.lines.iter().min_by_key(|line| (line.next_at, line.role))
    }

    pub(super) fn next_check(&mut self, now: Moment) -> Option<(Role, u64)> {
        if self.under_way.is_some() {
            return None;
        }
        if !self.is_in_startup() {
            self.make_room(now);
        }
        let role = self.next_line().filter(|line| line.next_at <= now)?.role;
        let line = self.lines.iter_mut().find(|line| line.role == role);
        line.into_iter().for_each(|line| line.has_waited = false);
        self.begun += 1;
        self.under_way = Some((role, self.begun));
        self.under_way
    }

    /// Only one check is under way at a time, and the one that may restart it isn't to wait for the other: that begins only where
    /// it ends before the first is due, and else after it. [`Line::plan_next`] leaves it room there.
    fn make_room(&mut self, now: Moment) {
        // Where there is never room for both, which no registry says, they take turns.
        let room = self.timeouts();
        let first = self.lines.iter().find(|line| line.policy.restarts);
        let first = first.filter(|line| room <= line.policy.interval);
        let Some(due) = first.map(|line| line.next_at) else {
            return;
        };
        for line in self.lines.iter_mut().filter(|line| !line.policy.restarts) {
            // Once: a daemon that is always late would never make it.
            if line.next_at <= now && now + line.policy.timeout > due && !line.has_waited {
                line.next_at = line.next_at.max(due);
                line.has_waited = true;
            }
        }
    }

    /// What one check of each kind may take together.
    pub(super) fn timeouts(&self) -> Duration {
        let timeouts = self.lines.iter().map(|line| line.policy.timeout);
        timeouts.fold(Duration::ZERO, Duration::saturating_add)
    }
}
