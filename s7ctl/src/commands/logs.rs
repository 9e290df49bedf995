//! `s7ctl logs`

use super::Context;
use crate::call::unexpected;
use crate::cli::LogsArgs;
use crate::error::CtlError;
use crate::render::View;
use s7proto::reply::Done;
use s7proto::request::Request;

pub async fn run(args: &LogsArgs, context: &mut Context) -> Result<View, CtlError> {
    let mut daemon = context.connect().await?;
    let request = Request::Logs {
        which: args.targets.or_all(),
        lines: args.lines,
    };
    match context.question(&mut daemon, &request).await? {
        Done::Logs(tails) => Ok(View::Logs(tails)),
        _ => Err(unexpected(&daemon)),
    }
}
