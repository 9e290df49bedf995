//! `s7ctl wait`: until components are up, or down. It asks for nothing that goes on when it is given up.

use super::Context;
use crate::cli::WaitArgs;
use crate::error::{CtlError, Kind};
use crate::render::View;
use s7proto::request::Request;

pub async fn run(args: &WaitArgs, context: &mut Context) -> Result<View, CtlError> {
    let request = Request::Wait {
        which: args.targets.or_all(),
        until: args.awaited.into(),
    };
    let mut daemon = context.connect().await?;
    context
        .operation(&mut daemon, &request)
        .await
        .map_err(|error| match error.kind {
            Kind::TimedOut => error.hint("what holds it up: s7ctl why"),
            _ => error,
        })
}
