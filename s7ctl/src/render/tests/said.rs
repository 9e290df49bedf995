//! What components say of themselves.

use super::*;
use s7proto::overview::{CheckFact, CheckKind, CheckResult, CheckVerdict};

#[test]
fn what_a_component_says_of_itself_stands_on_its_line_and_in_an_object_of_its_own() {
    let facts = vec![
        ComponentFact::AwaitsNotice("by sd_notify".into()),
        ComponentFact::Said("Loading\u{1b} 3 of 5".into()),
        ComponentFact::Reloading,
        ComponentFact::SaysItStops,
        ComponentFact::MainProcess(4711),
        ComponentFact::NoticesIgnored(2),
    ];
    let of = |id: &str, facts: Vec<ComponentFact>| ComponentFacts { id: name(id), facts };
    let report = report(vec![
        component("is", State::Starting),
        component("ps", State::Stopped),
    ]);
    let view = View::Status {
        report,
        facts: Facts {
            supervisor: Vec::new(),
            components: vec![of("is", facts), of("ps", Vec::new())],
        },
        named: false,
    };
    let value = as_json(&view);
    assert_eq!(
        value["components"][0]["said"],
        json!({
            "status": "Loading\u{1b} 3 of 5",
            "awaited": "by sd_notify",
            "reloading": true,
            "stopping": true,
            "main_pid": 4711,
            "ignored": 2,
        })
    );
    assert_eq!(value["components"][1]["said"], Value::Null);
    let text = as_text(&view);
    let line = text.lines().find(|line| line.starts_with("is ")).unwrap();
    let said = "has not said yet that it is ready, by sd_notify; says: Loading";
    assert!(line.contains(said) && !line.contains('\u{1b}'), "{line}");
    assert!(
        line.ends_with(
            "reads its settings anew; is about to end, as it says; goes on in process 4711, as it says; \
             2 notifications were not listened to, see the supervisor's log"
        ),
        "{line}"
    );
}

#[test]
fn a_component_that_starts_says_what_is_awaited_and_what_was_wrong_last() {
    let check = |kind, last: Option<(u64, CheckVerdict)>| {
        ComponentFact::Check(CheckFact {
            kind,
            what: "tcp 8080 each 10s".to_owned(),
            last: last.map(|(run, verdict)| CheckResult {
                run,
                at_ms: 0,
                took_us: 1,
                verdict,
                in_a_row: 22,
                detail: "nobody\u{1b} listens".to_owned(),
            }),
        })
    };
    let line = |state, health, readiness| {
        let is = ComponentStatus {
            pid: Some(7),
            ..component("is", state)
        };
        let (health, readiness) = (
            check(CheckKind::Health, health),
            check(CheckKind::Readiness, readiness),
        );
        let facts = ComponentFacts {
            id: name("is"),
            facts: vec![health, readiness],
        };
        let view = View::Status {
            report: report(vec![is]),
            facts: Facts {
                supervisor: Vec::new(),
                components: vec![facts],
            },
            named: false,
        };
        let text = as_text(&view);
        text.lines()
            .find(|line| line.starts_with("is "))
            .unwrap()
            .to_owned()
    };
    let run = component("is", State::Starting).run;
    let (well, ill) = (Some((run, CheckVerdict::Well)), Some((run, CheckVerdict::Ill)));
    let told = line(State::Starting, ill, None);
    assert!(
        told.contains("not ready: nobody") && told.ends_with(" listens, 22 times"),
        "{told}"
    );
    assert!(!told.contains('\u{1b}'), "{told}");
    assert!(line(State::Starting, well, ill).contains("not ready: nobody"));
    let first = "not ready: not checked yet (tcp 8080 each 10s)";
    assert!(line(State::Starting, None, None).ends_with(first));
    let before = Some((run + 1, CheckVerdict::Ill));
    assert!(
        line(State::Starting, before, None).ends_with(first),
        "that was another run"
    );
    assert!(!line(State::Running, ill, ill).contains("not ready"));
}
