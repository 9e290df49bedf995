//! What a measurement of a run's memory comes to.

use super::input::RunId;
use std::collections::{HashMap, HashSet};

/// Measurements in a row above the soft limit, after which a new run takes its place: one may be a peak that is over.
const IN_A_ROW: u32 = 2;

/// How much memory a tree may take, in bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Limits {
    /// Above this a new run takes its place.
    pub soft: Option<u64>,
    /// Above this it is ended.
    pub hard: Option<u64>,
    /// The system sees to the hard limit, so that nobody else need.
    pub by_system: bool,
}

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exceeded {
    /// It is to be replaced by a new run, politely.
    Soft,
    /// It is to be ended at once.
    Hard,
}

/// How often each run was above its soft limit the last times.
#[derive(Debug, Default)]
pub struct Above(HashMap<RunId, u32>);

impl Above {
    /// The tree of `run` takes so many bytes.
    pub fn measured(&mut self, run: RunId, bytes: u64, limits: Limits) -> Option<Exceeded> {
        if !limits.by_system && limits.hard.is_some_and(|hard| bytes > hard) {
            return Some(Exceeded::Hard);
        }
        if limits.soft.is_none_or(|soft| bytes <= soft) {
            self.0.remove(&run);
            return None;
        }
        let times = self.0.entry(run).or_default();
        *times += 1;
        // It is told again only after as many more: a stop takes its time.
        times.is_multiple_of(IN_A_ROW).then_some(Exceeded::Soft)
    }

    /// Only these runs live.
    pub fn keep(&mut self, living: &HashSet<RunId>) {
        self.0.retain(|run, _| living.contains(run));
    }
}

#[cfg(test)]
mod tests {
    use super::super::input::Slot;
    use super::*;

    const RUN: RunId = RunId {
        slot: Slot(3),
        run: 7,
    };

    #[test]
    fn a_run_is_replaced_after_two_measurements_in_a_row_above_the_soft_limit() {
        let limits = Limits {
            soft: Some(100),
            ..Limits::default()
        };
        let mut above = Above::default();
        let told: Vec<_> = [101, 100, 101, 102, 103, 104]
            .iter()
            .map(|bytes| above.measured(RUN, *bytes, limits))
            .collect();
        let soft = Some(Exceeded::Soft);
        assert_eq!(told, [None, None, None, soft, None, soft]);
        above.measured(RUN, 101, limits);
        above.keep(&HashSet::new());
        assert_eq!(above.measured(RUN, 101, limits), None, "another run begins anew");
    }

    #[test]
    fn above_the_hard_limit_it_is_ended_at_once_unless_the_system_sees_to_that() {
        let mut limits = Limits {
            soft: Some(100),
            hard: Some(200),
            by_system: false,
        };
        let mut above = Above::default();
        assert_eq!(above.measured(RUN, 200, limits), None);
        assert_eq!(above.measured(RUN, 201, limits), Some(Exceeded::Hard));
        limits.by_system = true;
        assert_eq!(above.measured(RUN, 300, limits), Some(Exceeded::Soft));
        assert_eq!(Above::default().measured(RUN, u64::MAX, Limits::default()), None);
    }
}
