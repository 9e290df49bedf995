//! Numbers for gaps, moments and orders. They need not be good, only not in step with anything, and the same again for
//! the same seed.

use std::time::{SystemTime, UNIX_EPOCH};

/// The variable that gives the seed, so that what has failed once can be tried again.
pub const SEED: &str = "S7_SEED";

/// xorshift64 (Marsaglia, 2003).
#[derive(Debug, Clone)]
pub struct Random(u64);

impl Default for Random {
    fn default() -> Self {
        Self::new()
    }
}

impl Random {
    /// A sequence of its own for each call.
    #[must_use]
    pub fn new() -> Self {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self::from_seed(now.as_secs() << 32 | u64::from(now.subsec_nanos()))
    }

    /// The sequence of this seed.
    #[must_use]
    pub fn from_seed(seed: u64) -> Self {
        // Nothing comes of zero.
        Self(seed | 1)
    }

    /// The sequence of the seed in [`SEED`], or one of its own; with the seed, to be printed.
    #[must_use]
    pub fn from_environment() -> (Self, u64) {
        let given = std::env::var(SEED).ok().and_then(|text| text.parse().ok());
        let random = given.map_or_else(Self::new, Self::from_seed);
        let seed = random.0;
        (random, seed)
    }

    /// A number below `limit`, which isn't 0.
    pub fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }

    /// One of `list`, which isn't empty.
    pub fn one_of<'a, T>(&mut self, list: &'a [T]) -> &'a T {
        &list[usize::try_from(self.below(list.len() as u64)).unwrap_or(0)]
    }

    /// Another order.
    pub fn shuffle<T>(&mut self, list: &mut [T]) {
        for end in (1..list.len()).rev() {
            let other = self.below(end as u64 + 1);
            list.swap(end, usize::try_from(other).unwrap_or(0));
        }
    }
}
