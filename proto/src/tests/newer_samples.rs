//! Samples of what 1.2 has added: the long status, output since a time, and replacing the daemon.

use super::long_samples::explanation;
use super::samples::{component, diagnostics, name, supervisor};
use crate::event::{Event, Happening};
use crate::explain::{LastWords, Story};
use crate::overview::{ComponentFact, ComponentFacts, Overview, SupervisorFact};
use crate::refusal::{Permission, Refusal, UpgradeProblem};
use crate::reply::{Done, Notice};
use crate::request::{LogPosition, Request, Selection};
use crate::status::StatusReport;

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
    [
        ("overview", Request::Overview(Selection::All)),
        ("story", Request::Story(Selection::All)),
        ("follow-from", Request::FollowFrom(positions())),
        ("logs-from", from),
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
    let took_over = Happening::TookOver {
        replaced: Some("0.1.0".to_owned()),
        adopted: 20,
    };
    [
        (
            "happened.adopted",
            happened(Happening::Adopted { run: 3, pid: 4121 }),
        ),
        ("happened.took-over", happened(took_over)),
        (
            "happened.registry-stale",
            happened(Happening::RegistryStale { errors: 2 }),
        ),
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
        ],
        components: vec![ComponentFacts {
            id: name("ps"),
            facts: vec![
                ComponentFact::Adopted,
                ComponentFact::Containment("cgroup".into()),
                ComponentFact::PipeBytes(1 << 20),
                ComponentFact::Said("Loading 3 of 5".into()),
                ComponentFact::AwaitsNotice("by sd_notify".into()),
                ComponentFact::Reloading,
                ComponentFact::SaysItStops,
                ComponentFact::MainProcess(4711),
                ComponentFact::NoticesIgnored(2),
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
        ("upgrading", upgrading),
        ("handed-over", Done::HandedOver),
        ("output-handed-over", Done::OutputHandedOver(positions())),
    ]
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
