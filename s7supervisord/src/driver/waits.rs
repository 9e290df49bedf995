//! Clients that wait for components, without asking anything of them.

use super::Driver;
use crate::control::call::Answer;
use crate::machine::awaited::verdict;
use crate::machine::input::Slot;
use crate::machine::moment::Moment;
use s7proto::refusal::Refusal;
use s7proto::reply::{Done, Notice, Outcome, Part};
use s7proto::request::Until;
use std::collections::BTreeSet;

/// The clients that wait. At most as many as may be connected: one that has gone is dropped when the next comes.
#[derive(Default)]
pub struct Waits(Vec<Waiting>);

struct Waiting {
    until: Until,
    since: Moment,
    /// Who isn't there yet.
    open: BTreeSet<Slot>,
    parts: Vec<(Slot, Part)>,
    answer: Answer,
}

impl Driver {
    /// Answers once every one of `slots` is as it is waited for.
    pub(super) fn wait(&mut self, slots: Vec<Slot>, until: Until, answer: Answer) {
        self.waits.0.retain(|waiting| !waiting.answer.is_gone());
        self.waits.0.push(Waiting {
            until,
            since: self.clock.now(),
            open: slots.iter().copied().collect(),
            parts: Vec::new(),
            answer,
        });
        // Looking at nothing settles a wait for nothing.
        self.look(&slots);
    }

    /// Something has changed with `slots`: somebody may have waited for that.
    pub(super) fn look(&mut self, slots: &[Slot]) {
        if self.waits.0.is_empty() {
            return;
        }
        let now = self.clock.now();
        let (fleet, roster) = (&self.fleet, &self.roster);
        for waiting in &mut self.waits.0 {
            let open: Vec<Slot> = slots
                .iter()
                .filter(|slot| waiting.open.contains(slot))
                .copied()
                .collect();
            for slot in open {
                let (Some(view), Some(component)) = (fleet.view(slot, now), roster.name(slot)) else {
                    continue;
                };
                let Some(outcome) = verdict(&view, waiting.until) else {
                    continue;
                };
                let part = Part {
                    component: component.clone(),
                    outcome,
                    took_us: now.micros_since(waiting.since),
                };
                waiting.settle(slot, part);
            }
        }
        self.answer_waits();
    }

    /// `slot` leaves the registry; it still has its name.
    pub(super) fn wait_in_vain(&mut self, slot: Slot) {
        let Some(name) = self.roster.name(slot).cloned() else {
            return;
        };
        let now = self.clock.now();
        for waiting in self
            .waits
            .0
            .iter_mut()
            .filter(|waiting| waiting.open.contains(&slot))
        {
            let outcome = match waiting.until {
                Until::Down => Outcome::AlreadyDown,
                Until::Up => Outcome::Refused(Refusal::NoSuchComponent {
                    name: name.clone(),
                    similar: Vec::new(),
                }),
            };
            let part = Part {
                component: name.clone(),
                outcome,
                took_us: now.micros_since(waiting.since),
            };
            waiting.settle(slot, part);
        }
        self.answer_waits();
    }

    /// Another image carries on: those who wait may ask that one.
    pub(super) fn hand_over_waits(&mut self) {
        for waiting in self.waits.0.drain(..) {
            waiting.answer.reply(Ok(Done::HandedOver));
        }
    }

    fn answer_waits(&mut self) {
        let settled: Vec<Waiting> = self
            .waits
            .0
            .extract_if(.., |waiting| waiting.open.is_empty())
            .collect();
        if settled.is_empty() {
            return;
        }
        let places = self.roster.places();
        for mut waiting in settled {
            waiting.parts.sort_by_key(|(slot, _)| places.get(slot).copied());
            let parts = waiting.parts.into_iter().map(|(_, part)| part).collect();
            waiting.answer.reply(Ok(Done::Operation(parts)));
        }
    }
}

impl Waiting {
    fn settle(&mut self, slot: Slot, part: Part) {
        self.open.remove(&slot);
        self.answer.notice(Notice::Finished(part.clone()));
        self.parts.push((slot, part));
    }
}
