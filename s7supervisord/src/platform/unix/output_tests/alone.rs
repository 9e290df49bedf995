//! Tests that need a process, or a disk, of their own.

use super::*;
use crate::daemon_log::{self, LogOptions};

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
        before.len() == crate::platform::os::pump::THREADS && output_threads_switches() == before
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
        indispensable: true,
    };
    let daemon_log = daemon_log::start(options).unwrap();
    log::info!("before");
    assert!(daemon_log.flush(LONG));
    let ballast = disk.join("ballast");
    let _ = fs::write(&ballast, vec![0; 64 << 10]);
    let start = Instant::now();
    for _ in 0..100 {
        // A page is needed for one of these at last, and there is none.
        log::info!("{}", "#".repeat(1000));
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
        let count = line.matches('#').count();
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
    assert!(
        output.status.success() && text.contains("1 passed"),
        "{}: {text}",
        output.status
    );
}

#[test]
fn needs_root_a_disk_that_is_full_while_a_log_is_compressed_keeps_the_plain_file() {
    let Some(disk) =
        small_disk("needs_root_a_disk_that_is_full_while_a_log_is_compressed_keeps_the_plain_file")
    else {
        return;
    };
    let stage = Stage::new();
    let plan = LogPlan {
        file: disk.join("is.log"),
        max_size: 20_000,
        compress: true,
        ..stage.plan("is")
    };
    // What can't be compressed, and leaves no room for itself twice.
    let mut noise = vec![0; 40_000];
    let mut state = 1_u64;
    for byte in &mut noise {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        *byte = (state >> 56) as u8;
    }
    noise.push(b'\n');
    fs::write(disk.join("is.log.1"), &noise).unwrap();
    let mut out = stage.attach_to("is", 1, &plan);
    out.write_all(b"one\n").unwrap();
    eventually("compression was tried", || {
        disk.join(".is.log.gz").exists() || holds(&plan.file, b"one\n")
    });
    thread::sleep(Duration::from_millis(300));
    eventually("and given up", || !disk.join(".is.log.gz").exists());
    assert!(holds(&disk.join("is.log.1"), &noise) && !disk.join("is.log.1.gz").exists());
    out.write_all(b"two\n").unwrap();
    eventually("the log goes on", || holds(&plan.file, b"one\ntwo\n"));
    assert_eq!(stage.capture.dropped_bytes(&name("is")), 0);
}
