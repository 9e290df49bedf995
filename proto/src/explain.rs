//! The long answers: why a component is as it is, and how it and the daemon are set up.

use crate::event::{Event, PastRun};
use crate::name::ComponentName;
use crate::overview::ComponentFact;
use crate::reply::LogTail;
use crate::status::{ComponentStatus, State, SupervisorStatus, Wish};
use serde::{Deserialize, Serialize};

/// Everything that says why a component is in its state.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Explanation {
    /// The component as `status` shows it.
    pub status: ComponentStatus,
    /// When it entered its state, as wall time in milliseconds since 1970 (UTC); `None` if it never left its first one.
    pub since_ms: Option<i64>,
    /// What it depends on, as it is now.
    pub dependencies: Vec<Neighbour>,
    /// What depends on it, as it is now.
    pub dependants: Vec<Neighbour>,
    /// Its last runs, the latest last; at most five.
    pub past: Vec<PastRun>,
    /// What was asked of it and what became of it, as far as it is remembered, the latest last; at most twenty.
    pub events: Vec<Event>,
    /// Its last lines of output.
    pub output: LogTail,
}

/// Everything that says why a component is in its state, and all that is told of it. It grows by facts. Since 1.2.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Story {
    /// What `Why` tells.
    pub explanation: Explanation,
    /// What else is to be known of it, as in the overview.
    pub facts: Vec<ComponentFact>,
    /// What its past runs have written last, where they did not end as somebody wished.
    pub last_words: Vec<LastWords>,
}

/// The last lines of one run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastWords {
    /// Which run.
    pub run: u64,
    /// The lines, byte for byte.
    pub bytes: Vec<u8>,
}

/// Another component, in short.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Neighbour {
    /// Its name.
    pub id: ComponentName,
    /// What people want of it.
    pub wish: Wish,
    /// What it is.
    pub state: State,
}

/// How the daemon and its components are set up.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct InfoReport {
    /// The daemon.
    pub supervisor: SupervisorInfo,
    /// The components asked for, by tier, then in the order of the registry.
    pub components: Vec<ComponentInfo>,
}

/// How the daemon is set up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SupervisorInfo {
    /// As `status` shows it.
    pub status: SupervisorStatus,
    /// The protocol it speaks, major and minor.
    pub protocol: (u16, u16),
    /// The folder that relative paths of the registry start from.
    pub install_folder: String,
    /// The folder of the lock, the record of runs and the output pipes.
    pub runtime_dir: String,
    /// Where clients connect.
    pub endpoint: String,
    /// Its own log; YYYY-MM-DD stands for the day.
    pub log: String,
    /// The log of commands; YYYY-MM-DD stands for the day.
    pub audit_log: String,
    /// The folder for intermediate data.
    pub temp: String,
    /// `tracelevel`, 1 to 4.
    pub trace_level: u8,
    /// `tracestatsinterval` in microseconds; `None` for never.
    pub stats_interval_us: Option<u64>,
    /// How many components the registry has.
    pub components: u32,
    /// The sequence number of the last event; 0 before the first.
    pub last_event: u64,
}

/// How a component is set up: the registry with everything filled in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ComponentInfo {
    /// Its name.
    pub id: ComponentName,
    /// The server it is an instance of, and its number from 1.
    pub instance_of: Option<(ComponentName, u32)>,
    /// `<description>`, or empty.
    pub description: String,
    /// The program and its arguments.
    pub command: Vec<String>,
    /// The folder it runs in.
    pub working_directory: String,
    /// Whether the daemon's environment is added to its own.
    pub inherit_environment: bool,
    /// The variables of the registry.
    pub environment: Vec<(String, String)>,
    /// The user it runs as; `None` for the daemon's own.
    pub user: Option<String>,
    /// The group it runs as; `None` for the user's.
    pub group: Option<String>,
    /// The file mode mask.
    pub umask: u32,
    /// Resource limits in the units of setrlimit(2): name, soft, hard; `None` is unlimited.
    pub limits: Vec<(String, Option<u64>, Option<u64>)>,
    /// Whether boot and `start all` start it.
    pub auto_start: bool,
    /// `startPriority`.
    pub tier: i32,
    /// `startDelay` in microseconds.
    pub start_delay_us: u64,
    /// `stopTimeout` in microseconds.
    pub stop_timeout_us: u64,
    /// The restart policy: "always", "onFailure" or "never".
    pub restart_policy: String,
    /// Crashes in a row after which it is given up; 0 for never.
    pub max_retries: u32,
    /// Exit codes that count as success.
    pub success_exit_codes: Vec<i32>,
    /// How it is asked to stop, in words ("SIGTERM", "command /opt/x stop").
    pub stop: String,
    /// How it is checked, in words; `None` where it isn't.
    pub health: Option<String>,
    /// What has to be ready before it, and what happens when that is lost ("none", "restart", "stop").
    pub depends_on: Vec<(ComponentName, String)>,
    /// The file of its output.
    pub log_file: String,
    /// The processes of its tree, the first one first; as far as they can be seen.
    pub pids: Vec<u32>,
}
