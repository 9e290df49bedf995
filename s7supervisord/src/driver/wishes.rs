//! What people have wished by name: noted in the record, so that it holds for the next daemon too (DESIGN 4).

use super::Driver;
use super::background::Found;
use crate::failpoint::{self, Point};
use crate::machine::effect::Effect;
use crate::machine::input::{Command, Remembered, Slot};
use crate::state::journal::Journal;
use crate::state::wishes::{self, Wished};
use s7proto::status::{Actor, Wish};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::sync::{mpsc, oneshot};

/// The wishes in force, and the way to the record.
pub struct Wishes {
    of: wishes::Wishes,
    /// Who has stopped everything, and when, if that holds.
    all_down: Option<(Actor, i64)>,
    journal: Arc<Journal>,
    /// The record is owed something, and nobody has been told to write it.
    owes: bool,
    notes: mpsc::UnboundedSender<Note>,
    /// Those that aren't seen to yet.
    open: Arc<AtomicUsize>,
    /// Told once what the command under way has wished is written.
    written: Option<oneshot::Sender<()>>,
}

/// The record is owed something: who wants to know that it is there.
struct Note {
    written: Option<oneshot::Sender<()>>,
}

impl Wishes {
    /// The wishes that an earlier daemon has left. What is added is noted in `journal`, beside the loop and in order; `tell`
    /// hears why it can't be, and that it can again. To be called inside the runtime.
    #[must_use]
    pub fn new(
        (of, all_down): (wishes::Wishes, Option<(Actor, i64)>),
        journal: Arc<Journal>,
        tell: mpsc::UnboundedSender<Found>,
    ) -> Self {
        // Each note belongs to a command, and these are bounded by the clients, who wait for their answers.
        let (notes, mut taken) = mpsc::unbounded_channel::<Note>();
        let open = Arc::new(AtomicUsize::new(0));
        let left = Arc::clone(&open);
        let record = Arc::clone(&journal);
        tokio::spawn(async move {
            let mut failed = false;
            while let Some(Note { written }) = taken.recv().await {
                let journal = Arc::clone(&record);
                let noted = tokio::task::spawn_blocking(move || {
                    failpoint::reach(Point::RecordWish);
                    let noted = journal.settle();
                    failpoint::reach(Point::RecordWished);
                    noted
                });
                let noted = noted.await;
                let fault = match noted {
                    Ok(Ok(())) => None,
                    Ok(Err(error)) => Some(error.to_string()),
                    Err(error) => Some(error.to_string()),
                };
                if fault.is_some() || failed {
                    failed = fault.is_some();
                    let _ = tell.send(Found::WishesNoted(fault));
                }
                left.fetch_sub(1, Ordering::Relaxed);
                if let Some(written) = written {
                    let _ = written.send(());
                }
            }
        });
        Self {
            of,
            all_down,
            journal,
            owes: false,
            notes,
            open,
            written: None,
        }
    }

    /// Whether something is still to be written.
    #[must_use]
    pub fn is_being_noted(&self) -> bool {
        self.owes || self.open.load(Ordering::Relaxed) > 0
    }

    /// Has `written` told once what the command that is about to be given has wished is written; dropped where it has wished
    /// nothing.
    pub fn tell_when_written(&mut self, written: oneshot::Sender<()>) {
        self.written = Some(written);
    }

    /// Owes these lines to the record. From now on nothing gets there before them, so it is to be called before anything is done
    /// that follows from them.
    pub fn note(&mut self, lines: &[String]) {
        if !lines.is_empty() {
            self.journal.owe(lines);
            self.owes = true;
        }
    }

    /// A step is over: has written what it owes.
    pub fn settle(&mut self) {
        let written = self.written.take();
        if std::mem::take(&mut self.owes) {
            self.open.fetch_add(1, Ordering::Relaxed);
            let _ = self.notes.send(Note { written });
        }
    }
}

impl Driver {
    /// The first command: what starts by itself, and what people have wished by name before.
    pub(super) fn boot(&mut self) {
        let roster = &self.roster;
        let unknown = self
            .wishes
            .of
            .extract_if(.., |name, _| roster.slot(name).is_none());
        // What has left the registry meanwhile takes along what was wished of it.
        let lines: Vec<String> = unknown.map(|(name, _)| wishes::words(&name, None)).collect();
        self.wishes.note(&lines);
        let mut remembered = Vec::new();
        for (name, wished) in &self.wishes.of {
            let Wished {
                wish,
                who,
                at_ms,
                before_stop,
            } = wished;
            if let Some(slot) = self.roster.slot(name) {
                remembered.push(Remembered {
                    slot,
                    wish: *wish,
                    who: who.clone(),
                    at_ms: *at_ms,
                    overruled: *before_stop,
                });
            }
            match (wish, who) {
                (Wish::Up, _) => {}
                (Wish::Down, Actor::Supervisor) => log::info!(
                    "{name}: it was stopped because what it depends on was lost, so it stays stopped until somebody starts it"
                ),
                (Wish::Down, _) => log::info!("{name}: somebody has stopped it, so it stays stopped"),
            }
        }
        let all_down = self.wishes.all_down.clone();
        if let Some((who, _)) = &all_down {
            log::info!("{who} has stopped everything, so it stays stopped but for what was started since");
        }
        self.command(None, Actor::Supervisor, Command::Boot(remembered, all_down));
        self.booted = true;
    }

    /// Notes what is wished, of all that the machine says.
    pub(super) fn note_wishes(&mut self, effects: &[Effect]) {
        let mut lines = Vec::new();
        for effect in effects {
            match effect {
                Effect::Remember(remembered) => self.remember(remembered.clone(), &mut lines),
                Effect::Unremember(slot) => self.unremember(*slot, &mut lines),
                Effect::RememberAll(down) => self.remember_all(down.clone(), &mut lines),
                // The next daemon starts what starts by itself.
                Effect::Halt => self.remember_all(None, &mut lines),
                _ => {}
            }
        }
        self.wishes.note(&lines);
    }

    /// Somebody has wished something by name.
    fn remember(&mut self, remembered: Remembered, lines: &mut Vec<String>) {
        let Remembered {
            slot,
            wish,
            who,
            at_ms,
            overruled,
        } = remembered;
        if let Some(name) = self.roster.name(slot) {
            let wished = Wished {
                wish,
                who,
                at_ms,
                before_stop: overruled,
            };
            lines.push(wishes::words(name, Some(&wished)));
            self.wishes.of.insert(name.clone(), wished);
        }
    }

    /// What was wished by name no longer holds.
    fn unremember(&mut self, slot: Slot, lines: &mut Vec<String>) {
        if let Some(name) = self.roster.name(slot)
            && self.wishes.of.remove(name).is_some()
        {
            lines.push(wishes::words(name, None));
        }
    }

    /// Everything was stopped, or is to run again.
    fn remember_all(&mut self, down: Option<(Actor, i64)>, lines: &mut Vec<String>) {
        if down.is_some() || self.wishes.all_down.is_some() {
            lines.push(wishes::all_words(down.as_ref()));
            if down.is_some() {
                wishes::all_are_before(&mut self.wishes.of);
            }
            self.wishes.all_down = down;
        }
    }

    /// All wishes in force, as lines of the record.
    pub(super) fn wished(&self) -> Vec<String> {
        wishes::all_lines(&self.wishes.of, self.wishes.all_down.as_ref())
    }

    /// The daemon begins anew and starts everything then, also what was stopped by hand.
    pub(super) fn forget_stops(&mut self) {
        let stopped = self
            .wishes
            .of
            .extract_if(.., |_, wished| wished.wish == Wish::Down);
        let lines: Vec<String> = stopped.map(|(name, _)| wishes::words(&name, None)).collect();
        self.wishes.note(&lines);
    }

    /// Wishes can't be noted, for this reason, or can again.
    pub(super) fn wishes_noted(&mut self, fault: Option<String>) {
        match &fault {
            Some(why) => log::error!("noting what is wished: {why}; a next supervisor won't know it"),
            None => log::info!("what is wished can be noted again"),
        }
        self.wish_fault = fault.map(|why| format!("noting what is wished: {why}"));
    }
}
