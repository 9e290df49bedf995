//! What is left of runs that no daemon watches any more.

use crate::state::journal::StartedRun;

/// The machine's boot. Not told apart yet, so nothing recorded is taken for something of this boot.
#[must_use]
pub fn boot_id() -> String {
    String::new()
}

/// Those of `runs` of which something lives. No daemon has run here yet.
#[must_use]
pub fn living(_runs: Vec<StartedRun>, _instance: &str) -> Vec<StartedRun> {
    Vec::new()
}
