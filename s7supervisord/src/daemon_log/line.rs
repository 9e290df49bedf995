//! One record, one line.

use jiff::Zoned;
use log::Level;
use std::fmt::Write as _;

/// Appends `2026-11-22 14:03:07.123 INFO  text` and a newline.
pub(super) fn push(out: &mut String, time: &Zoned, level: Level, text: &str) {
    // Writing to a String can't fail.
    let _ = write!(out, "{} {level:<5} ", time.strftime("%Y-%m-%d %H:%M:%S.%3f"));
    push_escaped(out, text);
    out.push('\n');
}

/// Escapes what would let a name or an error text forge a line, hide one, or steer the terminal of who reads it.
fn push_escaped(out: &mut String, text: &str) {
    for char in text.chars() {
        match char {
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            _ if s7proto::plain::steers(char) => out.extend(char.escape_unicode()),
            _ => out.push(char),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_cannot_forge_a_line_or_steer_a_terminal() {
        let time = jiff::civil::date(2026, 11, 22)
            .at(14, 3, 7, 123_999_999)
            .to_zoned(jiff::tz::TimeZone::UTC)
            .unwrap();
        let table = [
            ("started ü C:\\new", "started ü C:\\new"),
            (
                "a\n2026-11-22 14:03:07.123 ERROR b",
                "a\\n2026-11-22 14:03:07.123 ERROR b",
            ),
            ("a\r\tb", "a\\r\\tb"),
            ("\u{1b}[2J\0\u{7f}\u{9b}", "\\u{1b}[2J\\u{0}\\u{7f}\\u{9b}"),
            (
                "a\u{2028}b\u{202e}c\u{85}\u{200b}",
                "a\\u{2028}b\\u{202e}c\\u{85}\\u{200b}",
            ),
        ];
        for (text, written) in table {
            let mut line = String::new();
            push(&mut line, &time, Level::Info, text);
            assert_eq!(line, format!("2026-11-22 14:03:07.123 INFO  {written}\n"));
        }
    }
}
