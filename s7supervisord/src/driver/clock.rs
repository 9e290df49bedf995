//! The only reader of the clocks.

use crate::machine::input::Stamp;
use crate::machine::moment::Moment;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Monotonic time, and wall time to be shown. Its origin is the machine's boot, so that moments of an earlier daemon are moments
/// of this one.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    begun: Instant,
    /// Microseconds from the machine's boot to the beginning of the daemon.
    since_boot_us: u64,
}

impl Clock {
    /// A clock that begins now.
    #[must_use]
    pub fn start() -> Self {
        Self {
            begun: Instant::now(),
            since_boot_us: crate::platform::process::since_boot_ns() / 1000,
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
        Moment::from_micros(self.since_boot_us.saturating_add(self.uptime_us()))
    }

    /// Microseconds since the daemon began.
    #[must_use]
    pub fn uptime_us(&self) -> u64 {
        u64::try_from(self.begun.elapsed().as_micros()).unwrap_or(u64::MAX)
    }

    /// The same point as the runtime's timers want it.
    #[must_use]
    pub fn instant(&self, at: Moment) -> tokio::time::Instant {
        // Rounded up: a timer that fires a microsecond early would find nothing due and be set again.
        let from_here = at.as_micros().saturating_sub(self.since_boot_us);
        (self.begun + Duration::from_micros(from_here.saturating_add(1))).into()
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
