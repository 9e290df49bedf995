//! The one door for waiting: for something to become true, or to stay so.

use std::time::{Duration, Instant};

/// From one look to the next.
const STEP: Duration = Duration::from_millis(5);

/// How long anything may take that has no reason to take long. Generous, because the machine may be busy.
pub const SOON: Duration = Duration::from_secs(15);

/// Asks `look` again and again until it gives a value, at most for `deadline`.
///
/// # Panics
/// When the deadline passes; the message has `what` and the last thing that `look` said.
pub fn eventually<T>(what: &str, deadline: Duration, mut look: impl FnMut() -> Result<T, String>) -> T {
    let begun = Instant::now();
    loop {
        let seen = match look() {
            Ok(value) => return value,
            Err(seen) => seen,
        };
        assert!(
            begun.elapsed() < deadline,
            "not within {deadline:?}: {what}; last seen: {seen}"
        );
        std::thread::sleep(STEP);
    }
}

/// Asks `look` again and again for the whole of `span`.
///
/// # Panics
/// As soon as `look` objects; the message has `what` and the objection.
pub fn remains(what: &str, span: Duration, mut look: impl FnMut() -> Result<(), String>) {
    let begun = Instant::now();
    loop {
        if let Err(seen) = look() {
            panic!("no longer after {:?}: {what}; seen: {seen}", begun.elapsed());
        }
        if begun.elapsed() >= span {
            return;
        }
        std::thread::sleep(STEP);
    }
}

/// `Ok` where `yes`, else what was seen: for the simplest of looks.
///
/// # Errors
/// `seen`, where `yes` is false.
pub fn when(yes: bool, seen: impl FnOnce() -> String) -> Result<(), String> {
    if yes { Ok(()) } else { Err(seen()) }
}
