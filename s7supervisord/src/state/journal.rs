//! The record of runs and wishes as a file: lines are appended, and when it has grown it is written anew in short.
//!
//! The line of a start is written by the new process itself, before it executes (DESIGN 5), so the file is lent out; it is
//! replaced only while nobody is about to write.
//!
//! What is wished comes before all that follows from it: it is owed ([`Journal::owe`]) before anything is done about it, and
//! whoever writes next writes that first, whichever thread that is.

use super::known::{Stays, Tally, end_words};
use super::line;
use super::record::{self, Left};
use crate::failpoint::{self, Point};
use s7proto::name::ComponentName;
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Space that is reserved beforehand, in bytes: enough for some 5000 starts, so that no run goes without its record
/// because the disk has filled up meanwhile. Grown beyond it, the record is written anew.
const RESERVED: u64 = 1024 * 1024;

/// The longest record that is read, in bytes: what ten thousand components come to, many times over.
const LONGEST: u64 = 64 * 1024 * 1024;

const FILE: &str = "journal";

/// The journal, open for appending.
#[derive(Debug)]
pub struct Journal {
    dir: PathBuf,
    path: PathBuf,
    boot_id: String,
    desk: Mutex<Desk>,
    /// Lines that come before whatever is written next, sealed. Held for moments only, also by the core loop.
    owed: Mutex<Vec<u8>>,
    /// Held while these are written, so that nobody who finds none is faster.
    settling: Mutex<()>,
    /// Bytes appended since the file was written anew, or a little more.
    grown: AtomicU64,
}

#[derive(Debug, Default)]
struct Desk {
    file: Option<Arc<File>>,
    /// Who has the file and may be about to write.
    writing: Vec<Arc<AtomicBool>>,
    /// Bytes that may be appended before it is written anew.
    room: u64,
}

/// The file on loan, for one line.
#[derive(Debug)]
pub struct Lent {
    file: Option<Arc<File>>,
    /// Set once the line is written, by whoever writes it.
    pub written: Arc<AtomicBool>,
}

impl Lent {
    /// The file; `None` where there is none.
    #[must_use]
    pub fn file(&self) -> Option<&File> {
        self.file.as_deref()
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        self.written.store(true, Ordering::Release);
    }
}

impl Journal {
    /// Reads what an earlier daemon left in `dir`, if it was written since the present boot.
    ///
    /// # Errors
    /// The file is there and can't be read, or a newer version has written it (kind `InvalidData`).
    pub fn read(dir: &Path, boot_id: &str) -> io::Result<Left> {
        let text = text(&dir.join(FILE))?;
        record::parse(&text, boot_id).map_err(|newer| io::Error::new(io::ErrorKind::InvalidData, newer))
    }

    /// Begins a new journal in `dir` with what still holds of the one before, and says why it can't be written, if so.
    ///
    /// Supervision goes on without it.
    #[must_use]
    pub fn begin(dir: &Path, boot_id: &str, left: &Left) -> (Self, Option<io::Error>) {
        let journal = Self {
            dir: dir.to_owned(),
            path: dir.join(FILE),
            boot_id: boot_id.to_owned(),
            desk: Mutex::default(),
            owed: Mutex::default(),
            settling: Mutex::default(),
            grown: AtomicU64::new(0),
        };
        let text = record::text(boot_id, left);
        let replaced = journal.replace(&mut journal.desk(), text.as_bytes());
        (journal, replaced.err())
    }

    /// Where it lies.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether it is being written and still has its name. Looks at the disk.
    #[must_use]
    pub fn is_kept(&self) -> bool {
        let desk = self.desk();
        let file = desk.file.as_deref();
        file.is_some_and(|file| crate::platform::is_at(file, &self.path))
    }

    /// Begins it again, empty, where it could not be written or has lost its name. What holds has to be noted anew.
    ///
    /// # Errors
    /// It still can't be written.
    pub fn begin_again(&self) -> io::Result<()> {
        let text = record::text(&self.boot_id, &Left::default());
        let mut desk = self.desk();
        desk.writing.retain(|one| !one.load(Ordering::Acquire));
        if !desk.writing.is_empty() {
            // Its line would go to the file that is let go of.
            return Err(io::Error::other("a process is being created at this moment"));
        }
        self.replace(&mut desk, text.as_bytes())
    }

    /// Writes it for the last time, after everything was stopped: with `lines`, which are what still holds, sealed. What
    /// anybody notes after it is of no use to anybody.
    ///
    /// # Errors
    /// It can't be written, and stays as it is.
    pub fn finish(&self, lines: &[u8]) -> io::Result<()> {
        let mut desk = self.desk();
        let mut left = Self::read(&self.dir, &self.boot_id).unwrap_or_default();
        left = Left {
            others: std::mem::take(&mut left.others),
            ..Left::default()
        };
        let mut text = record::text(&self.boot_id, &left).into_bytes();
        text.extend_from_slice(lines);
        self.replace(&mut desk, &text)?;
        desk.file = None;
        Ok(())
    }

    /// Has these lines, given by their words, written before anything else is from now on. Waits for no disk. Whoever owes
    /// them calls [`Journal::settle`] soon, from elsewhere.
    pub fn owe(&self, lines: &[String]) {
        let text: String = lines.iter().map(|words| line::sealed(words)).collect();
        self.owed().extend_from_slice(text.as_bytes());
    }

    /// Writes what is owed, if nobody has yet. May take as long as the disk takes.
    ///
    /// # Errors
    /// It can't be written, so the next daemon won't know it; it is owed no longer.
    pub fn settle(&self) -> io::Result<()> {
        let _settling = self.settling();
        let owed = std::mem::take(&mut *self.owed());
        if owed.is_empty() {
            Ok(())
        } else {
            self.write(&owed)
        }
    }

    /// The open file, for a new process to append its line of `bytes` to.
    #[must_use]
    pub fn lend(&self, bytes: usize) -> Lent {
        // Where that fails, whoever owes it hears so, and no run goes without its own line for it.
        let _ = self.append(&[]);
        self.lend_at_once(bytes)
    }

    fn lend_at_once(&self, bytes: usize) -> Lent {
        let written = Arc::new(AtomicBool::new(false));
        let mut desk = self.desk();
        desk.writing.retain(|one| !one.load(Ordering::Acquire));
        desk.writing.push(Arc::clone(&written));
        self.grown.fetch_add(bytes as u64, Ordering::Relaxed);
        // What has lost its name nobody would read.
        let file = desk
            .file
            .clone()
            .filter(|file| !crate::platform::is_removed(file));
        Lent { file, written }
    }

    /// Notes lines, given by their words, in one write. May take as long as the disk takes.
    ///
    /// # Errors
    /// They can't be written, so the next daemon won't know them.
    pub fn note(&self, lines: &[String]) -> io::Result<()> {
        let text: String = lines.iter().map(|words| line::sealed(words)).collect();
        self.append(text.as_bytes())
    }

    /// Appends what is sealed already, behind what is owed.
    ///
    /// # Errors
    /// As [`Journal::note`].
    pub fn append(&self, text: &[u8]) -> io::Result<()> {
        let settling = self.settling();
        let owed = std::mem::take(&mut *self.owed());
        if owed.is_empty() {
            drop(settling);
            return if text.is_empty() { Ok(()) } else { self.write(text) };
        }
        let written = self.write(&[&owed, text].concat());
        if written.is_err() {
            // Whoever owes it tries it as well, and says so where that fails.
            self.owed().splice(..0, owed);
        }
        written
    }

    fn write(&self, text: &[u8]) -> io::Result<()> {
        let lent = self.lend_at_once(text.len());
        let mut file = lent
            .file()
            .ok_or_else(|| io::Error::other("there is no record"))?;
        file.write_all(text)
    }

    /// Notes that a run is over, tree and all.
    pub fn ended(&self, component: &ComponentName, run: u64, tally: &Tally, stays: Option<Stays>) {
        // If it fails, the next daemon looks for a run that isn't there, which does no harm.
        let _ = self.note(&[end_words(component, run, tally, stays)]);
    }

    /// Writes it anew in short if it has grown enough, and nobody is about to write at this moment.
    ///
    /// # Errors
    /// It can't be written anew; lines are appended to the old one as before.
    pub fn shorten(&self) -> io::Result<()> {
        let mut desk = self.desk();
        desk.writing.retain(|one| !one.load(Ordering::Acquire));
        if self.grown.load(Ordering::Relaxed) < desk.room || desk.file.is_none() || !desk.writing.is_empty() {
            return Ok(());
        }
        // Without it there is nothing to shorten, and what holds is not known here.
        std::fs::metadata(&self.path)?;
        let left = Self::read(&self.dir, &self.boot_id)?;
        let text = record::text(&self.boot_id, &left);
        let replaced = self.replace(&mut desk, text.as_bytes());
        if replaced.is_err() {
            // Not again for every line.
            desk.room = desk.room.saturating_mul(2);
        }
        replaced
    }

    fn replace(&self, desk: &mut Desk, text: &[u8]) -> io::Result<()> {
        let fresh = self.dir.join("journal.new");
        let _ = std::fs::remove_file(&fresh);
        let mut file = crate::platform::create_private(&fresh)?;
        crate::platform::reserve(&file, RESERVED);
        file.write_all(text)?;
        failpoint::reach(Point::JournalBeforeRename);
        // What is open can't be replaced on every system; nobody writes to it now.
        desk.file = None;
        if let Err(error) = std::fs::rename(&fresh, &self.path) {
            desk.file = File::options().append(true).open(&self.path).ok().map(Arc::new);
            return Err(error);
        }
        failpoint::reach(Point::JournalAfterRename);
        desk.file = Some(Arc::new(file));
        // Four times what holds: each line is then rewritten less than once on the average.
        desk.room = RESERVED.max(4 * text.len() as u64);
        self.grown.store(0, Ordering::Relaxed);
        Ok(())
    }

    fn owed(&self) -> MutexGuard<'_, Vec<u8>> {
        // As below.
        self.owed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn settling(&self) -> MutexGuard<'_, ()> {
        // As below.
        self.settling.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn desk(&self) -> MutexGuard<'_, Desk> {
        // Nobody panics with this lock, and if somebody did, the record had better go on.
        self.desk.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The bytes of the record at `path`; none where there is no such file.
fn text(path: &Path) -> io::Result<Vec<u8>> {
    let file = match open_regular(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    // Taken at once: grown step by step, it would come to twice of what there is.
    let length = file.metadata()?.len().min(LONGEST);
    let mut text = Vec::with_capacity(usize::try_from(length).unwrap_or_default());
    file.take(LONGEST).read_to_end(&mut text)?;
    Ok(text)
}

/// Opens a file to be read, and nothing that isn't a regular one: opening a FIFO would wait for ever.
///
/// # Errors
/// The system's, or it is something else.
pub(crate) fn open_regular(path: &Path) -> io::Result<File> {
    if std::fs::metadata(path)?.is_file() {
        File::open(path)
    } else {
        Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "it isn't a regular file",
        ))
    }
}

/// A copy of the record in `dir`, for another version to look at.
///
/// # Errors
/// It is there and can't be read.
pub fn copy(dir: &Path) -> io::Result<Vec<u8>> {
    text(&dir.join(FILE))
}

#[cfg(test)]
mod tests;
