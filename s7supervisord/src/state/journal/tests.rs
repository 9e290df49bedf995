//! The record as a file.

use super::*;
use crate::state::known::{Known, Recorded};

fn name(text: &str) -> ComponentName {
    ComponentName::parse(text).unwrap()
}

fn living(run: u64) -> Left {
    let known = Known {
        run,
        process: Some(Recorded {
            pid: 41,
            inode: Some(9),
        }),
        ..Known::default()
    };
    Left {
        known: [(name("is"), known)].into(),
        ..Left::default()
    }
}

#[test]
fn what_was_appended_is_there_for_the_next_and_a_grown_record_is_written_anew() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, fault) = Journal::begin(dir.path(), "b1", &living(1));
    assert!(fault.is_none());
    let mut lines = 0;
    let length = || journal.path().metadata().unwrap().len();
    let mut longest = 0;
    // Six times over what is kept before it is written anew.
    while lines * 100 < 6 * RESERVED {
        lines += 1;
        let words = format!(
            "start ps {lines} 77 5 ino=8 restarts=0 crashes=0 more={}",
            "x".repeat(60)
        );
        journal.note(&[words]).unwrap();
        longest = longest.max(length());
        journal.shorten().unwrap();
    }
    assert!(longest < 2 * RESERVED, "{longest}");
    assert!(length() < longest);
    let left = Journal::read(dir.path(), "b1").unwrap();
    assert_eq!(left.known[&name("is")], living(1).known[&name("is")]);
    assert_eq!(left.known[&name("ps")].run, lines);
    assert_eq!(left.damaged, 0);
    assert_eq!(Journal::read(dir.path(), "b2").unwrap(), Left::default());
}

#[test]
fn at_the_end_only_what_still_holds_is_left_and_nobody_adds_to_it() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, _) = Journal::begin(dir.path(), "b1", &living(1));
    journal
        .note(&["end ps 3 stays=exited".to_owned(), "newer kind".to_owned()])
        .unwrap();
    let stuck = line::sealed("start svg 2 77 5 ino=8");
    journal.finish(stuck.as_bytes()).unwrap();
    journal.ended(&name("ps"), 4, &Tally::default(), Some(Stays::Fatal));
    let left = Journal::read(dir.path(), "b1").unwrap();
    let known: Vec<&str> = left.known.keys().map(ComponentName::as_str).collect();
    assert_eq!((known, left.others), (vec!["svg"], vec!["newer kind".to_owned()]));
}

#[test]
fn what_is_owed_comes_before_whatever_is_written_next() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, _) = Journal::begin(dir.path(), "b1", &Left::default());
    let words = |number: u32| vec![format!("end is {number}")];
    let read = || {
        let text = std::fs::read_to_string(journal.path()).unwrap();
        let lines = text.lines().filter_map(|line| line.strip_prefix("end is "));
        let numbers = lines.filter_map(|rest| rest.split(' ').next()?.parse::<u32>().ok());
        numbers.collect::<Vec<u32>>()
    };
    journal.owe(&words(1));
    journal.owe(&words(2));
    assert_eq!(read(), [0; 0], "nobody has waited for the disk");
    journal.note(&words(3)).unwrap();
    assert_eq!(read(), [1, 2, 3]);
    journal.owe(&words(4));
    let lent = journal.lend(1);
    assert_eq!(read(), [1, 2, 3, 4], "a new process writes behind it");
    drop(lent);
    journal.owe(&words(5));
    journal.settle().unwrap();
    journal.settle().unwrap();
    assert_eq!(read(), [1, 2, 3, 4, 5]);
}

#[test]
fn what_is_owed_and_could_not_be_written_is_written_by_the_next_until_who_owes_it_has_heard_so() {
    let dir = tempfile::tempdir().unwrap();
    let gone = dir.path().join("gone");
    let (journal, _) = Journal::begin(&gone, "b1", &Left::default());
    journal.owe(&["end svg 1".to_owned()]);
    assert!(journal.settle().is_err());
    assert!(journal.settle().is_ok(), "it is owed no longer");
    journal.owe(&["end is 1".to_owned()]);
    assert!(journal.note(&["end ps 1".to_owned()]).is_err());
    std::fs::create_dir(&gone).unwrap();
    journal.begin_again().unwrap();
    journal.note(&["end ps 2".to_owned()]).unwrap();
    let known = Journal::read(&gone, "b1").unwrap().known;
    assert_eq!((known[&name("is")].run, known[&name("ps")].run), (1, 2));
    assert_eq!(known.len(), 2);
}

#[test]
fn nothing_is_written_anew_while_somebody_is_about_to_write() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, _) = Journal::begin(dir.path(), "b1", &living(1));
    journal.grown.store(u64::MAX / 2, Ordering::Relaxed);
    let lent = journal.lend(1);
    journal.shorten().unwrap();
    let words = line::sealed("end is 1");
    lent.file().unwrap().write_all(words.as_bytes()).unwrap();
    drop(lent);
    journal.shorten().unwrap();
    assert_eq!(journal.grown.load(Ordering::Relaxed), 0, "now it was");
    let left = Journal::read(dir.path(), "b1").unwrap();
    assert_eq!(left.known[&name("is")].process, None, "the line is not lost");
}

#[test]
fn a_record_that_cannot_be_written_at_first_is_begun_again_later() {
    let dir = tempfile::tempdir().unwrap();
    let gone = dir.path().join("gone");
    let (journal, fault) = Journal::begin(&gone, "b1", &Left::default());
    assert!(fault.is_some() && !journal.is_kept());
    assert!(journal.note(&["end is 1".to_owned()]).is_err());
    assert!(journal.begin_again().is_err());
    std::fs::create_dir(&gone).unwrap();
    journal.begin_again().unwrap();
    journal.note(&["end is 7".to_owned()]).unwrap();
    assert_eq!(Journal::read(&gone, "b1").unwrap().known[&name("is")].run, 7);
    assert!(journal.is_kept());
}
