//! `s7ctl reload`

use super::Context;
use crate::call::{call, unexpected};
use crate::cli::ReloadArgs;
use crate::error::CtlError;
use crate::render::View;
use s7proto::reply::Done;
use s7proto::request::Request;

pub async fn run(args: &ReloadArgs, context: &mut Context) -> Result<View, CtlError> {
    let mut daemon = context.connect().await?;
    let request = Request::Reload {
        dry_run: args.dry_run,
        restart: !args.no_restart,
    };
    match call(&mut daemon, &request, context.deadline, &mut context.progress).await? {
        Done::Reload(report) => Ok(View::Reload(report)),
        _ => Err(unexpected(&daemon)),
    }
}
