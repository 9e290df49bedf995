//! `status`: states, reasons, health, exit codes.

use super::*;

#[test]
fn status_is_a_table_with_what_failed_when_and_why_on_its_line() {
    let ps = ComponentStatus {
        description: "Platform server".into(),
        last_exit: Some(crashed()),
        next_try_us: Some(3_800_000),
        restarts: 4,
        reason: Some(Reason::Crashed {
            in_a_row: 4,
            crash_loop: false,
        }),
        ..component("ps", State::Backoff)
    };
    let text = as_text(&status(vec![running("is"), ps], false));
    assert_eq!(
        text,
        "\
COMPONENT  STATE    HEALTH   PID   UPTIME  RESTARTS  MEMORY   CPU   DESCRIPTION
is         RUNNING  healthy  4121  1h 02m  2         512 MiB  3.2%  Image server
ps         BACKOFF  -        -     -       4         -        -     Platform server - exited with code 1 at 10:31:05 after 0.20 s; 4 crashes in a row; next try in 3.80 s

s7supervisord 0.1.0, pid 812, up 1m 30s, containment group, registry /opt/s7/conf/SupervisorRegistry.xml
"
    );
}

#[test]
fn every_state_has_its_name_and_colour_only_adds_to_it() {
    let states = [
        State::Stopped,
        State::Waiting,
        State::Starting,
        State::Running,
        State::Stopping,
        State::Backoff,
        State::Exited,
        State::Fatal,
        State::Stuck,
    ];
    let view = status(states.iter().map(|state| component("x", *state)).collect(), false);
    let plain = as_text(&view);
    let coloured = Page {
        colour: true,
        ..page(None)
    };
    let coloured = String::from_utf8(text::render(&view, &coloured)).unwrap();
    assert!(coloured.contains("\u{1b}[32mRUNNING\u{1b}[0m"), "{coloured}");
    let bare = anstream::adapter::strip_str(&coloured).to_string();
    assert_eq!(bare.replace(' ', ""), plain.replace(' ', ""));
    for (line, state) in plain.lines().skip(1).zip(states) {
        assert_eq!(line.split_whitespace().nth(1), Some(state.name()));
    }
}

#[test]
fn every_reason_has_a_sentence_and_a_code() {
    let host_fault = SpawnFailure {
        stage: SpawnStage::CreatingProcess,
        subject: String::new(),
        os_error: Some(11),
        cause: "Resource temporarily unavailable (os error 11)".into(),
        host_fault: true,
    };
    let cases = [
        (
            Reason::NotAutoStarted,
            "not started by itself (autoStart is false); s7ctl start x",
            "not_auto_started",
        ),
        (
            Reason::StoppedBy {
                who: Actor::Uid(0),
                at_ms: AT_MS - 86_400_000,
            },
            "stopped by uid 0 at 2026-11-21 10:31:05",
            "stopped_by",
        ),
        (
            Reason::StoppedBy {
                who: Actor::Sid("S-1-5-18".into()),
                at_ms: AT_MS,
            },
            "stopped by S-1-5-18 at 10:31:05",
            "stopped_by",
        ),
        (
            Reason::StoppedBy {
                who: Actor::Supervisor,
                at_ms: AT_MS,
            },
            "stopped by the supervisor at 10:31:05",
            "stopped_by",
        ),
        (
            Reason::WaitingForTier {
                tier: 1,
                members: vec![name("is"), name("svg")],
            },
            "waiting for is and svg in tier 1",
            "waiting_for_tier",
        ),
        (
            Reason::WaitingForTier {
                tier: 1,
                members: vec![],
            },
            "waiting for tier 1",
            "waiting_for_tier",
        ),
        (
            Reason::WaitingForDependency(name("is")),
            "waiting for is, which it depends on",
            "waiting_for_dependency",
        ),
        (
            Reason::Crashed {
                in_a_row: 1,
                crash_loop: false,
            },
            "exited with code 1 at 10:31:05 after 0.20 s",
            "crashed",
        ),
        (
            Reason::Crashed {
                in_a_row: 6,
                crash_loop: true,
            },
            "crash loop, 6 crashes in a row: exited with code 1 at 10:31:05 after 0.20 s",
            "crash_loop",
        ),
        (
            Reason::SpawnFailed(spawn_failure()),
            "cannot start: changing directory to /srv/ps: No such file or directory (os error 2)",
            "spawn_failed",
        ),
        (
            Reason::SpawnFailed(host_fault),
            "cannot start, for want of something on this machine: creating a process: \
             Resource temporarily unavailable (os error 11)",
            "host_fault",
        ),
        (
            Reason::GaveUp { in_a_row: 3 },
            "given up after 3 crashes in a row: exited with code 1 at 10:31:05 after 0.20 s; \
             try again with: s7ctl start x",
            "gave_up",
        ),
        (
            Reason::Completed,
            "exited with code 1 at 10:31:05 after 0.20 s; its restart policy says that it stays so",
            "completed",
        ),
        (
            Reason::Unkillable { left: 2 },
            "killed, and 2 processes are still there; the supervisor keeps trying",
            "unkillable",
        ),
        (
            Reason::Unkillable { left: 0 },
            "killed, and still there; the supervisor keeps trying",
            "unkillable",
        ),
        (
            Reason::NeedsRestart,
            "the registry has changed; what changed applies after: s7ctl restart x",
            "needs_restart",
        ),
        (
            Reason::Removed,
            "no longer in the registry, being stopped",
            "removed",
        ),
        (
            Reason::GivenUpRun(EndCause::WatchdogMissed),
            "missed its watchdog, and is being stopped",
            "watchdog_missed",
        ),
        (
            Reason::GivenUpRun(EndCause::DependencyLost),
            "lost what it depends on, and is being stopped",
            "dependency_lost",
        ),
    ];
    for (reason, expected, code) in cases {
        let one = ComponentStatus {
            last_exit: Some(crashed()),
            reason: Some(reason),
            ..component("x", State::Backoff)
        };
        assert_eq!(
            sentence::detail(&one, &page(None).clock).as_deref(),
            Some(expected)
        );
        let json = as_json(&status(vec![one], false));
        assert_eq!(json["components"][0]["reason_code"], code);
        assert!(json["components"][0]["reason"].is_string());
    }
}

#[test]
fn what_else_is_to_be_known_stands_beside_the_reason() {
    let mut one = running("is");
    assert_eq!(sentence::detail(&one, &page(None).clock), None, "all is well");
    one.health = Health::Unhealthy;
    one.output_dropped_bytes = 2048;
    assert_eq!(
        sentence::detail(&one, &page(None).clock).as_deref(),
        Some("its health checks fail; 2.0 KiB of its output could not be written and are lost")
    );
    let mut report = report(vec![]);
    report.supervisor.state_not_persisted = Some("No space left on device".into());
    let view = View::Status {
        report,
        facts: Facts::default(),
        named: false,
    };
    assert!(
        as_text(&view).contains("warning: what runs cannot be recorded"),
        "{}",
        as_text(&view)
    );
    assert_eq!(
        as_json(&view)["supervisor"]["state_not_persisted"],
        "No space left on device"
    );
}

#[test]
fn status_ends_with_0_only_when_everything_wished_up_is_up() {
    let exit = |components, named| status(components, named).exit();
    let with = |state, wish, health| ComponentStatus {
        wish,
        health,
        ..component("x", state)
    };
    let up = |state| with(state, Wish::Up, Health::None);
    let down = |state| with(state, Wish::Down, Health::None);
    assert_eq!(exit(vec![], false), 0);
    assert_eq!(
        exit(
            vec![up(State::Running), up(State::Exited), down(State::Stopped)],
            false
        ),
        0
    );
    for state in [
        State::Stopped,
        State::Waiting,
        State::Starting,
        State::Stopping,
        State::Backoff,
        State::Fatal,
        State::Stuck,
    ] {
        assert_eq!(exit(vec![up(State::Running), up(state)], false), 3, "{state:?}");
        assert_eq!(exit(vec![down(state)], false), 0, "{state:?} as wished");
        assert_eq!(exit(vec![down(state)], true), 3, "{state:?} but named");
    }
    assert_eq!(
        exit(vec![with(State::Running, Wish::Up, Health::Unhealthy)], false),
        3
    );
    assert_eq!(
        exit(vec![with(State::Running, Wish::Up, Health::Unknown)], false),
        0
    );
}

#[test]
fn status_as_json_has_the_shape_that_was_promised() {
    let ps = ComponentStatus {
        wish: Wish::Down,
        ..component("ps", State::Stopped)
    };
    let view = status(vec![running("is"), ps], false);
    assert_eq!(
        as_json(&view),
        json!({
            "schema": 1,
            "ok": true,
            "supervisor": {
                "pid": 812,
                "version": "0.1.0",
                "uptime_seconds": 90.25,
                "registry": "/opt/s7/conf/SupervisorRegistry.xml",
                "containment": "group",
                "state_not_persisted": null,
                "registry_stale": null,
                "took_over": null,
                "upgrade_failed": null,
                "cannot_write": [],
                "pipe_bytes": null,
            },
            "components": [
                {
                    "id": "is",
                    "description": "Image server",
                    "tier": 1,
                    "wish": "up",
                    "state": "RUNNING",
                    "health": "healthy",
                    "pid": 4121,
                    "run": 3,
                    "uptime_seconds": 3723.5,
                    "restarts": 2,
                    "memory_bytes": 536_870_912,
                    "cpu_percent": 3.25,
                    "last_exit": {
                        "code": null,
                        "signal": "SIGKILL",
                        "core": false,
                        "at": "2026-11-22T10:31:05.25Z",
                        "seconds": 0.2,
                        "reason": "crashed",
                    },
                    "next_try_seconds": null,
                    "reason": null,
                    "reason_code": null,
                    "output_dropped_bytes": 0,
                    "output_unwritten": null,
                    "adopted": null,
                    "containment": null,
                    "pipe_bytes": null, "checks": null,
                    "memory_soft_bytes": null,
                    "memory_hard_bytes": null,
                    "memory_hard_by": null,
                    "said": null,
                    "debugged": null,
                },
                {
                    "id": "ps",
                    "description": "",
                    "tier": 1,
                    "wish": "down",
                    "state": "STOPPED",
                    "health": "none",
                    "pid": null,
                    "run": null,
                    "uptime_seconds": null,
                    "restarts": 0,
                    "memory_bytes": null,
                    "cpu_percent": null,
                    "last_exit": null,
                    "next_try_seconds": null,
                    "reason": null,
                    "reason_code": null,
                    "output_dropped_bytes": 0,
                    "output_unwritten": null,
                    "adopted": null,
                    "containment": null,
                    "pipe_bytes": null, "checks": null,
                    "memory_soft_bytes": null,
                    "memory_hard_bytes": null,
                    "memory_hard_by": null,
                    "said": null,
                    "debugged": null,
                },
            ],
            "error": null,
        })
    );
}
