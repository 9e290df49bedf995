//! The registry that is in force where the one on disk can't be loaded, and keeping the present one for that case.

use super::Driver;
use super::background::Found;
use crate::registry::{LoadFailure, Sources, kept};
use s7proto::event::Happening;
use s7proto::overview::SupervisorFact;
use s7proto::reply::Severity;
use std::path::Path;

/// The order of what is to be kept: one after the other, and only the latest of those that wait.
#[derive(Debug)]
pub(super) struct Keeping<T> {
    under_way: bool,
    next: Option<T>,
}

impl<T> Default for Keeping<T> {
    fn default() -> Self {
        let (under_way, next) = (false, None);
        Self { under_way, next }
    }
}

impl<T> Keeping<T> {
    /// `what` is to be kept; it comes back if that is to be begun now.
    fn offer(&mut self, what: T) -> Option<T> {
        if std::mem::replace(&mut self.under_way, true) {
            self.next = Some(what);
            return None;
        }
        Some(what)
    }

    /// What was begun is over; what is to be begun now.
    fn over(&mut self) -> Option<T> {
        let next = self.next.take();
        self.under_way = next.is_some();
        next
    }

    /// Whether something is not kept yet.
    pub(super) fn is_under_way(&self) -> bool {
        self.under_way
    }
}

impl Driver {
    /// Keeps what is in force now, for the next daemon.
    pub fn keep_registry(&mut self, sources: Sources) {
        self.stale = None;
        self.sources = Some(sources.clone());
        if let Some(sources) = self.keeping.offer(sources) {
            self.begin_keeping(sources);
        }
    }

    /// Somebody has removed what was kept.
    pub(super) fn keep_registry_again(&mut self) {
        // While it is being kept for the first time, it isn't there either.
        if self.keeping.is_under_way() {
            return;
        }
        if let Some(sources) = self.sources.clone() {
            self.keep_registry(sources);
        }
    }

    /// What was to be kept is, or can't be; the next one's turn.
    pub(super) fn registry_kept(&mut self) {
        if let Some(sources) = self.keeping.over() {
            self.begin_keeping(sources);
        }
    }

    fn begin_keeping(&mut self, sources: Sources) {
        let options = self.load.clone();
        let dir = self.journal.path().parent().unwrap_or(Path::new("")).to_owned();
        let keep = move || {
            if let Err(error) = kept::keep(&dir, &options, &sources) {
                log::warn!(
                    "keeping the registry in {}: {error}; a next supervisor that finds a broken one can't go on with it",
                    dir.display()
                );
            }
            Found::RegistryKept
        };
        self.background.run(keep, Found::RegistryKept);
    }

    /// The registry can't be loaded, and what was kept is in force.
    pub fn is_stale(&mut self, failure: LoadFailure) {
        let is_error = |one: &&s7proto::reply::Diagnostic| one.severity == Severity::Error;
        let errors = failure.diagnostics.iter().filter(is_error).count();
        let errors = u32::try_from(errors).unwrap_or(u32::MAX);
        log::error!(
            "the last registry that could be loaded is in force, so that what runs goes on:\n{failure}"
        );
        let stale = Happening::RegistryStale { errors };
        self.history.note(self.clock.stamp().wall_ms, None, stale);
        self.stale = Some(failure);
    }

    /// What the status says of it.
    pub(super) fn stale_fact(&self) -> Option<SupervisorFact> {
        let failure = self.stale.as_ref()?;
        Some(SupervisorFact::StaleRegistry {
            file: failure.file.display().to_string(),
            diagnostics: failure.diagnostics.clone(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_quick_reloads_one_is_kept_at_a_time_and_the_last_one_last() {
        let mut keeping = Keeping::default();
        assert_eq!(keeping.offer(1), Some(1));
        assert_eq!((keeping.offer(2), keeping.offer(3)), (None, None));
        assert_eq!(keeping.over(), Some(3), "nobody needs the second one any more");
        assert_eq!(keeping.offer(4), None);
        assert_eq!(keeping.over(), Some(4));
        assert!(keeping.is_under_way());
        assert_eq!(keeping.over(), None);
        assert!(!keeping.is_under_way());
        assert_eq!(keeping.offer(5), Some(5));
    }
}
