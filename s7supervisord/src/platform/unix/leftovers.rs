//! What is left of runs that no daemon watches any more: ended before anything is started in their place.

use super::census;
use crate::state::journal::StartedRun;
use rustix::process::{Pid, PidfdFlags, Signal};
use s7proto::name::ComponentName;
use s7proto::status::{SpawnFailure, SpawnStage};
use std::fs::File;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::time::{Duration, Instant};

/// A child that is just being created holds every descriptor of the daemon until it executes, this lock among them:
/// only what holds it longer than that is a leftover.
const CREATION: Duration = Duration::from_secs(1);
/// How long what holds a component's lock gets to be gone after it was killed.
const LOCK_PATIENCE: Duration = Duration::from_secs(5);
/// From one look at the lock to the next.
const LOCK_RETRY: Duration = Duration::from_millis(2);

/// The machine's boot, as the kernel names it; empty where it doesn't.
#[must_use]
pub fn boot_id() -> String {
    std::fs::read_to_string("/proc/sys/kernel/random/boot_id")
        .unwrap_or_default()
        .trim()
        .to_owned()
}

/// Takes the lock of `component`, which its processes will hold as long as one of them lives and hasn't closed it.
///
/// A busy lock proves that something of an earlier run is left: it is killed. A free one proves nothing.
///
/// # Errors
/// What holds it can't be ended.
pub fn lock_for(
    folder: &Path,
    component: &ComponentName,
    instance: &str,
) -> Result<Option<File>, SpawnFailure> {
    let path = folder.join(component.as_str());
    // Without the file there is no lock, and that keeps nothing from running: it is a second guard, not the first.
    let Ok(file) = File::options().create(true).append(true).open(&path) else {
        return Ok(None);
    };
    let began = Instant::now();
    let mut killed = false;
    loop {
        match rustix::fs::flock(&file, rustix::fs::FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => return Ok(Some(file)),
            Err(rustix::io::Errno::WOULDBLOCK) if began.elapsed() < CREATION + LOCK_PATIENCE => {
                if began.elapsed() >= CREATION && !killed {
                    kill_holders(&path, component, instance);
                    killed = true;
                }
                std::thread::sleep(LOCK_RETRY);
            }
            Err(rustix::io::Errno::WOULDBLOCK) => {
                return Err(SpawnFailure {
                    stage: SpawnStage::CreatingProcess,
                    subject: component.to_string(),
                    os_error: None,
                    cause: "processes of an earlier run are left and can't be killed".to_owned(),
                    host_fault: true,
                });
            }
            Err(_) => return Ok(None),
        }
    }
}

fn kill_holders(lock: &Path, component: &ComponentName, instance: &str) {
    let own = std::env::current_exe().ok();
    let holds = |pid: u32| census::open_files(pid).any(|open| open == lock);
    // A child that has not executed yet still has this program and its environment; it belongs to another component.
    let is_being_created = |pid: u32| {
        std::fs::read_link(format!("/proc/{pid}/exe")).ok() == own && census::marker(pid, instance).is_none()
    };
    for pid in census::everyone().filter(|pid| *pid != std::process::id() && holds(*pid)) {
        let Some(pidfd) = open(pid).filter(|_| holds(pid) && !is_being_created(pid)) else {
            continue;
        };
        log::warn!("{component}: process {pid} is left of an earlier run, killing it");
        let _ = rustix::process::pidfd_send_signal(&pidfd, Signal::KILL);
    }
}

fn open(pid: u32) -> Option<OwnedFd> {
    let pid = Pid::from_raw(i32::try_from(pid).ok()?)?;
    rustix::process::pidfd_open(pid, PidfdFlags::empty()).ok()
}

/// Ends what earlier daemons left running, politely first, and waits until it is gone or `patience` twice over.
///
/// Gives the process ids that could not be ended.
#[must_use]
pub fn end_all(runs: &[StartedRun], instance: &str, patience: Duration) -> Vec<u32> {
    let ticks = ticks_per_second();
    let found = || -> Vec<u32> {
        let everyone: Vec<(u32, census::Stat)> = census::everyone()
            .filter_map(|pid| Some((pid, census::stat(pid)?)))
            .collect();
        everyone
            .into_iter()
            .filter(|(pid, stat)| {
                stat.state != 'Z' && runs.iter().any(|run| belongs(*pid, stat, run, instance, ticks))
            })
            .map(|(pid, _)| pid)
            .collect()
    };
    for (signals, round) in [
        (&[Signal::TERM, Signal::CONT][..], "asking"),
        (&[Signal::KILL][..], "killing"),
    ] {
        let give_up = Instant::now() + patience;
        let mut signalled: Vec<u32> = Vec::new();
        loop {
            let left = found();
            if left.is_empty() {
                return left;
            }
            for pid in left.iter().filter(|pid| !signalled.contains(pid)) {
                let Some(pidfd) = open(*pid) else { continue };
                let still = census::stat(*pid)
                    .is_some_and(|stat| runs.iter().any(|run| belongs(*pid, &stat, run, instance, ticks)));
                if still {
                    log::warn!("process {pid} was left running by an earlier supervisor, {round} it to end");
                    for signal in signals {
                        let _ = rustix::process::pidfd_send_signal(&pidfd, *signal);
                    }
                }
            }
            signalled = left;
            if Instant::now() >= give_up {
                break;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }
    found()
}

/// Whether a process is of a recorded run: the recorded one itself, created not later than its record (a foreign
/// process on a recycled number is younger), or a member of its session or group, or it carries the run's marker.
fn belongs(pid: u32, stat: &census::Stat, run: &StartedRun, instance: &str, ticks_per_second: u64) -> bool {
    let recorded_tick = run.boot_ns / (1_000_000_000 / ticks_per_second.max(1));
    if pid == run.pid {
        return stat.started <= recorded_tick;
    }
    let related = stat.session == run.pid || stat.group == run.pid;
    // A number is not given to a new process while a session or group still bears it, so a relative is a real one
    // unless a younger process has taken the number and begun a session of its own.
    let taken = related && census::stat(run.pid).is_some_and(|leader| leader.started > recorded_tick);
    if related {
        return !taken;
    }
    stat.started >= recorded_tick.saturating_sub(1)
        && census::marker(pid, instance)
            .is_some_and(|(component, number)| component == run.component.as_str() && number == run.run)
}

fn ticks_per_second() -> u64 {
    rustix::param::clock_ticks_per_second()
}
