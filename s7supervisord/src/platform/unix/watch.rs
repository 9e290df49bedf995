//! Noticing deaths: every run's pidfd in one epoll set, so that a thousand runs cost the core loop one registration.

use rustix::event::epoll;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// Deaths taken from the kernel in one turn of the loop; what is left comes with the next.
const BATCH: usize = 256;

/// The set of pidfds.
pub struct Watch {
    set: AsyncFd<OwnedFd>,
}

impl Watch {
    /// An empty set. To be called inside the runtime.
    ///
    /// # Errors
    /// The system has no descriptors or memory left.
    pub fn new() -> io::Result<Self> {
        let set = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        // SAFETY: an OwnedFd always gives the same descriptor, and it is open as long as `set` lives.
        let set = unsafe { AsyncFd::register_with_interest(set, Interest::READABLE) }?;
        Ok(Self { set })
    }

    /// Adds a pidfd under `key`.
    ///
    /// # Errors
    /// The system has no memory left.
    pub fn add(&self, pidfd: BorrowedFd<'_>, key: u64) -> io::Result<()> {
        // One report for each death is enough; the descriptor is closed after it.
        let flags = epoll::EventFlags::IN | epoll::EventFlags::ONESHOT;
        Ok(epoll::add(
            self.set.get_ref(),
            pidfd,
            epoll::EventData::new_u64(key),
            flags,
        )?)
    }

    /// Has what was reported once reported again.
    ///
    /// # Errors
    /// It isn't in the set.
    pub fn again(&self, descriptor: BorrowedFd<'_>, key: u64) -> io::Result<()> {
        let flags = epoll::EventFlags::IN | epoll::EventFlags::ONESHOT;
        let data = epoll::EventData::new_u64(key);
        Ok(epoll::modify(self.set.get_ref(), descriptor, data, flags)?)
    }

    /// Takes a pidfd out.
    pub fn remove(&self, pidfd: BorrowedFd<'_>) {
        // It is gone with its last descriptor in any case.
        let _ = epoll::delete(self.set.get_ref(), pidfd);
    }

    /// Waits for deaths and gives their keys.
    pub async fn next(&self) -> Vec<u64> {
        loop {
            let Ok(mut guard) = self.set.readable().await else {
                // Only a runtime that is shutting down says this.
                std::future::pending::<()>().await;
                continue;
            };
            let keys = self.poll();
            if keys.is_empty() {
                guard.clear_ready();
            } else {
                return keys;
            }
        }
    }

    fn poll(&self) -> Vec<u64> {
        let none = epoll::Event {
            flags: epoll::EventFlags::empty(),
            data: epoll::EventData::new_u64(0),
        };
        let mut events = [none; BATCH];
        let zero = rustix::event::Timespec {
            tv_sec: 0,
            tv_nsec: 0,
        };
        match epoll::wait(self.set.get_ref().as_fd(), &mut events[..], Some(&zero)) {
            Ok(count) => events[..count].iter().map(|event| event.data.u64()).collect(),
            Err(_) => Vec::new(),
        }
    }
}
