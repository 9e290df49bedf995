//! Everything that can happen, in words and as JSON.

use super::*;
use crate::render::event::{Ticker, words};
use s7proto::event::{Event, Happening};
use s7proto::signal::Signal;

pub fn event(what: Happening) -> Event {
    Event {
        sequence: 301,
        at_ms: AT_MS,
        component: Some(name("ps")),
        what,
    }
}

fn entered(state: State, run: u64, pid: Option<u32>, reason: Option<Reason>) -> Happening {
    Happening::Entered {
        state,
        run,
        pid,
        reason,
    }
}

fn run_ended(exit: Exit, cause: EndCause) -> Happening {
    Happening::Ended {
        run: 7,
        report: ended(exit, cause),
    }
}

#[test]
fn everything_that_happens_has_its_words_and_its_fields() {
    let uid = json!({"uid": 1000, "sid": null});
    let cases = [
        (
            entered(State::Waiting, 0, None, None),
            "WAITING",
            json!({"event": "entered", "state": "WAITING", "run": null, "pid": null, "reason_code": null}),
        ),
        (
            entered(State::Running, 7, Some(4121), None),
            "RUNNING, run 7, pid 4121",
            json!({"event": "entered", "state": "RUNNING", "run": 7, "pid": 4121, "reason_code": null}),
        ),
        (
            entered(State::Fatal, 7, None, Some(Reason::GaveUp { in_a_row: 3 })),
            "FATAL, run 7: given up after 3 crashes in a row; try again with: s7ctl start ps",
            json!({"event": "entered", "state": "FATAL", "run": 7, "pid": null, "reason_code": "gave_up"}),
        ),
        (
            run_ended(Exit::Code(0), EndCause::Finished),
            "run 7 finished: exited with code 0 after 0.20 s",
            json!({"event": "ended", "run": 7, "exit": {"code": 0, "signal": null, "core": false,
                   "at": "2026-11-22T10:31:05.25Z", "seconds": 0.2, "reason": "finished"}}),
        ),
        (
            run_ended(signal("SIGSEGV", true), EndCause::Crashed),
            "run 7 crashed: was ended by SIGSEGV (core dumped) after 0.20 s",
            json!({"event": "ended", "run": 7, "exit": {"code": null, "signal": "SIGSEGV", "core": true,
                   "at": "2026-11-22T10:31:05.25Z", "seconds": 0.2, "reason": "crashed"}}),
        ),
        (
            run_ended(signal("SIGTERM", false), EndCause::Requested),
            "run 7 stopped as asked: was ended by SIGTERM after 0.20 s",
            json!({"event": "ended", "run": 7, "exit": {"code": null, "signal": "SIGTERM", "core": false,
                   "at": "2026-11-22T10:31:05.25Z", "seconds": 0.2, "reason": "requested"}}),
        ),
        (
            run_ended(signal("SIGKILL", false), EndCause::KilledAfterTimeout),
            "run 7 did not stop in time and was killed: was ended by SIGKILL after 0.20 s",
            json!({"event": "ended", "run": 7, "exit": {"code": null, "signal": "SIGKILL", "core": false,
                   "at": "2026-11-22T10:31:05.25Z", "seconds": 0.2, "reason": "killed_after_timeout"}}),
        ),
        (
            Happening::Asked {
                who: Actor::Uid(1000),
                verb: "restart".into(),
                about: vec!["ps".into(), "is".into()],
            },
            "uid 1000 asked for: restart ps is",
            json!({"event": "asked", "who": uid, "verb": "restart", "about": ["ps", "is"]}),
        ),
        (
            Happening::Asked {
                who: Actor::Supervisor,
                verb: "shutdown".into(),
                about: vec![],
            },
            "the supervisor asked for: shutdown",
            json!({"event": "asked", "who": {"uid": null, "sid": null}, "verb": "shutdown", "about": []}),
        ),
        (
            Happening::Signalled {
                signal: Signal::Hup,
                who: Actor::Sid("S-1-5-18".into()),
                run: 7,
            },
            "SIGHUP sent to run 7, for S-1-5-18",
            json!({"event": "signalled", "signal": "SIGHUP", "who": {"uid": null, "sid": "S-1-5-18"}, "run": 7}),
        ),
        (
            Happening::RegistryLoaded { changed: 1 },
            "the registry was loaded; 1 component has changed",
            json!({"event": "registry_loaded", "changed": 1}),
        ),
        (
            Happening::RegistryLoaded { changed: 0 },
            "the registry was loaded; nothing has changed",
            json!({"event": "registry_loaded", "changed": 0}),
        ),
        (
            Happening::RegistryRefused { errors: 2 },
            "the registry cannot be loaded (2 errors; s7ctl check tells them), what runs is untouched",
            json!({"event": "registry_refused", "errors": 2}),
        ),
        (
            Happening::TierForced {
                tier: 2,
                laggards: vec![name("is"), name("svg")],
            },
            "tier 2 was opened without waiting any longer for is and svg",
            json!({"event": "tier_forced", "tier": 2, "laggards": ["is", "svg"]}),
        ),
        (
            Happening::LeftOver { run: 3, gone: true },
            "run 3, left by an earlier supervisor, is gone",
            json!({"event": "left_over", "run": 3, "gone": true}),
        ),
        (
            Happening::Forgotten,
            "gone from the registry",
            json!({"event": "forgotten"}),
        ),
        (
            Happening::Health(false),
            "is unhealthy",
            json!({"event": "health", "healthy": false, "run": null, "detail": null}),
        ),
        (
            Happening::Unresponsive {
                run: 3,
                detail: "refused".to_owned(),
            },
            "run 3 fails its checks: refused",
            json!({"event": "health", "healthy": false, "run": 3, "detail": "refused"}),
        ),
        (
            Happening::Health(true),
            "is healthy",
            json!({"event": "health", "healthy": true, "run": null, "detail": null}),
        ),
    ];
    let (clock, programs) = (page(None).clock, Clock::for_programs());
    for (what, said, fields) in cases {
        let event = event(what);
        assert_eq!(words(&event, &clock), said);
        let text = json::happened(&event, &programs);
        let mut object: Value = serde_json::from_str(text.strip_suffix('\n').unwrap()).unwrap();
        let rest = object.as_object_mut().unwrap();
        assert_eq!(rest.remove("sequence"), Some(json!(301)));
        assert_eq!(rest.remove("at"), Some(json!("2026-11-22T10:31:05.25Z")));
        assert_eq!(rest.remove("component"), Some(json!("ps")));
        assert_eq!(rest.remove("message"), Some(json!(said)));
        assert_eq!(object, fields);
    }
}

#[test]
fn past_events_are_a_table_and_an_envelope() {
    let own = Event {
        component: None,
        ..event(Happening::RegistryLoaded { changed: 0 })
    };
    let view = View::Events(vec![event(Happening::Forgotten), own]);
    assert_eq!(
        as_text(&view),
        "10:31:05  ps            gone from the registry\n\
         10:31:05  (supervisor)  the registry was loaded; nothing has changed\n"
    );
    let json = as_json(&view);
    assert_eq!((&json["schema"], &json["ok"]), (&json!(1), &json!(true)));
    assert_eq!(json["data"]["events"][1]["component"], Value::Null);
    assert_eq!(as_text(&View::Events(vec![])), "");
}

#[test]
fn events_as_they_happen_stand_in_columns_and_steer_no_terminal() {
    let mut ticker = Ticker::new(page(None));
    let long = name("a-name-longer-than-others");
    ticker.expect([&long].into_iter());
    let refused = Happening::Asked {
        who: Actor::Uid(0),
        verb: "\u{1b}[2J\nx".into(),
        about: Vec::new(),
    };
    assert_eq!(
        ticker.line(&event(refused)),
        "10:31:05  ps                         uid 0 asked for: \\u{1b}[2J x\n"
    );
    let mut colourful = Ticker::new(Page {
        colour: true,
        ..page(None)
    });
    assert_eq!(
        colourful.line(&event(entered(State::Running, 7, None, None))),
        "10:31:05  ps            \u{1b}[32mRUNNING, run 7\u{1b}[0m\n"
    );
    assert_eq!(
        ticker.missed(1),
        "\u{2026} 1 event was passed over: this end was too slow\n"
    );
}
