//! Checking runs: each check is a task of its own, and its verdict comes back as one more thing that happens.

mod answer;
mod exec;
mod probe;
mod results;

use super::Driver;
use crate::machine::input::{Event, Role, RunId, Slot};
use crate::platform::beside::Errand;
use crate::registry::plan::{HealthPlan, ProbePlan};
use probe::Result;
pub use results::words;
use results::{Checked, Results};
use s7proto::event::Happening;
use s7proto::status::Health;
use std::time::{Duration, Instant};
use tokio::sync::mpsc;

/// Checks that are under way, at most one of each component as the machine sees to it, and what the last ones came to.
#[derive(Debug)]
pub struct Checker {
    /// Bounded by the checks under way.
    tell: mpsc::UnboundedSender<Verdict>,
    told: mpsc::UnboundedReceiver<Verdict>,
    pub(super) results: Results,
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

impl Default for Checker {
    fn default() -> Self {
        let (tell, told) = mpsc::unbounded_channel();
        Self {
            tell,
            told,
            results: Results::default(),
        }
    }
}

impl Checker {
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
        let Some(component) = self.roster.plan(run.slot).cloned() else {
            return;
        };
        let plan = match role {
            Role::Health => &component.health,
            Role::Readiness => &component.readiness,
        };
        let Some(HealthPlan { probe, timeout, .. }) = plan.clone() else {
            return;
        };
        let tell = self.checker.tell.clone();
        let began = Instant::now();
        let told = move |result| {
            let took = began.elapsed();
            // The loop is over when nobody listens.
            let _ = tell.send(Verdict {
                run,
                role,
                number,
                result,
                took,
            });
        };
        match probe {
            ProbePlan::Tcp { port } => {
                tokio::spawn(async move { told(probe::tcp(port, timeout).await) });
            }
            ProbePlan::Http(http) => {
                tokio::spawn(async move { told(probe::http(&http, timeout).await) });
            }
            ProbePlan::Exec { program, arguments } => {
                let what = program.display().to_string();
                match self
                    .host
                    .beside(Errand::check(run, &component, &program, &arguments))
                {
                    Some(command) => {
                        tokio::spawn(async move { told(exec::wait(command, &what, timeout).await) });
                    }
                    None => told(Result::unsure(format!(
                        "{what}: the check before was killed and isn't gone yet"
                    ))),
                }
            }
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
        let checked = Checked::new(run.run, stamp.wall_ms, took, result);
        self.checker.results.note(run.slot, role, checked);
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
                Some(detail) => {
                    log::warn!("{component}: run {run} is unhealthy: {detail}");
                    self.happened(slot, Happening::Unresponsive { run, detail });
                }
                None => self.happened(slot, Happening::Health(false)),
            },
        }
    }
}
