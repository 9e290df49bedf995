//! Tests of the capture of output, with real pipes, files and writers.

use super::*;
use crate::daemon_log::{self, LogOptions};
use crate::registry::plan::OnFull;
use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::unix::fs::{MetadataExt, symlink};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Instant;

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

    fn fifo(&self, id: &str, run: u64) -> PathBuf {
        self.temp.path().join(format!("out/{id}.{run}"))
    }

    fn drained(&self) {
        assert!(
            self.capture.drain(LONG),
            "pipes without a writer must be drained within {LONG:?}"
        );
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
fn a_log_that_is_cut_goes_on_from_its_start_without_a_hole() {
    let stage = Stage::new();
    let mut out = stage.attach("is", 1);
    out.write_all(&[b'a'; 5000]).unwrap();
    eventually("the first part is there", || {
        holds(&stage.log("is"), &[b'a'; 5000])
    });
    File::options()
        .write(true)
        .open(stage.log("is"))
        .unwrap()
        .set_len(0)
        .unwrap();
    out.write_all(b"again\n").unwrap();
    drop(out);
    stage.drained();
    assert!(holds(&stage.log("is"), b"again\n"));
}

#[test]
fn a_log_that_is_renamed_or_deleted_is_opened_anew_by_its_name() {
    let stage = Stage::new();
    let mut out = stage.attach("is", 1);
    out.write_all(b"old\n").unwrap();
    eventually("the first line is there", || holds(&stage.log("is"), b"old\n"));
    fs::rename(stage.log("is"), stage.log("is.1")).unwrap();
    eventually("a new file gets the lines", || {
        out.write_all(b"new\n").unwrap();
        fs::read(stage.log("is")).is_ok_and(|bytes| bytes.starts_with(b"new\n"))
    });
    fs::remove_dir_all(stage.temp.path().join("logs")).unwrap();
    eventually("the folder is made again", || {
        out.write_all(b"new\n").unwrap();
        fs::read(stage.log("is")).is_ok_and(|bytes| bytes.starts_with(b"new\n"))
    });
}

#[test]
fn links_and_folders_in_place_of_a_log_are_never_written_and_the_component_runs_on() {
    let stage = Stage::new();
    let targets = ["linked softly", "linked hard"].map(|target| stage.temp.path().join(target));
    for target in &targets {
        fs::write(target, "untouched").unwrap();
    }
    symlink(&targets[0], stage.log("symlink")).unwrap();
    fs::hard_link(&targets[1], stage.log("hardlink")).unwrap();
    fs::create_dir(stage.log("folder")).unwrap();
    for id in ["symlink", "hardlink", "folder"] {
        let mut out = stage.attach(id, 1);
        // More than any pipe holds: this only returns when the bytes are taken away.
        out.write_all(&vec![b'x'; 3 << 20]).unwrap();
        drop(out);
        stage.drained();
        assert_eq!(stage.capture.dropped_bytes(&name(id)), 3 << 20, "{id}");
    }
    for target in &targets {
        assert!(holds(target, b"untouched"), "{}", target.display());
    }
}

#[test]
fn dropping_starts_only_after_a_second_and_is_marked_when_the_log_is_back() {
    let stage = Stage::new();
    fs::create_dir(stage.log("is")).unwrap();
    let start = Instant::now();
    let mut out = stage.attach("is", 1);
    out.write_all(b"lost half a line").unwrap();
    eventually("the line is dropped", || {
        stage.capture.dropped_bytes(&name("is")) == 16
    });
    assert!(
        start.elapsed() >= Duration::from_secs(1),
        "dropped after {:?}",
        start.elapsed()
    );
    fs::remove_dir(stage.log("is")).unwrap();
    fs::write(stage.log("is"), "before").unwrap();
    eventually("lines arrive again", || {
        out.write_all(b".\n").unwrap();
        fs::read(stage.log("is")).is_ok_and(|bytes| bytes.ends_with(b".\n"))
    });
    drop(out);
    stage.drained();
    let text = fs::read_to_string(stage.log("is")).unwrap();
    let dropped = stage.capture.dropped_bytes(&name("is"));
    let marker = format!("before\n[s7supervisord: {dropped} bytes of output dropped: it is a folder;");
    assert!(
        text.starts_with(&marker) && text.matches("dropped").count() == 1,
        "{text}"
    );
}

#[test]
fn each_outage_is_marked_with_its_own_bytes() {
    let stage = Stage::new();
    let mut out = stage.attach("is", 1);
    let mut before = 0;
    for _ in 0..2 {
        let _ = fs::remove_file(stage.log("is"));
        fs::create_dir(stage.log("is")).unwrap();
        eventually("output is dropped", || {
            // Up to the next check of the name, lines still go to the deleted file.
            out.write_all(b"lost\n").unwrap();
            stage.capture.dropped_bytes(&name("is")) > before
        });
        fs::remove_dir(stage.log("is")).unwrap();
        eventually("output is logged again", || {
            out.write_all(b"back\n").unwrap();
            fs::read(stage.log("is")).is_ok_and(|bytes| bytes.ends_with(b"back\n"))
        });
        let dropped = stage.capture.dropped_bytes(&name("is"));
        let text = fs::read_to_string(stage.log("is")).unwrap();
        let marker = format!(
            "[s7supervisord: {} bytes of output dropped: it is a folder",
            dropped - before
        );
        assert!(text.starts_with(&marker), "{text}");
        before = dropped;
    }
}

#[test]
fn what_was_dropped_up_to_the_end_of_a_run_is_marked_if_it_can_be() {
    let stage = Stage::new();
    fs::create_dir(stage.log("is")).unwrap();
    let mut out = stage.attach("is", 1);
    out.write_all(b"lost").unwrap();
    eventually("it is dropped", || stage.capture.dropped_bytes(&name("is")) == 4);
    fs::remove_dir(stage.log("is")).unwrap();
    drop(out);
    stage.drained();
    let text = fs::read_to_string(stage.log("is")).unwrap();
    assert!(
        text.starts_with("[s7supervisord: 4 bytes of output dropped: "),
        "{text}"
    );
}

#[test]
fn without_a_reader_the_component_writes_on_up_to_the_capacity_of_its_pipe() {
    let temp = tempfile::tempdir().unwrap();
    let folder = super::super::fifo::folder(&temp.path().join("out")).unwrap();
    let ends = super::super::fifo::make(folder.as_fd(), "is.1", None).unwrap();
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
fn at_rest_no_output_thread_is_ever_scheduled() {
    // Other tests have output threads too, so this one has a process of its own.
    if std::env::var_os(INSIDE).is_none() {
        let test = "at_rest_no_output_thread_is_ever_scheduled";
        return again(test, &mut Command::new("env"), Path::new("1"));
    }
    let stage = Stage::new();
    let mut out = stage.attach("is", 1);
    for number in 0..100 {
        out.write_all(format!("{number}\n").as_bytes()).unwrap();
    }
    eventually("all is written", || {
        fs::read(stage.log("is")).is_ok_and(|bytes| bytes.ends_with(b"\n99\n"))
    });
    eventually("both threads are there and nothing is due", || {
        let before = output_threads_switches();
        thread::sleep(Duration::from_millis(100));
        before.len() == super::super::pump::THREADS && output_threads_switches() == before
    });
    let before = output_threads_switches();
    thread::sleep(Duration::from_secs(2));
    assert_eq!(output_threads_switches(), before);
}

/// For each output thread of this process, its lines on context switches.
fn output_threads_switches() -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc/self/task").unwrap().flatten() {
        let status = fs::read_to_string(entry.path().join("status")).unwrap_or_default();
        if status.starts_with("Name:\ts7-output-") {
            found.push(
                status
                    .lines()
                    .filter(|line| line.contains("ctxt_switches"))
                    .collect(),
            );
        }
    }
    found
}

#[test]
fn needs_root_a_full_disk_drops_counts_and_marks_when_space_returns() {
    let Some(disk) = small_disk("needs_root_a_full_disk_drops_counts_and_marks_when_space_returns") else {
        return;
    };
    let stage = Stage::new();
    let plan = LogPlan {
        file: disk.join("is.log"),
        ..stage.plan("is")
    };
    let ballast = disk.join("ballast");
    fs::write(&ballast, vec![0; 32 << 10]).unwrap();
    let mut out = stage.attach_to("is", 1, &plan);
    let line = |n: u32| format!("{n:09}\n").into_bytes();
    let sent: Vec<u8> = (0..500_000).flat_map(line).collect();
    out.write_all(&sent).unwrap();
    let dropped = || stage.capture.dropped_bytes(&name("is"));
    // What isn't in the file was dropped, byte for byte.
    eventually("all is written or dropped", || {
        dropped() + fs::metadata(&plan.file).map_or(0, |meta| meta.len()) == sent.len() as u64
    });
    let kept = fs::read(&plan.file).unwrap();
    assert!(!kept.is_empty() && kept.len() < 64 << 10 && sent.starts_with(&kept));
    fs::remove_file(&ballast).unwrap();
    eventually("output is logged again", || {
        out.write_all(b"back\n").unwrap();
        fs::read(&plan.file).unwrap().ends_with(b"back\n")
    });
    drop(out);
    stage.drained();
    let text = fs::read_to_string(&plan.file).unwrap();
    let rest = text.strip_prefix(std::str::from_utf8(&kept).unwrap()).unwrap();
    let marker = format!(
        "[s7supervisord: {} bytes of output dropped: No space left on device]\n",
        dropped()
    );
    assert!(rest.trim_start_matches('\n').starts_with(&marker), "{rest}");
    assert_eq!(rest.matches("dropped").count(), 1);
    assert!(rest.ends_with("back\n"));
}

#[test]
fn a_full_disk_makes_a_component_wait_that_asked_for_it() {
    let stage = Stage::new();
    fs::create_dir(stage.log("is")).unwrap();
    let plan = LogPlan {
        on_full: OnFull::Block,
        ..stage.plan("is")
    };
    let mut out = stage.attach_to("is", 1, &plan);
    let sent = vec![b'x'; 3 << 20];
    let expected = sent.clone();
    let writer = thread::spawn(move || out.write_all(&sent));
    // Longer than the patience of `drop`, so that a drop would show.
    thread::sleep(Duration::from_millis(2500));
    assert!(!writer.is_finished(), "3 MiB can't be in a pipe");
    assert_eq!(stage.capture.dropped_bytes(&name("is")), 0);
    fs::remove_dir(stage.log("is")).unwrap();
    writer.join().unwrap().unwrap();
    stage.drained();
    assert!(holds(&stage.log("is"), &expected));
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

#[test]
fn needs_root_a_full_disk_costs_the_daemons_own_log_some_lines_and_nothing_else() {
    let Some(disk) =
        small_disk("needs_root_a_full_disk_costs_the_daemons_own_log_some_lines_and_nothing_else")
    else {
        return;
    };
    let file = disk.join("s7.log");
    let options = LogOptions {
        file,
        trace_level: 2,
        also_stderr: false,
        keep_days: 10,
    };
    let daemon_log = daemon_log::start(options).unwrap();
    log::info!("before");
    assert!(daemon_log.flush(LONG));
    let ballast = disk.join("ballast");
    let _ = fs::write(&ballast, vec![0; 64 << 10]);
    let start = Instant::now();
    for _ in 0..100 {
        // A page is needed for one of these at last, and there is none.
        log::info!("{}", "x".repeat(1000));
    }
    assert!(
        start.elapsed() < Duration::from_secs(5),
        "logging took {:?}",
        start.elapsed()
    );
    assert!(daemon_log.flush(LONG));
    fs::remove_file(&ballast).unwrap();
    let text = || {
        let mut logs = fs::read_dir(&disk).unwrap().flatten();
        let log = logs
            .find(|entry| entry.file_name().to_string_lossy().starts_with("s7-"))
            .unwrap();
        fs::read_to_string(log.path()).unwrap()
    };
    eventually("the log is written again", || {
        log::info!("after");
        assert!(daemon_log.flush(LONG));
        text().ends_with("INFO  after\n")
    });
    let text = text();
    assert!(text.contains("INFO  before\n"), "{text}");
    assert!(
        text.contains(" lines are missing here: writing ") && text.contains("No space left on device\n"),
        "{text}"
    );
    for line in text.lines() {
        let count = line.matches('x').count();
        assert!(
            line.starts_with("20") && [0, 1000].contains(&count),
            "half a line: {line}"
        );
    }
}

/// Set where a test runs a second time, in a process of its own.
const INSIDE: &str = "S7_TEST_INSIDE";

/// A full disk takes a disk: runs `test` again in a mount namespace with a tmpfs of 64 KiB, whose path is the answer in
/// there.
fn small_disk(test: &str) -> Option<PathBuf> {
    if let Some(disk) = std::env::var_os(INSIDE) {
        return Some(disk.into());
    }
    if !rustix::process::geteuid().is_root() {
        eprintln!("SKIPPED: {test} needs root for a mount namespace");
        return None;
    }
    let disk = tempfile::tempdir().unwrap();
    let script = "mount -t tmpfs -o size=64k none \"$0\" && exec \"$@\"";
    let mut wrapper = Command::new("unshare");
    wrapper.args(["-m", "sh", "-c", script]).arg(disk.path());
    again(test, &mut wrapper, disk.path());
    None
}

/// Runs one test of this file again in a process that `wrapper` (a command that executes its last arguments) makes.
fn again(test: &str, wrapper: &mut Command, inside: &Path) {
    let this = std::env::current_exe().unwrap();
    let path = format!("{}::{test}", module_path!().split_once("::").unwrap().1);
    let arguments = ["--exact", &path, "--nocapture"];
    let output = wrapper
        .arg(this)
        .args(arguments)
        .env(INSIDE, inside)
        .output()
        .unwrap();
    let text =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && text.contains("1 passed"), "{text}");
}
