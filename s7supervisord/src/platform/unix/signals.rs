//! Signals to the daemon itself.
//!
//! They are held back in every thread and read from a descriptor. So none is lost, at whatever moment it comes: not while
//! the daemon begins, not between the end of the loop and the beginning anew, and not by the first process of a container,
//! for which the kernel throws away every signal that is neither held back nor has a handler.

use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use std::io;
use std::os::fd::{AsFd, AsRawFd, RawFd};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// What a signal asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked {
    /// SIGTERM, SIGINT: stop everything in order and end; again: kill what is left.
    Stop,
    /// SIGHUP: load the registry anew.
    Reload,
}

/// Those that ask for a stop.
const STOP: [Signal; 2] = [Signal::SIGTERM, Signal::SIGINT];
/// Signals that mean something to other daemons and would end this one: heard, and nothing done.
const OTHERS: [Signal; 3] = [Signal::SIGUSR1, Signal::SIGUSR2, Signal::SIGALRM];

/// Holds the daemon's signals back from now on. To be called before the first thread is created, which all inherit it.
///
/// # Errors
/// The system refuses; it has no reason to.
pub fn hold() -> io::Result<()> {
    Ok(all().thread_block()?)
}

/// Whether a stop was asked for that nobody has heard, and takes it. For the moment in which nobody listens any more.
#[must_use]
pub fn unheard_stop() -> bool {
    let stop: SigSet = STOP.into_iter().collect();
    SignalFd::with_flags(&stop, SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC)
        .and_then(|descriptor| descriptor.read_signal())
        .is_ok_and(|found| found.is_some())
}

/// Signals are for other threads than the one that calls this; above all SIGXFSZ, which a log that reaches the daemon's own file
/// size limit would send to the thread that writes it, and which would end the daemon.
pub(super) fn keep_from_this_thread() {
    // The only error is a wrong set.
    let _ = SigSet::all().thread_block();
}

fn all() -> SigSet {
    STOP.into_iter().chain([Signal::SIGHUP]).chain(OTHERS).collect()
}

/// The signals that are listened to.
pub struct Signals {
    descriptor: AsyncFd<Descriptor>,
}

/// What makes a [`SignalFd`] fit for the runtime.
struct Descriptor(SignalFd);

impl AsRawFd for Descriptor {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_fd().as_raw_fd()
    }
}

impl Signals {
    /// Begins to listen to what [`hold`] holds back. To be called inside the runtime.
    ///
    /// # Errors
    /// There is no descriptor left for it.
    pub fn listen() -> io::Result<Self> {
        let descriptor = SignalFd::with_flags(&all(), SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC)?;
        // SAFETY: it always gives the same descriptor, which is open as long as the wrapper lives.
        let descriptor =
            unsafe { AsyncFd::register_with_interest(Descriptor(descriptor), Interest::READABLE) }?;
        Ok(Self { descriptor })
    }

    /// Waits for the next. Can be dropped at any time without losing one.
    pub async fn next(&mut self) -> Asked {
        loop {
            let Ok(mut ready) = self.descriptor.readable().await else {
                // Only a runtime that is shutting down says this.
                std::future::pending::<()>().await;
                continue;
            };
            let Ok(Some(found)) = ready.get_inner().0.read_signal() else {
                ready.clear_ready();
                continue;
            };
            match i32::try_from(found.ssi_signo).map(Signal::try_from) {
                Ok(Ok(Signal::SIGHUP)) => return Asked::Reload,
                Ok(Ok(signal)) if STOP.contains(&signal) => return Asked::Stop,
                Ok(Ok(signal)) => log::warn!("{signal} means nothing here and is ignored"),
                _ => {}
            }
        }
    }
}
