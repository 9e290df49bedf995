//! `s7ctl upgrade`: another binary in place of the supervisor that runs; components aren't touched.

use super::Context;
use crate::call::{call, unexpected, wait_for_end};
use crate::cli::UpgradeArgs;
use crate::error::{CtlError, Kind};
use crate::launch;
use crate::render::{Upgraded, View};
use s7proto::overview::SupervisorFact;
use s7proto::reply::Done;
use s7proto::request::{Request, Selection};
use std::path::Path;
use std::time::{Duration, Instant};

/// How long the supervisor may take to look at the binary and to come to rest: it gives up by itself before that.
const UNTIL_IT_GIVES_WAY: Duration = Duration::from_secs(30);

pub async fn run(args: &UpgradeArgs, context: &mut Context) -> Result<View, CtlError> {
    let binary = args.binary.as_deref().map(absolute).transpose()?;
    let mut daemon = context.connect().await?;
    let deadline = context.deadline.at_most(UNTIL_IT_GIVES_WAY);
    let begun = Instant::now();
    let request = Request::Upgrade { binary };
    let (from, to) = match call(&mut daemon, &request, deadline, &mut context.progress).await? {
        Done::Upgrading { from, to } => (from, to),
        _ => return Err(unexpected(&daemon)),
    };
    context
        .progress
        .say(&format!("version {from} gives way to version {to}"));
    wait_for_end(&mut daemon, deadline).await?;
    launch::next(&mut daemon, context.deadline.at_most(UNTIL_IT_GIVES_WAY)).await?;
    let which = Selection::Named(Vec::new());
    let Done::Overview(overview) = context.question(&mut daemon, &Request::Overview(which)).await? else {
        return Err(unexpected(&daemon));
    };
    let now = overview.report.supervisor;
    // The one that was asked has been there for longer than the question.
    if Duration::from_micros(now.uptime_us) > begun.elapsed() {
        let message = format!(
            "the supervisor (version {}, pid {}) was to give way to version {to} and is still there; nothing has changed",
            now.version, now.pid
        );
        return Err(
            CtlError::new(Kind::Failed, message).hint("its own log says why it could not be replaced")
        );
    }
    let adopted = overview.supervisor.iter().find_map(|fact| match fact {
        SupervisorFact::TookOver { adopted, .. } => Some(*adopted),
        _ => None,
    });
    Ok(View::Upgraded(Upgraded {
        from,
        to: now.version,
        pid: now.pid,
        adopted,
    }))
}

/// The supervisor has another current folder.
fn absolute(path: &Path) -> Result<String, CtlError> {
    let cannot = |why: &str| {
        let message = format!("{} can't be named to the supervisor: {why}", path.display());
        CtlError::new(Kind::Usage, message)
    };
    let absolute = std::path::absolute(path).map_err(|error| cannot(&error.to_string()))?;
    let text = absolute.into_os_string().into_string();
    text.map_err(|_| cannot("its name is not UTF-8"))
}
