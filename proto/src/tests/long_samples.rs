//! Samples of what 1.1 has added: streams, explanations and settings.

use super::samples::{component, name, report, spawn_failure, supervisor};
use crate::event::{Event, Happening, PastEnd, PastRun};
use crate::explain::{ComponentInfo, Explanation, InfoReport, Neighbour, SupervisorInfo};
use crate::pattern::Pattern;
use crate::reply::{Done, LogTail, Notice};
use crate::request::{LogPosition, Request, Selection, Until};
use crate::signal::Signal;
use crate::status::{Actor, Reason, State, StatusReport, Wish};

pub fn requests() -> Vec<(String, Request)> {
    let wild = Selection::Matching(vec![
        Pattern::parse("text-*").unwrap(),
        Pattern::parse("is").unwrap(),
    ]);
    let mut all: Vec<(String, Request)> = [
        (
            "wait.up",
            Request::Wait {
                which: wild.clone(),
                until: Until::Up,
            },
        ),
        (
            "wait.down",
            Request::Wait {
                which: Selection::All,
                until: Until::Down,
            },
        ),
        (
            "follow",
            Request::Follow {
                which: wild.clone(),
                lines: 10,
            },
        ),
        ("why", Request::Why(wild)),
        (
            "events",
            Request::Events {
                which: Selection::All,
                last: 1000,
                follow: true,
            },
        ),
        ("info", Request::Info(Selection::All)),
    ]
    .map(|(file, request)| (file.to_owned(), request))
    .into();
    all.extend(Signal::ALL.map(|signal| {
        let which = Selection::Named(vec![name("is")]);
        let file = format!("signal.{}", signal.name().to_lowercase());
        (file, Request::Signal { which, signal })
    }));
    all
}

pub fn notices() -> Vec<(String, Notice)> {
    let snapshot = Notice::Snapshot {
        sequence: 300,
        report: StatusReport {
            supervisor: supervisor(),
            components: vec![component()],
        },
    };
    let mut all: Vec<(String, Notice)> = [
        ("snapshot", snapshot),
        ("missed", Notice::Missed { events: 70_000 }),
        (
            "output",
            Notice::Output {
                component: name("is"),
                bytes: b"one\n\xff".to_vec(),
            },
        ),
        (
            "output-unreadable",
            Notice::OutputUnreadable {
                component: name("is"),
                why: "e".into(),
            },
        ),
        (
            "output-reaches",
            Notice::OutputReaches {
                position: LogPosition {
                    component: name("is"),
                    file: 70_000,
                    offset: 300,
                },
                after: 5,
            },
        ),
    ]
    .map(|(file, notice)| (file.to_owned(), notice))
    .into();
    all.extend(
        happenings()
            .into_iter()
            .map(|(file, what)| (format!("happened.{file}"), Notice::Happened(event(what)))),
    );
    all
}

pub fn dones() -> Vec<(&'static str, Done)> {
    vec![
        ("why", Done::Why(vec![explanation()])),
        ("events", Done::Events(vec![event(Happening::Forgotten)])),
        ("info", Done::Info(Box::new(info()))),
        ("stream-ended", Done::StreamEnded),
    ]
}

fn event(what: Happening) -> Event {
    Event {
        sequence: 301,
        at_ms: 1_795_343_465_250,
        component: Some(name("ps")),
        what,
    }
}

fn happenings() -> Vec<(&'static str, Happening)> {
    vec![
        (
            "entered",
            Happening::Entered {
                state: State::Backoff,
                run: 7,
                pid: Some(4121),
                reason: Some(Reason::Completed),
            },
        ),
        (
            "ended",
            Happening::Ended {
                run: 7,
                report: report(),
            },
        ),
        (
            "asked",
            Happening::Asked {
                who: Actor::Uid(1000),
                verb: "restart".into(),
                about: vec!["ps".into()],
            },
        ),
        (
            "signalled",
            Happening::Signalled {
                signal: Signal::Hup,
                who: Actor::Uid(0),
                run: 7,
            },
        ),
        ("registry-loaded", Happening::RegistryLoaded { changed: 2 }),
        ("registry-refused", Happening::RegistryRefused { errors: 3 }),
        (
            "tier-forced",
            Happening::TierForced {
                tier: 2,
                laggards: vec![name("is")],
            },
        ),
        ("forgotten", Happening::Forgotten),
        ("health", Happening::Health(true)),
        ("left-over", Happening::LeftOver { run: 7, gone: true }),
    ]
}

pub fn explanation() -> Explanation {
    let neighbour = |id| Neighbour {
        id: name(id),
        wish: Wish::Up,
        state: State::Running,
    };
    let past = |end| PastRun {
        run: 6,
        at_ms: 1_795_343_465_250,
        end,
    };
    Explanation {
        status: component(),
        since_ms: Some(1_795_343_465_250),
        dependencies: vec![neighbour("is")],
        dependants: vec![neighbour("web")],
        past: vec![
            past(PastEnd::NotSpawned(spawn_failure())),
            past(PastEnd::Exited(report())),
        ],
        events: vec![event(Happening::Forgotten)],
        output: LogTail {
            component: name("ps"),
            file: "/logs/ps.log".into(),
            bytes: b"one\n".to_vec(),
            truncated: false,
            error: None,
        },
    }
}

fn info() -> InfoReport {
    InfoReport {
        supervisor: SupervisorInfo {
            status: supervisor(),
            protocol: (1, 1),
            install_folder: "/opt/s7".into(),
            runtime_dir: "/run/s7supervisord".into(),
            endpoint: "/run/s7supervisord/control.sock".into(),
            log: "/opt/s7/logs/Supervisor.log".into(),
            audit_log: "/opt/s7/logs/Supervisor-audit.log".into(),
            temp: "/opt/s7/temp".into(),
            trace_level: 2,
            stats_interval_us: Some(60_000_000),
            components: 3,
            last_event: 301,
        },
        components: vec![ComponentInfo {
            id: name("text-1"),
            instance_of: Some((name("text"), 1)),
            description: "Text renderer".into(),
            command: vec!["/opt/s7/bin64/TextServer".into(), "--port=27341".into()],
            working_directory: "/opt/s7".into(),
            inherit_environment: false,
            environment: vec![("LC_ALL".into(), "C.UTF-8".into())],
            user: Some("s7".into()),
            group: None,
            umask: 0o022,
            limits: vec![("nofile".into(), Some(4096), None)],
            auto_start: true,
            tier: -1,
            start_delay_us: 1_000_000,
            stop_timeout_us: 60_000_000,
            restart_policy: "always".into(),
            max_retries: 3,
            success_exit_codes: vec![0, 143],
            stop: "SIGTERM".into(),
            health: Some("tcp 27347".into()),
            depends_on: vec![(name("is"), "none".into())],
            log_file: "/opt/s7/logs/text-1.log".into(),
            pids: vec![4121, 4122],
        }],
    }
}
