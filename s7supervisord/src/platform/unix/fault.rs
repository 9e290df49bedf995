//! What keeps a run from beginning, in the system's words.

use crate::output::failure;
use s7proto::status::{SpawnFailure, SpawnStage};
use std::io;

/// A failed start in the system's words, told apart by whose fault it is.
pub(super) fn io_failure(stage: SpawnStage, subject: String, error: &io::Error) -> SpawnFailure {
    let os_error = failure::os_code(error);
    // What the machine lacks for the moment isn't the component's fault (reliability A2, "Resource failure").
    let host_fault = os_error.is_some_and(super::process::is_want);
    let cause = os_error.map_or_else(|| error.to_string(), |code| rustix_words(code, error));
    SpawnFailure {
        stage,
        subject,
        os_error,
        cause,
        host_fault,
    }
}

/// The system's words without "(os error N)": the number travels beside them.
fn rustix_words(code: i32, error: &io::Error) -> String {
    let text = error.to_string();
    text.strip_suffix(&format!(" (os error {code})"))
        .unwrap_or(&text)
        .to_owned()
}
