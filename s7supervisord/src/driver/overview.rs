//! The long form of the status: facts about the daemon and about each component.

use super::Driver;
use super::roster::is_debugged;
use crate::machine::input::{RunId, Slot};
use crate::machine::view::View;
use crate::registry::plan::NotifyBy;
use s7proto::overview::{ComponentFact, ComponentFacts, Overview, SupervisorFact};
use s7proto::reply::Done;
use s7proto::status::State;

/// How much is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Detail {
    /// What every client knows.
    Report,
    /// All facts.
    Overview,
}

impl Driver {
    /// The status of `slots`.
    pub(super) fn in_detail(&self, slots: &[Slot], detail: Detail) -> Done {
        let report = self.report(slots);
        match detail {
            Detail::Report => Done::Status(report),
            Detail::Overview => Done::Overview(Box::new(Overview {
                report,
                supervisor: self.supervisor_facts(),
                components: slots
                    .iter()
                    .filter_map(|slot| self.component_facts(*slot))
                    .collect(),
            })),
        }
    }

    fn supervisor_facts(&self) -> Vec<SupervisorFact> {
        let took_over = self.inheritance.took_over.clone();
        let order = self.roster.order().iter();
        let names = order.filter_map(|slot| self.roster.name(*slot));
        let pipes = names.filter_map(|name| self.capture.pipe_bytes(name)).sum();
        let pipes = SupervisorFact::PipeBytes(pipes);
        let history = self.history.is_lacking().then(|| {
            let folder = self.journal.path().parent().unwrap_or(std::path::Path::new(""));
            format!(
                "what happens can't be written to {}, so a next supervisor won't know of it; it is tried again",
                crate::state::history::path(folder).display()
            )
        });
        let unwritten = [self.log.fault(), self.folders.fault(), history]
            .into_iter()
            .flatten();
        self.stale_fact()
            .into_iter()
            .chain(took_over)
            .chain([pipes])
            .chain(self.upgrade_failed.clone())
            .chain(unwritten.map(|why| SupervisorFact::CannotWrite { why }))
            .collect()
    }

    fn component_facts(&self, slot: Slot) -> Option<ComponentFacts> {
        Some(ComponentFacts {
            id: self.roster.name(slot)?.clone(),
            facts: self.facts(slot)?,
        })
    }

    /// What is to be known of a component beside its status.
    pub(super) fn facts(&self, slot: Slot) -> Option<Vec<ComponentFact>> {
        let mut facts = Vec::new();
        let view = self.fleet.view(slot, self.clock.now())?;
        let run = RunId { slot, run: view.run };
        if view.pid.is_some() && self.inheritance.adopted.contains(&run) {
            facts.push(ComponentFact::Adopted);
        }
        let contained = self.host.contained(run).map(str::to_owned);
        facts.extend(contained.map(ComponentFact::Containment));
        let pipe = self
            .roster
            .name(slot)
            .and_then(|name| self.capture.pipe_bytes(name));
        facts.extend(pipe.map(ComponentFact::PipeBytes));
        if let Some(plan) = self.roster.plan(slot) {
            let checks = self.checker.results.facts(slot, plan);
            facts.extend(checks.into_iter().map(ComponentFact::Check));
            facts.extend(is_debugged(plan).then_some(ComponentFact::Debugged));
        }
        facts.extend(self.memory_fact(run));
        facts.extend(self.unwritten_fact(slot));
        self.add_said(&mut facts, slot, &view);
        Some(facts)
    }

    fn unwritten_fact(&self, slot: Slot) -> Option<ComponentFact> {
        let unwritten = self.capture.unwritten(self.roster.name(slot)?)?;
        Some(ComponentFact::OutputUnwritten {
            file: unwritten.file.display().to_string(),
            why: unwritten.why,
            since_ms: unwritten.since_ms,
            waits: unwritten.waits,
        })
    }

    /// What it says of itself.
    fn add_said(&self, facts: &mut Vec<ComponentFact>, slot: Slot, view: &View) {
        let notify = self.roster.plan(slot).and_then(|plan| plan.notify);
        let run = RunId { slot, run: view.run };
        let said = self.host.said(run);
        let ready = said.is_some_and(|said| said.ready);
        if let Some(notify) = notify
            && view.state == State::Starting
            && !ready
        {
            facts.push(ComponentFact::AwaitsNotice(match notify.by {
                NotifyBy::Socket => "by sd_notify".to_owned(),
                NotifyBy::Descriptor(number) => format!("by a newline on descriptor {number}"),
            }));
        }
        let Some(said) = said else { return };
        if !said.status.is_empty() {
            facts.push(ComponentFact::Said(said.status.clone()));
        }
        if said.ignored > 0 {
            facts.push(ComponentFact::NoticesIgnored(said.ignored));
        }
        // The rest is about a run that lives.
        if view.pid.is_some() {
            facts.extend(said.reloading.then_some(ComponentFact::Reloading));
            facts.extend(said.stopping.then_some(ComponentFact::SaysItStops));
            facts.extend(self.host.main_process(run).map(ComponentFact::MainProcess));
        }
    }
}
