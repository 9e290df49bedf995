//! How large the output pipes may be together (DESIGN 6).
//!
//! The kernel counts the pages of all pipes of a user. Past `pipe-user-pages-soft` it gives new pipes two pages, also to the
//! user's other programs, so a daemon that isn't root takes no more than half of that. Root isn't counted (pipe(7)).

/// What a pipe holds where there is room: 1 MiB, which is also the most that an unprivileged user may ask for unless
/// `/proc/sys/fs/pipe-max-size` says otherwise.
pub(super) const MOST: usize = 1024 * 1024;

/// What a pipe holds by default: 16 pages of 4 KiB (pipe(7)). None is made smaller than that.
pub(super) const LEAST: usize = 64 * 1024;

/// A pipe gets at most this part of what is left, so that those that come later get smaller ones and not none.
const SHARE: u64 = 16;

/// Where the kernel says how many pages a user's pipes may have.
const SOFT_LIMIT: &str = "/proc/sys/fs/pipe-user-pages-soft";

/// Bytes that the pipes may have together, and have.
#[derive(Debug)]
pub(super) struct Budget {
    /// `None` is no limit.
    limit: Option<u64>,
    used: u64,
}

impl Budget {
    /// What this process may take.
    pub(super) fn of_this_user() -> Self {
        let soft = std::fs::read_to_string(SOFT_LIMIT).ok();
        // The kernel's default since 4.5 stands in for what can't be read.
        let pages = soft
            .and_then(|text| text.trim().parse().ok())
            .unwrap_or(16 * 1024);
        let is_root = rustix::process::geteuid().is_root();
        Self::new(pages, rustix::param::page_size() as u64, is_root)
    }

    fn new(pages: u64, page: u64, is_root: bool) -> Self {
        let limit = (!is_root && pages > 0).then(|| pages.saturating_mul(page) / 2);
        Self { limit, used: 0 }
    }

    /// How large the next pipe should be: a power of two from [`LEAST`] to [`MOST`].
    pub(super) fn next(&self) -> usize {
        let Some(limit) = self.limit else {
            return MOST;
        };
        let share = limit.saturating_sub(self.used) / SHARE;
        let mut size = MOST;
        while size > LEAST && size as u64 > share {
            size /= 2;
        }
        size
    }

    /// A pipe of so many bytes is there.
    pub(super) fn take(&mut self, bytes: usize) {
        self.used += bytes as u64;
    }

    /// It is gone.
    pub(super) fn give_back(&mut self, bytes: usize) {
        self.used = self.used.saturating_sub(bytes as u64);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pipes_stay_below_half_of_the_limit_until_they_are_as_small_as_they_can_be() {
        // The kernel's default: 64 MiB.
        let mut budget = Budget::new(16 * 1024, 4096, false);
        let mut sizes = Vec::new();
        loop {
            let size = budget.next();
            assert!(size.is_power_of_two() && (LEAST..=MOST).contains(&size));
            sizes.push(size);
            budget.take(size);
            if budget.used > 32 << 20 {
                break;
            }
        }
        assert!(
            sizes.is_sorted_by(|one, next| one >= next),
            "later ones are smaller"
        );
        assert!(sizes.iter().filter(|size| **size == MOST).count() >= 16);
        assert!(sizes.iter().filter(|size| **size > LEAST).count() >= 60);
        assert_eq!(
            sizes.last(),
            Some(&LEAST),
            "only the smallest ever lead over the limit"
        );
        for size in &sizes {
            budget.give_back(*size);
        }
        assert_eq!((budget.used, budget.next()), (0, MOST));
    }

    #[test]
    fn root_and_a_kernel_without_a_limit_take_what_they_want() {
        for mut budget in [Budget::new(16 * 1024, 4096, true), Budget::new(0, 4096, false)] {
            budget.take(1 << 40);
            assert_eq!(budget.next(), MOST);
        }
        assert_eq!(Budget::new(16, 4096, false).next(), LEAST);
        assert_eq!(Budget::new(u64::MAX, 4096, false).next(), MOST);
    }
}
