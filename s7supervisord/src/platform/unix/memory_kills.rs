//! Telling a kill for want of memory from any other SIGKILL: the kernel counts those kills, and its log says whom they met.
//!
//! A run's own cgroup counts them only where somebody has enabled the memory controller for it, which the daemon never does
//! ([`super::cgroup`]). So it is asked here, and only when something was killed and nothing else tells why: one small read as
//! long as nobody ran out of memory.

use super::{cgroup, cgroup_place};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

/// How much of the end of the kernel's log is looked at, in bytes: some 150 lines, and such a kill is its last word (the list of
/// all processes comes before it).
const END_OF_LOG: usize = 16 * 1024;
/// The action of syslog(2) that gives the last messages and takes none away; libc has no name for it.
const READ_ALL: libc::c_int = 3;
/// The first pid namespace, whose numbers the kernel's log has (`PROC_PID_INIT_INO` in its include/linux/proc_ns.h).
const FIRST_PID_NAMESPACE: u64 = 0xEFFF_FFFC;

/// What the kernel counts, and where it stood.
#[derive(Debug)]
pub struct MemoryKills {
    counter: Counter,
    seen: Option<u64>,
}

#[derive(Debug)]
enum Counter {
    /// Of all that is in the delegated cgroup, whose memory is counted.
    Delegated(PathBuf),
    /// Of the whole machine (proc_vmstat(5), since Linux 4.13).
    Machine,
}

impl Counter {
    fn read(&self) -> Option<u64> {
        let file = match self {
            Self::Delegated(file) => file.as_path(),
            Self::Machine => "/proc/vmstat".as_ref(),
        };
        cgroup_place::counter(&fs::read_to_string(file).ok()?, "oom_kill")
    }
}

impl MemoryKills {
    /// Begins to count. After [`cgroup::home`] was asked for first.
    #[must_use]
    pub fn begin() -> Self {
        let file = cgroup::home().map(|home| home.file("memory.events"));
        let counter = match file.filter(|file| file.exists()) {
            Some(file) => Counter::Delegated(file),
            None => Counter::Machine,
        };
        let seen = counter.read();
        Self { counter, seen }
    }

    /// Those of `killed`, which SIGKILL has ended just now, that the kernel has killed for want of memory.
    pub fn among(&mut self, killed: &[u32]) -> Vec<u32> {
        let now = self.counter.read();
        let before = std::mem::replace(&mut self.seen, now);
        let (Some(before), Some(now)) = (before, now) else {
            return Vec::new();
        };
        if now <= before {
            return Vec::new();
        }
        let of_delegated = matches!(self.counter, Counter::Delegated(_));
        judge(killed, kernel_log().as_deref(), of_delegated)
    }
}

/// Which of `killed` it were, where somebody was killed for want of memory since the last look. Who can't read the kernel's log
/// believes it of one that was killed alone, and only where the kill was one among this daemon's own runs.
fn judge(killed: &[u32], log: Option<&str>, of_delegated: bool) -> Vec<u32> {
    match (log, killed) {
        (Some(log), _) => killed.iter().copied().filter(|pid| names(log, *pid)).collect(),
        (None, [only]) if of_delegated => vec![*only],
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

    #[test]
    fn only_a_counter_that_has_risen_since_the_last_look_is_evidence() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("memory.events");
        let write = |count: u64| fs::write(&file, format!("oom 9\noom_kill {count}\n")).unwrap();
        write(3);
        let counter = Counter::Delegated(file.clone());
        let seen = counter.read();
        let mut kills = MemoryKills { counter, seen };
        // No process has this number, so it depends on who may read the log whether it is found there.
        let nobody = [u32::MAX];
        let blamed = if kernel_log().is_some() {
            vec![]
        } else {
            nobody.to_vec()
        };
        assert_eq!(kills.among(&nobody), [0; 0]);
        write(4);
        assert_eq!(kills.among(&nobody), blamed);
        assert_eq!(kills.among(&nobody), [0; 0], "that was told");
        fs::remove_file(&file).unwrap();
        assert_eq!(kills.among(&nobody), [0; 0]);
    }
}
