//! What goes into the machine: commands (people ask) and events (the system reports).

use super::moment::Moment;
use s7proto::status::{Actor, Exit, ExitReport, SpawnFailure, Wish};
use std::time::Duration;

/// A component's place in the fleet. Places are never used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Slot(pub u32);

impl Slot {
    /// The place as an index.
    #[must_use]
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// One execution of a component. An event about a run that isn't the present one changes nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RunId {
    /// Whose run.
    pub slot: Slot,
    /// Its number, counted from 1 for each component.
    pub run: u64,
}

/// One accepted command, to be answered exactly once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(pub u64);

/// When something was asked or noticed: monotonic time decides, wall time is only shown.
#[derive(Debug, Clone, Copy)]
pub struct Stamp {
    /// Monotonic.
    pub now: Moment,
    /// Wall time in milliseconds since 1970 (UTC).
    pub wall_ms: i64,
}

/// What the machine has to know of a component.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// Whether boot and `start all` start it.
    pub auto_start: bool,
    /// Lower starts earlier and stops later.
    pub tier: i32,
    /// How long a run must live to be ready; `None` where an event tells (health, notification).
    pub ready_after: Option<Duration>,
    /// How long a run lives before it is checked for the first time.
    pub first_check_after: Duration,
    /// `<health>`: whether it is ready, and then whether it still answers.
    pub health: Option<CheckPolicy>,
    /// `<readiness>`: whether others may rely on it.
    pub readiness: Option<CheckPolicy>,
    /// It tells by itself that it is ready.
    pub notify: Option<NotifyPolicy>,
    /// It is asked for a diagnosis of itself before it is stopped because it was given up, for whatever.
    pub dump_when_hung: bool,
    /// It is asked for one before it is killed because it does not stop in time.
    pub dump_before_kill: bool,
    /// How long the polite stop may take.
    pub stop_timeout: Duration,
    /// When a run that ended by itself is followed by another.
    pub restart: Restart,
    /// Crashes in a row after which it is given up; 0 for never.
    pub max_retries: u32,
    /// Exit codes that count as success.
    pub success: Vec<i32>,
    /// What has to be ready before it.
    pub depends_on: Vec<Slot>,
    /// What becomes of it when one of those is lost; those that aren't named don't matter then.
    pub on_loss: Vec<(Slot, Loss)>,
}

/// What happens to a component when one that it depends on is lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Loss {
    /// It gets a new run as soon as that is ready again.
    Restart,
    /// It is stopped, until somebody starts it.
    Stop,
}

/// What one check is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// `<health>`.
    Health,
    /// `<readiness>`.
    Readiness,
}

/// How often something is checked, and what its results come to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckPolicy {
    /// What is asked, as a number that is another one where that is something else.
    pub asks: u64,
    /// From one to the next.
    pub interval: Duration,
    /// How long one may take; the acting side sees to it.
    pub timeout: Duration,
    /// Failures in a row that make it unwell.
    pub failures: u32,
    /// Successes in a row that make it well again.
    pub successes: u32,
    /// How long the first success may take.
    pub startup: Duration,
    /// Whether a run that is unwell is replaced by another; otherwise only the flag says so.
    pub restarts: bool,
}

/// What is expected of a component that speaks for itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotifyPolicy {
    /// How long it may take until it says that it is ready.
    pub startup: Duration,
    /// How far apart its signs of life may be from then on.
    pub watchdog: Option<Duration>,
}

/// What a check has come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It has answered as it should.
    Well,
    /// It has not.
    Ill,
    /// It has not in time; and so much later than it should have the prober looked.
    TimedOut {
        /// By how much.
        late: Duration,
    },
    /// The prober could not do its work, which says nothing about the component.
    Unsure,
    /// It has not begun, because the one before isn't gone yet.
    NotMade,
}

/// What a component says of itself, and whether that can be heard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoteFrom {
    /// It is ready.
    Ready,
    /// A sign of life.
    Alive,
    /// Signs of life will come this often from now on; zero for not at all.
    AliveEvery(Duration),
    /// It needs so much time from now on, to start or to stop.
    MoreTime(Duration),
    /// It can't go on and wants to be replaced.
    Trouble,
    /// It ends by itself.
    Stopping,
    /// From now on what it says may go unheard, through no fault of its own.
    Unheard,
    /// It is heard again.
    HeardAgain,
}

/// When a run that ended by itself is followed by another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Restart {
    /// However it ended.
    Always,
    /// Unless it ended with a code that counts as success.
    OnFailure,
    /// Not at all.
    Never,
}

/// What people (or the daemon's own signals) ask.
#[derive(Debug, Clone)]
pub enum Command {
    /// The first command: start everything with `autoStart`, tier by tier, but for what people have wished by name before
    /// this daemon began: that stays so (DESIGN 4). What an earlier daemon has left as it is now (`Fleet::inherit`) goes on.
    /// The second says who has stopped everything, and when (wall time in milliseconds since 1970), if that still holds.
    Boot(Vec<Remembered>, Option<(Actor, i64)>),
    /// Start everything with `autoStart`, tier by tier, also what was stopped by hand.
    StartAll,
    /// Start these, ignoring tiers.
    Start(Vec<Slot>),
    /// Stop everything in reverse tiers.
    StopAll,
    /// Stop these at once.
    Stop(Vec<Slot>),
    /// Stop everything that runs in reverse tiers, then start what is wished up and what has `autoStart`.
    RestartAll,
    /// One new run of each of these.
    Restart(Vec<Slot>),
    /// The registry has changed.
    Reload {
        /// What changed; `Add` takes the next free slots in order.
        changes: Vec<Change>,
        /// Restart what needs a new run (`true`), or mark it.
        restart: bool,
    },
    /// Stop everything in reverse tiers, then end.
    Shutdown,
    /// Whoever waits for the polite way has no more patience: kill everything now. Only after `Shutdown`.
    Hurry,
}

/// What somebody has wished of a component by name, as an earlier daemon has noted it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remembered {
    /// Which.
    pub slot: Slot,
    /// What is wished.
    pub wish: Wish,
    /// Who wished it.
    pub who: Actor,
    /// When, as wall time in milliseconds since 1970 (UTC): only shown, since clocks are set back and forth.
    pub at_ms: i64,
    /// Somebody has stopped everything after it was wished.
    pub overruled: bool,
}

/// What an earlier daemon has known of a component.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Legacy {
    /// The number of the last run.
    pub run: u64,
    /// Starts that followed a crash.
    pub restarts: u64,
    /// Crashes in a row.
    pub crashes: u32,
    /// How the run before has ended.
    pub last_exit: Option<ExitReport>,
    /// When the last run began.
    pub started: Moment,
    /// It runs with something else than what the registry says now.
    pub marked: bool,
    /// The last run was ready, where that is for it or its checks to say.
    pub ready: bool,
    /// What the last run has said meanwhile may have been missed, and it may not know how to be heard now.
    pub missed: bool,
    /// What the last run goes by when it tells of itself; `None` for what the registry says now.
    pub told: Option<Told>,
    /// Up to when it has asked to have time: to stop where it was asked to end, else to start. Never less than it has anyway.
    pub until: Option<Moment>,
    /// What has become of the last run.
    pub fate: Fate,
}

/// What a run was told about telling of itself, or has told since.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Told {
    /// It is to tell that it is ready.
    pub notifies: bool,
    /// How far apart its signs of life are.
    pub watchdog: Option<Duration>,
}

/// What has become of a run while no daemon was there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fate {
    /// Its first process is there.
    Lives {
        /// Its process id.
        pid: u32,
        /// When it was asked to end, if it was.
        asked: Option<Moment>,
    },
    /// Its first process has ended, and nobody has seen how. Others of its tree may live.
    Unseen {
        /// The process id it had.
        pid: u32,
        /// Whether it had been asked to end, so that another run is to follow, if one is wished.
        asked: bool,
    },
    /// It was over before, tree and all, and another one was to follow.
    Over,
    /// It was over, and its policy said that it stays so.
    Exited,
    /// It was over, and the component was given up.
    Fatal,
}

/// One difference between two registries.
#[derive(Debug, Clone)]
pub enum Change {
    /// A new component.
    Add(Policy),
    /// It is no longer there.
    Remove(Slot),
    /// It is there, with this policy now.
    Alter {
        /// Which.
        slot: Slot,
        /// The policy from now on.
        policy: Policy,
        /// What a run is made of has changed as well.
        needs_run: bool,
    },
}

/// What the system reports.
#[derive(Debug, Clone)]
pub enum Event {
    /// The program runs.
    Spawned {
        /// Its process id.
        pid: u32,
    },
    /// It could not be made to run; there is no process.
    SpawnFailed(SpawnFailure),
    /// The first process of the run has ended. Others of its tree may live.
    Exited(Exit),
    /// The first process has ended and nothing of the tree is left.
    Emptied,
    /// After an attempt to kill, this many processes can still be seen.
    Survivors(u32),
    /// The polite way to stop isn't possible for this run.
    CannotAsk,
    /// The check with this number has ended.
    Checked {
        /// As [`crate::machine::effect::Effect::Check`] has given it.
        number: u64,
        /// What it has come to.
        verdict: Verdict,
    },
    /// It says something of itself.
    Noticed(NoteFrom),
    /// A line of its output gives this run up: it is to be stopped, and that counts as a crash.
    Matched,
    /// It needs more memory than it may: a new run is to take its place.
    TooMuchMemory,
    /// It has taken more memory than it may in any case, and is being killed for it. Told before its end.
    KilledForMemory,
    /// The diagnosis of itself that it was asked for is complete.
    Diagnosed,
    /// The system has killed some of the run for want of memory. Told before its end.
    OutOfMemory,
}

/// Who asked, to be shown.
#[derive(Debug, Clone)]
pub struct Order {
    /// The ticket to be answered; `None` where nobody waits.
    pub ticket: Option<Ticket>,
    /// Who.
    pub who: Actor,
    /// What.
    pub command: Command,
}
