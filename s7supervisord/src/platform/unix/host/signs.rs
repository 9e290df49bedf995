//! How far apart runs say that their signs of life will be, and up to when they ask to have time, put into the record: a next
//! daemon goes by that.

use super::Host;
use crate::machine::input::{Event, NoteFrom, RunId};
use crate::platform::os::order::Order;
use crate::platform::process::since_boot_ns;
use std::collections::HashSet;
use std::time::Duration;
use tokio::time::Instant;

/// From one time that this is recorded to the next: a run may say something else two hundred times a second.
const PAUSE: Duration = Duration::from_secs(1);
/// Who asks for the same time over and over is recorded when the end of it has moved by this part: asking again as late as that
/// would be too late for a busy machine anyway.
const MOVED: u32 = 4;

/// What isn't in the record yet.
#[derive(Debug, Default)]
pub(super) struct Signs {
    /// Runs that have said something else than is recorded.
    changed: HashSet<RunId>,
    /// Some is being written: one order at a time, since a disk may hang.
    pending: bool,
    not_before: Option<Instant>,
}

impl Signs {
    /// When [`Host::note_signs`] is to be called.
    pub fn due(&self) -> Option<Instant> {
        let waits = !self.changed.is_empty() && !self.pending;
        self.not_before.filter(|_| waits)
    }
}

impl Host {
    /// Runs have said these.
    pub(super) fn have_said(&mut self, said: &[(RunId, Event)]) {
        for (run, event) in said {
            let Some(process) = self.runs.get_mut(run) else {
                continue;
            };
            match event {
                Event::Noticed(NoteFrom::AliveEvery(apart)) if process.signs != Some(*apart) => {
                    process.signs = Some(*apart);
                    self.signs.changed.insert(*run);
                }
                Event::Noticed(NoteFrom::MoreTime(span)) => {
                    let until = since_boot_ns().saturating_add(nanoseconds(*span));
                    let moved = process
                        .until
                        .is_none_or(|recorded| until.saturating_sub(recorded) > nanoseconds(*span / MOVED));
                    if moved {
                        process.until = Some(until);
                        self.signs.changed.insert(*run);
                    }
                }
                _ => {}
            }
        }
        if self.signs.not_before.is_none_or(|when| when <= Instant::now()) {
            self.note_signs();
        }
    }

    /// Records what has changed.
    pub(super) fn note_signs(&mut self) {
        if self.signs.pending || self.signs.changed.is_empty() {
            return;
        }
        let changed = std::mem::take(&mut self.signs.changed);
        let runs = &self.runs;
        let words = changed
            .iter()
            .filter_map(|run| Some(runs.get(run)?.said(run.run)));
        let words: Vec<String> = words.flatten().collect();
        if words.is_empty() {
            return;
        }
        self.signs.pending = true;
        self.signs.not_before = Some(Instant::now() + PAUSE);
        self.spawner.submit(Order::Signs(words));
    }

    /// What came of that.
    pub(super) fn signs_noted(&mut self, noted: Result<(), String>) {
        self.signs.pending = false;
        if let Err(why) = noted {
            self.recording.has_failed(&why);
        }
    }
}

fn nanoseconds(span: Duration) -> u64 {
    u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)
}
