//! Checking runs: each check is a task of its own, and its verdict comes back as one more thing that happens.

mod answer;
mod exec;
mod lookup;
mod probe;
mod results;

use super::Driver;
use crate::machine::input::{self as machine, Event, Role, RunId, Slot};
use crate::machine::life::Unwell;
use crate::platform::beside::Errand;
use crate::registry::plan::{HealthPlan, ProbePlan};
use probe::Result;
pub use results::words;
use results::{Checked, Results};
use s7proto::event::Happening;
use s7proto::status::Health;
use std::collections::HashMap;
use std::time::{Duration, Instant};
use tokio::sync::mpsc;
use tokio::task::AbortHandle;

/// Checks that are under way, at most one of each component as the machine sees to it, and what the last ones came to.
#[derive(Debug)]
pub struct Checker {
    /// Bounded by the checks under way.
    tell: mpsc::UnboundedSender<Verdict>,
    told: mpsc::UnboundedReceiver<Verdict>,
    /// The last one of each component that was begun.
    latest: HashMap<Slot, Latest>,
    pub(super) results: Results,
}

/// The last check of a component, and how to break it off where it is waited for no longer.
#[derive(Debug)]
struct Latest {
    run: RunId,
    number: u64,
    task: Option<AbortHandle>,
}

/// What a check has come to.
#[derive(Debug)]
pub struct Verdict {
    run: RunId,
    role: Role,
    number: u64,
    result: Result,
    took: Duration,
}

/// A check under way. It is answered when this is dropped, whatever becomes of the task: the machine begins no other one
/// before.
struct Pending {
    tell: mpsc::UnboundedSender<Verdict>,
    about: (RunId, Role, u64),
    began: Instant,
    result: Result,
}

impl Pending {
    /// It has come to this.
    fn end(mut self, result: Result) {
        self.result = result;
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        let (run, role, number) = self.about;
        let result = std::mem::replace(&mut self.result, Result::well());
        // The loop is over when nobody listens.
        let _ = self.tell.send(Verdict {
            run,
            role,
            number,
            result,
            took: self.began.elapsed(),
        });
    }
}

impl Default for Checker {
    fn default() -> Self {
        let (tell, told) = mpsc::unbounded_channel();
        Self {
            tell,
            told,
            latest: HashMap::new(),
            results: Results::default(),
        }
    }
}

impl Checker {
    /// This one is to begin. The machine begins none before the one before has ended or is no longer wanted, so that goes.
    fn begin(&mut self, run: RunId, number: u64) {
        let task = None;
        let latest = Latest { run, number, task };
        let before = self.latest.insert(run.slot, latest);
        if let Some(task) = before.and_then(|before| before.task) {
            task.abort();
        }
    }

    /// Whether somebody still waits for this one.
    fn is_latest(&self, run: RunId, number: u64) -> bool {
        let latest = self.latest.get(&run.slot);
        latest.is_none_or(|latest| (latest.run, latest.number) == (run, number))
    }

    /// The component is no longer there.
    pub(super) fn forget(&mut self, slot: Slot) {
        self.latest.remove(&slot);
        self.results.forget(slot);
    }

    /// Waits for the next verdict. Can be dropped at any time without losing anything.
    pub async fn next(&mut self) -> Verdict {
        match self.told.recv().await {
            Some(told) => told,
            // It holds a sender itself.
            None => std::future::pending().await,
        }
    }
}

impl Driver {
    /// Checks a run, beside the loop.
    pub(super) fn check_run(&mut self, run: RunId, role: Role, number: u64) {
        self.checker.begin(run, number);
        let pending = Pending {
            tell: self.checker.tell.clone(),
            about: (run, role, number),
            began: Instant::now(),
            result: Result::unsure("the check broke off".to_owned()),
        };
        let component = self.roster.plan(run.slot).cloned();
        let plan = component.as_ref().and_then(|component| match role {
            Role::Health => component.health.clone(),
            Role::Readiness => component.readiness.clone(),
        });
        let (Some(component), Some(HealthPlan { probe, timeout, .. })) = (component, plan) else {
            // The registry was loaded anew meanwhile.
            return;
        };
        let task = match probe {
            ProbePlan::Tcp { port } => {
                tokio::spawn(async move { pending.end(probe::tcp(port, timeout).await) })
            }
            ProbePlan::Http(http) => {
                tokio::spawn(async move { pending.end(probe::http(&http, timeout).await) })
            }
            ProbePlan::Exec { program, arguments } => {
                let what = program.display().to_string();
                match self
                    .host
                    .beside(Errand::check(run, &component, &program, &arguments))
                {
                    Some(command) => tokio::spawn(async move {
                        pending.end(exec::wait(command, &what, timeout).await);
                    }),
                    None => {
                        let why = format!("{what}: the check before was killed and isn't gone yet");
                        pending.end(Result {
                            verdict: machine::Verdict::NotMade,
                            detail: why,
                        });
                        return;
                    }
                }
            }
        };
        if let Some(latest) = self.checker.latest.get_mut(&run.slot) {
            latest.task = Some(task.abort_handle());
        }
    }

    /// A check has ended.
    pub(super) fn checked(&mut self, verdict: Verdict) {
        let Verdict {
            run,
            role,
            number,
            result,
            took,
        } = verdict;
        if !self.checker.is_latest(run, number) {
            return;
        }
        let stamp = self.clock.stamp();
        if let Some(component) = self.roster.name(run.slot)
            && !result.detail.is_empty()
        {
            log::debug!(
                "{component}: {} of run {}: {}",
                results::name(role),
                run.run,
                result.detail
            );
        }
        let event = Event::Checked {
            number,
            verdict: result.verdict,
        };
        if result.verdict != machine::Verdict::NotMade {
            let checked = Checked::new(run.run, stamp.wall_ms, took, result);
            self.checker.results.note(run.slot, role, checked);
        }
        self.fleet.event(stamp, run, event, &mut self.effects);
    }

    /// The flag beside the state has changed.
    pub(super) fn health_changed(&mut self, slot: Slot, health: Health) {
        let (Some(component), Some(view)) = (
            self.roster.name(slot).cloned(),
            self.fleet.view(slot, self.clock.now()),
        ) else {
            return;
        };
        let run = view.run;
        match health {
            Health::None | Health::Unknown => {}
            Health::Healthy => {
                if self.checker.results.was_unwell(slot, run) {
                    log::info!(target: "lifecycle", "{component}: run {run} answers as it should again");
                }
                self.happened(slot, Happening::Health(true));
            }
            Health::Unhealthy => match self.checker.results.trouble(slot, run) {
                // What its last check found is not what it was given up for.
                Some(_) if matches!(view.unwell, Some(Unwell::Watchdog | Unwell::Trouble)) => {
                    self.happened(slot, Happening::Health(false));
                }
                Some(detail) => {
                    log::warn!("{component}: run {run} is unhealthy: {detail}");
                    self.happened(slot, Happening::Unresponsive { run, detail });
                }
                None => self.happened(slot, Happening::Health(false)),
            },
        }
    }
}
