//! `s7ctl why`: the components named; without names those that are not as they should be.

use super::Context;
use crate::call::unexpected;
use crate::cli::Targets;
use crate::connect::Daemon;
use crate::error::CtlError;
use crate::render::{View, is_losing_output, is_troubled};
use s7proto::explain::{Explanation, Story};
use s7proto::reply::Done;
use s7proto::request::{Request, Selection};
use s7proto::status::State;

/// How many are explained where nobody was named: more than that at once have one cause, and nobody reads them all.
const MOST: usize = 10;

pub async fn run(targets: &Targets, context: &mut Context) -> Result<View, CtlError> {
    let mut daemon = context.connect().await?;
    if let Some(which) = targets.selection() {
        return explain(which, 0, &mut daemon, context).await;
    }
    // First who, then why: an explanation has lines of a file with it, and most components need none.
    let long = Request::Overview(Selection::All);
    let all = match daemon.channel.peer().minor >= long.minor() {
        true => long,
        false => Request::Status(Selection::All),
    };
    let (report, told) = match context.question(&mut daemon, &all).await? {
        Done::Overview(overview) => (overview.report, overview.components),
        Done::Status(report) => (report, Vec::new()),
        _ => return Err(unexpected(&daemon)),
    };
    let facts_of = |place: usize| told.get(place).map_or(&[][..], |of| &of.facts);
    let components = report.components.into_iter().enumerate();
    let troubled =
        components.filter(|(place, one)| is_troubled(one) || is_losing_output(one, facts_of(*place)));
    let mut troubled: Vec<_> = troubled.map(|(_, component)| component).collect();
    // What only waits is mostly what has come of the others. The sort keeps the order of tiers among equals.
    troubled.sort_by_key(|component| rank(component.state));
    let mut names: Vec<_> = troubled.into_iter().map(|component| component.id).collect();
    let omitted = names.len().saturating_sub(MOST);
    names.truncate(MOST);
    if names.is_empty() {
        return Ok(View::Why {
            stories: Vec::new(),
            omitted,
        });
    }
    let place_of = |one: &Story| names.iter().position(|name| *name == one.explanation.status.id);
    let which = Selection::Named(names.clone());
    let mut view = explain(which, omitted, &mut daemon, context).await?;
    if let View::Why { stories, .. } = &mut view {
        stories.sort_by_key(place_of);
    }
    Ok(view)
}

/// Which is explained first: what can't go on without somebody, what is tried again, what has a fault and lives, and last what waits.
fn rank(state: State) -> u8 {
    match state {
        State::Stuck | State::Fatal => 0,
        State::Backoff => 1,
        State::Running | State::Exited => 2,
        State::Starting | State::Stopping => 3,
        State::Waiting | State::Stopped => 4,
    }
}

async fn explain(
    which: Selection,
    omitted: usize,
    daemon: &mut Daemon,
    context: &mut Context,
) -> Result<View, CtlError> {
    let long = Request::Story(which.clone());
    let request = match daemon.channel.peer().minor >= long.minor() {
        true => long,
        false => Request::Why(which),
    };
    let stories = match context.question(daemon, &request).await? {
        Done::Story(stories) => stories,
        Done::Why(explanations) => explanations.into_iter().map(alone).collect(),
        _ => return Err(unexpected(daemon)),
    };
    Ok(View::Why { stories, omitted })
}

/// What an older supervisor says is all there is.
fn alone(explanation: Explanation) -> Story {
    Story {
        explanation,
        facts: Vec::new(),
        last_words: Vec::new(),
    }
}
