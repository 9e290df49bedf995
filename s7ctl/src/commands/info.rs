//! `s7ctl info`: how components are set up; without names the supervisor itself.

use super::Context;
use crate::call::unexpected;
use crate::cli::Targets;
use crate::error::CtlError;
use crate::render::View;
use s7proto::reply::Done;
use s7proto::request::{Request, Selection};

pub async fn run(targets: &Targets, context: &mut Context) -> Result<View, CtlError> {
    let which = targets.selection().unwrap_or(Selection::Named(Vec::new()));
    let mut daemon = context.connect().await?;
    match context.question(&mut daemon, &Request::Info(which)).await? {
        Done::Info(report) => Ok(View::Info(report)),
        _ => Err(unexpected(&daemon)),
    }
}
