//! How far apart runs say that their signs of life will be, put into the record: a next daemon goes by that.

use super::Host;
use crate::machine::input::{Event, NoteFrom, RunId};
use crate::platform::os::order::Order;
use crate::state::known::signs_words;
use std::collections::HashSet;
use std::time::Duration;
use tokio::time::Instant;

/// From one time that this is recorded to the next: a run may say something else two hundred times a second.
const PAUSE: Duration = Duration::from_secs(1);

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
            if let Event::Noticed(NoteFrom::AliveEvery(apart)) = event
                && let Some(process) = self.runs.get_mut(run)
                && process.signs != Some(*apart)
            {
                process.signs = Some(*apart);
                self.signs.changed.insert(*run);
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
        let words = changed.into_iter().filter_map(|run| {
            let process = self.runs.get(&run)?;
            Some(signs_words(&process.component, run.run, process.signs?))
        });
        let words: Vec<String> = words.collect();
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
