//! When the command for failures of one component may run: one at a time, and at most one in ten seconds.

use super::moment::Moment;
use std::time::Duration;

/// From the beginning of one command to that of the next, at least (issue 5, item 8): a component that crashes in a row
/// is told of, and doesn't keep the machine busy with that.
pub const SPACING: Duration = Duration::from_secs(10);

/// The turns of one component's command. `T` is what it is told.
#[derive(Debug)]
pub struct Turns<T> {
    began: Option<Moment>,
    running: bool,
    /// The last failure that wasn't told yet, and how many before it weren't either.
    waiting: Option<(T, u64)>,
}

impl<T> Default for Turns<T> {
    fn default() -> Self {
        Self {
            began: None,
            running: false,
            waiting: None,
        }
    }
}

impl<T> Turns<T> {
    /// Something has failed. Of several that can't be told yet the last one is, with the number of the others.
    pub fn failed(&mut self, what: T) {
        let missed = self.waiting.take().map_or(0, |(_, missed)| missed + 1);
        self.waiting = Some((what, missed));
    }

    /// What is to be told now, if anything, and how many failures before it weren't told. It is told until [`Turns::ended`].
    pub fn next(&mut self, now: Moment) -> Option<(T, u64)> {
        if self.deadline()? > now {
            return None;
        }
        (self.running, self.began) = (true, Some(now));
        self.waiting.take()
    }

    /// The command is over, or could not be begun.
    pub fn ended(&mut self) {
        self.running = false;
    }

    /// When there will be something to tell; `None` while the command runs, or where there is nothing.
    #[must_use]
    pub fn deadline(&self) -> Option<Moment> {
        let due = self.began.map_or(Moment::default(), |began| began + SPACING);
        (self.waiting.is_some() && !self.running).then_some(due)
    }

    /// Whether nothing is told and nothing waits, and the spacing is over: as if it had never been used.
    #[must_use]
    pub fn is_idle(&self, now: Moment) -> bool {
        let over = self.began.is_none_or(|began| began + SPACING <= now);
        over && !self.running && self.waiting.is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(seconds: u64) -> Moment {
        Moment::from_micros(seconds * 1_000_000)
    }

    #[test]
    fn the_first_failure_is_told_at_once_and_those_of_the_next_ten_seconds_together() {
        let mut turns = Turns::default();
        assert_eq!(turns.next(at(0)), None);
        turns.failed("a");
        assert_eq!(turns.next(at(100)), Some(("a", 0)));
        turns.ended();
        turns.failed("b");
        turns.failed("c");
        turns.failed("d");
        assert_eq!(turns.next(at(109)), None);
        assert_eq!(turns.deadline(), Some(at(110)));
        assert_eq!(turns.next(at(110)), Some(("d", 2)));
        turns.ended();
        assert!(!turns.is_idle(at(119)));
        assert!(turns.is_idle(at(120)));
    }

    #[test]
    fn while_one_runs_there_is_no_other_however_long_it_takes() {
        let mut turns = Turns::default();
        turns.failed(1);
        assert_eq!(turns.next(at(0)), Some((1, 0)));
        turns.failed(2);
        assert_eq!((turns.deadline(), turns.next(at(1000))), (None, None));
        turns.ended();
        assert_eq!(turns.next(at(1000)), Some((2, 0)));
    }

    proptest! {
        #[test]
        fn no_failure_is_forgotten_and_none_is_told_too_early(steps in proptest::collection::vec((0..4_u8, 0..7_u64), 0..60)) {
            let mut turns = Turns::default();
            let (mut now, mut failed, mut told) = (0, 0_u64, 0);
            let mut last: Option<u64> = None;
            let mut runs = false;
            for (step, pause) in steps {
                now += pause;
                match step {
                    0 | 1 => {
                        failed += 1;
                        turns.failed(failed);
                    }
                    2 => {
                        turns.ended();
                        runs = false;
                    }
                    _ => {}
                }
                if let Some((what, missed)) = turns.next(at(now)) {
                    prop_assert!(!runs && last.is_none_or(|last| last + 10 <= now));
                    told += missed + 1;
                    prop_assert_eq!((what, told), (failed, failed));
                    (runs, last) = (true, Some(now));
                }
            }
            turns.ended();
            let rest = turns.next(at(now + 10)).map_or(0, |(_, missed)| missed + 1);
            prop_assert_eq!(told + rest, failed);
        }
    }
}
