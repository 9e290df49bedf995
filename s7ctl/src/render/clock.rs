//! Points in time, for people (local time) and for programs (RFC 3339, UTC).

use jiff::Timestamp;
use jiff::tz::TimeZone;
use std::cell::OnceCell;
use std::time::Duration;

/// What time it is and where. The time zone is read from the system only when a time is to be shown.
#[derive(Debug)]
pub struct Clock {
    now: Timestamp,
    /// `None`: times in sentences are RFC 3339 too.
    zone: Option<OnceCell<TimeZone>>,
}

impl Clock {
    /// The system's, for people.
    #[must_use]
    pub fn system() -> Self {
        Self {
            now: Timestamp::now(),
            zone: Some(OnceCell::new()),
        }
    }

    /// For programs: also the times in sentences are RFC 3339, UTC.
    #[must_use]
    pub fn for_programs() -> Self {
        Self {
            now: Timestamp::UNIX_EPOCH,
            zone: None,
        }
    }

    /// A clock that stands still.
    #[must_use]
    pub fn fixed(now: Timestamp, zone: TimeZone) -> Self {
        Self {
            now,
            zone: Some(zone.into()),
        }
    }

    /// How long ago it was; `None` where that is no time at all.
    #[must_use]
    pub fn ago(&self, at_ms: i64) -> Option<Duration> {
        let passed = self.now.as_millisecond().checked_sub(at_ms)?;
        u64::try_from(passed).ok().map(Duration::from_millis)
    }

    /// `10:31:05` on the same day, else `2026-11-21 10:31:05`, in local time.
    #[must_use]
    pub fn in_words(&self, at_ms: i64) -> String {
        let Ok(at) = Timestamp::from_millisecond(at_ms) else {
            return "an impossible time".to_owned();
        };
        let Some(zone) = &self.zone else {
            return at.to_string();
        };
        let zone = zone.get_or_init(TimeZone::system);
        let (at, now) = (at.to_zoned(zone.clone()), self.now.to_zoned(zone.clone()));
        let format = if at.date() == now.date() {
            "%H:%M:%S"
        } else {
            "%Y-%m-%d %H:%M:%S"
        };
        at.strftime(format).to_string()
    }
}

/// `2026-11-22T10:31:05.25Z`; `None` for a time beyond the calendar.
#[must_use]
pub fn rfc3339(at_ms: i64) -> Option<String> {
    Timestamp::from_millisecond(at_ms).ok().map(|at| at.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn today_has_only_a_time_and_other_days_have_a_date_too() {
        let now: Timestamp = "2026-11-22T10:31:05.25Z".parse().unwrap();
        let clock = Clock::fixed(now, jiff::tz::Offset::constant(2).to_time_zone());
        let ms = now.as_millisecond();
        assert_eq!(clock.in_words(ms), "12:31:05");
        assert_eq!(clock.in_words(ms - 13 * 3_600_000), "2026-11-21 23:31:05");
        assert_eq!(rfc3339(ms).as_deref(), Some("2026-11-22T10:31:05.25Z"));
        assert_eq!(Clock::for_programs().in_words(ms), "2026-11-22T10:31:05.25Z");
        assert_eq!(
            (clock.in_words(i64::MAX).as_str(), rfc3339(i64::MIN)),
            ("an impossible time", None)
        );
    }
}
