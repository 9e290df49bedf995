//! Refusals, reloads, logs, checks, versions, and no supervisor at all.

use super::*;
use crate::render::is_troubled;
use s7proto::version::PROTOCOL;

#[test]
fn every_refusal_has_its_sentence_its_hint_and_its_exit_code() {
    let diagnostics = vec![Diagnostic {
        severity: Severity::Error,
        file: "r.xml".into(),
        line: 3,
        column: 5,
        message: "x".into(),
        hint: None,
        rendered: "error: x\n --> r.xml:3:5\n".into(),
    }];
    let cases = [
        (
            Refusal::NoSuchComponent {
                name: name("pd"),
                similar: vec![name("ps"), name("is")],
            },
            4,
            "no component is called pd",
            "did you mean ps or is? s7ctl status shows all components",
        ),
        (
            Refusal::NoSuchComponent {
                name: name("pd"),
                similar: vec![],
            },
            4,
            "no component is called pd",
            "s7ctl status shows all components",
        ),
        (
            Refusal::NoMatch {
                pattern: s7proto::pattern::Pattern::parse("x*").unwrap(),
            },
            4,
            "no component matches x*",
            "s7ctl status shows all components",
        ),
        (
            Refusal::NotPermitted {
                uid: Some(1000),
                needed: Permission::Control,
            },
            5,
            "the supervisor does not permit steering it for uid 1000",
            "this is for root, the supervisor's own user and the configured group",
        ),
        (
            Refusal::NotPermitted {
                uid: None,
                needed: Permission::Observe,
            },
            5,
            "the supervisor does not permit looking at it",
            "this is for the group of the socket",
        ),
        (
            Refusal::RegistryBroken {
                file: "r.xml".into(),
                diagnostics,
            },
            1,
            "the registry r.xml cannot be loaded (1 error); what runs is untouched\nerror: x\n --> r.xml:3:5",
            "correct it and try again; s7ctl check shows the same findings",
        ),
        (
            Refusal::ShuttingDown,
            1,
            "the supervisor is stopping everything",
            "wait until it has ended; s7ctl start brings it back",
        ),
        (
            Refusal::Busy,
            1,
            "the supervisor has too much to do at the moment and refused; nothing was done",
            "try again",
        ),
        (
            Refusal::Malformed { detail: "d".into() },
            1,
            "the supervisor did not understand the request: d",
            "s7ctl version shows both versions",
        ),
        (
            Refusal::Internal { what: "w".into() },
            1,
            "the supervisor failed within itself: w",
            "its own log has more",
        ),
    ];
    for (refusal, exit, message, hint) in cases {
        let error = CtlError::refused(&refusal, None);
        assert_eq!(
            (error.kind.exit(), error.message.as_str(), error.hint.as_deref()),
            (exit, message, Some(hint))
        );
    }
}

#[test]
fn without_a_supervisor_status_says_where_it_looked_and_stop_is_content() {
    let tried = vec![Endpoint::Socket("/a/s".into()), Endpoint::Socket("/b/s".into())];
    let view = View::NoSupervisor(no_supervisor(&tried, None));
    assert_eq!(
        as_text(&view),
        "The supervisor is not running: nothing answers at /a/s or at /b/s.\n"
    );
    assert_eq!(view.exit(), 3);
    let json = as_json(&view);
    assert_eq!((&json["ok"], &json["supervisor"]), (&json!(false), &Value::Null));
    assert_eq!(json["components"], json!([]));
    assert_eq!(json["error"]["code"], "no_supervisor");
    assert_eq!(json["error"]["hint"], json!(no_supervisor(&tried, None).hint));

    let left = View::NoSupervisor(no_supervisor(&tried, tried.last()));
    assert_eq!(
        as_text(&left),
        "The supervisor is not running: the one at /b/s was killed or has crashed; its components may still run.\n"
    );
    assert_eq!(left.exit(), 3);

    let view = View::NothingToStop(tried);
    assert_eq!(
        as_text(&view),
        "The supervisor is not running; there is nothing to stop.\n"
    );
    assert_eq!((view.exit(), as_json(&view)["ok"].clone()), (0, json!(true)));
    assert_eq!(View::Version(None).exit(), 3);
}

#[test]
fn trouble_is_what_should_run_and_does_not_and_what_does_not_go_away() {
    let with = |state, wish, health| ComponentStatus {
        wish,
        health,
        ..component("ps", state)
    };
    for (component, expected) in [
        (with(State::Running, Wish::Up, Health::Healthy), false),
        (with(State::Running, Wish::Up, Health::Unhealthy), true),
        (with(State::Exited, Wish::Up, Health::None), false),
        (with(State::Starting, Wish::Up, Health::None), true),
        (with(State::Backoff, Wish::Up, Health::None), true),
        (with(State::Stopped, Wish::Down, Health::None), false),
        (with(State::Stopping, Wish::Down, Health::None), false),
        (with(State::Stuck, Wish::Down, Health::None), true),
    ] {
        assert_eq!(is_troubled(&component), expected, "{component:?}");
    }
}

#[test]
fn a_reload_says_what_it_does_or_would_do_with_every_component() {
    let actions = [
        (
            ReloadAction::AddedAndStarted,
            "is new, and is started",
            "added_and_started",
        ),
        (
            ReloadAction::Added,
            "is new, and stays stopped (autoStart is false)",
            "added",
        ),
        (ReloadAction::Removed, "is removed, and is stopped", "removed"),
        (
            ReloadAction::Restarted,
            "has changed, and is restarted",
            "restarted",
        ),
        (
            ReloadAction::NeedsRestart,
            "has changed; applies after its next restart",
            "needs_restart",
        ),
        (
            ReloadAction::Updated,
            "has changed; applies at its next start",
            "updated",
        ),
        (
            ReloadAction::AppliedLive,
            "has changed, applied at once",
            "applied_live",
        ),
    ];
    for (action, said, code) in actions {
        let report = ReloadReport {
            dry_run: false,
            changes: vec![ReloadChange {
                component: name("ps"),
                action,
                fields: vec!["arguments".into(), "stopTimeout".into()],
            }],
            warnings: vec![],
            parts: vec![],
        };
        let view = View::Reload(report.clone());
        assert_eq!(as_text(&view), format!("ps: {said} [arguments, stopTimeout]\n"));
        assert_eq!(as_json(&view)["data"]["changes"][0]["action"], code);
        let dry = as_text(&View::Reload(ReloadReport {
            dry_run: true,
            ..report
        }));
        assert!(
            dry.contains(" would ") && dry.ends_with("Nothing was done: this was a dry run.\n"),
            "{dry}"
        );
    }
    let unchanged = ReloadReport {
        dry_run: false,
        changes: vec![],
        warnings: vec![],
        parts: vec![],
    };
    let dry = ReloadReport {
        dry_run: true,
        ..unchanged.clone()
    };
    assert_eq!(
        [unchanged, dry].map(|report| as_text(&View::Reload(report))),
        [
            "The registry is loaded; no component has changed.\n",
            "The registry would load; no component has changed.\n"
        ]
    );
}

#[test]
fn logs_are_the_bytes_as_they_are_and_an_unreadable_one_is_a_failure() {
    let tail = |id: &str, bytes: &[u8]| LogTail {
        component: name(id),
        file: format!("/logs/{id}.log"),
        bytes: bytes.to_vec(),
        truncated: false,
        error: None,
    };
    let one = View::Logs(vec![tail("is", b"\xff\x1b[31m no end")]);
    assert_eq!(text::render(&one, &page(None)), b"\xff\x1b[31m no end");
    assert_eq!(
        as_json(&one)["data"]["components"][0]["text"],
        "\u{fffd}\u{1b}[31m no end"
    );
    let broken = LogTail {
        error: Some("Permission denied (os error 13)".into()),
        ..tail("ps", b"")
    };
    let view = View::Logs(vec![tail("is", b"a"), tail("svg", b"b\n"), broken]);
    assert_eq!(as_text(&view), "==> is <==\na\n\n==> svg <==\nb\n");
    assert_eq!(view.exit(), 1);
    assert_eq!(
        view.failures()[0].to_string(),
        "ps: cannot read /logs/ps.log: Permission denied (os error 13)"
    );
}

#[test]
fn a_check_lists_what_would_load_or_all_findings() {
    let ok = CheckReport {
        registry: "/r.xml".into(),
        ok: true,
        diagnostics: vec![],
        components: vec![name("is"), name("ps")],
    };
    let view = View::Check(ok.clone());
    assert_eq!(
        as_text(&view),
        "/r.xml: nothing to complain about; 2 components: is, ps\n"
    );
    assert_eq!(view.exit(), 0);
    let warning = Diagnostic {
        severity: Severity::Warning,
        file: "/r.xml".into(),
        line: 0,
        column: 0,
        message: "m".into(),
        hint: Some("h".into()),
        rendered: "warning: m\n  | \u{202e}x\n".into(),
    };
    let view = View::Check(CheckReport {
        ok: false,
        diagnostics: vec![warning],
        components: vec![],
        ..ok
    });
    assert_eq!(as_text(&view), "warning: m\n  | \\u{202e}x\n\n");
    assert_eq!(view.exit(), 1);
    let json = as_json(&view);
    assert_eq!(json["data"]["diagnostics"][0]["line"], Value::Null);
    assert_eq!(
        json["error"]["message"],
        "the registry /r.xml would not load: 1 warning"
    );
}

#[test]
fn versions_of_both_sides_are_shown() {
    let view = View::Version(Some(VersionInfo {
        version: "9.9".into(),
        pid: 812,
        registry: "/r.xml".into(),
    }));
    let text = as_text(&view);
    assert!(
        text.starts_with("s7ctl ") && text.contains(&format!("(protocol {PROTOCOL})\n")),
        "{text}"
    );
    assert!(
        text.ends_with("s7supervisord 9.9, pid 812, registry /r.xml\n"),
        "{text}"
    );
    assert_eq!(as_json(&view)["data"]["supervisor"]["version"], "9.9");
}

#[test]
fn an_upgrade_that_has_failed_is_said_until_it_is_mended() {
    let View::Status { report, named, .. } = status(vec![], false) else {
        unreachable!("that is what it makes");
    };
    let facts = Facts {
        supervisor: vec![SupervisorFact::UpgradeFailed {
            why: "executing /new: I/O error".into(),
            at_ms: AT_MS,
        }],
        components: vec![],
    };
    let view = View::Status { report, facts, named };
    assert_eq!(
        as_json(&view)["supervisor"]["upgrade_failed"],
        json!({"why": "executing /new: I/O error", "at": "2026-11-22T10:31:05.25Z"})
    );
    let text = as_text(&view);
    assert!(
        text.ends_with(
            "warning: the upgrade at 10:31:05 has failed, and this supervisor carries on: executing /new: I/O error; mend \
             that and repeat: s7ctl upgrade\n"
        ),
        "{text}"
    );
}

#[test]
fn every_stage_of_a_failed_start_is_named() {
    let stages = [
        SpawnStage::LookingUpUser,
        SpawnStage::PreparingOutput,
        SpawnStage::CreatingProcess,
        SpawnStage::Recording,
        SpawnStage::CreatingSession,
        SpawnStage::SettingLimits,
        SpawnStage::SettingGroup,
        SpawnStage::SettingUser,
        SpawnStage::ChangingDirectory,
        SpawnStage::ConnectingOutput,
        SpawnStage::Executing,
        SpawnStage::CheckingPort,
    ];
    let said: std::collections::BTreeSet<String> = stages
        .iter()
        .map(|stage| {
            let failure = SpawnFailure {
                stage: *stage,
                ..spawn_failure()
            };
            let said = failure.to_string();
            assert!(
                said.ends_with(" /srv/ps: No such file or directory (os error 2)"),
                "{said}"
            );
            said
        })
        .collect();
    assert_eq!(said.len(), stages.len());
}
