//! Checking runs: each check is a task of its own, and its verdict comes back as one more thing that happens.

use super::Driver;
use crate::machine::input::{Event, Role, RunId, Slot, Verdict};
use crate::registry::plan::ProbePlan;
use s7proto::event::Happening;
use s7proto::status::Health;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::time::Instant;

/// Checks that are under way: at most one of each component, as the machine sees to it.
#[derive(Debug)]
pub struct Checker {
    tell: mpsc::UnboundedSender<(RunId, Event)>,
    told: mpsc::UnboundedReceiver<(RunId, Event)>,
}

impl Default for Checker {
    fn default() -> Self {
        let (tell, told) = mpsc::unbounded_channel();
        Self { tell, told }
    }
}

impl Checker {
    /// Waits for the next verdict. Can be dropped at any time without losing anything.
    pub async fn next(&mut self) -> (RunId, Event) {
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
        let plan = self.roster.plan(run.slot).and_then(|plan| match role {
            Role::Health => plan.health.clone(),
            Role::Readiness => plan.readiness.clone(),
        });
        let Some(plan) = plan else { return };
        let tell = self.checker.tell.clone();
        tokio::spawn(async move {
            let verdict = in_time(plan.timeout, probe(plan.probe)).await;
            // The loop is over when nobody listens.
            let _ = tell.send((run, Event::Checked { number, verdict }));
        });
    }

    /// The flag beside the state has changed.
    pub(super) fn health_changed(&mut self, slot: Slot, health: Health) {
        let healthy = match health {
            Health::Healthy => true,
            Health::Unhealthy => false,
            Health::None | Health::Unknown => return,
        };
        self.happened(slot, Happening::Health(healthy));
    }
}

/// What `probe` comes to, or that it has taken too long, and how late that was noticed.
async fn in_time(timeout: Duration, probe: impl Future<Output = Verdict>) -> Verdict {
    let until = Instant::now() + timeout;
    match tokio::time::timeout_at(until, probe).await {
        Ok(verdict) => verdict,
        Err(_) => Verdict::TimedOut {
            late: Instant::now().saturating_duration_since(until),
        },
    }
}

async fn probe(plan: ProbePlan) -> Verdict {
    match plan {
        ProbePlan::Tcp { port } => match TcpStream::connect(("127.0.0.1", port)).await {
            Ok(_) => Verdict::Well,
            Err(_) => Verdict::Ill,
        },
        ProbePlan::Http { .. } | ProbePlan::Exec { .. } => Verdict::Unsure,
    }
}
