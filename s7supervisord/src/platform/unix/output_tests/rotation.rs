//! Logs that become too large or too old, and what is left of them.

use super::*;
use crate::output::rotated::RotatedNames;
use crate::platform::os::sink::OVERHANG;
use std::time::SystemTime;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// The files of a log, oldest first, the present one last.
pub(super) fn files(log: &Path) -> Vec<Vec<u8>> {
    let names = RotatedNames::of(log).unwrap();
    let old = names.list().unwrap();
    let paths = old.iter().rev().map(|old| names.path(old));
    paths
        .chain([log.to_owned()])
        .filter_map(|path| fs::read(path).ok())
        .collect()
}

pub(super) fn numbered(lines: std::ops::Range<u32>) -> Vec<u8> {
    lines
        .flat_map(|n| format!("line {n:08}\n").into_bytes())
        .collect()
}

fn set_written(file: &Path, when: SystemTime) {
    File::options()
        .write(true)
        .open(file)
        .unwrap()
        .set_modified(when)
        .unwrap();
}

#[test]
fn each_file_ends_with_the_first_line_that_reaches_its_size() {
    let stage = Stage::new();
    let plan = LogPlan {
        max_size: 5000,
        max_files: 1000,
        ..stage.plan("is")
    };
    let mut out = stage.attach_to("is", 1, &plan);
    let sent = numbered(0..50_000);
    out.write_all(&sent).unwrap();
    drop(out);
    stage.drained();
    let files = files(&plan.file);
    let (last, full) = files.split_last().unwrap();
    // 14 bytes a line: 358 lines are the first that reach 5000 bytes.
    assert!(
        full.iter().all(|file| file.len() == 358 * 14),
        "{:?}",
        full[0].len()
    );
    assert!(last.len() <= 358 * 14);
    assert!(files.concat() == sent, "nothing is lost, doubled or out of order");
}

#[test]
fn a_line_without_an_end_makes_no_file_without_an_end() {
    let stage = Stage::new();
    let plan = LogPlan {
        max_size: 10_000,
        max_files: 1000,
        ..stage.plan("is")
    };
    let mut out = stage.attach_to("is", 1, &plan);
    let sent: Vec<u8> = (0..1_000_000_u32).map(|n| (n % 251) as u8 | 0x80).collect();
    out.write_all(&sent).unwrap();
    drop(out);
    stage.drained();
    let files = files(&plan.file);
    let most = (plan.max_size + OVERHANG) as usize;
    assert!(files.iter().all(|file| file.len() <= most));
    assert!(files.len() > sent.len() / most, "{} files", files.len());
    assert!(files.concat() == sent);
}

#[test]
fn no_more_files_are_kept_than_were_asked_for() {
    let stage = Stage::new();
    let plan = LogPlan {
        max_size: 5000,
        max_files: 3,
        ..stage.plan("is")
    };
    fs::write(stage.log("is.log").with_file_name("is.log.bak"), "not ours").unwrap();
    let mut out = stage.attach_to("is", 1, &plan);
    let sent = numbered(0..20_000);
    out.write_all(&sent).unwrap();
    drop(out);
    stage.drained();
    let files = files(&plan.file);
    assert_eq!(files.len(), 4);
    assert!(sent.ends_with(&files.concat()));
    assert!(stage.temp.path().join("logs/is.log.bak").exists());
}

#[test]
fn a_log_of_a_day_before_is_ended_behind_its_last_line() {
    let stage = Stage::new();
    for (id, before, old, new) in [
        ("whole", "old\n", "old\n", "rest\nnew\n"),
        ("open", "old ", "old rest\n", "new\n"),
    ] {
        fs::write(stage.log(id), before).unwrap();
        set_written(&stage.log(id), SystemTime::now() - DAY);
        let mut out = stage.attach(id, 1);
        out.write_all(b"rest\nnew\n").unwrap();
        drop(out);
        stage.drained();
        assert_eq!(files(&stage.log(id)), [old.as_bytes(), new.as_bytes()], "{id}");
    }
}

#[test]
fn a_clock_that_was_set_back_ends_no_log() {
    let stage = Stage::new();
    fs::write(stage.log("is"), "from tomorrow\n").unwrap();
    set_written(&stage.log("is"), SystemTime::now() + DAY);
    let mut out = stage.attach("is", 1);
    out.write_all(b"today\n").unwrap();
    drop(out);
    stage.drained();
    assert_eq!(files(&stage.log("is")), [b"from tomorrow\ntoday\n"]);
}

#[test]
fn a_log_that_others_rename_meanwhile_is_whole_in_all_its_parts() {
    let stage = Stage::new();
    let plan = LogPlan {
        max_size: 20_000,
        max_files: 10_000,
        ..stage.plan("is")
    };
    let mut out = stage.attach_to("is", 1, &plan);
    let sent = numbered(0..1_000_000);
    let log = plan.file.clone();
    let away = stage.temp.path().join("away");
    fs::create_dir(&away).unwrap();
    let done = AtomicBool::new(false);
    let taken = thread::scope(|scope| {
        let other = scope.spawn(|| {
            let mut taken = 0;
            while !done.load(Ordering::Relaxed) {
                if fs::rename(&log, away.join(taken.to_string())).is_ok() {
                    taken += 1;
                }
                thread::sleep(Duration::from_micros(500));
            }
            taken
        });
        let _done = StoreOnDrop(&done);
        out.write_all(&sent).unwrap();
        drop(out);
        stage.drained();
        done.store(true, Ordering::Relaxed);
        other.join().unwrap()
    });
    let mut parts = files(&log);
    parts.extend((0..taken).map(|number| fs::read(away.join(number.to_string())).unwrap()));
    // Who takes a file away decides where it stands in the order, so lines are compared as a set.
    let mut lines: Vec<Vec<u8>> = parts
        .iter()
        .flat_map(|part| part.split_inclusive(|byte| *byte == b'\n').map(<[u8]>::to_vec))
        .collect();
    lines.sort();
    assert!(
        taken > 0 && files(&log).len() > 1,
        "both have rotated, {taken} times the other"
    );
    assert!(lines.concat() == sent);
}

#[test]
fn a_log_that_is_cut_or_removed_while_it_is_rotated_goes_on() {
    let stage = Stage::new();
    let plan = LogPlan {
        max_size: 5000,
        max_files: 5,
        ..stage.plan("is")
    };
    let mut out = stage.attach_to("is", 1, &plan);
    for round in 0..200_u32 {
        out.write_all(&numbered(0..1000)).unwrap();
        if round % 2 == 0 {
            let _ = File::options()
                .write(true)
                .open(&plan.file)
                .map(|file| file.set_len(0));
        } else {
            let _ = fs::remove_file(&plan.file);
        }
    }
    eventually("what comes after that is in the log", || {
        out.write_all(b"last\n").unwrap();
        fs::read(&plan.file).is_ok_and(|bytes| bytes.ends_with(b"last\n"))
    });
    assert_eq!(stage.capture.dropped_bytes(&name("is")), 0);
    for file in files(&plan.file) {
        assert!(file.len() as u64 <= 5000 + OVERHANG);
    }
}

/// Set where the test is run again as the daemon that is killed.
const DAEMON: &str = "S7_TEST_KILLED_DAEMON";

#[test]
fn a_daemon_that_is_killed_while_it_rotates_loses_and_doubles_nothing() {
    let max_size = 4096;
    let plan_in = |folder: &Path| LogPlan {
        file: folder.join("logs/is.log"),
        max_size,
        max_files: 1_000_000,
        max_days: 10,
        compress: false,
        on_full: OnFull::Block,
    };
    if let Some(folder) = std::env::var_os(DAEMON) {
        let folder = PathBuf::from(folder);
        let capture = Capture::start(&folder).unwrap();
        assert!(capture.reattach(&name("is"), 1, &plan_in(&folder), None).unwrap());
        // Until it is killed, or the pipe has nobody left.
        while folder.join("out/is.1").exists() {
            thread::sleep(Duration::from_millis(1));
        }
        return;
    }
    let stage = Stage::new();
    let folder = stage.temp.path().to_owned();
    let mut out = stage.attach_to("is", 1, &plan_in(&folder));
    // This capture ends, and the ones that are killed go on with its pipe.
    let temp = stage.end();
    let rounds = 60_u32;
    let stop = AtomicBool::new(false);
    let sent = thread::scope(|scope| {
        let _stop = StoreOnDrop(&stop);
        let writer = scope.spawn(|| {
            let mut sent = 0;
            while !stop.load(Ordering::Relaxed) {
                // Of lengths that fit no page.
                let lines = numbered(sent..sent + 37);
                out.write_all(&lines).unwrap();
                sent += 37;
            }
            drop(out);
            sent
        });
        let daemon = || {
            let this = std::env::current_exe().unwrap();
            let path = format!(
                "{}::a_daemon_that_is_killed_while_it_rotates_loses_and_doubles_nothing",
                module_path!().split_once("::").unwrap().1
            );
            Command::new(this)
                .args(["--exact", &path, "--test-threads", "1"])
                .env(DAEMON, &folder)
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
                .unwrap()
        };
        let lengths = || {
            files(&folder.join("logs/is.log"))
                .iter()
                .map(Vec::len)
                .sum::<usize>()
        };
        for round in 0..rounds {
            let before = fs::metadata(folder.join("logs/is.log")).map_or(0, |meta| meta.len());
            let mut killed = daemon();
            let begun = RotatedNames::of(&folder.join("logs/is.log"))
                .unwrap()
                .list()
                .unwrap()
                .len();
            eventually("the daemon rotates", || {
                RotatedNames::of(&folder.join("logs/is.log"))
                    .unwrap()
                    .list()
                    .unwrap()
                    .len()
                    > begun
                    || before == u64::MAX
            });
            // Anywhere within some rotations.
            thread::sleep(Duration::from_micros(u64::from(round) * 137 % 3000));
            killed.kill().unwrap();
            killed.wait().unwrap();
        }
        let mut last = daemon();
        stop.store(true, Ordering::Relaxed);
        let sent = writer.join().unwrap();
        eventually("all is in the files", || lengths() == sent as usize * 14);
        assert!(last.wait().unwrap().success());
        sent
    });
    let files = files(&temp.path().join("logs/is.log"));
    assert!(
        files.concat() == numbered(0..sent),
        "{rounds} kills, {sent} lines"
    );
    let (_, full) = files.split_last().unwrap();
    assert!(
        full.iter()
            .all(|file| file.ends_with(b"\n") && file.len() as u64 >= max_size)
    );
    println!("{rounds} kills, {sent} lines, {} files", files.len());
}
