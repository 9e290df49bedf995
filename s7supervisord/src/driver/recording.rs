//! The record as a whole: that it is there, and writing it anew where it isn't.

use super::Driver;
use super::background::Found;
use super::history_writer::{Wanted, Writer};
use crate::machine::input::RunId;
use crate::platform::leftovers;
use crate::registry::kept;
use crate::state::known::end_words;
use crate::state::past::{Kept, Said};
use crate::state::{history, line};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::oneshot;

/// From one try to record what could not be recorded, or to name again what has lost its name, to the next.
const RECORD_RETRY: Duration = Duration::from_secs(10);

impl Driver {
    /// Has it tried again, after a while, to record what could not be recorded.
    pub(super) fn look_at_record(&mut self) {
        if self.host.recorded_again() {
            log::info!("what runs is recorded again");
            self.wish_fault = None;
            // The file is another one, to be watched.
            self.refresh.notify_one();
        }
        if self.host.has_new_names() {
            // As above, of the folder.
            self.refresh.notify_one();
        }
        let whole = self.host.record_fault().is_none() && self.wish_fault.is_none();
        let whole = whole && self.folders.fault().is_none();
        if whole && !self.host.lacks_names() && !self.history.is_lacking() {
            self.record_at = None;
        } else if self.record_at.is_none() {
            self.record_at = Some(self.clock.now() + RECORD_RETRY);
        }
    }

    /// Tries once more what could not be done.
    pub(super) fn try_again(&mut self) {
        self.record_at = Some(self.clock.now() + RECORD_RETRY);
        if self.host.lacks_names() {
            self.host.look_after_names(self.place_fault.is_none());
        }
        if self.host.record_fault().is_some() || self.wish_fault.is_some() {
            self.record_again();
        }
        if self.history.is_lacking() {
            self.history_again();
        }
        self.make_folders();
    }

    /// Records everything anew.
    pub(super) fn record_again(&mut self) {
        self.record_at = Some(self.clock.now() + RECORD_RETRY);
        if self.place_fault.is_some() {
            // Whoever has the lock now has a record of his own there.
            return;
        }
        let mut others = self.wished();
        // What is known of those that don't run has been in the record as well.
        for slot in self.roster.order() {
            let view = self.fleet.view(*slot, self.clock.now());
            if let (Some(view), Some(component)) =
                (view.filter(|view| view.pid.is_none()), self.roster.name(*slot))
                && view.run > 0
            {
                let words = end_words(component, view.run, &self.tally(*slot), self.stays(*slot));
                others.push(words);
            }
        }
        self.host.record_again(&others);
    }

    /// What the next daemon has to know after everything was stopped: what was wished by name, and what could not be ended.
    pub(super) fn last_record(&self) -> Vec<u8> {
        let wished = self.wished();
        let mut lines: Vec<u8> = wished
            .iter()
            .flat_map(|words| line::sealed(words).into_bytes())
            .collect();
        lines.extend(self.host.records());
        lines
    }

    /// Why a next daemon would not know all that it has to, if so.
    pub(super) fn state_fault(&self) -> Option<String> {
        let of_runs = self.host.record_fault().map(str::to_owned);
        let of_place = self.place_fault.clone();
        of_place.or(of_runs).or_else(|| self.wish_fault.clone())
    }

    /// The runtime folder was looked after, because something of it may have been removed.
    pub(super) fn looked_after(&mut self) {
        self.place_fault = self.looked.borrow_and_update().clone();
        self.host.look_after_names(self.place_fault.is_none());
        if self.place_fault.is_some() {
            return;
        }
        let journal = Arc::clone(&self.journal);
        let dir = journal.path().parent().unwrap_or(Path::new("")).to_owned();
        let nothing = Found::Missing {
            journal: false,
            history: false,
            registry: false,
        };
        let look = move || Found::Missing {
            journal: !journal.is_kept(),
            history: !history::is_kept(&dir),
            registry: !kept::is_kept(&dir),
        };
        self.background.run(look, nothing);
    }

    /// Writes anew what is missing.
    pub(super) fn missing(&mut self, journal: bool, history: bool, registry: bool) {
        if journal {
            let fault = format!("{} was removed", self.journal.path().display());
            log::error!("{fault}: it is written anew");
            self.host.record_is_lost(fault);
            self.record_again();
        }
        if history {
            self.history_again();
        }
        if registry {
            self.keep_registry_again();
        }
    }

    /// What has happened before is known. Has all of it written down from now on, with what happens.
    pub(super) fn begin_history(&mut self, kept: Kept) {
        let roster = &self.roster;
        self.history.go_on(kept, self.clock.stamp().wall_ms, |name| {
            roster.slot(name).is_some()
        });
        let dir = self.journal.path().parent().unwrap_or(Path::new("")).to_owned();
        match Writer::start(dir, leftovers::boot_id(), self.background.teller()) {
            Ok(writer) => self.history.write_with(writer),
            Err(error) => {
                log::error!("beginning to write down what happens: {error}: a next supervisor won't know it");
            }
        }
    }

    /// What becomes of writing down what happens.
    pub(super) fn history_wants(&mut self, wanted: Wanted) {
        match wanted {
            Wanted::Anew => self.history_again(),
            Wanted::AnewLater => self.history.is_not_written(true),
            Wanted::Look => self.refresh.notify_one(),
            Wanted::Nothing => self.history.is_not_written(false),
        }
    }

    fn history_again(&self) {
        // Else whoever has the lock now has a history of his own there.
        if self.place_fault.is_none() {
            self.history.write_anew();
        }
    }

    /// Has the end of this daemon's turn written down for the next one. What comes back hears when it is.
    #[must_use]
    pub fn close_history(&self) -> Option<oneshot::Receiver<()>> {
        if self.place_fault.is_some() {
            return None;
        }
        let said = self.roster.order().iter().filter_map(|slot| {
            let view = self.fleet.view(*slot, self.clock.now())?;
            view.pid?;
            let (slot, run) = (*slot, view.run);
            let status = &self.host.said(RunId { slot, run })?.status;
            let component = self.roster.name(slot)?.clone();
            let status = status.clone();
            (!status.is_empty()).then_some(Said {
                component,
                run,
                status,
            })
        });
        if self.history.is_lacking() {
            self.history.write_anew();
        }
        self.history.close(said.collect())
    }
}
