//! A point in time as people write it: how long ago, or when.

use jiff::civil::{Date, DateTime, Time};
use jiff::{Span, Timestamp, ToSpan, Zoned};

/// What the forms are, for whoever has found none of them.
const FORMS: &str = "write how long ago (90s, 10m, 2h, 3d), a time (10:00, the last time it was that), a day \
                     (2026-11-22), or both (2026-11-22T10:00:00, with Z or +01:00 where it isn't local)";

/// The time that `text` means, in milliseconds since 1970.
///
/// # Errors
/// It means none; the text tells what would.
pub fn parse(text: &str) -> Result<i64, String> {
    at(&Zoned::now(), text).map(|time| time.as_millisecond())
}

fn at(now: &Zoned, text: &str) -> Result<Timestamp, String> {
    let text = text.trim();
    let local = |time: DateTime| {
        time.to_zoned(now.time_zone().clone())
            .map(|time| time.timestamp())
    };
    let outside = |error: jiff::Error| format!("{text:?} is no time that there is: {error}");
    if let Ok(time) = text.parse::<Timestamp>() {
        return Ok(time);
    }
    // A date first: the parser of a time takes that of a date and a time as well.
    if text.get(4..5) == Some("-")
        && let Ok(date) = text.parse::<Date>()
    {
        let time = text.parse::<DateTime>();
        return local(time.unwrap_or_else(|_| date.to_datetime(Time::midnight()))).map_err(outside);
    }
    if let Ok(time) = text.parse::<Time>() {
        let today = local(now.date().to_datetime(time)).map_err(outside)?;
        if today <= now.timestamp() {
            return Ok(today);
        }
        let yesterday = now.date().yesterday().map_err(outside)?;
        return local(yesterday.to_datetime(time)).map_err(outside);
    }
    let span: Option<Span> = match text.parse::<u32>() {
        // As everywhere, a bare number is seconds.
        Ok(seconds) => Some(i64::from(seconds).seconds()),
        Err(_) => text.parse().ok(),
    };
    let Some(ago) = span.filter(|span| !span.is_negative()) else {
        return Err(format!("{text:?} is not a time: {FORMS}"));
    };
    now.checked_sub(ago).map(|time| time.timestamp()).map_err(outside)
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::tz::TimeZone;

    #[test]
    fn times_are_understood_as_people_write_them() {
        let zone = TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").unwrap();
        let now = "2026-11-22T12:00:00Z"
            .parse::<Timestamp>()
            .unwrap()
            .to_zoned(zone);
        let table = [
            ("10m", "2026-11-22T11:50:00Z"),
            ("90", "2026-11-22T11:58:30Z"),
            ("1h30m", "2026-11-22T10:30:00Z"),
            ("2d", "2026-11-20T12:00:00Z"),
            ("0s", "2026-11-22T12:00:00Z"),
            ("10:00", "2026-11-22T09:00:00Z"),
            ("10:00:30", "2026-11-22T09:00:30Z"),
            ("23:00", "2026-11-21T22:00:00Z"),
            ("2026-11-22", "2026-11-21T23:00:00Z"),
            ("2026-11-22T10:00:00", "2026-11-22T09:00:00Z"),
            ("2026-11-22 10:00", "2026-11-22T09:00:00Z"),
            ("2026-07-01T10:00", "2026-07-01T08:00:00Z"),
            ("2026-11-22T10:00:00Z", "2026-11-22T10:00:00Z"),
            ("2026-11-22T10:00:00+05:00", "2026-11-22T05:00:00Z"),
        ];
        for (text, expected) in table {
            assert_eq!(at(&now, text).unwrap().to_string(), expected, "{text}");
        }
        for text in [
            "",
            "yesterday",
            "-10m",
            "25:00",
            "2026-13-01",
            "10x",
            "99999999999h",
        ] {
            let error = at(&now, text).unwrap_err();
            assert!(error.contains("time"), "{text}: {error}");
        }
    }
}
