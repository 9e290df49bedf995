//! What is due at a certain time, and the one timer that tells. Nothing is set where nothing is due.

use rustix::event::Timespec;
use rustix::time::{Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags};
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// What is due for a pipe.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Then {
    /// It gets a turn.
    Turn,
    /// It gives way to the next run's if it still has a writer.
    GiveWay,
    /// Its file, that could not be written, is tried again.
    LookAgain,
}

/// Pipes, by their keys, with a time.
pub(super) struct Appointments {
    timer: OwnedFd,
    list: Mutex<BinaryHeap<Reverse<(Instant, u64, Then)>>>,
}

impl Appointments {
    pub(super) fn new() -> io::Result<Self> {
        let flags = TimerfdFlags::CLOEXEC | TimerfdFlags::NONBLOCK;
        let timer = rustix::time::timerfd_create(TimerfdClockId::Monotonic, flags)?;
        Ok(Self {
            timer,
            list: Mutex::default(),
        })
    }

    /// Makes one for the pipe `key`.
    pub(super) fn make(&self, when: Instant, key: u64, then: Then) {
        let mut list = self.list.lock().unwrap_or_else(PoisonError::into_inner);
        list.push(Reverse((when, key, then)));
        if list.peek().is_some_and(|first| first.0 == (when, key, then)) {
            self.set_timer(when);
        }
    }

    /// Takes what is due by now.
    pub(super) fn take_due(&self) -> Vec<(u64, Then)> {
        let now = Instant::now();
        let mut due = Vec::new();
        let mut list = self.list.lock().unwrap_or_else(PoisonError::into_inner);
        while list.peek().is_some_and(|first| first.0.0 <= now) {
            due.extend(list.pop().map(|Reverse((_, key, then))| (key, then)));
        }
        if let Some(Reverse((when, ..))) = list.peek() {
            self.set_timer(*when);
        }
        due
    }

    fn set_timer(&self, when: Instant) {
        // Zero would switch it off.
        let left = when
            .saturating_duration_since(Instant::now())
            .max(Duration::from_nanos(1));
        let tv_sec = i64::try_from(left.as_secs()).unwrap_or(i64::MAX);
        let set = Itimerspec {
            it_interval: Timespec {
                tv_sec: 0,
                tv_nsec: 0,
            },
            it_value: Timespec {
                tv_sec,
                tv_nsec: left.subsec_nanos().into(),
            },
        };
        if let Err(errno) = rustix::time::timerfd_settime(&self.timer, TimerfdTimerFlags::empty(), &set) {
            log::error!("the timer of the output threads can't be set: {errno}");
        }
    }
}

/// Readable when something is due.
impl AsFd for Appointments {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.timer.as_fd()
    }
}
