//! `s7ctl logs`: the last lines; with `-f` also what is written from then on.

use super::Context;
use crate::call::unexpected;
use crate::cli::LogsArgs;
use crate::error::{CtlError, Kind};
use crate::progress;
use crate::render::View;
use crate::render::lines::Lines;
use crate::stream::{End, Listener, follow, show};
use s7proto::name::ComponentName;
use s7proto::reply::{Done, Notice};
use s7proto::request::{Request, Selection};
use std::collections::BTreeMap;

/// Lines of each component, where nobody says how many.
const LINES: u32 = 20;

pub async fn run(args: &LogsArgs, context: &mut Context) -> Result<View, CtlError> {
    let which = args.targets.or_all();
    let follow = args.follow;
    if args.lines == Some(0) && !follow {
        let error = CtlError::new(Kind::Usage, "no lines of output are nothing to show");
        return Err(error.hint("-n 0 goes with -f: only what is written from now on"));
    }
    let request = match args.since {
        Some(since_ms) => Request::LogsFrom {
            which: which.clone(),
            since_ms,
            lines: args.lines.unwrap_or(u32::MAX),
            follow,
        },
        None => {
            let (which, lines) = (which.clone(), args.lines.unwrap_or(LINES));
            if follow {
                Request::Follow { which, lines }
            } else {
                Request::Logs { which, lines }
            }
        }
    };
    if follow {
        return stream(which, &request, context).await;
    }
    let mut daemon = context.connect().await?;
    match context.question(&mut daemon, &request).await? {
        Done::Logs(tails) => Ok(View::Logs(tails)),
        _ => Err(unexpected(&daemon)),
    }
}

async fn stream(which: Selection, request: &Request, context: &mut Context) -> Result<View, CtlError> {
    let mut daemon = context.connect().await?;
    // Who it is decides what the lines look like.
    let who = Request::Status(which);
    let Done::Status(report) = context.question(&mut daemon, &who).await? else {
        return Err(unexpected(&daemon));
    };
    let names = report.components.into_iter().map(|component| component.id);
    let mut tail = Tail {
        lines: Lines::new(names.collect(), context.json, context.colour()),
        unreadable: BTreeMap::new(),
    };
    let end = follow(&mut daemon, request, context.deadline, &mut tail).await;
    let rest = tail.lines.end();
    match (end, show(&rest)) {
        (End::Failed(error), Ok(())) => Err(error),
        (End::Failed(_), Err(End::Failed(unwritten))) => Err(unwritten),
        (End::ReaderGone, _) | (_, Err(End::ReaderGone)) => Ok(View::Passed(0)),
    }
}

struct Tail {
    lines: Lines,
    /// Whose output can't be read, and why: it is said when it changes.
    unreadable: BTreeMap<ComponentName, String>,
}

impl Listener for Tail {
    fn heard(&mut self, notice: Notice) -> Result<(), End> {
        match notice {
            Notice::Output { component, bytes } => {
                self.unreadable.remove(&component);
                show(&self.lines.take(&component, &bytes))
            }
            Notice::OutputUnreadable { component, why } => {
                if self.unreadable.get(&component) == Some(&why) {
                    return Ok(());
                }
                let said = self.lines.unreadable(&component, &why);
                let error = format!("{component}: its output cannot be read at the moment: {why}");
                self.unreadable.insert(component, why);
                match said {
                    Some(object) => show(&object),
                    None => {
                        progress::talk(&error);
                        Ok(())
                    }
                }
            }
            // Nothing that this stream brings.
            Notice::Entered { .. }
            | Notice::Finished(_)
            | Notice::Snapshot { .. }
            | Notice::Happened(_)
            | Notice::Missed { .. }
            | Notice::OutputReaches { .. } => Ok(()),
        }
    }
}
