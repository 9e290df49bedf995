//! What has happened, in words: a line for each event.

use crate::render::clock::Clock;
use crate::render::quantity::count;
use crate::render::sentence;
use crate::render::table::{self, Cell, visible};
use crate::render::text::{Page, colour_of, styled};
use anstyle::Style;
use s7proto::event::{DumpReason, Event, Happening, MatchAction};
use s7proto::name::ComponentName;
use s7proto::status::{EndCause, ExitReport};

/// Where a component's name would stand. No component can be called so.
const SUPERVISOR: &str = "(supervisor)";

/// What has happened, without when and to whom.
#[must_use]
pub fn words(event: &Event, clock: &Clock) -> String {
    let id = event.component.as_ref();
    match &event.what {
        Happening::Entered {
            state,
            run,
            pid,
            reason,
        } => {
            let mut said = state.name().to_owned();
            match (run, pid) {
                (0, _) => {}
                (run, None) => said.push_str(&format!(", run {run}")),
                (run, Some(pid)) => said.push_str(&format!(", run {run}, pid {pid}")),
            }
            if let (Some(reason), Some(id)) = (reason, id) {
                said.push_str(&format!(": {}", sentence::reason(reason, id, None, clock)));
            }
            said
        }
        Happening::Ended { run, report } => format!("run {run} {}", ended(report)),
        Happening::Asked { who, verb, about } => {
            let about = about.join(" ");
            let asked = format!("{verb} {about}");
            format!("{} asked for: {}", sentence::actor(who), asked.trim_end())
        }
        Happening::Signalled { signal, who, run } => {
            format!("{signal} sent to run {run}, for {}", sentence::actor(who))
        }
        Happening::RegistryLoaded { changed: 0 } => "the registry was loaded; nothing has changed".to_owned(),
        Happening::RegistryLoaded { changed } => format!(
            "the registry was loaded; {} changed",
            count(u64::from(*changed), "component has", "components have")
        ),
        Happening::RegistryRefused { errors } => {
            let errors = count(u64::from(*errors), "error", "errors");
            format!(
                "the registry cannot be loaded ({errors}; s7ctl check tells them), what runs is untouched"
            )
        }
        Happening::TierForced { tier, laggards } => match sentence::list(laggards, "and") {
            None => format!("tier {tier} was opened although earlier ones are not ready"),
            Some(names) => format!("tier {tier} was opened without waiting any longer for {names}"),
        },
        Happening::Forgotten => "gone from the registry".to_owned(),
        Happening::LeftOver { run, gone: false } => {
            format!(
                "run {run} was left by an earlier supervisor; it is ended, and a new one follows if it is to run"
            )
        }
        Happening::LeftOver { run, gone: true } => {
            format!("run {run}, left by an earlier supervisor, is gone")
        }
        Happening::Adopted { run, pid } => {
            format!("run {run}, pid {pid}, was begun by an earlier supervisor and goes on under this one")
        }
        Happening::TookOver { replaced, adopted } => {
            let runs = count(u64::from(*adopted), "run", "runs");
            let from = match replaced {
                Some(version) => format!("from version {version}, which it replaces"),
                None => "where an earlier one was killed".to_owned(),
            };
            format!("carries on {from}; {runs} adopted")
        }
        Happening::RegistryStale { errors } => {
            let errors = count(u64::from(*errors), "error", "errors");
            format!(
                "the registry cannot be loaded ({errors}; s7ctl check tells them); the last one that could is in force"
            )
        }
        Happening::Matched {
            run,
            action,
            line,
            times,
        } => {
            let then = match action {
                MatchAction::Restart => "; it is restarted for that",
                MatchAction::Dump => "; it is asked for a dump",
                MatchAction::Event => "",
            };
            let times = match times {
                0 | 1 => String::new(),
                times => format!(" ({times} such lines since the last one told)"),
            };
            format!("run {run} has written: {}{times}{then}", visible(line))
        }
        Happening::Dumped {
            run,
            file,
            from,
            to,
            why,
        } => {
            let why = match why {
                DumpReason::AskedBy(who) => format!("for {}", sentence::actor(who)),
                DumpReason::StopTimeout => "because it does not stop in time".to_owned(),
                DumpReason::Hung => "because it failed its checks".to_owned(),
                DumpReason::Output => "because of a line of its output".to_owned(),
                DumpReason::NotReady => "because it was not ready in time".to_owned(),
                DumpReason::WatchdogMissed => "because it missed its watchdog".to_owned(),
                DumpReason::InTrouble => "because it said itself that it is in trouble".to_owned(),
            };
            format!("run {run} has written a dump of itself, {why}: {file}, bytes {from} to {to}")
        }
        Happening::Found { run, remains } => {
            let each: Vec<String> = remains.iter().map(ToString::to_string).collect();
            format!("run {run} has left: {}", each.join("; "))
        }
        Happening::Health(true) => "is healthy".to_owned(),
        Happening::Health(false) => "is unhealthy".to_owned(),
        Happening::Unresponsive { run, detail } => {
            format!("run {run} fails its checks: {}", visible(detail))
        }
    }
}

/// How and why a run ended: `crashed: exited with code 1 after 0.20 s`.
fn ended(report: &ExitReport) -> String {
    let how = sentence::exit(report);
    match report.cause {
        EndCause::Finished => format!("finished: {how}"),
        EndCause::Crashed => format!("crashed: {how}"),
        EndCause::Requested => format!("stopped as asked: {how}"),
        EndCause::KilledAfterTimeout => format!("did not stop in time and was killed: {how}"),
        EndCause::Unseen => format!("ended while no supervisor was there: {how}"),
        // That says why.
        EndCause::Hung
        | EndCause::NotReady
        | EndCause::WatchdogMissed
        | EndCause::InTrouble
        | EndCause::OutputMatched
        | EndCause::TooMuchMemory
        | EndCause::OutOfMemory => how,
        EndCause::DependencyLost => format!("stopped with what it depends on: {how}"),
    }
}

/// All of them, for `events`.
#[must_use]
pub fn table(events: &[Event], page: &Page) -> String {
    let rows: Vec<Vec<Cell>> = events.iter().map(|event| row(event, page)).collect();
    table::render(&rows, page.width)
}

fn row(event: &Event, page: &Page) -> Vec<Cell> {
    let words = words(event, &page.clock);
    vec![
        styled(&page.clock.in_words(event.at_ms), Style::new().dimmed(), page),
        Cell::new(subject(event)),
        styled(&words, look(event), page),
    ]
}

/// What a state looks like in `status`, its event does too.
fn look(event: &Event) -> Style {
    match event.what {
        Happening::Entered { state, .. } => colour_of(state),
        _ => Style::new(),
    }
}

fn subject(event: &Event) -> &str {
    event.component.as_ref().map_or(SUPERVISOR, ComponentName::as_str)
}

/// Lines of events as they happen, one below the other.
#[derive(Debug)]
pub struct Ticker {
    page: Page,
    /// The widest name so far, in columns.
    width: usize,
}

impl Ticker {
    /// On `page`, with nothing said so far.
    #[must_use]
    pub fn new(page: Page) -> Self {
        Self {
            page,
            width: SUPERVISOR.len(),
        }
    }

    /// These components are there, so their names set the width.
    pub fn expect<'a>(&mut self, names: impl Iterator<Item = &'a ComponentName>) {
        let widest = names.map(|name| name.as_str().len()).max();
        self.width = self.width.max(widest.unwrap_or(0));
    }

    /// One event.
    #[must_use]
    pub fn line(&mut self, event: &Event) -> String {
        let (at, words) = (
            self.page.clock.in_words(event.at_ms),
            words(event, &self.page.clock),
        );
        self.expect(event.component.iter());
        let style = if self.page.colour {
            look(event)
        } else {
            Style::new()
        };
        let (subject, width) = (subject(event), self.width);
        format!("{at}  {subject:width$}  {style}{}{style:#}\n", visible(&words))
    }

    /// Events that were passed over.
    #[must_use]
    pub fn missed(&self, events: u64) -> String {
        let passed = count(events, "event was", "events were");
        format!("\u{2026} {passed} passed over: this end was too slow\n")
    }
}
