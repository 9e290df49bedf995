//! Durations on the command line: `5`, `1.5s`, `500ms`, `2m`, `1h`. A bare number is seconds, as in the registry.

use std::time::Duration;

/// Reads a duration that is longer than nothing.
///
/// # Errors
/// A sentence that says what is accepted.
pub fn parse(text: &str) -> Result<Duration, String> {
    let unit_at = text.find(|c: char| c.is_ascii_alphabetic()).unwrap_or(text.len());
    let (number, unit) = text.split_at(unit_at);
    let seconds_each = match unit {
        "" | "s" => 1.0,
        "ms" => 0.001,
        "m" => 60.0,
        "h" => 3600.0,
        _ => return Err(format!("{unit:?} is not a unit; ms, s, m and h are known")),
    };
    let plain = number.chars().all(|c| c.is_ascii_digit() || c == '.');
    let number: f64 = match number.trim().parse() {
        Ok(number) if plain => number,
        _ => return Err("not a duration; write it like 5, 1.5s, 500ms or 2m".to_owned()),
    };
    match Duration::try_from_secs_f64(number * seconds_each) {
        Ok(duration) if !duration.is_zero() => Ok(duration),
        Ok(_) => Err("a duration of nothing makes no sense here".to_owned()),
        Err(_) => Err("longer than any clock goes".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bare_numbers_are_seconds_and_the_units_of_the_registry_are_known() {
        for (text, millis) in [
            ("5", 5_000),
            ("5s", 5_000),
            ("0.25", 250),
            ("500ms", 500),
            ("2m", 120_000),
            ("1h", 3_600_000),
        ] {
            assert_eq!(parse(text), Ok(Duration::from_millis(millis)), "{text}");
        }
    }

    #[test]
    fn what_is_no_duration_is_refused_with_a_reason() {
        for text in [
            "", "s", "-1", "+1", "5 s", "1d", "5mss", "1e3", "inf", "nan", "..", "0", "0ms", "٣",
        ] {
            assert!(parse(text).is_err(), "{text:?}: {:?}", parse(text));
        }
        let huge = format!("{}h", "9".repeat(300));
        assert_eq!(parse(&huge), Err("longer than any clock goes".to_owned()));
    }
}
