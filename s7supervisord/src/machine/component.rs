//! One component: what each command and each event does to it, state by state.

use super::effect::Effect;
use super::input::{Event, Policy, RunId, Slot, Stamp, Ticket};
use super::life::{Cause, Ending, KILL_RETRY, KILL_TRIES, Life, Phase, SPAWN_OVERDUE, STUCK_RETRY};
use super::moment::Moment;
use super::restart::{self, Jitter};
use s7proto::reply::{Outcome, RunInfo};
use s7proto::status::{Actor, EndCause, Exit, ExitReport, Health, SpawnFailure, State, Wish};
use std::time::Duration;

mod goals;
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
    /// Runs with what it was started with, not with what the registry says now.
    pub(super) marked: bool,
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
            marked: false,
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

    /// Whether what depends on it may start: it is ready, and nobody wants it to stop.
    pub(super) fn lets_dependants_start(&self) -> bool {
        self.wish == Wish::Up && self.life.lets_others_start()
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

    /// Ends the run, if there is one that isn't ending already.
    pub(super) fn end_run(&mut self, step: &mut Step<'_>) {
        if matches!(self.life, Life::Starting { .. } | Life::Running { .. }) {
            self.ask(step, Cause::Asked);
        }
    }

    /// The order of tiers takes it out of the game for now, without changing what is wished.
    pub(super) fn park(&mut self, step: &mut Step<'_>) {
        self.wish_up(step);
        self.parked = true;
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
                phase: Phase::Asked { .. },
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

    // ---- events ---------------------------------------------------------------------------------------------

    /// Something happened to the run `run`.
    pub(super) fn event(&mut self, step: &mut Step<'_>, run: u64, event: Event) {
        if run != self.run {
            return;
        }
        match (event, &mut self.life) {
            (Event::Spawned { pid }, Life::Spawning { .. }) => {
                self.pid = Some(pid);
                self.host_faults = 0;
                self.last_fault = None;
                self.life = Life::Starting {
                    ready_at: self.policy.ready_after.map(|after| step.stamp.now + after),
                };
                if !self.wants_run() {
                    self.ask(step, Cause::Asked);
                } else if self.policy.ready_after == Some(Duration::ZERO) {
                    self.ready(step);
                }
            }
            (Event::SpawnFailed(failure), Life::Spawning { .. }) => self.spawn_failed(step, failure),
            (Event::Exited(exit), Life::Starting { .. } | Life::Running { .. }) => {
                self.end_row_if_stable(step);
                let was_ready = matches!(self.life, Life::Running { .. });
                let report = self.report(step, exit, Cause::Itself, false);
                self.life = Life::Ending(Ending {
                    cause: Cause::Itself,
                    was_ready,
                    again: false,
                    report: Some(report),
                    phase: Phase::Asked {
                        kill_at: step.stamp.now,
                    },
                    survivors: 0,
                });
                self.kill(step, 1);
            }
            (Event::Exited(exit), Life::Ending(ending)) if ending.report.is_none() => {
                let killed = !matches!(ending.phase, Phase::Asked { .. });
                let (cause, asked) = (ending.cause, !killed);
                let report = self.report(step, exit, cause, killed);
                if let Life::Ending(ending) = &mut self.life {
                    ending.report = Some(report);
                }
                let run = self.run_id(step);
                step.effects.push(if asked {
                    Effect::AskRest(run)
                } else {
                    Effect::Kill(run)
                });
            }
            (Event::Emptied, Life::Ending(ending)) => {
                if let Some(report) = ending.report.clone() {
                    let ending = ending.clone();
                    self.ended(step, &ending, report);
                }
            }
            (Event::Survivors(left), Life::Ending(ending)) => ending.survivors = left,
            (
                Event::CannotAsk,
                Life::Ending(Ending {
                    phase: Phase::Asked { .. },
                    ..
                }),
            ) => self.kill(step, 1),
            (Event::Ready, Life::Starting { .. }) => self.ready(step),
            (Event::Health { healthy }, Life::Starting { .. } | Life::Running { .. }) => {
                self.health = if healthy {
                    Health::Healthy
                } else {
                    Health::Unhealthy
                };
            }
            (Event::Hung, Life::Starting { .. } | Life::Running { .. }) => {
                self.end_row_if_stable(step);
                self.ask(step, Cause::Hung);
            }
            // Late, doubled or foreign: a run moves on only by what belongs to its state.
            (
                Event::Spawned { .. }
                | Event::SpawnFailed(_)
                | Event::Exited(_)
                | Event::Emptied
                | Event::Survivors(_)
                | Event::CannotAsk
                | Event::Ready
                | Event::Health { .. }
                | Event::Hung,
                _,
            ) => {}
        }
    }

    /// Its timer has come.
    pub(super) fn tick(&mut self, step: &mut Step<'_>) {
        let now = step.stamp.now;
        if self.life.deadline().is_none_or(|at| at > now) {
            return;
        }
        match &mut self.life {
            Life::Spawning { overdue_at } => {
                *overdue_at = None;
                step.effects.push(Effect::SpawnOverdue(self.run_id(step)));
                self.settle_down(step, Outcome::Unkillable);
            }
            Life::Starting { .. } => self.ready(step),
            Life::Running { .. } => self.end_row_if_stable(step),
            Life::Ending(ending) => match ending.phase {
                Phase::Asked { .. } => self.kill(step, 1),
                Phase::Killing { tries, .. } if tries < KILL_TRIES => self.kill(step, tries + 1),
                Phase::Killing { .. } => {
                    self.kill(step, KILL_TRIES);
                    self.set_phase(Phase::Stuck {
                        retry_at: now + STUCK_RETRY,
                    });
                    self.give_up_waiting(step);
                }
                Phase::Stuck { .. } => {
                    self.kill(step, KILL_TRIES);
                    self.set_phase(Phase::Stuck {
                        retry_at: now + STUCK_RETRY,
                    });
                }
            },
            Life::Backoff { .. } => {
                // What follows a fault of the host is no restart: nothing has run.
                if self.host_faults == 0 {
                    self.restarts += 1;
                }
                self.want_begin(step);
            }
            Life::Stopped | Life::Waiting | Life::Exited | Life::Fatal => {}
        }
    }

    /// Creates the next run; the fleet has seen to it that nothing stands in the way.
    pub(super) fn spawn(&mut self, step: &mut Step<'_>) {
        self.run += 1;
        self.started = step.stamp.now;
        self.marked = false;
        self.health = Health::None;
        self.life = Life::Spawning {
            overdue_at: Some(step.stamp.now + SPAWN_OVERDUE),
        };
        step.effects.push(Effect::Spawn(self.run_id(step)));
    }

    // ---- transitions ----------------------------------------------------------------------------------------

    fn want_begin(&mut self, step: &mut Step<'_>) {
        self.life = Life::Waiting;
        step.begin.push(step.slot);
    }

    fn ready(&mut self, step: &mut Step<'_>) {
        let now = step.stamp.now;
        self.life = Life::Running {
            since: now,
            stable_at: Some(now + restart::STABLE_AFTER),
        };
        let Some(info) = self.run_info() else { return };
        self.settle_up(step, |replaces| match replaces {
            Some(before) => Outcome::Restarted { before, after: info },
            None => Outcome::Started(info),
        });
    }

    /// Ends the row if the run has been RUNNING for long enough, whether the timer or another event is first to tell.
    fn end_row_if_stable(&mut self, step: &Step<'_>) {
        if let Life::Running { stable_at, .. } = &mut self.life
            && stable_at.is_some_and(|at| at <= step.stamp.now)
        {
            *stable_at = None;
            self.rest();
        }
    }

    fn ask(&mut self, step: &mut Step<'_>, cause: Cause) {
        let now = step.stamp.now;
        let was_ready = matches!(self.life, Life::Running { .. });
        let patience = if step.hurry {
            Duration::ZERO
        } else {
            self.policy.stop_timeout
        };
        self.life = Life::Ending(Ending {
            cause,
            was_ready,
            again: false,
            report: None,
            phase: Phase::Asked {
                kill_at: now + patience,
            },
            survivors: 0,
        });
        if patience.is_zero() {
            self.kill(step, 1);
        } else {
            step.effects.push(Effect::Ask(self.run_id(step)));
        }
    }

    fn kill(&mut self, step: &mut Step<'_>, tries: u32) {
        self.set_phase(Phase::Killing {
            retry_at: step.stamp.now + KILL_RETRY,
            tries,
        });
        step.effects.push(Effect::Kill(self.run_id(step)));
    }

    fn set_phase(&mut self, phase: Phase) {
        if let Life::Ending(ending) = &mut self.life {
            ending.phase = phase;
        }
    }

    fn spawn_failed(&mut self, step: &mut Step<'_>, failure: SpawnFailure) {
        let host = failure.host_fault;
        self.last_fault = Some(failure.clone());
        self.settle_up(step, |_| Outcome::FailedSpawn(failure.clone()));
        if self.wish == Wish::Down {
            self.life = Life::Stopped;
            self.settle_down(step, Outcome::AlreadyDown);
        } else if self.parked {
            self.life = Life::Waiting;
        } else if host {
            self.host_faults = self.host_faults.saturating_add(1);
            let wait = step
                .jitter
                .spread(restart::wait_after_host_fault(self.host_faults));
            self.life = Life::Backoff {
                until: step.stamp.now + wait,
            };
        } else {
            self.host_faults = 0;
            self.crashed(step);
        }
    }

    /// The tree is empty.
    fn ended(&mut self, step: &mut Step<'_>, ending: &Ending, report: ExitReport) {
        self.pid = None;
        self.health = Health::None;
        self.last_exit = Some(report.clone());
        let run = self.run_id(step);
        step.effects.push(Effect::Ended {
            run,
            report: report.clone(),
        });
        if self.wish == Wish::Down {
            self.life = Life::Stopped;
            self.rest();
            self.settle_down(step, Outcome::Stopped(report));
            return;
        }
        let succeeded = report.cause == EndCause::Finished;
        let stays = ending.cause == Cause::Itself && self.policy.stays_ended(succeeded);
        if ending.cause != Cause::Asked && !ending.was_ready {
            self.settle_up(step, |_| {
                if stays && succeeded {
                    Outcome::Completed(report.clone())
                } else {
                    Outcome::FailedRun(report.clone())
                }
            });
        }
        if self.parked {
            self.life = Life::Waiting;
            self.rest();
        } else if ending.cause == Cause::Asked || ending.again {
            self.rest();
            self.want_begin(step);
        } else if stays {
            self.life = Life::Exited;
        } else {
            self.crashed(step);
        }
    }

    /// One more in the row: next try, or the end of all tries.
    fn crashed(&mut self, step: &mut Step<'_>) {
        self.crashes = self.crashes.saturating_add(1);
        let limit = self.policy.max_retries;
        let never_again = self.policy.restart == super::input::Restart::Never;
        if never_again || (limit > 0 && self.crashes > limit) {
            self.life = Life::Fatal;
            return;
        }
        let until = restart::next_start(step.stamp.now, self.started, self.crashes, step.jitter);
        if until <= step.stamp.now {
            self.restarts += 1;
            self.want_begin(step);
        } else {
            self.life = Life::Backoff { until };
        }
    }

    fn report(&self, step: &Step<'_>, exit: Exit, cause: Cause, killed: bool) -> ExitReport {
        let succeeded = matches!(&exit, Exit::Code(code) if self.policy.success.contains(code));
        let cause = match cause {
            Cause::Itself if succeeded => EndCause::Finished,
            Cause::Itself => EndCause::Crashed,
            Cause::Asked | Cause::Hung if killed => EndCause::KilledAfterTimeout,
            Cause::Asked | Cause::Hung => EndCause::Requested,
        };
        ExitReport {
            exit,
            cause,
            at_ms: step.stamp.wall_ms,
            lasted_us: step.stamp.now.micros_since(self.started),
        }
    }

    fn run_id(&self, step: &Step<'_>) -> RunId {
        RunId {
            slot: step.slot,
            run: self.run,
        }
    }
}
