//! Fixed values as text and as JSON: every state, reason, outcome and refusal.

use crate::error::{CtlError, Kind};
use crate::render::clock::Clock;
use crate::render::text::Page;
use crate::render::{View, json, no_supervisor, sentence, text};
use s7proto::endpoint::Endpoint;
use s7proto::name::ComponentName;
use s7proto::refusal::{Permission, Refusal};
use s7proto::reply::*;
use s7proto::status::*;
use serde_json::{Value, json};

/// 2026-11-22T10:31:05.250Z.
const AT_MS: i64 = 1_795_343_465_250;

fn name(text: &str) -> ComponentName {
    ComponentName::parse(text).unwrap()
}

fn page(width: Option<usize>) -> Page {
    let now = jiff::Timestamp::from_millisecond(AT_MS + 60_000).unwrap();
    Page {
        width,
        colour: false,
        clock: Clock::fixed(now, jiff::tz::TimeZone::UTC),
        shown: Vec::new(),
    }
}

fn as_text(view: &View) -> String {
    String::from_utf8(text::render(view, &page(None))).unwrap()
}

fn as_json(view: &View) -> Value {
    let text = json::render(view, &Clock::for_programs());
    assert!(
        text.ends_with("}\n") && text.lines().count() == 1,
        "one object on one line: {text}"
    );
    serde_json::from_str(&text).unwrap()
}

fn ended(exit: Exit, cause: EndCause) -> ExitReport {
    ExitReport {
        exit,
        cause,
        at_ms: AT_MS,
        lasted_us: 200_000,
    }
}

fn signal(name: &str, core: bool) -> Exit {
    Exit::Signal {
        name: name.into(),
        core,
    }
}

fn crashed() -> ExitReport {
    ended(Exit::Code(1), EndCause::Crashed)
}

fn component(id: &str, state: State) -> ComponentStatus {
    ComponentStatus {
        id: name(id),
        description: String::new(),
        tier: 1,
        wish: Wish::Up,
        state,
        health: Health::None,
        pid: None,
        run: 0,
        uptime_us: None,
        restarts: 0,
        memory_bytes: None,
        cpu_percent: None,
        last_exit: None,
        next_try_us: None,
        reason: None,
        output_dropped_bytes: 0,
    }
}

fn running(id: &str) -> ComponentStatus {
    ComponentStatus {
        description: "Image server".into(),
        health: Health::Healthy,
        pid: Some(4121),
        run: 3,
        uptime_us: Some(3_723_500_000),
        restarts: 2,
        memory_bytes: Some(512 << 20),
        cpu_percent: Some(3.25),
        last_exit: Some(ended(
            Exit::Signal {
                name: "SIGKILL".into(),
                core: false,
            },
            EndCause::Crashed,
        )),
        ..component(id, State::Running)
    }
}

fn report(components: Vec<ComponentStatus>) -> StatusReport {
    StatusReport {
        supervisor: SupervisorStatus {
            pid: 812,
            version: "0.1.0".into(),
            uptime_us: 90_250_000,
            registry: "/opt/s7/conf/SupervisorRegistry.xml".into(),
            containment: "group".into(),
            state_not_persisted: None,
        },
        components,
    }
}

fn status(components: Vec<ComponentStatus>, named: bool) -> View {
    View::Status {
        report: report(components),
        named,
    }
}

fn part(id: &str, outcome: Outcome) -> Part {
    Part {
        component: name(id),
        outcome,
        took_us: 310_000,
    }
}

fn spawn_failure() -> SpawnFailure {
    SpawnFailure {
        stage: SpawnStage::ChangingDirectory,
        subject: "/srv/ps".into(),
        os_error: Some(2),
        cause: "No such file or directory".into(),
        host_fault: false,
    }
}

const RUN: RunInfo = RunInfo { run: 4, pid: 4188 };

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
    let view = View::Status { report, named: false };
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
    ];
    let said: std::collections::BTreeSet<String> = stages
        .iter()
        .map(|stage| {
            let failure = SpawnFailure {
                stage: *stage,
                ..spawn_failure()
            };
            let said = sentence::spawn_failure(&failure);
            assert!(
                said.ends_with(" /srv/ps: No such file or directory (os error 2)"),
                "{said}"
            );
            said
        })
        .collect();
    assert_eq!(said.len(), stages.len());
}

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
        let view = View::Operation(vec![part("ps", outcome)]);
        assert_eq!(as_text(&view), format!("{line}\n"));
        assert_eq!((view.exit(), view.failures()), (0, vec![]));
        let json = as_json(&view);
        assert_eq!(json["ok"], true);
        assert_eq!(json["error"], Value::Null);
        assert_eq!(json["data"]["components"][0]["outcome"], code);
        assert_eq!(json["data"]["components"][0]["message"], line);
    }
    let trying = "the supervisor keeps trying; see: s7ctl logs ps";
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
        let view = View::Operation(vec![part("ps", outcome)]);
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
fn failures_of_one_kind_keep_their_exit_code_and_different_ones_are_1() {
    let missing = || {
        Outcome::Refused(Refusal::NoSuchComponent {
            name: name("x"),
            similar: vec![],
        })
    };
    let view = |outcomes: Vec<Outcome>| View::Operation(outcomes.into_iter().map(|o| part("x", o)).collect());
    assert_eq!(view(vec![missing(), missing(), Outcome::AlreadyDown]).exit(), 4);
    assert_eq!(view(vec![missing(), Outcome::Superseded]).exit(), 1);
    assert_eq!(view(vec![]).exit(), 0);
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
                },
            ],
            "error": null,
        })
    );
}

#[test]
fn without_a_supervisor_status_says_where_it_looked_and_stop_is_content() {
    let tried = vec![Endpoint::Socket("/a/s".into()), Endpoint::Socket("/b/s".into())];
    let view = View::NoSupervisor(tried.clone());
    assert_eq!(
        as_text(&view),
        "The supervisor is not running: nothing answers at /a/s or at /b/s.\n"
    );
    assert_eq!(view.exit(), 3);
    let json = as_json(&view);
    assert_eq!((&json["ok"], &json["supervisor"]), (&json!(false), &Value::Null));
    assert_eq!(json["components"], json!([]));
    assert_eq!(json["error"]["code"], "no_supervisor");
    assert_eq!(json["error"]["hint"], json!(no_supervisor(&tried).hint));

    let view = View::NothingToStop(tried);
    assert_eq!(
        as_text(&view),
        "The supervisor is not running; there is nothing to stop.\n"
    );
    assert_eq!((view.exit(), as_json(&view)["ok"].clone()), (0, json!(true)));
    assert_eq!(View::Version(None).exit(), 3);
}

#[test]
fn an_operation_as_json_names_runs_seconds_and_ends() {
    let before = Some(RunInfo { run: 3, pid: 4121 });
    let parts = vec![
        part("ps", Outcome::Restarted { before, after: RUN }),
        part("is", Outcome::FailedRun(crashed())),
    ];
    let json = as_json(&View::Operation(parts));
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
                "hint": "the supervisor keeps trying; see: s7ctl logs is",
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
    let view = View::Operation(vec![
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
        rendered: "warning: m\n".into(),
    };
    let view = View::Check(CheckReport {
        ok: false,
        diagnostics: vec![warning],
        components: vec![],
        ..ok
    });
    assert_eq!(as_text(&view), "warning: m\n\n");
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
        text.starts_with("s7ctl ") && text.contains("(protocol 1.0)\n"),
        "{text}"
    );
    assert!(
        text.ends_with("s7supervisord 9.9, pid 812, registry /r.xml\n"),
        "{text}"
    );
    assert_eq!(as_json(&view)["data"]["supervisor"]["version"], "9.9");
}
