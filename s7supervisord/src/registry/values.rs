//! Single values: numbers, durations, sizes, words. Each either has a meaning or says what would have one.

use std::ops::RangeInclusive;
use std::time::Duration;

/// Why a value has no meaning.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct BadValue {
    /// What is wrong.
    pub message: String,
    /// What would be right.
    pub hint: Option<String>,
}

pub(super) fn bad<T>(message: String, hint: impl Into<String>) -> Result<T, BadValue> {
    Err(BadValue {
        message,
        hint: Some(hint.into()),
    })
}

pub(super) fn shown(text: &str) -> String {
    super::diagnostic::shown(text)
}

/// A whole number within `range`.
pub(super) fn integer(text: &str, range: &RangeInclusive<i64>) -> Result<i64, BadValue> {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    let takes = format!("{} to {}", range.start(), range.end());
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return bad(
            format!("`{}` is not a whole number", shown(text)),
            format!("write a number from {takes}"),
        );
    }
    // Digits that don't fit in 64 bits are out of every range.
    match text.parse::<i64>() {
        Ok(number) if range.contains(&number) => Ok(number),
        _ => bad(
            format!("`{}` is out of range", shown(text)),
            format!("write a number from {takes}"),
        ),
    }
}

/// A time: bare numbers are seconds; `ms`, `s`, `m`, `h` may follow, and a fraction of at most nine digits may be
/// there (`1.5s`).
pub(super) fn duration(text: &str, range: &RangeInclusive<Duration>) -> Result<Duration, BadValue> {
    const HINT: &str = "write seconds, or a number with ms, s, m or h, such as 500ms, 1.5s or 2m";
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    let unit_at = unsigned
        .find(|c: char| !(c.is_ascii_digit() || c == '.'))
        .unwrap_or(unsigned.len());
    let (number, unit) = unsigned.split_at(unit_at);
    let unit_nanos: u128 = match unit.trim_start() {
        "" | "s" => 1_000_000_000,
        "ms" => 1_000_000,
        "m" => 60_000_000_000,
        "h" => 3_600_000_000_000,
        _ => return bad(format!("`{}` is not a duration", shown(text)), HINT),
    };
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let is_number = !whole.is_empty()
        && number.matches('.').count() <= 1
        && !number.ends_with('.')
        && fraction.len() <= 9;
    if !is_number {
        return bad(format!("`{}` is not a duration", shown(text)), HINT);
    }
    let out_of_range = || {
        bad(
            format!("`{}` is out of range", shown(text)),
            format!(
                "write a time from {} to {}",
                time(*range.start()),
                time(*range.end())
            ),
        )
    };
    // Twelve digits of hours are more than any range here, and fit in 128 bits as nanoseconds.
    if text.starts_with('-') || whole.len() > 12 {
        return out_of_range();
    }
    let whole: u128 = whole.parse().unwrap_or(u128::MAX >> 64);
    let fraction_nanos = format!("{fraction:0<9}").parse::<u128>().unwrap_or(0) * unit_nanos / 1_000_000_000;
    let nanos = whole * unit_nanos + fraction_nanos;
    match u64::try_from(nanos).map(Duration::from_nanos) {
        Ok(duration) if range.contains(&duration) => Ok(duration),
        _ => out_of_range(),
    }
}

fn time(duration: Duration) -> String {
    match duration.subsec_millis() {
        0 => format!("{}s", duration.as_secs()),
        _ => format!("{}ms", duration.as_millis()),
    }
}

/// A number of bytes: bare, or with `KB MB GB TB` (powers of 1000) or `KiB MiB GiB TiB` (powers of 1024).
pub(super) fn size(text: &str, range: &RangeInclusive<u64>) -> Result<u64, BadValue> {
    const HINT: &str = "write bytes, or a whole number with KB, MB, GB, KiB, MiB or GiB, such as 50MB";
    let unit_at = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(unit_at);
    let unit: u64 = match unit.trim_start() {
        "" | "B" => 1,
        "KB" | "kB" => 1_000,
        "MB" => 1_000_000,
        "GB" => 1_000_000_000,
        "TB" => 1_000_000_000_000,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        "TiB" => 1 << 40,
        _ => return bad(format!("`{}` is not a size", shown(text)), HINT),
    };
    if number.is_empty() {
        return bad(format!("`{}` is not a size", shown(text)), HINT);
    }
    let bytes = number
        .parse::<u64>()
        .ok()
        .and_then(|number| number.checked_mul(unit));
    match bytes {
        Some(bytes) if range.contains(&bytes) => Ok(bytes),
        _ => bad(
            format!("`{}` is out of range", shown(text)),
            format!("write a size from {} to {} bytes", range.start(), range.end()),
        ),
    }
}

/// `true` or `false`.
pub(super) fn boolean(text: &str) -> Result<bool, BadValue> {
    word(text, &[("true", true), ("false", false)])
}

/// One of some words.
pub(super) fn word<T: Copy>(text: &str, words: &[(&str, T)]) -> Result<T, BadValue> {
    if let Some((_, meaning)) = words.iter().find(|(word, _)| *word == text) {
        return Ok(*meaning);
    }
    let names = || words.iter().map(|(word, _)| *word);
    let hint = super::diagnostic::did_you_mean(text, names(), |word| format!("`{word}`"));
    bad(
        format!("`{}` isn't understood", shown(text)),
        hint.unwrap_or_else(|| format!("write one of: {}", super::diagnostic::list(names()))),
    )
}

/// An octal file mode mask of at most three digits that count, as for umask(1).
pub(super) fn umask(text: &str) -> Result<u32, BadValue> {
    let octal = !text.is_empty() && text.len() <= 4 && text.bytes().all(|b| matches!(b, b'0'..=b'7'));
    match u32::from_str_radix(text, 8) {
        Ok(mask) if octal && mask <= 0o777 => Ok(mask),
        _ => bad(
            format!("`{}` is not a file mode mask", shown(text)),
            "write it in octal, from 000 to 777, such as 022",
        ),
    }
}

/// Exit codes: numbers with blanks or commas between them. Windows knows codes up to 4294967295, which are kept as
/// the negative numbers with the same bits.
pub(super) fn exit_codes(text: &str) -> Result<Vec<i32>, BadValue> {
    let mut codes = Vec::new();
    for word in text.split([' ', ',', '\t', '\n']).filter(|word| !word.is_empty()) {
        let number = integer(word, &(i64::from(i32::MIN)..=i64::from(u32::MAX)))?;
        let code = match i32::try_from(number) {
            Ok(code) => code,
            Err(_) => u32::try_from(number).unwrap_or_default().cast_signed(),
        };
        if !codes.contains(&code) {
            codes.push(code);
        }
        // An exit code has eight bits on Linux, and nobody lists more than that.
        if codes.len() > 256 {
            return bad(
                "these are more than 256 exit codes".into(),
                "list those that count as success",
            );
        }
    }
    if codes.is_empty() {
        return bad(
            "there is no exit code here".into(),
            "write numbers with blanks between, such as 0 143",
        );
    }
    Ok(codes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(from: u64, to: u64) -> RangeInclusive<Duration> {
        Duration::from_secs(from)..=Duration::from_secs(to)
    }

    #[test]
    fn bare_numbers_are_seconds_and_units_are_understood() {
        let hour = seconds(0, 3600);
        for (text, millis) in [
            ("5", 5000),
            ("0", 0),
            ("500ms", 500),
            ("1.5s", 1500),
            ("1.5", 1500),
            ("2m", 120_000),
            ("1h", 3_600_000),
            ("2 m", 120_000),
            ("+3", 3000),
        ] {
            assert_eq!(duration(text, &hour), Ok(Duration::from_millis(millis)), "{text}");
        }
    }

    #[test]
    fn what_is_no_duration_is_told_from_what_is_out_of_range() {
        let hour = seconds(0, 3600);
        for text in [
            "", "x", "5x", ".5", "5.", "1.2.3", "1e3", "５", "s", "--5", "0x10",
        ] {
            let refused = duration(text, &hour).unwrap_err().message;
            assert_eq!(refused, format!("`{text}` is not a duration"));
        }
        for text in ["-5", "3601", "2h", "99999999999999999999999", "999999999999h"] {
            let refused = duration(text, &hour).unwrap_err();
            assert_eq!(refused.message, format!("`{text}` is out of range"));
            assert_eq!(refused.hint.unwrap(), "write a time from 0s to 3600s");
        }
    }

    #[test]
    fn whole_numbers_are_checked_against_their_range() {
        assert_eq!(integer("-3", &(-5..=5)), Ok(-3));
        for text in ["one", "", "-", "1.5", "0x1", " 1"] {
            assert!(
                integer(text, &(0..=9))
                    .unwrap_err()
                    .message
                    .contains("not a whole number")
            );
        }
        for text in ["10", "-1", "99999999999999999999999999"] {
            assert!(
                integer(text, &(0..=9))
                    .unwrap_err()
                    .message
                    .contains("out of range")
            );
        }
    }

    #[test]
    fn sizes_have_decimal_and_binary_units() {
        let all = 0..=u64::MAX;
        assert_eq!(size("50MB", &all), Ok(50_000_000));
        assert_eq!(size("64KiB", &all), Ok(65_536));
        assert_eq!(size("7", &all), Ok(7));
        for text in ["", "MB", "-1", "1.5MB", "5X", "50mb"] {
            assert!(
                size(text, &all).unwrap_err().message.contains("not a size"),
                "{text}"
            );
        }
        assert!(
            size("99999999TiB", &all)
                .unwrap_err()
                .message
                .contains("out of range")
        );
    }

    #[test]
    fn exit_codes_come_as_a_list_without_repetition() {
        assert_eq!(exit_codes("0 130,143 0"), Ok(vec![0, 130, 143]));
        assert_eq!(exit_codes("-1 3221225786"), Ok(vec![-1, -1_073_741_510]));
        assert!(exit_codes(" ").is_err() && exit_codes("0 x").is_err() && exit_codes("4294967296").is_err());
    }

    #[test]
    fn masks_and_words_say_what_would_be_right() {
        assert_eq!(umask("022"), Ok(0o022));
        assert!(umask("8").is_err() && umask("1777").is_err() && umask("").is_err() && umask("+22").is_err());
        assert_eq!(boolean("True").unwrap_err().hint.unwrap(), "did you mean `true`?");
        assert_eq!(
            boolean("yes").unwrap_err().hint.unwrap(),
            "write one of: true, false"
        );
    }
}
