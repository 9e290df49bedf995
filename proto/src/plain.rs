//! Text that a terminal shows as it stands. What a component writes or says of itself ends up on terminals, by way of both sides;
//! this is the one rule for what is replaced there.

/// Whether `c` isn't shown but steers what is: a control character, one that turns the direction of the text around it, one
/// that can't be seen, or one that ends a line without being a newline. The characters that join others (U+200C, U+200D) are
/// among them: they hide in names as well.
#[must_use]
pub fn steers(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            // What is only seen where a line is broken there, and fillers that look like nothing.
            '\u{ad}'
                | '\u{34f}'
                | '\u{115f}'..='\u{1160}'
                | '\u{17b4}'..='\u{17b5}'
                | '\u{180b}'..='\u{180f}'
                | '\u{3164}'
                | '\u{ffa0}'
                // The direction of the text.
                | '\u{61c}'
                | '\u{200e}'..='\u{200f}'
                | '\u{202a}'..='\u{202e}'
                | '\u{2066}'..='\u{2069}'
                // Ends of lines and paragraphs.
                | '\u{2028}'..='\u{2029}'
                // Of no width, and what nothing shows any more; the byte order mark, annotations, tags.
                | '\u{200b}'..='\u{200d}'
                | '\u{2060}'..='\u{2065}'
                | '\u{206a}'..='\u{206f}'
                | '\u{feff}'
                | '\u{fff0}'..='\u{fffb}'
                | '\u{1bca0}'..='\u{1bca3}'
                | '\u{1d173}'..='\u{1d17a}'
                | '\u{e0000}'..='\u{e0fff}'
        )
}

/// `text` with `instead` for each character that [steers].
#[must_use]
pub fn plain(text: &str, instead: char) -> String {
    text.chars()
        .map(|c| if steers(c) { instead } else { c })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_steers_a_terminal_is_left_and_everything_that_is_seen_is() {
        for c in [
            '\0',
            '\n',
            '\u{1b}',
            '\u{7f}',
            '\u{9b}',
            '\u{ad}',
            '\u{61c}',
            '\u{200b}',
            '\u{200d}',
            '\u{200e}',
            '\u{200f}',
            '\u{2028}',
            '\u{2029}',
            '\u{202a}',
            '\u{202e}',
            '\u{2060}',
            '\u{2066}',
            '\u{2069}',
            '\u{206f}',
            '\u{feff}',
            '\u{fff9}',
            '\u{e0041}',
        ] {
            assert_eq!(plain(&format!("a{c}b"), '?'), "a?b", "U+{:04X}", u32::from(c));
        }
        let seen = "größer \u{5e9}\u{5dc}\u{5d5}\u{5dd} \u{645}\u{631}\u{62d}\u{628}\u{627} 日本 e\u{301} \u{a0} \u{fffd} 😀…";
        assert_eq!(plain(seen, '?'), seen);
    }
}
