//! Numbers with units, for people.

use std::time::Duration;

/// A short time: `7 ms`, `0.31 s`, `12.5 s`, `2m 05s`, `1h 03m`.
#[must_use]
pub fn seconds(time: Duration) -> String {
    let whole = time.as_secs();
    match whole {
        0 if time.as_millis() < 100 => format!("{} ms", time.as_millis()),
        0..10 => format!("{:.2} s", time.as_secs_f64()),
        10..60 => format!("{:.1} s", time.as_secs_f64()),
        60..3600 => format!("{}m {:02}s", whole / 60, whole % 60),
        _ => age(time),
    }
}

/// [`seconds`] of so many microseconds.
#[must_use]
pub fn micros(micros: u64) -> String {
    seconds(Duration::from_micros(micros))
}

/// A long time, two units of it: `42s`, `5m 07s`, `3h 04m`, `12d 03h`.
#[must_use]
pub fn age(time: Duration) -> String {
    let seconds = time.as_secs();
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3600 => format!("{minutes}m {:02}s", seconds % 60),
        3600..86_400 => format!("{hours}h {:02}m", minutes % 60),
        _ => format!("{days}d {:02}h", hours % 24),
    }
}

/// A size: `512 B`, `1.5 KiB`, `37 MiB`.
#[must_use]
pub fn size(bytes: u64) -> String {
    let units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    // How many there are of a unit, rounded.
    let of = |unit: u32, times: u128| {
        let one = 1u128 << (10 * unit);
        (u128::from(bytes) * times + one / 2) / one
    };
    // One below the next unit would be printed as 1024.
    let unit = (0..6).find(|unit| of(*unit, 1) < 1024).unwrap_or(6);
    let name = units.get(unit as usize).copied().unwrap_or_default();
    match of(unit, 10) {
        tenths @ 0..100 if unit > 0 => format!("{}.{} {name}", tenths / 10, tenths % 10),
        _ => format!("{} {name}", of(unit, 1)),
    }
}

/// Plural or not: `1 crash`, `2 crashes`.
#[must_use]
pub fn count(number: u64, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_a_unit_and_no_more_digits_than_matter() {
        let short = |ms| seconds(Duration::from_millis(ms));
        assert_eq!(
            [7, 99, 310, 9_990, 12_500, 125_000, 3_780_000].map(short),
            ["7 ms", "99 ms", "0.31 s", "9.99 s", "12.5 s", "2m 05s", "1h 03m"]
        );
        let long = |s| age(Duration::from_secs(s));
        assert_eq!(
            [0, 42, 307, 11_040, 1_047_600].map(long),
            ["0s", "42s", "5m 07s", "3h 04m", "12d 03h"]
        );
        assert_eq!(micros(1_500_000), "1.50 s");
    }

    #[test]
    fn sizes_never_show_1024_of_a_unit() {
        assert_eq!(
            [0, 1023, 1024, 1536, 10_188, 38_797_312, 1_048_575, u64::MAX].map(size),
            [
                "0 B", "1023 B", "1.0 KiB", "1.5 KiB", "9.9 KiB", "37 MiB", "1.0 MiB", "16 EiB"
            ]
        );
    }
}
