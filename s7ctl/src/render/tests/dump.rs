//! Dumps, what runs leave behind, and ports that somebody else has.

use super::*;
use crate::render::dump;
use s7proto::event::{DumpReason, Event, Happening, Remains};

fn report(id: &str, outcome: DumpOutcome) -> DumpReport {
    DumpReport {
        component: name(id),
        outcome,
    }
}

fn written(text: &str, to: u64) -> DumpOutcome {
    DumpOutcome::Written {
        run: RUN,
        file: "/s7/logs/ps.log".into(),
        from: 10,
        to,
        bytes: text.into(),
    }
}

#[test]
fn one_dump_is_its_bytes_and_several_have_names_and_what_is_left_out_is_said() {
    let all = |reports: &[DumpReport]| String::from_utf8(dump::text(reports)).unwrap();
    assert_eq!(
        all(&[report("ps", written("Full thread dump\n", 27))]),
        "Full thread dump\n"
    );
    let several = [
        report("is", DumpOutcome::NotConfigured),
        report("ps", written("a", 11)),
        report("svg", written("b\n", 4000)),
    ];
    assert_eq!(
        all(&several),
        "==> ps <==\na\n\n==> svg <==\nb\n[s7ctl: the rest is in /s7/logs/ps.log, up to byte 4000]\n"
    );
}

#[test]
fn whoever_was_named_and_has_no_dump_is_a_failure() {
    let exit = |outcome, all| {
        let reports = vec![report("ps", outcome)];
        let view = View::Dumps { reports, all };
        (
            view.exit(),
            as_json(&view)["data"]["components"][0]["outcome"].clone(),
        )
    };
    assert_eq!(exit(written("x", 11), false), (0, "written".into()));
    assert_eq!(
        exit(DumpOutcome::NotConfigured, false),
        (1, "not_configured".into())
    );
    assert_eq!(exit(DumpOutcome::NotConfigured, true).0, 0);
    for option in [Some("-Xrs".into()), None] {
        let would_end = || DumpOutcome::WouldEnd {
            option: option.clone(),
        };
        assert_eq!(exit(would_end(), false), (1, "would_end".into()));
        assert_eq!(exit(would_end(), true).0, 0);
    }
    assert_eq!(exit(DumpOutcome::NotRunning, false), (3, "not_running".into()));
    assert_eq!(exit(DumpOutcome::NotRunning, true).0, 0);
    assert_eq!(exit(DumpOutcome::Silent(5_000_000), true), (1, "silent".into()));
    assert_eq!(exit(DumpOutcome::Failed("no".into()), true), (1, "failed".into()));
}

#[test]
fn dumps_and_remains_are_told_as_events() {
    let of = |what| {
        let event = Event {
            sequence: 1,
            at_ms: AT_MS,
            component: Some(name("ps")),
            what,
        };
        let view = View::Events(vec![event]);
        as_json(&view)["data"]["events"][0].clone()
    };
    let dumped = of(Happening::Dumped {
        run: 7,
        file: "/l/ps.log".into(),
        from: 1,
        to: 2,
        why: DumpReason::AskedBy(Actor::Uid(0)),
    });
    assert_eq!(
        dumped["message"],
        "run 7 has written a dump of itself, for uid 0: /l/ps.log, bytes 1 to 2"
    );
    assert_eq!(
        (&dumped["event"], &dumped["why"], &dumped["who"]["uid"]),
        (&"dumped".into(), &"asked".into(), &0.into())
    );
    let found = of(Happening::Found {
        run: 7,
        remains: vec![
            Remains::OutOfJavaMemory("Terminating".into()),
            Remains::HeapDump {
                file: "/t/j.hprof".into(),
                bytes: 9,
            },
        ],
    });
    assert_eq!(
        found["message"],
        "run 7 has left: its Java ran out of memory (\"Terminating\"); a heap dump, /t/j.hprof (9 bytes)"
    );
    assert_eq!(found["remains"][1]["kind"], "heap_dump");
    assert_eq!(found["remains"][0]["file"], Value::Null);
    let more = of(Happening::Found {
        run: 7,
        remains: vec![Remains::More {
            folder: "/t/heap-ps".into(),
            looked: 9,
        }],
    });
    assert_eq!(
        more["message"],
        "run 7 has left: more in /t/heap-ps than the 9 entries that were looked at for old files"
    );
    assert_eq!(
        (&more["remains"][0]["kind"], &more["remains"][0]["file"]),
        (&"more".into(), &"/t/heap-ps".into())
    );
}

#[test]
fn a_port_that_is_taken_has_a_hint_of_its_own() {
    let failure = SpawnFailure {
        stage: SpawnStage::CheckingPort,
        subject: "8080".into(),
        os_error: None,
        cause: "it is taken by pid 4711 (nginx)".into(),
        host_fault: true,
    };
    let part = Part {
        component: name("ps"),
        outcome: Outcome::FailedSpawn(failure),
        took_us: 0,
    };
    let error = sentence::part(&part, Asked::Change).unwrap_err();
    assert_eq!(
        error.message,
        "ps: cannot start: checking port 8080: it is taken by pid 4711 (nginx)"
    );
    assert!(error.hint.is_some_and(|hint| hint.starts_with("free the port")));
}
