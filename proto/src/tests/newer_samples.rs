//! Samples of what 1.2 has added: the long status, output since a time, and replacing the daemon.

use super::long_samples::explanation;
use super::samples::{component, diagnostics, name, supervisor};
use crate::event::{DumpReason, Event, Happening, MatchAction, Remains};
use crate::explain::{LastWords, Story};
use crate::overview::{
    CheckFact, CheckKind, CheckResult, CheckVerdict, ComponentFact, ComponentFacts, Overview, SupervisorFact,
};
use crate::refusal::{Permission, Refusal, UpgradeProblem};
use crate::reply::{Done, DumpOutcome, DumpReport, Notice, RunInfo};
use crate::request::{LogPosition, Request, Selection};
use crate::status::{Actor, StatusReport};

pub fn requests() -> Vec<(String, Request)> {
    let from = Request::LogsFrom {
        which: Selection::Named(vec![name("is")]),
        since_ms: 1_795_343_465_250,
        lines: 10_000,
        follow: true,
    };
    let given = Request::Upgrade {
        binary: Some("/opt/s7/bin/s7supervisord".to_owned()),
    };
    let events_from = Request::EventsFrom {
        which: Selection::All,
        after: 1 << 40,
    };
    [
        ("events-from", events_from),
        ("overview", Request::Overview(Selection::All)),
        ("story", Request::Story(Selection::All)),
        ("follow-from", Request::FollowFrom(positions())),
        ("logs-from", from),
        ("dump", Request::Dump(Selection::All)),
        ("upgrade", Request::Upgrade { binary: None }),
        ("upgrade.given", given),
    ]
    .map(|(file, request)| (file.to_owned(), request))
    .into()
}

fn positions() -> Vec<LogPosition> {
    vec![LogPosition {
        component: name("is"),
        file: 1 << 40,
        offset: 70_000,
    }]
}

pub fn notices() -> Vec<(String, Notice)> {
    let happened = |what| {
        Notice::Happened(Event {
            sequence: 300,
            at_ms: 1_795_343_465_250,
            component: Some(name("is")),
            what,
        })
    };
    let matched = |action| {
        happened(Happening::Matched {
            run: 7,
            action,
            line: "java.lang.OutOfMemoryError: Java heap space".to_owned(),
            times: 300,
        })
    };
    let took_over = Happening::TookOver {
        replaced: Some("0.1.0".to_owned()),
        adopted: 20,
    };
    let dumped = |why| {
        happened(Happening::Dumped {
            run: 3,
            file: "/s7/logs/ps.log".into(),
            from: 1 << 33,
            to: (1 << 33) + 70_000,
            why,
        })
    };
    let remains = vec![
        Remains::OutOfJavaMemory("Terminating due to java.lang.OutOfMemoryError: Java heap space".into()),
        Remains::HeapDump {
            file: "/s7/temp/heap-ps/java_pid4121.hprof".into(),
            bytes: 1 << 29,
        },
        Remains::ErrorReport {
            file: "/s7/logs/hs_err_ps_4121.log".into(),
            bytes: 90_000,
        },
    ];
    [
        (
            "happened.dumped.asked",
            dumped(DumpReason::AskedBy(Actor::Uid(1000))),
        ),
        ("happened.dumped.stop-timeout", dumped(DumpReason::StopTimeout)),
        ("happened.dumped.hung", dumped(DumpReason::Hung)),
        ("happened.dumped.output", dumped(DumpReason::Output)),
        ("happened.dumped.not-ready", dumped(DumpReason::NotReady)),
        (
            "happened.dumped.watchdog-missed",
            dumped(DumpReason::WatchdogMissed),
        ),
        ("happened.dumped.in-trouble", dumped(DumpReason::InTrouble)),
        ("happened.found", happened(Happening::Found { run: 3, remains })),
        (
            "happened.found.more",
            happened(Happening::Found {
                run: 3,
                remains: vec![Remains::More {
                    folder: "/s7/temp/heap-ps".into(),
                    looked: 10_000,
                }],
            }),
        ),
        (
            "happened.adopted",
            happened(Happening::Adopted { run: 3, pid: 4121 }),
        ),
        ("happened.took-over", happened(took_over)),
        (
            "happened.registry-stale",
            happened(Happening::RegistryStale { errors: 2 }),
        ),
        (
            "happened.unresponsive",
            happened(Happening::Unresponsive {
                run: 3,
                detail: "connecting to 127.0.0.1:8080: Connection refused".into(),
            }),
        ),
        ("happened.matched-restart", matched(MatchAction::Restart)),
        ("happened.matched-dump", matched(MatchAction::Dump)),
        ("happened.matched-event", matched(MatchAction::Event)),
    ]
    .map(|(file, notice)| (file.to_owned(), notice))
    .into()
}

fn story() -> Story {
    Story {
        explanation: explanation(),
        facts: vec![ComponentFact::Adopted],
        last_words: vec![LastWords {
            run: 7,
            bytes: b"out of luck\n".to_vec(),
        }],
    }
}

fn check(kind: CheckKind, verdict: Option<CheckVerdict>) -> CheckFact {
    CheckFact {
        kind,
        what: "tcp 8080 each 10s".into(),
        last: verdict.map(|verdict| CheckResult {
            run: 3,
            at_ms: 1_795_343_465_250,
            took_us: 1_000_250,
            verdict,
            in_a_row: 2,
            detail: "no answer".into(),
        }),
    }
}

fn checks() -> Overview {
    let facts = [
        (CheckKind::Health, Some(CheckVerdict::Well)),
        (CheckKind::Health, Some(CheckVerdict::Ill)),
        (CheckKind::Readiness, Some(CheckVerdict::Unsure)),
        (CheckKind::Readiness, None),
    ];
    let facts = facts.map(|(kind, verdict)| ComponentFact::Check(check(kind, verdict)));
    Overview {
        report: StatusReport {
            supervisor: supervisor(),
            components: vec![component()],
        },
        supervisor: Vec::new(),
        components: vec![ComponentFacts {
            id: name("ps"),
            facts: facts.into(),
        }],
    }
}

pub fn dones() -> Vec<(&'static str, Done)> {
    let overview = Overview {
        report: StatusReport {
            supervisor: supervisor(),
            components: vec![component()],
        },
        supervisor: vec![
            SupervisorFact::StaleRegistry {
                file: "/r.xml".into(),
                diagnostics: diagnostics(),
            },
            SupervisorFact::TookOver {
                replaced: None,
                at_ms: 1_795_343_465_250,
                adopted: 20,
            },
            SupervisorFact::PipeBytes(20 << 20),
            SupervisorFact::UpgradeFailed {
                why: "w".into(),
                at_ms: 1_795_343_465_250,
            },
            SupervisorFact::CannotWrite { why: "l".into() },
        ],
        components: vec![ComponentFacts {
            id: name("ps"),
            facts: vec![
                ComponentFact::Adopted,
                ComponentFact::Containment("cgroup".into()),
                ComponentFact::PipeBytes(1 << 20),
                ComponentFact::MemoryLimits {
                    soft: Some(512_000_000),
                    hard: None,
                    by_system: false,
                },
                ComponentFact::Said("Loading 3 of 5".into()),
                ComponentFact::AwaitsNotice("by sd_notify".into()),
                ComponentFact::Reloading,
                ComponentFact::SaysItStops,
                ComponentFact::MainProcess(4711),
                ComponentFact::NoticesIgnored(2),
                ComponentFact::Debugged,
            ],
        }],
    };
    let upgrading = Done::Upgrading {
        from: "0.1.0".into(),
        to: "0.2.0".into(),
    };
    vec![
        ("overview", Done::Overview(Box::new(overview))),
        ("story", Done::Story(vec![story()])),
        ("overview.checks", Done::Overview(Box::new(checks()))),
        ("upgrading", upgrading),
        ("handed-over", Done::HandedOver),
        ("output-handed-over", Done::OutputHandedOver(positions())),
        ("dumped", Done::Dumped(dumps())),
        ("dumped.would-end", Done::Dumped(dumps_that_would_end())),
        ("overview.output", Done::Overview(Box::new(unwritten()))),
    ]
}

fn unwritten() -> Overview {
    let mut overview = checks();
    overview.components[0].facts = vec![
        ComponentFact::OutputUnwritten {
            file: "/logs/ps.log".into(),
            why: "no space".into(),
            since_ms: 1_795_343_465_250,
            waits: true,
        },
        ComponentFact::RunsKnownSince(1_795_343_465_250),
    ];
    overview
}

fn dumps_that_would_end() -> Vec<DumpReport> {
    [Some("-Xrs".into()), None]
        .map(|option| DumpReport {
            component: name("ps"),
            outcome: DumpOutcome::WouldEnd { option },
        })
        .into()
}

fn dumps() -> Vec<DumpReport> {
    [
        DumpOutcome::Written {
            run: RunInfo { run: 3, pid: 4121 },
            file: "/s7/logs/ps.log".into(),
            from: 1 << 33,
            to: (1 << 33) + 3,
            bytes: vec![0, 10, 255],
        },
        DumpOutcome::Silent(5_000_000),
        DumpOutcome::NotConfigured,
        DumpOutcome::NotRunning,
        DumpOutcome::Failed("w".into()),
    ]
    .map(|outcome| DumpReport {
        component: name("ps"),
        outcome,
    })
    .into()
}

pub fn refusals() -> Vec<(&'static str, Refusal)> {
    let cannot = |problem| Refusal::CannotUpgrade {
        binary: "/opt/s7/bin/s7supervisord".into(),
        problem,
    };
    let why = || "w".to_owned();
    vec![
        (
            "cannot-upgrade.unusable",
            cannot(UpgradeProblem::Unusable { why: why() }),
        ),
        (
            "cannot-upgrade.untrusted",
            cannot(UpgradeProblem::Untrusted { why: why() }),
        ),
        (
            "cannot-upgrade.cannot-carry-on",
            cannot(UpgradeProblem::CannotCarryOn { said: why() }),
        ),
        (
            "cannot-upgrade.silent",
            cannot(UpgradeProblem::Silent { seconds: 10 }),
        ),
        (
            "cannot-upgrade.not-now",
            cannot(UpgradeProblem::NotNow { why: why() }),
        ),
        (
            "not-permitted.own",
            Refusal::NotPermitted {
                uid: Some(1000),
                needed: Permission::Own,
            },
        ),
    ]
}
