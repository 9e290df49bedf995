//! Commands that were accepted and aren't answered yet.

use crate::control::call::Answer;
use crate::machine::input::{Slot, Ticket};
use s7proto::refusal::Refusal;
use s7proto::reply::{Done, Notice, Part, ReloadReport};
use std::collections::{HashMap, HashSet};

/// What kind of answer an operation gets.
#[derive(Debug)]
pub enum Kind {
    /// Start, stop, restart.
    Plain,
    /// Reload, with what was found to differ.
    Reload(ReloadReport),
    /// The end of the daemon.
    ShutDown,
    /// The end of the daemon, with a new beginning.
    Restarting,
}

struct Open {
    kind: Kind,
    /// Which components it is about; `None` for all.
    about: Option<HashSet<Slot>>,
    answer: Answer,
    parts: Vec<(Slot, Part)>,
}

/// The operations under way, by ticket.
#[derive(Default)]
pub struct Operations {
    open: HashMap<Ticket, Open>,
    last: u64,
}

impl Operations {
    /// A ticket for an operation that is about to begin.
    pub fn open(&mut self, kind: Kind, about: Option<&[Slot]>, answer: Answer) -> Ticket {
        self.last += 1;
        let ticket = Ticket(self.last);
        let about = about.map(|slots| slots.iter().copied().collect());
        self.open.insert(
            ticket,
            Open {
                kind,
                about,
                answer,
                parts: Vec::new(),
            },
        );
        ticket
    }

    /// Tells everybody who waits for `slot` that it has entered a state.
    pub fn notice(&self, slot: Slot, notice: &Notice) {
        for open in self
            .open
            .values()
            .filter(|open| open.about.as_ref().is_none_or(|about| about.contains(&slot)))
        {
            open.answer.notice(notice.clone());
        }
    }

    /// One part is decided.
    pub fn part(&mut self, ticket: Ticket, slot: Slot, part: Part) {
        if let Some(open) = self.open.get_mut(&ticket) {
            open.answer.notice(Notice::Finished(part.clone()));
            open.parts.push((slot, part));
        }
    }

    /// Everything is decided; `place` gives the order of the parts.
    pub fn reply(&mut self, ticket: Ticket, place: impl Fn(Slot) -> usize) {
        let Some(mut open) = self.open.remove(&ticket) else {
            return;
        };
        open.parts.sort_by_key(|(slot, _)| place(*slot));
        let parts = open.parts.into_iter().map(|(_, part)| part).collect();
        open.answer.reply(Ok(match open.kind {
            Kind::Plain => Done::Operation(parts),
            Kind::Reload(report) => Done::Reload(ReloadReport { parts, ..report }),
            Kind::ShutDown => Done::ShutDown(parts),
            Kind::Restarting => Done::Restarting(parts),
        }));
    }

    /// Another image carries on: those who wait may ask that one.
    pub fn hand_over(&mut self) {
        for (_, open) in self.open.drain() {
            open.answer.reply(Ok(Done::HandedOver));
        }
    }

    /// It isn't done.
    pub fn refuse(&mut self, ticket: Ticket, refusal: Refusal) {
        if let Some(open) = self.open.remove(&ticket) {
            open.answer.refuse(refusal);
        }
    }
}
