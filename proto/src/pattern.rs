//! Patterns that stand for component names: checked once at the edge, matched by the daemon.

use crate::name::MAX_NAME;
use serde::{Deserialize, Serialize};
use std::fmt;

/// What names a set of components: the characters of a name, `*` for any text and `?` for one character.
///
/// A pattern without `*` and `?` stands for itself, so a list of names and patterns is a list of patterns.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Pattern(Box<str>);

/// Why a text is not a pattern.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PatternError {
    /// The text is empty.
    #[error("a component pattern can't be empty")]
    Empty,
    /// The text is longer than [`MAX_NAME`] bytes, so that nothing could match it but by its stars.
    #[error("a component pattern has at most {MAX_NAME} characters, this one has {0}")]
    TooLong(usize),
    /// The text holds a character that no name holds and that isn't `*` or `?`.
    #[error(
        "a component pattern can't contain {0:?}; letters, digits, '.', '_', '-', '*' and '?' are allowed"
    )]
    BadCharacter(char),
}

impl Pattern {
    /// Checks `text` and makes a pattern of it.
    ///
    /// # Errors
    /// [`PatternError`] says which rule the text breaks.
    pub fn parse(text: &str) -> Result<Self, PatternError> {
        if text.is_empty() {
            return Err(PatternError::Empty);
        }
        let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-' | '*' | '?');
        if let Some(bad) = text.chars().find(|c| !allowed(*c)) {
            return Err(PatternError::BadCharacter(bad));
        }
        if text.len() > MAX_NAME {
            return Err(PatternError::TooLong(text.len()));
        }
        Ok(Self(text.into()))
    }

    /// Whether `text` is more than a name: it holds `*` or `?`.
    #[must_use]
    pub fn is_wild(text: &str) -> bool {
        text.contains(['*', '?'])
    }

    /// The pattern as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Pattern {
    type Error = PatternError;
    fn try_from(text: String) -> Result<Self, PatternError> {
        Self::parse(&text)
    }
}

impl From<Pattern> for String {
    fn from(pattern: Pattern) -> Self {
        pattern.0.into()
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_stars_are_patterns_and_others_say_why_not() {
        for good in ["is", "text-*", "*", "?s", "A.b_c-9*?"] {
            assert_eq!(Pattern::parse(good).unwrap().as_str(), good);
        }
        assert_eq!(Pattern::parse(""), Err(PatternError::Empty));
        assert_eq!(Pattern::parse(&"*".repeat(65)), Err(PatternError::TooLong(65)));
        assert_eq!(Pattern::parse("a[bc]"), Err(PatternError::BadCharacter('[')));
        assert_eq!(Pattern::parse("a/b"), Err(PatternError::BadCharacter('/')));
    }
}
