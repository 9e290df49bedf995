//! How what checks came to is shown.

use super::as_text;
use super::explain::{looping, story};
use crate::render::View;
use s7proto::explain::Story;
use s7proto::overview::{CheckFact, CheckKind, CheckResult, CheckVerdict, ComponentFact};

#[test]
fn why_tells_what_the_checks_came_to() {
    let check = |kind, verdict: Option<CheckVerdict>, detail: &str| {
        ComponentFact::Check(CheckFact {
            kind,
            what: "tcp 8080 each 10s".to_owned(),
            last: verdict.map(|verdict| CheckResult {
                run: 9,
                at_ms: 0,
                took_us: 1_500_000,
                verdict,
                in_a_row: 3,
                detail: detail.to_owned(),
            }),
        })
    };
    let told = Story {
        facts: vec![
            check(
                CheckKind::Health,
                Some(CheckVerdict::Ill),
                "nobody\u{1b}[2J listens",
            ),
            check(CheckKind::Readiness, Some(CheckVerdict::Well), ""),
            check(CheckKind::Readiness, Some(CheckVerdict::Unsure), "no descriptors"),
            check(CheckKind::Readiness, None, ""),
        ],
        ..story(looping())
    };
    let view = View::Why {
        stories: vec![told],
        omitted: 0,
    };
    let text = as_text(&view);
    let lines: Vec<&str> = text.lines().filter(|line| line.contains("tcp 8080")).collect();
    assert!(
        lines[0].starts_with("  checks      health, tcp 8080 each 10s: failed "),
        "{text}"
    );
    assert!(
        lines[0].contains(" ago, 3 times in a row: nobody") && !lines[0].contains('\u{1b}'),
        "{text}"
    );
    assert!(
        lines[1].contains("readiness, tcp 8080 each 10s: answered "),
        "{text}"
    );
    assert!(lines[1].ends_with(", in 1.50 s, 3 times in a row"), "{text}");
    assert!(
        lines[2].contains("could not be made ") && lines[2].ends_with(": no descriptors"),
        "{text}"
    );
    assert!(
        lines[3].ends_with("readiness, tcp 8080 each 10s: not made yet"),
        "{text}"
    );
}
