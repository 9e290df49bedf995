//! What has happened, in order: the stream of `events`, and the history that `why` tells.

use crate::name::ComponentName;
use crate::signal::Signal;
use crate::status::{Actor, ExitReport, Reason, SpawnFailure, State};
use serde::{Deserialize, Serialize};

/// One thing that has happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// Counted from 1 over the life of the runtime folder, from one daemon to the next; one number is never given twice, and none
    /// is left out, but where a daemon was killed: the next one can't know how many it had not written down any more.
    pub sequence: u64,
    /// When, as wall time in milliseconds since 1970 (UTC).
    pub at_ms: i64,
    /// Which component; `None` for what concerns the daemon.
    pub component: Option<ComponentName>,
    /// What.
    pub what: Happening,
}

/// What has happened. Variants are only ever appended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Happening {
    /// The component has entered a state.
    Entered {
        /// The state.
        state: State,
        /// The present or last run; 0 before the first.
        run: u64,
        /// Its process, while there is one.
        pid: Option<u32>,
        /// Why, where it is something else than the order of things.
        reason: Option<Reason>,
    },
    /// A run is over, tree and all.
    Ended {
        /// Which.
        run: u64,
        /// How.
        report: ExitReport,
    },
    /// Somebody has asked for something that changes something, and it was accepted.
    Asked {
        /// Who.
        who: Actor,
        /// What, by the name of the verb ("restart", "reload", "shutdown").
        verb: String,
        /// The components by their names, or "all"; empty where it concerns the daemon.
        about: Vec<String>,
    },
    /// A signal was sent to the component's first process.
    Signalled {
        /// Which.
        signal: Signal,
        /// Who has asked for it.
        who: Actor,
        /// The run it was sent to.
        run: u64,
    },
    /// The registry was loaded anew.
    RegistryLoaded {
        /// Components that differ.
        changed: u32,
    },
    /// The registry can't be loaded; what runs is untouched.
    RegistryRefused {
        /// Errors in it; `check` tells them.
        errors: u32,
    },
    /// A tier was opened although earlier ones aren't ready.
    TierForced {
        /// The tier.
        tier: i32,
        /// Who isn't ready; at most eight are named.
        laggards: Vec<ComponentName>,
    },
    /// The component has left the registry and is gone.
    Forgotten,
    /// The component has changed its health: `true` for well.
    Health(bool),
    /// A run that an earlier daemon had begun was found and is being ended (`false`), or is gone (`true`).
    LeftOver {
        /// Which.
        run: u64,
        /// Whether nothing of it is left.
        gone: bool,
    },
    /// A run that an earlier daemon had begun lives on under this one. Since 1.2.
    Adopted {
        /// Which.
        run: u64,
        /// Its first process.
        pid: u32,
    },
    /// This daemon carries on where an earlier one was killed, or where another binary was replaced. Since 1.2.
    TookOver {
        /// The version before, where another binary was replaced.
        replaced: Option<String>,
        /// Runs that live on.
        adopted: u32,
    },
    /// The registry can't be loaded, and the last one that could is in force. Since 1.2.
    RegistryStale {
        /// Errors in the present one; `check` tells them.
        errors: u32,
    },
    /// The component no longer answers its checks as it should. Since 1.2; before, it was `Health(false)`.
    Unresponsive {
        /// Its run.
        run: u64,
        /// What was wrong, in words.
        detail: String,
    },
    /// A line of its output is one that something follows from (`<match>` in the registry). Since 1.2.
    Matched {
        /// The run that wrote it.
        run: u64,
        /// What follows.
        action: MatchAction,
        /// The line, 200 characters at most, without control characters.
        line: String,
        /// Such lines since the last one that was told, this one included.
        times: u64,
    },
    /// A run was asked for a dump of itself and has written one into its output. Since 1.2.
    Dumped {
        /// Which.
        run: u64,
        /// The file.
        file: String,
        /// Where it begins, in bytes from the file's beginning.
        from: u64,
        /// Where it ends.
        to: u64,
        /// Why it was asked.
        why: DumpReason,
    },
    /// What a run has left behind when it ended. Since 1.2.
    Found {
        /// Which.
        run: u64,
        /// What; at least one thing.
        remains: Vec<Remains>,
    },
}

/// What follows from a line of output. Variants are only ever appended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum MatchAction {
    /// The run is given up: stopped, and followed by a new one as after a crash.
    Restart,
    /// The component is asked for a diagnosis of itself.
    Dump,
    /// Nothing but this event.
    Event,
}

impl MatchAction {
    /// The name in the registry.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Restart => "restart",
            Self::Dump => "dump",
            Self::Event => "event",
        }
    }
}

/// Why a run is asked for a dump of itself. Variants are only ever appended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum DumpReason {
    /// Somebody has asked for it.
    AskedBy(Actor),
    /// It did not stop in time and is to be killed.
    StopTimeout,
    /// It failed its checks and is to be stopped.
    Hung,
    /// A line of its output says so.
    Output,
    /// It was not ready in time and is to be stopped.
    NotReady,
    /// It missed its watchdog and is to be stopped.
    WatchdogMissed,
    /// It said itself that it is in trouble, and is to be stopped.
    InTrouble,
}

/// Something that a run has left behind. Variants are only ever appended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Remains {
    /// Its Java ran out of memory and ended it: the line that says so.
    OutOfJavaMemory(String),
    /// The contents of its Java heap.
    HeapDump {
        /// The file.
        file: String,
        /// How long it is, in bytes.
        bytes: u64,
    },
    /// What its Java says of its own crash (`hs_err`).
    ErrorReport {
        /// The file.
        file: String,
        /// How long it is, in bytes.
        bytes: u64,
    },
    /// There is more in a folder than is looked at, so that old files of it may stay.
    More {
        /// The folder.
        folder: String,
        /// How many entries of it were looked at.
        looked: u64,
    },
}

/// `a heap dump, /s7/temp/heap-ps/java_pid4121.hprof (1024 bytes)`: the same words in the daemon's log and in what the
/// client says.
impl std::fmt::Display for Remains {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::OutOfJavaMemory(line) => write!(f, "its Java ran out of memory (\"{line}\")"),
            Self::HeapDump { file, bytes } => write!(f, "a heap dump, {file} ({bytes} bytes)"),
            Self::ErrorReport { file, bytes } => write!(f, "a report of its crash, {file} ({bytes} bytes)"),
            Self::More { folder, looked } => {
                write!(
                    f,
                    "more in {folder} than the {looked} entries that were looked at for old files"
                )
            }
        }
    }
}

/// How one run came to its end, or why it never began.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PastRun {
    /// The run's number.
    pub run: u64,
    /// When it was over, as wall time in milliseconds since 1970 (UTC).
    pub at_ms: i64,
    /// How.
    pub end: PastEnd,
}

/// The end of a [`PastRun`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum PastEnd {
    /// It ran and ended so.
    Exited(ExitReport),
    /// It never came to run.
    NotSpawned(SpawnFailure),
}
