//! Answers that don't end: events as they happen, and output as it is written.

use super::Driver;
use super::concern::Concern;
use super::history::Listening;
use crate::control::call::Answer;
use crate::machine::input::Slot;
use crate::output::follow::Follower;
use s7proto::LIMITS;
use s7proto::event::Event;
use s7proto::name::ComponentName;
use s7proto::reply::{Done, Notice};
use s7proto::request::Selection;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::sync::mpsc::error::TryRecvError;
use tokio::sync::watch;

/// How often a log that is followed is looked at for something new. Only while somebody follows it.
const LOOK: Duration = Duration::from_millis(100);

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
        let wanted = match which {
            Selection::All => Concern::Everything,
            Selection::Named(_) | Selection::Matching(_) => self.concern(slots),
        };
        let count = last.min(LIMITS.events) as usize;
        let past = self.history.latest(count, |event| wanted.includes(event));
        if !follow {
            return answer.reply(Ok(Done::Events(past)));
        }
        // One step of the loop: nothing happens between the snapshot and the subscription.
        let snapshot = Notice::Snapshot {
            sequence: self.history.last(),
            report: self.report(slots),
        };
        tokio::spawn(stream_events(
            answer,
            snapshot,
            past,
            wanted,
            self.history.listen(),
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

    /// Answers with the last lines of output, and with what is written from now on.
    pub(super) fn follow(&mut self, slots: &[Slot], lines: u32, answer: Answer) {
        let lines = lines.min(LIMITS.log_lines);
        let share = LIMITS.log_bytes / slots.len().max(1);
        let files: Vec<Followed> = slots
            .iter()
            .filter_map(|slot| self.roster.plan(*slot))
            .map(|plan| Followed {
                component: plan.id.clone(),
                file: Follower::new(plan.log.file.clone(), lines, share),
                trouble: None,
            })
            .collect();
        let piece = share.min(LIMITS.output_bytes);
        tokio::spawn(stream_output(answer, files, piece, self.alive.subscribe()));
    }
}

async fn stream_events(
    answer: Answer,
    snapshot: Notice,
    past: Vec<Event>,
    wanted: Concern,
    mut listening: Listening,
) {
    let past = past.into_iter().map(Notice::Happened);
    for notice in std::iter::once(snapshot).chain(past) {
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
        answer.reply(Ok(Done::StreamEnded));
    }
}

/// One component's output, as a client follows it.
struct Followed {
    component: ComponentName,
    file: Follower,
    /// What was last said about not being able to read it.
    trouble: Option<String>,
}

/// What one look at all files came to.
struct Look {
    files: Vec<Followed>,
    notices: Vec<Notice>,
    /// Some file may hold more.
    more: bool,
}

async fn stream_output(
    answer: Answer,
    mut files: Vec<Followed>,
    piece: usize,
    mut alive: watch::Receiver<()>,
) {
    let mut last = false;
    loop {
        // The disk is read beside the loop, and a client that is slow is waited for before more is read.
        let look = move || read(files, piece);
        let Ok(looked) = tokio::task::spawn_blocking(look).await else {
            return;
        };
        files = looked.files;
        for notice in looked.notices {
            if !answer.stream(notice).await {
                return;
            }
        }
        if looked.more {
            continue;
        }
        if last {
            break;
        }
        tokio::select! {
            () = tokio::time::sleep(LOOK) => {}
            // The daemon ends: one more look for what came last.
            _ = alive.changed() => last = true,
            () = answer.gone() => return,
        }
    }
    answer.reply(Ok(Done::StreamEnded));
}

/// One piece of each file: all of them together are no more than [`LIMITS`]`.log_bytes`, and a component that writes much
/// doesn't keep the others from being heard.
fn read(mut files: Vec<Followed>, piece: usize) -> Look {
    let mut notices = Vec::new();
    for followed in &mut files {
        let read = followed.file.read(piece);
        followed.tell(read, &mut notices);
    }
    let more = notices
        .iter()
        .any(|notice| matches!(notice, Notice::Output { bytes, .. } if bytes.len() >= piece));
    Look { files, notices, more }
}

impl Followed {
    fn tell(&mut self, read: std::io::Result<Vec<u8>>, notices: &mut Vec<Notice>) {
        match read {
            Ok(bytes) => {
                self.trouble = None;
                notices.extend(bytes.chunks(LIMITS.output_bytes).map(|piece| Notice::Output {
                    component: self.component.clone(),
                    bytes: piece.to_vec(),
                }));
            }
            Err(error) => {
                let why = error.to_string();
                if self.trouble.as_deref() != Some(why.as_str()) {
                    self.trouble = Some(why.clone());
                    notices.push(Notice::OutputUnreadable {
                        component: self.component.clone(),
                        why,
                    });
                }
            }
        }
    }
}
