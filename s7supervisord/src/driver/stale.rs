//! The registry that is in force where the one on disk can't be loaded, and keeping the present one for that case.

use super::Driver;
use crate::registry::{LoadFailure, Sources, kept};
use s7proto::event::Happening;
use s7proto::overview::SupervisorFact;
use s7proto::reply::Severity;

impl Driver {
    /// Keeps what is in force now, for the next daemon.
    pub fn keep_registry(&mut self, sources: Sources) {
        self.stale = None;
        let options = self.load.clone();
        let Some(dir) = self.journal.path().parent().map(ToOwned::to_owned) else {
            return;
        };
        tokio::task::spawn_blocking(move || {
            if let Err(error) = kept::keep(&dir, &options, &sources) {
                log::warn!(
                    "keeping the registry in {}: {error}; a next supervisor that finds a broken one can't go on with it",
                    dir.display()
                );
            }
        });
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
