//! From one image of the daemon to the next, in the same process.

use crate::control::reception::{Handed, Reception};
use crate::daemon_log::DaemonLog;
use crate::driver::upgrade::Candidate;
use crate::driver::{Driver, Outcome};
use crate::platform::binary::Binary;
use crate::platform::{Inherited, Socket, process};
use crate::{Failure, exit};
use std::fs::File;
use std::io;
use std::time::Duration;

/// How long clients may take to hear that another image carries on, and the log to be written. Components run on meanwhile,
/// and nobody looks after them.
const FAREWELL: Duration = Duration::from_secs(1);

/// Hands everything over to the binary that the loop has found fit. Comes back only where it can't be executed: then this
/// image goes on until the next time.
pub async fn hand_over(
    mut driver: Box<Driver>,
    reception: Reception,
    inherited: Inherited,
    lock: &mut File,
    log: &DaemonLog,
) -> (Outcome, Reception) {
    let mut handed = reception.hand_over().await;
    // Where it was taken anew. This image may have to go on with it.
    if let Some(Ok(present)) = handed.hold.lock.as_ref().map(File::try_clone) {
        *lock = present;
    }
    if let Some(candidate) = driver.hand_over() {
        let written = driver.close_history();
        handed.farewell(FAREWELL).await;
        if let Some(written) = written {
            // A disk that hangs must not hold the next image up.
            let _ = tokio::time::timeout(FAREWELL, written).await;
        }
        let error = execute(&candidate, &handed, inherited, lock, &driver, log);
        let path = candidate.binary.path().display();
        driver.carry_on(&format!("executing {path} in place of this supervisor: {error}"));
    }
    let reception = handed.reopen();
    (driver.go_on().await, reception)
}

fn execute(
    candidate: &Candidate,
    handed: &Handed,
    inherited: Inherited,
    lock: &File,
    driver: &Driver,
    log: &DaemonLog,
) -> io::Error {
    let socket = match handed
        .hold
        .listener
        .as_ref()
        .map(|listener| listener.socket())
        .transpose()
    {
        Ok(socket) => socket,
        Err(error) => return error,
    };
    let own = crate::version();
    log::info!(
        target: "lifecycle",
        "version {own} gives way to version {}, {}",
        candidate.version,
        candidate.binary.path().display()
    );
    let _ = log.flush(FAREWELL);
    // Last, because output rests from here on.
    let lost = driver.lost_output();
    let Err(error) = process::begin_anew(
        inherited,
        &candidate.binary,
        lock,
        socket.as_ref(),
        &driver.sockets(),
        lost.as_ref(),
        Some(own),
    );
    error
}

/// What is kept until the very end, and for an image that begins again.
pub struct Kept {
    lock: File,
    listener: Option<Socket>,
    successor: Option<Binary>,
}

impl Kept {
    /// The lock, what of clients' ways is handed over, and the binary that begins anew.
    #[must_use]
    pub fn of(lock: File, handed: Option<Handed>, successor: Option<Binary>) -> Self {
        let (newer, listener) =
            handed.map_or((None, None), |handed| (handed.hold.lock, handed.hold.listener));
        Self {
            lock: newer.unwrap_or(lock),
            // Without it the next image listens anew.
            listener: listener.and_then(|listener| listener.into_socket().ok()),
            successor,
        }
    }

    /// Begins again with the binary that was found fit before everything was stopped. Comes back only if that fails.
    #[must_use]
    pub fn begin_again(&self, inherited: Inherited) -> Failure {
        let Some(binary) = &self.successor else {
            return Failure::new(
                exit::INTERNAL,
                "beginning anew: there is no program to begin with",
            );
        };
        let Err(error) = process::begin_anew(
            inherited,
            binary,
            &self.lock,
            self.listener.as_ref(),
            &[],
            None,
            None,
        );
        let path = binary.path().display();
        Failure::new(
            exit::INTERNAL,
            format!("beginning anew: executing {path}: {error}"),
        )
    }
}
