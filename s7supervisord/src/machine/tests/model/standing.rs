//! What has to hold after each step: of the open tickets, of the order of tiers, and of every state.
//!
//! The numbers are those of the invariants in the research on reliability (C2).

use super::judge::Court;
use super::reference::Next;
use super::world::Process;
use crate::machine::fleet::GATE_TIMEOUT;
use crate::machine::input::{Slot, Ticket};
use s7proto::status::{State, Wish};

impl Court {
    pub(super) fn judge_tickets(&self) {
        for (ticket, parts) in &self.pending {
            assert!(!parts.is_empty(), "I8: {ticket:?} has all its parts and no reply");
            assert!(!self.halted, "I8: {ticket:?} is open at the halt");
        }
        let mut open = self.fleet.open_tickets();
        open.sort_by_key(|ticket| ticket.0);
        assert!(open.iter().eq(self.pending.keys()), "I8: open tickets");
    }

    /// What follows from the present states for the order of tiers.
    pub(super) fn judge_order(&mut self) {
        let now = self.now();
        self.models.prune_stop(now);
        if let Some((_, tier)) = self.models.stopping.last_key_value() {
            for slot in tier {
                let model = &self.models.all[slot];
                let ends = model.ending.is_some() || model.process == Some(Process::Creating);
                assert!(ends, "I7: it is the turn of {slot:?}, and nothing is done");
            }
            return;
        }
        while let Some(tier) = self.models.lowest_ordered() {
            let since = *self.models.gate_since.get_or_insert(now);
            if !self.models.laggards(tier, now).is_empty() {
                assert!(
                    now < since + GATE_TIMEOUT,
                    "I6: tier {tier} waits for more than 60 s"
                );
                return;
            }
            self.models.open(tier, now);
        }
        self.models.gate_since = None;
        self.models.excused.clear();
    }

    pub(super) fn judge_states(&mut self) {
        let now = self.now();
        let armed = self.fleet.armed();
        let slots: Vec<Slot> = self.fleet.slots().collect();
        assert!(slots.iter().eq(self.models.all.keys()), "who exists");
        for slot in slots {
            let view = self.fleet.view(slot, now).expect("it exists");
            let missing = self.models.missing(slot, now);
            let closed = !self.models.stopping.is_empty() || self.models.all[&slot].ordered;
            let asked_by: Vec<Ticket> = self
                .pending
                .iter()
                .filter(|(_, parts)| parts.contains(&slot))
                .map(|(ticket, _)| *ticket)
                .collect();
            let comes = self.world.will_tell(slot);
            let model = self.model(slot);
            if let Next::Retry(_, latest) = model.next {
                assert!(
                    now < latest,
                    "I11: {slot:?} should have been tried again before {latest}"
                );
            }
            let given_up = model.vigil.as_ref().and_then(|vigil| vigil.given_up);
            assert_eq!(
                given_up, None,
                "{slot:?} is to be given up, and nothing is done: {model:?}"
            );
            let state = model.state(now);
            assert_eq!(view.state, state, "{slot:?} is shown as it is: {model:?}");
            assert_eq!(view.wish, model.wish, "what is wished of {slot:?}");
            assert_eq!(view.run, model.run, "the run of {slot:?}");
            let alive = matches!(model.process, Some(Process::Alive | Process::Headless));
            assert_eq!(view.pid.is_some(), alive, "the process id of {slot:?}");
            let timer = armed.iter().filter(|(of, _)| *of == slot).count();
            assert!(timer <= 1, "{slot:?} has more than one timer");
            match state {
                State::Stopped | State::Exited | State::Fatal => {
                    assert_eq!(timer, 0, "no timer is left of {slot:?}")
                }
                State::Waiting => {
                    assert_eq!(timer, 0, "no timer is left of {slot:?}");
                    assert!(closed || missing.is_some(), "I4: {slot:?} waits for nothing");
                }
                State::Stopping | State::Backoff | State::Stuck => {
                    assert_eq!(timer, 1, "I4: {slot:?} is left alone")
                }
                State::Starting if model.process == Some(Process::Creating) => {
                    assert!(comes, "I4: nothing is bound to happen to {slot:?}");
                    assert_eq!(timer == 1, !model.overdue, "I4: nobody looks after {slot:?}");
                }
                State::Starting | State::Running => {}
            }
            if let Some(due) = model.kill_due.filter(|_| model.first_kill.is_none()) {
                assert!(now < due, "{slot:?} should have been killed at {due}");
            }
            if !asked_by.is_empty() {
                let busy = match state {
                    State::Starting | State::Stopping | State::Waiting => true,
                    State::Backoff => model.process.is_some(),
                    State::Running => model.ordered || (model.wish == Wish::Down && closed),
                    _ => false,
                };
                assert!(
                    busy,
                    "I8: {asked_by:?} wait for {slot:?}, which does nothing: {model:?}"
                );
            }
            let shown = self.announced.get(&slot).copied().unwrap_or(State::Stopped);
            assert_eq!(shown, state, "what was announced of {slot:?}");
        }
    }
}
