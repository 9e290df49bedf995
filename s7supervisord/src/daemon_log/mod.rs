//! The daemon's own log: dated files, one line for each record, never in the way of the daemon.
//!
//! A record goes through a bounded channel to one thread, which sleeps while there is none. Where the channel is full
//! the record is dropped and counted; where the file can't be written the lines go to stderr, and the file is tried
//! again. Neither is ever an error for who logs.

mod book;
mod line;
mod writer;

use crate::output::dated::before_suffix;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use log::{Level, LevelFilter, Log, Metadata, Record};
use std::collections::VecDeque;
use std::fmt::Write as _;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use writer::Writer;

/// The target of records that tell of a component's life (started, ended, killed); they are written at every level.
pub const LIFECYCLE: &str = "lifecycle";

/// The target of records that go to the audit log instead, at every level: who has asked for what, and what came of it.
pub const AUDIT: &str = "audit";

/// How many days old files are kept (the documented `TC::maxDays`, windows-and-scene7.md A.1).
pub const KEEP_DAYS: u32 = 10;

/// How many records may wait. A burst at boot is some lines for each component; more would hold memory for a disk that
/// hangs: 512 of [`LONGEST`] bytes are 4 MiB.
const QUEUE: usize = 512;

/// How many records of the audit log may wait, beside the others: some for each client that can be connected.
const AUDITED: usize = 2048;

/// What one record may hold, in bytes; a longer one is cut.
const LONGEST: usize = 8 * 1024;

/// The writer's stack: time zone rules are read on it, all in all some 20 KiB; only touched pages cost memory.
const STACK: usize = 256 * 1024;

/// How the log is to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogOptions {
    /// `SV::log`; the local date goes before its suffix: `logs/Supervisor-2026-11-22.log`. A missing folder is made.
    pub file: PathBuf,
    /// 1: warnings, errors and [`LIFECYCLE`]. 2: information too. 3: debugging too. 4: everything. Others count as the
    /// nearest of these.
    pub trace_level: u8,
    /// Whether each line goes to stderr as well.
    pub also_stderr: bool,
    /// Own files whose date is more days back are removed when a day begins.
    pub keep_days: u32,
    /// Whether the start fails where the file can't be opened; else it is tried again, as one that fails later.
    pub indispensable: bool,
}

/// Where the audit log lies, before its date: `logs/Supervisor-audit.log` beside `logs/Supervisor.log`.
#[must_use]
pub fn audit_file(log: &Path) -> PathBuf {
    before_suffix(log, "-audit")
}

/// The running log.
#[derive(Debug, Clone)]
pub struct DaemonLog(Arc<Shared>);

/// Whether the log of today could be written: it is opened, and made where it is missing, as [`start`] does.
///
/// # Errors
/// Why not.
pub fn try_to_open(file: &Path) -> io::Result<()> {
    let now = Timestamp::now();
    book::Book::new(file, None, KEEP_DAYS, false, now)?.open_now()
}

/// Starts the log and makes it the one of the crate `log`.
///
/// # Errors
/// The file is indispensable and can't be opened (its folder can't be made, it is a link, …), another logger is installed already, or there
/// is no thread left.
pub fn start(options: LogOptions) -> io::Result<DaemonLog> {
    let trace_level = options.trace_level;
    let (backend, writer) = prepare(options, Box::new(Timestamp::now), None)?;
    let log = DaemonLog(Arc::clone(&backend.shared));
    std::thread::Builder::new()
        .name("s7-log".to_owned())
        .stack_size(STACK)
        .spawn(move || writer.run())?;
    log::set_boxed_logger(Box::new(backend)).map_err(io::Error::other)?;
    log.set_trace_level(trace_level);
    Ok(log)
}

impl DaemonLog {
    /// Changes the level from now on (1 to 4, as in [`LogOptions::trace_level`]).
    pub fn set_trace_level(&self, trace_level: u8) {
        self.0.trace_level.store(trace_level, Ordering::Relaxed);
        log::set_max_level(most(trace_level));
    }

    /// Why the file can't be written at present, if so.
    #[must_use]
    pub fn fault(&self) -> Option<String> {
        self.0.fault().clone()
    }

    /// Waits, `deadline` at most, until everything logged so far is written. `false` where time ran out.
    #[must_use]
    pub fn flush(&self, deadline: Duration) -> bool {
        let wanted = self.0.accepted.load(Ordering::Acquire);
        let start = Instant::now();
        let mut written = self.0.written.lock().unwrap_or_else(PoisonError::into_inner);
        while *written < wanted {
            let left = deadline.saturating_sub(start.elapsed());
            if left.is_zero() {
                return false;
            }
            let waited = self.0.progress.wait_timeout(written, left);
            written = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        true
    }
}

impl Shared {
    fn fault(&self) -> MutexGuard<'_, Option<String>> {
        self.fault.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn audited(&self) -> MutexGuard<'_, Audited> {
        self.audited.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Audited {
    fn add(&mut self, entry: Entry) {
        if self.entries.len() < AUDITED {
            self.entries.push_back(entry);
        } else {
            self.lost += 1;
        }
    }
}

type Clock = Box<dyn Fn() -> Timestamp + Send + Sync>;

#[derive(Debug)]
struct Shared {
    trace_level: AtomicU8,
    /// Records that got into the channel.
    accepted: AtomicU64,
    /// Records that didn't, and that no line tells of yet.
    lost: AtomicU64,
    /// Records of the audit log, which must not be crowded out by others.
    audited: Mutex<Audited>,
    /// Records that left the channel and are in a file or given up.
    written: Mutex<u64>,
    /// Why the file can't be written.
    fault: Mutex<Option<String>>,
    progress: Condvar,
}

/// One record on its way.
#[derive(Debug)]
struct Entry {
    time: Timestamp,
    level: Level,
    text: String,
}

/// What the writer is told.
enum Told {
    Record(Entry),
    /// There is something in [`Shared::audited`].
    Audited,
}

/// Records of the audit log on their way.
#[derive(Debug, Default)]
struct Audited {
    entries: VecDeque<Entry>,
    /// Those that there was no room for, and that no line tells of yet.
    lost: u64,
}

/// What the crate `log` calls.
struct Backend {
    shared: Arc<Shared>,
    sender: SyncSender<Told>,
    clock: Clock,
}

/// Both ends of a log whose file is open. `zone` is the system's where `None`.
fn prepare(options: LogOptions, clock: Clock, zone: Option<TimeZone>) -> io::Result<(Backend, Writer)> {
    let (sender, receiver): (SyncSender<Told>, Receiver<Told>) = sync_channel(QUEUE);
    let shared = Arc::new(Shared {
        trace_level: AtomicU8::new(options.trace_level),
        accepted: AtomicU64::new(0),
        lost: AtomicU64::new(0),
        audited: Mutex::default(),
        written: Mutex::new(0),
        fault: Mutex::default(),
        progress: Condvar::new(),
    });
    let writer = Writer::open(&options, zone, clock(), receiver, Arc::clone(&shared))?;
    Ok((
        Backend {
            shared,
            sender,
            clock,
        },
        writer,
    ))
}

impl Log for Backend {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        let level = self.shared.trace_level.load(Ordering::Relaxed);
        is_written(level, metadata.level(), metadata.target())
    }

    fn log(&self, record: &Record<'_>) {
        if !self.enabled(record.metadata()) {
            return;
        }
        let mut text = Bounded(String::new());
        // An error only says that the text was cut.
        let _ = write!(text, "{}", record.args());
        let entry = Entry {
            time: (self.clock)(),
            level: record.level(),
            text: text.0,
        };
        let (told, counted) = if record.target() == AUDIT {
            self.shared.audited().add(entry);
            (Told::Audited, false)
        } else {
            (Told::Record(entry), true)
        };
        match self.sender.try_send(told) {
            // Counted after the send: that flush may see too little of what others log meanwhile does no harm.
            Ok(()) => self.shared.accepted.fetch_add(1, Ordering::Release),
            Err(_) if counted => self.shared.lost.fetch_add(1, Ordering::Relaxed),
            // The writer is busy, and looks at the audited records after each batch.
            Err(_) => 0,
        };
    }

    fn flush(&self) {
        let _ = DaemonLog(Arc::clone(&self.shared)).flush(Duration::from_secs(1));
    }
}

/// What each `tracelevel` lets through.
fn is_written(trace_level: u8, level: Level, target: &str) -> bool {
    let limit = match trace_level {
        _ if target == AUDIT => Level::Trace,
        0 | 1 if target == LIFECYCLE => Level::Info,
        0 | 1 => Level::Warn,
        2 => Level::Info,
        3 => Level::Debug,
        4.. => Level::Trace,
    };
    level <= limit
}

/// The most that a level can let through, for the crate `log`'s own quick check.
fn most(trace_level: u8) -> LevelFilter {
    match trace_level {
        0..=2 => LevelFilter::Info,
        3 => LevelFilter::Debug,
        4.. => LevelFilter::Trace,
    }
}

/// A text that ends with "…" where it would get longer than [`LONGEST`].
struct Bounded(String);

impl std::fmt::Write for Bounded {
    fn write_str(&mut self, more: &str) -> std::fmt::Result {
        let room = LONGEST.saturating_sub(self.0.len());
        if more.len() <= room {
            self.0.push_str(more);
            return Ok(());
        }
        self.0.push_str(&more[..more.floor_char_boundary(room)]);
        self.0.push('…');
        Err(std::fmt::Error)
    }
}

#[cfg(test)]
mod tests;
