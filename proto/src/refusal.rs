//! Why a request is refused. Typed: the client makes the sentences.

use crate::name::ComponentName;
use crate::pattern::Pattern;
use crate::reply::Diagnostic;
use serde::{Deserialize, Serialize};

/// Why nothing was done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Refusal {
    /// No component of that name.
    NoSuchComponent {
        /// The name that was asked for.
        name: ComponentName,
        /// Names that are near to it, the nearest first; at most three.
        similar: Vec<ComponentName>,
    },
    /// The peer's identity doesn't allow it.
    NotPermitted {
        /// The peer's user id, where the system has such.
        uid: Option<u32>,
        /// What would allow it.
        needed: Permission,
    },
    /// A start by name of something whose dependency is wished down.
    DependencyDown {
        /// What was to be started.
        component: ComponentName,
        /// What it depends on.
        dependency: ComponentName,
    },
    /// The registry on disk can't be loaded; what runs is untouched.
    RegistryBroken {
        /// The file.
        file: String,
        /// All errors and warnings.
        diagnostics: Vec<Diagnostic>,
    },
    /// The daemon is stopping everything.
    ShuttingDown,
    /// Too much is going on: a queue of the daemon is full, or too many clients are connected.
    Busy,
    /// The request could not be understood.
    Malformed {
        /// What was wrong with it.
        detail: String,
    },
    /// The daemon can't do this on this system.
    Unsupported {
        /// What can't be done.
        what: String,
    },
    /// The daemon failed within itself; its log has more.
    Internal {
        /// What failed.
        what: String,
    },
    /// A pattern that stands for no component. Since 1.1.
    NoMatch {
        /// The pattern.
        pattern: Pattern,
    },
    /// The daemon stays what it is. Since 1.2.
    CannotUpgrade {
        /// The file that was to take its place.
        binary: String,
        /// Why not.
        problem: UpgradeProblem,
    },
}

/// Why one binary does not take another one's place. Since 1.2.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum UpgradeProblem {
    /// It can't be opened or executed.
    Unusable {
        /// Why.
        why: String,
    },
    /// Others than root and the daemon's user can write it, or a folder that it lies in.
    Untrusted {
        /// What they can write, and how.
        why: String,
    },
    /// It has looked at a copy of the state and can't carry on with it.
    CannotCarryOn {
        /// What it said.
        said: String,
    },
    /// It has not looked at the state within this time.
    Silent {
        /// Seconds that it was given.
        seconds: u32,
    },
    /// The state of this daemon can't be handed over at the moment.
    NotNow {
        /// Why.
        why: String,
    },
}

/// Who may ask for something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Permission {
    /// Members of the socket's group, and those below.
    Observe,
    /// Root, the daemon's own user, and the configured group.
    Control,
    /// Root and the daemon's own user. Since 1.2.
    Own,
}
