//! Console events to the daemon itself.

use std::io;
use tokio::signal::windows::{CtrlBreak, CtrlC, ctrl_break, ctrl_c};

/// What an event asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked {
    /// Ctrl-C or Ctrl-Break: stop everything in order and end; again: kill what is left.
    Stop,
    /// Load the registry anew. No console event says so.
    Reload,
}

/// On Windows nothing need be held back: an event that comes before [`Signals::listen`] ends the daemon, which has begun
/// nothing yet.
///
/// # Errors
/// Never.
pub fn hold() -> io::Result<()> {
    Ok(())
}

/// Whether a stop was asked for that nobody has heard: Windows keeps none.
#[must_use]
pub fn unheard_stop() -> bool {
    false
}

/// The events that are listened to.
pub struct Signals {
    interrupt: CtrlC,
    interrupt_hard: CtrlBreak,
}

impl Signals {
    /// Begins to listen. To be called inside the runtime.
    ///
    /// # Errors
    /// The handlers can't be set.
    pub fn listen() -> io::Result<Self> {
        Ok(Self {
            interrupt: ctrl_c()?,
            interrupt_hard: ctrl_break()?,
        })
    }

    /// Waits for the next. Can be dropped at any time without losing one.
    pub async fn next(&mut self) -> Asked {
        tokio::select! {
            _ = self.interrupt.recv() => Asked::Stop,
            _ = self.interrupt_hard.recv() => Asked::Stop,
        }
    }
}
