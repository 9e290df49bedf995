//! `s7ctl dump`

use super::Context;
use crate::call::unexpected;
use crate::cli::{DumpArgs, Targets};
use crate::error::CtlError;
use crate::render::View;
use s7proto::reply::Done;
use s7proto::request::{Request, Selection};

pub async fn run(args: &DumpArgs, context: &mut Context) -> Result<View, CtlError> {
    let targets = Targets {
        components: args.components.clone(),
    };
    let which = targets.or_all();
    let all = which == Selection::All;
    let mut daemon = context.connect().await?;
    match context.question(&mut daemon, &Request::Dump(which)).await? {
        Done::Dumped(reports) => Ok(View::Dumps { reports, all }),
        _ => Err(unexpected(&daemon)),
    }
}
