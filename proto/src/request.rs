//! What a client may ask. Variants are only ever appended: bincode numbers them in order.

use crate::name::ComponentName;
use serde::{Deserialize, Serialize};

/// Which components a request is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Selection {
    /// Every component of the registry.
    All,
    /// These. The id of a server with instances means all its instances.
    Named(Vec<ComponentName>),
}

/// One request. Each gets exactly one [`crate::reply::Reply`], after any number of notices.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Request {
    /// What is, now.
    Status(Selection),
    /// Wish the components up and wait until they are ready or the first run has failed.
    Start(Selection),
    /// Wish the components down and wait until their trees are gone.
    Stop(Selection),
    /// One new run of each, in one operation inside the daemon.
    Restart(Selection),
    /// Load the registry anew and apply what changed.
    Reload {
        /// Only say what would be done.
        dry_run: bool,
        /// Restart what changed (`true`), or mark it and leave it running (`false`).
        restart: bool,
    },
    /// The last lines of the components' output.
    Logs {
        /// Whose output.
        which: Selection,
        /// How many lines of each; the daemon gives at most [`crate::LIMITS`]`.log_lines`.
        lines: u32,
    },
    /// Check the daemon's own registry as it lies on disk now; nothing is applied.
    Check {
        /// Take warnings for errors.
        strict: bool,
    },
    /// Stop everything in order, then end the daemon.
    Shutdown,
    /// Check the registry, stop everything in order, then start the daemon anew in the same pid.
    /// The reply comes when everything is stopped; the client then connects again.
    RestartSupervisor,
    /// Who answers here.
    Version,
}
