//! What a minor of the protocol has added, and what it means where the supervisor is older.
//!
//! A request that the supervisor does not know is not sent to it. Requests that it knows are never put in words that it
//! does not (see `Targets::selection`), so an older one is of use as far as it goes.

use crate::error::{CtlError, Kind};
use s7proto::request::{Request, Selection};
use s7proto::version::Version;

/// `request` can't be sent to a supervisor that speaks `peer`.
#[must_use]
pub fn too_old(request: &Request, peer: Version) -> CtlError {
    let what = added(request).unwrap_or("this");
    let message = format!(
        "the supervisor is older than s7ctl (protocol {peer}) and does not know {what}; nothing was done"
    );
    let hint = "bring it to the version of s7ctl, then: s7ctl restart (s7ctl version shows both)";
    CtlError::new(Kind::Unsupported, message).hint(hint)
}

fn added(request: &Request) -> Option<&'static str> {
    match request {
        Request::Signal { .. } => Some("signal"),
        Request::Wait { .. } => Some("wait"),
        Request::Follow { .. } => Some("logs -f"),
        Request::Why(_) => Some("why"),
        Request::Story(_) => Some("the long form of why"),
        Request::Events { .. } => Some("events"),
        Request::Info(_) => Some("info"),
        Request::Overview(_) => Some("the long status"),
        Request::LogsFrom { .. } => Some("logs --since"),
        Request::Upgrade { .. } => Some("upgrade"),
        Request::Dump(_) => Some("dump"),
        Request::FollowFrom(_) => Some("going on with logs -f"),
        Request::EventsFrom { .. } => Some("going on with events -f"),
        Request::Status(which)
        | Request::Start(which)
        | Request::Stop(which)
        | Request::Restart(which)
        | Request::Logs { which, .. } => matches!(which, Selection::Matching(_)).then_some("patterns"),
        Request::Reload { .. }
        | Request::Check { .. }
        | Request::Shutdown
        | Request::RestartSupervisor
        | Request::Version => None,
    }
}
