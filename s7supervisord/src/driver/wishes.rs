//! What people have wished by name: noted in the record, so that it holds for the next daemon too (DESIGN 4).

use super::Driver;
use crate::machine::input::{Command, Remembered, Slot};
use crate::state::journal::Journal;
use crate::state::wishes::{self, Wished};
use s7proto::name::ComponentName;
use s7proto::status::{Actor, Wish};
use std::sync::Arc;
use tokio::sync::{mpsc, oneshot};

/// The wishes in force, and the way to the record.
pub struct Wishes {
    of: wishes::Wishes,
    notes: mpsc::UnboundedSender<Note>,
}

/// Lines for the record, and who wants to know that they are there.
struct Note {
    lines: String,
    written: Option<oneshot::Sender<()>>,
}

impl Wishes {
    /// The wishes that an earlier daemon has left. What is added is noted in `journal`, beside the loop and in order. To be
    /// called inside the runtime.
    #[must_use]
    pub fn new(of: wishes::Wishes, journal: Arc<Journal>) -> Self {
        // Each note belongs to a command, and these are bounded by the clients, who wait for their answers.
        let (notes, mut taken) = mpsc::unbounded_channel::<Note>();
        tokio::spawn(async move {
            while let Some(Note { lines, written }) = taken.recv().await {
                let journal = Arc::clone(&journal);
                let noted = tokio::task::spawn_blocking(move || journal.note(&lines)).await;
                if let Ok(Err(error)) = noted {
                    log::error!("noting what is wished: {error}; a next supervisor won't know it");
                }
                if let Some(written) = written {
                    let _ = written.send(());
                }
            }
        });
        Self { of, notes }
    }

    /// Notes lines; `written` is told once they are there, or dropped where there are none.
    fn note(&self, lines: String, written: Option<oneshot::Sender<()>>) {
        if !lines.is_empty() {
            let _ = self.notes.send(Note { lines, written });
        }
    }
}

impl Driver {
    /// The first command: what starts by itself, and what people have wished by name before.
    pub(super) fn boot(&mut self) {
        let mut remembered = Vec::new();
        for (component, wished) in &self.wishes.of {
            if let Some(slot) = self.roster.slot(component) {
                let Wished { wish, who, at_ms } = wished.clone();
                remembered.push(Remembered {
                    slot,
                    wish,
                    who,
                    at_ms,
                });
            }
        }
        for Remembered { slot, .. } in remembered.iter().filter(|one| one.wish == Wish::Down) {
            if let Some(name) = self.roster.name(*slot) {
                log::info!("{name}: somebody has stopped it, so it stays stopped");
            }
        }
        self.command(None, Actor::Supervisor, Command::Boot(remembered));
    }

    /// Somebody has wished something of `slots` by name; `written` is told once that is noted.
    pub(super) fn remember(&mut self, slots: &[Slot], wish: Wish, who: &Actor, written: oneshot::Sender<()>) {
        let at_ms = self.clock.stamp().wall_ms;
        let mut lines = String::new();
        for slot in slots {
            // What was refused was not wished.
            let is_wished = self
                .fleet
                .view(*slot, self.clock.now())
                .is_some_and(|view| view.wish == wish);
            let Some(name) = self.roster.name(*slot).filter(|_| is_wished) else {
                continue;
            };
            let wished = Wished {
                wish,
                who: who.clone(),
                at_ms,
            };
            lines.push_str(&wishes::line(name, Some(&wished)));
            self.wishes.of.insert(name.clone(), wished);
        }
        self.wishes.note(lines, Some(written));
    }

    /// Everything is wished up, also what was stopped by hand; `written` is told once that is noted.
    pub(super) fn forget_stops(&mut self, written: Option<oneshot::Sender<()>>) {
        let stopped = self
            .wishes
            .of
            .extract_if(.., |_, wished| wished.wish == Wish::Down);
        let lines: String = stopped.map(|(name, _)| wishes::line(&name, None)).collect();
        self.wishes.note(lines, written);
    }

    /// A component has left the registry, and what was wished of it goes with it.
    pub(super) fn forget_wish(&mut self, component: &ComponentName) {
        if self.wishes.of.remove(component).is_some() {
            self.wishes.note(wishes::line(component, None), None);
        }
    }
}
