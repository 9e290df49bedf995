//! What a run says of itself, and the signs of life that it owes.

use super::{Checks, Finding};
use crate::machine::input::NoteFrom;
use crate::machine::life::Unwell;
use crate::machine::moment::Moment;

impl Checks {
    /// The component has said something of itself.
    pub fn noticed(&mut self, note: NoteFrom, now: Moment) -> Finding {
        if self.given_up {
            return Finding::Nothing;
        }
        if !matches!(note, NoteFrom::Unheard | NoteFrom::HeardAgain) {
            self.unproven = false;
        }
        match note {
            NoteFrom::Ready => {
                self.awaits_notice = false;
                self.sign(now);
                self.look_whether_ready(now)
            }
            NoteFrom::Alive => {
                self.sign(now);
                Finding::Nothing
            }
            NoteFrom::AliveEvery(span) => {
                self.watchdog = (!span.is_zero()).then_some(span);
                self.sign(now);
                Finding::Nothing
            }
            NoteFrom::MoreTime(span) => {
                // Only ever more: what it has, it keeps (sd_notify(3)).
                self.has_until(now + span);
                Finding::Nothing
            }
            NoteFrom::Trouble => self.give_up(Unwell::Trouble),
            // Nobody looks any more whether it is well; the component sees to the rest.
            NoteFrom::Stopping => Finding::Nothing,
            NoteFrom::Unheard => {
                self.unheard = true;
                self.may_have_told = true;
                self.sign(now);
                Finding::Nothing
            }
            NoteFrom::HeardAgain => {
                self.unheard = false;
                self.sign(now);
                Finding::Nothing
            }
        }
    }

    /// It has time to start until then, if it has no more anyway.
    pub fn has_until(&mut self, more: Moment) {
        if let Some(until) = &mut self.startup_until {
            self.last_call &= more <= *until;
            self.overtime &= more <= *until;
            *until = (*until).max(more);
        }
    }

    /// A sign of life has come, or its time begins anew. Who can't be heard owes none.
    pub(super) fn sign(&mut self, now: Moment) {
        self.owe_sign(now);
        self.last_call &= !self.ready;
    }

    pub(super) fn owe_sign(&mut self, now: Moment) {
        let is_heard = !self.unheard && !self.unproven;
        let owed = self.watchdog.filter(|_| self.ready && is_heard);
        self.sign_due = owed.map(|span| now + span);
    }
}
