//! The FIFO that every worker writes its beginning into, ours and the floor's alike.

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::fs::{Mode, OFlags};
use rustix::time::ClockId;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// A worker has begun.
#[derive(Debug, Clone, Copy)]
pub struct Start {
    /// The first thing its `main` has read from the clock (CLOCK_MONOTONIC).
    pub at: Duration,
    /// Who it is.
    pub pid: u32,
}

/// The reader.
#[derive(Debug)]
pub struct Starts {
    path: PathBuf,
    fifo: File,
    rest: Vec<u8>,
}

/// Now, on the clock that the workers read.
pub fn now() -> Duration {
    let now = rustix::time::clock_gettime(ClockId::Monotonic);
    Duration::new(
        u64::try_from(now.tv_sec).unwrap_or(0),
        u32::try_from(now.tv_nsec).unwrap_or(0),
    )
}

/// Seconds, in milliseconds.
pub fn ms(span: Duration) -> f64 {
    span.as_secs_f64() * 1e3
}

impl Starts {
    /// Makes the FIFO `path`, or takes the one that is there.
    ///
    /// # Errors
    /// It can't be made.
    pub fn make(path: &Path) -> io::Result<Self> {
        match rustix::fs::mkfifoat(rustix::fs::CWD, path, Mode::RUSR | Mode::WUSR) {
            // That of an earlier daemon in the same folder, whose workers have ended.
            Err(rustix::io::Errno::EXIST) => {}
            made => made?,
        }
        // Open for writing too, so that there always is a reader and no worker waits for one.
        let flags = OFlags::RDWR | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let fifo = rustix::fs::open(path, flags, Mode::empty())?;
        Ok(Self {
            path: path.to_owned(),
            fifo: fifo.into(),
            rest: Vec::new(),
        })
    }

    /// Where it lies.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Waits for `count` beginnings, asleep until one comes.
    ///
    /// # Errors
    /// They don't come within `patience`.
    pub fn next(&mut self, count: usize, patience: Duration) -> io::Result<Vec<Start>> {
        self.collect(count, patience, |fifo| {
            let mut asked = [PollFd::new(fifo, PollFlags::IN)];
            let second = Timespec {
                tv_sec: 1,
                tv_nsec: 0,
            };
            match rustix::event::poll(&mut asked, Some(&second)) {
                Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
                Err(error) => Err(error.into()),
            }
        })
    }

    /// Waits for `count` beginnings with a look now and then, so as not to compete with what is measured.
    ///
    /// # Errors
    /// They don't come within `patience`.
    pub fn many(&mut self, count: usize, patience: Duration) -> io::Result<Vec<Start>> {
        self.collect(count, patience, |_| {
            std::thread::sleep(Duration::from_millis(20));
            Ok(())
        })
    }

    fn collect(
        &mut self,
        count: usize,
        patience: Duration,
        wait: impl Fn(&File) -> io::Result<()>,
    ) -> io::Result<Vec<Start>> {
        let begun = Instant::now();
        let mut found = Vec::with_capacity(count);
        loop {
            found.extend(self.read()?);
            if found.len() == count {
                return Ok(found);
            }
            if found.len() > count || begun.elapsed() > patience {
                let why = format!("{} of {count} workers began within {patience:?}", found.len());
                return Err(io::Error::new(io::ErrorKind::TimedOut, why));
            }
            wait(&self.fifo)?;
        }
    }

    fn read(&mut self) -> io::Result<Vec<Start>> {
        let mut buffer = [0; 64 * 1024];
        match self.fifo.read(&mut buffer) {
            Ok(read) => self.rest.extend_from_slice(&buffer[..read]),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
        let whole = self
            .rest
            .iter()
            .rposition(|byte| *byte == b'\n')
            .map_or(0, |at| at + 1);
        let lines: Vec<u8> = self.rest.drain(..whole).collect();
        String::from_utf8_lossy(&lines).lines().map(parse).collect()
    }
}

fn parse(line: &str) -> io::Result<Start> {
    let start = line.split_once(' ').and_then(|(at, pid)| {
        Some(Start {
            at: Duration::from_nanos(at.parse().ok()?),
            pid: pid.parse().ok()?,
        })
    });
    start.ok_or_else(|| io::Error::other(format!("a worker has written {line:?}")))
}
