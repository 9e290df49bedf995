//! From an endpoint to a channel: tries each place, tells "nobody is there" from everything else.

#[cfg_attr(unix, path = "unix.rs")]
#[cfg_attr(windows, path = "windows.rs")]
mod os;

pub use os::Stream;

use crate::deadline::Deadline;
use crate::error::{CtlError, Kind};
use crate::render::no_supervisor;
use s7proto::channel::{ChannelError, ClientChannel, Doing};
use s7proto::endpoint::Endpoint;
use std::io;
use std::time::Duration;

/// How long a supervisor may take to answer a connection and a greeting. It does both off its core loop.
const GREETING: Duration = Duration::from_secs(5);

/// Between two tries at an endpoint whose queue is full.
const AGAIN: Duration = Duration::from_millis(10);

/// A supervisor that has greeted us.
#[derive(Debug)]
pub struct Daemon {
    /// The way to it.
    pub channel: ClientChannel<Stream>,
    /// Where it listens.
    pub endpoint: Endpoint,
}

impl Daemon {
    /// What it is called in sentences.
    #[must_use]
    pub fn name(&self) -> String {
        name(&self.endpoint)
    }
}

fn name(endpoint: &Endpoint) -> String {
    format!("the supervisor at {endpoint}")
}

/// Connects to the first of `candidates` where somebody listens.
///
/// # Errors
/// [`Kind::NoSupervisor`] where nobody listens anywhere. A place that may not be entered is an error only where no other
/// answers; a place that answers wrongly is one at once, so that never a second supervisor is talked to by mistake.
pub async fn open(candidates: &[Endpoint], deadline: Deadline) -> Result<Daemon, CtlError> {
    let deadline = deadline.at_most(GREETING);
    let mut forbidden = None;
    for endpoint in candidates {
        match enter(endpoint, deadline).await {
            Ok(channel) => {
                let endpoint = endpoint.clone();
                return Ok(Daemon { channel, endpoint });
            }
            Err(Failure::Absent) => {}
            Err(Failure::Forbidden(error)) => forbidden = forbidden.or(Some(error)),
            Err(Failure::Broken(error)) => return Err(error),
        }
    }
    Err(forbidden.unwrap_or_else(|| no_supervisor(candidates, left_behind(candidates))))
}

/// Where a supervisor has listened that has ended without stopping anything: one that stops everything takes its socket with it.
#[must_use]
pub fn left_behind(candidates: &[Endpoint]) -> Option<&Endpoint> {
    candidates.iter().find(|endpoint| os::is_left_behind(endpoint))
}

enum Failure {
    Absent,
    Forbidden(CtlError),
    Broken(CtlError),
}

async fn enter(endpoint: &Endpoint, deadline: Deadline) -> Result<ClientChannel<Stream>, Failure> {
    loop {
        let stream = match tokio::time::timeout(deadline.remaining(), os::open(endpoint)).await {
            Err(_elapsed) => return Err(Failure::Broken(silent(endpoint, deadline))),
            Ok(Ok(stream)) => stream,
            Ok(Err(error)) if os::means_absent(&error) => return Err(Failure::Absent),
            Ok(Err(error)) if os::means_busy(&error) && !deadline.passed() => {
                tokio::time::sleep(AGAIN.min(deadline.remaining())).await;
                continue;
            }
            Ok(Err(error)) if error.kind() == io::ErrorKind::PermissionDenied => {
                return Err(Failure::Forbidden(forbidden(endpoint, &error)));
            }
            Ok(Err(error)) => {
                let message = format!("cannot connect to {}", name(endpoint));
                let error = CtlError::new(Kind::Connection, message).because(error);
                return Err(Failure::Broken(error));
            }
        };
        match ClientChannel::greet(stream, deadline.remaining()).await {
            Ok(channel) => return Ok(channel),
            Err(ChannelError::Io { source, .. }) if os::means_busy(&source) && !deadline.passed() => {
                tokio::time::sleep(AGAIN.min(deadline.remaining())).await;
            }
            Err(ChannelError::TimedOut { .. }) => return Err(Failure::Broken(silent(endpoint, deadline))),
            Err(
                error @ ChannelError::CutOff {
                    doing: Doing::ReceivingHello,
                    ..
                },
            ) => {
                let message = format!("{} closed the connection without a greeting", name(endpoint));
                let hint = "too many clients at once, or it is just ending; try again";
                let error = CtlError::new(Kind::Connection, message).because(error).hint(hint);
                return Err(Failure::Broken(error));
            }
            Err(error) => return Err(Failure::Broken(CtlError::channel(&name(endpoint), &error))),
        }
    }
}

fn silent(endpoint: &Endpoint, deadline: Deadline) -> CtlError {
    let within = crate::render::quantity::seconds(deadline.within());
    let message = format!("{} does not answer: no greeting within {within}", name(endpoint));
    CtlError::new(Kind::TimedOut, message)
        .hint("it may be hanging or stopped (SIGSTOP); see its process and its log")
}

fn forbidden(endpoint: &Endpoint, error: &io::Error) -> CtlError {
    CtlError::new(
        Kind::NotPermitted,
        format!("not permitted to connect to {}", name(endpoint)),
    )
    .because(error)
    .hint("this is for root, the supervisor's own user and the socket's group")
}
