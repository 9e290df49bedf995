//! Answers that don't end: events as they happen. Output as it is written is in [`super::logs`].

use super::concern::Concern;
use super::history::Listening;
use super::{Driver, Turn};
use crate::control::call::Answer;
use crate::machine::input::Slot;
use s7proto::LIMITS;
use s7proto::event::Event;
use s7proto::reply::{Done, Notice};
use s7proto::request::Selection;
use std::sync::atomic::Ordering;
use tokio::sync::mpsc::error::TryRecvError;
use tokio::sync::watch;

impl Driver {
    /// Answers with what has happened, and goes on if `follow`.
    pub(super) fn events(
        &mut self,
        which: &Selection,
        slots: &[Slot],
        last: u32,
        follow: bool,
        answer: Answer,
    ) {
        let wanted = self.wanted(which, slots);
        let count = last.min(LIMITS.events) as usize;
        let past = self.history.latest(count, |event| wanted.includes(event));
        if !follow {
            return answer.reply(Ok(Done::Events(past)));
        }
        self.follow_events(slots, wanted, (0, past), answer);
    }

    /// Goes on behind an event that was heard before.
    pub(super) fn events_after(&mut self, which: &Selection, slots: &[Slot], after: u64, answer: Answer) {
        let wanted = self.wanted(which, slots);
        let past = self.history.after(after, |event| wanted.includes(event));
        self.follow_events(slots, wanted, past, answer);
    }

    fn wanted(&self, which: &Selection, slots: &[Slot]) -> Concern {
        match which {
            Selection::All => Concern::Everything,
            Selection::Named(_) | Selection::Matching(_) => self.concern(slots),
        }
    }

    /// Tells what is, then what is `past`, of which so many are missed before it, and then what happens.
    fn follow_events(
        &mut self,
        slots: &[Slot],
        wanted: Concern,
        (missed, past): (u64, Vec<Event>),
        answer: Answer,
    ) {
        // One step of the loop: nothing happens between the snapshot and the subscription.
        let snapshot = Notice::Snapshot {
            sequence: self.history.last(),
            report: self.report(slots),
        };
        let missed = (missed > 0).then_some(Notice::Missed { events: missed });
        let first = std::iter::once(snapshot).chain(missed);
        let first = first.chain(past.into_iter().map(Notice::Happened)).collect();
        tokio::spawn(stream_events(
            answer,
            first,
            wanted,
            self.history.listen(),
            self.alive.subscribe(),
        ));
    }

    /// What is about `slots`.
    pub(super) fn concern(&self, slots: &[Slot]) -> Concern {
        let plans = slots.iter().filter_map(|slot| self.roster.plan(*slot));
        let names = plans.flat_map(|plan| {
            let server = plan.instance_of.as_ref().map(|(server, _)| server);
            std::iter::once(&plan.id).chain(server)
        });
        Concern::These(names.cloned().collect())
    }
}

async fn stream_events(
    answer: Answer,
    first: Vec<Notice>,
    wanted: Concern,
    mut listening: Listening,
    alive: watch::Receiver<Turn>,
) {
    for notice in first {
        if !answer.stream(notice).await {
            return;
        }
    }
    loop {
        let event = match listening.events.try_recv() {
            Ok(event) => Some(event),
            Err(TryRecvError::Empty) => {
                // Everything that there was room for is told, so now what is missing can be.
                let events = listening.missed.swap(0, Ordering::Relaxed);
                if events > 0 && !answer.stream(Notice::Missed { events }).await {
                    return;
                }
                tokio::select! {
                    event = listening.events.recv() => event,
                    () = answer.gone() => return,
                }
            }
            Err(TryRecvError::Disconnected) => None,
        };
        let Some(event) = event else { break };
        if wanted.includes(&event) && !answer.stream(Notice::Happened(Event::clone(&event))).await {
            return;
        }
    }
    let events = listening.missed.swap(0, Ordering::Relaxed);
    if events == 0 || answer.stream(Notice::Missed { events }).await {
        answer.reply(Ok(match *alive.borrow() {
            Turn::Present => Done::StreamEnded,
            Turn::HandedOver => Done::HandedOver,
        }));
    }
}
