//! The reference: what the design says of one component, told anew from commands, from what
//! happens in the world, and from nothing that the machine keeps.

use super::world::Process;
use crate::machine::input::{Policy, Restart, Role};
use crate::machine::life::Unwell;
use crate::machine::moment::Moment;
use crate::machine::tests::vigil::Vigil;
use s7proto::status::{EndCause, Exit, State, Wish};
use std::time::Duration;

/// What a component without a process is to do next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    Nothing,
    /// Begin as soon as its tier and its dependencies let it.
    Go,
    /// Not before the first moment, not after the second.
    Retry(Moment, Moment),
    StayEnded,
    GiveUp,
}

/// Why a living run is being ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    Asked,
    Unwell(Unwell),
    TooLarge,
    Lost,
    Itself,
}

/// One component.
#[derive(Debug, Clone)]
pub struct Model {
    pub policy: Policy,
    pub wish: Wish,
    pub removed: bool,
    /// Wished up by a command that keeps to tiers, and its tier has not opened yet.
    pub ordered: bool,
    pub next: Next,
    pub process: Option<Process>,
    pub run: u64,
    pub row: u32,
    pub host_row: u32,
    pub last_start: Moment,
    /// When the run is ready by its age.
    pub ready_at: Option<Moment>,
    pub ready_since: Option<Moment>,
    pub ending: Option<Ending>,
    /// When patience with the polite way ends.
    pub kill_due: Option<Moment>,
    pub first_kill: Option<Moment>,
    /// How the machine has to report the run, once its first process has ended.
    pub cause: Option<EndCause>,
    pub again: bool,
    pub overdue: bool,
    /// What its checks say of the present run.
    pub vigil: Option<Vigil>,
    /// The check that has not ended.
    pub under_way: Option<(Role, u64)>,
    /// Something that it relies on was lost while it was being created.
    pub bereft: bool,
    /// When the first process has ended.
    pub exited_at: Moment,
}

impl Model {
    pub fn new(policy: Policy) -> Self {
        Self {
            policy,
            wish: Wish::Down,
            removed: false,
            ordered: false,
            next: Next::Nothing,
            process: None,
            run: 0,
            row: 0,
            host_row: 0,
            last_start: Moment::default(),
            ready_at: None,
            ready_since: None,
            ending: None,
            kill_due: None,
            first_kill: None,
            cause: None,
            again: false,
            overdue: false,
            vigil: None,
            under_way: None,
            bereft: false,
            exited_at: Moment::default(),
        }
    }

    // ---- commands

    /// A command wants it up; `in_order` if it keeps to tiers.
    pub fn wish_up(&mut self, in_order: bool) {
        self.wish = Wish::Up;
        self.ordered = in_order;
        (self.row, self.host_row) = (0, 0);
        if self.process.is_none() {
            self.next = Next::Go;
        }
        self.again = self.ending.is_some();
    }

    pub fn wish_down(&mut self) {
        self.wish = Wish::Down;
        self.ordered = false;
        self.again = false;
        if self.process.is_none() {
            self.next = Next::Nothing;
        }
    }

    /// What the registry says of it holds from now on, for a run that isn't ready too.
    pub fn alter(&mut self, policy: &Policy, now: Moment) {
        let ways = |of: &Policy| {
            (
                of.ready_after,
                of.first_check_after,
                of.health.clone(),
                of.readiness.clone(),
            )
        };
        let same = ways(&self.policy) == ways(policy) && self.policy.notify == policy.notify;
        self.policy = policy.clone();
        let starts =
            self.process == Some(Process::Alive) && self.ending.is_none() && self.up_since(now).is_none();
        if starts && !same {
            self.ready_at = policy.ready_after.map(|after| (self.last_start + after).max(now));
        }
    }

    // ---- the world

    pub fn spawning(&mut self, now: Moment) {
        self.process = Some(Process::Creating);
        self.run += 1;
        self.last_start = now;
        self.next = Next::Nothing;
        (self.ready_at, self.ready_since, self.ending, self.first_kill) = (None, None, None, None);
        (self.kill_due, self.cause) = (None, None);
        (self.again, self.overdue, self.bereft) = (false, false, false);
        (self.vigil, self.under_way) = (None, None);
    }

    pub fn spawned(&mut self, now: Moment) {
        self.process = Some(Process::Alive);
        self.host_row = 0;
        self.overdue = false;
        self.ready_at = self.policy.ready_after.map(|after| now + after);
        self.vigil = Some(Vigil::begin(&self.policy, now));
    }

    pub fn spawn_failed(&mut self, host: bool, now: Moment) {
        self.process = None;
        self.overdue = false;
        self.next = match (self.wish, host) {
            (Wish::Down, _) => Next::Nothing,
            _ if self.ordered => Next::Go,
            (Wish::Up, false) => {
                self.host_row = 0;
                self.crash(now)
            }
            (Wish::Up, true) => {
                self.host_row += 1;
                let wait = Duration::from_secs([1, 2, 4, 8, 16, 30][(self.host_row as usize - 1).min(5)]);
                Next::Retry(now + wait * 4 / 5, now + wait * 6 / 5)
            }
        };
    }

    /// The run is on its way out from now on.
    pub fn ends(&mut self, why: Ending, now: Moment) {
        if self
            .up_since(now)
            .is_some_and(|since| now.since(since) >= Duration::from_secs(60))
        {
            (self.row, self.host_row) = (0, 0);
        }
        (self.ready_at, self.ready_since) = (None, None);
        (self.vigil, self.under_way) = (None, None);
        self.ending = Some(why);
        self.again = why == Ending::Asked && self.wish == Wish::Up;
    }

    /// The first process has ended, whoever wanted it.
    pub fn exited(&mut self, exit: &Exit, now: Moment) {
        self.process = Some(Process::Headless);
        self.exited_at = now;
        self.cause = Some(match self.ending {
            None => {
                self.ends(Ending::Itself, now);
                let well = matches!(exit, Exit::Code(code) if self.policy.success.contains(code));
                if well {
                    EndCause::Finished
                } else {
                    EndCause::Crashed
                }
            }
            Some(Ending::Unwell(why)) => match why {
                Unwell::Checks => EndCause::Hung,
                Unwell::Startup => EndCause::NotReady,
                Unwell::Watchdog => EndCause::WatchdogMissed,
                Unwell::Trouble => EndCause::InTrouble,
                Unwell::Output => EndCause::OutputMatched,
            },
            Some(Ending::TooLarge) => EndCause::TooMuchMemory,
            Some(Ending::Lost) => EndCause::DependencyLost,
            Some(_) if self.first_kill.is_some() => EndCause::KilledAfterTimeout,
            Some(_) => EndCause::Requested,
        });
    }

    /// The tree is empty.
    pub fn emptied(&mut self, now: Moment) {
        let by_itself = self.ending == Some(Ending::Itself);
        let stays = match self.policy.restart {
            Restart::Always => false,
            Restart::OnFailure => self.cause == Some(EndCause::Finished),
            Restart::Never => true,
        };
        let asked = self.ending == Some(Ending::Asked);
        let lost = self.ending == Some(Ending::Lost) && !self.again && !self.ordered;
        // Who has grown for a minute makes room at once.
        let minute = self.exited_at.since(self.last_start) >= Duration::from_secs(60);
        let grown = self.ending == Some(Ending::TooLarge) && minute;
        (self.process, self.ending) = (None, None);
        (self.kill_due, self.first_kill) = (None, None);
        self.next = if self.wish == Wish::Down {
            Next::Nothing
        } else if lost {
            self.spaced(now)
        } else if self.ordered || self.again || asked || grown {
            (self.row, self.host_row) = (0, 0);
            Next::Go
        } else if by_itself && stays {
            Next::StayEnded
        } else {
            self.crash(now)
        };
    }

    fn crash(&mut self, now: Moment) -> Next {
        self.row += 1;
        let limit = self.policy.max_retries;
        if self.policy.restart == Restart::Never || (limit > 0 && self.row > limit) {
            return Next::GiveUp;
        }
        self.spaced(now)
    }

    /// As far from the start before as the row wants it.
    fn spaced(&self, now: Moment) -> Next {
        // 0 after the first, then 1 s × 2^(k-2), at most 60 s, counted from the start before.
        let space = match self.row {
            0 | 1 => Duration::ZERO,
            row => Duration::from_secs(60.min(1 << (row - 2).min(6))),
        };
        let earliest = (self.last_start + space * 4 / 5).max(now);
        Next::Retry(earliest, (self.last_start + space * 6 / 5).max(now))
    }

    // ---- what follows

    pub fn is_up(&self, now: Moment) -> bool {
        self.process == Some(Process::Alive) && self.ending.is_none() && self.up_since(now).is_some()
    }

    /// Since when it is ready, because it has said so or lived long enough.
    pub fn up_since(&self, now: Moment) -> Option<Moment> {
        self.ready_since.or(self.ready_at.filter(|at| *at <= now))
    }

    pub fn is_stuck(&self, now: Moment) -> bool {
        // Three attempts, 5 s apart, and 5 s to see that the last was in vain as well.
        self.first_kill
            .is_some_and(|first| now.since(first) >= Duration::from_secs(15))
    }

    pub fn wants_run(&self) -> bool {
        self.wish == Wish::Up && !self.ordered
    }

    /// Whether the order of stopping doesn't wait for it.
    pub fn is_stopped(&self, now: Moment) -> bool {
        self.process.is_none() || self.overdue || self.is_stuck(now) || self.wants_run()
    }

    pub fn lets_others_start(&self, now: Moment) -> bool {
        let relied_on = self.vigil.as_ref().is_none_or(|vigil| !vigil.is_ill());
        (self.is_up(now) && relied_on) || (self.process.is_none() && self.next == Next::StayEnded)
    }

    /// What people are to see, as far as it is decided without a look at the others.
    pub fn state(&self, now: Moment) -> State {
        match (self.process, self.ending) {
            (None, _) => match self.next {
                _ if self.wish == Wish::Down => State::Stopped,
                Next::StayEnded => State::Exited,
                Next::GiveUp => State::Fatal,
                Next::Retry(..) => State::Backoff,
                Next::Go | Next::Nothing => State::Waiting,
            },
            (Some(_), Some(_)) if self.is_stuck(now) => State::Stuck,
            (Some(_), Some(Ending::Itself)) if self.wish == Wish::Up => State::Backoff,
            (Some(_), Some(_)) => State::Stopping,
            (Some(_), None) if self.is_up(now) => State::Running,
            (Some(_), None) => State::Starting,
        }
    }
}
