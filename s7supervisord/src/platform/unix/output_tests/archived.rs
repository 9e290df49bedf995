//! Rotated logs: compressed, counted, and removed when they are too old.

use super::rotation::{files, numbered};
use super::*;
use crate::output::follow::Follower;
use crate::output::packed::Unpacking;
use crate::output::rotated::RotatedNames;
use crate::output::tail::tail;
use std::time::SystemTime;

/// What is in the files of a log, oldest first, the present one last; not while one of them is being compressed.
fn contents(log: &Path) -> Vec<Vec<u8>> {
    let mut found = None;
    eventually("no file is being compressed", || {
        found = try_contents(log);
        found.is_some()
    });
    found.unwrap()
}

fn try_contents(log: &Path) -> Option<Vec<Vec<u8>>> {
    let names = RotatedNames::of(log)?;
    let listed = names.list().ok()?;
    let mut found = Vec::new();
    for old in listed.iter().rev() {
        let path = names.path(old);
        found.push(if old.packed {
            Unpacking::of(File::open(&path).ok()?, path, 0)
                .ok()?
                .read(usize::MAX)
                .ok()?
        } else {
            fs::read(path).ok()?
        });
    }
    found.push(fs::read(log).ok()?);
    (names.list().ok()? == listed).then_some(found)
}

fn packed(log: &Path) -> (usize, usize) {
    let list = RotatedNames::of(log).unwrap().list().unwrap();
    let packed = list.iter().filter(|old| old.packed).count();
    (packed, list.len() - packed)
}

fn compressing(stage: &Stage) -> LogPlan {
    LogPlan {
        max_size: 100_000,
        max_files: 1000,
        compress: true,
        ..stage.plan("is")
    }
}

#[test]
fn old_logs_are_compressed_whole_and_in_order() {
    let stage = Stage::new();
    let plan = compressing(&stage);
    let sent = numbered(0..100_000);
    let mut out = stage.attach_to("is", 1, &plan);
    out.write_all(&sent).unwrap();
    drop(out);
    stage.drained();
    eventually("all are compressed", || packed(&plan.file) == (13, 0));
    assert!(contents(&plan.file).concat() == sent);
    assert!(!stage.temp.path().join("logs/.is.log.gz").exists());
    let newest = fs::metadata(stage.temp.path().join("logs/is.log.1.gz")).unwrap();
    let present = fs::metadata(&plan.file).unwrap();
    assert!(
        newest.modified().unwrap() <= present.modified().unwrap(),
        "it keeps its time"
    );
    let last = tail(&plan.file, 20_000, 1 << 20).unwrap();
    assert!(
        last.bytes == numbered(80_000..100_000) && !last.truncated,
        "it is read back"
    );
}

#[test]
fn what_a_killed_daemon_has_half_compressed_is_made_again() {
    let stage = Stage::new();
    let plan = compressing(&stage);
    let logs = stage.temp.path().join("logs");
    fs::write(logs.join(".is.log.gz"), "half of it").unwrap();
    // Killed after the compressed one has its name, before the plain one is removed: a twin, which may be anything.
    fs::write(logs.join("is.log.1"), "first\n").unwrap();
    fs::write(logs.join("is.log"), "second\n").unwrap();
    let plain = File::open(logs.join("is.log.1")).unwrap();
    let identity = crate::platform::log_file::identity(&plain).unwrap();
    let twin = File::create(logs.join("is.log.1.gz")).unwrap();
    let twin = crate::output::packed::packer(twin, identity, 1).finish().unwrap();
    twin.set_modified(plain.metadata().unwrap().modified().unwrap())
        .unwrap();
    assert_eq!(
        tail(&plan.file, 9, 1000).unwrap().bytes,
        b"first\nsecond\n",
        "read once"
    );
    stage.attach_to("is", 1, &plan).write_all(b"third\n").unwrap();
    stage.drained();
    eventually("it is compressed", || packed(&plan.file) == (1, 0));
    assert_eq!(contents(&plan.file), [&b"first\n"[..], b"second\nthird\n"]);
    assert!(!logs.join(".is.log.gz").exists());
}

#[test]
fn a_compressed_file_of_somebody_else_is_never_replaced() {
    let stage = Stage::new();
    let plan = compressing(&stage);
    let logs = stage.temp.path().join("logs");
    fs::write(logs.join("is.log.1"), "mine\n").unwrap();
    fs::write(logs.join("is.log.1.gz"), "theirs").unwrap();
    fs::write(logs.join("is.log.2"), "mine too\n").unwrap();
    stage.attach_to("is", 1, &plan).write_all(b"new\n").unwrap();
    stage.drained();
    eventually("the other one is compressed", || {
        logs.join("is.log.2.gz").exists() && !logs.join("is.log.2").exists()
    });
    assert!(holds(&logs.join("is.log.1"), b"mine\n") && holds(&logs.join("is.log.1.gz"), b"theirs"));
}

#[test]
fn old_logs_are_removed_by_age_and_number_and_nothing_else_is() {
    let stage = Stage::new();
    let logs = stage.temp.path().join("logs");
    let plan = LogPlan {
        max_files: 3,
        max_days: 10,
        ..stage.plan("is")
    };
    let day = Duration::from_secs(24 * 60 * 60);
    let table = [
        ("is.log.1", 0, true),
        ("is.log.2", 9, true),
        ("is.log.3.gz", 12, false),
        ("is.log.4", 1, true),
        ("is.log.9", 1, false),
        ("is.log.bak", 99, true),
        ("is.log.01", 99, true),
        ("ps.log.1", 99, true),
    ];
    for (name, age, _) in table {
        fs::write(logs.join(name), name).unwrap();
        let file = File::options().write(true).open(logs.join(name)).unwrap();
        file.set_modified(SystemTime::now() - day * age).unwrap();
    }
    // The one that is too old counts too, until it is gone.
    let plan = LogPlan { max_files: 4, ..plan };
    stage.attach_to("is", 1, &plan).write_all(b"new\n").unwrap();
    stage.drained();
    for (name, _, stays) in table {
        eventually(name, || logs.join(name).exists() == stays);
    }
}

#[test]
fn a_follower_reads_every_byte_once_over_all_rotations() {
    for compress in [false, true] {
        let stage = Stage::new();
        let plan = LogPlan {
            max_size: 30_000,
            compress,
            ..compressing(&stage)
        };
        fs::write(&plan.file, "before\n").unwrap();
        let mut follower = Follower::new(plan.file.clone(), 10, 1000);
        let mut read = follower.read(1000).unwrap();
        let mut out = stage.attach_to("is", 1, &plan);
        let sent = numbered(0..400_000);
        let mut expected = b"before\n".to_vec();
        expected.extend_from_slice(&sent);
        let writer = thread::spawn(move || {
            // In pieces, so that looks fall within the files, and between several rotations.
            for piece in sent.chunks(70_001) {
                out.write_all(piece).unwrap();
                thread::sleep(Duration::from_millis(2));
            }
        });
        let mut looks = 0;
        eventually("all is read", || {
            looks += 1;
            // Sometimes little, sometimes much.
            let most = if looks % 3 == 0 { 1 << 20 } else { 10_007 };
            read.extend(follower.read(most).unwrap());
            read.len() >= expected.len()
        });
        writer.join().unwrap();
        assert!(read == expected, "compressed: {compress}");
        assert!(packed(&plan.file).0 + packed(&plan.file).1 > 100);
    }
}

#[test]
fn a_follower_that_is_too_slow_for_the_files_that_are_kept_is_told() {
    let stage = Stage::new();
    let plan = LogPlan {
        max_size: 5000,
        max_files: 2,
        ..stage.plan("is")
    };
    fs::write(&plan.file, "before\n").unwrap();
    let mut follower = Follower::new(plan.file.clone(), 10, 1000);
    assert_eq!(follower.read(1000).unwrap(), b"before\n");
    let sent = numbered(0..50_000);
    let mut out = stage.attach_to("is", 1, &plan);
    // The file that is read, with what it got at first.
    out.write_all(&sent).unwrap();
    drop(out);
    stage.drained();
    let (mut read, mut told) = (Vec::new(), 0);
    eventually("it is at the end", || {
        match follower.read(1 << 20) {
            Ok(bytes) => read.extend(bytes),
            Err(error) => {
                told += 1;
                assert!(error.to_string().contains("missing here"), "{error}");
            }
        }
        read.ends_with(b"line 00049999\n")
    });
    assert_eq!(told, 1);
    let kept = files(&plan.file).concat();
    assert!(read.ends_with(&kept), "what is there is read");
    assert_eq!(follower.read(1000).unwrap(), b"");
}

#[test]
fn a_tail_reaches_back_over_files_and_over_a_line_that_two_of_them_share() {
    let stage = Stage::new();
    let logs = stage.temp.path().join("logs");
    for (name, text) in [
        ("is.log.2", "a\nb\n"),
        ("is.log.1", "c\nhalf "),
        ("is.log", "line\nd\n"),
    ] {
        fs::write(logs.join(name), text).unwrap();
    }
    let log = stage.log("is");
    let table = [
        (1, "d\n"),
        (2, "half line\nd\n"),
        (3, "c\nhalf line\nd\n"),
        (4, "b\nc\nhalf line\nd\n"),
        (9, "a\nb\nc\nhalf line\nd\n"),
    ];
    for (lines, expected) in table {
        let tail = tail(&log, lines, 1000).unwrap();
        assert_eq!(
            (tail.bytes, tail.truncated),
            (expected.as_bytes().to_vec(), false),
            "{lines}"
        );
    }
    let short = tail(&log, 9, 9).unwrap();
    assert_eq!((short.bytes, short.truncated), (b"d\n".to_vec(), true));
    fs::remove_file(&log).unwrap();
    assert_eq!(
        tail(&log, 1, 1000).unwrap().bytes,
        b"half ",
        "killed between two names"
    );
}

#[test]
fn what_was_written_since_a_time_is_found_over_rotations_and_a_restart() {
    let stage = Stage::new();
    let plan = LogPlan {
        max_size: 4096,
        ..compressing(&stage)
    };
    let log = plan.file.clone();
    let now = || crate::output::chain::ms_since_1970(SystemTime::now());
    let since = |when: i64| {
        let mut follower = Follower::since(log.clone(), when, u32::MAX, 1000);
        follower.read(1 << 24).unwrap()
    };
    let mut out = stage.attach_to("is", 1, &plan);
    let settle = |length: usize| {
        eventually("it is written", || {
            contents(&log).iter().map(Vec::len).sum::<usize>() == length
        });
        // Longer than points are apart.
        thread::sleep(Duration::from_millis(1200));
    };
    let mut begun = Vec::new();
    for piece in 0..3_u32 {
        begun.push(now());
        out.write_all(&numbered(piece * 1000..(piece + 1) * 1000))
            .unwrap();
        settle((piece as usize + 1) * 14_000);
    }
    eventually("all are compressed", || packed(&log).1 == 0);
    // The next daemon goes on.
    let stage = stage.next_daemon();
    assert!(stage.capture.reattach(&name("is"), 1, &plan, None).unwrap());
    begun.push(now());
    out.write_all(&numbered(3000..4000)).unwrap();
    settle(56_000);
    for (piece, when) in begun.iter().enumerate() {
        let found = since(*when);
        let first = piece as u32 * 1000;
        assert!(
            found == numbered(first..4000),
            "piece {piece}: {} bytes, {:?}",
            found.len(),
            String::from_utf8_lossy(&found[..found.len().min(14)])
        );
    }
    assert_eq!(since(now()), b"");
    let mut follower = Follower::since(log.clone(), begun[1], 5, 1000);
    assert_eq!(
        follower.read(1000).unwrap(),
        numbered(3995..4000),
        "no more lines than were asked for"
    );
    assert_eq!(since(0), numbered(0..4000));
}

#[test]
fn who_follows_goes_on_in_a_file_that_was_compressed_meanwhile() {
    let stage = Stage::new();
    let plan = compressing(&stage);
    let log = plan.file.clone();
    let (first, second) = (numbered(0..5000), numbered(5000..6000));
    fs::write(&log, &first).unwrap();
    let began = crate::output::chain::ms_since_1970(SystemTime::UNIX_EPOCH);
    let followers = || {
        [
            Follower::new(log.clone(), u32::MAX, 1 << 20),
            Follower::since(log.clone(), began, u32::MAX, 1 << 20),
        ]
    };
    // One carries on itself, the other one is carried on by the next image.
    let (mut same, mut handed_over) = (followers(), followers());
    let mut read = Vec::new();
    for follower in same.iter_mut().chain(&mut handed_over) {
        // Nobody has noted when this was written, which is told once, before it.
        let begun = follower.read(1000).or_else(|_| follower.read(1000));
        read.push(begun.unwrap());
    }
    let mut next: Vec<Follower> = same.into();
    next.extend(handed_over.map(|follower| Follower::going_on(log.clone(), follower.position())));
    fs::rename(&log, stage.temp.path().join("logs/is.log.1")).unwrap();
    stage.attach_to("is", 1, &plan).write_all(&second).unwrap();
    stage.drained();
    eventually("it is compressed", || packed(&log) == (1, 0));
    let expected = [first, second].concat();
    for (number, (follower, read)) in next.iter_mut().zip(&mut read).enumerate() {
        eventually("all is read", || {
            read.extend(follower.read(10_007).unwrap());
            read.len() >= expected.len()
        });
        assert!(*read == expected, "follower {number}");
        assert_eq!(follower.read(1000).unwrap(), b"");
    }
}
