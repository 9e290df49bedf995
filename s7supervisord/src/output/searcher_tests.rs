//! What the search finds in files that grow, are rotated, and outrun it.

use super::reading::TURN;
use super::*;
use crate::platform::log_file;
use crate::registry::plan::{TriggerAction, TriggerPattern};
use std::fs::{self, File};
use std::io::Write;
use std::sync::mpsc;

struct Bench {
    folder: tempfile::TempDir,
    searcher: Searcher,
    found: mpsc::Receiver<Found>,
    id: ComponentName,
}

impl Bench {
    fn new() -> Self {
        let (tell, found) = mpsc::channel();
        let searcher = Searcher::new(move |found| {
            let _ = tell.send(found);
        });
        let bench = Self {
            folder: tempfile::tempdir().unwrap(),
            searcher,
            found,
            id: ComponentName::parse("a").unwrap(),
        };
        bench.set(&["match"]);
        bench
    }

    /// Searches for these texts, each of which is told each time.
    fn set(&self, texts: &[&str]) {
        let triggers: Vec<TriggerPlan> = texts
            .iter()
            .map(|text| TriggerPlan {
                pattern: TriggerPattern::Text((*text).to_owned()),
                action: TriggerAction::Event,
                once: Duration::ZERO,
            })
            .collect();
        self.searcher.set(&self.id, &triggers);
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("a.log")
    }

    /// Writes as a pump does.
    fn write(&self, run: u64, text: &str) {
        let mut file = File::options()
            .append(true)
            .create(true)
            .open(self.path())
            .unwrap();
        if self.searcher.wants(&self.id, run) == Some(Wanted::Beginning) {
            let place = (log_file::identity(&file).unwrap(), file.metadata().unwrap().len());
            self.searcher.begins(&self.id, run, &self.path(), place);
        }
        file.write_all(text.as_bytes()).unwrap();
        self.searcher.written(&self.id, text.len() as u64);
    }

    fn rotate(&self) {
        for number in (1..9).rev() {
            let name = |number| self.folder.path().join(format!("a.log.{number}"));
            let _ = fs::rename(name(number), name(number + 1));
        }
        fs::rename(self.path(), self.folder.path().join("a.log.1")).unwrap();
    }

    fn next(&self) -> (u64, String) {
        let found = self.found.recv_timeout(Duration::from_secs(30));
        let found = found.expect("a line is found in time");
        (found.run, found.what.line)
    }

    fn nothing_more(&self) {
        // What would be found is found before this, which is written after it.
        self.set(&["match", "the last line"]);
        self.write(99, "the last line\n");
        assert_eq!(self.next(), (99, "the last line".to_owned()));
    }
}

#[test]
fn lines_are_found_as_they_are_written_also_when_they_are_written_in_pieces() {
    let bench = Bench::new();
    bench.write(1, "a line\na ma");
    bench.write(1, "tch begins");
    bench.write(1, " and ends\nanother line\n");
    assert_eq!(bench.next(), (1, "a match begins and ends".to_owned()));
    bench.nothing_more();
}

#[test]
fn a_run_that_begins_while_the_one_before_is_read_keeps_its_lines() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.log");
    let ends = "match without an end";
    fs::write(&path, format!("{ends}match of the next\n")).unwrap();
    let file = log_file::identity(&File::open(&path).unwrap()).unwrap();
    let begin = |run, at| Begin {
        run,
        path: path.clone(),
        file,
        at,
    };
    let mut output = Output::default();
    output.matcher.set(&[TriggerPlan {
        pattern: TriggerPattern::Text("match".to_owned()),
        action: TriggerAction::Event,
        once: Duration::ZERO,
    }]);
    output.begins.push_back(begin(7, 0));
    // Both have written by the time that the file is read.
    let next = std::cell::Cell::new(Some(begin(8, ends.len() as u64)));
    let id = ComponentName::parse("a").unwrap();
    let mut found = Vec::new();
    for _ in 0..4 {
        let turn = output.turn(&id, 1, Instant::now(), || next.take().into_iter().collect());
        found.extend(turn.found.into_iter().map(|(run, what)| (run, what.line)));
    }
    assert_eq!(found, [(7, ends.to_owned()), (8, "match of the next".to_owned())]);
}

#[test]
fn what_was_written_before_a_run_does_not_count_for_it() {
    let bench = Bench::new();
    fs::write(bench.path(), "match of long ago\n").unwrap();
    bench.write(7, "match of run 7\nmatch without an end");
    bench.write(8, "no newline before this match\n");
    let found = [bench.next(), bench.next(), bench.next()];
    assert_eq!(found[0], (7, "match of run 7".to_owned()));
    assert_eq!(found[1], (7, "match without an end".to_owned()));
    assert_eq!(found[2], (8, "no newline before this match".to_owned()));
    bench.nothing_more();
}

#[test]
fn nothing_is_lost_or_told_twice_where_the_log_is_rotated() {
    let bench = Bench::new();
    for number in 0..5 {
        bench.write(1, &format!("match {number}\nhalf of a mat"));
        bench.rotate();
        bench.write(1, &format!("ch over the border {number}\n"));
    }
    for number in 0..5 {
        assert_eq!(bench.next(), (1, format!("match {number}")));
        let (_, line) = bench.next();
        assert_eq!(line, format!("half of a match over the border {number}"));
    }
    bench.nothing_more();
}

#[test]
fn who_writes_faster_than_it_is_searched_is_searched_again_from_where_he_is() {
    let bench = Bench::new();
    bench.write(1, "match 1\n");
    assert_eq!(bench.next().1, "match 1");
    let flood = "x".repeat(1023) + "\n";
    let mut file = File::options().append(true).open(bench.path()).unwrap();
    let megabyte = flood.repeat(1024);
    // All of it at once, as far as the search knows: it can't begin a turn meanwhile, only end one.
    let mut desk = bench.searcher.shared.desk();
    for _ in 0..32 {
        file.write_all(megabyte.as_bytes()).unwrap();
    }
    desk.components.get_mut(&bench.id).unwrap().behind += 32 << 20;
    drop(desk);
    let start = Instant::now();
    loop {
        bench.write(1, "half\nmatch 2\n");
        if let Ok(found) = bench.found.recv_timeout(Duration::from_millis(100)) {
            assert_eq!(found.what.line, "match 2");
            break;
        }
        assert!(start.elapsed() < Duration::from_secs(30));
    }
    let desk = bench.searcher.shared.desk();
    let output = desk.components[&bench.id].output.as_ref();
    let least = (32 << 20) - TURN as u64;
    assert!(output.is_none_or(|output| output.left_out >= least));
}

#[test]
fn without_triggers_there_is_no_thread_and_nothing_is_wanted() {
    let bench = Bench::new();
    let unused = Searcher::new(|_| {});
    unused.set(&bench.id, &[]);
    assert_eq!(unused.wants(&bench.id, 1), None);
    assert!(!unused.shared.desk().has_thread);
    assert_eq!(bench.searcher.wants(&bench.id, 1), Some(Wanted::Beginning));
    bench.write(1, "match\n");
    assert_eq!(bench.next().1, "match");
    assert_eq!(bench.searcher.wants(&bench.id, 1), Some(Wanted::Writes));
    bench.set(&[]);
    assert_eq!(bench.searcher.wants(&bench.id, 1), None);
    bench.write(1, "match\n");
    bench.set(&["other"]);
    bench.write(1, "match\nother\n");
    assert_eq!(bench.next().1, "other");
}

#[test]
fn a_file_that_is_removed_under_the_search_is_searched_on_where_it_comes_again() {
    let bench = Bench::new();
    bench.write(1, "match 1\n");
    assert_eq!(bench.next().1, "match 1");
    fs::remove_file(bench.path()).unwrap();
    bench.write(1, "match 2\n");
    // Nobody writes any more, so it is the search that has to look again.
    assert_eq!(bench.next().1, "match 2");
}

#[test]
fn the_last_line_of_a_run_that_is_over_matches_without_a_newline_and_without_a_next_run() {
    let bench = Bench::new();
    bench.write(1, "a line\na match without an end");
    bench.searcher.ended(&bench.id, 1);
    assert_eq!(bench.next(), (1, "a match without an end".to_owned()));
    bench.write(2, "a match of the next run\n");
    assert_eq!(bench.next(), (2, "a match of the next run".to_owned()));
    // Some of it was told and is not in the file: it was dropped.
    bench.write(2, "a match, and something is lost");
    bench.searcher.written(&bench.id, 100);
    bench.searcher.ended(&bench.id, 2);
    assert_eq!(bench.next(), (2, "a match, and something is lost".to_owned()));
    bench.nothing_more();
}

#[test]
fn where_nothing_is_searched_any_more_there_is_no_thread_and_later_there_is_one_again() {
    let bench = Bench::new();
    let ends = |what: &str| {
        let begun = Instant::now();
        while bench.searcher.shared.desk().has_thread {
            assert!(begun.elapsed() < Duration::from_secs(30), "{what}");
            std::thread::sleep(Duration::from_millis(5));
        }
    };
    bench.write(1, "a match\n");
    assert_eq!(bench.next(), (1, "a match".to_owned()));
    bench.set(&[]);
    ends("the last <match> is gone");
    bench.set(&["match"]);
    bench.write(2, "a match again\n");
    assert_eq!(bench.next(), (2, "a match again".to_owned()));
    bench.searcher.keep(|_| false);
    ends("the last component with a <match> is gone");
}
