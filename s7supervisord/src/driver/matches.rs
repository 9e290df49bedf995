//! Lines of output that something follows from: heard from the search, and acted on.

use super::Driver;
use crate::machine::input::{Event, RunId};
use crate::output::searcher::{Found, Searcher};
use crate::platform::output::Capture;
use crate::registry::plan::{Plan, TriggerAction};
use s7proto::event::{DumpReason, Happening, MatchAction};
use s7proto::name::ComponentName;
use std::collections::HashSet;
use tokio::sync::mpsc;

/// What the search has found and the loop hasn't heard yet: each `<match>` tells at most one line a second.
pub struct Matches {
    found: mpsc::UnboundedReceiver<Found>,
}

impl Matches {
    /// Has the output of `plan`'s components searched.
    #[must_use]
    pub fn new(capture: &Capture, plan: &Plan) -> Self {
        let (tell, found) = mpsc::unbounded_channel();
        capture.search_with(Searcher::new(move |found| {
            // The loop is over when nobody listens.
            let _ = tell.send(found);
        }));
        set(capture, plan);
        Self { found }
    }

    /// Waits for the next line. Can be dropped at any time without losing anything.
    pub async fn next(&mut self) -> Found {
        match self.found.recv().await {
            Some(found) => found,
            // The search ends with the last handle on the output, which the loop holds.
            None => std::future::pending().await,
        }
    }
}

/// Searches for what `plan` says from now on.
pub fn set(capture: &Capture, plan: &Plan) {
    let all: HashSet<&ComponentName> = plan.components.iter().map(|component| &component.id).collect();
    capture.search_only(|component| all.contains(component));
    for component in &plan.components {
        capture.search(&component.id, &component.triggers);
    }
}

impl Driver {
    /// A line was found.
    pub(super) fn matched(&mut self, found: Found) {
        let Found { component, run, what } = found;
        let Some(slot) = self.roster.slot(&component) else {
            return;
        };
        let action = match what.action {
            TriggerAction::Restart => MatchAction::Restart,
            TriggerAction::Dump => MatchAction::Dump,
            TriggerAction::Event => MatchAction::Event,
        };
        log::info!(target: "lifecycle", "{component}: run {run} has written {:?} ({})", what.line, action.name());
        let matched = Happening::Matched {
            run,
            action,
            line: what.line,
            times: what.times,
        };
        self.happened(slot, matched);
        let run = RunId { slot, run };
        match what.action {
            TriggerAction::Restart => {
                let stamp = self.clock.stamp();
                self.fleet.event(stamp, run, Event::Matched, &mut self.effects);
            }
            TriggerAction::Dump => {
                if let Err(outcome) = self.dump(run, DumpReason::Output, None) {
                    log::warn!(
                        "{component}: run {} is not asked for a dump: {}",
                        run.run,
                        super::dumps::why_not(&outcome)
                    );
                }
            }
            TriggerAction::Event => {}
        }
    }
}
