//! What the registry comes to: everything resolved, checked and typed. The rest of the daemon trusts it.

pub use super::health::{HealthPlan, HttpProbe, HttpUrl, ProbePlan, Statuses};
pub use super::java::{DropPlan, HeapDumps, JavaPlan};
pub use super::port::PortPlan;
use s7proto::name::ComponentName;
use s7proto::reply::Diagnostic;
use std::path::PathBuf;
use std::time::Duration;

/// A whole registry, ready to be run.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// The file it was read from.
    pub file: PathBuf,
    /// The install folder that relative paths were resolved against.
    pub install_folder: PathBuf,
    /// What concerns the daemon itself.
    pub supervisor: SupervisorPlan,
    /// Every component, in the order of the file, instances in ascending order.
    pub components: Vec<ComponentPlan>,
    /// Findings that don't keep it from loading.
    pub warnings: Vec<Diagnostic>,
}

impl Plan {
    /// Tells the warnings where whoever starts a daemon or lets it reload by a signal looks: in its log.
    pub fn log_warnings(&self) {
        for warning in &self.warnings {
            let Diagnostic {
                file, line, column, ..
            } = warning;
            let place = match line {
                0 => file.clone(),
                _ => format!("{file}:{line}:{column}"),
            };
            log::warn!("{place}: {}", warning.message);
        }
    }
}

/// The `<config>` element.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SupervisorPlan {
    /// The documented log name, absolute; the date goes before its suffix.
    pub log: PathBuf,
    /// The folder that the components' output files lie in: the folder of `log`.
    pub logs_folder: PathBuf,
    /// The folder for intermediate data, absolute.
    pub temp: PathBuf,
    /// 1 (least) to 4 (most).
    pub trace_level: u8,
    /// How often memory statistics are logged; `None` for never (absent or 0).
    pub stats_interval: Option<Duration>,
    /// The port of the status page; `None` where absent or 0.
    pub tcp_port: Option<u16>,
}

/// One component, or one instance of a server with several.
#[derive(Debug, Clone, PartialEq)]
pub struct ComponentPlan {
    /// Its id: the server's, or `<server>-<instance>`.
    pub id: ComponentName,
    /// The server's id and this one's number (from 1), where the server has `<instances>` above 1.
    pub instance_of: Option<(ComponentName, u32)>,
    /// For people.
    pub description: String,
    /// What a run is made of. A difference here needs a new run.
    pub run: RunPlan,
    /// Whether boot and `start all` start it.
    pub auto_start: bool,
    /// `startPriority`: lower starts earlier and stops later.
    pub tier: i32,
    /// How long a run must live to count as ready, where nothing else tells.
    pub start_delay: Duration,
    /// How long the polite stop may take.
    pub stop_timeout: Duration,
    /// What happens when a run ends by itself.
    pub restart: RestartPlan,
    /// How it is asked to stop.
    pub stop: StopPlan,
    /// How it is checked; `None` where nothing is.
    pub health: Option<HealthPlan>,
    /// `<readiness>`: how it is checked whether others may rely on it; `None` where nothing is.
    pub readiness: Option<HealthPlan>,
    /// `<notify>`: how it tells by itself that it is ready; `None` where it doesn't.
    pub notify: Option<NotifyPlan>,
    /// `<server port>`: where it listens, so that somebody else who listens there is named before a start.
    pub port: Option<u16>,
    /// `<memory>`: how much its tree may take.
    pub memory: MemoryPlan,
    /// `<onFailure>`: what is run when a run has failed; the component's own, else that for all.
    pub on_failure: Option<HookPlan>,
    /// `<match>`: what follows from certain lines of its output.
    pub triggers: Vec<TriggerPlan>,
    /// What has to be ready before it.
    pub depends_on: Vec<DependencyPlan>,
    /// What becomes of its output.
    pub log: LogPlan,
    /// When it is asked for a diagnosis of itself (a JVM's thread dump) before it is killed.
    pub dump: DumpPlan,
    /// What depends on the version of its Java; `None` for everything else.
    pub java: Option<JavaPlan>,
}

/// `<dump>` of a profile. The default is never.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct DumpPlan {
    /// When the polite stop has taken longer than `stopTimeout`.
    pub on_stop_timeout: bool,
    /// When `<health>` has found it unhealthy.
    pub on_health_failure: bool,
    /// It answers SIGQUIT by a dump of itself, so that it can be asked for one at any time. To anything else the signal may
    /// be the end.
    pub by_signal: bool,
}

/// Everything that goes into creating the process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunPlan {
    /// The program, absolute.
    pub program: PathBuf,
    /// Its arguments, without the program.
    pub arguments: Vec<String>,
    /// Whether the daemon's own environment is added; where the registry doesn't say, only by a daemon that is the first
    /// process of a container.
    pub inherit_environment: Option<bool>,
    /// The registry's variables, in order, each name once.
    pub environment: Vec<(String, String)>,
    /// The folder it runs in, absolute.
    pub working_directory: PathBuf,
    /// `<user>`; `None` for the daemon's own.
    pub user: Option<String>,
    /// `<group>`; `None` for the user's primary one.
    pub group: Option<String>,
    /// The file mode mask (default 0o022).
    pub umask: u32,
    /// Resource limits, each resource once.
    pub limits: Vec<LimitPlan>,
}

/// One `<limit>`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LimitPlan {
    /// Which resource.
    pub resource: Resource,
    /// The soft limit; `None` is "unlimited". Units as in setrlimit(2).
    pub soft: Option<u64>,
    /// The hard limit; `None` is "unlimited".
    pub hard: Option<u64>,
}

/// The resources of setrlimit(2), by their lower-case names ("nofile").
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the names are those of setrlimit(2)")]
pub enum Resource {
    As,
    Core,
    Cpu,
    Data,
    Fsize,
    Memlock,
    Nofile,
    Nproc,
    Rss,
    Stack,
}

impl Resource {
    /// The name in the registry.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::As => "as",
            Self::Core => "core",
            Self::Cpu => "cpu",
            Self::Data => "data",
            Self::Fsize => "fsize",
            Self::Memlock => "memlock",
            Self::Nofile => "nofile",
            Self::Nproc => "nproc",
            Self::Rss => "rss",
            Self::Stack => "stack",
        }
    }
}

/// `<restart>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RestartPlan {
    /// When a run that ended by itself is followed by another.
    pub policy: RestartPolicy,
    /// Crashes in a row after which it is given up; 0 for never.
    pub max_retries: u32,
    /// Exit codes that count as success.
    pub success: Vec<i32>,
}

/// When a run that ended by itself is followed by another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RestartPolicy {
    /// However it ended.
    Always,
    /// Unless it ended with a code that counts as success.
    OnFailure,
    /// Not at all.
    Never,
}

impl RestartPolicy {
    /// The name in the registry.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Always => "always",
            Self::OnFailure => "onFailure",
            Self::Never => "never",
        }
    }
}

/// `<stop>`: how a component is asked to stop.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StopPlan {
    /// A signal; on Windows a console event takes its place.
    Signal(StopSignal),
    /// A console event (Ctrl-C); on Linux SIGINT takes its place.
    Console,
    /// A text sent to a TCP port.
    Tcp {
        /// Host name or address.
        host: String,
        /// Port.
        port: u16,
        /// The text.
        text: String,
    },
    /// A command of its own.
    Command {
        /// The program, absolute.
        program: PathBuf,
        /// Its arguments.
        arguments: Vec<String>,
    },
}

/// The signals that can be asked for by `<stop signal=…>`, written with or without SIG.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are those of signal(7)")]
pub enum StopSignal {
    Term,
    Int,
    Quit,
    Hup,
    Usr1,
    Usr2,
    Winch,
    Kill,
}

impl StopSignal {
    /// The name of signal(7), "SIGTERM".
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Term => "SIGTERM",
            Self::Int => "SIGINT",
            Self::Quit => "SIGQUIT",
            Self::Hup => "SIGHUP",
            Self::Usr1 => "SIGUSR1",
            Self::Usr2 => "SIGUSR2",
            Self::Winch => "SIGWINCH",
            Self::Kill => "SIGKILL",
        }
    }
}

/// `<notify>`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotifyPlan {
    /// By which way.
    pub by: NotifyBy,
    /// How long it may take until it says that it is ready.
    pub startup_timeout: Duration,
    /// How far apart its signs of life may be once it is ready; `None` where none are expected. Only by the socket.
    pub watchdog: Option<Duration>,
}

/// The ways to tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotifyBy {
    /// sd_notify(3) on the socket that `NOTIFY_SOCKET` names.
    Socket,
    /// A newline on this descriptor (s6).
    Descriptor(u32),
}

/// `<memory>`, in bytes of the whole tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct MemoryPlan {
    /// Above this a new run takes its place.
    pub soft: Option<u64>,
    /// The system gives no more than this, where it can.
    pub hard: Option<u64>,
}

/// `<onFailure>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HookPlan {
    /// The program, absolute.
    pub program: PathBuf,
    /// Its arguments.
    pub arguments: Vec<String>,
    /// How long it may take.
    pub timeout: Duration,
}

/// `<match>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TriggerPlan {
    /// What a line has to hold.
    pub pattern: TriggerPattern,
    /// What follows.
    pub action: TriggerAction,
    /// How long the next such line is only counted.
    pub once: Duration,
}

/// What a line has to hold to be a trigger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TriggerPattern {
    /// This text.
    Text(String),
    /// Something that this regular expression matches (checked, without back references).
    Regex(String),
}

/// What follows from a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TriggerAction {
    /// The run is given up: stopped, and replaced as after a crash.
    Restart,
    /// It is asked for a diagnosis of itself.
    Dump,
    /// An event tells it.
    Event,
}

/// `<dependsOn>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DependencyPlan {
    /// The component that must be ready first. A reference to a server with instances is one entry for each.
    pub on: ComponentName,
    /// What happens when it is lost later.
    pub on_loss: OnLoss,
}

/// What happens to a component when one that it depends on is lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnLoss {
    /// Nothing.
    None,
    /// It is restarted.
    Restart,
    /// It is stopped.
    Stop,
}

impl OnLoss {
    /// The name in the registry.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Restart => "restart",
            Self::Stop => "stop",
        }
    }
}

/// `<log>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogPlan {
    /// The file, absolute: `<logs>/<id>.log`.
    pub file: PathBuf,
    /// Bytes after which it is rotated.
    pub max_size: u64,
    /// How many rotated files are kept.
    pub max_files: u32,
    /// How many days rotated files are kept.
    pub max_days: u32,
    /// Whether rotated files are compressed.
    pub compress: bool,
    /// What happens when the disk is full.
    pub on_full: OnFull,
}

/// What happens to output that can't be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnFull {
    /// It is dropped and counted.
    Drop,
    /// The component waits.
    Block,
}
