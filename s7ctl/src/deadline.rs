//! Until when this call of `s7ctl` may wait.

use std::time::{Duration, Instant};

/// A point in time, or none.
#[derive(Debug, Clone, Copy)]
pub struct Deadline {
    until: Option<Instant>,
    within: Option<Duration>,
}

impl Deadline {
    /// So long from now; `None` is no deadline: then a wait ends with its answer, or with the connection.
    #[must_use]
    pub fn after(within: Option<Duration>) -> Self {
        Self {
            // A time beyond the clock's range is no deadline.
            until: within.and_then(|within| Instant::now().checked_add(within)),
            within,
        }
    }

    /// The same, but at most so long from now.
    #[must_use]
    pub fn at_most(self, within: Duration) -> Self {
        match self.until {
            Some(until) if until <= Instant::now() + within => self,
            _ => Self::after(Some(within)),
        }
    }

    /// What is left, or a time that never passes.
    #[must_use]
    pub fn remaining(self) -> Duration {
        self.until.map_or(Duration::MAX, |until| {
            until.saturating_duration_since(Instant::now())
        })
    }

    /// Whether it is over.
    #[must_use]
    pub fn passed(self) -> bool {
        self.remaining().is_zero()
    }

    /// How long it was at the beginning, for sentences.
    #[must_use]
    pub fn within(self) -> Duration {
        self.within.unwrap_or(Duration::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bound_shortens_a_deadline_and_never_lengthens_it() {
        let hour = Duration::from_secs(3600);
        let none = Deadline::after(None);
        assert!(!none.passed() && none.remaining() == Duration::MAX);
        assert_eq!(none.at_most(hour).within(), hour);
        assert!(none.at_most(hour).remaining() <= hour);
        let short = Deadline::after(Some(Duration::from_secs(1)));
        assert_eq!(short.at_most(hour).within(), Duration::from_secs(1));
        assert!(Deadline::after(Some(Duration::ZERO)).passed());
        assert!(!Deadline::after(Some(Duration::MAX)).passed());
    }
}
