//! One component: what it is, and what each command does to it, state by state.

use super::checks::Checks;
use super::effect::Effect;
use super::input::{Policy, Slot, Stamp, Ticket};
use super::life::{Cause, Ending, Life, Phase};
use super::moment::Moment;
use super::restart::Jitter;
use s7proto::reply::{Outcome, RunInfo};
use s7proto::status::{Actor, ExitReport, Health, SpawnFailure, State, Wish};

mod follow;
mod goals;
mod inherit;
mod run;
use goals::{Goal, Want};

/// One component of the fleet.
#[derive(Debug, Clone)]
pub struct Component {
    pub(super) policy: Policy,
    pub(super) wish: Wish,
    /// Who stopped it by name, and when (wall time).
    pub(super) stopped_by: Option<(Actor, i64)>,
    /// Wished up, but the order of tiers doesn't let it run yet.
    pub(super) parked: bool,
    pub(super) life: Life,
    /// The number of the present or last run.
    pub(super) run: u64,
    pub(super) pid: Option<u32>,
    /// When the present or last run was ordered.
    pub(super) started: Moment,
    /// Crashes in a row.
    pub(super) crashes: u32,
    /// Host faults in a row.
    pub(super) host_faults: u32,
    /// Starts that followed a crash, over the daemon's life.
    pub(super) restarts: u64,
    pub(super) last_exit: Option<ExitReport>,
    /// Why the last try did not come to a run.
    pub(super) last_fault: Option<SpawnFailure>,
    pub(super) health: Health,
    /// What the present run has shown of itself.
    pub(super) checks: Checks,
    /// Runs with what it was started with, not with what the registry says now.
    pub(super) marked: bool,
    /// The system has killed some of the present run for want of memory.
    pub(super) out_of_memory: bool,
    /// Something that it relies on was lost while the present run was being created.
    pub(super) bereft: bool,
    /// The present run has said that it is ready before it was heard of that it is there.
    pub(super) ready_early: bool,
    /// A line of its output has given the present run up before that.
    pub(super) matched_early: bool,
    /// The present run is being killed for the memory that it takes.
    pub(super) killed_for_memory: bool,
    /// To be forgotten once it is stopped.
    pub(super) removed: bool,
    /// Operations that wait for it.
    goals: Vec<Goal>,
}

/// What a step may read and write beside the component.
pub struct Step<'a> {
    pub(super) slot: Slot,
    pub(super) stamp: Stamp,
    /// Patience is over: kill instead of asking.
    pub(super) hurry: bool,
    pub(super) jitter: &'a mut Jitter,
    pub(super) effects: &'a mut Vec<Effect>,
    /// Components that want to begin a run; the fleet looks at their dependencies.
    pub(super) begin: &'a mut Vec<Slot>,
}

impl Component {
    pub(super) fn new(policy: Policy) -> Self {
        Self {
            policy,
            wish: Wish::Down,
            stopped_by: None,
            parked: false,
            life: Life::Stopped,
            run: 0,
            pid: None,
            started: Moment::default(),
            crashes: 0,
            host_faults: 0,
            restarts: 0,
            last_exit: None,
            last_fault: None,
            health: Health::None,
            checks: Checks::default(),
            marked: false,
            out_of_memory: false,
            bereft: false,
            ready_early: false,
            matched_early: false,
            killed_for_memory: false,
            removed: false,
            goals: Vec::new(),
        }
    }

    pub(super) fn state(&self) -> State {
        self.life.state(self.wish == Wish::Up)
    }

    /// Whether it is to run now.
    pub(super) fn wants_run(&self) -> bool {
        self.wish == Wish::Up && !self.parked
    }

    /// Whether those who come after it may start: it is ready and doesn't say otherwise, or has ended as its policy wants it.
    pub(super) fn lets_others_start(&self) -> bool {
        self.life.lets_others_start() && self.checks.lets_others_rely()
    }

    /// Whether what depends on it may start: it is ready, and nobody wants it to stop.
    pub(super) fn lets_dependants_start(&self) -> bool {
        // What is parked and runs all the same is on the list to be stopped: its turn has only not come yet.
        self.wants_run() && self.lets_others_start()
    }

    /// When it wants to be woken.
    pub(super) fn deadline(&self) -> Option<Moment> {
        let checks = self.checks.deadline().filter(|_| self.is_checked());
        [self.life.deadline(), checks].into_iter().flatten().min()
    }

    fn is_checked(&self) -> bool {
        matches!(self.life, Life::Starting { .. } | Life::Running { .. })
    }

    fn run_info(&self) -> Option<RunInfo> {
        self.pid.map(|pid| RunInfo { run: self.run, pid })
    }

    // ---- commands -------------------------------------------------------------------------------------------

    /// Wishes it up. `ticket` waits until it is ready, or its first run has failed.
    pub(super) fn start(&mut self, step: &mut Step<'_>, ticket: Option<Ticket>) {
        if self.removed {
            return self.answer(step, ticket, Outcome::Superseded);
        }
        self.wish_up(step);
        if self.life.is_coming_or_up() {
            self.supersede_later_runs(step);
        }
        let ready = self
            .run_info()
            .filter(|_| matches!(self.life, Life::Running { .. }));
        match (&self.life, ready) {
            (Life::Running { .. }, Some(info)) => self.answer(step, ticket, Outcome::AlreadyUp(info)),
            (Life::Ending(ending), _) if matches!(ending.phase, Phase::Stuck { .. }) => {
                self.answer(step, ticket, Outcome::Unkillable);
            }
            (Life::Ending(_), _) => self.aim_up(step, ticket, self.run + 1, None),
            (Life::Spawning { .. } | Life::Starting { .. } | Life::Running { .. }, _) => {
                self.aim_up(step, ticket, self.run, None);
            }
            (Life::Stopped | Life::Waiting | Life::Backoff { .. } | Life::Exited | Life::Fatal, _) => {
                self.aim_up(step, ticket, self.run + 1, None);
                self.want_begin(step);
            }
        }
    }

    /// One new run, in place of the present one if there is one.
    pub(super) fn restart(&mut self, step: &mut Step<'_>, ticket: Option<Ticket>) {
        if self.removed {
            return self.answer(step, ticket, Outcome::Superseded);
        }
        self.wish_up(step);
        let before = self.run_info();
        match &self.life {
            Life::Starting { .. } | Life::Running { .. } => {
                self.aim_up(step, ticket, self.run + 1, Some(before));
                self.ask(step, Cause::Asked);
            }
            Life::Ending(ending) if matches!(ending.phase, Phase::Stuck { .. }) => {
                self.answer(step, ticket, Outcome::Unkillable);
            }
            Life::Ending(_) => self.aim_up(step, ticket, self.run + 1, Some(before)),
            // The process that is being created at this moment is as new as the one asked for.
            Life::Spawning { .. } => {
                self.supersede_later_runs(step);
                self.aim_up(step, ticket, self.run, Some(None));
            }
            Life::Stopped | Life::Waiting | Life::Backoff { .. } | Life::Exited | Life::Fatal => {
                self.aim_up(step, ticket, self.run + 1, Some(None));
                self.want_begin(step);
            }
        }
    }

    /// Wishes it down; what runs is left to [`Component::end_run`].
    pub(super) fn wish_down(&mut self, step: &mut Step<'_>, ticket: Option<Ticket>) {
        self.wish = Wish::Down;
        self.parked = false;
        self.supersede(step, |want| matches!(want, Want::Up { .. }));
        self.hasten(step);
        if self.life.may_have_process() {
            if self.life.is_out_of_reach() {
                self.answer(step, ticket, Outcome::Unkillable);
            } else if let Some(ticket) = ticket {
                self.goals.push(Goal {
                    ticket,
                    since: step.stamp.now,
                    want: Want::Down,
                });
            }
        } else {
            self.life = Life::Stopped;
            self.rest();
            self.answer(step, ticket, Outcome::AlreadyDown);
        }
    }

    /// Ends the run, if there is one that isn't ending already, or only by itself.
    pub(super) fn end_run(&mut self, step: &mut Step<'_>) {
        if self.is_checked() || self.life.is_leaving() {
            self.ask(step, Cause::Asked);
        }
    }

    /// A run that is being created can't be abandoned, but its creation may be waiting.
    fn hasten(&self, step: &mut Step<'_>) {
        if matches!(self.life, Life::Spawning { .. }) {
            step.effects.push(Effect::Hasten(self.run_id(step)));
        }
    }

    /// The order of tiers takes it out of the game for now, without changing what is wished.
    pub(super) fn park(&mut self, step: &mut Step<'_>) {
        self.wish_up(step);
        self.parked = true;
        self.hasten(step);
        if !self.life.may_have_process() {
            self.life = Life::Waiting;
        }
    }

    /// Its tier has opened, or what it waits for has changed.
    pub(super) fn unpark(&mut self, step: &mut Step<'_>) {
        self.parked = false;
        match self.life {
            Life::Waiting => self.want_begin(step),
            // The stop did not wait for an overdue spawn, so there is no run after it to be waited for.
            Life::Spawning { .. } => self.content_with_present_run(),
            _ => {}
        }
    }

    /// Waits on behalf of an operation that parked it: for a run after the present one if `fresh`, else for a ready one.
    pub(super) fn await_up(&mut self, step: &mut Step<'_>, ticket: Option<Ticket>, fresh: bool) {
        if matches!(&self.life, Life::Ending(ending) if matches!(ending.phase, Phase::Stuck { .. })) {
            return self.answer(step, ticket, Outcome::Unkillable);
        }
        let next = fresh || !matches!(self.life, Life::Spawning { .. } | Life::Starting { .. });
        let from_run = if next { self.run + 1 } else { self.run };
        let replaces = fresh.then(|| self.run_info());
        self.aim_up(step, ticket, from_run, replaces);
    }

    /// Kills what is asked, and what lives, at once.
    pub(super) fn hurry(&mut self, step: &mut Step<'_>) {
        match &mut self.life {
            Life::Starting { .. } | Life::Running { .. } => self.ask(step, Cause::Asked),
            Life::Ending(Ending {
                phase: Phase::Asked { .. } | Phase::Diagnosing { .. },
                ..
            }) => self.kill(step, 1),
            _ => {}
        }
    }

    fn wish_up(&mut self, step: &mut Step<'_>) {
        self.wish = Wish::Up;
        self.parked = false;
        self.stopped_by = None;
        // A command ends the row (DESIGN 4).
        self.rest();
        self.supersede(step, |want| *want == Want::Down);
        if let Life::Ending(ending) = &mut self.life {
            ending.again = true;
        }
    }

    fn rest(&mut self) {
        self.crashes = 0;
        self.host_faults = 0;
    }
}
