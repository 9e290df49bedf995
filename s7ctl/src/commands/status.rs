//! `s7ctl status`

use super::Context;
use crate::call::unexpected;
use crate::cli::Targets;
use crate::error::{CtlError, Kind};
use crate::render::{Facts, View};
use s7proto::reply::Done;
use s7proto::request::{Request, Selection};

pub async fn run(targets: &Targets, context: &mut Context) -> Result<View, CtlError> {
    let which = targets.or_all();
    let named = !matches!(which, Selection::All);
    let mut daemon = match context.connect().await {
        Ok(daemon) => daemon,
        // Not a failure of this verb: it is the answer.
        Err(error) if error.kind == Kind::NoSupervisor => {
            return Ok(View::NoSupervisor(error));
        }
        Err(error) => return Err(error),
    };
    let long = Request::Overview(which.clone());
    let request = match daemon.channel.peer().minor >= long.minor() {
        true => long,
        false => Request::Status(which),
    };
    let (report, facts) = match context.question(&mut daemon, &request).await? {
        Done::Status(report) => (report, Facts::default()),
        Done::Overview(overview) => {
            let facts = Facts {
                supervisor: overview.supervisor,
                components: overview.components,
            };
            (overview.report, facts)
        }
        _ => return Err(unexpected(&daemon)),
    };
    Ok(View::Status { report, facts, named })
}
