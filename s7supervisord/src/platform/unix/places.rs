//! Low descriptors that are kept for what a child is given.
//!
//! A child that copies all descriptors of the daemon has to close them when it executes, and a daemon of a thousand
//! components has thousands: that took longer than all the rest of a start. So the child shares the daemon's table at
//! first and then takes a copy of its low end alone. What it is to have must lie there, and the places for it are taken when
//! the daemon begins and has few descriptors yet.

use rustix::fs::{Mode, OFlags};
use rustix::io::DupFlags;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Places that are kept: runs are created one after the other. Where another one is needed, because somebody hangs or a
/// command asks a run to stop meanwhile, it is made for the moment.
const KEPT: usize = 1;

/// Those that nobody uses at the moment.
static FREE: Mutex<Vec<Place>> = Mutex::new(Vec::new());

/// The descriptors of one child.
pub struct Place {
    /// `/dev/null`.
    null: OwnedFd,
    /// For stdout and stderr; `/dev/null` while there is no child.
    output: OwnedFd,
    /// Stays open in the component; `/dev/null` while there is no child.
    lock: OwnedFd,
    /// Where it tells that it is ready; `/dev/null` while there is no child, or it tells otherwise.
    notify: OwnedFd,
}

impl Place {
    fn new() -> io::Result<Self> {
        let flags = OFlags::RDWR | OFlags::CLOEXEC;
        let null = rustix::fs::open("/dev/null", flags, Mode::empty())?;
        Ok(Self {
            output: rustix::io::fcntl_dupfd_cloexec(&null, 0)?,
            lock: rustix::io::fcntl_dupfd_cloexec(&null, 0)?,
            notify: rustix::io::fcntl_dupfd_cloexec(&null, 0)?,
            null,
        })
    }

    /// One that nobody else uses, with what a child is given; the descriptors given here may be closed after it.
    ///
    /// # Errors
    /// All are in use, and there are no descriptors left for another one.
    pub fn with(
        output: Option<BorrowedFd<'_>>,
        lock: Option<BorrowedFd<'_>>,
        notify: Option<BorrowedFd<'_>>,
    ) -> io::Result<Self> {
        let free = free().pop();
        let mut place = free.map_or_else(Self::new, Ok)?;
        let laid = place.lay(output, lock, notify);
        if let Err(error) = laid {
            place.give_back();
            return Err(error);
        }
        Ok(place)
    }

    fn lay(
        &mut self,
        output: Option<BorrowedFd<'_>>,
        lock: Option<BorrowedFd<'_>>,
        notify: Option<BorrowedFd<'_>>,
    ) -> io::Result<()> {
        if let Some(output) = output {
            rustix::io::dup3(output, &mut self.output, DupFlags::CLOEXEC)?;
        }
        if let Some(lock) = lock {
            rustix::io::dup3(lock, &mut self.lock, DupFlags::CLOEXEC)?;
        }
        if let Some(notify) = notify {
            rustix::io::dup3(notify, &mut self.notify, DupFlags::CLOEXEC)?;
        }
        Ok(())
    }

    /// Lets go of what was laid down: as long as it lies there, an output pipe has a writer and a lock is held.
    pub fn give_back(mut self) {
        let Self {
            null,
            output,
            lock,
            notify,
        } = &mut self;
        let cleared = [output, lock, notify]
            .into_iter()
            .try_for_each(|place| rustix::io::dup3(null.as_fd(), place, DupFlags::CLOEXEC));
        let mut free = free();
        // The kept ones are the lowest, because they were the first. One that can't be cleared is closed, which clears it.
        if cleared.is_ok() && free.len() < KEPT {
            free.push(self);
            free.sort_by_key(|place| std::cmp::Reverse(place.end()));
        }
    }

    /// `/dev/null`.
    pub fn null(&self) -> RawFd {
        self.null.as_raw_fd()
    }

    /// What becomes stdout and stderr.
    pub fn output(&self) -> RawFd {
        self.output.as_raw_fd()
    }

    /// What stays open.
    pub fn lock(&self) -> RawFd {
        self.lock.as_raw_fd()
    }

    /// Where it tells that it is ready.
    pub fn notify(&self) -> RawFd {
        self.notify.as_raw_fd()
    }

    /// The lowest descriptor that a child with this place doesn't need.
    pub fn end(&self) -> u32 {
        let last = self.null().max(self.output()).max(self.lock()).max(self.notify());
        u32::try_from(last).unwrap_or(0) + 1
    }
}

fn free() -> MutexGuard<'static, Vec<Place>> {
    // Nobody panics with this lock, and if somebody did, a place is whole or closed.
    FREE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Takes the places. To be called before there are many descriptors.
///
/// # Errors
/// The daemon has no descriptors left.
pub fn reserve() -> io::Result<()> {
    while free().len() < KEPT {
        let place = Place::new()?;
        free().push(place);
    }
    free().sort_by_key(|place| std::cmp::Reverse(place.end()));
    Ok(())
}
