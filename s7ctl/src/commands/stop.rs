//! `s7ctl stop`: components by name; without names everything, and the supervisor itself.

use super::{Context, shutdown};
use crate::cli::Targets;
use crate::connect::left_behind;
use crate::error::{CtlError, Kind};
use crate::render::View;
use s7proto::request::Request;

pub async fn run(targets: &Targets, context: &mut Context) -> Result<View, CtlError> {
    let Some(which) = targets.selection() else {
        return match shutdown::run(context).await {
            // What is to be down is down, unless somebody has left it without stopping it.
            Err(error) if error.kind == Kind::NoSupervisor && left_behind(&context.candidates).is_none() => {
                Ok(View::NothingToStop(context.candidates.clone()))
            }
            stopped => stopped,
        };
    };
    let mut daemon = context.connect().await?;
    context.operation(&mut daemon, &Request::Stop(which)).await
}
