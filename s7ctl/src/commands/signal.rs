//! `s7ctl signal`

use super::Context;
use crate::cli::{SignalArgs, Targets};
use crate::error::CtlError;
use crate::render::View;
use s7proto::request::Request;

pub async fn run(args: &SignalArgs, context: &mut Context) -> Result<View, CtlError> {
    let targets = Targets {
        components: args.components.clone(),
    };
    let request = Request::Signal {
        which: targets.or_all(),
        signal: args.signal,
    };
    let mut daemon = context.connect().await?;
    context.operation(&mut daemon, &request).await
}
