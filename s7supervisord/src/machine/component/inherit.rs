//! Going on where an earlier daemon has stopped.

use super::{Component, Step};
use crate::machine::checks::{Checks, Origin};
use crate::machine::input::{Fate, Legacy};
use crate::machine::life::{Cause, Ending, Life, Phase};
use crate::machine::moment::Moment;
use crate::machine::restart;
use s7proto::status::{EndCause, Exit, ExitReport, Wish};

impl Component {
    /// It is as an earlier daemon has left it. What is wished of it comes with the boot; until then it is to go on.
    pub(in crate::machine) fn inherit(&mut self, step: &mut Step<'_>, legacy: Legacy) {
        let Legacy {
            run,
            restarts,
            crashes,
            last_exit,
            started,
            marked,
            ready,
            missed,
            told,
            until,
            fate,
        } = legacy;
        self.run = run;
        self.restarts = restarts;
        self.crashes = crashes;
        self.last_exit = last_exit;
        self.started = started;
        self.marked = marked;
        self.wish = Wish::Up;
        match fate {
            Fate::Lives { pid, asked } => {
                self.pid = Some(pid);
                match asked {
                    // What is left of its time is what it has.
                    Some(asked) => {
                        let kill_at = asked + self.policy.stop_timeout;
                        self.life = Life::Ending(Ending {
                            cause: Cause::Asked,
                            was_ready: true,
                            again: true,
                            report: None,
                            phase: Phase::Asked {
                                kill_at: until.map_or(kill_at, |until| until.max(kill_at)),
                            },
                            survivors: 0,
                        });
                    }
                    None => self.goes_on(step, Origin::Adopted { missed, ready, told }, until),
                }
            }
            Fate::Unseen { pid, asked } => {
                self.pid = Some(pid);
                // Its turn comes with its tier, when its tree is gone.
                self.parked = true;
                // Whether it has run for long enough to end the row nobody knows; starts are as far apart as if it had.
                let stable_after = self.policy.ready_after.unwrap_or_default() + restart::STABLE_AFTER;
                if started + stable_after <= step.stamp.now {
                    self.rest();
                }
                let report = ExitReport {
                    exit: Exit::Unknown,
                    cause: EndCause::Unseen,
                    at_ms: step.stamp.wall_ms,
                    lasted_us: step.stamp.now.micros_since(started),
                };
                self.life = Life::Ending(Ending {
                    cause: Cause::Unseen,
                    was_ready: true,
                    again: asked,
                    report: Some(report),
                    phase: Phase::Asked {
                        kill_at: step.stamp.now,
                    },
                    survivors: 0,
                });
                self.kill(step, 1);
            }
            Fate::Over if self.crashes > 0 || self.ended_unseen_last() => self.try_again(step),
            // It was asked to end, so whether it begins again is for what is wished of it.
            Fate::Over => self.wish = Wish::Down,
            Fate::Exited => self.life = Life::Exited,
            Fate::Fatal => self.life = Life::Fatal,
        }
    }

    /// Its run lives: what it has lived already counts.
    fn goes_on(&mut self, step: &mut Step<'_>, origin: Origin, until: Option<Moment>) {
        let now = step.stamp.now;
        let ready = matches!(origin, Origin::Adopted { ready: true, .. });
        self.checks = Checks::begin(&self.policy, self.started, now, origin, step.jitter);
        if let Some(until) = until {
            self.checks.has_until(until);
        }
        let ready_at = match self.policy.ready_after {
            Some(after) => Some(self.started + after),
            // Whether it had been ready is in the record; its checks say soon whether it still answers.
            None if ready => Some(self.started),
            None if self.checks.are_awaited() => None,
            // It was begun without the notification that the registry speaks of now, so it owes none.
            None => self
                .policy
                .notify
                .map(|_| self.started + self.policy.first_check_after),
        };
        self.life = match ready_at {
            Some(since) if since <= now => {
                self.checks.be_ready(now);
                Life::Running {
                    since,
                    stable_at: Some(since + restart::STABLE_AFTER),
                }
            }
            ready_at => Life::Starting { ready_at },
        };
        self.health = self.checks.health();
        self.end_row_if_stable(step);
    }

    /// The tree of a run that has ended unseen is gone. That is no crash: nobody knows that it was one (reliability E3).
    pub(super) fn ended_unseen(&mut self, step: &mut Step<'_>, again: bool) {
        if self.policy.stays_ended(false) && !again {
            self.parked = false;
            self.life = Life::Exited;
            return;
        }
        self.try_again(step);
    }

    /// Begins, spaced from the start before as the row wants it, when its tier is open.
    pub(super) fn try_again(&mut self, step: &mut Step<'_>) {
        let until = restart::next_start(step.stamp.now, self.started, self.crashes, step.jitter);
        if until > step.stamp.now {
            self.life = Life::Backoff { until };
        } else {
            self.restarts += u64::from(self.follows_crash());
            self.want_begin(step);
        }
    }

    /// Whether the next run follows a crash: not a fault of the host, where nothing has run, not an end that nobody has seen, and
    /// not the loss of something else.
    pub(super) fn follows_crash(&self) -> bool {
        let followed = self.last_exit.as_ref().map(|report| report.cause) == Some(EndCause::DependencyLost);
        self.host_faults == 0 && (self.last_fault.is_some() || !(followed || self.ended_unseen_last()))
    }

    fn ended_unseen_last(&self) -> bool {
        self.last_exit
            .as_ref()
            .is_some_and(|report| report.cause == EndCause::Unseen)
    }
}
