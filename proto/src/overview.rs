//! The long form of `status`. It grows by kinds of facts: a client is told those that its
//! version knows ([`crate::older`]); so far all are as old as the answer itself.

use crate::name::ComponentName;
use crate::reply::Diagnostic;
use crate::status::StatusReport;
use serde::{Deserialize, Serialize};

/// The answer to [`crate::request::Request::Overview`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Overview {
    /// What `Status` tells.
    pub report: StatusReport,
    /// What else is to be known of the daemon.
    pub supervisor: Vec<SupervisorFact>,
    /// What else is to be known of the components: as many as in the report, in the same order.
    pub components: Vec<ComponentFacts>,
}

/// Something about the daemon. Variants are only ever appended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum SupervisorFact {
    /// The registry could not be loaded when that was last tried (at the daemon's start, a reload, a restart), and the last one that
    /// could is in force.
    StaleRegistry {
        /// The file.
        file: String,
        /// All errors and warnings in it.
        diagnostics: Vec<Diagnostic>,
    },
    /// It carries on where an earlier daemon was killed or replaced.
    TookOver {
        /// The version before, where another binary was replaced.
        replaced: Option<String>,
        /// When, as wall time in milliseconds since 1970 (UTC).
        at_ms: i64,
        /// Runs that lived on.
        adopted: u32,
    },
    /// What all output pipes together hold at most, in bytes.
    PipeBytes(u64),
    /// Another binary was to take its place and could not be executed at the last step; it carries on itself.
    UpgradeFailed {
        /// Which binary, and why.
        why: String,
        /// When, as wall time in milliseconds since 1970 (UTC).
        at_ms: i64,
    },
    /// Its log or one of its folders can't be written, and it goes on without; the log is tried again.
    CannotWrite {
        /// Which, and why.
        why: String,
    },
}

/// What else is to be known of one component.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ComponentFacts {
    /// Which.
    pub id: ComponentName,
    /// What.
    pub facts: Vec<ComponentFact>,
}

/// Something about a component. Variants are only ever appended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum ComponentFact {
    /// Its run was begun by an earlier daemon.
    Adopted,
    /// How the tree of its run is held together: "cgroup", "group" or "job".
    Containment(String),
    /// What its output pipe holds at most, in bytes.
    PipeBytes(u64),
    /// How it is checked, and what the last check came to.
    Check(CheckFact),
    /// How much memory its whole tree may take, in bytes.
    MemoryLimits {
        /// Above this it is restarted.
        soft: Option<u64>,
        /// Above this it is ended.
        hard: Option<u64>,
        /// Whether the system itself gives no more than the hard limit; else the tree is measured every few seconds, and
        /// ended when it is found above.
        by_system: bool,
    },
    /// What its latest run has said that it is at (`STATUS=` of sd_notify(3)): at most 256 characters, on one line.
    Said(String),
    /// It isn't ready until it says so itself; how it is to say it ("by sd_notify", "by a newline on descriptor 3").
    AwaitsNotice(String),
    /// It reads its settings anew, as it says.
    Reloading,
    /// It has said that it ends.
    SaysItStops,
    /// Which process of its tree is the one that counts, as it says.
    MainProcess(u32),
    /// Notifications of its latest run that were not listened to: sent by processes that aren't its own, or unreadable.
    NoticesIgnored(u64),
    /// A debugger may hold it up, so it is not restarted when its health checks fail.
    Debugged,
    /// Its output can't be written to its log.
    OutputUnwritten {
        /// The log.
        file: String,
        /// Why, in words.
        why: String,
        /// Since when, as wall time in milliseconds since 1970 (UTC).
        since_ms: i64,
        /// It waits until that is over, as soon as its pipe is full; else what it writes is dropped and counted.
        waits: bool,
    },
    /// What its earlier runs came to isn't known, because what has happened is only remembered since then: wall time in
    /// milliseconds since 1970 (UTC).
    RunsKnownSince(i64),
}

/// One kind of check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckFact {
    /// What it is for.
    pub kind: CheckKind,
    /// What is done and how often, in words ("tcp 8080 each 10s").
    pub what: String,
    /// The last one that has ended, perhaps of an earlier run; `None` before the first.
    pub last: Option<CheckResult>,
}

/// What a check is for. Variants are only ever appended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum CheckKind {
    /// Whether it still answers; if not, it is restarted.
    Health,
    /// Whether others may rely on it.
    Readiness,
}

impl CheckKind {
    /// The element of the registry.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Health => "health",
            Self::Readiness => "readiness",
        }
    }
}

/// What a check came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckResult {
    /// The run that was checked.
    pub run: u64,
    /// When it ended, as wall time in milliseconds since 1970 (UTC).
    pub at_ms: i64,
    /// How long it took, in microseconds.
    pub took_us: u64,
    /// The result.
    pub verdict: CheckVerdict,
    /// So many with this result came one after the other.
    pub in_a_row: u32,
    /// What was wrong; empty where nothing was.
    pub detail: String,
}

/// The result of a check. Variants are only ever appended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum CheckVerdict {
    /// It has answered as it should.
    Well,
    /// It has not, or not in time.
    Ill,
    /// The check itself could not be made, which says nothing about the component.
    Unsure,
}

impl CheckVerdict {
    /// The name in JSON.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Well => "well",
            Self::Ill => "ill",
            Self::Unsure => "unsure",
        }
    }
}
