use super::*;
use s7proto::status::{Actor, Exit, ExitReport, SpawnFailure, SpawnStage, State};

fn name(text: &str) -> ComponentName {
    ComponentName::parse(text).unwrap()
}

fn ended(run: u64, cause: EndCause) -> Happening {
    let report = ExitReport {
        exit: Exit::Code(7),
        cause,
        at_ms: 1_795_343_465_250,
        lasted_us: u64::MAX,
    };
    Happening::Ended { run, report }
}

fn not_spawned(run: u64) -> Happening {
    let failure = SpawnFailure {
        stage: SpawnStage::Executing,
        subject: "bin/\"a b\" ~ \u{1f600}\n".to_owned(),
        os_error: Some(2),
        cause: "no such file".to_owned(),
        host_fault: true,
    };
    Happening::Entered {
        state: State::Backoff,
        run,
        pid: None,
        reason: Some(Reason::SpawnFailed(failure)),
    }
}

fn event(sequence: u64, component: Option<&str>, what: Happening) -> Event {
    Event {
        sequence,
        at_ms: -1,
        component: component.map(name),
        what,
    }
}

fn asked(sequence: u64) -> Event {
    let (who, verb, about) = (Actor::Uid(0), "stop".to_owned(), vec!["text-*".to_owned()]);
    event(sequence, None, Happening::Asked { who, verb, about })
}

/// A file that began after event 4, when the run 3 of `is` was over, and to which `more` was appended.
fn file(more: &[Event]) -> String {
    let whole = Whole {
        since_ms: 12,
        sequence: 4,
        runs: vec![(name("is"), past_run(-1, &ended(3, EndCause::Crashed)).unwrap())],
        events: vec![
            Arc::new(event(3, Some("is"), ended(3, EndCause::Crashed))),
            Arc::new(asked(4)),
        ],
    };
    let mut text = whole.text("b1");
    more.iter().for_each(|event| add_event(event, &mut text));
    text
}

fn end(sequence: u64, said: &[Said]) -> String {
    let mut text = String::new();
    add_end(sequence, said, &mut text);
    text
}

fn numbers(kept: &Kept) -> Vec<u64> {
    kept.events.iter().map(|event| event.sequence).collect()
}

fn runs(kept: &Kept, of: &str) -> Vec<u64> {
    let runs = kept.runs.get(&name(of)).into_iter().flatten();
    runs.map(|past| past.run).collect()
}

#[test]
fn everything_comes_back_as_it_was_and_in_order() {
    let more = [
        event(5, Some("is"), ended(4, EndCause::Requested)),
        event(6, Some("ps"), not_spawned(1)),
        asked(7),
    ];
    let said = Said {
        component: name("is"),
        run: 5,
        status: "Loading ~ 3 of 5".to_owned(),
    };
    let kept = read(
        (file(&more) + &end(7, std::slice::from_ref(&said))).as_bytes(),
        "b1",
    );
    assert_eq!((kept.since_ms, kept.sequence), (Some(12), 7));
    assert_eq!(numbers(&kept), [3, 4, 5, 6, 7]);
    for (read, written) in kept.events.iter().skip(2).zip(&more) {
        assert_eq!(**read, *written);
    }
    // The one that was over when the file began isn't counted twice.
    assert_eq!((runs(&kept, "is"), runs(&kept, "ps")), (vec![3, 4], vec![1]));
    assert_eq!(kept.runs[&name("ps")][0], past_run(-1, &not_spawned(1)).unwrap());
    assert_eq!(kept.said[&(name("is"), 5)], said.status);
}

#[test]
fn a_line_that_is_torn_or_damaged_costs_no_other() {
    let whole = file(&[asked(5), asked(6)]);
    let lines: Vec<&str> = whole.lines().filter(|line| !line.is_empty()).collect();
    for (at, line) in lines.iter().enumerate().skip(1) {
        for cut in [0, 1, line.len() / 2, line.len() - 1] {
            let mut torn: Vec<&str> = lines.clone();
            torn[at] = &line[..cut];
            let kept = read(torn.join("\n").as_bytes(), "b1");
            let lost = usize::from(at > 1);
            assert_eq!(kept.events.len() + lost, 4, "line {at}, cut at {cut}");
        }
    }
    // A full disk has left half a line, and the next one begins behind it.
    let half = format!(
        "{}{}",
        &whole[..whole.len() - 30],
        file(&[]).replacen("history", "x", 1)
    );
    assert_eq!(numbers(&read(half.as_bytes(), "b1")), [3, 4, 5, 3, 4]);
    // Bytes that are no text.
    let mut bytes = whole.into_bytes();
    bytes.extend(b"\xff\xfe ~00000000\n");
    assert_eq!(read(&bytes, "b1").events.len(), 4);
}

#[test]
fn a_kind_that_is_not_known_and_what_a_later_version_adds_are_passed_over() {
    let newer = [
        r#"{"weather":{"rain":true}}"#,
        r#"{"event":{"sequence":5,"at_ms":1,"component":null,"what":{"Weather":{"rain":true}}}}"#,
        r#"{"event":{"sequence":6,"at_ms":1,"component":"is","what":"Forgotten","rain":true}}"#,
        r#"[1]"#,
        "no JSON",
    ];
    let newer: String = newer.map(line::sealed).concat();
    let text = file(&[]) + &newer + &end(6, &[]);
    let kept = read(text.as_bytes(), "b1");
    assert_eq!((numbers(&kept), kept.sequence), (vec![3, 4, 6], 6));
    assert!(kept.runs.is_empty(), "who is forgotten takes its past along");
}

#[test]
fn what_is_of_another_boot_or_format_or_has_no_beginning_is_nothing() {
    let text = file(&[asked(5)]);
    assert_eq!(read(text.as_bytes(), "b2"), Kept::default());
    let headless = text.trim_start().split_once('\n').unwrap().1;
    let without = Kept {
        sequence: 5 + LEFT_OUT,
        damaged: true,
        ..Kept::default()
    };
    assert_eq!(
        read(headless.as_bytes(), "b1"),
        without,
        "but that there was something"
    );
    let foreign = r#"{"history":{"version":2,"boot":"b1","since_ms":1,"sequence":9}}"#;
    let foreign = line::sealed(foreign) + headless;
    assert_eq!(read(foreign.as_bytes(), "b1"), Kept::default());
    assert_eq!(read(b"", "b1"), Kept::default());
}

#[test]
fn no_number_is_given_twice_after_a_daemon_that_was_killed() {
    let whole = file(&[asked(5)]);
    assert_eq!(read(whole.as_bytes(), "b1").sequence, 5 + LEFT_OUT);
    let closed = whole + &end(5, &[]);
    assert_eq!(read(closed.as_bytes(), "b1").sequence, 5);
    // What was said is of the moment of the hand-over: who has gone on after it may have said something else since.
    let said = Said {
        component: name("is"),
        run: 5,
        status: "Loading".to_owned(),
    };
    let handed = file(&[]) + &end(4, &[said]);
    assert_eq!(read(handed.as_bytes(), "b1").said.len(), 1);
    let mut went_on = handed;
    add_event(&asked(5), &mut went_on);
    let kept = read(went_on.as_bytes(), "b1");
    assert_eq!((kept.sequence, kept.said.len()), (5 + LEFT_OUT, 0));
}

#[test]
fn only_the_last_are_remembered() {
    let more: Vec<Event> = (5..=3000)
        .map(|sequence| event(sequence, Some("is"), ended(sequence, EndCause::Crashed)))
        .collect();
    let kept = read(file(&more).as_bytes(), "b1");
    let last = 3000 - REMEMBERED as u64;
    assert_eq!(numbers(&kept), (last + 1..=3000).collect::<Vec<_>>());
    assert_eq!(runs(&kept, "is"), [2996, 2997, 2998, 2999, 3000]);
}

#[test]
fn a_run_whose_end_was_seen_is_not_told_again_as_one_that_nobody_saw() {
    let more = [
        event(5, Some("is"), ended(3, EndCause::Unseen)),
        event(6, Some("is"), ended(4, EndCause::Unseen)),
    ];
    let kept = read(file(&more).as_bytes(), "b1");
    assert_eq!(runs(&kept, "is"), [3, 4]);
    let causes = kept.runs[&name("is")].iter().map(|past| match &past.end {
        PastEnd::Exited(report) => Some(report.cause),
        PastEnd::NotSpawned(_) => None,
    });
    let causes: Vec<_> = causes.collect();
    assert_eq!(causes, [Some(EndCause::Crashed), Some(EndCause::Unseen)]);
}

#[test]
fn of_a_history_without_its_head_nothing_is_told_and_no_number_comes_twice() {
    let whole = Whole {
        sequence: 7,
        events: vec![Arc::new(asked(6)), Arc::new(asked(7))],
        ..Whole::default()
    };
    let text = whole.text("b1");
    assert!(!read(text.as_bytes(), "b1").damaged);
    let cut = text.find("\n{\"event\"").unwrap();
    let mut changed = text.clone().into_bytes();
    changed[12] ^= 1;
    for text in [&text.as_bytes()[cut..], &changed] {
        let kept = read(text, "b1");
        assert!(kept.damaged && kept.since_ms.is_none() && kept.events.is_empty());
        assert_eq!(kept.sequence, 7 + LEFT_OUT);
    }
    let torn = read(&text.as_bytes()[..text.len() - 20], "b1");
    assert!(torn.damaged, "{torn:?}");
    assert_eq!(torn.events.len(), 1);
}
