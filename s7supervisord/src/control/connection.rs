//! One client: greeting, requests one after the other, notices, replies.

use super::audit::{self, Entry};
use super::call::{Answer, Call, Presence, permission, room};
use crate::failpoint::{self, Point};
use crate::platform::peer::Peer;
use s7proto::NO_REQUEST;
use s7proto::channel::{ChannelError, Outgoing, ServerChannel};
use s7proto::older;
use s7proto::refusal::{Permission, Refusal};
use s7proto::reply::{Done, Notice, Reply, Response};
use s7proto::request::Request;
use s7proto::status::Actor;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::mpsc::{self, error::TrySendError};

/// How long a client may take to greet (reliability B40).
const GREETING: Duration = Duration::from_secs(5);
/// How long a client may be silent between two requests (reliability B40).
const IDLE: Duration = Duration::from_secs(60);
/// How long a client may take to take what it is sent (reliability B39).
const WRITE: Duration = Duration::from_secs(5);
/// How long a client may take to take what it follows: a pager that somebody reads in. Output waits in its file meanwhile,
/// and of events there is a bounded queue.
const READING: Duration = Duration::from_secs(3600);
/// Longer than any operation: while one is under way only the end of the connection is listened for.
const WHILE_WORKING: Duration = Duration::from_secs(365 * 24 * 3600);

/// The minor that knows what is said to no request in particular.
const NO_REQUEST_SINCE: u16 = 2;

/// Serves one client until it leaves.
///
/// # Errors
/// The client broke the protocol, was too slow, or the connection failed.
pub async fn serve<S: AsyncRead + AsyncWrite + Unpin>(
    stream: S,
    peer: Peer,
    allowed: Option<Permission>,
    inbox: mpsc::Sender<Call>,
    mut presence: Presence,
) -> Result<(), ChannelError> {
    let (mut incoming, mut outgoing) = ServerChannel::greet(stream, GREETING).await?.split();
    failpoint::reach(Point::Client);
    // A request that came while another was under way; one more isn't read before this one is answered.
    let mut next = None;
    loop {
        let received = match next.take() {
            Some(received) => Some(received),
            None => tokio::select! {
                biased;
                () = presence.over() => None,
                received = incoming.recv(IDLE) => received?,
            },
        };
        if presence.is_over() {
            return send_on(&mut outgoing).await;
        }
        let Some((id, request)) = received else {
            return Ok(());
        };
        let request = match request {
            Ok(request) => request,
            Err(malformed) => {
                let refusal = Refusal::Malformed {
                    detail: malformed.to_string(),
                };
                send(&mut outgoing, id, Err(refusal)).await?;
                continue;
            }
        };
        if let Some(refusal) = refuse(&request, &peer, allowed) {
            send(&mut outgoing, id, Err(refusal)).await?;
            continue;
        }
        let is_endless = endless(&request);
        let patience = match &request {
            Request::Follow { .. }
            | Request::FollowFrom(_)
            | Request::EventsFrom { .. }
            | Request::LogsFrom { follow: true, .. }
            | Request::Events { follow: true, .. } => READING,
            _ => WRITE,
        };
        let (answer, mut notices, mut reply) =
            Answer::with_room(Entry::begin(&peer, &request), room(&request));
        // Held until the answer is sent, so that the daemon doesn't end before.
        let _working = presence.working.upgrade();
        match inbox.try_send(Call {
            request,
            peer: peer.clone(),
            answer,
        }) {
            Ok(()) => {}
            Err(TrySendError::Full(call)) => call.answer.refuse(Refusal::Busy),
            Err(TrySendError::Closed(call)) => call.answer.refuse(Refusal::ShuttingDown),
        }
        let reply = loop {
            tokio::select! {
                biased;
                Some(notice) = notices.recv() => tell(&mut outgoing, id, notice, patience).await?,
                reply = &mut reply => break reply,
                received = incoming.recv(WHILE_WORKING), if next.is_none() => match received? {
                    Some(request) => next = Some(request),
                    // The client has gone; the operation goes on without it.
                    None => return Ok(()),
                },
                // Behind one more request the end of the connection isn't heard, and this may never be done.
                () = tokio::time::sleep(IDLE), if is_endless && next.is_some() => return Ok(()),
            }
        };
        if reply.is_err() && presence.is_over() {
            return send_on(&mut outgoing).await;
        }
        // The loop drops an answer only when it ends itself.
        let lost = || {
            if inbox.is_closed() {
                Refusal::ShuttingDown
            } else {
                Refusal::Internal {
                    what: "the answer was lost".to_owned(),
                }
            }
        };
        send(&mut outgoing, id, reply.unwrap_or_else(|_| Err(lost()))).await?;
    }
}

/// Tells a client that nothing of what it may have asked was begun, and that another image of the daemon is there to be asked:
/// `HandedOver`, which belongs to no request.
async fn send_on<W: AsyncWrite + Unpin>(outgoing: &mut Outgoing<W, Response>) -> Result<(), ChannelError> {
    // An older client knows no such word; the end of the connection says something similar.
    if outgoing.peer().minor < NO_REQUEST_SINCE {
        return Ok(());
    }
    let nothing = Response::Done(Done::HandedOver);
    outgoing.send(NO_REQUEST, &nothing, WRITE).await
}

/// Whether a request may be under way for ever, if nothing happens.
fn endless(request: &Request) -> bool {
    matches!(
        request,
        Request::Wait { .. }
            | Request::Follow { .. }
            | Request::FollowFrom(_)
            | Request::EventsFrom { .. }
            | Request::LogsFrom { follow: true, .. }
            | Request::Events { follow: true, .. }
    )
}

fn refuse(request: &Request, peer: &Peer, allowed: Option<Permission>) -> Option<Refusal> {
    let needed = permission(request);
    let may = match allowed {
        Some(Permission::Own) => true,
        Some(Permission::Control) => needed != Permission::Own,
        Some(Permission::Observe) => needed == Permission::Observe,
        None => false,
    };
    if may {
        return None;
    }
    let uid = match peer.who {
        Actor::Uid(uid) => Some(uid),
        Actor::Sid(_) | Actor::Supervisor => None,
    };
    if audit::refused(peer, request) {
        log::warn!(
            "{peer}: refused {}, which needs {}",
            super::call::verb(request),
            match needed {
                Permission::Observe => "the socket's group",
                Permission::Control => "root, the supervisor's user or the control group",
                Permission::Own => "root or the supervisor's user",
            }
        );
    }
    Some(Refusal::NotPermitted { uid, needed })
}

async fn tell<W: AsyncWrite + Unpin>(
    outgoing: &mut Outgoing<W, Response>,
    id: u64,
    notice: Notice,
    patience: Duration,
) -> Result<(), ChannelError> {
    match older::response_for(outgoing.peer().minor, Response::Notice(notice)) {
        Some(notice) => outgoing.send(id, &notice, patience).await,
        None => Ok(()),
    }
}

async fn send<W: AsyncWrite + Unpin>(
    outgoing: &mut Outgoing<W, Response>,
    id: u64,
    reply: Reply,
) -> Result<(), ChannelError> {
    let response = match reply {
        Ok(done) => Response::Done(done),
        Err(refusal) => Response::Refused(refusal),
    };
    // Only of notices there are some that an older client has no use for.
    let response = older::response_for(outgoing.peer().minor, response).unwrap_or_else(|| {
        Response::Refused(Refusal::Internal {
            what: "an answer without an older form".to_owned(),
        })
    });
    match outgoing.send(id, &response, WRITE).await {
        Err(error @ ChannelError::Frame(_)) => {
            let what = format!("the answer is too long: {error}");
            outgoing
                .send(id, &Response::Refused(Refusal::Internal { what }), WRITE)
                .await
        }
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use s7proto::channel::ClientChannel;
    use s7proto::request::{Selection, Until};

    /// Serves a client that asks for `requests` at once and then only listens; whether it is still served after two minutes.
    async fn is_served_behind(requests: &[Request]) -> bool {
        let (near, far) = tokio::io::duplex(1 << 16);
        let (calls, mut inbox) = mpsc::channel(8);
        let (working, _idle) = mpsc::channel(1);
        let handing_over = tokio::sync::watch::Sender::new(false);
        let peer = Peer {
            who: Actor::Uid(0),
            pid: None,
        };
        let serving = tokio::spawn(serve(
            far,
            peer,
            Some(Permission::Control),
            calls,
            Presence {
                working: working.downgrade(),
                connected: working.downgrade(),
                handing_over: handing_over.subscribe(),
            },
        ));
        let mut client = ClientChannel::greet(near, WRITE).await.unwrap();
        for (id, request) in (1..).zip(requests) {
            client.send(id, request, WRITE).await.unwrap();
        }
        // What waits for ever is never answered.
        let _call = inbox.recv().await.unwrap();
        tokio::time::sleep(2 * IDLE).await;
        !serving.is_finished()
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_keeps_a_place_for_ever_behind_a_request_that_is_never_done() {
        let wait = Request::Wait {
            which: Selection::All,
            until: Until::Down,
        };
        assert!(
            is_served_behind(std::slice::from_ref(&wait)).await,
            "its end would be heard"
        );
        assert!(
            !is_served_behind(&[wait, Request::Version]).await,
            "its end can't be heard"
        );
        let start = Request::Start(Selection::All);
        assert!(
            is_served_behind(&[start, Request::Version]).await,
            "an operation comes to an end"
        );
    }
}
