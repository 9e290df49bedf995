//! What has happened, as lines that the next daemon reads: the last events, and the last runs of each component.
//!
//! Each line is an object of JSON that says by its one key what it is, under the seal of the record (see [`super::line`]). A line
//! that is torn, or of a kind that this version doesn't know, is passed over: the rest is still worth telling. The first one
//! says of which boot it is and by which version of this format; what is of another boot or format is nothing at all.

use super::line::{self, Read};
use s7proto::event::{Event, Happening, PastEnd, PastRun};
use s7proto::name::ComponentName;
use s7proto::status::{EndCause, Reason};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;

/// The present version of this format: another one is needed where old lines would be misread, not where there are more kinds.
const VERSION: u32 = 1;
/// Events that are remembered; some 200 bytes each, in memory as on the disk. As many as one answer gives.
pub const REMEMBERED: usize = s7proto::LIMITS.events as usize;
/// Past runs that are remembered of each component.
pub const PAST_RUNS: usize = 5;
/// Numbers that are left out after a daemon that was killed: it may have told as many events that it had not written down, one
/// batch on its way to the disk and one that waits, and no number is to mean two things.
pub const LEFT_OUT: u64 = 2 * QUEUE as u64;
/// As much is written at once, in bytes, and the events beyond it; some 200 for each run and event, but what could not be started is
/// named by its path. The runs of the components that are last are left out for it.
pub const LONGEST: usize = 16 * 1024 * 1024;
/// Events that may wait for the disk: as many as are remembered, because of more the first are forgotten.
pub const QUEUE: usize = REMEMBERED;

/// One line.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Line<'a> {
    /// The first one.
    History {
        version: u32,
        boot: Cow<'a, str>,
        /// Since when something is remembered, as wall time in milliseconds since 1970 (UTC).
        since_ms: i64,
        /// The last event that had happened when this was written; the past runs below are as of then.
        sequence: u64,
    },
    /// A run that was over by then.
    Past {
        component: Cow<'a, ComponentName>,
        run: Cow<'a, PastRun>,
    },
    /// Something has happened.
    Event(Cow<'a, Event>),
    /// What a run says that it is at, where the daemon hands over.
    Said {
        component: Cow<'a, ComponentName>,
        run: u64,
        status: Cow<'a, str>,
    },
    /// The daemon has ended or handed over in order, and nothing is missing.
    End { sequence: u64 },
}

impl Line<'_> {
    fn add_to(&self, text: &mut String) {
        // Nothing in it can fail to be put into words: no maps, and no numbers that JSON hasn't.
        if let Ok(words) = serde_json::to_string(self) {
            text.push_str(&line::sealed(&words));
        }
    }
}

/// Everything that is remembered, to be written at once.
#[derive(Debug, Default)]
pub struct Whole {
    /// As in the first line.
    pub since_ms: i64,
    /// The number of the last event.
    pub sequence: u64,
    /// The past runs of all components, those of each in order.
    pub runs: Vec<(ComponentName, PastRun)>,
    /// The last events.
    pub events: Vec<Arc<Event>>,
}

impl Whole {
    /// As lines that begin a file.
    #[must_use]
    pub fn text(&self, boot_id: &str) -> String {
        let mut text = String::new();
        let first = Line::History {
            version: VERSION,
            boot: Cow::Borrowed(boot_id),
            since_ms: self.since_ms,
            sequence: self.sequence,
        };
        first.add_to(&mut text);
        for (component, run) in &self.runs {
            if text.len() > LONGEST {
                break;
            }
            let (component, run) = (Cow::Borrowed(component), Cow::Borrowed(run));
            Line::Past { component, run }.add_to(&mut text);
        }
        for event in &self.events {
            add_event(event, &mut text);
        }
        text
    }
}

/// Adds one event as a line.
pub fn add_event(event: &Event, text: &mut String) {
    Line::Event(Cow::Borrowed(event)).add_to(text);
}

/// What a run says that it is at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    /// Whose run.
    pub component: ComponentName,
    /// Which one.
    pub run: u64,
    /// Its words.
    pub status: String,
}

/// Adds the last lines of a daemon that ends or hands over after event number `sequence`.
pub fn add_end(sequence: u64, said: &[Said], text: &mut String) {
    for one in said {
        let said = Line::Said {
            component: Cow::Borrowed(&one.component),
            run: one.run,
            status: Cow::Borrowed(&one.status),
        };
        said.add_to(text);
    }
    Line::End { sequence }.add_to(text);
}

/// What an earlier daemon has left.
#[derive(Debug, Default, PartialEq)]
pub struct Kept {
    /// Since when something is remembered; `None` where nothing is.
    pub since_ms: Option<i64>,
    /// The number of the last event, or a later one: the next has the one after it.
    pub sequence: u64,
    /// The number after which [`LEFT_OUT`] ones are left out, where it was killed.
    pub left_out_after: Option<u64>,
    /// The last events, the latest last.
    pub events: VecDeque<Arc<Event>>,
    /// The last runs of each component, the latest last.
    pub runs: BTreeMap<ComponentName, VecDeque<PastRun>>,
    /// What runs say that they are at, by component and run, where it was handed over.
    pub said: HashMap<(ComponentName, u64), String>,
    /// Some of it isn't what was written.
    pub damaged: bool,
}

/// Reads what was written since the boot `boot_id`. Whatever can't be understood is passed over.
#[must_use]
pub fn read(text: &[u8], boot_id: &str) -> Kept {
    let mut kept = Kept::default();
    // As of which event the past runs are that stand there by themselves.
    let mut whole_at = 0;
    let mut ended = false;
    let mut last_number = 0;
    for line in text.split(|byte| *byte == b'\n') {
        let words = match line::read(line) {
            Read::Sealed(words) => words,
            Read::Nothing => continue,
            Read::Plain(_) | Read::Damaged => {
                kept.damaged = true;
                continue;
            }
        };
        let Ok(line) = serde_json::from_str::<Line<'_>>(words) else {
            continue;
        };
        let is_first = matches!(line, Line::History { .. });
        if is_first == kept.since_ms.is_some() {
            // A second first line, or something before the first: this isn't what was written.
            kept.damaged = true;
            if let Line::Event(event) = &line {
                last_number = event.sequence.max(last_number);
            }
            continue;
        }
        ended = matches!(line, Line::End { .. });
        match line {
            Line::History {
                version,
                boot,
                since_ms,
                sequence,
            } => {
                if version != VERSION || boot != boot_id {
                    return Kept::default();
                }
                (whole_at, kept.sequence) = (sequence, sequence);
                kept.since_ms = Some(since_ms);
            }
            Line::Past { component, run } => {
                remember(
                    kept.runs.entry(component.into_owned()).or_default(),
                    run.into_owned(),
                );
            }
            Line::Event(event) => {
                let event = event.into_owned();
                if event.sequence > whole_at {
                    kept.fold(&event);
                }
                kept.sequence = kept.sequence.max(event.sequence);
                kept.said.clear();
                if kept.events.len() == REMEMBERED {
                    kept.events.pop_front();
                }
                kept.events.push_back(Arc::new(event));
            }
            Line::Said {
                component,
                run,
                status,
            } => {
                kept.said
                    .insert((component.into_owned(), run), status.into_owned());
            }
            Line::End { sequence } => kept.sequence = kept.sequence.max(sequence),
        }
    }
    if kept.since_ms.is_none() && last_number > 0 {
        // Whatever boot it was of, no number is to mean two things.
        kept.sequence = last_number.saturating_add(LEFT_OUT);
    }
    if kept.since_ms.is_some() && !ended {
        kept.left_out_after = Some(kept.sequence);
        kept.sequence = kept.sequence.saturating_add(LEFT_OUT);
        kept.said.clear();
    }
    kept
}

impl Kept {
    fn fold(&mut self, event: &Event) {
        let Some(component) = &event.component else {
            return;
        };
        if event.what == Happening::Forgotten {
            self.runs.remove(component);
        } else if let Some(past) = past_run(event.at_ms, &event.what) {
            remember(self.runs.entry(component.clone()).or_default(), past);
        }
    }
}

/// The run that is over by what has happened, if one is.
#[must_use]
pub fn past_run(at_ms: i64, what: &Happening) -> Option<PastRun> {
    let (run, end) = match what {
        Happening::Entered {
            run,
            reason: Some(Reason::SpawnFailed(failure)),
            ..
        } => (*run, PastEnd::NotSpawned(failure.clone())),
        Happening::Ended { run, report } => (*run, PastEnd::Exited(report.clone())),
        _ => return None,
    };
    Some(PastRun { run, at_ms, end })
}

/// Adds the latest of a component's past runs.
pub fn remember(runs: &mut VecDeque<PastRun>, past: PastRun) {
    let unseen = matches!(&past.end, PastEnd::Exited(report) if report.cause == EndCause::Unseen);
    if unseen && runs.back().is_some_and(|last| last.run == past.run) {
        // The daemon before has still written down how it ended.
        return;
    }
    if runs.len() == PAST_RUNS {
        runs.pop_front();
    }
    runs.push_back(past);
}

#[cfg(test)]
#[path = "past_tests.rs"]
mod tests;
