//! Where one component's bytes go: its log file, and nowhere while that can't be written.

use super::{fifo, log_file};
use crate::output::failure::cause;
use crate::registry::plan::{LogPlan, OnFull};
use rustix::io::Errno;
use rustix::pipe::SpliceFlags;
use std::fs::File;
use std::io::{self, Write as _};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long a fault must last before output is dropped (DESIGN 6): until then the pipe pushes back.
const PATIENCE: Duration = Duration::from_secs(1);

/// How often a file that can't be written is tried again while output comes.
const RETRY: Duration = Duration::from_secs(1);

/// How often it is checked whether the file is still the one of that name.
const RECHECK: Duration = Duration::from_secs(1);

/// How much one system call moves. The kernel holds the pipe's lock while it copies, so that the component waits: with
/// the whole pipe in one call the two took turns, with a quarter of it they work side by side (measured: 1224 against 983
/// MB/s, at the same CPU per byte).
pub(super) const CHUNK: usize = 256 * 1024;

/// A component's log file and what is wrong with it.
pub(super) struct Sink {
    plan: Arc<LogPlan>,
    file: Option<Open>,
    fault: Option<Fault>,
    /// Bytes dropped that no line in the file tells of yet.
    unmarked: u64,
}

struct Open {
    file: File,
    checked: Instant,
}

struct Fault {
    since: Instant,
    retry_at: Instant,
    why: io::Error,
}

/// What became of one attempt.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Poured {
    /// Bytes went to the file.
    Moved(usize),
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
    pub(super) fn new(plan: Arc<LogPlan>) -> Self {
        Self {
            plan,
            file: None,
            fault: None,
            unmarked: 0,
        }
    }

    /// Moves what is in `pipe` on, by one system call that takes at most [`CHUNK`] bytes.
    pub(super) fn pour(&mut self, pipe: BorrowedFd<'_>, nowhere: BorrowedFd<'_>, component: &str) -> Poured {
        let now = Instant::now();
        if self.fault.as_ref().is_none_or(|fault| fault.retry_at <= now) {
            match self.pour_to_file(pipe, now) {
                Ok(poured) => {
                    if matches!(poured, Poured::Moved(_)) {
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
        match splice(pipe, nowhere, None) {
            Ok(0) => Poured::Ended,
            Ok(bytes) => {
                self.unmarked += bytes as u64;
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
        if let Err(why) = self.opened(now).map(|_| ()) {
            self.failed(why, now, component);
        }
    }

    /// Takes over new settings.
    pub(super) fn follow(&mut self, plan: Arc<LogPlan>) {
        if self.plan.file != plan.file {
            self.file = None;
            self.fault = None;
        }
        self.plan = plan;
    }

    /// Closes the file when no pipe is left, after telling in it what is missing.
    pub(super) fn close(&mut self) {
        if self.unmarked > 0 && self.opened(Instant::now()).is_ok() && self.mark().is_ok() {
            self.fault = None;
        }
        self.file = None;
    }

    fn pour_to_file(&mut self, pipe: BorrowedFd<'_>, now: Instant) -> io::Result<Poured> {
        self.opened(now)?;
        if self.unmarked > 0 {
            self.mark()?;
        }
        let file = self.opened(now)?;
        // Somebody may have cut the file, so its end is asked for each time. Only what happens in the microseconds
        // up to the write can leave a hole of zero bytes.
        let mut end = file.metadata()?.len();
        match splice(pipe, file.as_fd(), Some(&mut end)) {
            Ok(0) if fifo::holds_bytes(pipe) => Err(io::ErrorKind::WriteZero.into()),
            Ok(0) => Ok(Poured::Ended),
            Ok(bytes) => Ok(Poured::Moved(bytes)),
            Err(Errno::AGAIN) => Ok(Poured::Empty),
            Err(errno) => Err(errno.into()),
        }
    }

    /// The open file; opened again where it was renamed, deleted or replaced.
    fn opened(&mut self, now: Instant) -> io::Result<&File> {
        if let Some(open) = &mut self.file
            && now.duration_since(open.checked) >= RECHECK
        {
            open.checked = now;
            if !log_file::is_still_named(&open.file, &self.plan.file) {
                self.file = None;
            }
        }
        match &mut self.file {
            Some(open) => Ok(&open.file),
            none => {
                let file = log_file::open_to_place(&self.plan.file)?;
                Ok(&none.insert(Open { file, checked: now }).file)
            }
        }
    }

    /// Writes the line that tells how much is missing.
    fn mark(&mut self) -> io::Result<()> {
        let (Some(open), Some(fault)) = (&self.file, &self.fault) else {
            return Ok(());
        };
        let end = open.file.metadata()?.len();
        let mut line = Vec::with_capacity(128);
        let mut last = [b'\n'];
        if end > 0 && open.file.read_at(&mut last, end - 1)? == 1 && last[0] != b'\n' {
            line.push(b'\n');
        }
        let why = cause(&fault.why);
        writeln!(
            line,
            "[s7supervisord: {} bytes of output dropped: {why}]",
            self.unmarked
        )?;
        if let Err(why) = open.file.write_all_at(&line, end) {
            // Half a marker would be written again, so it is taken back; where even that fails, it stays.
            let _ = open.file.set_len(end);
            return Err(why);
        }
        self.unmarked = 0;
        Ok(())
    }

    fn failed(&mut self, why: io::Error, now: Instant, component: &str) {
        // The next attempt opens the file anew: it may be a new disk under the same name by then.
        self.file = None;
        let retry_at = now + RETRY;
        if let Some(fault) = &mut self.fault {
            fault.retry_at = retry_at;
            fault.why = why;
            return;
        }
        let policy = match self.plan.on_full {
            OnFull::Drop => "after 1 s it is dropped and counted",
            OnFull::Block => "the component waits when its pipe is full",
        };
        let file = self.plan.file.display();
        log::warn!(
            "{component}: its output can't be written to {file}: {}; it is tried again each second, {policy}",
            cause(&why)
        );
        self.fault = Some(Fault {
            since: now,
            retry_at,
            why,
        });
    }

    fn recovered(&mut self, component: &str) {
        if let Some(fault) = self.fault.take() {
            let seconds = fault.since.elapsed().as_secs_f64();
            log::info!("{component}: its output is logged again after {seconds:.1} s");
        }
    }
}

/// splice(2) without waiting for the pipe. 0 means that it is empty and nobody can write any more.
fn splice(pipe: BorrowedFd<'_>, to: BorrowedFd<'_>, at: Option<&mut u64>) -> Result<usize, Errno> {
    rustix::io::retry_on_intr({
        let mut at = at;
        move || rustix::pipe::splice(pipe, None, to, at.as_deref_mut(), CHUNK, SpliceFlags::NONBLOCK)
    })
}
