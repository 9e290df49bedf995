//! `s7ctl start`: components by name; without names the supervisor itself, and everything.

use super::Context;
use crate::cli::Targets;
use crate::error::{CtlError, Kind};
use crate::launch;
use crate::render::View;
use s7proto::request::{Request, Selection};

pub async fn run(targets: &Targets, context: &mut Context) -> Result<View, CtlError> {
    let Some(which) = targets.selection() else {
        return everything(context).await;
    };
    let mut daemon = context.connect().await?;
    context.operation(&mut daemon, &Request::Start(which)).await
}

/// Brings up the supervisor where none answers, and then everything with `autoStart`.
pub async fn everything(context: &mut Context) -> Result<View, CtlError> {
    let mut daemon = match context.connect().await {
        Err(error) if error.kind == Kind::NoSupervisor => {
            context.progress.say("starting the supervisor");
            launch::supervisor(context.named.as_ref(), &context.candidates, context.deadline).await?
        }
        connected => connected?,
    };
    // A supervisor that has just begun starts everything by itself; this joins in and waits.
    context
        .operation(&mut daemon, &Request::Start(Selection::All))
        .await
}
