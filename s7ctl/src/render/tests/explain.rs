//! Why a component is as it is.

use super::event::event;
use super::*;
use s7proto::event::{Happening, PastEnd, PastRun};
use s7proto::explain::{Explanation, LastWords, Neighbour, Story};

pub fn past(run: u64, end: PastEnd) -> PastRun {
    let at_ms = AT_MS;
    PastRun { run, at_ms, end }
}

fn crash(run: u64) -> PastRun {
    past(run, PastEnd::Exited(crashed()))
}

fn neighbour(id: &str, wish: Wish, state: State) -> Neighbour {
    let id = name(id);
    Neighbour { id, wish, state }
}

pub fn explained(status: ComponentStatus) -> Explanation {
    Explanation {
        since_ms: None,
        dependencies: vec![],
        dependants: vec![],
        past: vec![],
        events: vec![],
        output: LogTail {
            component: status.id.clone(),
            file: format!("/logs/{}.log", status.id),
            bytes: vec![],
            truncated: false,
            error: None,
        },
        status,
    }
}

pub fn story(explanation: Explanation) -> Story {
    Story {
        explanation,
        facts: vec![],
        last_words: vec![],
    }
}

pub fn why(explanations: Vec<Explanation>, omitted: usize) -> View {
    let stories = explanations.into_iter().map(story).collect();
    View::Why { stories, omitted }
}

pub fn looping() -> Explanation {
    let status = ComponentStatus {
        run: 9,
        next_try_us: Some(12_000_000),
        last_exit: Some(crashed()),
        reason: Some(Reason::Crashed {
            in_a_row: 7,
            crash_loop: true,
        }),
        output_dropped_bytes: 2048,
        ..component("ps", State::Backoff)
    };
    let one = explained(status);
    let asked = Happening::Asked {
        who: Actor::Uid(0),
        verb: "start".into(),
        about: vec!["ps".into()],
    };
    let entered = Happening::Entered {
        state: State::Backoff,
        run: 9,
        pid: None,
        reason: None,
    };
    Explanation {
        since_ms: Some(AT_MS),
        dependencies: vec![
            neighbour("is", Wish::Up, State::Running),
            neighbour("db", Wish::Down, State::Stopped),
        ],
        dependants: vec![
            neighbour("web", Wish::Up, State::Waiting),
            neighbour("old", Wish::Down, State::Stopped),
        ],
        past: vec![
            past(
                6,
                PastEnd::Exited(ended(signal("SIGKILL", false), EndCause::Crashed)),
            ),
            past(7, PastEnd::NotSpawned(spawn_failure())),
            crash(8),
            crash(9),
        ],
        events: vec![event(asked), event(entered)],
        output: LogTail {
            bytes: b"opening database\n\x1b[31mno such file\n".to_vec(),
            ..one.output
        },
        ..one
    }
}

#[test]
fn a_crash_loop_is_told_with_all_that_one_has_to_know_and_do() {
    let view = why(vec![looping()], 0);
    assert_eq!(
        as_text(&view),
        "\
ps is BACKOFF: crash loop, 7 crashes in a row: exited with code 1 at 10:31:05 after 0.20 s
  since       10:31:05, 1m 00s ago
  next        a try in 12.0 s
  runs        was ended by SIGKILL after 0.20 s, at 10:31:05
              could not start: changing directory to /srv/ps: No such file or directory (os error 2), at 10:31:05
              2 \u{d7} exited with code 1, the last after 0.20 s, at 10:31:05
  needs       db, which is STOPPED, and nobody wants it to run
  holds up    web, which is WAITING
  lately      10:31:05 uid 0 asked for: start ps
  lost        2.0 KiB of its output could not be written and are lost
  output      the end of /logs/ps.log
    | opening database
    | \\u{1b}[31mno such file
  now         more of its output: s7ctl logs -n 100 ps
              try at once, without waiting: s7ctl restart ps
              no more tries: s7ctl stop ps
"
    );
    assert_eq!((view.exit(), view.failures()), (0, vec![]), "it is explained");
}

#[test]
fn an_explanation_as_json_is_its_status_and_all_that_was_told() {
    let json = as_json(&why(vec![looping()], 3));
    assert_eq!((&json["ok"], &json["data"]["omitted"]), (&json!(true), &json!(3)));
    let one = &json["data"]["components"][0];
    assert_eq!((&one["id"], &one["state"]), (&json!("ps"), &json!("BACKOFF")));
    assert_eq!(one["since"], "2026-11-22T10:31:05.25Z");
    assert_eq!(
        one["dependencies"][1],
        json!({"id": "db", "wish": "down", "state": "STOPPED"})
    );
    let failure = "changing directory to /srv/ps: No such file or directory (os error 2)";
    assert_eq!(
        one["past"][1],
        json!({"run": 7, "at": "2026-11-22T10:31:05.25Z", "exit": null, "failure": failure, "last_words": null})
    );
    assert_eq!(one["past"][3]["exit"]["code"], 1);
    assert_eq!(one["events"][1]["event"], "entered");
    assert_eq!(
        one["output"]["text"],
        "opening database\n\u{1b}[31mno such file\n"
    );
}

#[test]
fn a_past_run_is_quoted_with_what_it_has_written_last() {
    let quoted = |run, bytes: &[u8]| LastWords {
        run,
        bytes: bytes.to_vec(),
    };
    let told = Story {
        last_words: vec![
            quoted(6, b"no memory\n\x1b[1mabort\n"),
            quoted(9, b"opening database\n"),
        ],
        ..story(looping())
    };
    let view = View::Why {
        stories: vec![told.clone()],
        omitted: 0,
    };
    let text = as_text(&view);
    let expected = "\
  runs        was ended by SIGKILL after 0.20 s, at 10:31:05
                | no memory
                | \\u{1b}[1mabort
              could not start";
    assert!(text.contains(expected), "{text}");
    assert_eq!(
        text.matches("opening database").count(),
        1,
        "the latest run's lines are its output: {text}"
    );
    assert_eq!(
        as_json(&view)["data"]["components"][0]["past"][0]["last_words"],
        "no memory\n\u{1b}[1mabort\n"
    );
    let mut running_again = told;
    running_again.explanation.status.pid = Some(7);
    let stories = vec![running_again];
    let text = as_text(&View::Why { stories, omitted: 0 });
    assert_eq!(
        text.matches("opening database").count(),
        2,
        "then it is another run's: {text}"
    );
}

#[test]
fn every_state_is_explained_and_says_what_can_be_done() {
    let with = |state, wish, reason: Option<Reason>| {
        explained(ComponentStatus {
            wish,
            reason,
            ..component("ps", state)
        })
    };
    let stopped_by = Reason::StoppedBy {
        who: Actor::Uid(0),
        at_ms: AT_MS,
    };
    let host_fault = SpawnFailure {
        host_fault: true,
        ..spawn_failure()
    };
    let taken = SpawnFailure {
        stage: SpawnStage::CheckingPort,
        subject: "8080".to_owned(),
        os_error: None,
        cause: "it is taken by pid 7 (nginx)".to_owned(),
        host_fault: true,
    };
    let left = SpawnFailure {
        stage: SpawnStage::CreatingProcess,
        subject: "ps".to_owned(),
        os_error: None,
        cause: "something of an earlier run still holds /run/s7/locks/ps".to_owned(),
        host_fault: true,
    };
    let in_tier = Reason::WaitingForTier {
        tier: 1,
        members: vec![name("is"), name("svg")],
    };
    let (up, down) = (Wish::Up, Wish::Down);
    let cases = [
        (
            with(State::Stopped, down, None),
            "nobody wants it to run",
            "s7ctl start ps",
        ),
        (
            with(State::Stopped, down, Some(stopped_by)),
            "stopped by uid 0 at 10:31:05",
            "s7ctl start ps",
        ),
        (
            with(State::Stopped, up, None),
            "about to be started",
            "s7ctl start ps",
        ),
        (
            with(State::Waiting, up, None),
            "waiting for its turn",
            "s7ctl wait ps",
        ),
        (
            with(State::Waiting, up, Some(in_tier)),
            "waiting for is and svg in tier 1",
            "s7ctl why is svg",
        ),
        (
            with(State::Waiting, up, Some(Reason::WaitingForDependency(name("db")))),
            "waiting for db, which it depends on",
            "s7ctl why db",
        ),
        (with(State::Starting, up, None), "not ready yet", "s7ctl wait ps"),
        (
            with(State::Stopping, down, None),
            "asked to stop; it is gone when",
            "s7ctl wait --for down ps",
        ),
        (
            with(State::Stopping, up, None),
            "to be started again",
            "s7ctl wait --for down ps",
        ),
        (
            with(State::Backoff, up, None),
            "ended too early",
            "s7ctl logs -n 100 ps",
        ),
        (
            with(State::Backoff, up, Some(Reason::SpawnFailed(spawn_failure()))),
            "cannot start: changing directory to /srv/ps",
            "s7ctl reload",
        ),
        (
            with(State::Backoff, up, Some(Reason::SpawnFailed(host_fault))),
            "for want of something on this machine",
            "free what the machine is short of",
        ),
        (
            with(State::Backoff, up, Some(Reason::SpawnFailed(taken))),
            "ps is BACKOFF: cannot start: checking port 8080: it is taken by pid 7 (nginx)",
            "free port 8080, or give ps another one",
        ),
        (
            with(State::Backoff, up, Some(Reason::SpawnFailed(left))),
            "ps is BACKOFF: cannot start: creating a process for ps: something of an earlier run",
            "ps is not to blame",
        ),
        (
            with(State::Exited, up, None),
            "its restart policy says that it stays so",
            "s7ctl start ps",
        ),
        (
            with(State::Fatal, up, None),
            "given up",
            "when that is put right: s7ctl start ps",
        ),
        (
            with(State::Stuck, down, None),
            "killed, and still there",
            "s7ctl info ps",
        ),
        (
            with(State::Running, up, Some(Reason::NeedsRestart)),
            "the registry has changed",
            "s7ctl restart ps",
        ),
    ];
    for (explanation, said, advice) in cases {
        let state = explanation.status.state.name();
        let text = as_text(&why(vec![explanation], 0));
        let first = text.lines().next().unwrap();
        assert!(
            first.starts_with(&format!("ps is {state}: ")) && first.contains(said),
            "{said:?} is not said of {state}: {text}"
        );
        let now = text.split("  now  ").nth(1).unwrap_or_default();
        assert!(now.contains(advice), "{advice:?} is no advice in {text}");
    }
}

#[test]
fn what_runs_well_needs_no_advice_and_what_runs_badly_does() {
    let text = as_text(&why(vec![explained(running("is"))], 0));
    assert_eq!(
        text,
        "is is RUNNING: pid 4121 for 1h 02m\n  output      nothing in /logs/is.log\n"
    );
    let sick = ComponentStatus {
        health: Health::Unhealthy,
        ..running("is")
    };
    let text = as_text(&why(vec![explained(sick)], 0));
    assert!(
        text.starts_with("is is RUNNING: pid 4121 for 1h 02m; its health checks fail\n")
            && text.contains("s7ctl restart is"),
        "{text}"
    );
    let one = explained(running("is"));
    let unreadable = Explanation {
        output: LogTail {
            error: Some("not permitted".into()),
            ..one.output
        },
        ..one
    };
    let text = as_text(&why(vec![unreadable], 0));
    assert!(text.contains("cannot read /logs/is.log: not permitted"), "{text}");
}

#[test]
fn nothing_to_explain_is_said_and_what_is_left_out_too() {
    assert_eq!(as_text(&why(vec![], 0)), "Everything is as it should be.\n");
    let text = as_text(&why(vec![looping(), explained(running("is"))], 12));
    assert!(text.contains("\n\nis is RUNNING"), "blocks stand apart: {text}");
    assert!(
        text.ends_with("\n\n12 more components are not as they should be: s7ctl status\n"),
        "{text}"
    );
}
