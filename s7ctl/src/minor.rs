//! What a minor of the protocol has added, and what it means where the supervisor is older.
//!
//! A supervisor that does not know a request does not understand it, refuses it, and has done nothing. Requests that
//! it knows are never put in words that it does not (see `Targets::selection`), so this is all that can happen.

use crate::error::{CtlError, Kind};
use s7proto::request::{Request, Selection};

/// A refusal to understand in words, where `request` is younger than the first minor.
#[must_use]
pub fn not_understood(request: &Request) -> Option<CtlError> {
    let what = added_by_1_1(request)?;
    let message = format!(
        "the supervisor is older than s7ctl (protocol 1.0) and does not know {what}; nothing was done"
    );
    let hint = "bring it to the version of s7ctl, then: s7ctl restart (s7ctl version shows both)";
    Some(CtlError::new(Kind::Unsupported, message).hint(hint))
}

fn added_by_1_1(request: &Request) -> Option<&'static str> {
    match request {
        Request::Signal { .. } => Some("signal"),
        Request::Wait { .. } => Some("wait"),
        Request::Follow { .. } => Some("logs -f"),
        Request::Why(_) => Some("why"),
        Request::Events { .. } => Some("events"),
        Request::Info(_) => Some("info"),
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
