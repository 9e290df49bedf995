//! Where a component is in its life. Each state owns exactly the data and the timer that it needs.

use super::input::Policy;
use super::moment::Moment;
use s7proto::status::{EndCause, ExitReport, State};
use std::time::Duration;

/// From one attempt to kill to the next (reliability D; s6).
pub const KILL_RETRY: Duration = Duration::from_secs(5);
/// Attempts to kill after which a component is STUCK.
pub const KILL_TRIES: u32 = 3;
/// From one attempt to kill something STUCK to the next (reliability D).
pub const STUCK_RETRY: Duration = Duration::from_secs(60);
/// How long a diagnosis may take before the kill (windows-and-scene7 E4).
pub const DIAGNOSIS: Duration = Duration::from_secs(5);
/// After this long nothing waits for a spawn any more: an exec from a hanging file system may never come back.
pub const SPAWN_OVERDUE: Duration = Duration::from_secs(30);

/// The state of a component, with its data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Life {
    /// Nothing runs, and nothing is wished.
    Stopped,
    /// Wished up, and an earlier tier or a dependency has to come first.
    Waiting,
    /// The process is being created. It can't be abandoned, only awaited.
    Spawning {
        /// When it is reported as overdue; `None` once it was.
        overdue_at: Option<Moment>,
    },
    /// Alive, not ready.
    Starting {
        /// When it is ready by having lived long enough; `None` where an event tells.
        ready_at: Option<Moment>,
    },
    /// Alive and ready.
    Running {
        /// Since when.
        since: Moment,
        /// When the row of crashes is over; `None` once it is.
        stable_at: Option<Moment>,
    },
    /// On the way to an empty tree.
    Ending(Ending),
    /// Between a crash and the next try.
    Backoff {
        /// When the next try comes.
        until: Moment,
    },
    /// Ended, and the policy says that it stays so.
    Exited,
    /// Given up.
    Fatal,
}

/// A run on the way to an empty tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ending {
    /// Why it ends.
    pub cause: Cause,
    /// Whether it had been ready.
    pub was_ready: bool,
    /// Somebody has asked for a run after this one, whatever the policy says of how this one ends.
    pub again: bool,
    /// How the first process ended, once it has.
    pub report: Option<ExitReport>,
    /// How far the ending has come.
    pub phase: Phase,
    /// Processes that were left after the last attempt to kill.
    pub survivors: u32,
}

/// Why a run ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// The first process ended by itself, or has said that it does.
    Itself,
    /// A command, or the order of tiers.
    Asked,
    /// It was given up: stopped for a new run, which counts as a crash.
    Unwell(Unwell),
    /// It has taken more memory than it may.
    TooMuchMemory,
    /// Something that it depends on was lost.
    DependencyLost,
    /// It has ended while no daemon was there.
    Unseen,
}

/// What a run was given up for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unwell {
    /// A check that may restart it has failed too often.
    Checks,
    /// Its startup time was over before it was ready.
    Startup,
    /// A sign of life that it owed did not come.
    Watchdog,
    /// It has said itself that it is in trouble.
    Trouble,
    /// A line of its output says so.
    Output,
}

impl Unwell {
    /// The same in the report of its end.
    #[must_use]
    pub fn end_cause(self) -> EndCause {
        match self {
            Self::Checks => EndCause::Hung,
            Self::Startup => EndCause::NotReady,
            Self::Watchdog => EndCause::WatchdogMissed,
            Self::Trouble => EndCause::InTrouble,
            Self::Output => EndCause::OutputMatched,
        }
    }
}

/// How far an ending has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Asked politely.
    Asked {
        /// When patience ends.
        kill_at: Moment,
    },
    /// Patience has ended, and it is asked for a diagnosis of itself before it is killed.
    Diagnosing {
        /// When it is killed even if that isn't complete.
        kill_at: Moment,
    },
    /// The tree is being killed.
    Killing {
        /// When to try again.
        retry_at: Moment,
        /// How often it was tried.
        tries: u32,
    },
    /// Killed often enough, and still there.
    Stuck {
        /// When to try again.
        retry_at: Moment,
    },
}

impl Life {
    /// The state as people see it. `wished_up` tells a crash being cleaned up from a stop.
    #[must_use]
    pub fn state(&self, wished_up: bool) -> State {
        match self {
            Self::Stopped => State::Stopped,
            Self::Waiting => State::Waiting,
            Self::Spawning { .. } | Self::Starting { .. } => State::Starting,
            Self::Running { .. } => State::Running,
            Self::Ending(Ending {
                phase: Phase::Stuck { .. },
                ..
            }) => State::Stuck,
            Self::Ending(Ending {
                cause: Cause::Itself | Cause::Unseen,
                report: Some(_),
                ..
            }) if wished_up => State::Backoff,
            Self::Ending(_) => State::Stopping,
            Self::Backoff { .. } => State::Backoff,
            Self::Exited => State::Exited,
            Self::Fatal => State::Fatal,
        }
    }

    /// The one timer of the state.
    #[must_use]
    pub fn deadline(&self) -> Option<Moment> {
        match self {
            Self::Spawning { overdue_at } => *overdue_at,
            Self::Starting { ready_at } => *ready_at,
            Self::Running { stable_at, .. } => *stable_at,
            Self::Ending(ending) => Some(match ending.phase {
                Phase::Asked { kill_at } | Phase::Diagnosing { kill_at } => kill_at,
                Phase::Killing { retry_at, .. } | Phase::Stuck { retry_at } => retry_at,
            }),
            Self::Backoff { until } => Some(*until),
            Self::Stopped | Self::Waiting | Self::Exited | Self::Fatal => None,
        }
    }

    /// Whether there is a run that isn't ending: it is being created, starting or ready.
    #[must_use]
    pub fn is_coming_or_up(&self) -> bool {
        matches!(
            self,
            Self::Spawning { .. } | Self::Starting { .. } | Self::Running { .. }
        )
    }

    /// Whether it has said that it ends, and has not ended yet.
    #[must_use]
    pub fn is_leaving(&self) -> bool {
        matches!(
            self,
            Self::Ending(Ending {
                cause: Cause::Itself,
                report: None,
                phase: Phase::Asked { .. },
                ..
            })
        )
    }

    /// Whether nothing that people do makes its process go away: it was killed in vain, or never came into being.
    #[must_use]
    pub fn is_out_of_reach(&self) -> bool {
        matches!(
            self,
            Self::Spawning { overdue_at: None }
                | Self::Ending(Ending {
                    phase: Phase::Stuck { .. },
                    ..
                })
        )
    }

    /// Whether those who come after it may start: it is ready, or has ended as its policy wants it.
    #[must_use]
    pub fn lets_others_start(&self) -> bool {
        matches!(self, Self::Running { .. } | Self::Exited)
    }

    /// Whether those who stop after it may stop: nothing of it lives, or waiting longer is of no use.
    #[must_use]
    pub fn lets_others_stop(&self) -> bool {
        match self {
            Self::Stopped | Self::Waiting | Self::Backoff { .. } | Self::Exited | Self::Fatal => true,
            Self::Spawning { .. } | Self::Ending(_) => self.is_out_of_reach(),
            Self::Starting { .. } | Self::Running { .. } => false,
        }
    }

    /// Whether a process may exist, so that no other may be created.
    #[must_use]
    pub fn may_have_process(&self) -> bool {
        matches!(
            self,
            Self::Spawning { .. } | Self::Starting { .. } | Self::Running { .. } | Self::Ending(_)
        )
    }
}

impl Policy {
    /// Whether a run that ended so is not followed by another.
    #[must_use]
    pub fn stays_ended(&self, succeeded: bool) -> bool {
        match self.restart {
            super::input::Restart::Always => false,
            super::input::Restart::OnFailure => succeeded,
            super::input::Restart::Never => true,
        }
    }
}
