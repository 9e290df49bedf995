//! `s7ctl wait`: until components are up, or down. It asks for nothing that goes on when it is given up.

use super::Context;
use crate::call::call;
use crate::cli::{Awaited, WaitArgs};
use crate::connect;
use crate::deadline::Deadline;
use crate::error::{CtlError, Kind};
use crate::progress::Progress;
use crate::render::{View, is_troubled};
use s7proto::reply::Done;
use s7proto::request::{Request, Selection};
use s7proto::status::{ComponentStatus, State};
use std::time::Duration;

/// How long it may take to say for whom it was waited, when the caller's own time is over.
const LAST_LOOK: Duration = Duration::from_millis(500);
/// How many of them are named.
const NAMED: usize = 8;

pub async fn run(args: &WaitArgs, context: &mut Context) -> Result<View, CtlError> {
    let which = args.targets.or_all();
    let request = Request::Wait {
        which: which.clone(),
        until: args.awaited.into(),
    };
    let mut daemon = context.connect().await?;
    match context.operation(&mut daemon, &request).await {
        Err(error) if error.kind == Kind::TimedOut => {
            let (missing, hint) = match missing(which, args.awaited, context).await {
                Ok(missing) => (missing.unwrap_or_default(), "what holds it up: s7ctl why"),
                Err(gone) if gone.kind == Kind::NoSupervisor => {
                    let gone = ", and no supervisor is there any more".to_owned();
                    (gone, "start it with: s7ctl start")
                }
                Err(_) => (String::new(), "what holds it up: s7ctl why"),
            };
            let message = error.message + &missing;
            Err(CtlError { message, ..error }.hint(hint))
        }
        waited => waited,
    }
}

/// `, still waiting for ps (BACKOFF)`, as far as that can be found out quickly.
async fn missing(which: Selection, awaited: Awaited, context: &Context) -> Result<Option<String>, CtlError> {
    let deadline = Deadline::after(Some(LAST_LOOK));
    // A connection of its own: on the first one the wait goes on.
    let mut daemon = connect::open(&context.candidates, deadline).await?;
    let request = Request::Status(which);
    let mut silent = Progress::default();
    let answer = call(&mut daemon, &request, deadline, &mut silent);
    let Done::Status(report) = answer.await? else {
        return Ok(None);
    };
    let is_missing = |component: &&ComponentStatus| match awaited {
        Awaited::Up => is_troubled(component),
        Awaited::Down => !matches!(component.state, State::Stopped | State::Exited | State::Fatal),
    };
    let all: Vec<String> = report
        .components
        .iter()
        .filter(is_missing)
        .map(|component| format!("{} ({})", component.id, component.state.name()))
        .collect();
    let (named, others) = all.split_at(all.len().min(NAMED));
    let more = match others.len() {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    Ok((!named.is_empty()).then(|| format!(", still waiting for {}{more}", named.join(", "))))
}
