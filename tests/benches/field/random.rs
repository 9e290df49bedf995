//! Numbers for gaps and orders. They need not be good, only not in step with anything.

use crate::starts::now;

/// xorshift64 (Marsaglia, 2003).
#[derive(Debug)]
pub struct Random(u64);

impl Random {
    /// A sequence of its own for each call.
    pub fn new() -> Self {
        let now = now();
        Self((now.as_secs() << 32 | u64::from(now.subsec_nanos())) | 1)
    }

    /// A number below `limit`, which isn't 0.
    pub fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }

    /// Another order.
    pub fn shuffle<T>(&mut self, list: &mut [T]) {
        for end in (1..list.len()).rev() {
            let other = self.below(end as u64 + 1);
            list.swap(end, usize::try_from(other).unwrap_or(0));
        }
    }
}
