//! What `status` tells beyond what every version does.

use super::*;

#[test]
fn what_a_younger_supervisor_tells_is_beside_what_every_one_tells() {
    let View::Status { report, named, .. } =
        status(vec![running("is"), component("ps", State::Stopped)], false)
    else {
        unreachable!("that is what it makes");
    };
    let found = |severity, line| Diagnostic {
        severity,
        file: "/r.xml".into(),
        line,
        column: 2,
        message: "broken".into(),
        hint: None,
        rendered: String::new(),
    };
    let facts = Facts {
        supervisor: vec![
            SupervisorFact::StaleRegistry {
                file: "/r.xml".into(),
                diagnostics: vec![found(Severity::Error, 7), found(Severity::Warning, 8)],
            },
            SupervisorFact::TookOver {
                replaced: Some("0.0.9".into()),
                at_ms: AT_MS,
                adopted: 1,
            },
            SupervisorFact::PipeBytes(2_097_152),
        ],
        components: vec![
            ComponentFacts {
                id: name("is"),
                facts: vec![
                    ComponentFact::Adopted,
                    ComponentFact::Containment("cgroup".into()),
                    ComponentFact::PipeBytes(1_048_576),
                    ComponentFact::MemoryLimits {
                        soft: None,
                        hard: Some(1_000_000_000),
                        by_system: false,
                    },
                ],
            },
            ComponentFacts {
                id: name("ps"),
                facts: vec![],
            },
        ],
    };
    let view = View::Status { report, facts, named };
    let value = as_json(&view);
    assert_eq!(value["supervisor"]["registry_stale"]["file"], "/r.xml");
    assert_eq!(value["supervisor"]["registry_stale"]["diagnostics"][0]["line"], 7);
    assert_eq!(
        value["supervisor"]["took_over"],
        json!({"replaced": "0.0.9", "at": "2026-11-22T10:31:05.25Z", "adopted": 1})
    );
    assert_eq!(value["supervisor"]["pipe_bytes"], 2_097_152);
    let of = |at: usize| {
        let one = &value["components"][at];
        (
            one["adopted"].clone(),
            one["containment"].clone(),
            one["pipe_bytes"].clone(),
        )
    };
    assert_eq!(of(0), (json!(true), json!("cgroup"), json!(1_048_576)));
    assert_eq!(of(1), (json!(false), json!(null), json!(null)));
    let is = &value["components"][0];
    assert_eq!(
        json!([
            is["memory_soft_bytes"],
            is["memory_hard_bytes"],
            is["memory_hard_by"]
        ]),
        json!([null, 1_000_000_000, "sampling"])
    );
    let text = as_text(&view);
    assert!(
        text.ends_with(
            "warning: the registry /r.xml could not be loaded when it was last tried (1 error and 1 warning); the one before is \
             in force; see: s7ctl check\n"
        ),
        "{text}"
    );
}
