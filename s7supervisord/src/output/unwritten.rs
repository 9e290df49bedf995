//! Output that can't be written to its log.

use std::path::PathBuf;

/// Why the output of a component isn't in its log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unwritten {
    /// The log.
    pub file: PathBuf,
    /// Why, in words.
    pub why: String,
    /// Since when, as wall time in milliseconds since 1970.
    pub since_ms: i64,
    /// The component waits once its pipe is full; else what it writes is dropped.
    pub waits: bool,
}
