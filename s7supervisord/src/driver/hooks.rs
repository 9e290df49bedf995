//! The command for failures (`<onFailure>`): told of what has failed, beside the loop and beside the restart.

use super::Driver;
use crate::machine::hooks::Turns;
use crate::machine::input::{RunId, Slot};
use crate::machine::moment::Moment;
use crate::machine::view::Why;
use crate::platform::beside::{Beside, Errand};
use s7proto::status::{EndCause, Exit, ExitReport, SpawnFailure, SpawnStage};
use std::collections::{HashMap, HashSet};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::Instant;

/// How long the end of the daemon waits for the last commands to be killed.
const LAST: Duration = Duration::from_secs(1);

/// How much of a command's last output goes into the daemon's log, in characters.
const SHOWN: usize = 300;

/// The commands that run, and those that wait for their turn.
pub struct Hooks {
    turns: HashMap<Slot, Turns<Failure>>,
    /// Those that have something to tell.
    waiting: HashSet<Slot>,
    /// Bounded by the commands that run, one of each component.
    tell: mpsc::UnboundedSender<Slot>,
    told: mpsc::UnboundedReceiver<Slot>,
    /// The daemon ends: until then it waits for the last ones to go.
    until: Option<Moment>,
}

/// What a command is told.
struct Failure {
    run: RunId,
    event: &'static str,
    /// What else, as variables.
    details: Vec<(&'static str, String)>,
}

impl Default for Hooks {
    fn default() -> Self {
        let (tell, told) = mpsc::unbounded_channel();
        Self {
            turns: HashMap::new(),
            waiting: HashSet::new(),
            tell,
            told,
            until: None,
        }
    }
}

impl Hooks {
    /// Waits for the next command to end. Can be dropped at any time without losing anything.
    pub async fn next(&mut self) -> Slot {
        match self.told.recv().await {
            Some(slot) => slot,
            // It holds a sender itself.
            None => std::future::pending().await,
        }
    }

    /// A command of this component has ended.
    pub fn ended(&mut self, slot: Slot) {
        if let Some(turns) = self.turns.get_mut(&slot) {
            turns.ended();
        }
    }

    /// When the next one may run, or the daemon waits no longer.
    #[must_use]
    pub fn deadline(&self) -> Option<Moment> {
        let turns = self
            .waiting
            .iter()
            .filter_map(|slot| self.turns.get(slot)?.deadline());
        self.until.or_else(|| turns.min())
    }

    fn failed(&mut self, slot: Slot, failure: Failure) {
        self.turns.entry(slot).or_default().failed(failure);
        self.waiting.insert(slot);
    }

    /// What is to be told now.
    fn due(&mut self, now: Moment) -> Vec<(Slot, Failure, u64)> {
        let mut due = Vec::new();
        self.waiting.retain(|slot| {
            let next = self.turns.get_mut(slot).and_then(|turns| turns.next(now));
            let waits = next.is_none() && self.turns.contains_key(slot);
            due.extend(next.map(|(failure, missed)| (*slot, failure, missed)));
            waits
        });
        if !due.is_empty() {
            self.turns.retain(|_, turns| !turns.is_idle(now));
        }
        due
    }
}

impl Driver {
    /// A run is over: where that is a failure, somebody may want to know.
    pub(super) fn tell_of_end(&mut self, run: RunId, report: &ExitReport) {
        let event = match report.cause {
            EndCause::Crashed => "crashed",
            EndCause::Hung | EndCause::WatchdogMissed | EndCause::InTrouble => "hung",
            EndCause::NotReady => "not_ready",
            EndCause::OutputMatched => "output",
            EndCause::OutOfMemory => "oom",
            EndCause::TooMuchMemory => "memory",
            EndCause::Finished
            | EndCause::Requested
            | EndCause::KilledAfterTimeout
            | EndCause::Unseen
            | EndCause::DependencyLost => return,
        };
        if !self.is_told(run.slot) {
            return;
        }
        let mut details = vec![
            ("S7_REASON", report.to_string()),
            (
                "S7_LASTED",
                format!("{:.1}", Duration::from_micros(report.lasted_us).as_secs_f64()),
            ),
        ];
        match &report.exit {
            Exit::Code(code) => details.push(("S7_EXIT_CODE", code.to_string())),
            Exit::Signal { name, .. } => details.push(("S7_SIGNAL", name.clone())),
            Exit::Unknown => {}
        }
        self.hooks.failed(run.slot, Failure { run, event, details });
    }

    /// A run could not be begun: for a reason of its own, or because somebody else has its port. The machine being short of
    /// something is nobody's failure.
    pub(super) fn tell_of_start(&mut self, run: RunId, failure: &SpawnFailure) {
        let is_want = failure.host_fault && failure.stage != SpawnStage::CheckingPort;
        if !is_want && self.is_told(run.slot) {
            let failure = Failure {
                run,
                event: "start",
                details: vec![("S7_REASON", failure.to_string())],
            };
            self.hooks.failed(run.slot, failure);
        }
    }

    /// A component was given up.
    pub(super) fn tell_of_giving_up(&mut self, slot: Slot) {
        if !self.is_told(slot) {
            return;
        }
        let Some(view) = self.fleet.view(slot, self.clock.now()) else {
            return;
        };
        let reason = match &view.why {
            Why::SpawnFailed(failure) => failure.to_string(),
            // The end that it is given up for is told as one with that.
            Why::GaveUp(crashes) => match &view.last_exit {
                Some(report) => format!("{crashes} crashes in a row: {report}"),
                None => format!("{crashes} crashes in a row"),
            },
            _ => String::new(),
        };
        let failure = Failure {
            run: RunId { slot, run: view.run },
            event: "fatal",
            details: vec![("S7_REASON", reason)],
        };
        self.hooks.failed(slot, failure);
    }

    fn is_told(&self, slot: Slot) -> bool {
        self.roster
            .plan(slot)
            .is_some_and(|plan| plan.on_failure.is_some())
    }

    /// Begins the commands whose turn it is; called after each step, so that what happens together is told together.
    pub(super) fn begin_hooks(&mut self) {
        if self.hooks.waiting.is_empty() || self.hooks.until.is_some() || self.is_settling() {
            return;
        }
        for (slot, failure, missed) in self.hooks.due(self.clock.now()) {
            if !self.begin_hook(slot, failure, missed) {
                self.hooks.ended(slot);
            }
        }
    }

    /// Whether it was ordered.
    fn begin_hook(&mut self, slot: Slot, failure: Failure, missed: u64) -> bool {
        let Some(component) = self.roster.plan(slot).cloned() else {
            return false;
        };
        let Some(hook) = component.on_failure.clone() else {
            return false;
        };
        let (_, crashes, _) = self.fleet.tally(slot).unwrap_or_default();
        let Failure {
            run,
            event,
            mut details,
        } = failure;
        details.extend([
            ("S7_EVENT", event.to_owned()),
            ("S7_CRASHES", crashes.to_string()),
            ("S7_MISSED", missed.to_string()),
            ("S7_LOG", component.log.file.display().to_string()),
        ]);
        let details: Vec<(String, String)> = details
            .into_iter()
            .map(|(name, value)| (name.to_owned(), one_line(&value)))
            .collect();
        let errand = Errand::told(run, &component, (&hook.program, &hook.arguments), details);
        let what = format!(
            "{}: its command for failures {}",
            component.id,
            hook.program.display()
        );
        let Some(command) = self.host.beside(errand) else {
            log::warn!(
                "{what}: the one before was killed and isn't gone yet; it isn't told of run {}",
                run.run
            );
            return false;
        };
        log::info!(target: "lifecycle", "{what} is told: {event}, run {}", run.run);
        let (tell, timeout) = (self.hooks.tell.clone(), hook.timeout);
        tokio::spawn(async move {
            match wait(command, timeout).await {
                Ok(()) => log::debug!("{what} has succeeded"),
                Err(why) => log::warn!("{what} {why}"),
            }
            // The loop is over when nobody listens.
            let _ = tell.send(slot);
        });
        true
    }

    /// Whether the daemon needn't wait for commands: all are gone, or had their time.
    pub(super) fn hooks_are_over(&mut self) -> bool {
        let now = self.clock.now();
        match self.hooks.until {
            None => {
                self.host.end_errands();
                self.hooks.until = Some(now + LAST);
                self.host.has_no_errands()
            }
            Some(until) => self.host.has_no_errands() || until <= now,
        }
    }
}

/// Waits for its end, `timeout` at most; its tree ends with it.
async fn wait(mut command: Beside, timeout: Duration) -> Result<(), String> {
    command
        .began()
        .await
        .map_err(|failure| format!("can't be run: {failure}"))?;
    match command.ended_by(Instant::now() + timeout).await {
        Some(Ok(ended)) if ended.exit == Exit::Code(0) => Ok(()),
        Some(Ok(ended)) => {
            let output = one_line(String::from_utf8_lossy(&ended.output).trim());
            let from = output.chars().count().saturating_sub(SHOWN);
            let output: String = output.chars().skip(from).collect();
            let output = if output.is_empty() {
                String::new()
            } else {
                format!(": {output}")
            };
            Err(format!("{}{output}", ended.exit))
        }
        Some(Err(_)) => Err("was ended with the supervisor".to_owned()),
        None => Err(format!(
            "has taken longer than {timeout:?} and was killed, with all that it has begun"
        )),
    }
}

/// What stands in a variable or a line of the log.
fn one_line(text: &str) -> String {
    s7proto::plain::plain(text, ' ')
}
