//! What a client may ask. Variants are only ever appended: bincode numbers them in order.

use crate::name::ComponentName;
use crate::pattern::Pattern;
use crate::signal::Signal;
use serde::{Deserialize, Serialize};

/// Which components a request is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Selection {
    /// Every component of the registry.
    All,
    /// These. The id of a server with instances means all its instances.
    Named(Vec<ComponentName>),
    /// What these names and patterns stand for; each has to stand for something. Since 1.1.
    Matching(Vec<Pattern>),
}

/// What a client waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Until {
    /// Every component is ready, or has ended as its policy wants it.
    Up,
    /// Nothing of any component's tree is left, and no try is to come.
    Down,
}

impl Selection {
    /// The minor that has added this.
    fn minor(&self) -> u16 {
        match self {
            Self::All | Self::Named(_) => 0,
            Self::Matching(_) => 1,
        }
    }
}

impl Request {
    /// The minor that has added this: it is only sent to a peer that knows it (PROTOCOL.md, "How it may grow").
    #[must_use]
    pub fn minor(&self) -> u16 {
        match self {
            Self::Status(which) | Self::Start(which) | Self::Stop(which) | Self::Restart(which) => {
                which.minor()
            }
            Self::Logs { which, .. } => which.minor(),
            Self::Reload { .. }
            | Self::Check { .. }
            | Self::Shutdown
            | Self::RestartSupervisor
            | Self::Version => 0,
            Self::Signal { .. }
            | Self::Wait { .. }
            | Self::Follow { .. }
            | Self::Why(_)
            | Self::Events { .. }
            | Self::Info(_) => 1,
            Self::Overview(_)
            | Self::LogsFrom { .. }
            | Self::Upgrade { .. }
            | Self::FollowFrom(_)
            | Self::Story(_)
            | Self::Dump(_)
            | Self::EventsFrom { .. } => 2,
        }
    }
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
    /// Send a signal to the first process of each component that runs. Since 1.1.
    Signal {
        /// To whom.
        which: Selection,
        /// Which signal.
        signal: Signal,
    },
    /// Wait until the components are there. Since 1.1.
    Wait {
        /// For whom.
        which: Selection,
        /// For what.
        until: Until,
    },
    /// The last lines of output, and then what is written from now on, as notices. Since 1.1.
    Follow {
        /// Whose output.
        which: Selection,
        /// How many lines of each to begin with; the daemon gives at most [`crate::LIMITS`]`.log_lines`.
        lines: u32,
    },
    /// Why the components are as they are. Since 1.1.
    Why(Selection),
    /// What has happened. Since 1.1.
    Events {
        /// About whom; `All` includes what concerns the daemon itself.
        which: Selection,
        /// How many of the latest events to begin with; at most [`crate::LIMITS`]`.events`.
        last: u32,
        /// Go on with what happens from now on: first `Notice::Snapshot`, then the past ones and each further one as
        /// `Notice::Happened`, until the client leaves or the daemon ends.
        follow: bool,
    },
    /// How the daemon and the components are set up; `Named` of nothing is about the daemon alone. Since 1.1.
    Info(Selection),
    /// As `Status`, with everything else there is to know. Since 1.2.
    Overview(Selection),
    /// What was written since a point in time; answered as `Logs`, or as `Follow` where it goes on. Since 1.2.
    LogsFrom {
        /// Whose output.
        which: Selection,
        /// Since when, as wall time in milliseconds since 1970 (UTC).
        since_ms: i64,
        /// How many of the last lines of each at most; the daemon gives at most [`crate::LIMITS`]`.log_lines`.
        lines: u32,
        /// Go on with what is written from now on.
        follow: bool,
    },
    /// Put another binary in place of the one that runs, in the same process; components aren't touched. Since 1.2.
    Upgrade {
        /// Its absolute path; `None` for the file that the daemon was started from.
        binary: Option<String>,
    },
    /// What is written from these points on, as `Follow`: where one daemon has handed a stream over to the next. Since 1.2.
    FollowFrom(Vec<LogPosition>),
    /// As `Why`, with everything else there is to know. Since 1.2.
    Story(Selection),
    /// Ask the components for a dump of themselves (a JVM's threads), which they write into their output. Since 1.2.
    Dump(Selection),
    /// What has happened after an event that was heard before, and what happens from now on, as `Events` with `follow`: where a
    /// stream was broken off and goes on, also with the next daemon. Events that are no longer remembered come as one
    /// `Notice::Missed`, before all others. Since 1.2.
    EventsFrom {
        /// About whom; as in `Events`.
        which: Selection,
        /// The number of the last one that was heard. One that is still to come belongs to another history: then everything
        /// is told that is remembered.
        after: u64,
    },
}

/// A point in a component's output.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogPosition {
    /// Whose output.
    pub component: ComponentName,
    /// The file, by the number that its file system gives it; it may have another name by now.
    pub file: u64,
    /// Bytes from its beginning.
    pub offset: u64,
}
