//! What became of components in an operation.

use super::*;
use s7proto::request::Until;

#[test]
fn every_outcome_has_its_line_or_its_failure() {
    let cored = ended(signal("SIGSEGV", true), EndCause::Crashed);
    let before = Some(RunInfo { run: 3, pid: 4121 });
    let good = [
        (Outcome::Started(RUN), "ps: started, pid 4188 (0.31 s)", "started"),
        (
            Outcome::AlreadyUp(RUN),
            "ps: was running already, pid 4188",
            "already_up",
        ),
        (
            Outcome::Completed(ended(Exit::Code(0), EndCause::Finished)),
            "ps: exited with code 0 after 0.20 s, and its restart policy says that it stays so (0.31 s)",
            "completed",
        ),
        (
            Outcome::Stopped(ended(Exit::Code(0), EndCause::Requested)),
            "ps: stopped (0.31 s)",
            "stopped",
        ),
        (
            Outcome::Stopped(ended(Exit::Code(3), EndCause::Requested)),
            "ps: stopped, with exit code 3 (0.31 s)",
            "stopped",
        ),
        (
            Outcome::Stopped(ended(signal("SIGTERM", false), EndCause::Requested)),
            "ps: stopped by SIGTERM (0.31 s)",
            "stopped",
        ),
        (
            Outcome::Stopped(ended(signal("SIGABRT", true), EndCause::Requested)),
            "ps: stopped, was ended by SIGABRT (core dumped) (0.31 s)",
            "stopped",
        ),
        (
            Outcome::Stopped(ended(Exit::Unknown, EndCause::Requested)),
            "ps: stopped (0.31 s)",
            "stopped",
        ),
        (
            Outcome::Stopped(ended(signal("SIGKILL", false), EndCause::KilledAfterTimeout)),
            "ps: stopped: it did not stop in time and was killed (0.31 s)",
            "stopped",
        ),
        (
            Outcome::Stopped(crashed()),
            "ps: stopped; before that it exited with code 1 by itself (0.31 s)",
            "stopped",
        ),
        (Outcome::AlreadyDown, "ps: was stopped already", "already_down"),
        (
            Outcome::Restarted { before, after: RUN },
            "ps: restarted, pid 4121 → 4188 (0.31 s)",
            "restarted",
        ),
        (
            Outcome::Restarted {
                before: None,
                after: RUN,
            },
            "ps: was stopped; started, pid 4188 (0.31 s)",
            "restarted",
        ),
    ];
    for (outcome, line, code) in good {
        let view = operation(vec![part("ps", outcome)]);
        assert_eq!(as_text(&view), format!("{line}\n"));
        assert_eq!((view.exit(), view.failures()), (0, vec![]));
        let json = as_json(&view);
        assert_eq!(json["ok"], true);
        assert_eq!(json["error"], Value::Null);
        assert_eq!(json["data"]["components"][0]["outcome"], code);
        assert_eq!(json["data"]["components"][0]["message"], line);
    }
    let trying = "it is tried again, unless its policy says otherwise; what comes next: s7ctl why ps";
    let bad = [
        (
            Outcome::FailedRun(cored),
            Kind::StartFailed,
            "ps: did not get ready: was ended by SIGSEGV (core dumped) after 0.20 s",
            Some(trying),
            "failed_run",
        ),
        (
            Outcome::FailedSpawn(spawn_failure()),
            Kind::StartFailed,
            "ps: cannot start: changing directory to /srv/ps: No such file or directory (os error 2)",
            Some(trying),
            "failed_spawn",
        ),
        (
            Outcome::Unkillable,
            Kind::Unkillable,
            "ps: was killed and is still there; the system does not let it go",
            Some("the supervisor keeps trying; see: s7ctl status"),
            "unkillable",
        ),
        (
            Outcome::Superseded,
            Kind::Superseded,
            "ps: a later command took over before this one was done",
            Some("s7ctl status shows what became of it"),
            "superseded",
        ),
        (
            Outcome::Refused(Refusal::DependencyDown {
                component: name("ps"),
                dependency: name("is"),
            }),
            Kind::DependencyDown,
            "ps cannot start: it depends on is, which is stopped",
            Some("start both: s7ctl start is ps"),
            "refused",
        ),
        (
            Outcome::Refused(Refusal::Unsupported { what: "no".into() }),
            Kind::Unsupported,
            "ps: the supervisor cannot do this here: no",
            None,
            "refused",
        ),
    ];
    for (outcome, kind, message, hint, code) in bad {
        let view = operation(vec![part("ps", outcome)]);
        assert_eq!(as_text(&view), "", "failures are not data");
        let failures = view.failures();
        let [failure] = &failures[..] else {
            panic!("{failures:?}")
        };
        assert_eq!(
            (failure.kind, failure.message.as_str(), failure.hint.as_deref()),
            (kind, message, hint)
        );
        assert_eq!(failure.component, Some(name("ps")));
        let json = as_json(&view);
        assert_eq!(
            json["error"],
            json!({"code": kind.code(), "exit": kind.exit(), "component": "ps", "message": message, "hint": hint})
        );
        assert_eq!(json["data"]["components"][0]["outcome"], code);
        assert_eq!(json["data"]["components"][0]["ok"], false);
    }
}

#[test]
fn signals_and_waits_have_words_of_their_own() {
    let signal = |all| Asked::Signal {
        signal: s7proto::signal::Signal::Hup,
        all,
    };
    let wait = |until, all| Asked::Wait { until, all };
    let (up, down) = (Until::Up, Until::Down);
    let finished = ended(Exit::Code(0), EndCause::Finished);
    let good = [
        (
            signal(false),
            Outcome::Signalled(RUN),
            "ps: sent SIGHUP to pid 4188",
        ),
        (
            signal(true),
            Outcome::NotRunning,
            "ps: does not run; nothing sent",
        ),
        (wait(up, false), Outcome::AlreadyUp(RUN), "ps: is up, pid 4188"),
        (wait(up, false), Outcome::Started(RUN), "ps: is up, pid 4188"),
        (
            wait(up, false),
            Outcome::Completed(finished),
            "ps: exited with code 0 after 0.20 s, and its restart policy says that it stays so",
        ),
        (
            wait(up, true),
            Outcome::NotRunning,
            "ps: nobody wants it to run; not waited for",
        ),
        (wait(down, false), Outcome::AlreadyDown, "ps: is down"),
        (wait(down, false), Outcome::Stopped(crashed()), "ps: is down"),
    ];
    for (asked, outcome, line) in good {
        let parts = vec![part("ps", outcome)];
        let view = View::Operation { asked, parts };
        assert_eq!(as_text(&view), format!("{line}\n"));
        assert_eq!(view.exit(), 0);
        let one = &as_json(&view)["data"]["components"][0];
        assert_eq!((&one["ok"], &one["message"]), (&json!(true), &json!(line)));
    }
    let bad = [
        (
            signal(false),
            Outcome::NotRunning,
            3,
            "ps: does not run, so there is nothing to send SIGHUP to",
            "why: s7ctl why ps; start it with: s7ctl start ps",
        ),
        (
            signal(true),
            Outcome::Failed("Operation not permitted (os error 1)".into()),
            1,
            "ps: SIGHUP could not be sent: Operation not permitted (os error 1)",
            "the supervisor's own log has more",
        ),
        (
            wait(up, false),
            Outcome::NotRunning,
            3,
            "ps: nobody wants it to run, so there is nothing to wait for",
            "start it with: s7ctl start ps",
        ),
        (
            wait(up, true),
            Outcome::FailedSpawn(spawn_failure()),
            1,
            "ps: was given up: cannot start: changing directory to /srv/ps: No such file or directory (os error 2)",
            "s7ctl why ps tells more",
        ),
        (
            wait(up, true),
            Outcome::FailedRun(crashed()),
            1,
            "ps: was given up: exited with code 1 after 0.20 s",
            "s7ctl why ps tells more",
        ),
    ];
    for (asked, outcome, exit, message, hint) in bad {
        let parts = vec![part("ps", outcome)];
        let view = View::Operation { asked, parts };
        assert_eq!((as_text(&view).as_str(), view.exit()), ("", exit));
        let failures = view.failures();
        assert_eq!(
            (failures[0].message.as_str(), failures[0].hint.as_deref()),
            (message, Some(hint))
        );
        assert_eq!(as_json(&view)["data"]["components"][0]["ok"], false);
    }
}

#[test]
fn failures_of_one_kind_keep_their_exit_code_and_different_ones_are_1() {
    let missing = || {
        Outcome::Refused(Refusal::NoSuchComponent {
            name: name("x"),
            similar: vec![],
        })
    };
    let view = |outcomes: Vec<Outcome>| operation(outcomes.into_iter().map(|o| part("x", o)).collect());
    assert_eq!(view(vec![missing(), missing(), Outcome::AlreadyDown]).exit(), 4);
    assert_eq!(view(vec![missing(), Outcome::Superseded]).exit(), 1);
    assert_eq!(view(vec![]).exit(), 0);
}

#[test]
fn an_operation_as_json_names_runs_seconds_and_ends() {
    let before = Some(RunInfo { run: 3, pid: 4121 });
    let parts = vec![
        part("ps", Outcome::Restarted { before, after: RUN }),
        part("is", Outcome::FailedRun(crashed())),
    ];
    let json = as_json(&operation(parts));
    assert_eq!(json["ok"], false);
    assert_eq!(
        json["data"]["components"],
        json!([
            {
                "id": "ps", "outcome": "restarted", "ok": true, "run": 4, "pid": 4188, "seconds": 0.31,
                "message": "ps: restarted, pid 4121 → 4188 (0.31 s)", "hint": null, "exit": null,
                "previous": {"run": 3, "pid": 4121},
            },
            {
                "id": "is", "outcome": "failed_run", "ok": false, "run": null, "pid": null, "seconds": 0.31,
                "message": "is: did not get ready: exited with code 1 after 0.20 s",
                "hint": "it is tried again, unless its policy says otherwise; what comes next: s7ctl why is",
                "exit": {"code": 1, "signal": null, "core": false, "at": "2026-11-22T10:31:05.25Z",
                         "seconds": 0.2, "reason": "crashed"},
                "previous": null,
            },
        ])
    );
    assert_eq!(json["error"]["component"], "is");
}

#[test]
fn what_a_person_has_seen_already_is_not_told_twice() {
    let view = operation(vec![
        part("is", Outcome::Started(RUN)),
        part("ps", Outcome::Started(RUN)),
    ]);
    let page = Page {
        shown: vec![name("is")],
        ..page(None)
    };
    let text = String::from_utf8(text::render(&view, &page)).unwrap();
    assert_eq!(text, "ps: started, pid 4188 (0.31 s)\n");
}
