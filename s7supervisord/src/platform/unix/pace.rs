//! How long a pipe that is written to all the time is let be, so that one turn moves much instead of one line.
//!
//! Waking up for each line costs the writer a wakeup and the daemon five system calls for 100 bytes. Measured with
//! 100-byte lines at full speed: 13 s of CPU per GB without any pause, 1 s with pauses up to 4 ms.

use std::time::{Duration, Instant};

/// Nobody who reads along notices this, and a pipe of 1 MiB doesn't fill in it below 250 MB/s.
const MOST: Duration = Duration::from_millis(4);

/// The first pause; halved below it, there is none.
const LEAST: Duration = Duration::from_micros(250);

/// After so long without output the next line is moved at once.
const QUIET: Duration = Duration::from_millis(2);

/// The pauses of one pipe.
pub(super) struct Pace {
    pause: Duration,
    moved_at: Instant,
}

impl Pace {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            pause: Duration::ZERO,
            moved_at: now,
        }
    }

    /// How long to let the pipe be after a turn that began at `started`, ended at `now`, and moved `moved` bytes of a
    /// pipe of `capacity`. Zero means until something comes.
    pub(super) fn after_turn(
        &mut self,
        started: Instant,
        now: Instant,
        moved: usize,
        capacity: usize,
    ) -> Duration {
        if moved == 0 {
            return Duration::ZERO;
        }
        let since = started.saturating_duration_since(self.moved_at);
        self.moved_at = now;
        self.pause = if since >= self.pause + QUIET {
            Duration::ZERO
        } else if moved < capacity / 4 {
            (self.pause * 2).clamp(LEAST, MOST)
        } else if moved > capacity / 2 {
            self.pause / 2
        } else {
            self.pause
        };
        if self.pause < LEAST {
            self.pause = Duration::ZERO;
        }
        self.pause
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CAPACITY: usize = 1 << 20;

    /// The pauses after turns that each begin `gap` after the one before has moved `moved` bytes.
    fn pauses(gap: Duration, moved: usize, turns: u32) -> Vec<Duration> {
        let start = Instant::now();
        let mut pace = Pace::new(start);
        (1..=turns)
            .map(|turn| pace.after_turn(start + gap * turn, start + gap * turn, moved, CAPACITY))
            .collect()
    }

    #[test]
    fn a_line_now_and_then_is_never_paused() {
        assert_eq!(pauses(Duration::from_millis(5), 100, 50), [Duration::ZERO; 50]);
    }

    #[test]
    fn lines_without_end_lead_to_the_longest_pause_and_a_full_pipe_away_from_it() {
        let micros = |n| Duration::from_micros(n);
        let slow = pauses(micros(10), 100, 7);
        assert_eq!(slow, [250, 500, 1000, 2000, 4000, 4000, 4000].map(micros));
        let start = Instant::now();
        let mut pace = Pace {
            pause: MOST,
            moved_at: start,
        };
        let full: Vec<_> = (0..6)
            .map(|_| pace.after_turn(start, start, CAPACITY, CAPACITY))
            .collect();
        assert_eq!(full, [2000, 1000, 500, 250, 0, 0].map(micros));
    }

    #[test]
    fn an_empty_pipe_is_watched_instead_of_looked_at_again_and_again() {
        let start = Instant::now();
        let mut pace = Pace {
            pause: MOST,
            moved_at: start,
        };
        assert_eq!(pace.after_turn(start, start, 0, CAPACITY), Duration::ZERO);
        assert_eq!(
            pace.after_turn(start, start, CAPACITY / 3, CAPACITY),
            MOST,
            "what was learnt is kept"
        );
    }
}
