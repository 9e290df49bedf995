//! What components say of themselves.

use super::*;

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
