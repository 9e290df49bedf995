//! Whether what a daemon of root obeys can be written by anybody else (DESIGN 3, "Trust").
//!
//! Whoever can write the registry, or replace it by writing a folder on the way to it, would command root.

use std::io;
use std::path::{Path, PathBuf};

#[cfg_attr(unix, path = "trust_unix.rs")]
#[cfg_attr(windows, path = "trust_windows.rs")]
mod os;

/// Why a file or folder isn't trusted.
#[derive(Debug, thiserror::Error)]
pub enum Untrusted {
    /// Others than root can write it, or something on the way to it.
    #[error(
        "refusing to obey {} as root: {what}; {advice}",
        path.display()
    )]
    Writable {
        /// What was to be obeyed.
        path: PathBuf,
        /// Who can write what.
        what: String,
        /// What to do.
        advice: String,
    },
    /// It could not be looked at.
    #[error("cannot tell who can write {}: {}: {source}", path.display(), at.display())]
    Unknown {
        /// What was to be obeyed.
        path: PathBuf,
        /// Where looking failed.
        at: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// Checks everything that a daemon obeys: the registry, the profile folder with the files in it, and its own binary.
///
/// # Errors
/// As [`check`].
pub fn check_obeyed(registry: &Path, install_folder: &Path) -> Result<(), Untrusted> {
    if !os::is_privileged() {
        return Ok(());
    }
    let folder = super::profile_folder(install_folder);
    let unknown = |path: &Path, source: io::Error| Untrusted::Unknown {
        path: path.to_path_buf(),
        at: path.to_path_buf(),
        source,
    };
    let mut all = vec![registry.to_path_buf(), folder.clone()];
    match std::fs::read_dir(&folder) {
        Ok(entries) => {
            // More than this are refused by loading anyway.
            for entry in entries.take(1000) {
                all.push(entry.map_err(|source| unknown(&folder, source))?.path());
            }
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(source) => return Err(unknown(&folder, source)),
    }
    let own = std::env::current_exe()
        .map_err(|source| unknown(Path::new("the supervisor's own binary"), source))?;
    all.push(own);
    check(all.iter().map(PathBuf::as_path))
}

/// Checks `paths` if this process is one that others could command through them: on Unix, one of root. What doesn't
/// exist is not obeyed either, and passes.
///
/// # Errors
/// [`Untrusted`] names the first path that others can write, the place, and what to do.
pub fn check<'a>(paths: impl IntoIterator<Item = &'a Path>) -> Result<(), Untrusted> {
    if !os::is_privileged() {
        return Ok(());
    }
    paths.into_iter().try_for_each(os::check_path)
}
