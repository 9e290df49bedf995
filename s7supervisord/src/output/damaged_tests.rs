//! Compressed files of a log that somebody, or a disk, has damaged: what can be read of them is given, and they are named.

use crate::output::follow::Follower;
use crate::output::packed;
use crate::output::tail::{tail, tail_since};
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

const LINES: u32 = 20_000;

fn line(n: u32) -> String {
    format!("{n:07} {}\n", n.wrapping_mul(2_654_435_761))
}

/// `a.log` with the newest lines, `a.log.2.gz` with the oldest, and between them `a.log.1.gz`, cut in its middle.
fn log_with_a_damaged_part(folder: &Path) -> PathBuf {
    let log = folder.join("a.log");
    let part = |from: u32| (from..from + LINES).map(line).collect::<String>();
    for (number, from) in [(2, 0), (1, LINES)] {
        let mut plain = tempfile::tempfile().unwrap();
        plain.write_all(part(from).as_bytes()).unwrap();
        let to = File::create_new(folder.join(format!("a.log.{number}.gz"))).unwrap();
        packed::pack(&plain, to, (number, 1), || true).unwrap().unwrap();
    }
    let damaged = File::options()
        .write(true)
        .open(folder.join("a.log.1.gz"))
        .unwrap();
    damaged.set_len(damaged.metadata().unwrap().len() / 2).unwrap();
    fs::write(&log, part(2 * LINES)).unwrap();
    log
}

/// Asserts that these are whole lines, in order, that none is missing but in the damaged part, and that of that the beginning
/// is there.
fn all_that_can_be_read(bytes: &[u8]) {
    let text = String::from_utf8(bytes.to_vec()).unwrap();
    let found: Vec<u32> = text
        .split_inclusive('\n')
        .map(|found| {
            let n = found.get(..7).and_then(|number| number.parse().ok()).unwrap();
            assert_eq!(found, line(n));
            n
        })
        .collect();
    assert!(found.is_sorted());
    let of = |from: u32| found.iter().filter(|n| (from..from + LINES).contains(n)).count();
    assert_eq!((of(0), of(2 * LINES)), (LINES as usize, LINES as usize));
    let damaged = of(LINES);
    assert!(damaged > 1000 && damaged < LINES as usize, "{damaged}");
}

#[test]
fn a_damaged_file_hides_nothing_of_the_others_and_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let log = log_with_a_damaged_part(folder.path());
    let last = tail(&log, LINES - 1, usize::MAX / 2).unwrap();
    assert_eq!(last.damaged, None, "nobody has looked at it");
    let all = tail(&log, u32::MAX, usize::MAX / 2).unwrap();
    all_that_can_be_read(&all.bytes);
    let told = all.damaged.unwrap();
    assert!(told.contains("a.log.1.gz") && !told.contains("a.log.2"), "{told}");
    let (since, uncertain) = tail_since(&log, 0, u32::MAX, usize::MAX / 2).unwrap();
    all_that_can_be_read(&since.bytes);
    assert!(since.damaged.is_some() && uncertain.is_some());
}

#[test]
fn who_follows_reads_past_a_damaged_file_and_is_told_which_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let log = log_with_a_damaged_part(folder.path());
    for lines in [u32::MAX, u32::MAX - 1] {
        let mut follower = Follower::since(log.clone(), 0, lines, usize::MAX / 2);
        let (mut bytes, mut told) = (Vec::new(), Vec::new());
        loop {
            match follower.read(100_000) {
                Ok(more) if more.is_empty() => break,
                Ok(more) => bytes.extend(more),
                Err(why) => {
                    // Where it is streamed as it is read, the line at the damage is not whole.
                    bytes.truncate(bytes.iter().rposition(|byte| *byte == b'\n').unwrap_or(0) + 1);
                    told.push(why.to_string());
                }
            }
        }
        all_that_can_be_read(&bytes);
        assert!(told.iter().any(|why| why.contains("a.log.1.gz")), "{told:?}");
        assert!(told.len() <= 2, "{told:?}");
    }
}
