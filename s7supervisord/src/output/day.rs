//! When a local day ends, so that a log can begin a new file.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use std::ops::Range;

/// The local day that was last asked for; asking again within it costs two comparisons.
#[derive(Debug, Default)]
pub struct Day {
    /// In milliseconds since 1970; empty before the first question.
    span: Range<i64>,
}

impl Day {
    /// Whether `before` lies on an earlier day of `zone` than `now`, both in milliseconds since 1970.
    ///
    /// A clock that was set back makes no earlier day of what was written before that, so it is `false` there.
    pub fn is_over(&mut self, before: i64, now: i64, zone: &TimeZone) -> bool {
        if !self.span.contains(&now) {
            self.span = day_of(now, zone);
        }
        before < self.span.start
    }

    /// When the day that was last asked for ends, in milliseconds since 1970.
    #[must_use]
    pub fn ends(&self) -> i64 {
        self.span.end
    }
}

/// From the first instant of the day of `now` to the first of the next one. Where the calendar ends, a day of 24 h.
fn day_of(now: i64, zone: &TimeZone) -> Range<i64> {
    let span = || {
        let day = Timestamp::from_millisecond(now).ok()?.to_zoned(zone.clone());
        let begins = day.start_of_day().ok()?;
        let ends = day.tomorrow().ok()?.start_of_day().ok()?;
        Some(begins.timestamp().as_millisecond()..ends.timestamp().as_millisecond())
    };
    const LENGTH: i64 = 24 * 60 * 60 * 1000;
    span().unwrap_or_else(|| {
        let begins = now.div_euclid(LENGTH).saturating_mul(LENGTH);
        begins..begins.saturating_add(LENGTH)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: i64 = 3_600_000;

    fn ms(text: &str) -> i64 {
        text.parse::<Timestamp>().unwrap().as_millisecond()
    }

    #[test]
    fn a_day_is_the_local_one_also_where_clocks_change() {
        let zone = TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").unwrap();
        let table = [
            ("2026-11-22T12:00:00Z", "2026-11-21T23:00:00Z", 24),
            ("2026-11-22T23:30:00Z", "2026-11-22T23:00:00Z", 24),
            ("2026-03-29T12:00:00Z", "2026-03-28T23:00:00Z", 23),
            ("2026-10-25T12:00:00Z", "2026-10-24T22:00:00Z", 25),
        ];
        for (now, begins, hours) in table {
            let begins = ms(begins);
            assert_eq!(day_of(ms(now), &zone), begins..begins + hours * HOUR, "{now}");
        }
        assert!(day_of(i64::MAX, &zone).start > 0, "no panic at the end of time");
        assert!(day_of(i64::MIN, &zone).start < 0);
    }

    #[test]
    fn a_clock_that_jumps_over_midnight_ends_a_day_forward_and_none_backward() {
        let mut day = Day::default();
        let noon = ms("2026-11-22T12:00:00Z");
        assert!(!day.is_over(noon, noon, &TimeZone::UTC));
        assert!(day.is_over(noon, noon + 36 * HOUR, &TimeZone::UTC));
        assert!(!day.is_over(noon + 36 * HOUR, noon, &TimeZone::UTC), "set back");
        assert!(!day.is_over(noon, noon, &TimeZone::UTC));
        assert!(
            day.is_over(noon, noon + 36 * HOUR, &TimeZone::UTC),
            "and forward again"
        );
    }
}
