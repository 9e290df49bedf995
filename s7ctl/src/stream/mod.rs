//! Requests whose notices don't end: heard one by one, and shown at once.

#[cfg_attr(unix, path = "unix.rs")]
#[cfg_attr(windows, path = "windows.rs")]
mod os;

mod reached;

use crate::call::not_sent;
use crate::connect::{self, Daemon};
use crate::deadline::Deadline;
use crate::error::{CtlError, Kind};
use crate::launch;
use crate::minor;
use crate::render::quantity::seconds;
use reached::Reached;
use s7proto::NO_REQUEST;
use s7proto::channel::ChannelError;
use s7proto::reply::{Done, Notice, Response};
use s7proto::request::{LogPosition, Request};
use std::convert::Infallible;
use std::io::{self, Write};

/// Another one than that of the questions before it on the same connection.
const ID: u64 = 2;

/// Why nothing more is to be heard.
#[derive(Debug)]
pub enum End {
    /// Whoever reads our output has gone (`| head`), and wanted no more: no failure.
    ReaderGone,
    /// Everything else, also the end of the supervisor and of the caller's time.
    Failed(CtlError),
}

/// What [`follow`] hears goes here.
pub trait Listener {
    /// One notice.
    ///
    /// # Errors
    /// [`End`] where it can't be shown.
    fn heard(&mut self, notice: Notice) -> Result<(), End>;
}

/// Asks, and gives each notice to `listener` until something ends it.
pub async fn follow(
    daemon: &mut Daemon,
    request: &Request,
    deadline: Deadline,
    listener: &mut impl Listener,
) -> End {
    tokio::select! {
        // What has come is shown before it is noticed that nobody looks.
        biased;
        Err(end) = hear_on(daemon, request, deadline, listener) => end,
        () = os::reader_gone() => End::ReaderGone,
    }
}

/// Hears, also what the next supervisor says, where one is replaced by another.
async fn hear_on(
    daemon: &mut Daemon,
    request: &Request,
    deadline: Deadline,
    listener: &mut impl Listener,
) -> Result<Infallible, End> {
    let mut request = request.clone();
    loop {
        let mut reached = Reached::of(&request);
        match hear(daemon, &request, deadline, listener, &mut reached).await? {
            HandedOver::NotBegun => {}
            HandedOver::CutOff(end) => {
                // Whoever reads our output was too slow for the word of farewell. Where the next supervisor is there it goes on;
                // one that was killed is not.
                let Some(rest) = reached.rest_of(&request) else {
                    return Err(end);
                };
                let place = [daemon.endpoint.clone()];
                match connect::open(&place, deadline).await {
                    Ok(next) => *daemon = next,
                    Err(_) => return Err(end),
                }
                request = rest;
                continue;
            }
            HandedOver::Events => {
                if let Some(rest) = reached.rest_when_handed_over(&request) {
                    request = rest;
                }
            }
            HandedOver::Output(positions) => request = Request::FollowFrom(positions),
        }
        launch::next(daemon, deadline).await.map_err(End::Failed)?;
    }
}

/// How a stream goes on with the next supervisor.
enum HandedOver {
    /// It had not begun.
    NotBegun,
    /// With what has happened since.
    Events,
    /// From these points on.
    Output(Vec<LogPosition>),
    /// Nobody has said anything: the connection has ended.
    CutOff(End),
}

async fn hear(
    daemon: &mut Daemon,
    request: &Request,
    deadline: Deadline,
    listener: &mut impl Listener,
    reached: &mut Reached,
) -> Result<HandedOver, End> {
    let peer = daemon.name();
    let fail = |kind, message: String| End::Failed(CtlError::new(kind, message));
    let long_enough = || {
        let message = format!("followed for {}, as --timeout says", seconds(deadline.within()));
        fail(Kind::TimedOut, message)
    };
    let broken = |error: ChannelError| match error {
        ChannelError::TimedOut { .. } => long_enough(),
        ChannelError::PeerOlder { peer } => End::Failed(minor::too_old(request, peer)),
        _ => End::Failed(CtlError::channel(&peer, &error)),
    };
    if let Err(error) = daemon.channel.send(ID, request, deadline.remaining()).await {
        return match not_sent(daemon, &error, deadline).await {
            true => Ok(HandedOver::NotBegun),
            false => Err(broken(error)),
        };
    }
    loop {
        let received = match daemon.channel.recv(deadline.remaining()).await {
            Err(error @ (ChannelError::CutOff { .. } | ChannelError::Io { .. })) => {
                return Ok(HandedOver::CutOff(broken(error)));
            }
            received => received.map_err(broken)?,
        };
        match received {
            Some((ID, Response::Notice(notice))) => {
                reached.heard(&notice);
                listener.heard(notice)?;
            }
            Some((NO_REQUEST, Response::Done(Done::HandedOver))) => return Ok(HandedOver::NotBegun),
            Some((ID, Response::Done(Done::HandedOver))) => return Ok(HandedOver::Events),
            Some((ID, Response::Done(Done::OutputHandedOver(positions)))) => {
                return Ok(HandedOver::Output(positions));
            }
            Some((ID, Response::Done(Done::StreamEnded))) => {
                return Err(fail(Kind::NoSupervisor, "the supervisor has ended".to_owned()));
            }
            Some((ID, Response::Refused(refusal))) => {
                return Err(End::Failed(CtlError::refused(&refusal, None)));
            }
            Some((ID, Response::Done(_))) => {
                return Err(End::Failed(crate::call::unexpected(daemon)));
            }
            Some((other, _)) => {
                let message = format!("{peer} answered request {other}, which was not asked");
                return Err(fail(Kind::Connection, message));
            }
            None => {
                let message =
                    format!("{peer} has closed the connection without a word, as when it is killed");
                let error = CtlError::new(Kind::NoSupervisor, message).hint("see: s7ctl status");
                return Ok(HandedOver::CutOff(End::Failed(error)));
            }
        }
        // Notices that come without a pause would never let the time end.
        if deadline.passed() {
            return Err(long_enough());
        }
    }
}

/// Writes to standard output at once.
///
/// # Errors
/// [`End`] where nobody reads it, or it can't be written.
pub fn show(bytes: &[u8]) -> Result<(), End> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(bytes).and_then(|()| stdout.flush()) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Err(End::ReaderGone),
        Err(error) => {
            let error = CtlError::new(Kind::Failed, "cannot write to standard output").because(error);
            Err(End::Failed(error))
        }
    }
}
