//! Component names: checked once at the edge, trusted everywhere after.

use serde::{Deserialize, Serialize};
use std::fmt;

/// The longest component name in bytes (DESIGN 3: `[A-Za-z0-9._-]{1,64}`).
pub const MAX_NAME: usize = 64;

/// The id of a component, `[A-Za-z0-9._-]{1,64}`, not starting with a dot.
///
/// A leading dot is refused because names become file names (`logs/<id>.log`), and `..` must never be one.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ComponentName(Box<str>);

/// Why a text is not a component name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// The text is empty.
    #[error("a component name can't be empty")]
    Empty,
    /// The text is longer than [`MAX_NAME`] bytes.
    #[error("a component name has at most {MAX_NAME} characters, this one has {0}")]
    TooLong(usize),
    /// The text holds a character outside `A-Z a-z 0-9 . _ -`.
    #[error("a component name can't contain {0:?}; letters, digits, '.', '_' and '-' are allowed")]
    BadCharacter(char),
    /// The text starts with a dot.
    #[error("a component name can't start with a dot")]
    LeadingDot,
}

impl ComponentName {
    /// Checks `text` and makes a name of it.
    ///
    /// # Errors
    /// [`NameError`] says which rule the text breaks.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        if text.is_empty() {
            return Err(NameError::Empty);
        }
        if let Some(bad) = text
            .chars()
            .find(|c| !(c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-')))
        {
            return Err(NameError::BadCharacter(bad));
        }
        if text.len() > MAX_NAME {
            return Err(NameError::TooLong(text.len()));
        }
        if text.starts_with('.') {
            return Err(NameError::LeadingDot);
        }
        Ok(Self(text.into()))
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for ComponentName {
    type Error = NameError;
    fn try_from(text: String) -> Result<Self, NameError> {
        Self::parse(&text)
    }
}

impl From<ComponentName> for String {
    fn from(name: ComponentName) -> Self {
        name.0.into()
    }
}

impl std::str::FromStr for ComponentName {
    type Err = NameError;
    fn from_str(text: &str) -> Result<Self, NameError> {
        Self::parse(text)
    }
}

impl fmt::Display for ComponentName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for ComponentName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_the_design_are_accepted_and_others_say_why_not() {
        for good in ["is", "text-1", "A.b_c-9", &"x".repeat(64)] {
            assert_eq!(ComponentName::parse(good).unwrap().as_str(), good);
        }
        assert_eq!(ComponentName::parse(""), Err(NameError::Empty));
        assert_eq!(ComponentName::parse(&"x".repeat(65)), Err(NameError::TooLong(65)));
        assert_eq!(ComponentName::parse("a/b"), Err(NameError::BadCharacter('/')));
        assert_eq!(ComponentName::parse("ü"), Err(NameError::BadCharacter('ü')));
        assert_eq!(ComponentName::parse(".."), Err(NameError::LeadingDot));
    }
}
