//! An [`io::Error`] with a sentence before it that still knows the operating system's number.

use std::error::Error;
use std::{fmt, io};

/// Puts before `source` what was being done and to what: "creating the pipe /run/…/is.3: Permission denied".
///
/// The kind stays the same. The number stays findable by [`os_code`], because a supervisor treats a host fault
/// (EMFILE, ENOMEM) in another way than a fault of the component.
#[must_use]
pub fn doing(what: impl fmt::Display, source: io::Error) -> io::Error {
    io::Error::new(
        source.kind(),
        Doing {
            what: what.to_string(),
            source,
        },
    )
}

/// The operating system's error number, however many sentences were put before it.
#[must_use]
pub fn os_code(error: &io::Error) -> Option<i32> {
    if let Some(code) = error.raw_os_error() {
        return Some(code);
    }
    let inner = error.get_ref()?;
    inner
        .downcast_ref::<Doing>()
        .and_then(|doing| os_code(&doing.source))
}

/// The error without the sentences before it, for a place that has sentences of its own.
#[must_use]
pub fn cause(error: &io::Error) -> String {
    match error.get_ref().and_then(|inner| inner.downcast_ref::<Doing>()) {
        Some(doing) => cause(&doing.source),
        None => plain(error),
    }
}

/// The text of an error without Rust's " (os error 28)".
fn plain(error: &io::Error) -> String {
    let text = error.to_string();
    match error.raw_os_error() {
        Some(code) => text.trim_end_matches(&format!(" (os error {code})")).to_owned(),
        None => text,
    }
}

#[derive(Debug)]
struct Doing {
    what: String,
    source: io::Error,
}

impl fmt::Display for Doing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.what, plain(&self.source))
    }
}

impl Error for Doing {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.source)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sentence_before_an_error_keeps_its_kind_and_its_number() {
        let bare = io::Error::from_raw_os_error(2);
        let kind = bare.kind();
        let cause_alone = plain(&bare);
        let told = doing("opening b", doing("opening a", bare));
        assert_eq!(told.kind(), kind);
        assert_eq!(os_code(&told), Some(2));
        assert_eq!(told.to_string(), format!("opening b: opening a: {cause_alone}"));
        assert_eq!(cause(&told), cause_alone);
        assert!(!cause_alone.contains("os error"), "{cause_alone}");
    }
}
