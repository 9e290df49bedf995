//! `why` on one screen, and what must not be missing on it.

use super::event::event;
use super::explain::{explained, past, story};
use super::*;
use s7proto::event::{Event, Happening, MatchAction, PastEnd};
use s7proto::explain::{Explanation, LastWords, Story};

fn text(story: Story, width: Option<usize>) -> String {
    let stories = vec![story];
    let view = View::Why { stories, omitted: 0 };
    String::from_utf8(text::render(&view, &page(width))).unwrap()
}

fn crashing() -> Story {
    let output = "x".repeat(3000) + "\n";
    let exit = |code| PastEnd::Exited(ended(Exit::Code(code), EndCause::Crashed));
    let one = explained(ComponentStatus {
        run: 9,
        pid: Some(7),
        ..component("ps", State::Starting)
    });
    let words = |run| LastWords {
        run,
        bytes: output.repeat(3).into_bytes(),
    };
    Story {
        last_words: (1..=5).map(words).collect(),
        ..story(Explanation {
            since_ms: Some(AT_MS),
            past: (1..=5)
                .map(|run| past(run, exit(i32::try_from(run).unwrap())))
                .collect(),
            output: LogTail {
                bytes: output.repeat(10).into_bytes(),
                ..one.output
            },
            ..one
        })
    }
}

#[test]
fn what_is_written_in_long_lines_still_fits_on_one_screen() {
    let shown = text(crashing(), Some(80));
    assert!(shown.lines().count() < 24, "{shown}");
    assert!(shown.lines().all(|line| line.chars().count() <= 80), "{shown}");
    assert_eq!(
        shown.matches("    | xxx").count(),
        5 + 8,
        "one of each run, and the output: {shown}"
    );
    assert_eq!(shown.matches("x\u{2026}\n").count(), 5 + 8, "{shown}");
    let piped = text(crashing(), None);
    assert!(piped.lines().all(|line| line.chars().count() <= 160), "{piped}");
}

#[test]
fn who_asked_is_said_whatever_a_match_finds_since() {
    let asked = |verb: &str| Happening::Asked {
        who: Actor::Uid(0),
        verb: verb.into(),
        about: vec!["ps".into()],
    };
    let matched = |times| Happening::Matched {
        run: 1,
        action: MatchAction::Event,
        line: "FATAL".into(),
        times,
    };
    let what = [asked("start"), asked("restart")]
        .into_iter()
        .chain((1..=18).map(matched));
    let events: Vec<Event> = (1..)
        .zip(what)
        .map(|(sequence, what)| Event {
            sequence,
            ..event(what)
        })
        .collect();
    let one = Explanation {
        events,
        ..explained(running("ps"))
    };
    let shown = text(story(one), None);
    assert!(
        shown.contains("  lately      10:31:05 uid 0 asked for: start ps\n"),
        "{shown}"
    );
    assert!(shown.contains("uid 0 asked for: restart ps\n"), "{shown}");
    assert_eq!(shown.matches("FATAL").count(), 3, "{shown}");
}

#[test]
fn output_that_can_not_be_written_and_runs_that_are_not_known_are_told() {
    let unwritten = |waits| ComponentFact::OutputUnwritten {
        file: "/logs/ps.log".into(),
        why: "no space".into(),
        since_ms: AT_MS,
        waits,
    };
    let told = |waits| Story {
        facts: vec![unwritten(waits), ComponentFact::RunsKnownSince(AT_MS)],
        ..story(explained(running("ps")))
    };
    let said = "  tells       its output can't be written to /logs/ps.log since 10:31:05: no space; ";
    let shown = text(told(true), None);
    assert!(
        shown.contains(&format!("{said}it waits when its pipe is full\n")),
        "{shown}"
    );
    assert!(
        shown.contains(
            "  runs        earlier ones are not known: what happened is remembered since 10:31:05\n"
        ),
        "{shown}"
    );
    let shown = text(told(false), None);
    assert!(
        shown.contains(&format!("{said}what it writes is dropped and counted\n")),
        "{shown}"
    );
    let json = as_json(&View::Why {
        stories: vec![told(true)],
        omitted: 0,
    });
    let one = &json["data"]["components"][0];
    let at = "2026-11-22T10:31:05.25Z";
    assert_eq!(
        one["output_unwritten"],
        json!({"file": "/logs/ps.log", "why": "no space", "since": at, "waits": true})
    );
    assert_eq!(one["runs_known_since"], at);
}
