//! `s7ctl events`: the latest; with `-f` also what happens from then on.

use super::Context;
use crate::call::unexpected;
use crate::cli::EventsArgs;
use crate::error::CtlError;
use crate::render::clock::Clock;
use crate::render::event::Ticker;
use crate::render::text::Page;
use crate::render::{View, json};
use crate::stream::{End, Listener, follow, show};
use s7proto::reply::{Done, Notice};
use s7proto::request::Request;

pub async fn run(args: &EventsArgs, context: &mut Context) -> Result<View, CtlError> {
    let request = Request::Events {
        which: args.targets.or_all(),
        last: args.last,
        follow: args.follow,
    };
    let mut daemon = context.connect().await?;
    if !args.follow {
        return match context.question(&mut daemon, &request).await? {
            Done::Events(events) => Ok(View::Events(events)),
            _ => Err(unexpected(&daemon)),
        };
    }
    let mut telling = if context.json {
        Telling::Programs(Clock::for_programs())
    } else {
        let page = Page::of_stdout(context.colour());
        Telling::People(Ticker::new(page))
    };
    match follow(&mut daemon, &request, context.deadline, &mut telling).await {
        End::Failed(error) => Err(error),
        End::ReaderGone => Ok(View::Passed(0)),
    }
}

/// Who is told.
enum Telling {
    People(Ticker),
    Programs(Clock),
}

impl Listener for Telling {
    fn heard(&mut self, notice: Notice) -> Result<(), End> {
        let said = match (self, notice) {
            (Self::People(ticker), Notice::Snapshot { report, .. }) => {
                ticker.expect(report.components.iter().map(|component| &component.id));
                return Ok(());
            }
            (Self::People(ticker), Notice::Happened(event)) => ticker.line(&event),
            (Self::People(ticker), Notice::Missed { events }) => ticker.missed(events),
            (Self::Programs(clock), Notice::Snapshot { sequence, report }) => {
                json::snapshot(sequence, &report, clock)
            }
            (Self::Programs(clock), Notice::Happened(event)) => json::happened(&event, clock),
            (Self::Programs(_), Notice::Missed { events }) => json::missed(events),
            // Nothing that this stream brings.
            (
                _,
                Notice::Entered { .. }
                | Notice::Finished(_)
                | Notice::Output { .. }
                | Notice::OutputUnreadable { .. }
                | Notice::OutputReaches { .. },
            ) => return Ok(()),
        };
        show(said.as_bytes())
    }
}
