//! Components as people see them. Durations are microseconds, wall times milliseconds since 1970 (UTC).

use crate::name::ComponentName;
use serde::{Deserialize, Serialize};

/// What people want of a component.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Wish {
    /// It should run.
    Up,
    /// It should not run.
    Down,
}

/// What a component is doing (DESIGN 4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum State {
    /// No process, and none is wished.
    Stopped,
    /// Wished up; an earlier tier or a dependency has to come first.
    Waiting,
    /// Being spawned, or alive and not yet ready.
    Starting,
    /// Alive and ready.
    Running,
    /// Asked to stop, or being killed.
    Stopping,
    /// Crashed: being cleaned up, or waiting for the next try.
    Backoff,
    /// Ended, and the restart policy says that it stays so.
    Exited,
    /// Given up, because the registry sets a limit.
    Fatal,
    /// Killed, and still there.
    Stuck,
}

impl State {
    /// The name shown to people and in JSON, supervisord's where it has one.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Stopped => "STOPPED",
            Self::Waiting => "WAITING",
            Self::Starting => "STARTING",
            Self::Running => "RUNNING",
            Self::Stopping => "STOPPING",
            Self::Backoff => "BACKOFF",
            Self::Exited => "EXITED",
            Self::Fatal => "FATAL",
            Self::Stuck => "STUCK",
        }
    }
}

/// The health flag beside the state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Health {
    /// Nothing is checked.
    None,
    /// Checked, no result yet.
    Unknown,
    /// The last checks succeeded.
    Healthy,
    /// The last checks failed.
    Unhealthy,
}

impl Health {
    /// The name in JSON.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Unknown => "unknown",
            Self::Healthy => "healthy",
            Self::Unhealthy => "unhealthy",
        }
    }
}

/// How a run's first process ended, as the system tells it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Exit {
    /// It ended by itself with this code.
    Code(i32),
    /// A signal ended it: the name ("SIGKILL"; "signal 99" where the system has none), and whether a core was dumped.
    Signal {
        /// The signal's name.
        name: String,
        /// A core file was written.
        core: bool,
    },
    /// It ended, and nobody can say how.
    Unknown,
}

/// `exited with code 3`, `was ended by SIGKILL`: the same words in the daemon's log and in what the client says.
impl std::fmt::Display for Exit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Code(code) => write!(f, "exited with code {code}"),
            Self::Signal { name, core: false } => write!(f, "was ended by {name}"),
            Self::Signal { name, core: true } => write!(f, "was ended by {name} (core dumped)"),
            Self::Unknown => f.write_str("ended, and nobody can say how"),
        }
    }
}

/// Why a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum EndCause {
    /// By itself, with a code that counts as success.
    Finished,
    /// By itself, with a failure, or by a signal from outside.
    Crashed,
    /// Somebody asked it to stop, and it did.
    Requested,
    /// Somebody asked it to stop; it did not in time and was killed.
    KilledAfterTimeout,
    /// By itself, while no supervisor was there to see it. Since 1.2.
    Unseen,
    /// The system killed it, or one of its tree, for want of memory. Since 1.2.
    OutOfMemory,
    /// It failed its checks, so the supervisor stopped it. Since 1.2.
    Hung,
    /// It took more memory than it may, so the supervisor stopped it for a new run. Since 1.2.
    TooMuchMemory,
    /// Something that it depends on was lost, so the supervisor stopped it. Since 1.2.
    DependencyLost,
    /// Its startup time was over before it was ready, so the supervisor stopped it. Since 1.2.
    NotReady,
    /// A sign of life that it owed did not come in time, so the supervisor stopped it. Since 1.2.
    WatchdogMissed,
    /// It said itself that it is in trouble, so the supervisor stopped it. Since 1.2.
    InTrouble,
    /// It wrote a line that the registry restarts it for, so the supervisor stopped it. Since 1.2.
    OutputMatched,
}

/// `missed its watchdog`, to follow the run or "it": the same words in the daemon's log and in what the client says.
impl std::fmt::Display for EndCause {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Finished => "finished",
            Self::Crashed => "crashed",
            Self::Requested => "was stopped as asked",
            Self::KilledAfterTimeout => "did not stop in time",
            Self::Unseen => "ended while no supervisor was there",
            Self::OutOfMemory => "was ended most likely for want of memory",
            Self::Hung => "failed its checks",
            Self::TooMuchMemory => "took more memory than it may",
            Self::DependencyLost => "lost what it depends on",
            Self::NotReady => "was not ready in time",
            Self::WatchdogMissed => "missed its watchdog",
            Self::InTrouble => "said itself that it is in trouble",
            Self::OutputMatched => "wrote a line that restarts it",
        })
    }
}

/// The end of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExitReport {
    /// How it ended.
    pub exit: Exit,
    /// Why.
    pub cause: EndCause,
    /// When, as wall time in milliseconds since 1970 (UTC).
    pub at_ms: i64,
    /// How long the run lasted, in microseconds.
    pub lasted_us: u64,
}

/// `exited with code 3`, `missed its watchdog and was stopped: was ended by SIGTERM`: how it ended, and what the supervisor has
/// stopped it for where it has given it up, or that memory was wanting. The same words for the daemon's commands and in what the client says.
impl std::fmt::Display for ExitReport {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.cause {
            EndCause::Hung
            | EndCause::NotReady
            | EndCause::WatchdogMissed
            | EndCause::InTrouble
            | EndCause::OutputMatched
            | EndCause::TooMuchMemory => write!(f, "{} and was stopped: {}", self.cause, self.exit),
            // Nobody has seen how it ended, or one of it was killed and it went itself.
            EndCause::OutOfMemory => match &self.exit {
                Exit::Unknown => f.write_str("ended (most likely by the kernel for want of memory)"),
                Exit::Code(_) => write!(f, "{} (most likely for want of memory)", self.exit),
                Exit::Signal { .. } => {
                    write!(f, "{} (most likely by the kernel for want of memory)", self.exit)
                }
            },
            EndCause::Finished
            | EndCause::Crashed
            | EndCause::Requested
            | EndCause::KilledAfterTimeout
            | EndCause::Unseen
            | EndCause::DependencyLost => self.exit.fmt(f),
        }
    }
}

/// What starting a process was doing when it failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum SpawnStage {
    /// Finding the user or group of the component.
    LookingUpUser,
    /// Making the pipe for its output.
    PreparingOutput,
    /// Creating the process (fork).
    CreatingProcess,
    /// Writing the run's record.
    Recording,
    /// Beginning a session of its own.
    CreatingSession,
    /// Setting resource limits.
    SettingLimits,
    /// Setting the group and the supplementary groups.
    SettingGroup,
    /// Setting the user.
    SettingUser,
    /// Changing to the working directory.
    ChangingDirectory,
    /// Connecting standard input, output and error.
    ConnectingOutput,
    /// Executing the program.
    Executing,
    /// Looking whether somebody else listens on its port. Since 1.2.
    CheckingPort,
}

/// A start that did not come to a running program.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SpawnFailure {
    /// What was being done.
    pub stage: SpawnStage,
    /// To what: the path, user or limit.
    pub subject: String,
    /// The system's error number, where it gave one.
    pub os_error: Option<i32>,
    /// The system's words for it, or ours where it gave none.
    pub cause: String,
    /// The machine lacks something for the moment (processes, descriptors, memory); the component isn't to blame.
    pub host_fault: bool,
}

impl SpawnStage {
    /// What was being done, and the word before its subject.
    fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::LookingUpUser => ("looking up the user or group", ""),
            Self::PreparingOutput => ("preparing its output", " in"),
            Self::CreatingProcess => ("creating a process", " for"),
            Self::Recording => ("recording the run", " in"),
            Self::CreatingSession => ("creating a session", " for"),
            Self::SettingLimits => ("setting the resource limit", ""),
            Self::SettingGroup => ("setting the group", " to"),
            Self::SettingUser => ("setting the user", " to"),
            Self::ChangingDirectory => ("changing directory", " to"),
            Self::ConnectingOutput => ("connecting its output", " to"),
            Self::Executing => ("executing", ""),
            Self::CheckingPort => ("checking port", ""),
        }
    }
}

/// `changing directory to /srv/ps: No such file or directory (os error 2)`: the same words in the daemon's log and in
/// what the client says.
impl std::fmt::Display for SpawnFailure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (doing, with) = self.stage.words();
        f.write_str(doing)?;
        if !self.subject.is_empty() {
            write!(f, "{with} {}", self.subject)?;
        }
        write!(f, ": {}", self.cause)?;
        match self.os_error {
            Some(number) if !self.cause.contains("(os error") => write!(f, " (os error {number})"),
            _ => Ok(()),
        }
    }
}

/// Who asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Actor {
    /// A client on the control socket, by its user id.
    Uid(u32),
    /// A client on Windows, by its SID.
    Sid(String),
    /// The daemon itself: boot, reload, shutdown by a signal.
    Supervisor,
}

/// `uid 1000`, as the daemon's logs say it.
impl std::fmt::Display for Actor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Uid(uid) => write!(f, "uid {uid}"),
            Self::Sid(sid) => f.write_str(sid),
            Self::Supervisor => f.write_str("supervisor"),
        }
    }
}

/// Why a component is in the state it is in, where that needs words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Reason {
    /// `autoStart` is false and nobody has started it.
    NotAutoStarted,
    /// Somebody stopped it.
    StoppedBy {
        /// Who.
        who: Actor,
        /// When, as wall time in milliseconds since 1970 (UTC).
        at_ms: i64,
    },
    /// It waits until these members of an earlier tier are ready.
    WaitingForTier {
        /// The tier that is being waited for.
        tier: i32,
        /// Its members that aren't ready; at most eight are named.
        members: Vec<ComponentName>,
    },
    /// It waits for a component that it depends on.
    WaitingForDependency(ComponentName),
    /// The last run ended and it is to run again.
    Crashed {
        /// Crashes one after the other without a good run between.
        in_a_row: u32,
        /// Five or more of them: a crash loop.
        crash_loop: bool,
    },
    /// It could not be spawned.
    SpawnFailed(SpawnFailure),
    /// The limit of the registry was reached.
    GaveUp {
        /// How many crashes in a row there were.
        in_a_row: u32,
    },
    /// Its run ended and the restart policy says that it stays so.
    Completed,
    /// It was killed and is still there.
    Unkillable {
        /// Processes of the tree that are left, as far as they can be seen.
        left: u32,
    },
    /// The registry has changed; it runs with what it was started with until its next start.
    NeedsRestart,
    /// The registry no longer has it; it is being stopped.
    Removed,
    /// The supervisor has given its run up for this, and stops it. Since 1.2.
    GivenUpRun(EndCause),
}

/// One component, as `status` shows it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ComponentStatus {
    /// The component's name.
    pub id: ComponentName,
    /// `<description>`, or empty.
    pub description: String,
    /// `startPriority`.
    pub tier: i32,
    /// What people want.
    pub wish: Wish,
    /// What is.
    pub state: State,
    /// The flag beside the state.
    pub health: Health,
    /// The process id of the run, while there is one.
    pub pid: Option<u32>,
    /// The number of the present or last run; 0 before the first.
    pub run: u64,
    /// How long the present run lives, in microseconds.
    pub uptime_us: Option<u64>,
    /// How often it was started again after a crash.
    pub restarts: u64,
    /// Resident memory of the whole tree, in bytes.
    pub memory_bytes: Option<u64>,
    /// CPU of the whole tree since the sample before; 100 is one core.
    pub cpu_percent: Option<f64>,
    /// How the last run ended.
    pub last_exit: Option<ExitReport>,
    /// Time until the next try, in microseconds.
    pub next_try_us: Option<u64>,
    /// Why it is not RUNNING, or what else is to be known.
    pub reason: Option<Reason>,
    /// Output that could not be written and was dropped, in bytes, over the daemon's life.
    pub output_dropped_bytes: u64,
}

/// The daemon, as `status` shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SupervisorStatus {
    /// Its process id.
    pub pid: u32,
    /// Its version.
    pub version: String,
    /// How long it lives, in microseconds.
    pub uptime_us: u64,
    /// The registry file it has loaded.
    pub registry: String,
    /// How trees are held together: "group" (session, group and sweep), "cgroup" or "job".
    pub containment: String,
    /// `Some(why)` where runs and wishes can't be recorded, or the pipe or the lock of a run can't be made in the runtime folder: a next
    /// daemon may find runs that begin now only by their environment or cgroup, and may not know what is wished now.
    pub state_not_persisted: Option<String>,
}

/// The answer to [`crate::request::Request::Status`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StatusReport {
    /// The daemon.
    pub supervisor: SupervisorStatus,
    /// The components asked for, by tier, then in the order of the registry.
    pub components: Vec<ComponentStatus>,
}
