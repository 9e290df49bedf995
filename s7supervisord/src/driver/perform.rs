//! Carrying out what the machine says: one arm for each effect, no other branching.

use super::Driver;
use super::roster::NAMED_MEMBERS;
use crate::machine::effect::Effect;
use crate::machine::input::{RunId, Slot, Ticket};
use crate::machine::view::Why;
use crate::state::known::{Stays, Tally};
use s7proto::event::Happening;
use s7proto::name::ComponentName;
use s7proto::refusal::Refusal;
use s7proto::reply::{Notice, Outcome, Part};
use s7proto::status::{EndCause, ExitReport, Reason, SpawnFailure, State};

impl Driver {
    /// Carries out all effects that have come up.
    pub(super) fn perform(&mut self) {
        // Carrying one out may have the machine say more, as where nobody can be asked for a dump.
        while !self.effects.is_empty() {
            self.perform_once();
        }
        self.wishes.settle();
    }

    fn perform_once(&mut self) {
        let effects = std::mem::take(&mut self.effects);
        // Before all that follows from it: so that no next daemon knows of the one and not of the other.
        self.note_wishes(&effects);
        // First of all else: whoever has crashed is missed, and all else can be done meanwhile.
        for effect in &effects {
            if let Effect::Spawn(run) = effect
                && let Some(plan) = self.roster.plan(run.slot).cloned()
            {
                let tally = self.tally(run.slot);
                self.host.spawn(*run, plan, tally);
            }
        }
        for effect in effects {
            match effect {
                Effect::Spawn(_) | Effect::Remember(_) | Effect::Unremember(_) | Effect::RememberAll(_) => {}
                Effect::Ask(run) => {
                    if let Some(plan) = self.roster.plan(run.slot) {
                        self.host.ask(run, plan);
                    }
                }
                Effect::Check { run, role, number } => self.check_run(run, role, number),
                Effect::Diagnose { run, unwell } => self.diagnose(run, unwell),
                Effect::Health { slot, health } => self.health_changed(slot, health),
                Effect::Hasten(run) => self.host.hasten(run),
                Effect::AskRest(run) => self.host.ask_rest(run),
                Effect::Kill(run) => self.host.kill(run),
                Effect::Entered { slot, state } => self.entered(slot, state),
                Effect::Ended { run, report } => {
                    let (tally, stays) = (self.tally(run.slot), self.stays(run.slot));
                    let pid = self.host.pid(run);
                    self.host.forget(run, &tally, stays);
                    self.log_end(run, &report);
                    self.tell_of_end(run, &report);
                    self.look_for_remains(run, pid, &report);
                    self.happened(run.slot, Happening::Ended { run: run.run, report });
                }
                Effect::Part {
                    ticket,
                    slot,
                    outcome,
                    took_us,
                } => self.part(ticket, slot, outcome, took_us),
                Effect::DependencyDown { ticket, slot, on } => {
                    if let (Some(component), Some(dependency)) =
                        (self.roster.name(slot), self.roster.name(on))
                    {
                        let refusal = Refusal::DependencyDown {
                            component: component.clone(),
                            dependency: dependency.clone(),
                        };
                        self.part(ticket, slot, Outcome::Refused(refusal), 0);
                    }
                }
                Effect::Reply(ticket) => {
                    let places = self.roster.places();
                    self.operations
                        .reply(ticket, |slot| places.get(&slot).copied().unwrap_or(usize::MAX));
                }
                Effect::Refuse(ticket) => self.operations.refuse(ticket, Self::shutting_down()),
                Effect::GateTimedOut { tier, laggards } => {
                    let laggards = laggards.iter().filter_map(|slot| self.roster.name(*slot));
                    let names: Vec<&str> = laggards.clone().map(ComponentName::as_str).collect();
                    log::warn!(
                        "tier {tier} starts although these are not ready: {}",
                        names.join(", ")
                    );
                    let laggards = laggards.take(NAMED_MEMBERS).cloned().collect();
                    let forced = Happening::TierForced { tier, laggards };
                    self.history.note(self.clock.stamp().wall_ms, None, forced);
                }
                Effect::SpawnOverdue(run) => {
                    let label = self.label(run.slot).unwrap_or_default();
                    log::error!(
                        "{label}: creating run {} takes very long; is its file system there?",
                        run.run
                    );
                }
                Effect::Forget(slot) => {
                    self.wait_in_vain(slot);
                    self.checker.forget(slot);
                    self.happened(slot, Happening::Forgotten);
                    if let Some(plan) = self.roster.plan(slot).cloned() {
                        self.capture.forget(&plan.id);
                        self.capture.search(&plan.id, &[]);
                        self.host.forget_component(&plan.id);
                    }
                    self.host.forget_said(slot);
                    self.roster.forget(slot);
                }
                Effect::Halt => self.end = Some(self.then),
            }
        }
    }

    /// What the record tells the next daemon beside the runs.
    pub(super) fn tally(&self, slot: Slot) -> Tally {
        let (restarts, crashes, last_exit) = self.fleet.tally(slot).unwrap_or_default();
        Tally {
            restarts,
            crashes,
            last_exit,
        }
    }

    pub(super) fn stays(&self, slot: Slot) -> Option<Stays> {
        match self.fleet.view(slot, self.clock.now())?.state {
            State::Exited => Some(Stays::Exited),
            State::Fatal => Some(Stays::Fatal),
            _ => None,
        }
    }

    fn label(&self, slot: Slot) -> Option<String> {
        self.roster.name(slot).map(ToString::to_string)
    }

    fn part(&mut self, ticket: Ticket, slot: Slot, outcome: Outcome, took_us: u64) {
        if let Some(component) = self.roster.name(slot).cloned() {
            self.operations.part(
                ticket,
                slot,
                Part {
                    component,
                    outcome,
                    took_us,
                },
            );
        }
    }

    pub(super) fn happened(&mut self, slot: Slot, what: Happening) {
        if let Some(component) = self.roster.name(slot).cloned() {
            let at_ms = self.clock.stamp().wall_ms;
            self.history.note(at_ms, Some(component), what);
        }
    }

    fn entered(&mut self, slot: Slot, state: State) {
        self.service.changed();
        self.tell_entered(slot, state);
        if state == State::Fatal {
            self.tell_of_giving_up(slot);
        }
        self.watch_memory(slot);
        let Some(view) = self.fleet.view(slot, self.clock.now()) else {
            return;
        };
        // Elsewhere its age says it.
        if state == State::Running && self.fleet.is_ready_when_told(slot) {
            self.host.note_ready(RunId { slot, run: view.run });
        }
        // Why something waits is told by `why` as it is then; here it would only be what it was for a moment. A crash is
        // counted when its tree is gone, and that is an event of its own.
        let reason = match (state, &view.why) {
            (State::Backoff, Why::SpawnFailed(_))
            | (State::Stopping, Why::GivenUpRun(_))
            | (State::Stopped | State::Exited | State::Fatal | State::Stuck, _) => self.roster.reason(&view),
            _ => None,
        };
        // Where a run has ended, its end says so in the record; here there was none.
        if state == State::Fatal
            && matches!(view.why, Why::SpawnFailed(_))
            && let Some(component) = self.roster.name(slot).cloned()
        {
            let run = RunId { slot, run: view.run };
            let tally = self.tally(slot);
            self.host.note_rest(&component, run, &tally, Stays::Fatal);
        }
        let entered = Happening::Entered {
            state,
            run: view.run,
            pid: view.pid,
            reason,
        };
        self.happened(slot, entered);
        self.look(&[slot]);
    }

    /// A start has failed and the next one has begun without a pause: the machine enters no other state then, and it is told all
    /// the same.
    pub(super) fn tell_if_tried_at_once(&mut self, failed: RunId, failure: SpawnFailure) {
        let slot = failed.slot;
        let view = self.fleet.view(slot, self.clock.now());
        let next = view.filter(|view| view.state == State::Starting && view.run > failed.run);
        let (Some(next), Some(component)) = (next, self.roster.name(slot)) else {
            return;
        };
        log::warn!("{component}: cannot start: {failure}; tried again at once");
        for (state, run, reason) in [
            (State::Backoff, failed.run, Some(Reason::SpawnFailed(failure))),
            (State::Starting, next.run, None),
        ] {
            let pid = None;
            self.happened(
                slot,
                Happening::Entered {
                    state,
                    run,
                    pid,
                    reason,
                },
            );
        }
    }

    fn tell_entered(&self, slot: Slot, state: State) {
        let Some(component) = self.roster.name(slot) else {
            return;
        };
        self.operations.notice(
            slot,
            &Notice::Entered {
                component: component.clone(),
                state,
            },
        );
        let Some(view) = self.fleet.view(slot, self.clock.now()) else {
            return;
        };
        let pid = view.pid.map_or_else(String::new, |pid| format!(", pid {pid}"));
        match state {
            State::Running => log::info!(target: "lifecycle", "{component}: ready, run {}{pid}", view.run),
            State::Backoff => match &view.why {
                crate::machine::view::Why::SpawnFailed(failure) => log::warn!(
                    "{component}: cannot start: {failure}; next try in {:.1} s",
                    seconds(view.next_try_us.unwrap_or(0))
                ),
                _ => log::debug!("{component}: BACKOFF"),
            },
            State::Fatal => match &view.why {
                crate::machine::view::Why::SpawnFailed(failure) => {
                    log::error!("{component}: given up: {failure}");
                }
                crate::machine::view::Why::GaveUp(in_a_row) => {
                    log::error!("{component}: given up, {in_a_row} crashes in a row");
                }
                _ => log::error!("{component}: given up"),
            },
            State::Stuck => {
                log::error!("{component}: killed, and still there{pid}; trying again each minute")
            }
            State::Stopped | State::Waiting | State::Starting | State::Stopping | State::Exited => {
                match view.unwell.filter(|_| state == State::Stopping) {
                    // Its end may be as far away as its time to stop.
                    Some(unwell) => log::warn!(
                        "{component}: run {} {}; it is being stopped",
                        view.run,
                        unwell.end_cause()
                    ),
                    None => log::debug!("{component}: {}{pid}", state.name()),
                }
            }
        }
    }

    fn log_end(&self, run: RunId, report: &ExitReport) {
        let Some(component) = self.roster.name(run.slot) else {
            return;
        };
        let exit = &report.exit;
        let lasted = seconds(report.lasted_us);
        let run = run.run;
        match report.cause {
            EndCause::Crashed => {
                log::warn!("{component}: run {run} {exit} after {lasted:.1} s, unexpectedly");
            }
            EndCause::Finished => {
                log::info!(target: "lifecycle", "{component}: run {run} {exit} after {lasted:.1} s");
            }
            EndCause::Requested => {
                log::info!(target: "lifecycle", "{component}: stopped, run {run} {exit} after {lasted:.1} s");
            }
            EndCause::KilledAfterTimeout => {
                log::warn!("{component}: did not stop in time and was killed, run {run}, {lasted:.1} s");
            }
            EndCause::Unseen => {
                log::warn!("{component}: run {run} has ended while no supervisor was there; {exit}");
            }
            EndCause::Hung
            | EndCause::NotReady
            | EndCause::WatchdogMissed
            | EndCause::InTrouble
            | EndCause::OutputMatched => {
                log::warn!(
                    "{component}: run {run} {} and was stopped after {lasted:.1} s; {exit}",
                    report.cause
                );
            }
            EndCause::TooMuchMemory => {
                log::warn!(
                    "{component}: run {run} took more memory than it may and was stopped after {lasted:.1} s"
                );
            }
            EndCause::DependencyLost => {
                log::info!(target: "lifecycle", "{component}: run {run} was stopped after {lasted:.1} s, because what it depends on was lost");
            }
            EndCause::OutOfMemory => {
                log::warn!(
                    "{component}: run {run} ended after {lasted:.1} s, most likely for want of memory; {exit}"
                );
            }
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "a duration is shown with one digit")]
fn seconds(micros: u64) -> f64 {
    micros as f64 / 1e6
}
