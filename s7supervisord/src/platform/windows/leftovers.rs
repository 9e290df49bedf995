//! What is left of runs that no daemon watches any more.

use crate::state::known::{StartedRun, Unrecorded};
use s7proto::name::ComponentName;
use std::collections::HashMap;

/// The machine's boot. Not told apart yet, so nothing recorded is taken for something of this boot.
#[must_use]
pub fn boot_id() -> String {
    String::new()
}

/// The runs of this supervisor that live and aren't recorded. No daemon has run here yet.
#[must_use]
pub fn unrecorded(_recorded: &HashMap<ComponentName, u64>, _instance: &str, _before: u64) -> Vec<Unrecorded> {
    Vec::new()
}

/// Whether the first process of a recorded run is there. No daemon has run here yet.
#[must_use]
pub fn lives(_run: &StartedRun) -> bool {
    false
}
