//! Telling a kill for want of memory from any other SIGKILL: the kernel counts those kills, and its log says whom they met.
//!
//! A run's own cgroup counts them only where the memory controller is enabled for it, which the daemon can do only where it was
//! begun in a leaf ([`super::cgroup`]). So it is asked here, and only when something was killed and nothing else tells why: one
//! small read as long as nobody ran out of memory.
//!
//! A count says nothing about when. A run may survive that one of its processes is killed, and end for another reason days
//! later: so only a count that has risen shortly before tells why a run has ended, and a rise is known as closely as looks at
//! the counter lie together.

use super::{cgroup, cgroup_place};
use std::fs::{self, File};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::time::{Duration, Instant};

/// How much of the end of the kernel's log is looked at, in bytes: some 150 lines, and such a kill is its last word (the list of
/// all processes comes before it).
const END_OF_LOG: usize = 16 * 1024;
/// How much of a file with counters is read, in bytes. `/proc/vmstat` has some 4000 (Linux 6.18), and the kernel adds all of them
/// up for each read of it, so that it is read at once.
const COUNTERS: usize = 16 * 1024;
/// A kill is why a run has ended that ends within so long of it: two measurements of its memory, by which the counter is looked
/// at as well.
const NEAR: Duration = Duration::from_secs(10);
/// The action of syslog(2) that gives the last messages and takes none away; libc has no name for it.
const READ_ALL: libc::c_int = 3;
/// The first pid namespace, whose numbers the kernel's log has (`PROC_PID_INIT_INO` in its include/linux/proc_ns.h).
const FIRST_PID_NAMESPACE: u64 = 0xEFFF_FFFC;

/// How often somebody was killed, by what each look at a counter has found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kills {
    seen: u64,
    looked: Instant,
    /// The look before the one that has found the latest: it came later than this.
    after: Option<Instant>,
}

impl Kills {
    /// Whatever was counted so far is of no interest.
    #[must_use]
    pub fn begin(count: u64, now: Instant) -> Self {
        Self {
            seen: count,
            looked: now,
            after: None,
        }
    }

    /// The counter stands at `count` now; gives how many have come since the last look.
    pub fn look(&mut self, count: u64, now: Instant) -> u64 {
        let more = count.saturating_sub(self.seen);
        if more > 0 {
            self.seen = count;
            self.after = Some(self.looked);
        }
        self.looked = now;
        more
    }

    /// Whether the latest came so shortly before `now` that it is why something ends then.
    #[must_use]
    pub fn is_near(&self, now: Instant) -> bool {
        self.latest(now).is_some_and(|within| within <= NEAR)
    }

    /// Within how long before `now` the latest came; `None` where there was none.
    #[must_use]
    pub fn latest(&self, now: Instant) -> Option<Duration> {
        self.after.map(|after| now.saturating_duration_since(after))
    }
}

/// What the kernel counts, and where it stood.
#[derive(Debug)]
pub struct MemoryKills {
    /// `None` where nothing is counted.
    counter: Option<File>,
    /// It counts those in the delegated cgroup, whose memory is counted; else those of the whole machine (proc_vmstat(5), since
    /// Linux 4.13).
    of_delegated: bool,
    kills: Kills,
}

impl MemoryKills {
    /// Begins to count. After [`cgroup::settle`].
    #[must_use]
    pub fn begin() -> Self {
        let file = cgroup::home().map(|home| home.file("memory.events"));
        match file.and_then(|file| File::open(file).ok()) {
            Some(file) => Self::of(Some(file), true),
            None => Self::of(File::open("/proc/vmstat").ok(), false),
        }
    }

    fn of(counter: Option<File>, of_delegated: bool) -> Self {
        let count = counter.as_ref().and_then(read).unwrap_or(0);
        Self {
            counter,
            of_delegated,
            kills: Kills::begin(count, Instant::now()),
        }
    }

    fn rise(&mut self, now: Instant) -> u64 {
        let count = self.counter.as_ref().and_then(read);
        count.map_or(0, |count| self.kills.look(count, now))
    }

    /// Has what rises after this known to be later, where that makes a difference.
    pub fn look(&mut self, now: Instant) {
        if self.of_delegated {
            self.rise(now);
        }
    }

    /// Whoever was killed up to now is known.
    pub fn are_known(&mut self, now: Instant) {
        self.look(now);
        self.kills.after = None;
    }

    /// Those of `killed`, which SIGKILL has ended just now, that the kernel has killed for want of memory.
    pub fn among(&mut self, killed: &[u32], now: Instant) -> Vec<u32> {
        self.judged(killed, now, kernel_log)
    }

    fn judged(&mut self, killed: &[u32], now: Instant, log: impl FnOnce() -> Option<String>) -> Vec<u32> {
        let looked = self.kills.looked;
        let more = self.rise(now);
        let is_near = self.kills.is_near(now);
        // It is why somebody has ended, or isn't; the next one has other reasons.
        self.kills.after = None;
        if more == 0 && !(self.of_delegated && is_near) {
            return Vec::new();
        }
        let log = log();
        let found = judge(killed, log.as_deref(), self.of_delegated && is_near);
        if log.is_none() && found.is_empty() && self.of_delegated {
            log::info!(
                "the kernel has killed {more} processes for want of memory within the last {} s; whether {killed:?} are among \
                 them is not known, as its log can't be read here",
                now.saturating_duration_since(looked).as_secs()
            );
        }
        found
    }
}

/// What the counter stands at.
fn read(file: &File) -> Option<u64> {
    let mut room = vec![0_u8; COUNTERS];
    let mut length = 0;
    loop {
        let read = file.read_at(&mut room[length..], length as u64).ok()?;
        length += read;
        // The last line may be a part of one.
        let whole = room[..length].iter().rposition(|byte| *byte == b'\n')?;
        let text = std::str::from_utf8(&room[..whole]).ok()?;
        match cgroup_place::counter(text, "oom_kill") {
            None if read > 0 && length < room.len() => {}
            found => return found,
        }
    }
}

/// Which of `killed` it were, where somebody was killed for want of memory since the last look. Who can't read the kernel's log
/// believes it of one that was killed alone, and only where the kill was one among this daemon's own runs, shortly before.
fn judge(killed: &[u32], log: Option<&str>, is_near: bool) -> Vec<u32> {
    match (log, killed) {
        (Some(log), _) => killed.iter().copied().filter(|pid| names(log, *pid)).collect(),
        (None, [only]) if is_near => vec![*only],
        (None, _) => Vec::new(),
    }
}

/// Whether the kernel's log says that `pid` was killed for want of memory. The first kind of line comes before the kill and
/// not for each of many, the second one after each.
fn names(log: &str, pid: u32) -> bool {
    let chosen = format!(",pid={pid},");
    let killed = format!(": Killed process {pid} (");
    log.lines()
        .any(|line| line.contains(&killed) || line.contains("oom-kill:") && line.contains(&chosen))
}

/// The end of the kernel's log; `None` where it isn't for this process, or has other numbers.
fn kernel_log() -> Option<String> {
    let namespace = fs::metadata("/proc/self/ns/pid").ok()?.ino();
    if namespace != FIRST_PID_NAMESPACE {
        return None;
    }
    let mut room = vec![0_u8; END_OF_LOG];
    let length = libc::c_int::try_from(room.len()).ok()?;
    // SAFETY: the kernel writes at most `length` bytes to `room`, which has as many.
    let read = unsafe { libc::klogctl(READ_ALL, room.as_mut_ptr().cast(), length) };
    let read = usize::try_from(read).ok()?;
    room.truncate(read);
    Some(String::from_utf8_lossy(&room).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOG: &str = "\
<6>[39722.04] oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),cpuset=/,oom_memcg=/a,task_memcg=/a,task=tail,pid=3229,uid=0
<3>[39722.05] Memory cgroup out of memory: Killed process 3230 (tail) total-vm:19076kB, anon-rss:16256kB, UID:0
<3>[39722.06] Out of memory: Killed process 17 (java (x)) total-vm:19076kB
<6>[39722.07] somebody says ,pid=99, for no reason
";

    #[test]
    fn whom_the_kernel_has_killed_for_want_of_memory_is_in_its_log() {
        assert_eq!(
            judge(&[3229, 3230, 17, 1, 99, 323], Some(LOG), true),
            [3229, 3230, 17]
        );
        assert_eq!(judge(&[1], Some(LOG), true), [0; 0], "by somebody else");
    }

    #[test]
    fn who_cannot_read_that_log_believes_it_of_one_that_was_killed_alone_in_the_delegated_cgroup() {
        assert_eq!(judge(&[5], None, true), [5]);
        assert_eq!(judge(&[5, 6], None, true), [0; 0]);
        assert_eq!(judge(&[5], None, false), [0; 0], "it may have met anybody");
    }

    /// A counter of a delegated cgroup, in a file that can be written.
    fn counted(folder: &tempfile::TempDir) -> (MemoryKills, impl Fn(u64)) {
        let file = folder.path().join("memory.events");
        let write = move |count: u64| fs::write(&file, format!("oom 9\noom_kill {count}\n")).unwrap();
        write(3);
        let counter = File::open(folder.path().join("memory.events")).unwrap();
        (MemoryKills::of(Some(counter), true), write)
    }

    #[test]
    fn only_a_counter_that_has_risen_shortly_before_is_evidence() {
        let folder = tempfile::tempdir().unwrap();
        let (mut kills, write) = counted(&folder);
        let begin = kills.kills.looked;
        let long = begin + NEAR * 3;
        let blames = |kills: &mut MemoryKills, now| kills.judged(&[7], now, || None) == [7];
        assert!(!blames(&mut kills, begin));
        write(4);
        assert!(blames(&mut kills, begin + NEAR));
        write(5);
        assert!(!blames(&mut kills, long), "it may have been long before");
        write(6);
        kills.look(long + NEAR);
        assert!(blames(&mut kills, long + NEAR), "that was seen before");
        assert!(!blames(&mut kills, long + NEAR), "that was told");
        write(7);
        kills.are_known(long + NEAR);
        assert!(!blames(&mut kills, long + NEAR), "of others");
        fs::remove_file(folder.path().join("memory.events")).unwrap();
        assert!(!blames(&mut kills, long + NEAR));
    }

    #[test]
    fn the_kernels_log_tells_it_where_nobody_knows_when_a_counter_rose() {
        let folder = tempfile::tempdir().unwrap();
        let (mut kills, write) = counted(&folder);
        let late = kills.kills.looked + NEAR * 3;
        write(4);
        let log = || Some(LOG.to_owned());
        assert_eq!(kills.judged(&[17, 5], late, log), [17]);
        assert_eq!(kills.judged(&[17], late, log), [0; 0], "it isn't even looked at");
    }

    #[test]
    fn a_kill_that_was_survived_is_not_why_a_run_ends_much_later() {
        let begin = Instant::now();
        let at = |seconds: u64| begin + Duration::from_secs(seconds);
        let mut kills = Kills::begin(2, begin);
        assert_eq!((kills.look(2, at(100)), kills.latest(at(100))), (0, None));
        assert_eq!(kills.look(3, at(105)), 1, "between two looks");
        assert!(kills.is_near(at(106)) && kills.is_near(at(110)));
        assert_eq!(kills.look(3, at(111)), 0);
        assert!(!kills.is_near(at(111)));
        // Nobody has looked for so long that it may have come at any time.
        assert_eq!(kills.look(5, at(1000)), 2);
        assert!(!kills.is_near(at(1000)));
        assert_eq!(kills.latest(at(1000)), Some(Duration::from_secs(889)));
        assert_eq!(kills.look(0, at(1001)), 0, "the cgroup is gone");
        assert_eq!(kills.look(5, at(1002)), 0);
    }

    #[test]
    fn a_counter_is_read_from_whole_lines_and_within_bounds() {
        let folder = tempfile::tempdir().unwrap();
        let count = |text: &str| {
            let file = folder.path().join("vmstat");
            fs::write(&file, text).unwrap();
            read(&File::open(file).unwrap())
        };
        assert_eq!(count("nr_free_pages 7\noom_kill 12\nlast 1\n"), Some(12));
        assert_eq!(count("oom_kill 12"), None);
        assert_eq!(count(""), None);
        let long = "nr_x 1\n".repeat(COUNTERS / 7 + 1);
        assert_eq!(count(&format!("{long}oom_kill 12\n")), None);
        assert!(File::open("/proc/vmstat").is_ok_and(|file| read(&file).is_some()));
    }
}
