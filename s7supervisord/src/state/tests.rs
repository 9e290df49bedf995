//! The format of the record over its versions.

use super::journal::Journal;
use super::known::{
    Beginning, DIGITS, Holder, Known, OutputPipe, Recorded, Stays, Tally, end_words, start_with_holes,
};
use super::line::{SEAL, seal_of, sealed};
use super::record::{Left, Newer, parse, text};
use super::told::Told;
use crate::registry::plan::{NotifyBy, NotifyPlan};
use s7proto::name::ComponentName;
use s7proto::status::{Actor, EndCause, Exit, ExitReport, Wish};
use std::time::Duration;

const BOOT: &str = "6b1c0000-0000-4000-8000-000000000001";
/// Written by the first version, in July of its life; a line at the end was cut by a full disk.
const V1: &[u8] = include_bytes!("../../golden/state/v1.journal");
/// Every kind of line and field of the second, without the seals, and two that only a later version knows.
const V2: &str = include_str!("../../golden/state/v2.txt");

fn name(text: &str) -> ComponentName {
    ComponentName::parse(text).unwrap()
}

fn v2() -> Vec<u8> {
    V2.lines().map(sealed).collect::<String>().into_bytes()
}

fn recorded(known: &Known) -> (u64, u32) {
    (known.run, known.process.unwrap().pid)
}

#[test]
fn the_first_format_is_still_read() {
    let left = parse(V1, BOOT).unwrap();
    assert_eq!(recorded(&left.known[&name("is")]), (3, 4121));
    assert_eq!(recorded(&left.known[&name("svg")]), (2, 4124));
    assert_eq!(left.known[&name("ps")].process, None);
    assert_eq!(left.known[&name("svg")].began_ns, 90_250_000_003);
    let wishes: Vec<_> = left
        .wishes
        .iter()
        .map(|(id, one)| (id.as_str(), one.wish))
        .collect();
    assert_eq!(wishes, [("ps", Wish::Down), ("svg", Wish::Up)]);
    assert_eq!(left.damaged, 1, "the torn line");
    assert!(left.others.is_empty());
    assert_eq!(parse(V1, "another boot").unwrap().known.len(), 0);
}

#[test]
fn everything_that_the_second_format_can_say_is_understood_and_said_again() {
    let left = parse(&v2(), BOOT).unwrap();
    let is = &left.known[&name("is")];
    let process = Recorded {
        pid: 4121,
        inode: Some(812),
    };
    assert_eq!(
        (is.run, is.process, is.began_ns),
        (3, Some(process), 90_250_000_000)
    );
    assert_eq!((is.asked_ns, is.made_of), (Some(90_260_000_000), Some(0x1f)));
    assert_eq!(is.until_ns, Some(150_260_000_000));
    let exit = ExitReport {
        exit: Exit::Signal {
            name: "SIGKILL".to_owned(),
            core: false,
        },
        cause: EndCause::Crashed,
        at_ms: 1_795_343_465_250,
        lasted_us: 200_000,
    };
    let tally = Tally {
        restarts: 2,
        crashes: 1,
        last_exit: Some(exit),
    };
    assert_eq!(is.tally, tally);
    assert_eq!(left.known[&name("ps")].stays, Some(Stays::Exited));
    let svg = &left.known[&name("svg")];
    assert_eq!(
        (svg.stays, svg.tally.restarts, svg.process),
        (Some(Stays::Fatal), 40, None)
    );
    let report = svg.tally.last_exit.clone().unwrap();
    let signal = Exit::Signal {
        name: "signal 99".to_owned(),
        core: true,
    };
    assert_eq!(
        (report.exit, report.cause),
        (signal, EndCause::KilledAfterTimeout)
    );
    let tell = &left.known[&name("tell")];
    let told = Told {
        by: Some(NotifyBy::Socket),
        watchdog: Some(Duration::from_secs(30)),
    };
    assert_eq!(
        (tell.ready, tell.told, tell.signs),
        (true, Some(told), Some(Duration::from_secs(20)))
    );
    let holder = Holder {
        pid: 4130,
        pipe: OutputPipe {
            device: 27,
            inode: 4711,
        },
    };
    assert_eq!(tell.holder(), Some(holder));
    assert_eq!(is.told, None, "it was begun by a version that didn't note it");
    assert_eq!(left.all_down, Some((Actor::Uid(0), 1_795_343_465_251)));
    assert_eq!(left.damaged, 0);
    // Said again it is the same, with what only a later version understands.
    assert_eq!(text(BOOT, &left), String::from_utf8(v2()).unwrap());
}

#[test]
fn why_a_run_ended_is_read_as_it_was_written_and_an_unknown_word_is_no_end() {
    let causes = [
        (EndCause::Finished, "finished"),
        (EndCause::Crashed, "crashed"),
        (EndCause::Requested, "requested"),
        (EndCause::KilledAfterTimeout, "killed"),
        (EndCause::Unseen, "unseen"),
        (EndCause::OutOfMemory, "memory"),
        (EndCause::Hung, "hung"),
        (EndCause::TooMuchMemory, "too_much_memory"),
        (EndCause::DependencyLost, "dependency_lost"),
        (EndCause::NotReady, "not_ready"),
        (EndCause::WatchdogMissed, "watchdog_missed"),
        (EndCause::InTrouble, "in_trouble"),
        (EndCause::OutputMatched, "output_matched"),
    ];
    for (cause, word) in causes {
        let exit = ExitReport {
            exit: Exit::Code(143),
            cause,
            at_ms: 5,
            lasted_us: 7,
        };
        let tally = Tally {
            last_exit: Some(exit),
            ..Tally::default()
        };
        let words = end_words(&name("is"), 3, &tally, None);
        assert!(words.contains(&format!(" last=code:143,{word},5,7")), "{words}");
        let read = |words: &str| {
            let begin = [sealed("state 2"), sealed(&format!("boot {BOOT}")), sealed(words)];
            parse(begin.concat().as_bytes(), BOOT).unwrap().known[&name("is")].clone()
        };
        assert_eq!(read(&words).tally, tally);
        assert_eq!(read(&words.replace(word, "bored")).tally.last_exit, None);
    }
}

#[test]
fn what_a_later_version_adds_outlives_this_one_and_a_format_of_its_own_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("journal"), v2()).unwrap();
    let left = Journal::read(dir.path(), BOOT).unwrap();
    let (journal, _) = Journal::begin(dir.path(), BOOT, &left);
    let again = std::fs::read_to_string(journal.path()).unwrap();
    for kept in ["cgroup=/s7/text-1.2", "shape=round", "probe is healthy 3"] {
        assert!(again.contains(kept), "{kept} in {again}");
    }
    let newer = [sealed("state 3"), sealed("whatever it says")].concat();
    assert_eq!(parse(newer.as_bytes(), BOOT), Err(Newer(3)));
    std::fs::write(dir.path().join("journal"), newer).unwrap();
    let error = Journal::read(dir.path(), BOOT).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::InvalidData);
    assert!(error.to_string().contains("format 3"), "{error}");
}

#[test]
fn a_damaged_line_costs_itself_alone_and_is_counted() {
    let whole = parse(&v2(), BOOT).unwrap();
    let bytes = v2();
    let lines: Vec<&[u8]> = bytes
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty())
        .collect();
    // Neither the format nor the boot: without these nothing is believed.
    for damaged in 2..lines.len() {
        let mut text = Vec::new();
        for (at, line) in lines.iter().enumerate() {
            let mut line = line.to_vec();
            if at == damaged {
                let middle = line.len() / 2;
                line[middle] ^= 4;
            }
            text.extend(line);
            text.push(b'\n');
        }
        let left = parse(&text, BOOT).unwrap();
        assert_eq!(left.damaged, 1, "line {damaged}");
        let lost = |left: &Left| left.known.len() + left.wishes.len() + left.others.len();
        assert!(lost(&left) + 1 >= lost(&whole), "line {damaged}");
        // Cut anywhere, a line is never taken for another one.
        let cut = [
            lines[..damaged].join(&b'\n'),
            lines[damaged][..lines[damaged].len() / 2].to_vec(),
        ];
        assert_eq!(
            parse(&cut.join(&b'\n'), BOOT).unwrap().damaged,
            1,
            "line {damaged}"
        );
    }
}

#[test]
fn later_lines_win_and_the_end_of_a_later_run_ends_the_one_before() {
    let lines = |more: &[&str]| {
        let all = ["state 2", "boot b", "start is 4 100 5 ino=1"].iter().chain(more);
        all.map(|words| sealed(words)).collect::<String>()
    };
    let run = |more: &[&str]| {
        let left = parse(lines(more).as_bytes(), "b").unwrap();
        let known = &left.known[&name("is")];
        (known.run, known.process.is_some())
    };
    assert_eq!(run(&["end is 4"]), (4, false));
    assert_eq!(
        run(&["end is 5"]),
        (5, false),
        "the one that could not be created"
    );
    assert_eq!(run(&["start is 5 101 6", "end is 4"]), (5, true), "noted late");
    let left = parse(
        lines(&["end is 4 stays=exited", "end is 5 crashes=1"]).as_bytes(),
        "b",
    )
    .unwrap();
    let known = &left.known[&name("is")];
    assert_eq!(
        (known.stays, known.tally.crashes),
        (None, 1),
        "it was tried once more"
    );
    let left = parse(lines(&["asked svg 1 9"]).as_bytes(), "b").unwrap();
    assert_eq!(left.damaged, 0, "a whole line about a run whose start is lost");
    let left = parse(lines(&["all down uid:0 1", "all up"]).as_bytes(), "b").unwrap();
    assert_eq!(left.all_down, None);
    let left = parse(lines(&["asked is 3 9", "asked is 4 10"]).as_bytes(), "b").unwrap();
    assert_eq!(left.known[&name("is")].asked_ns, Some(10));
}

#[test]
fn a_line_whose_holes_are_filled_is_read_as_what_was_filled_in() {
    let tally = Tally {
        restarts: 7,
        crashes: 2,
        last_exit: None,
    };
    let told = Told {
        by: Some(NotifyBy::Socket),
        watchdog: Some(Duration::from_secs(3)),
    };
    let output = Some(OutputPipe {
        device: 27,
        inode: 4711,
    });
    let beginning = Beginning {
        made_of: 0xab,
        told,
        output,
    };
    let (mut bytes, holes) = start_with_holes(&name("is"), 12, &beginning, &tally);
    for (at, number) in [(holes.pid, 4121u64), (holes.time, 99), (holes.inode, 812)] {
        bytes[at..at + DIGITS].copy_from_slice(format!("{number:0DIGITS$}").as_bytes());
    }
    let seal = format!("{:0SEAL$x}", seal_of(&bytes[holes.from..holes.to]));
    bytes[holes.seal..holes.seal + SEAL].copy_from_slice(seal.as_bytes());
    let text = [
        sealed("state 2"),
        sealed("boot b"),
        String::from_utf8(bytes).unwrap(),
    ]
    .concat();
    let left = parse(text.as_bytes(), "b").unwrap();
    let known = &left.known[&name("is")];
    assert_eq!(left.damaged, 0);
    assert_eq!(recorded(known), (12, 4121));
    assert_eq!(
        (known.began_ns, known.made_of, &known.tally),
        (99, Some(0xab), &tally)
    );
    assert_eq!(known.process.unwrap().inode, Some(812));
    assert_eq!((known.told, known.output), (Some(told), output));
    assert_eq!(
        end_words(&name("is"), 12, &tally, None),
        "end is 12 restarts=7 crashes=2"
    );
}

#[test]
fn what_was_wished_before_everything_was_stopped_is_told_by_the_order_of_the_lines() {
    let lines = |more: &[&str]| {
        let all = ["state 2", "boot b"].iter().chain(more);
        all.map(|words| sealed(words)).collect::<String>()
    };
    // The clock was set back between them, by years.
    let first = parse(
        lines(&["wish is up uid:0 900", "all down uid:0 50", "wish ps up uid:0 20"]).as_bytes(),
        "b",
    )
    .unwrap();
    let before = |left: &Left| ["is", "ps"].map(|id| left.wishes[&name(id)].before_stop);
    assert_eq!(before(&first), [true, false]);
    // Also once it was said again in short.
    let again = parse(text("b", &first).as_bytes(), "b").unwrap();
    assert_eq!((before(&again), &again), ([true, false], &first));
    let renewed = parse(
        lines(&["wish is up uid:0 9", "all down uid:0 5", "wish is up uid:0 2"]).as_bytes(),
        "b",
    )
    .unwrap();
    assert!(!renewed.wishes[&name("is")].before_stop);
}

#[test]
fn a_run_after_which_there_is_none_is_nobodys() {
    let text = |run: u64| {
        [
            "state 2".to_owned(),
            "boot b".to_owned(),
            format!("start is {run} 77 5 restarts={run}"),
        ]
    };
    for (run, believed) in [(u64::MAX, false), (u64::MAX - 1, false), (u64::MAX / 2, true)] {
        let lines: String = text(run).iter().map(|words| sealed(words)).collect();
        let left = parse(lines.as_bytes(), "b").unwrap();
        assert_eq!(
            (left.known.len(), left.damaged),
            if believed { (1, 0) } else { (0, 1) },
            "{run}"
        );
    }
}

#[test]
fn the_late_end_of_a_run_from_before_a_name_was_given_again_says_nothing_of_the_new_one() {
    let all = [
        "state 2",
        "boot b",
        "start is 1 100 500",
        "end is 7 began=400",
        "end ps 3 began=400",
    ];
    let lines: String = all.iter().map(|words| sealed(words)).collect();
    let left = parse(lines.as_bytes(), "b").unwrap();
    assert_eq!(recorded(&left.known[&name("is")]), (1, 100));
    assert_eq!(left.known[&name("ps")].run, 3);
}

#[test]
fn a_run_goes_by_what_it_was_told_and_has_said_and_an_older_one_by_the_registry() {
    let registry = NotifyPlan {
        by: NotifyBy::Descriptor(7),
        startup_timeout: Duration::from_secs(60),
        watchdog: None,
    };
    let goes_by = |lines: &[&str]| {
        let all = ["state 2", "boot b"].iter().chain(lines);
        let text: String = all.map(|words| sealed(words)).collect();
        let left = parse(text.as_bytes(), "b").unwrap();
        // Also once it was said again in short.
        assert_eq!(
            parse(super::record::text("b", &left).as_bytes(), "b").unwrap(),
            left
        );
        let told = left.known[&name("is")].goes_by(Some(registry));
        (told.by, told.watchdog.map(|span| span.as_millis()))
    };
    let socket = Some(NotifyBy::Socket);
    assert_eq!(goes_by(&["start is 4 100 5 ino=1"]), (Some(registry.by), None));
    assert_eq!(goes_by(&["start is 4 100 5 told=no"]), (None, None));
    assert_eq!(goes_by(&["start is 4 100 5 told=socket"]), (socket, None));
    assert_eq!(
        goes_by(&["start is 4 100 5 told=descriptor,3"]),
        (Some(NotifyBy::Descriptor(3)), None)
    );
    let start = "start is 4 100 5 told=socket,2500000";
    assert_eq!(goes_by(&[start]), (socket, Some(2500)));
    assert_eq!(
        goes_by(&[start, "signs is 4 9000", "signs is 4 7000"]),
        (socket, Some(7))
    );
    assert_eq!(goes_by(&[start, "signs is 4 0"]), (socket, None));
    assert_eq!(
        goes_by(&[start, "signs is 3 9000"]),
        (socket, Some(2500)),
        "of another run"
    );
    assert_eq!(
        goes_by(&["start is 4 100 5", "signs is 4 9000"]),
        (Some(registry.by), Some(9)),
        "it has said so, whoever has begun it"
    );
    // What only a later version knows is kept for it.
    assert_eq!(
        goes_by(&["start is 4 100 5 told=varlink,7"]),
        (Some(registry.by), None)
    );
}

#[test]
fn time_to_start_is_none_to_stop() {
    let record = |kinds: &[&str]| {
        let mut lines = format!("state 2\nboot {BOOT}\n");
        lines = lines.lines().map(sealed).collect();
        lines += &sealed("start is 3 4121 5 ino=812");
        lines.extend(kinds.iter().map(|kind| sealed(&format!("{kind} is 3 7"))));
        parse(lines.as_bytes(), BOOT).unwrap().known[&name("is")].until_ns
    };
    assert_eq!(record(&["until"]), Some(7));
    assert_eq!(record(&["until", "asked"]), None);
    assert_eq!(record(&["until", "asked", "until"]), Some(7));
    assert_eq!(record(&["until", "end"]), None);
}
