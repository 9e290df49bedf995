//! A line that the supervisor puts into a component's output, and the place behind it.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

/// How every line begins that the supervisor puts into a log.
pub const OWN: &str = "[s7supervisord: ";

/// Says what the output behind it is. It is written before the next bytes that come, so that nothing of them is before it.
#[derive(Debug)]
pub struct Mark {
    line: String,
    run: u64,
    written: AtomicBool,
    place: OnceLock<(u64, u64)>,
}

impl Mark {
    /// A mark with this line, without a newline, in the output of this run.
    #[must_use]
    pub fn new(line: String, run: u64) -> Self {
        Self {
            line,
            run,
            written: AtomicBool::new(false),
            place: OnceLock::new(),
        }
    }

    /// Whether it belongs into the output of this run. What another one writes is not what it tells of.
    #[must_use]
    pub fn is_of(&self, run: u64) -> bool {
        self.run == run
    }

    /// The line, as long as it is to be written.
    #[must_use]
    pub fn unwritten(&self) -> Option<&str> {
        (!self.written.load(Ordering::Relaxed)).then_some(self.line.as_str())
    }

    /// It is written.
    pub fn is_written(&self) {
        self.written.store(true, Ordering::Relaxed);
    }

    /// Nothing has come, so that it is not to be written any more.
    pub fn withdraw(&self) {
        self.is_written();
    }

    /// The first byte behind it is here: which file, by the number that its file system gives it, and the offset in it.
    pub fn is_before(&self, place: (u64, u64)) {
        // Whoever was first has said it.
        let _ = self.place.set(place);
    }

    /// Where the output behind it begins; `None` as long as there is none.
    #[must_use]
    pub fn place(&self) -> Option<(u64, u64)> {
        self.place.get().copied()
    }
}
