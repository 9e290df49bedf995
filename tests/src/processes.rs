//! What the tests must know about processes: who carries a marker, who is a zombie, who is ours.
//!
//! The harness is a subreaper: what a dead daemon leaves behind becomes a child of the test binary, where it is found
//! and ended by its pid.

use crate::eventually::SOON;
use rustix::process::{Pid, Signal, WaitOptions};
use std::collections::HashSet;
use std::io::ErrorKind;
use std::process::{Child, Command};
use std::sync::{Mutex, MutexGuard, Once, PoisonError};
use std::time::{Duration, Instant};

/// The children that a [`Child`] waits for. Nobody else may reap them.
static OWNED: Mutex<Option<HashSet<u32>>> = Mutex::new(None);

fn owned() -> MutexGuard<'static, Option<HashSet<u32>>> {
    // A test that panicked while it held the lock has not left a half-changed set.
    OWNED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Starts `command` as a child that only its [`Child`] reaps, and that hears SIGINT and SIGQUIT: a shell without job control
/// has what it runs in the background ignore them, and a program inherits that.
///
/// # Panics
/// Where it can't be started.
pub fn spawn(command: &mut Command) -> Child {
    static PREPARED: Once = Once::new();
    PREPARED.call_once(|| {
        for signal in [libc::SIGINT, libc::SIGQUIT] {
            // SAFETY: the default disposition is no function, so nothing of this process runs in it.
            unsafe { libc::signal(signal, libc::SIG_DFL) };
        }
        rustix::process::set_child_subreaper(Some(rustix::process::getpid()))
            .expect("every kernel since 3.4 lets a process be a subreaper");
    });
    let mut owned = owned();
    let begun = Instant::now();
    let child = loop {
        match command.spawn() {
            Ok(child) => break child,
            // Others that use this machine may have all its processes for a moment.
            Err(error) if error.kind() == ErrorKind::WouldBlock && begun.elapsed() < SOON => {
                std::thread::sleep(Duration::from_millis(50));
            }
            Err(error) => panic!("cannot start {command:?}: {error}"),
        }
    };
    owned.get_or_insert_default().insert(child.id());
    child
}

/// Does something while no other thread starts a process.
///
/// For writing a program: a process that is just being started holds a copy of the open file until it executes, and
/// meanwhile the program that was written can't be executed ("text file busy").
pub fn while_nobody_forks<T>(work: impl FnOnce() -> T) -> T {
    let _nobody_forks = owned();
    work()
}

/// Says that `child` has been waited for.
pub fn forget(child: &Child) {
    owned().get_or_insert_default().remove(&child.id());
}

/// One process as `/proc` has it.
#[derive(Debug, Clone)]
pub struct Process {
    /// Its pid.
    pub pid: u32,
    /// Its parent.
    pub parent: u32,
    /// Its state's letter: `R`, `S`, `Z` …
    pub state: char,
    /// Its name, at most 15 bytes of it.
    pub name: String,
    /// When it was started, in clock ticks since boot: with the pid, its identity.
    pub started: u64,
}

/// The process with that pid, dead or alive, until it is reaped.
#[must_use]
pub fn process(pid: u32) -> Option<Process> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name stands in parentheses and may hold any character, so the last parenthesis ends it.
    let (head, tail) = stat.rsplit_once(')')?;
    let mut fields = tail.split_whitespace();
    let state = fields.next()?.chars().next()?;
    let parent = fields.next()?.parse().ok()?;
    Some(Process {
        pid,
        parent,
        state,
        name: head.split_once('(')?.1.into(),
        // The 22nd field; the first two are before the parenthesis, two more are read.
        started: fields.nth(17)?.parse().ok()?,
    })
}

/// Whether a process of that pid lives (a zombie doesn't).
#[must_use]
pub fn is_alive(pid: u32) -> bool {
    process(pid).is_some_and(|found| !matches!(found.state, 'Z' | 'X') || has_live_threads(pid))
}

/// A process whose first thread has ended shows as a zombie while the others live on.
fn has_live_threads(pid: u32) -> bool {
    let Ok(threads) = std::fs::read_dir(format!("/proc/{pid}/task")) else {
        return false;
    };
    threads.flatten().any(|thread| {
        std::fs::read_to_string(thread.path().join("stat")).is_ok_and(|stat| {
            !stat
                .rsplit_once(')')
                .is_some_and(|(_, tail)| tail.trim_start().starts_with(['Z', 'X']))
        })
    })
}

/// The pid that a process has in the namespace below ours, if it lives in one.
#[must_use]
pub fn pid_inside(pid: u32) -> Option<u32> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("NSpid:"))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

/// All processes there are.
#[must_use]
pub fn all() -> Vec<Process> {
    let entries = std::fs::read_dir("/proc").expect("/proc is mounted");
    entries
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter_map(process)
        .collect()
}

/// The living processes whose environment has `variable` (as `NAME=value`).
#[must_use]
pub fn carrying(variable: &str) -> Vec<Process> {
    let wanted = variable.as_bytes();
    all()
        .into_iter()
        .filter(|found| {
            std::fs::read(format!("/proc/{}/environ", found.pid))
                .is_ok_and(|environment| environment.split(|byte| *byte == 0).any(|entry| entry == wanted))
        })
        .filter(|found| is_alive(found.pid))
        .collect()
}

/// The children of `pid`, dead ones included.
#[must_use]
pub fn children_of(pid: u32) -> Vec<Process> {
    all().into_iter().filter(|found| found.parent == pid).collect()
}

/// The dead children that `pid` has not reaped.
#[must_use]
pub fn zombies_of(pid: u32) -> Vec<Process> {
    children_of(pid)
        .into_iter()
        .filter(|found| !is_alive(found.pid))
        .collect()
}

/// Sends `signal` to one process.
///
/// # Panics
/// Where the system refuses for another reason than that the process is gone.
pub fn send(pid: u32, signal: Signal) {
    match rustix::process::kill_process(typed(pid), signal) {
        Ok(()) | Err(rustix::io::Errno::SRCH) => {}
        Err(error) => panic!("cannot send {signal:?} to {pid}: {error}"),
    }
}

/// Reaps what has become a child of this test binary and is dead, unless a [`Child`] waits for it.
pub fn reap_adopted() {
    let owned = owned();
    for found in zombies_of(std::process::id()) {
        if owned.as_ref().is_some_and(|owned| owned.contains(&found.pid)) {
            continue;
        }
        // Another thread may have been faster; then there is nothing to do.
        let _ = rustix::process::waitpid(Some(typed(found.pid)), WaitOptions::NOHANG);
    }
}

fn typed(pid: u32) -> Pid {
    i32::try_from(pid)
        .ok()
        .and_then(Pid::from_raw)
        .unwrap_or_else(|| panic!("{pid} is no pid of a process"))
}

/// The system's monotonic clock, the same that the fixture writes into its records.
#[must_use]
pub fn monotonic() -> Duration {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    Duration::new(
        u64::try_from(now.tv_sec).expect("the monotonic clock begins at zero"),
        u32::try_from(now.tv_nsec).expect("nanoseconds are below a second"),
    )
}
