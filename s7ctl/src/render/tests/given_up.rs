//! What a run was given up for, wherever its end is told.

use super::explain::{explained, past, why};
use super::*;
use crate::render::event::words;
use s7proto::event::{DumpReason, Happening, PastEnd};

/// The cause, its words, its name in JSON, and why it is asked for a dump.
const CAUSES: [(EndCause, &str, &str, DumpReason); 5] = [
    (EndCause::Hung, "failed its checks", "hung", DumpReason::Hung),
    (
        EndCause::NotReady,
        "was not ready in time",
        "not_ready",
        DumpReason::NotReady,
    ),
    (
        EndCause::WatchdogMissed,
        "missed its watchdog",
        "watchdog_missed",
        DumpReason::WatchdogMissed,
    ),
    (
        EndCause::InTrouble,
        "said itself that it is in trouble",
        "in_trouble",
        DumpReason::InTrouble,
    ),
    (
        EndCause::OutputMatched,
        "wrote a line that restarts it",
        "output_matched",
        DumpReason::Output,
    ),
];

fn end(cause: EndCause) -> ExitReport {
    ended(signal("SIGTERM", false), cause)
}

#[test]
fn status_says_what_a_run_was_given_up_for() {
    for (cause, said, code, _) in CAUSES {
        let crashed = |in_a_row| Reason::Crashed {
            in_a_row,
            crash_loop: false,
        };
        let again = ComponentStatus {
            last_exit: Some(end(cause)),
            reason: Some(crashed(1)),
            ..running("ps")
        };
        let text = as_text(&status(vec![again.clone()], true));
        let words = format!("{said} and was stopped: was ended by SIGTERM at 10:31:05 after 0.20 s");
        assert!(text.contains(&format!("Image server - {words}")), "{text}");
        let json = as_json(&status(vec![again.clone()], true));
        assert_eq!(json["components"][0]["last_exit"]["reason"], code);
        let waits = ComponentStatus {
            reason: Some(crashed(2)),
            ..again
        };
        let text = as_text(&why(vec![explained(waits)], 0));
        assert!(text.contains(&format!("{words}; 2 crashes in a row\n")), "{text}");
    }
}

#[test]
fn why_and_events_say_what_a_run_was_given_up_for() {
    for (cause, said, _, dump) in CAUSES {
        let mut one = explained(running("ps"));
        one.past = vec![past(2, PastEnd::Exited(end(cause)))];
        let text = as_text(&why(vec![one], 0));
        let line = format!("  runs        {said}, was ended by SIGTERM after 0.20 s, at 10:31:05\n");
        assert!(text.contains(&line), "{text}");
        let happened = event::event(Happening::Ended {
            run: 2,
            report: end(cause),
        });
        assert_eq!(
            words(&happened, &page(None).clock),
            format!("run 2 {said} and was stopped: was ended by SIGTERM after 0.20 s")
        );
        let dumped = event::event(Happening::Dumped {
            run: 2,
            file: "/logs/ps.log".into(),
            from: 0,
            to: 9,
            why: dump.clone(),
        });
        let because = match dump {
            DumpReason::Output => "because of a line of its output".to_owned(),
            _ => format!("because it {said}"),
        };
        let text = words(&dumped, &page(None).clock);
        assert!(text.contains(&because), "{text}");
    }
}

#[test]
fn an_operation_says_what_a_run_was_given_up_for() {
    for (cause, said, code, _) in CAUSES {
        let view = operation(vec![part("ps", Outcome::FailedRun(end(cause)))]);
        assert_eq!(
            view.failures()[0].message,
            format!("ps: did not get ready: {said} and was stopped: was ended by SIGTERM after 0.20 s")
        );
        assert_eq!(as_json(&view)["data"]["components"][0]["exit"]["reason"], code);
        let view = operation(vec![part("ps", Outcome::Stopped(end(cause)))]);
        assert_eq!(as_text(&view), format!("ps: stopped; it {said} (0.31 s)\n"));
    }
}

#[test]
fn wherever_an_end_is_told_it_says_that_memory_was_wanting() {
    for (exit, said) in [
        (
            signal("SIGKILL", false),
            "was ended by SIGKILL (most likely by the kernel for want of memory)",
        ),
        // A process of an earlier daemon's.
        (
            Exit::Unknown,
            "ended (most likely by the kernel for want of memory)",
        ),
        // Another one of its tree was killed.
        (
            Exit::Code(3),
            "exited with code 3 (most likely for want of memory)",
        ),
    ] {
        let report = ended(exit, EndCause::OutOfMemory);
        let again = ComponentStatus {
            last_exit: Some(report.clone()),
            reason: Some(Reason::Crashed {
                in_a_row: 1,
                crash_loop: false,
            }),
            ..running("ps")
        };
        let text = as_text(&status(vec![again], true));
        assert!(
            text.contains(&format!("- {said} at 10:31:05 after 0.20 s")),
            "{text}"
        );
        let mut one = explained(running("ps"));
        one.past = vec![past(2, PastEnd::Exited(report.clone()))];
        let text = as_text(&why(vec![one], 0));
        assert!(
            text.contains(&format!("  runs        {said} after 0.20 s")),
            "{text}"
        );
        let happened = event::event(Happening::Ended { run: 2, report });
        assert_eq!(
            words(&happened, &page(None).clock),
            format!("run 2 {said} after 0.20 s")
        );
    }
}
