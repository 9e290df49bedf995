//! What a process uses: descriptors, threads, memory, CPU time.

use std::fs;
use std::time::Duration;

/// How many descriptors `pid` has open.
///
/// # Panics
/// Where there is no such process of ours.
#[must_use]
pub fn descriptors(pid: u32) -> usize {
    count(&format!("/proc/{pid}/fd"))
}

/// How many threads `pid` has.
///
/// # Panics
/// Where there is no such process.
#[must_use]
pub fn threads(pid: u32) -> usize {
    count(&format!("/proc/{pid}/task"))
}

fn count(folder: &str) -> usize {
    fs::read_dir(folder)
        .unwrap_or_else(|error| panic!("cannot list {folder}: {error}"))
        .count()
}

/// The resident memory of `pid`, in bytes.
///
/// # Panics
/// Where there is no such process.
#[must_use]
pub fn resident(pid: u32) -> u64 {
    let text = fs::read_to_string(format!("/proc/{pid}/statm")).expect("the process lives");
    let pages = text.split(' ').nth(1).and_then(|word| word.parse::<u64>().ok());
    let size = u64::try_from(rustix::param::page_size()).expect("a page is small");
    pages.expect("a number of pages") * size
}

/// The resident memory of `pid` that no file has (`RssAnon` of proc_pid_status(5)), in bytes: what can leak. The pages of its program
/// come and go as the kernel likes.
///
/// # Panics
/// Where there is no such process.
#[must_use]
pub fn anonymous(pid: u32) -> u64 {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).expect("the process lives");
    let line = text.lines().find_map(|line| line.strip_prefix("RssAnon:"));
    let number = line.and_then(|line| line.trim().strip_suffix(" kB"));
    number
        .and_then(|number| number.parse::<u64>().ok())
        .expect("a size")
        * 1024
}

/// The CPU time that `pid` has used so far in user and kernel mode, all its threads together.
///
/// # Panics
/// Where there is no such process.
#[must_use]
pub fn cpu(pid: u32) -> Duration {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).expect("the process lives");
    let (_, fields) = stat.rsplit_once(')').expect("the name is in parentheses");
    // The 14th and 15th fields; the first two are before the parenthesis' end.
    let ticks: u64 = fields
        .split_whitespace()
        .skip(11)
        .take(2)
        .map(|word| word.parse::<u64>().expect("a number of ticks"))
        .sum();
    Duration::from_millis(ticks * 1000 / rustix::param::clock_ticks_per_second())
}
