//! The one final answer to a request, and the notices before it.

use crate::event::Event;
use crate::explain::{Explanation, InfoReport, Story};
use crate::name::ComponentName;
use crate::overview::Overview;
use crate::refusal::Refusal;
use crate::request::LogPosition;
use crate::status::{ExitReport, SpawnFailure, State, StatusReport};
use serde::{Deserialize, Serialize};

/// What the daemon sends: any number of notices, then one reply.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Response {
    /// Something happened meanwhile.
    Notice(Notice),
    /// The request is answered.
    Done(Done),
    /// The request is refused; nothing was done.
    Refused(Refusal),
}

/// The final answer in one value.
pub type Reply = Result<Done, Refusal>;

/// A fact that a waiting client may want to show.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Notice {
    /// A component of the operation has entered a state.
    Entered {
        /// Which component.
        component: ComponentName,
        /// The state it is in now.
        state: State,
    },
    /// A component of the operation has come to its end of it.
    Finished(Part),
    /// To `Events` with `follow`: what is now. Since 1.1.
    Snapshot {
        /// The sequence number of the last event that this includes. Past events that were asked for follow with numbers up
        /// to it; the first that happens afterwards has the next number.
        sequence: u64,
        /// The daemon and the components asked for.
        report: StatusReport,
    },
    /// To `Events` with `follow`: what has happened. Since 1.1.
    Happened(Event),
    /// The client was too slow: so many events were passed over. Since 1.1.
    Missed {
        /// How many.
        events: u64,
    },
    /// To `Follow`: output, byte for byte, at most [`crate::LIMITS`]`.output_bytes`. Since 1.1.
    Output {
        /// Whose.
        component: ComponentName,
        /// The bytes as they were written.
        bytes: Vec<u8>,
    },
    /// To `Follow`: a file can't be read at the moment; it is tried again. Since 1.1.
    OutputUnreadable {
        /// Whose.
        component: ComponentName,
        /// Why.
        why: String,
    },
    /// To `Follow`: where the output that was told is at, so that a client that is cut off can go on there. Since 1.2.
    OutputReaches {
        /// The point.
        position: LogPosition,
        /// It is reached once so many more bytes of this component have come.
        after: u64,
    },
}

/// A request that was carried out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Done {
    /// To `Status`.
    Status(StatusReport),
    /// To `Start`, `Stop`, `Restart`: one part for each component, by tier, then in the order of the registry.
    Operation(Vec<Part>),
    /// To `Reload`.
    Reload(ReloadReport),
    /// To `Logs`.
    Logs(Vec<LogTail>),
    /// To `Check`.
    Check(CheckReport),
    /// To `Shutdown`: everything is stopped, and the daemon ends now.
    ShutDown(Vec<Part>),
    /// To `RestartSupervisor`: everything is stopped, and the daemon begins anew now.
    Restarting(Vec<Part>),
    /// To `Version`.
    Version(VersionInfo),
    /// To `Why`, by tier, then in the order of the registry. Since 1.1.
    Why(Vec<Explanation>),
    /// To `Events` without `follow`, the latest last. Since 1.1.
    Events(Vec<Event>),
    /// To `Info`. Since 1.1.
    Info(Box<InfoReport>),
    /// A stream is over, because the daemon ends. Since 1.1.
    StreamEnded,
    /// To `Overview`. Since 1.2.
    Overview(Box<Overview>),
    /// To `Upgrade`: the new binary can carry on, and is executed now. Since 1.2.
    Upgrading {
        /// The version that runs.
        from: String,
        /// The version that takes its place.
        to: String,
    },
    /// To any other request that is under way while the daemon is replaced: what was asked goes on under the next one, and who
    /// wants to know more asks that one. Since 1.2.
    HandedOver,
    /// The same to what follows output: where to go on, with `FollowFrom`. Since 1.2.
    OutputHandedOver(Vec<LogPosition>),
    /// To `Story`, by tier, then in the order of the registry. Since 1.2.
    Story(Vec<Story>),
    /// To `Dump`, by tier, then in the order of the registry. Since 1.2.
    Dumped(Vec<DumpReport>),
}

/// What came of asking one component for a dump of itself. Since 1.2.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DumpReport {
    /// Which component.
    pub component: ComponentName,
    /// What came of it.
    pub outcome: DumpOutcome,
}

/// See [`DumpReport`]. Variants are only ever appended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum DumpOutcome {
    /// It was asked, and has written something.
    Written {
        /// The run that was asked.
        run: RunInfo,
        /// The file of its output.
        file: String,
        /// Where the dump begins in it, in bytes.
        from: u64,
        /// Where it ends.
        to: u64,
        /// What lies between, as much of it as fits in a reply, from the beginning.
        bytes: Vec<u8>,
    },
    /// It was asked, and has written nothing within so many microseconds.
    Silent(u64),
    /// The registry doesn't say that it writes one when it is asked, and the signal may end it.
    NotConfigured,
    /// There is no process.
    NotRunning,
    /// It could not be done, for this reason.
    Failed(String),
    /// The signal that asks for one would end it.
    WouldEnd {
        /// The option that keeps its JVM from hearing that signal ("-Xrs"), and where it comes from if that isn't the command
        /// line; `None` where the system says that the process doesn't hear it.
        option: Option<String>,
    },
}

/// What became of one component in an operation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// Which component.
    pub component: ComponentName,
    /// What became of it.
    pub outcome: Outcome,
    /// From the command to this outcome, in microseconds.
    pub took_us: u64,
}

/// A run by its number and its process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunInfo {
    /// The run's number, counted for each component.
    pub run: u64,
    /// Its process id.
    pub pid: u32,
}

/// How one component's part of an operation ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Outcome {
    /// It runs and is ready.
    Started(RunInfo),
    /// It ran already.
    AlreadyUp(RunInfo),
    /// Its run ended with success, and the policy says that it stays so.
    Completed(ExitReport),
    /// Its tree is gone.
    Stopped(ExitReport),
    /// Nothing ran.
    AlreadyDown,
    /// The old run is gone and the new one is ready.
    Restarted {
        /// The run before, if there was one.
        before: Option<RunInfo>,
        /// The run now.
        after: RunInfo,
    },
    /// The first run ended before it was ready. Wished up all the same: tries go on.
    FailedRun(ExitReport),
    /// It could not be spawned. Wished up all the same: tries go on.
    FailedSpawn(SpawnFailure),
    /// It was killed and is still there; the daemon keeps trying.
    Unkillable,
    /// A later command took over.
    Superseded,
    /// It was not touched, because of this.
    Refused(Refusal),
    /// The signal was sent to this run's first process. Since 1.1.
    Signalled(RunInfo),
    /// There is no process, or nobody wants one, so there is nothing to signal or to wait for. Since 1.1.
    NotRunning,
    /// The system did not let it be done, for this reason. Since 1.1.
    Failed(String),
}

impl Outcome {
    /// Whether the operator got what was asked for.
    #[must_use]
    pub fn is_success(&self) -> bool {
        matches!(
            self,
            Self::Started(_)
                | Self::AlreadyUp(_)
                | Self::Completed(_)
                | Self::Stopped(_)
                | Self::AlreadyDown
                | Self::Restarted { .. }
                | Self::Signalled(_)
        )
    }
}

/// What a reload did, or would do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReloadReport {
    /// Only looked at, not applied.
    pub dry_run: bool,
    /// What is or would be done with each component that differs.
    pub changes: Vec<ReloadChange>,
    /// Warnings of the registry.
    pub warnings: Vec<Diagnostic>,
    /// What became of the components that were started, stopped or restarted.
    pub parts: Vec<Part>,
}

/// One component that differs between the registry before and after.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReloadChange {
    /// Which component.
    pub component: ComponentName,
    /// What is done about it.
    pub action: ReloadAction,
    /// What differs, by the registry's own names ("arguments", "stopTimeout").
    pub fields: Vec<String>,
}

/// What a reload does with a component.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum ReloadAction {
    /// New, and started.
    AddedAndStarted,
    /// New, and left stopped (`autoStart` is false).
    Added,
    /// No longer there, so stopped and forgotten.
    Removed,
    /// How it runs has changed, so it is restarted.
    Restarted,
    /// How it runs has changed; it is marked, and the next start takes the change up.
    NeedsRestart,
    /// How it runs has changed, and it isn't running: the next start takes the change up.
    Updated,
    /// Changed in a way that applies at once.
    AppliedLive,
}

/// One finding about the registry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Diagnostic {
    /// Error or warning.
    pub severity: Severity,
    /// The file it is about.
    pub file: String,
    /// Line, from 1; 0 where the finding is about the whole file.
    pub line: u32,
    /// Column in characters, from 1; 0 where the finding is about the whole file.
    pub column: u32,
    /// What is wrong.
    pub message: String,
    /// What can be done, where something can be said.
    pub hint: Option<String>,
    /// The whole finding as text with source line and marker, without colour.
    pub rendered: String,
}

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Severity {
    /// The registry can't be loaded.
    Error,
    /// It can, but this is to be looked at.
    Warning,
}

/// The answer to `Check`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckReport {
    /// The registry file.
    pub registry: String,
    /// Whether it would load.
    pub ok: bool,
    /// All findings.
    pub diagnostics: Vec<Diagnostic>,
    /// The ids that it would load, by tier, then in the order of the file; empty if it would not.
    pub components: Vec<ComponentName>,
}

/// The last output of one component.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogTail {
    /// Which component.
    pub component: ComponentName,
    /// The file on the daemon's machine.
    pub file: String,
    /// The bytes as they were written, from the beginning of a line where that was possible.
    pub bytes: Vec<u8>,
    /// There was more in the range that was asked for than fits in a reply.
    pub truncated: bool,
    /// Why the file could not be read, if so.
    pub error: Option<String>,
}

/// The answer to `Version`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VersionInfo {
    /// The daemon's version.
    pub version: String,
    /// Its process id.
    pub pid: u32,
    /// The registry file it has loaded.
    pub registry: String,
}
