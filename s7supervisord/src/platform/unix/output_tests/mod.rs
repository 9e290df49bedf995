//! Tests of the capture of output, with real pipes, files and writers.

use super::*;
use crate::registry::plan::OnFull;
use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::unix::fs::MetadataExt;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Instant;

mod alone;
mod archived;
mod faults;
mod followed;
mod lost;
mod marked;
mod rotation;
mod settled;
mod taken_up;

const LONG: Duration = Duration::from_secs(30);

/// A runtime folder, a log folder, and a capture that uses them.
struct Stage {
    temp: tempfile::TempDir,
    capture: Capture,
}

impl Stage {
    fn new() -> Self {
        let temp = tempfile::tempdir().unwrap();
        fs::create_dir(temp.path().join("logs")).unwrap();
        let capture = Capture::start(temp.path()).unwrap();
        Self { temp, capture }
    }

    /// The daemon is gone, with all its threads: one that were still at a pipe would write over what the next one writes.
    fn end(self) -> tempfile::TempDir {
        let Self { temp, capture } = self;
        let pumps = Arc::downgrade(&capture.0.pumps);
        drop(capture);
        eventually("its threads end", || pumps.strong_count() == 0);
        temp
    }

    /// The same folders, as the next daemon finds them.
    fn next_daemon(self) -> Self {
        let temp = self.end();
        let capture = Capture::start(temp.path()).unwrap();
        Self { temp, capture }
    }

    fn log(&self, id: &str) -> PathBuf {
        self.temp.path().join(format!("logs/{id}.log"))
    }

    fn plan(&self, id: &str) -> LogPlan {
        LogPlan {
            file: self.log(id),
            max_size: 50 << 20,
            max_files: 10,
            max_days: 10,
            compress: false,
            on_full: OnFull::Drop,
        }
    }

    fn attach(&self, id: &str, run: u64) -> File {
        self.attach_to(id, run, &self.plan(id))
    }

    fn attach_to(&self, id: &str, run: u64, plan: &LogPlan) -> File {
        OwnedFd::from(self.capture.attach(&name(id), run, None, plan).unwrap()).into()
    }

    /// Whether the pipe is there, by its name.
    fn reattach(&self, id: &str, run: u64) -> bool {
        let plan = self.plan(id);
        self.capture.reattach(&name(id), run, &plan, None).unwrap()
    }

    fn fifo(&self, id: &str, run: u64) -> PathBuf {
        self.temp.path().join(format!("out/{id}.{run}"))
    }

    fn drained(&self) {
        // A process that another test is just starting holds a copy of every writer until it executes, and a pipe with a writer
        // isn't waited for. So it has to be said again and again over a time in which every such process executes.
        for _ in 0..30 {
            assert!(
                self.capture.drain(LONG),
                "pipes without a writer must be drained within {LONG:?}"
            );
            thread::sleep(Duration::from_millis(10));
        }
    }
}

fn name(id: &str) -> ComponentName {
    ComponentName::parse(id).unwrap()
}

/// Waits for `done` with a deadline; the only place in these tests that does.
fn eventually(what: &str, mut done: impl FnMut() -> bool) {
    let start = Instant::now();
    while !done() {
        assert!(start.elapsed() < LONG, "{what} within {LONG:?}");
        thread::sleep(Duration::from_millis(5));
    }
}

fn holds(file: &Path, wanted: &[u8]) -> bool {
    fs::read(file).is_ok_and(|bytes| bytes == wanted)
}

#[test]
fn numbered_lines_of_a_real_process_are_in_the_file_byte_for_byte_and_the_fifo_goes() {
    let stage = Stage::new();
    let out = stage.attach("is", 1);
    let meta = fs::metadata(stage.fifo("is", 1)).unwrap();
    assert_eq!(meta.mode() & 0o777, 0o600);
    assert_eq!(
        fs::metadata(stage.temp.path().join("out")).unwrap().mode() & 0o066,
        0
    );
    let script = "seq 1 200000; echo to stderr >&2; seq 200001 300000; printf 'no newline'";
    let mut child = Command::new("sh")
        .args(["-c", script])
        .stdin(Stdio::null())
        .stdout(out.try_clone().unwrap())
        .stderr(out)
        .spawn()
        .unwrap();
    assert!(child.wait().unwrap().success());
    stage.drained();
    let mut expected = String::new();
    for line in 1..=300_000 {
        expected.push_str(&format!("{line}\n"));
        if line == 200_000 {
            expected.push_str("to stderr\n");
        }
    }
    expected.push_str("no newline");
    assert!(
        holds(&stage.log("is"), expected.as_bytes()),
        "the log must equal what was written"
    );
    assert!(!stage.fifo("is", 1).exists());
    assert_eq!(stage.capture.dropped_bytes(&name("is")), 0);
}

#[test]
fn a_line_is_in_the_file_while_its_writer_lives() {
    let stage = Stage::new();
    let mut out = stage.attach("is", 1);
    out.write_all(b"hello\n").unwrap();
    eventually("the line is in the file", || holds(&stage.log("is"), b"hello\n"));
    out.write_all(&[0, 255, b'\r', b'\n']).unwrap();
    eventually("binary comes as it is", || {
        holds(&stage.log("is"), b"hello\n\x00\xff\r\n")
    });
}

#[test]
fn an_existing_log_is_continued() {
    let stage = Stage::new();
    fs::write(stage.log("is"), "before\n").unwrap();
    stage.attach("is", 7).write_all(b"after\n").unwrap();
    stage.drained();
    assert!(holds(&stage.log("is"), b"before\nafter\n"));
}

#[test]
fn floods_of_several_components_stall_nobody_else() {
    let stage = Stage::new();
    let stop = AtomicBool::new(false);
    // One flood goes to a file, which is cut again and again; the others go nowhere, their files being refused.
    fs::create_dir(stage.log("f2")).unwrap();
    fs::create_dir(stage.log("f3")).unwrap();
    thread::scope(|scope| {
        // Also where an assertion fails, or the scope would wait for the floods for ever.
        let _stop = StoreOnDrop(&stop);
        for flood in ["f1", "f2", "f3"] {
            let mut out = stage.attach(flood, 1);
            let (stop, log) = (&stop, stage.log(flood));
            scope.spawn(move || {
                let block = vec![b'x'; 1 << 20];
                for count in 0.. {
                    if stop.load(Ordering::Relaxed) {
                        break;
                    }
                    out.write_all(&block).unwrap();
                    if flood == "f1" && count % 64 == 0 {
                        File::options()
                            .write(true)
                            .open(&log)
                            .unwrap()
                            .set_len(0)
                            .unwrap();
                    }
                }
            });
        }
        for flood in ["f2", "f3"] {
            eventually("the floods run", || {
                stage.capture.dropped_bytes(&name(flood)) > 100 << 20
            });
        }
        let mut out = stage.attach("quiet", 1);
        let mut expected = Vec::new();
        let mut slowest = Duration::ZERO;
        for number in 0..50 {
            let line = format!("line {number}\n");
            expected.extend_from_slice(line.as_bytes());
            let sent = Instant::now();
            out.write_all(line.as_bytes()).unwrap();
            eventually("the line is in its file", || {
                holds(&stage.log("quiet"), &expected)
            });
            slowest = slowest.max(sent.elapsed());
        }
        assert!(
            slowest < Duration::from_secs(2),
            "a line took {slowest:?} beside the floods"
        );
        assert_eq!(stage.capture.dropped_bytes(&name("f1")), 0);
    });
}

struct StoreOnDrop<'a>(&'a AtomicBool);

impl Drop for StoreOnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn the_next_run_comes_after_all_that_the_one_before_left_in_its_pipe() {
    let stage = Stage::new();
    let mut plan = stage.plan("is");
    // Writing is held up, so that the first pipe is surely full when the second one comes.
    fs::create_dir(stage.log("is")).unwrap();
    plan.on_full = OnFull::Block;
    let mut first = stage.attach_to("is", 1, &plan);
    let flood: Vec<u8> = (0..9000)
        .flat_map(|n| format!("first {n}\n").into_bytes())
        .collect();
    let room = flood.len().min(60_000);
    first.write_all(&flood[..room]).unwrap();
    let mut second = stage.attach_to("is", 2, &plan);
    second.write_all(b"second\n").unwrap();
    drop(first);
    let mut third = stage.attach_to("is", 3, &plan);
    third.write_all(b"third\n").unwrap();
    drop((second, third));
    assert!(
        !stage.capture.drain(Duration::from_millis(50)),
        "nothing can be drained yet"
    );
    fs::remove_dir(stage.log("is")).unwrap();
    stage.drained();
    assert!(holds(
        &stage.log("is"),
        &[&flood[..room], b"second\nthird\n"].concat()
    ));
    assert_eq!(stage.capture.dropped_bytes(&name("is")), 0);
}

#[test]
fn a_stranger_who_keeps_an_old_runs_pipe_does_not_hold_up_the_next_run() {
    let stage = Stage::new();
    let mut stranger = stage.attach("is", 1);
    stranger.write_all(b"first\n").unwrap();
    stage.attach("is", 2).write_all(b"second\n").unwrap();
    eventually("the next run is heard", || {
        holds(&stage.log("is"), b"first\nsecond\n")
    });
    stranger.write_all(b"stranger\n").unwrap();
    drop(stranger);
    stage.drained();
    assert!(holds(&stage.log("is"), b"first\nsecond\nstranger\n"));
}

#[test]
fn without_a_reader_the_component_writes_on_up_to_the_capacity_of_its_pipe() {
    let temp = tempfile::tempdir().unwrap();
    let folder = super::super::fifo::folder(&temp.path().join("out")).unwrap();
    let ends = super::super::fifo::make(folder.as_fd(), "is.1", None, 1 << 20).unwrap();
    drop(ends.read);
    // SIGPIPE is ignored in a test process, so its other face is looked for: EPIPE.
    let mut out = File::from(ends.child);
    out.write_all(&vec![b'x'; ends.capacity]).unwrap();
    // And the next daemon finds it all by the name.
    let mut next = File::open(temp.path().join("out/is.1")).unwrap();
    let mut first = [0; 4096];
    next.read_exact(&mut first).unwrap();
    assert_eq!(first, [b'x'; 4096]);
}

#[test]
fn a_pipe_whose_process_was_never_created_is_removed() {
    let stage = Stage::new();
    let output = stage
        .capture
        .attach(&name("is"), 1, None, &stage.plan("is"))
        .unwrap();
    assert!(stage.fifo("is", 1).exists());
    drop(output);
    stage.drained();
    assert!(!stage.fifo("is", 1).exists());
}

#[test]
fn a_leftover_fifo_of_the_same_name_is_replaced() {
    let stage = Stage::new();
    fs::write(stage.fifo("is", 1), "leftover").unwrap();
    stage.attach("is", 1).write_all(b"fresh\n").unwrap();
    stage.drained();
    assert!(holds(&stage.log("is"), b"fresh\n"));
}

#[test]
fn a_forgotten_component_is_drained_first_and_counts_anew() {
    let stage = Stage::new();
    fs::create_dir(stage.log("is")).unwrap();
    let mut out = stage.attach("is", 1);
    out.write_all(b"lost").unwrap();
    eventually("it is dropped", || stage.capture.dropped_bytes(&name("is")) == 4);
    fs::remove_dir(stage.log("is")).unwrap();
    stage.capture.forget(&name("is"));
    assert_eq!(stage.capture.dropped_bytes(&name("is")), 4);
    out.write_all(b"last\n").unwrap();
    drop(out);
    stage.drained();
    assert!(fs::read(stage.log("is")).unwrap().ends_with(b"\n"));
    assert_eq!(stage.capture.dropped_bytes(&name("is")), 0);
}

#[test]
fn a_thousand_components_are_captured_at_once() {
    let stage = Stage::new();
    raise_descriptor_limit();
    let mut outs: Vec<(String, File)> = (0..1000)
        .map(|n| format!("c{n}"))
        .map(|id| (id.clone(), stage.attach(&id, 1)))
        .collect();
    for (id, out) in &mut outs {
        writeln!(out, "I am {id}").unwrap();
    }
    let ids: Vec<String> = outs.into_iter().map(|(id, _)| id).collect();
    stage.drained();
    for id in ids {
        assert!(holds(&stage.log(&id), format!("I am {id}\n").as_bytes()), "{id}");
    }
}

fn raise_descriptor_limit() {
    let mut limit = rustix::process::getrlimit(rustix::process::Resource::Nofile);
    limit.current = limit.maximum;
    rustix::process::setrlimit(rustix::process::Resource::Nofile, limit).unwrap();
}
