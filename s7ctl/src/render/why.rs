//! Why a component is as it is: what one has to know at three in the morning, and what to do now.

use crate::render::checks;
use crate::render::event;
use crate::render::facts;
use crate::render::quantity::{self, count, micros};
use crate::render::sentence;
use crate::render::table::{self, Cell, cut, visible};
use crate::render::text::{Page, colour_of};
use anstyle::Style;
use s7proto::event::{Event, Happening, PastEnd, PastRun};
use s7proto::explain::{Explanation, LastWords, Neighbour, Story};
use s7proto::name::ComponentName;
use s7proto::overview::ComponentFact;
use s7proto::reply::LogTail;
use s7proto::status::{ComponentStatus, EndCause, Health, Reason, SpawnStage, State, Wish};
use std::time::Duration;

/// How many of the latest commands are shown; `events` has more.
const ASKED: usize = 5;
/// How many of those are commands, if there are so many, whatever came after them.
const COMMANDS: usize = 3;
/// Lines of a usual terminal: output is shown as far as it fits there.
const SCREEN: usize = 24;
/// So many lines of output are shown in any case.
const FEWEST: usize = 3;
/// How wide a line of output may be where no terminal says it.
const WIDTH: usize = 160;

/// A block for each. `omitted`: so many more are not as they should be.
#[must_use]
pub fn render(stories: &[Story], omitted: usize, page: &Page) -> String {
    if stories.is_empty() && omitted == 0 {
        return "Everything is as it should be.\n".to_owned();
    }
    let mut blocks: Vec<String> = stories.iter().map(|one| block(one, page)).collect();
    if omitted > 0 {
        let more = count(omitted as u64, "more component is", "more components are");
        blocks.push(format!("{more} not as they should be: s7ctl status\n"));
    }
    blocks.join("\n")
}

fn block(story: &Story, page: &Page) -> String {
    let one = &story.explanation;
    let status = &one.status;
    let mut rows = Rows::default();
    if let Some(at_ms) = one.since_ms {
        let ago = page.clock.ago(at_ms).map(quantity::age);
        let ago = ago.map_or_else(String::new, |ago| format!(", {ago} ago"));
        rows.add("since", page.clock.in_words(at_ms) + &ago);
    }
    if let Some(next) = status.next_try_us {
        rows.add("next", format!("a try in {}", micros(next)));
    }
    let tells = |fact| facts::words(fact, &page.clock);
    rows.all("tells", story.facts.iter().filter_map(tells));
    rows.all("runs", earlier(story, page).into_iter().chain(runs(story, page)));
    let missing = one.dependencies.iter().filter(|one| !is_up(one));
    rows.all("needs", missing.map(neighbour));
    if !matches!(status.state, State::Running | State::Exited) {
        let held = one.dependants.iter().filter(|one| one.wish == Wish::Up);
        rows.all("holds up", held.map(neighbour));
    }
    rows.all("checks", checks::lines(&story.facts, status, page));
    rows.all("lately", lately(&one.events, page));
    rows.all("lost", sentence::dropped(status));
    let above = headline(status, page) + &rows.render(page);
    let mut rows = Rows::default();
    rows.all("now", advice(one));
    let below = rows.render(page);
    let taken = above.lines().count() + below.lines().count();
    // With the line that says what it is, and the prompt behind all.
    let room = SCREEN.saturating_sub(taken + 2).max(FEWEST);
    above + &output(&one.output, room, page) + &below
}

/// Labelled lines; a label stands beside the first of its own.
#[derive(Default)]
struct Rows(Vec<(&'static str, String)>);

/// As wide as the widest label and its indent, so that blocks stand below each other.
const LABEL: usize = 10;
/// Where the text beside the labels begins.
const INDENT: usize = LABEL + 4;

impl Rows {
    fn add(&mut self, label: &'static str, text: String) {
        self.0.push((label, text));
    }

    fn all(&mut self, label: &'static str, texts: impl IntoIterator<Item = String>) {
        for (at, text) in texts.into_iter().enumerate() {
            self.add(if at == 0 { label } else { "" }, text);
        }
    }

    fn render(self, page: &Page) -> String {
        let rows: Vec<Vec<Cell>> = self
            .0
            .into_iter()
            .map(|(label, text)| vec![Cell::new(format!("  {label:LABEL$}")), Cell::new(text)])
            .collect();
        table::render(&rows, page.width)
    }
}

fn headline(status: &ComponentStatus, page: &Page) -> String {
    let style = if page.colour {
        colour_of(status.state)
    } else {
        Style::new()
    };
    let state = status.state.name();
    let mut said = String::new();
    if let (Some(pid), State::Running) = (status.pid, status.state) {
        let up = status.uptime_us.map_or_else(String::new, |us| {
            format!(" for {}", quantity::age(Duration::from_micros(us)))
        });
        said.push_str(&format!("pid {pid}{up}"));
    }
    if let Some(cause) = sentence::cause(status, &page.clock) {
        let and = if said.is_empty() { "" } else { "; " };
        said.push_str(&format!("{and}{cause}"));
    }
    let said = match said.as_str() {
        "" => default_cause(status).to_owned(),
        _ => said,
    };
    format!("{} is {style}{state}{style:#}: {}\n", status.id, visible(&said))
}

/// What a state means where nobody has said more.
fn default_cause(status: &ComponentStatus) -> &'static str {
    match (status.state, status.wish) {
        (State::Stopped, Wish::Up) => "wished up, about to be started",
        (State::Stopped, Wish::Down) => "nobody wants it to run",
        (State::Waiting, _) => "waiting for its turn",
        (State::Starting, _) => "alive or about to be, and not ready yet",
        (State::Running, _) => "as it should be",
        (State::Stopping, Wish::Down) => "asked to stop; it is gone when all its processes are",
        (State::Stopping, Wish::Up) => "asked to stop, to be started again",
        (State::Backoff, _) => "ended too early, to be tried again",
        (State::Exited, _) => "ended, and its restart policy says that it stays so",
        (State::Fatal, _) => "given up",
        (State::Stuck, _) => "killed, and still there; the supervisor keeps trying",
    }
}

/// That there may have been others before.
fn earlier(story: &Story, page: &Page) -> Option<String> {
    story.facts.iter().find_map(|fact| match fact {
        ComponentFact::RunsKnownSince(at_ms) => {
            let at = page.clock.in_words(*at_ms);
            Some(format!(
                "earlier ones are not known: what happened is remembered since {at}"
            ))
        }
        _ => None,
    })
}

/// The last runs, with equal ends one after the other as one.
fn runs(story: &Story, page: &Page) -> Vec<String> {
    let groups: Vec<&[PastRun]> = story
        .explanation
        .past
        .chunk_by(|one, next| end(one) == end(next))
        .collect();
    // Of several that are quoted the last line of each.
    let lasts = groups.iter().filter_map(|group| group.last());
    let most = match lasts.filter(|last| words(story, last).is_some()).count() {
        0 | 1 => usize::MAX,
        _ => 1,
    };
    let said = groups.into_iter().filter_map(|group| {
        let last = group.last()?;
        let at = page.clock.in_words(last.at_ms);
        let (how, lasted) = match &last.end {
            PastEnd::Exited(report) => (end(last), format!(" after {}", micros(report.lasted_us))),
            PastEnd::NotSpawned(_) => (end(last), String::new()),
        };
        let said = match group.len() {
            1 => format!("{how}{lasted}, at {at}"),
            several => format!("{several} \u{d7} {how}, the last{lasted}, at {at}"),
        };
        Some(std::iter::once(said).chain(quoted(story, last, most, page)))
    });
    said.flatten().collect()
}

/// What a past run has written last. That of the latest one stands below as its output, unless another one runs already.
fn words<'a>(story: &'a Story, run: &PastRun) -> Option<&'a LastWords> {
    let status = &story.explanation.status;
    let words = story.last_words.iter().find(|words| words.run == run.run);
    words.filter(|_| status.pid.is_some() || run.run != status.run)
}

/// The last lines of a past run, so many at most.
fn quoted(story: &Story, run: &PastRun, most: usize, page: &Page) -> Vec<String> {
    let Some(words) = words(story, run) else {
        return Vec::new();
    };
    let text = String::from_utf8_lossy(&words.bytes);
    let width = page.width.unwrap_or(WIDTH).saturating_sub(INDENT);
    let line = |line: &str| cut(format!("  | {}", visible(line)).trim_end(), width);
    let lines: Vec<String> = text.lines().map(line).collect();
    lines[lines.len().saturating_sub(most)..].to_vec()
}

fn end(run: &PastRun) -> String {
    match &run.end {
        PastEnd::Exited(report) => match report.cause {
            EndCause::Finished | EndCause::Crashed => report.exit.to_string(),
            EndCause::Requested => format!("{} as asked", report.exit),
            EndCause::KilledAfterTimeout => format!("did not stop in time, {}", report.exit),
            EndCause::Unseen => format!("{} while no supervisor was there", report.exit),
            EndCause::OutOfMemory => report.to_string(),
            cause @ (EndCause::Hung
            | EndCause::NotReady
            | EndCause::WatchdogMissed
            | EndCause::InTrouble
            | EndCause::OutputMatched
            | EndCause::TooMuchMemory) => format!("{cause}, {}", report.exit),
            EndCause::DependencyLost => format!("{} with what it depends on", report.exit),
        },
        PastEnd::NotSpawned(failure) => format!("could not start: {failure}"),
    }
}

fn is_up(neighbour: &Neighbour) -> bool {
    matches!(neighbour.state, State::Running | State::Exited)
}

fn neighbour(neighbour: &Neighbour) -> String {
    let unwanted = match neighbour.wish {
        Wish::Up => "",
        Wish::Down => ", and nobody wants it to run",
    };
    format!("{}, which is {}{unwanted}", neighbour.id, neighbour.state.name())
}

/// Who asked for what, and what checks have found. States and ends of runs are said above.
fn lately(events: &[Event], page: &Page) -> Vec<String> {
    let said = |event: &&Event| {
        !matches!(
            event.what,
            Happening::Entered { .. } | Happening::Ended { .. } | Happening::Health(_)
        )
    };
    let is_command =
        |event: &Event| matches!(event.what, Happening::Asked { .. } | Happening::Signalled { .. });
    let (commands, others): (Vec<&Event>, Vec<&Event>) =
        events.iter().filter(said).partition(|event| is_command(event));
    // What repeats itself doesn't push out who has asked for what.
    let fewest = ASKED - COMMANDS.min(commands.len());
    let others = &others[others.len().saturating_sub(fewest)..];
    let commands = &commands[commands.len().saturating_sub(ASKED - others.len())..];
    let mut latest = [commands, others].concat();
    latest.sort_by_key(|event| event.sequence);
    let line = |event: &&Event| {
        let at = page.clock.in_words(event.at_ms);
        format!("{at} {}", event::words(event, &page.clock))
    };
    latest.iter().map(line).collect()
}

fn output(tail: &LogTail, most: usize, page: &Page) -> String {
    let file = visible(&tail.file);
    if let Some(why) = &tail.error {
        return format!("  {:LABEL$}  cannot read {file}: {}\n", "output", visible(why));
    }
    if tail.bytes.is_empty() {
        return format!("  {:LABEL$}  nothing in {file}\n", "output");
    }
    let mut text = format!("  {:LABEL$}  the end of {file}\n", "output");
    let width = page.width.unwrap_or(WIDTH);
    let output = String::from_utf8_lossy(&tail.bytes);
    let lines: Vec<&str> = output.lines().collect();
    for line in &lines[lines.len().saturating_sub(most)..] {
        text.push_str(&cut(format!("    | {}", visible(line)).trim_end(), width));
        text.push('\n');
    }
    text
}

/// What to do now.
fn advice(one: &Explanation) -> Vec<String> {
    let status = &one.status;
    let id = &status.id;
    let output = format!("more of its output: s7ctl logs -n 100 {id}");
    let missing: Vec<&ComponentName> = one
        .dependencies
        .iter()
        .filter(|one| !is_up(one))
        .map(|one| &one.id)
        .collect();
    let waits_for: Option<String> = match &status.reason {
        Some(Reason::WaitingForDependency(dependency)) => Some(dependency.to_string()),
        Some(Reason::WaitingForTier { members, .. }) if !members.is_empty() => Some(spaced(members.iter())),
        _ => (!missing.is_empty()).then(|| spaced(missing.into_iter())),
    };
    match status.state {
        State::Running if status.health == Health::Unhealthy => {
            vec![output, format!("a new run: s7ctl restart {id}")]
        }
        State::Running if status.reason == Some(Reason::NeedsRestart) => {
            vec![format!("take the change up: s7ctl restart {id}")]
        }
        State::Running => Vec::new(),
        State::Stopped | State::Exited => vec![format!("start it: s7ctl start {id}")],
        State::Waiting => match waits_for {
            Some(names) => vec![format!("look there: s7ctl why {names}")],
            None => vec![format!("wait for it: s7ctl wait {id}")],
        },
        State::Starting => vec![output, format!("wait for it: s7ctl wait {id}")],
        State::Stopping => vec![format!("wait for its end: s7ctl wait --for down {id}")],
        State::Backoff | State::Fatal => tries(status, output),
        State::Stuck => vec![
            "the system holds it, often for a disk or a network file system that does not answer; \
             it is gone as soon as that answers"
                .to_owned(),
            format!("see what is left of it: s7ctl info {id}"),
        ],
    }
}

/// Something that does not come up.
fn tries(status: &ComponentStatus, output: String) -> Vec<String> {
    let id = &status.id;
    let again = match status.state {
        State::Fatal => format!("when that is put right: s7ctl start {id}"),
        _ => format!("try at once, without waiting: s7ctl restart {id}"),
    };
    let enough = format!("no more tries: s7ctl stop {id}");
    match &status.reason {
        Some(Reason::SpawnFailed(failure)) if failure.stage == SpawnStage::CheckingPort => vec![
            format!(
                "free port {}, or give {id} another one; the supervisor keeps trying",
                failure.subject
            ),
            format!("where its port is set: s7ctl info {id}"),
            again,
        ],
        Some(Reason::SpawnFailed(failure)) if failure.host_fault && failure.os_error.is_none() => {
            vec![
                format!("{id} is not to blame; the supervisor keeps trying"),
                again,
            ]
        }
        Some(Reason::SpawnFailed(failure)) if failure.host_fault => {
            vec!["free what the machine is short of; the supervisor keeps trying".to_owned()]
        }
        Some(Reason::SpawnFailed(_)) => vec![
            format!("how it is set up: s7ctl info {id}"),
            "when the registry is corrected: s7ctl reload".to_owned(),
            again,
        ],
        _ if status.state == State::Fatal => vec![output, again],
        _ => vec![output, again, enough],
    }
}

fn spaced<'a>(names: impl Iterator<Item = &'a ComponentName>) -> String {
    let names: Vec<&str> = names.map(ComponentName::as_str).collect();
    names.join(" ")
}
