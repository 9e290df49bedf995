//! Noticing that somebody takes away what the daemon is found by: on Windows nobody can while it is open.

use std::path::Path;

/// Nothing to be noticed.
#[derive(Debug, Default)]
pub struct Removals;

impl Removals {
    /// Watches nothing.
    #[must_use]
    pub fn begin() -> Self {
        Self
    }

    /// Watches nothing.
    pub fn watch<'a>(
        &self,
        _files: impl IntoIterator<Item = &'a Path>,
        _folders: impl IntoIterator<Item = &'a Path>,
        _own: &Path,
    ) {
    }

    /// Never comes back.
    pub async fn next(&self) {
        std::future::pending().await
    }
}
