//! A request on its way to the core loop, with the way back for its answer.

use super::audit::Entry;
use crate::platform::peer::Peer;
use s7proto::refusal::{Permission, Refusal};
use s7proto::reply::{Notice, Reply};
use s7proto::request::Request;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot, watch};

/// Calls that wait for the core loop; one more is refused as busy. The loop takes them faster than a client can send.
pub const INBOX: usize = 256;
/// Notices that wait for one client. A slower client misses some; its final reply has everything.
pub const NOTICES: usize = 256;

/// Notices of output that wait for one client: each may hold 64 KiB, and the rest waits in its file.
const OUTPUT_NOTICES: usize = 4;
/// How long an answer waits for what it says to be written.
const WRITING: Duration = Duration::from_secs(1);

/// What a client's task knows of the end of this image of the daemon.
#[derive(Clone)]
pub struct Presence {
    /// A sender is held while there is something to be sent, and the daemon waits for it.
    pub working: mpsc::WeakSender<()>,
    /// A sender is held as long as the client is connected.
    pub connected: mpsc::WeakSender<()>,
    /// `true` once another image carries on: nothing more is begun here.
    pub handing_over: watch::Receiver<bool>,
}

impl Presence {
    /// Whether another image carries on.
    #[must_use]
    pub fn is_over(&self) -> bool {
        *self.handing_over.borrow()
    }

    /// Waits until another image carries on.
    pub async fn over(&mut self) {
        if self.handing_over.wait_for(|over| *over).await.is_err() {
            // Nobody is there who could say so.
            std::future::pending::<()>().await;
        }
    }
}

/// One request of one client.
pub struct Call {
    /// What.
    pub request: Request,
    /// Who.
    pub peer: Peer,
    /// Where the answer goes.
    pub answer: Answer,
}

/// The way back. If the client has gone, nobody hears, and nothing else changes.
pub struct Answer {
    notices: mpsc::Sender<Notice>,
    reply: oneshot::Sender<Reply>,
    audit: Option<Entry>,
    after: Option<oneshot::Receiver<()>>,
}

impl Answer {
    /// A way back and its other ends. What is answered is written down where `audit` is a command.
    #[must_use]
    pub fn new(audit: Option<Entry>) -> (Self, mpsc::Receiver<Notice>, oneshot::Receiver<Reply>) {
        Self::with_room(audit, NOTICES)
    }

    /// As [`Answer::new`], with room for so many notices.
    #[must_use]
    pub fn with_room(
        audit: Option<Entry>,
        room: usize,
    ) -> (Self, mpsc::Receiver<Notice>, oneshot::Receiver<Reply>) {
        let (notices, heard) = mpsc::channel(room);
        let (reply, replied) = oneshot::channel();
        let answer = Self {
            notices,
            reply,
            audit,
            after: None,
        };
        (answer, heard, replied)
    }

    /// Holds the final answer back until `written` is told: what the client hears must not be lost with the daemon.
    #[must_use]
    pub fn after(mut self, written: oneshot::Receiver<()>) -> Self {
        self.after = Some(written);
        self
    }

    /// Tells something in a stream, once there is room for it. `false` where nobody hears any more.
    pub async fn stream(&self, notice: Notice) -> bool {
        self.notices.send(notice).await.is_ok()
    }

    /// Waits until nobody hears any more.
    pub async fn gone(&self) {
        self.notices.closed().await;
    }

    /// Whether nobody hears any more.
    #[must_use]
    pub fn is_gone(&self) -> bool {
        self.notices.is_closed()
    }

    /// Tells something meanwhile.
    pub fn notice(&self, notice: Notice) {
        let _ = self.notices.try_send(notice);
    }

    /// Answers.
    pub fn reply(self, reply: Reply) {
        if let Some(entry) = self.audit {
            entry.end(&reply);
        }
        let Some(written) = self.after else {
            let _ = self.reply.send(reply);
            return;
        };
        let (notices, way) = (self.notices, self.reply);
        tokio::spawn(async move {
            // A disk that hangs must not hold an answer for ever; `status` tells that nothing can be kept.
            let _ = tokio::time::timeout(WRITING, written).await;
            let _ = way.send(reply);
            drop(notices);
        });
    }

    /// Refuses.
    pub fn refuse(self, refusal: Refusal) {
        self.reply(Err(refusal));
    }
}

/// How many notices of the answer to `request` may wait.
#[must_use]
pub fn room(request: &Request) -> usize {
    match request {
        Request::Follow { .. } | Request::FollowFrom(_) | Request::LogsFrom { follow: true, .. } => {
            OUTPUT_NOTICES
        }
        _ => NOTICES,
    }
}

/// What is needed to ask for `request`.
#[must_use]
pub fn permission(request: &Request) -> Permission {
    match request {
        Request::Status(_)
        | Request::Overview(_)
        | Request::Version
        | Request::Events { .. }
        | Request::EventsFrom { .. } => Permission::Observe,
        Request::Upgrade { .. } => Permission::Own,
        Request::Start(_)
        | Request::Stop(_)
        | Request::Restart(_)
        | Request::Reload { .. }
        | Request::Logs { .. }
        | Request::LogsFrom { .. }
        | Request::FollowFrom(_)
        | Request::Check { .. }
        | Request::Shutdown
        | Request::RestartSupervisor
        | Request::Signal { .. }
        | Request::Dump(_)
        | Request::Wait { .. }
        | Request::Follow { .. }
        | Request::Why(_)
        | Request::Story(_)
        | Request::Info(_) => Permission::Control,
    }
}

/// What is asked, for the log.
#[must_use]
pub fn verb(request: &Request) -> &'static str {
    match request {
        Request::Status(_) => "status",
        Request::Start(_) => "start",
        Request::Stop(_) => "stop",
        Request::Restart(_) => "restart",
        Request::Reload { .. } => "reload",
        Request::Logs { .. } => "logs",
        Request::Check { .. } => "check",
        Request::Shutdown => "shutdown",
        Request::RestartSupervisor => "restart of the supervisor",
        Request::Version => "version",
        Request::Signal { .. } => "signal",
        Request::Dump(_) => "dump",
        Request::Wait { .. } => "wait",
        Request::Follow { .. } => "logs -f",
        Request::Why(_) | Request::Story(_) => "why",
        Request::Events { .. } | Request::EventsFrom { .. } => "events",
        Request::Info(_) => "info",
        Request::Overview(_) => "status",
        Request::LogsFrom { .. } => "logs --since",
        Request::Upgrade { .. } => "upgrade",
        Request::FollowFrom(_) => "logs -f",
    }
}
