//! What runs leave behind. There are no runs yet on Windows.

use std::io;
use std::path::Path;
use std::time::SystemTime;

/// How many entries of a folder are looked at.
pub const ENTRIES: usize = 10_000;

/// What came of [`keep_newest`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pruned {
    /// How many files were removed.
    pub removed: usize,
    /// The folder has more than [`ENTRIES`], and only those were looked at.
    pub is_cut: bool,
}

/// Removes nothing, so far.
///
/// # Errors
/// None so far.
pub fn keep_newest(_folder: &Path, _before: &str, _after: &str, _most: usize) -> io::Result<Pruned> {
    Ok(Pruned {
        removed: 0,
        is_cut: false,
    })
}

/// When a regular file was last written, and how long it is, in bytes.
///
/// # Errors
/// It is none.
pub fn regular_file(file: &Path) -> io::Result<(SystemTime, u64)> {
    let about = std::fs::symlink_metadata(file)?;
    if !about.is_file() {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "it is no regular file",
        ));
    }
    Ok((about.modified()?, about.len()))
}
