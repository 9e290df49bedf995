//! A log and what it has left behind, opened at one moment: rotation may rename them at any time.

use crate::output::packed;
use crate::output::rotated::RotatedNames;
use crate::platform::log_file;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

/// How many files of one log are opened at most, the newest ones: each is a descriptor for as long as one request lasts.
const MOST: usize = 256;

/// How often is tried to see all files between two rotations. After that what was found is taken as it is.
const TRIES: u32 = 10;

/// One file of a log, open.
#[derive(Debug)]
pub struct Link {
    /// What it was called.
    pub path: PathBuf,
    /// The file itself.
    pub file: File,
    /// Whether it is compressed.
    pub packed: bool,
    /// How many bytes the file has.
    pub length: u64,
    /// Which file it is (see [`log_file::identity`]).
    pub own: u64,
    /// Which file it was before it was compressed; else the same.
    pub origin: u64,
    /// When it was last written, in milliseconds since 1970. Compression doesn't change that.
    pub modified: i64,
}

impl Link {
    /// The same file once more, with a position of its own.
    ///
    /// # Errors
    /// There is no descriptor left.
    pub fn again(&self) -> io::Result<Self> {
        Ok(Self {
            path: self.path.clone(),
            file: self.file.try_clone()?,
            ..*self
        })
    }
}

/// A place in a chain of links.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// Which link, 0 being the newest.
    pub link: usize,
    /// Which byte of it, of what is in it where it is compressed.
    pub offset: u64,
}

/// Opens `log`, where it exists, and the files that it has left behind, the newest first.
///
/// What can't be read among the old ones is left out. Where the log is rotated all the time, one may be missing.
///
/// # Errors
/// The log itself is there and can't be opened, or its folder can't be read.
pub fn open(log: &Path) -> io::Result<Vec<Link>> {
    Ok(open_at_once(log)?.0)
}

/// As [`open`], and whether all of them were there at the same moment.
///
/// # Errors
/// As with [`open`].
pub fn open_at_once(log: &Path) -> io::Result<(Vec<Link>, bool)> {
    let Some(names) = RotatedNames::of(log) else {
        return Ok((Vec::new(), true));
    };
    let mut tries = 0;
    loop {
        tries += 1;
        let listed = names.list()?;
        let mut links: Vec<Link> = link(log.to_owned(), false)?.into_iter().collect();
        for old in listed.iter().take(MOST) {
            if let Ok(Some(link)) = link(names.path(old), old.packed)
                && links.iter().all(|newer| newer.own != link.own)
            {
                links.push(link);
            }
        }
        // A rotation ends with the name of the log itself, so between two looks at the same names lies none.
        let same = |link: &Link| log_file::is_still_named(&link.file, &link.path);
        let whole = links.iter().all(same) && names.list()? == listed && has_log(&links, log);
        if whole || tries == TRIES {
            links.dedup_by(|older, newer| is_the_same_twice(older, newer));
            return Ok((links, whole));
        }
    }
}

/// Whether the log is among the links, or there is still none.
fn has_log(links: &[Link], log: &Path) -> bool {
    links.first().is_some_and(|link| link.path == log) || !log.exists()
}

/// Where compression was broken off at its very end, the plain file and the packed one are there, and one is enough. The
/// times are compared as well, because the number of a file that is gone may have been given to the next one.
fn is_the_same_twice(one: &Link, other: &Link) -> bool {
    one.packed != other.packed && one.origin == other.origin && one.modified == other.modified
}

fn link(path: PathBuf, packed: bool) -> io::Result<Option<Link>> {
    let file = match log_file::open_to_read(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        opened => opened?,
    };
    let metadata = file.metadata()?;
    let own = log_file::identity(&file)?;
    let origin = packed.then(|| packed::origin(&file)).flatten().unwrap_or(own);
    Ok(Some(Link {
        packed,
        length: metadata.len(),
        own,
        origin,
        modified: ms_since_1970(metadata.modified()?),
        path,
        file,
    }))
}

/// A time of the wall clock in milliseconds since 1970.
#[must_use]
pub fn ms_since_1970(time: SystemTime) -> i64 {
    match time.duration_since(UNIX_EPOCH) {
        Ok(since) => i64::try_from(since.as_millis()).unwrap_or(i64::MAX),
        Err(before) => i64::try_from(before.duration().as_millis()).map_or(i64::MIN, |ms| -ms),
    }
}
