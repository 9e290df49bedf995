//! The only reader of the clocks.

use crate::machine::input::Stamp;
use crate::machine::moment::Moment;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Monotonic time since the daemon began, and wall time to be shown.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    origin: Instant,
}

impl Clock {
    /// A clock that begins now.
    #[must_use]
    pub fn start() -> Self {
        Self {
            origin: Instant::now(),
        }
    }

    /// Now.
    #[must_use]
    pub fn stamp(&self) -> Stamp {
        Stamp {
            now: self.now(),
            wall_ms: wall_ms(),
        }
    }

    /// Monotonic time.
    #[must_use]
    pub fn now(&self) -> Moment {
        Moment::from_micros(u64::try_from(self.origin.elapsed().as_micros()).unwrap_or(u64::MAX))
    }

    /// The same point as the runtime's timers want it.
    #[must_use]
    pub fn instant(&self, at: Moment) -> tokio::time::Instant {
        // Rounded up: a timer that fires a microsecond early would find nothing due and be set again.
        (self.origin + Duration::from_micros(at.as_micros().saturating_add(1))).into()
    }
}

fn wall_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// A seed for jitter that differs from one daemon to the next.
#[must_use]
pub fn seed() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    since.as_secs().rotate_left(32) ^ u64::from(since.subsec_nanos()) ^ u64::from(std::process::id())
}
