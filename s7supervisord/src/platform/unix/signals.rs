//! Signals to the daemon itself.

use std::io;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// What a signal asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked {
    /// SIGTERM, SIGINT: stop everything in order and end; again: kill what is left.
    Stop,
    /// SIGHUP: load the registry anew.
    Reload,
}

/// The signals that are listened to.
pub struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
    /// Signals that mean something to other daemons and would end this one: heard, and nothing done.
    others: [Signal; 3],
}

impl Signals {
    /// Begins to listen. To be called inside the runtime.
    ///
    /// # Errors
    /// The handlers can't be set.
    pub fn listen() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: signal(SignalKind::hangup())?,
            others: [
                signal(SignalKind::user_defined1())?,
                signal(SignalKind::user_defined2())?,
                signal(SignalKind::alarm())?,
            ],
        })
    }

    /// Waits for the next. Can be dropped at any time without losing one.
    pub async fn next(&mut self) -> Asked {
        let [first, second, alarm] = &mut self.others;
        loop {
            let name = tokio::select! {
                _ = self.terminate.recv() => return Asked::Stop,
                _ = self.interrupt.recv() => return Asked::Stop,
                _ = self.hangup.recv() => return Asked::Reload,
                _ = first.recv() => "SIGUSR1",
                _ = second.recv() => "SIGUSR2",
                _ = alarm.recv() => "SIGALRM",
            };
            log::warn!("{name} means nothing here and is ignored");
        }
    }
}
