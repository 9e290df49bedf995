//! When the next start may come: arithmetic on moments (DESIGN 4, "starts are spaced").

use super::moment::Moment;
use std::time::Duration;

/// A run that was RUNNING for this long ends a row of crashes (DESIGN 4).
pub const STABLE_AFTER: Duration = Duration::from_secs(60);
/// From this crash of a row on, `status` says "crash loop" (DESIGN 4; systemd's burst of 5).
pub const CRASH_LOOP: u32 = 5;
/// The longest space between two starts, before jitter (DESIGN 4; KEP-4603).
const LONGEST_SPACE: Duration = Duration::from_secs(60);
/// The longest wait after a fault of the host (reliability A2: 1, 2, 4 … 30 s).
const LONGEST_HOST_WAIT: Duration = Duration::from_secs(30);

/// How far the start after the `in_a_row`-th crash is to be from the start before it, without jitter.
///
/// The first crash of a row is answered at once. After the k-th (k ≥ 2) it is 1 s × 2^(k-2), at most 60 s.
#[must_use]
pub fn space_after_crash(in_a_row: u32) -> Duration {
    match in_a_row {
        0 | 1 => Duration::ZERO,
        k => doubling(k - 2, LONGEST_SPACE),
    }
}

/// How long to wait after the `in_a_row`-th fault of the host (1 is the first).
#[must_use]
pub fn wait_after_host_fault(in_a_row: u32) -> Duration {
    doubling(in_a_row.saturating_sub(1), LONGEST_HOST_WAIT)
}

/// 1 s × 2^`doublings`, at most `longest`.
fn doubling(doublings: u32, longest: Duration) -> Duration {
    // 2^6 s is above both limits, so the shift can't overflow.
    Duration::from_secs(1u64 << doublings.min(6)).min(longest)
}

/// A small generator for jitter, seeded by the caller, so that a run of the machine can be repeated.
///
/// SplitMix64 (Steele, Lea, Flood 2014): its quality is far above what spreading restarts needs.
#[derive(Debug, Clone)]
pub struct Jitter(u64);

impl Jitter {
    /// A generator that always yields the same for the same `seed`.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// `span` ± 20 % (DESIGN 4), so that components that failed together don't start in phase for ever.
    pub fn spread(&mut self, span: Duration) -> Duration {
        let per_mille = 800 + u32::try_from(self.next() % 401).unwrap_or(0);
        span * per_mille / 1000
    }

    /// `span` less up to a fifth, where it must not become longer.
    pub fn shorten(&mut self, span: Duration) -> Duration {
        span - self.part_of(span / 5)
    }

    /// Anything from nothing to `span`, so that what begins together is spread.
    pub fn part_of(&mut self, span: Duration) -> Duration {
        let per_mille = u32::try_from(self.next() % 1000).unwrap_or(0);
        span * per_mille / 1000
    }
}

/// The earliest moment of the start after the `in_a_row`-th crash: spaced from the start before, never in the past.
#[must_use]
pub fn next_start(now: Moment, last_start: Moment, in_a_row: u32, jitter: &mut Jitter) -> Moment {
    let space = space_after_crash(in_a_row);
    if space.is_zero() {
        return now;
    }
    (last_start + jitter.spread(space)).max(now)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spaces_are_those_of_the_design() {
        let seconds: Vec<u64> = (1..=10).map(|k| space_after_crash(k).as_secs()).collect();
        assert_eq!(seconds, [0, 1, 2, 4, 8, 16, 32, 60, 60, 60]);
        assert_eq!(space_after_crash(u32::MAX).as_secs(), 60);
        let host: Vec<u64> = (1..=7).map(|k| wait_after_host_fault(k).as_secs()).collect();
        assert_eq!(host, [1, 2, 4, 8, 16, 30, 30]);
    }

    #[test]
    fn jitter_stays_within_a_fifth_and_uses_that_range() {
        let mut jitter = Jitter::new(7);
        let spans: Vec<u128> = (0..2000)
            .map(|_| jitter.spread(Duration::from_secs(10)).as_millis())
            .collect();
        assert!(spans.iter().all(|ms| (8000..=12000).contains(ms)));
        assert!(spans.iter().any(|ms| *ms < 8200) && spans.iter().any(|ms| *ms > 11800));
    }

    #[test]
    fn time_already_spent_running_counts_as_space() {
        let mut jitter = Jitter::new(1);
        let started = Moment::from_micros(0);
        let late = Moment::from_micros(30_000_000);
        assert_eq!(next_start(late, started, 4, &mut jitter), late);
        let early = Moment::from_micros(100_000);
        let next = next_start(early, started, 4, &mut jitter);
        assert!(next >= Moment::from_micros(3_200_000) && next <= Moment::from_micros(4_800_000));
    }
}
