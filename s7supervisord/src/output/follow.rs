//! What is written to a log from now on, read back from its files: over every rotation, and when the log is cut or
//! replaced.

use crate::output::chain::{self, Link, Place, ms_since_1970};
use crate::output::joined::ReadAt;
use crate::output::packed::Unpacking;
use crate::output::tail::tail_of;
use crate::output::times;
use crate::platform::log_file;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How long a file that has lost its name, and has no other that is known, is still read after it was quiet: the writer
/// looks each second whether its file has its name, and writes to the old one until then.
pub const FAREWELL: Duration = Duration::from_millis(2500);

/// How many files are held open that come after the one that is read.
const AHEAD: usize = 16;

/// What is told where files that came between two others are gone.
const ROTATED: &str =
    "files of the log were removed by rotation before they were read: output is missing here";
/// The same where the file that was read is gone, so that nobody can tell whether others came between.
const DELETED: &str = "the file that was followed was deleted: output may be missing here";

/// A file may become shorter by this much without having been emptied: the writer takes back a mark that did not fit.
const MARK: u64 = 4096;

/// One log that is followed.
#[derive(Debug)]
pub struct Follower {
    path: PathBuf,
    begin: Begin,
    max_bytes: usize,
    reading: Reading,
    /// What comes after the file that is read, the oldest last. They are open, so that whoever reads slowly doesn't lose
    /// them, and needn't look for each of them anew.
    ahead: Vec<Link>,
    /// What is to be told as soon as all is given that came before it.
    trouble: Option<io::Error>,
}

/// Where to begin.
#[derive(Debug, Clone, Copy)]
struct Begin {
    lines: u32,
    since: Option<i64>,
}

#[derive(Debug)]
enum Reading {
    /// The tail of what is there was not given yet.
    NotBegun,
    /// There was no file; the next one is read from its beginning.
    Awaited,
    /// Another follower has read this file up to here; it may have another name by now, and be compressed.
    HandedOver {
        file: u64,
        at: u64,
    },
    Open(Current),
}

/// The file that is being read.
#[derive(Debug)]
struct Current {
    own: u64,
    modified: i64,
    source: Source,
    /// Since when it was seen without its name and without anything new.
    quiet: Option<Instant>,
}

#[derive(Debug)]
enum Source {
    /// A file, and up to where it was read.
    Plain(File, u64),
    /// A compressed one, to which nothing will be added.
    Packed(Box<Unpacking>),
}

impl Follower {
    /// Follows `path`, beginning with its last `lines` lines, at most `max_bytes` bytes of them.
    #[must_use]
    pub fn new(path: PathBuf, lines: u32, max_bytes: usize) -> Self {
        let begin = Begin { lines, since: None };
        Self::from(path, begin, max_bytes)
    }

    /// Follows `path`, beginning with what was written since `since`, in milliseconds since 1970; where there are more than
    /// `lines` lines, with the last ones, at most `max_bytes` bytes of them. `u32::MAX` is no limit, neither in bytes.
    #[must_use]
    pub fn since(path: PathBuf, since: i64, lines: u32, max_bytes: usize) -> Self {
        let since = Some(since);
        Self::from(path, Begin { lines, since }, max_bytes)
    }

    /// Goes on where another follower of `path` has stopped, at its [`Follower::position`].
    #[must_use]
    pub fn going_on(path: PathBuf, (file, at): (u64, u64)) -> Self {
        let mut follower = Self::new(path, 0, 0);
        follower.reading = match file {
            0 => Reading::Awaited,
            file => Reading::HandedOver { file, at },
        };
        follower
    }

    /// Which file is read (see [`log_file::identity`]), and up to where it was; 0 where there was none.
    #[must_use]
    pub fn position(&self) -> (u64, u64) {
        match &self.reading {
            Reading::NotBegun | Reading::Awaited => (0, 0),
            Reading::HandedOver { file, at } => (*file, *at),
            Reading::Open(current) => match &current.source {
                Source::Plain(_, at) => (current.own, *at),
                Source::Packed(unpacking) => (current.own, unpacking.at()),
            },
        }
    }

    fn from(path: PathBuf, begin: Begin, max_bytes: usize) -> Self {
        Self {
            path,
            begin,
            max_bytes,
            reading: Reading::NotBegun,
            ahead: Vec::new(),
            trouble: None,
        }
    }

    /// The tail first, and then what was written since the last call, at most `max_bytes` bytes; empty where there is nothing
    /// new.
    ///
    /// A file that was emptied is read from its beginning; one that was rotated is read to its end, and then those that came
    /// after it, however many. One that is gone in another way is read until nothing more comes, and then the one that has
    /// its name.
    ///
    /// # Errors
    /// A file can't be read, or isn't a regular file; nothing is lost or told twice by calling it again. Also where files were
    /// rotated out of existence before they were read, or may have been ([`io::ErrorKind::NotFound`]): then something is
    /// missing, and the next call goes on behind it.
    pub fn read(&mut self, max_bytes: usize) -> io::Result<Vec<u8>> {
        if !matches!(self.reading, Reading::Open(_)) {
            return self.open(max_bytes);
        }
        let mut bytes = Vec::new();
        while bytes.len() < max_bytes {
            if bytes.is_empty()
                && let Some(trouble) = self.trouble.take()
            {
                return Err(trouble);
            }
            match self.step(max_bytes - bytes.len()) {
                Ok(more) if more.is_empty() => break,
                Ok(more) => bytes.extend(more),
                // What came before it is given first.
                Err(error) if !bytes.is_empty() => self.trouble = Some(error),
                Err(error) => return Err(error),
            }
            if self.trouble.is_some() {
                break;
            }
        }
        Ok(bytes)
    }

    /// What one file holds; the next one's where that one is at its end.
    fn step(&mut self, max_bytes: usize) -> io::Result<Vec<u8>> {
        let Reading::Open(current) = &mut self.reading else {
            return Ok(Vec::new());
        };
        let bytes = current.read(max_bytes)?;
        if !bytes.is_empty() || current.has_name(&self.path) {
            current.quiet = None;
            return Ok(bytes);
        }
        if let Some(next) = self.ahead.pop() {
            return self.go_on_with(next, max_bytes);
        }
        let (mut links, whole) = chain::open_at_once(&self.path)?;
        if !whole {
            // The next one may be missing, and mustn't be left out.
            return Ok(Vec::new());
        }
        let Some(next) = current.successor(&links, &self.path)? else {
            return Ok(Vec::new());
        };
        if links[next.link].length == 0 {
            // The writer may still be about to write to the old one.
            return Ok(Vec::new());
        }
        // Once the writer has begun with another file, it writes no more to this one; so only now its end is its end.
        let bytes = current.read(max_bytes)?;
        if !bytes.is_empty() {
            return Ok(bytes);
        }
        // All but the newest were left by the writer; that one is as good as not there before it is written.
        links.truncate(next.link + 1);
        let Some(link) = links.pop() else {
            return Ok(Vec::new());
        };
        if links.first().is_some_and(|newest| newest.length == 0) {
            links.remove(0);
        }
        self.ahead = links.split_off(links.len().saturating_sub(AHEAD));
        if let Some(missing) = next.missing {
            self.reading = Reading::Open(Current::of(link, 0)?);
            let kind = if missing == DELETED {
                io::ErrorKind::NotFound
            } else {
                io::ErrorKind::Other
            };
            return Err(io::Error::new(kind, missing));
        }
        self.go_on_with(link, max_bytes)
    }

    fn go_on_with(&mut self, next: Link, max_bytes: usize) -> io::Result<Vec<u8>> {
        let mut current = Current::of(next, 0)?;
        let bytes = current.read(max_bytes);
        self.reading = Reading::Open(current);
        bytes
    }

    fn go_on(&mut self, mut links: Vec<Link>, file: u64, at: u64, max_bytes: usize) -> io::Result<Vec<u8>> {
        let known = links
            .iter()
            .position(|link| link.own == file || link.origin == file);
        // The newest is there: it was looked for before.
        let current = Current::of(
            links.swap_remove(known.unwrap_or(0)),
            if known.is_some() { at } else { 0 },
        )?;
        self.reading = Reading::Open(current);
        if known.is_none() {
            let why = "the file that was followed is gone: output is missing here";
            return Err(io::Error::other(why));
        }
        self.read(max_bytes)
    }

    fn open(&mut self, max_bytes: usize) -> io::Result<Vec<u8>> {
        let mut links = chain::open(&self.path)?;
        if links.is_empty() {
            self.reading = Reading::Awaited;
            return Ok(Vec::new());
        }
        if let Reading::HandedOver { file, at } = self.reading {
            return self.go_on(links, file, at, max_bytes);
        }
        if matches!(self.reading, Reading::Awaited) {
            // All of them have come since.
            let oldest = links.pop().map(|link| Current::of(link, 0)).transpose()?;
            self.reading = oldest.map_or(Reading::Awaited, Reading::Open);
            return self.read(max_bytes);
        }
        let mut floor = None;
        if let Some(since) = self.begin.since {
            let start = times::start(&self.path, &links, since)?;
            self.trouble = start.uncertain.map(io::Error::other);
            floor = Some(start.place);
        }
        if let Some(Place { link, offset }) = floor.filter(|_| self.begin.lines == u32::MAX) {
            self.reading = Reading::Open(Current::of(links.swap_remove(link), offset)?);
            // What comes after it is looked for when it is at its end.
            return self.read(max_bytes);
        }
        // From one descriptor, so that what comes after the tail is what comes after it in the same file.
        let newest = &links[0];
        let current = Current::of(newest.again()?, newest.length)?;
        let tail = tail_of(links, floor, self.begin.lines, self.max_bytes)?;
        self.trouble = tail.damaged.map(io::Error::other).or(self.trouble.take());
        self.reading = Reading::Open(current);
        Ok(tail.bytes)
    }
}

/// The file that comes after one.
struct Next {
    link: usize,
    /// What is to be told where there may have been others between the two.
    missing: Option<&'static str>,
}

impl Current {
    /// `link`, read up to the byte `offset` of what is in it.
    fn of(link: Link, offset: u64) -> io::Result<Self> {
        let source = match link.packed {
            // What is in a compressed one is only known when it is read, so a place behind its end is its end.
            true => Source::Packed(Box::new(Unpacking::of(link.file, link.path, offset)?)),
            false => Source::Plain(link.file, offset),
        };
        Ok(Self {
            own: link.own,
            modified: link.modified,
            source,
            quiet: None,
        })
    }

    fn read(&mut self, max_bytes: usize) -> io::Result<Vec<u8>> {
        match &mut self.source {
            Source::Packed(unpacking) => unpacking.read(max_bytes),
            Source::Plain(file, at) => {
                let length = file.metadata()?.len();
                if length < *at {
                    *at = if length + MARK >= *at { length } else { 0 };
                }
                let bytes = file.read_at(*at, max_bytes)?;
                *at += bytes.len() as u64;
                Ok(bytes)
            }
        }
    }

    fn has_name(&self, path: &Path) -> bool {
        match &self.source {
            Source::Packed(_) => false,
            Source::Plain(file, _) => log_file::is_still_named(file, path),
        }
    }

    fn is_deleted(&self) -> bool {
        match &self.source {
            Source::Packed(_) => true,
            Source::Plain(file, _) => log_file::is_deleted(file),
        }
    }

    /// Which link comes after this file, that has lost its name.
    fn successor(&mut self, links: &[Link], path: &Path) -> io::Result<Option<Next>> {
        if let Source::Plain(file, _) = &self.source {
            // It may have been written once more before it was rotated and compressed.
            self.modified = ms_since_1970(file.metadata()?.modified()?);
        }
        // It is open, so that its number is that of no other file, and what was compressed from it was that lately.
        let is_this =
            |link: &Link| link.own == self.own || (link.origin == self.own && link.modified == self.modified);
        if let Some(at) = links.iter().position(is_this) {
            self.quiet = None;
            let next = at.checked_sub(1);
            return Ok(next.map(|link| Next { link, missing: None }));
        }
        let quiet = self.quiet.get_or_insert_with(Instant::now).elapsed();
        let newer = links.iter().rposition(|link| link.modified > self.modified);
        Ok(match newer {
            // It has been rotated, and then removed as the oldest.
            Some(link) if links[link].path != path => Some(Next {
                link,
                missing: Some(ROTATED),
            }),
            _ if quiet < FAREWELL => None,
            _ => links.first().filter(|newest| newest.path == path).map(|_| Next {
                link: 0,
                // Where no old files are kept, each rotation deletes one. Who has moved it away has it.
                missing: self.is_deleted().then_some(DELETED),
            }),
        })
    }
}

#[cfg(test)]
#[path = "follow_tests.rs"]
mod tests;
