//! Memory and CPU time of whole trees.
//!
//! A thousand components are a thousand times three files of `/proc` at some 10 µs each. Most of them do nothing most of
//! the time, and who has used no CPU since it was last looked at has forked nobody and allocated nothing: one clock_gettime(2)
//! tells, and the files are left alone.

use super::census;
use super::cgroup;
use crate::machine::input::RunId;
use rustix::fs::{AtFlags, CWD};
use std::collections::HashMap;
use std::fs::File;
use std::io::Read;
use std::time::{Duration, Instant};

/// What was read of a process that rests is read again after so long: the kernel takes memory from it without its
/// doing (reclaim, swapping).
const STALE: Duration = Duration::from_secs(60);

/// The links of `/proc/PID/task` beside one for each thread, as those of any folder: its name and its `.`.
const LINKS_OF_A_FOLDER: u64 = 2;

/// Memory and CPU time of one tree.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Usage {
    /// Resident memory in bytes, pages that several processes share counted in each.
    pub memory_bytes: u64,
    /// CPU time used so far, in microseconds.
    pub cpu_us: u64,
}

/// Measures trees, and remembers what it needn't read again.
#[derive(Debug, Default)]
pub struct Meter {
    /// By process id, processes that had no children. Those that have some are read each time, so that no child is taken
    /// for a dead one that had its number.
    leaves: HashMap<u32, Leaf>,
}

#[derive(Debug, Clone, Copy)]
struct Leaf {
    cpu: Duration,
    memory_bytes: u64,
    read: Instant,
}

impl Meter {
    /// Adds up the tree of each process. It reads many small files, so never on the core loop.
    #[must_use]
    pub fn usage(&mut self, pids: &[(RunId, u32)]) -> HashMap<RunId, Usage> {
        let known = std::mem::take(&mut self.leaves);
        let page = rustix::param::page_size() as u64;
        let now = Instant::now();
        let mut sums = HashMap::with_capacity(pids.len());
        let mut escaped = escaped(pids);
        for (run, pid) in pids {
            let mut sum = Usage::default();
            let roots = escaped.remove(run).unwrap_or_default();
            for root in std::iter::once(*pid).chain(roots) {
                census::walk(root, |member| {
                    // Before everything else that is read: what happens meanwhile shows in the next measurement.
                    let Some(cpu) = cpu_time(member) else {
                        return Vec::new();
                    };
                    sum.cpu_us += u64::try_from(cpu.as_micros()).unwrap_or(u64::MAX);
                    if let Some(leaf) = known.get(&member)
                        && leaf.cpu == cpu
                        && now.saturating_duration_since(leaf.read) < STALE
                    {
                        sum.memory_bytes += leaf.memory_bytes;
                        self.leaves.insert(member, *leaf);
                        return Vec::new();
                    }
                    let memory_bytes = resident_pages(member).unwrap_or(0) * page;
                    sum.memory_bytes += memory_bytes;
                    let born = children(member);
                    if born.is_empty() {
                        let leaf = Leaf {
                            cpu,
                            memory_bytes,
                            read: now,
                        };
                        self.leaves.insert(member, leaf);
                    }
                    born
                });
            }
            sums.insert(*run, sum);
        }
        sums
    }
}

/// The orphans that live in the cgroups of runs: nobody of their run's tree is their parent any more. Without cgroups nothing
/// tells whose they are but what may wait for them.
fn escaped(pids: &[(RunId, u32)]) -> HashMap<RunId, Vec<u32>> {
    let mut found: HashMap<RunId, Vec<u32>> = HashMap::new();
    if cgroup::home().is_none() {
        return found;
    }
    let orphans = census::Orphans::open().map(|orphans| orphans.list());
    for orphan in orphans.unwrap_or_default() {
        let Some(home) = cgroup::run_of(orphan) else {
            continue;
        };
        let own = pids.iter().find(|(run, pid)| {
            // The number alone doesn't name a run, and rules out most of them.
            run.run == home.1 && *pid != orphan && cgroup::run_of(*pid).as_ref() == Some(&home)
        });
        if let Some((run, _)) = own {
            found.entry(*run).or_default().push(orphan);
        }
    }
    found
}

/// What all threads of a process have used so far, those that have ended included; `None` if it is gone.
fn cpu_time(pid: u32) -> Option<Duration> {
    let pid = libc::pid_t::try_from(pid).ok()?;
    let mut clock: libc::clockid_t = 0;
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: both calls only write to the variable that they are given, which lives until they return.
    let read = unsafe {
        libc::clock_getcpuclockid(pid, &raw mut clock) == 0 && libc::clock_gettime(clock, &raw mut time) == 0
    };
    let (seconds, nanos) = (
        u64::try_from(time.tv_sec).ok()?,
        u32::try_from(time.tv_nsec).ok()?,
    );
    read.then(|| Duration::new(seconds, nanos))
}

fn resident_pages(pid: u32) -> Option<u64> {
    let mut room = [0; 128];
    let text = read(&format!("/proc/{pid}/statm"), &mut room)?;
    std::str::from_utf8(text).ok()?.split(' ').nth(1)?.parse().ok()
}

/// As [`census::children`], and quicker for the many that have one thread and few children.
fn children(pid: u32) -> Vec<u32> {
    let tasks = rustix::fs::statat(CWD, format!("/proc/{pid}/task"), AtFlags::empty());
    if !tasks.is_ok_and(|tasks| tasks.st_nlink <= LINKS_OF_A_FOLDER + 1) {
        return census::children(pid);
    }
    let mut room = [0; 512];
    match read(&format!("/proc/{pid}/task/{pid}/children"), &mut room) {
        Some(text) => census::numbers(text),
        None => census::children(pid),
    }
}

/// A small file by one read(2); `None` if it is gone, or too long for `room`.
fn read<'a>(file: &str, room: &'a mut [u8]) -> Option<&'a [u8]> {
    let length = File::open(file).ok()?.read(room).ok()?;
    (length < room.len()).then(|| &room[..length])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::input::Slot;
    use std::io::Write;
    use std::process::{Child, Command, Stdio};

    const RUN: RunId = RunId {
        slot: Slot(0),
        run: 1,
    };

    fn measure(meter: &mut Meter, pid: u32) -> Usage {
        meter.usage(&[(RUN, pid)])[&RUN]
    }

    /// A shell that waits for a line, and what ends it with its children.
    struct Shell(Child);

    impl Shell {
        fn new(script: &str) -> Self {
            use std::os::unix::process::CommandExt;
            let mut command = Command::new("sh");
            command
                .args(["-c", script])
                .stdin(Stdio::piped())
                .process_group(0);
            Self(command.spawn().unwrap())
        }

        /// Waits until it sleeps, its beginnings over.
        fn rests(&self) {
            let mut before = None;
            eventually("the shell rests", || {
                let now = cpu_time(self.0.id());
                let same = now.is_some() && now == before;
                before = now;
                same
            });
        }
    }

    impl Drop for Shell {
        fn drop(&mut self) {
            let group = rustix::process::Pid::from_raw(self.0.id() as i32).unwrap();
            let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
            let _ = self.0.wait();
        }
    }

    fn eventually(what: &str, mut done: impl FnMut() -> bool) {
        let start = Instant::now();
        while !done() {
            assert!(start.elapsed() < Duration::from_secs(20), "{what}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    #[test]
    fn the_cpu_time_of_all_threads_is_counted_finer_than_a_tick() {
        let before = cpu_time(std::process::id()).unwrap();
        let burn = move || while cpu_time(std::process::id()).unwrap() < before + Duration::from_millis(3) {};
        std::thread::spawn(burn).join().unwrap();
        let usage = measure(&mut Meter::default(), std::process::id());
        assert!(Duration::from_micros(usage.cpu_us) >= before + Duration::from_millis(2));
        assert!(usage.memory_bytes > 100_000, "{usage:?}");
        assert_eq!(cpu_time(u32::MAX), None);
    }

    #[test]
    fn who_rests_is_not_read_again_for_a_minute() {
        let shell = Shell::new("read line");
        shell.rests();
        let mut meter = Meter::default();
        let first = measure(&mut meter, shell.0.id());
        assert!(first.memory_bytes > 0);
        // What it remembers is told from what is there by being wrong.
        let leaf = meter.leaves.get_mut(&shell.0.id()).unwrap();
        leaf.memory_bytes = 1;
        assert_eq!(measure(&mut meter, shell.0.id()).memory_bytes, 1);
        let leaf = meter.leaves.get_mut(&shell.0.id()).unwrap();
        leaf.read = leaf.read.checked_sub(STALE).unwrap();
        assert_eq!(measure(&mut meter, shell.0.id()).memory_bytes, first.memory_bytes);
    }

    #[test]
    fn who_has_forked_since_is_counted_with_its_children_and_they_with_theirs() {
        let shell = Shell::new("read line; sh -c 'sleep 100 & wait' & wait");
        shell.rests();
        let mut meter = Meter::default();
        let alone = measure(&mut meter, shell.0.id());
        assert_eq!(meter.leaves.len(), 1);
        (&mut shell.0.stdin.as_ref().unwrap()).write_all(b"go\n").unwrap();
        eventually("the child and its child are counted", || {
            let grown = measure(&mut meter, shell.0.id());
            let tree = census::tree(shell.0.id());
            tree.len() == 3 && grown.memory_bytes > alone.memory_bytes * 2
        });
        assert_eq!(meter.leaves.len(), 1, "only the last of them has no children");
    }

    #[test]
    fn what_is_gone_is_forgotten() {
        let shell = Shell::new("read line");
        shell.rests();
        let (mut meter, pid) = (Meter::default(), shell.0.id());
        measure(&mut meter, pid);
        drop(shell);
        assert_eq!(measure(&mut meter, pid), Usage::default());
        assert!(meter.leaves.is_empty());
    }

    #[test]
    fn the_children_of_every_thread_are_found() {
        let (tell, told) = std::sync::mpsc::channel();
        let (end, ends) = std::sync::mpsc::channel::<()>();
        let other = std::thread::spawn(move || {
            let mut child = Command::new("sleep").arg("100").spawn().unwrap();
            tell.send(child.id()).unwrap();
            let _ = ends.recv();
            child.kill().unwrap();
            child.wait().unwrap();
        });
        let child = told.recv().unwrap();
        assert!(children(std::process::id()).contains(&child));
        drop(end);
        other.join().unwrap();
    }
}
