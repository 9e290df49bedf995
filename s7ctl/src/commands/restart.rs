//! `s7ctl restart`: components by name; without names everything, and the supervisor itself.

use super::shutdown::UNTIL_IT_ENDS;
use super::{Context, start};
use crate::call::{call, unexpected, wait_for_end};
use crate::cli::Targets;
use crate::error::{CtlError, Kind};
use crate::launch;
use crate::render::View;
use s7proto::reply::Done;
use s7proto::request::{Request, Selection};

pub async fn run(targets: &Targets, context: &mut Context) -> Result<View, CtlError> {
    let connected = context.connect().await;
    let Some(which) = targets.selection() else {
        return match connected {
            Err(error) if error.kind == Kind::NoSupervisor => start::everything(context).await,
            Err(error) => Err(error),
            Ok(daemon) => everything(daemon, context).await,
        };
    };
    context.operation(&mut connected?, &Request::Restart(which)).await
}

async fn everything(mut daemon: crate::connect::Daemon, context: &mut Context) -> Result<View, CtlError> {
    let request = Request::RestartSupervisor;
    match call(&mut daemon, &request, context.deadline, &mut context.progress).await? {
        Done::Restarting(_stopped) => {}
        _ => return Err(unexpected(&daemon)),
    }
    context
        .progress
        .say("everything is stopped; the supervisor begins anew");
    wait_for_end(&mut daemon, context.deadline.at_most(UNTIL_IT_ENDS)).await?;
    context.progress.forget();
    // The same one, wherever else there may be others.
    let place = [daemon.endpoint];
    let mut daemon = launch::reconnect(&place, "everything is stopped", context.deadline).await?;
    context
        .operation(&mut daemon, &Request::Start(Selection::All))
        .await
}
