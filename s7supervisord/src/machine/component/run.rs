//! What each event does to a run, state by state, and the steps that a life is made of.

use super::{Component, Step};
use crate::machine::checks::{Checks, Finding, Origin};
use crate::machine::effect::Effect;
use crate::machine::input::{Event, NoteFrom, Restart, RunId};
use crate::machine::life::{
    Cause, DIAGNOSIS, Ending, KILL_RETRY, KILL_TRIES, Life, Phase, SPAWN_OVERDUE, STUCK_RETRY, Unwell,
};
use crate::machine::restart;
use s7proto::reply::Outcome;
use s7proto::status::{EndCause, Exit, ExitReport, Health, SpawnFailure, Wish};
use std::time::Duration;

/// The time that ends a row of crashes, in microseconds.
const STABLE_US: u64 = restart::STABLE_AFTER.as_secs() * 1_000_000;

impl Component {
    /// Something happened to the run `run`.
    pub(in crate::machine) fn event(&mut self, step: &mut Step<'_>, run: u64, event: Event) {
        if run != self.run {
            return;
        }
        match (event, &mut self.life) {
            (Event::Spawned { pid }, Life::Spawning { .. }) => {
                self.pid = Some(pid);
                self.host_faults = 0;
                self.last_fault = None;
                let now = step.stamp.now;
                self.checks = Checks::begin(&self.policy, now, now, Origin::New, step.jitter);
                self.health = self.checks.health();
                self.life = Life::Starting {
                    ready_at: self.policy.ready_after.map(|after| now + after),
                };
                if !self.wants_run() {
                    self.ask(step, Cause::Asked);
                } else if self.bereft {
                    self.ask(step, Cause::DependencyLost);
                } else if self.policy.ready_after == Some(Duration::ZERO) {
                    self.ready(step);
                } else if self.ready_early {
                    let finding = self.checks.noticed(NoteFrom::Ready, now);
                    self.follow(step, finding);
                }
                if self.matched_early && self.is_checked() {
                    self.follow(step, Finding::Unwell(Unwell::Output));
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
                let killed = !matches!(ending.phase, Phase::Asked { .. } | Phase::Diagnosing { .. });
                let (cause, asked) = (ending.cause, !killed);
                let report = self.report(step, exit, cause, killed);
                if let Life::Ending(ending) = &mut self.life {
                    ending.report = Some(report);
                }
                let run = self.run_id(step);
                match cause {
                    // Nobody has asked for it, so there is nobody to ask.
                    Cause::Itself if asked => self.kill(step, 1),
                    _ if asked => step.effects.push(Effect::AskRest(run)),
                    _ => step.effects.push(Effect::Kill(run)),
                }
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
            (Event::Checked { number, verdict }, Life::Starting { .. } | Life::Running { .. }) => {
                let finding = self.checks.checked(number, verdict, step.stamp.now, step.jitter);
                self.follow(step, finding);
            }
            (Event::Noticed(NoteFrom::Stopping), Life::Starting { .. } | Life::Running { .. }) => {
                self.leave(step);
            }
            (Event::Noticed(note), Life::Starting { .. } | Life::Running { .. }) => {
                let finding = self.checks.noticed(note, step.stamp.now);
                self.follow(step, finding);
            }
            // What it says and that it is there come by different ways.
            (Event::Noticed(NoteFrom::Ready), Life::Spawning { .. }) => self.ready_early = true,
            (Event::Matched, Life::Spawning { .. }) => self.matched_early = true,
            // It needs more time to stop, and may have it as long as it says so (sd_notify(3)).
            (
                Event::Noticed(NoteFrom::MoreTime(span)),
                Life::Ending(Ending {
                    phase: Phase::Asked { kill_at },
                    ..
                }),
            ) if !step.hurry => *kill_at = (*kill_at).max(step.stamp.now + span),
            (Event::Matched, Life::Starting { .. } | Life::Running { .. }) => {
                self.follow(step, Finding::Unwell(Unwell::Output));
            }
            (Event::TooMuchMemory, Life::Starting { .. } | Life::Running { .. }) => {
                self.end_row_if_stable(step);
                self.ask(step, Cause::TooMuchMemory);
            }
            (
                Event::Diagnosed,
                Life::Ending(Ending {
                    phase: Phase::Diagnosing { .. },
                    ..
                }),
            ) => self.kill(step, 1),
            (Event::OutOfMemory, Life::Starting { .. } | Life::Running { .. }) => self.out_of_memory = true,
            (Event::KilledForMemory, Life::Starting { .. } | Life::Running { .. }) => {
                self.killed_for_memory = true;
            }
            // Late, doubled or foreign: a run moves on only by what belongs to its state.
            (
                Event::Spawned { .. }
                | Event::SpawnFailed(_)
                | Event::Exited(_)
                | Event::Emptied
                | Event::Survivors(_)
                | Event::CannotAsk
                | Event::Checked { .. }
                | Event::Noticed(_)
                | Event::Matched
                | Event::TooMuchMemory
                | Event::KilledForMemory
                | Event::Diagnosed
                | Event::OutOfMemory,
                _,
            ) => {}
        }
    }

    /// Its timer has come.
    pub(in crate::machine) fn tick(&mut self, step: &mut Step<'_>) {
        let now = step.stamp.now;
        if self.is_checked() && self.checks.deadline().is_some_and(|at| at <= now) {
            let (check, finding) = self.checks.tick(now);
            if let Some((role, number)) = check {
                let run = self.run_id(step);
                step.effects.push(Effect::Check { run, role, number });
            }
            self.follow(step, finding);
        }
        if self.life.deadline().is_none_or(|at| at > now) {
            return;
        }
        let diagnose = self.is_worth_a_diagnosis() && !step.hurry;
        match &mut self.life {
            Life::Spawning { overdue_at } => {
                *overdue_at = None;
                step.effects.push(Effect::SpawnOverdue(self.run_id(step)));
                self.settle_down(step, Outcome::Unkillable);
            }
            Life::Starting { .. } => self.ready(step),
            Life::Running { .. } => self.end_row_if_stable(step),
            Life::Ending(ending) => match ending.phase {
                Phase::Asked { .. } if diagnose => {
                    self.set_phase(Phase::Diagnosing {
                        kill_at: now + DIAGNOSIS,
                    });
                    step.effects.push(Effect::Diagnose {
                        run: self.run_id(step),
                        unwell: None,
                    });
                }
                Phase::Asked { .. } | Phase::Diagnosing { .. } => self.kill(step, 1),
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
                self.restarts += u64::from(self.follows_crash());
                self.want_begin(step);
            }
            Life::Stopped | Life::Waiting | Life::Exited | Life::Fatal => {}
        }
    }

    /// Creates the next run; the fleet has seen to it that nothing stands in the way.
    pub(in crate::machine) fn spawn(&mut self, step: &mut Step<'_>) {
        self.run += 1;
        self.started = step.stamp.now;
        self.marked = false;
        self.out_of_memory = false;
        self.bereft = false;
        self.ready_early = false;
        self.matched_early = false;
        self.killed_for_memory = false;
        self.health = Health::None;
        self.checks = Checks::default();
        self.life = Life::Spawning {
            overdue_at: Some(step.stamp.now + SPAWN_OVERDUE),
        };
        step.effects.push(Effect::Spawn(self.run_id(step)));
    }

    pub(super) fn want_begin(&mut self, step: &mut Step<'_>) {
        self.life = Life::Waiting;
        step.begin.push(step.slot);
    }

    /// Ends the row if the run has been RUNNING for long enough, whether the timer or another event is first to tell.
    pub(super) fn end_row_if_stable(&mut self, step: &Step<'_>) {
        if let Life::Running { stable_at, .. } = &mut self.life
            && stable_at.is_some_and(|at| at <= step.stamp.now)
        {
            *stable_at = None;
            self.rest();
        }
    }

    /// It has said that it ends: nobody checks it any more, and it has its time to stop, as if it had been asked. How it ends is
    /// then judged as any end.
    fn leave(&mut self, step: &mut Step<'_>) {
        self.end_row_if_stable(step);
        self.life = Life::Ending(Ending {
            cause: Cause::Itself,
            was_ready: matches!(self.life, Life::Running { .. }),
            again: false,
            report: None,
            phase: Phase::Asked {
                kill_at: step.stamp.now + self.policy.stop_timeout,
            },
            survivors: 0,
        });
    }

    pub(super) fn ask(&mut self, step: &mut Step<'_>, cause: Cause) {
        let now = step.stamp.now;
        let was_ready = match &self.life {
            Life::Running { .. } => true,
            Life::Ending(ending) => ending.was_ready,
            _ => false,
        };
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

    pub(super) fn kill(&mut self, step: &mut Step<'_>, tries: u32) {
        // The first process may have obeyed; the run as a whole has not.
        if let Life::Ending(Ending {
            report: Some(report), ..
        }) = &mut self.life
            && report.cause == EndCause::Requested
        {
            report.cause = EndCause::KilledAfterTimeout;
        }
        self.set_phase(Phase::Killing {
            retry_at: step.stamp.now + KILL_RETRY,
            tries,
        });
        step.effects.push(Effect::Kill(self.run_id(step)));
    }

    pub(super) fn set_phase(&mut self, phase: Phase) {
        if let Life::Ending(ending) = &mut self.life {
            ending.phase = phase;
        }
    }

    /// Whether it is to be asked for a diagnosis of itself, now that its time to stop is over: once, while it is there.
    fn is_worth_a_diagnosis(&self) -> bool {
        let Life::Ending(ending) = &self.life else {
            return false;
        };
        let was_asked = matches!(ending.cause, Cause::Unwell(_)) && self.policy.dump_when_hung;
        self.policy.dump_before_kill && ending.report.is_none() && !was_asked
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
        self.checks = Checks::default();
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
        if ending.cause == Cause::Unseen {
            return self.ended_unseen(step, ending.again);
        }
        let succeeded = report.cause == EndCause::Finished;
        let stays = ending.cause == Cause::Itself && self.policy.stays_ended(succeeded);
        let for_a_reason = match ending.cause {
            Cause::Asked => true,
            // Neither a crash nor the end of a row.
            Cause::DependencyLost => true,
            // A new run was wanted, but not one after the other: below the time that ends a row it is one of the row.
            Cause::TooMuchMemory => report.lasted_us >= STABLE_US,
            Cause::Itself | Cause::Unwell(_) | Cause::Unseen => false,
        };
        if !for_a_reason && !ending.was_ready {
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
        } else if ending.cause == Cause::DependencyLost && !ending.again {
            // The row goes on, and so does the space between starts.
            self.try_again(step);
        } else if for_a_reason || ending.again {
            self.rest();
            self.restarts += u64::from(ending.cause == Cause::TooMuchMemory && !ending.again);
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
        let never_again = self.policy.restart == Restart::Never;
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
            // It has said that it ends, and did not in time.
            Cause::Itself if killed => EndCause::KilledAfterTimeout,
            Cause::Itself if self.killed_for_memory => EndCause::TooMuchMemory,
            Cause::Itself if self.out_of_memory => EndCause::OutOfMemory,
            Cause::Itself => EndCause::Crashed,
            Cause::Unseen => EndCause::Unseen,
            Cause::Unwell(why) => why.end_cause(),
            Cause::TooMuchMemory => EndCause::TooMuchMemory,
            Cause::DependencyLost => EndCause::DependencyLost,
            Cause::Asked if killed => EndCause::KilledAfterTimeout,
            Cause::Asked => EndCause::Requested,
        };
        ExitReport {
            exit,
            cause,
            at_ms: step.stamp.wall_ms,
            lasted_us: step.stamp.now.micros_since(self.started),
        }
    }

    pub(super) fn run_id(&self, step: &Step<'_>) -> RunId {
        RunId {
            slot: step.slot,
            run: self.run,
        }
    }
}
