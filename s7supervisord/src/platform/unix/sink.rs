//! Where one component's bytes go: its log file, and nowhere while that can't be written.
//!
//! A full log gets its old name between two splices, never within one, so that rotation is a matter of names alone. To end
//! it behind a line, the pipe is looked at through a [`Glass`], and exactly the rest of the line goes to the old file. There
//! is no moment at which a byte is in both files or in none, so there is none at which the daemon mustn't be killed.

mod faults;

use super::archive::{Archive, Names};
use super::line_end::{Glass, REACH};
use super::lost_note::LostNote;
use super::stream::lock;
use super::{fifo, log_file, own_line, rotate};
use crate::failpoint;
use crate::output::chain::ms_since_1970;
use crate::output::day::Day;
use crate::output::failure::cause;
use crate::output::last_words::Spot;
use crate::output::lost::{self, Lost};
use crate::output::mark::Mark;
use crate::output::times::{Point, Points};
use crate::registry::plan::{LogPlan, OnFull};
use jiff::tz::TimeZone;
use rustix::io::Errno;
use rustix::pipe::SpliceFlags;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime};

/// How long a fault must last before output is dropped (DESIGN 6): until then the pipe pushes back.
const PATIENCE: Duration = Duration::from_secs(1);

/// How often a file that can't be written is tried again while output comes.
pub(super) const RETRY: Duration = Duration::from_secs(1);

/// How often it is checked whether the file is still the one of that name.
const RECHECK: Duration = Duration::from_secs(1);

/// How long a pipe is left alone while another image of the daemon is being executed, before it is asked again whether it was.
const REST: Duration = Duration::from_millis(100);

/// How much one system call moves. The kernel holds the pipe's lock while it copies, so that the component waits: with
/// the whole pipe in one call the two took turns, with a quarter of it they work side by side (measured: 1224 against 983
/// MB/s, at the same CPU per byte).
pub(super) const CHUNK: usize = 256 * 1024;

/// How far a log goes on after it is due to be rotated, for its last line to end, in bytes. Then it is rotated within
/// the line, so that a line without an end makes no file without an end.
pub(super) const OVERHANG: u64 = REACH as u64;

/// How long a log that can't be rotated grows before that is tried again.
const ROTATE_AGAIN: Duration = Duration::from_secs(1);

/// What the threads lend to the sink whose turn it is.
pub(super) struct Tools<'a> {
    /// Where dropped bytes go: /dev/null.
    pub(super) nowhere: BorrowedFd<'a>,
    pub(super) glass: &'a Glass,
    /// Whose days are counted. Known from the start, because finding it takes more stack than the threads have.
    pub(super) zone: &'a TimeZone,
    /// Nothing is moved or marked: what was dropped is being handed over.
    pub(super) resting: &'a AtomicBool,
}

/// A component's log file and what is wrong with it.
pub(super) struct Sink {
    plan: Arc<LogPlan>,
    archive: Arc<Archive>,
    names: Names,
    /// Whether what earlier daemons have left was given to the archive.
    looked_back: bool,
    file: Option<Open>,
    fault: Option<Fault>,
    day: Day,
    points: Points,
    /// Until when a log that can't be rotated just grows.
    unrotatable: Option<Instant>,
    /// Bytes dropped that no line in the file tells of yet.
    unmarked: u64,
    /// An earlier daemon has dropped others without being able to say how many.
    uncounted: bool,
    /// All bytes dropped, for whoever asks without waiting for a disk.
    dropped: Arc<AtomicU64>,
    note: LostNote,
    /// What is to be written before the next bytes.
    mark: Option<Arc<Mark>>,
}

struct Open {
    file: File,
    /// Which file it is.
    identity: u64,
    checked: Instant,
    /// When it was last written, by the wall clock, in milliseconds since 1970.
    written: i64,
    /// How long it was when it became due to be rotated.
    due: Option<u64>,
}

/// How much may go to the file that is open.
struct Share {
    end: u64,
    most: usize,
}

struct Fault {
    since: Instant,
    since_ms: i64,
    retry_at: Instant,
    why: io::Error,
}

/// What became of one attempt.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Poured {
    /// Bytes went to the file.
    Moved(usize),
    /// As [`Self::Moved`], and there may be more: the file could take no more of it.
    Part(usize),
    /// Bytes went nowhere.
    Dropped(usize),
    /// There are none now.
    Empty,
    /// There will be none any more.
    Ended,
    /// They have to stay in the pipe until then.
    Wait(Instant),
}

impl Sink {
    /// One that goes on from what was `lost` before; what it drops is added to `dropped`.
    pub(super) fn new(
        plan: Arc<LogPlan>,
        archive: Arc<Archive>,
        dropped: Arc<AtomicU64>,
        (lost, note): (Lost, LostNote),
    ) -> Self {
        dropped.store(lost.dropped, Ordering::Relaxed);
        Self {
            points: Points::of(&plan.file),
            plan,
            archive,
            names: Names::default(),
            looked_back: false,
            file: None,
            fault: Fault::left(&lost),
            day: Day::default(),
            unrotatable: None,
            unmarked: lost.unmarked,
            uncounted: lost.uncounted,
            dropped,
            note,
            mark: None,
        }
    }

    /// Moves what is in `pipe` on, by one system call that takes at most [`CHUNK`] bytes.
    pub(super) fn pour(&mut self, pipe: BorrowedFd<'_>, tools: &Tools<'_>, component: &str) -> Poured {
        let now = Instant::now();
        if tools.resting.load(Ordering::SeqCst) {
            return Poured::Wait(now + REST);
        }
        if self.fault.as_ref().is_none_or(|fault| fault.retry_at <= now) {
            match self.pour_to_file(pipe, tools, now, component) {
                Ok(poured) => {
                    if matches!(poured, Poured::Moved(_) | Poured::Part(_)) {
                        self.recovered(component);
                    }
                    return poured;
                }
                Err(why) => self.failed(why, now, component),
            }
        }
        let Some(fault) = &self.fault else {
            return Poured::Empty;
        };
        let drop_from = match self.plan.on_full {
            OnFull::Block => return Poured::Wait(fault.retry_at),
            OnFull::Drop => fault.since + PATIENCE,
        };
        if now < drop_from {
            return Poured::Wait(drop_from);
        }
        if fifo::holds_bytes(pipe) {
            self.note.make(self.lost());
        }
        match splice(pipe, tools.nowhere, None, CHUNK) {
            Ok(0) => Poured::Ended,
            Ok(bytes) => {
                self.unmarked += bytes as u64;
                self.dropped.fetch_add(bytes as u64, Ordering::Relaxed);
                Poured::Dropped(bytes)
            }
            Err(Errno::AGAIN) => Poured::Empty,
            Err(_) => Poured::Wait(now + RETRY),
        }
    }

    /// Opens the file before there is output, so that it is there as soon as its component runs.
    pub(super) fn prepare(&mut self, plan: Arc<LogPlan>, component: &str) {
        self.follow(plan);
        let now = Instant::now();
        match self.opened(now).map(|_| ()) {
            // At once what an earlier daemon could not tell.
            Ok(()) if self.owes_a_mark() => self.look_again(component),
            Ok(()) => {}
            Err(why) => self.failed(why, now, component),
        }
        if !std::mem::replace(&mut self.looked_back, true) && rotate::has_rotated(&self.plan.file) {
            self.archive.look_at(&self.plan, &self.names);
        }
    }

    /// Where its file ends, if there is one.
    pub(super) fn spot(&self) -> Option<Spot> {
        let open = self.file.as_ref()?;
        let offset = open.file.metadata().ok()?.len();
        let file = open.identity;
        Some(Spot { file, offset })
    }

    /// The file and up to where it is written, as [`log_file::identity`] and an offset; `None` while it can't be opened.
    pub(super) fn place(&mut self) -> Option<(&std::path::Path, (u64, u64))> {
        let open = self.opened(Instant::now()).ok()?;
        let place = (open.identity, open.file.metadata().ok()?.len());
        Some((&self.plan.file, place))
    }

    /// Takes over new settings.
    pub(super) fn follow(&mut self, plan: Arc<LogPlan>) {
        if self.plan.file != plan.file {
            self.file = None;
            if self.owes_a_mark()
                && let Some(fault) = &mut self.fault
            {
                // The new file tells of it.
                fault.retry_at = Instant::now();
            } else {
                self.fault = None;
            }
            self.unrotatable = None;
            self.points = Points::of(&plan.file);
            self.names = Names::default();
            self.archive.forget(&self.plan.file);
        }
        self.plan = plan;
    }

    /// What the next bytes are, which are of `run`, is said in the file before them.
    pub(super) fn announce(&mut self, mark: Option<Arc<Mark>>, run: u64) {
        if mark.is_some() {
            self.mark = mark;
        }
        // A run that has ended before it wrote anything leaves nothing to be told of.
        self.mark = self.mark.take().filter(|mark| mark.is_of(run));
    }

    /// Closes the file when no pipe is left, after telling in it what is missing.
    pub(super) fn close(&mut self) {
        if self.owes_a_mark() && self.opened(Instant::now()).is_ok() && self.mark().is_ok() {
            self.fault = None;
        }
        self.file = None;
    }

    fn pour_to_file(
        &mut self,
        pipe: BorrowedFd<'_>,
        tools: &Tools<'_>,
        now: Instant,
        component: &str,
    ) -> io::Result<Poured> {
        self.opened(now)?;
        if self.owes_a_mark() {
            self.mark()?;
        }
        if let Some(mark) = self.mark.clone()
            && let Some(line) = mark.unwritten()
        {
            self.write_line(line)?;
            mark.is_written();
        }
        let wall = wall_ms();
        let Share { mut end, most } = self.share(pipe, tools, (now, wall), component)?;
        let open = self.opened(now)?;
        let point = Point {
            at: wall,
            before: open.written,
            file: open.identity,
            offset: end,
        };
        self.points.note(now, point);
        let open = self.opened(now)?;
        let moved = splice(pipe, open.file.as_fd(), Some(&mut end), most);
        if matches!(moved, Ok(1..)) {
            open.written = wall;
            if let Some(mark) = self.mark.take() {
                mark.is_before((point.file, point.offset));
            }
        }
        match moved {
            Ok(0) if fifo::holds_bytes(pipe) => Err(io::ErrorKind::WriteZero.into()),
            Ok(0) => Ok(Poured::Ended),
            Ok(bytes) if bytes == most && most < CHUNK => Ok(Poured::Part(bytes)),
            Ok(bytes) => Ok(Poured::Moved(bytes)),
            Err(Errno::AGAIN) => Ok(Poured::Empty),
            Err(errno) => Err(errno.into()),
        }
    }

    /// How much may go to the file now: up to the size that it may have, then up to the end of its last line. Where that
    /// is reached, the file is rotated first.
    fn share(
        &mut self,
        pipe: BorrowedFd<'_>,
        tools: &Tools<'_>,
        (now, wall): (Instant, i64),
        component: &str,
    ) -> io::Result<Share> {
        let most_bytes = self.plan.max_size;
        let may_rotate = self.unrotatable.is_none_or(|until| until <= now);
        let open = self.opened(now)?;
        // Somebody may have cut the file, so its end is asked for each time. Only what happens in the microseconds
        // up to the write can leave a hole of zero bytes.
        let end = open.file.metadata()?.len();
        let written = open.written;
        let yesterday = end > 0 && self.day.is_over(written, wall, tools.zone);
        let open = self.opened(now)?;
        open.due = match open.due {
            Some(due) if due <= end => Some(due),
            _ if end > 0 && (yesterday || end >= most_bytes) => Some(end),
            _ => None,
        };
        let Some(due) = open.due.filter(|_| may_rotate) else {
            let room = usize::try_from(most_bytes.saturating_sub(end)).unwrap_or(CHUNK);
            // A file that can't be rotated grows.
            let most = if room == 0 { CHUNK } else { CHUNK.min(room) };
            return Ok(Share { end, most });
        };
        let overhang = usize::try_from((due + OVERHANG).saturating_sub(end)).unwrap_or(0);
        if overhang > 0 && !own_line::is_after_end(&open.file, end)? {
            let line = tools.glass.line(pipe, overhang)?;
            // Of an empty pipe as well no more may be taken, because it may have been filled since.
            let most = if line == 0 { overhang } else { line };
            return Ok(Share { end, most });
        }
        self.rotate(now, component);
        let end = self.opened(now)?.file.metadata()?.len();
        let most = CHUNK.min(usize::try_from(most_bytes).unwrap_or(CHUNK));
        Ok(Share { end, most })
    }

    /// Gives the file its old name, if the present one is still its own; else only lets go of it.
    fn rotate(&mut self, now: Instant, component: &str) {
        let file = &self.plan.file;
        let named = |open: &Open| log_file::is_still_named(&open.file, file);
        let renamed = match &self.file {
            Some(open) if named(open) => {
                let _names = lock(&self.names);
                failpoint::reach(failpoint::Point::RotateBefore);
                rotate::rotate(file, self.plan.max_files)
            }
            _ => Ok(()),
        };
        if let Err(why) = renamed {
            if self.unrotatable.is_none() {
                log::warn!(
                    "{component}: its log can't be rotated and grows, which is tried again each second: {why}"
                );
            }
            self.unrotatable = Some(now + ROTATE_AGAIN);
            return;
        }
        if self.unrotatable.take().is_some() {
            log::info!("{component}: its log is rotated again");
        }
        failpoint::reach(failpoint::Point::RotateAfter);
        self.file = None;
        self.archive.look_at(&self.plan, &self.names);
    }

    /// The open file; opened again where it was renamed, deleted or replaced.
    fn opened(&mut self, now: Instant) -> io::Result<&mut Open> {
        if let Some(open) = &mut self.file
            && now.duration_since(open.checked) >= RECHECK
        {
            open.checked = now;
            if !log_file::is_still_named(&open.file, &self.plan.file) {
                self.file = None;
            }
        }
        match &mut self.file {
            Some(open) => Ok(open),
            none => {
                let file = log_file::open_to_place(&self.plan.file)?;
                let written = ms_since_1970(file.metadata()?.modified()?);
                let identity = log_file::identity(&file)?;
                Ok(none.insert(Open {
                    file,
                    identity,
                    checked: now,
                    written,
                    due: None,
                }))
            }
        }
    }

    /// Writes the line that tells how much is missing.
    fn mark(&mut self) -> io::Result<()> {
        let Some(fault) = &self.fault else {
            return Ok(());
        };
        self.write_line(&lost::mark(self.unmarked, self.uncounted, &cause(&fault.why)))?;
        self.unmarked = 0;
        self.uncounted = false;
        self.note.take_back();
        Ok(())
    }

    fn write_line(&mut self, text: &str) -> io::Result<()> {
        self.file
            .as_ref()
            .map_or(Ok(()), |open| own_line::write(&open.file, text))
    }
}

/// splice(2) without waiting for the pipe, of `most` bytes. 0 means that it is empty and nobody can write any more.
fn splice(
    pipe: BorrowedFd<'_>,
    to: BorrowedFd<'_>,
    at: Option<&mut u64>,
    most: usize,
) -> Result<usize, Errno> {
    rustix::io::retry_on_intr({
        let mut at = at;
        move || rustix::pipe::splice(pipe, None, to, at.as_deref_mut(), most, SpliceFlags::NONBLOCK)
    })
}

fn wall_ms() -> i64 {
    ms_since_1970(SystemTime::now())
}
