//! One request, its notices, and its one final reply.

use crate::connect::Daemon;
use crate::deadline::Deadline;
use crate::error::{CtlError, Kind};
use crate::launch;
use crate::minor;
use crate::progress::Progress;
use s7proto::NO_REQUEST;
use s7proto::channel::ChannelError;
use s7proto::reply::{Done, Response};
use s7proto::request::Request;
use std::time::Duration;

/// Each call of `s7ctl` has one request under way at a time, so one id is enough.
const ID: u64 = 1;
/// How long it may take to hear what was said before a connection was closed: it is there already.
const LAST_WORD: Duration = Duration::from_secs(1);

/// What came of asking.
enum Answer {
    Done(Done),
    /// The supervisor was replaced before it has begun with anything.
    NotBegun,
}

/// Asks, and waits for the answer until `deadline`. Where the supervisor is replaced before it has begun, the next one is
/// asked; where it is replaced after that, the answer is [`Done::HandedOver`].
///
/// # Errors
/// [`CtlError`]: a refusal in words, a broken channel, or the end of the caller's time.
pub async fn call(
    daemon: &mut Daemon,
    request: &Request,
    deadline: Deadline,
    progress: &mut Progress,
) -> Result<Done, CtlError> {
    loop {
        match ask(daemon, request, deadline, progress).await? {
            Answer::Done(done) => return Ok(done),
            Answer::NotBegun => launch::next(daemon, deadline).await?,
        }
    }
}

async fn ask(
    daemon: &mut Daemon,
    request: &Request,
    deadline: Deadline,
    progress: &mut Progress,
) -> Result<Answer, CtlError> {
    let peer = daemon.name();
    let broken = |error: &ChannelError, progress: &Progress| match error {
        ChannelError::TimedOut { .. } => CtlError::timed_out(deadline.within(), &progress.awaited()),
        ChannelError::PeerOlder { peer } => minor::too_old(request, *peer),
        _ => CtlError::channel(&peer, error),
    };
    let sent = daemon.channel.send(ID, request, deadline.remaining()).await;
    if let Err(error) = sent {
        // It may have said that it is being replaced before it has closed the connection.
        return match not_sent(daemon, &error, deadline).await {
            true => Ok(Answer::NotBegun),
            false => Err(broken(&error, progress)),
        };
    }
    loop {
        let received = daemon.channel.recv(deadline.remaining()).await;
        match received.map_err(|error| broken(&error, progress))? {
            Some((ID, Response::Notice(notice))) => progress.heard(&notice),
            Some((ID, Response::Done(done))) => return Ok(Answer::Done(done)),
            Some((NO_REQUEST, Response::Done(Done::HandedOver))) => return Ok(Answer::NotBegun),
            Some((ID, Response::Refused(refusal))) => return Err(CtlError::refused(&refusal, None)),
            Some((other, _)) => {
                let message = format!("{peer} answered request {other}, which was not asked");
                return Err(CtlError::new(Kind::Connection, message));
            }
            None => {
                let message = format!("{peer} closed the connection before it answered");
                return Err(CtlError::new(Kind::Connection, message)
                    .hint("it may have ended; what was asked for may be done or not; see: s7ctl status"));
            }
        }
    }
}

/// Whether a request could not be sent because another supervisor carries on.
pub async fn not_sent(daemon: &mut Daemon, error: &ChannelError, deadline: Deadline) -> bool {
    if !matches!(error, ChannelError::Io { .. }) {
        return false;
    }
    let said = daemon.channel.recv(deadline.at_most(LAST_WORD).remaining()).await;
    matches!(said, Ok(Some((NO_REQUEST, Response::Done(Done::HandedOver)))))
}

/// The answer belongs to another question.
#[must_use]
pub fn unexpected(daemon: &Daemon) -> CtlError {
    let message = format!("{} gave an answer of the wrong kind", daemon.name());
    CtlError::new(Kind::Connection, message).hint("s7ctl version shows both versions")
}

/// Waits until the daemon has closed the connection: after its last reply it ends, and the connection with it.
///
/// # Errors
/// [`Kind::TimedOut`] where it is still there at `deadline`.
pub async fn wait_for_end(daemon: &mut Daemon, deadline: Deadline) -> Result<(), CtlError> {
    loop {
        match daemon.channel.recv(deadline.remaining()).await {
            Ok(Some(_late)) => {}
            Err(ChannelError::TimedOut { .. }) => {
                let message = format!(
                    "everything is stopped, but {} has not ended within {}",
                    daemon.name(),
                    crate::render::quantity::seconds(deadline.within())
                );
                return Err(CtlError::new(Kind::TimedOut, message).hint("see the supervisor's own log"));
            }
            // However a connection ends: the other side is gone.
            Ok(None) | Err(_) => return Ok(()),
        }
    }
}
