//! A request on its way to the core loop, with the way back for its answer.

use s7proto::refusal::{Permission, Refusal};
use s7proto::reply::{Notice, Reply};
use s7proto::request::Request;
use s7proto::status::Actor;
use tokio::sync::{mpsc, oneshot};

/// Calls that wait for the core loop; one more is refused as busy. The loop takes them faster than a client can send.
pub const INBOX: usize = 256;
/// Notices that wait for one client. A slower client misses some; its final reply has everything.
pub const NOTICES: usize = 256;

/// One request of one client.
pub struct Call {
    /// What.
    pub request: Request,
    /// Who.
    pub who: Actor,
    /// Where the answer goes.
    pub answer: Answer,
}

/// The way back. If the client has gone, nobody hears, and nothing else changes.
pub struct Answer {
    notices: mpsc::Sender<Notice>,
    reply: oneshot::Sender<Reply>,
}

impl Answer {
    /// A way back and its other ends.
    #[must_use]
    pub fn new() -> (Self, mpsc::Receiver<Notice>, oneshot::Receiver<Reply>) {
        let (notices, heard) = mpsc::channel(NOTICES);
        let (reply, replied) = oneshot::channel();
        (Self { notices, reply }, heard, replied)
    }

    /// Tells something meanwhile.
    pub fn notice(&self, notice: Notice) {
        let _ = self.notices.try_send(notice);
    }

    /// Answers.
    pub fn reply(self, reply: Reply) {
        let _ = self.reply.send(reply);
    }

    /// Refuses.
    pub fn refuse(self, refusal: Refusal) {
        self.reply(Err(refusal));
    }
}

/// What is needed to ask for `request`.
#[must_use]
pub fn permission(request: &Request) -> Permission {
    match request {
        Request::Status(_) | Request::Version => Permission::Observe,
        Request::Start(_)
        | Request::Stop(_)
        | Request::Restart(_)
        | Request::Reload { .. }
        | Request::Logs { .. }
        | Request::Check { .. }
        | Request::Shutdown
        | Request::RestartSupervisor => Permission::Control,
    }
}

/// Who asked, for the log.
#[must_use]
pub fn name(who: &Actor) -> String {
    match who {
        Actor::Uid(uid) => format!("uid {uid}"),
        Actor::Sid(sid) => sid.clone(),
        Actor::Supervisor => "supervisor".to_owned(),
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
    }
}
