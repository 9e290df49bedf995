//! The lock of a component: held by its processes, so that what is left of an earlier run can be found by it.

use super::census;
use rustix::process::Signal;
use s7proto::name::ComponentName;
use s7proto::status::{SpawnFailure, SpawnStage};
use std::fs::File;
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::{Duration, Instant};

/// A child that is just being created holds every descriptor of the daemon until it executes, this lock among them:
/// only what holds it longer than that is a leftover.
const CREATION: Duration = Duration::from_secs(1);
/// How long what holds a component's lock gets to be gone after it was killed.
const LOCK_PATIENCE: Duration = Duration::from_secs(5);
/// The same, where somebody waits for the stop of the run that it stands in the way of.
const HASTY_PATIENCE: Duration = Duration::from_secs(1);
/// From one look for those who hold the lock to the next: each goes through the files of all processes.
const KILL_AGAIN: Duration = Duration::from_millis(20);
/// From one look at the lock to the next.
const LOCK_RETRY: Duration = Duration::from_millis(2);

/// Takes the lock of `component`, which its processes will hold as long as one of them lives and hasn't closed it.
///
/// A busy lock proves that something of an earlier run is left: it is killed, and whatever it has left meanwhile too; at once when
/// `in_haste` says so, which it may at any time. A free one proves nothing.
///
/// Where there is no lock to take, what comes back says why.
///
/// # Errors
/// What holds it can't be ended.
pub fn lock_for(
    folder: &Path,
    component: &ComponentName,
    instance: &str,
    in_haste: &dyn Fn() -> bool,
) -> Result<Result<File, String>, SpawnFailure> {
    let path = folder.join(component.as_str());
    // Without the file there is no lock, and that keeps nothing from running: it is a second guard, not the first.
    let file = match open(folder, &path) {
        Ok(file) => file,
        Err(error) => return Ok(Err(format!("opening the lock {}: {error}", path.display()))),
    };
    let began = Instant::now();
    let mut killed_at: Option<Instant> = None;
    let mut killed = 0;
    let mut hasty_since = None;
    loop {
        if hasty_since.is_none() && in_haste() {
            hasty_since = Some(Instant::now());
        }
        let given_up = began.elapsed() >= CREATION + LOCK_PATIENCE
            || hasty_since.is_some_and(|since| since.elapsed() >= HASTY_PATIENCE);
        match rustix::fs::flock(&file, rustix::fs::FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => return Ok(Ok(file)),
            Err(rustix::io::Errno::WOULDBLOCK) if !given_up => {
                let is_due = killed_at.is_none_or(|at| at.elapsed() >= KILL_AGAIN);
                if is_due && (hasty_since.is_some() || began.elapsed() >= CREATION) {
                    killed += kill_holders(&path, component, instance);
                    killed_at = Some(Instant::now());
                }
                std::thread::sleep(LOCK_RETRY);
            }
            Err(rustix::io::Errno::WOULDBLOCK) => {
                return Err(SpawnFailure {
                    stage: SpawnStage::CreatingProcess,
                    subject: component.to_string(),
                    os_error: None,
                    cause: format!(
                        "something of an earlier run still holds {}, after {killed} kills; lsof tells who does",
                        path.display()
                    ),
                    // It is no crash of its own.
                    host_fault: true,
                });
            }
            Err(errno) => return Ok(Err(format!("locking {}: {errno}", path.display()))),
        }
    }
}

/// Whether the lock of another component could be made in `folder`.
///
/// # Errors
/// It could not.
pub fn try_a_lock(folder: &Path) -> io::Result<()> {
    // No component is called so.
    let lock = folder.join("lock:new");
    open(folder, &lock)?;
    std::fs::remove_file(lock)
}

fn open(folder: &Path, lock: &Path) -> io::Result<File> {
    // Whoever can read a file can lock it, so nobody else can.
    let open = || File::options().create(true).append(true).mode(0o600).open(lock);
    let opened = match open() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            // Somebody has removed the runtime folder under us; the lock is worth another try.
            let _ = std::fs::create_dir_all(folder);
            open()
        }
        opened => opened,
    };
    // On a disk that is read-only, one that is there can be locked all the same.
    opened.or_else(|error| File::open(lock).map_err(|_| error))
}

/// Gives how many there were to kill.
fn kill_holders(lock: &Path, component: &ComponentName, instance: &str) -> u32 {
    let mut killed = 0;
    let own = std::env::current_exe().ok();
    let holds = |pid: u32| census::open_files(pid).any(|open| open == lock);
    // A child that has not executed yet still has this program and its environment; it belongs to another component.
    let is_being_created = |pid: u32| {
        std::fs::read_link(format!("/proc/{pid}/exe")).ok() == own && census::marker(pid, instance).is_none()
    };
    for pid in census::everyone().filter(|pid| *pid != std::process::id() && holds(*pid)) {
        let Some(pidfd) = super::pidfd::open(pid).filter(|_| holds(pid) && !is_being_created(pid)) else {
            continue;
        };
        log::warn!("{component}: process {pid} is left of an earlier run, killing it");
        let _ = rustix::process::pidfd_send_signal(&pidfd, Signal::KILL);
        killed += 1;
    }
    killed
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::{Command, Stdio};
    use std::sync::atomic::{AtomicBool, Ordering};

    #[test]
    fn what_comes_to_hold_a_lock_after_the_first_kill_is_killed_too() {
        let folder = tempfile::tempdir().unwrap();
        let component = ComponentName::parse("is").unwrap();
        let lock = || lock_for(folder.path(), &component, "/run/s7", &|| true);
        let held = lock().unwrap().unwrap();
        let holder = |held: &File| {
            let held = held.try_clone().unwrap();
            Command::new("sleep")
                .arg("100")
                .stdin(Stdio::from(held))
                .spawn()
                .unwrap()
        };
        let mut first = holder(&held);
        let one_after_the_other = std::thread::spawn(move || {
            let killed = !first.wait().unwrap().success();
            let mut second = holder(&held);
            drop(held);
            killed && !second.wait().unwrap().success()
        });
        assert!(lock().unwrap().is_ok());
        assert!(one_after_the_other.join().unwrap());
    }

    #[test]
    fn a_lock_is_tried_where_one_can_be_made_and_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let locks = folder.path().join("locks");
        try_a_lock(&locks).unwrap();
        assert_eq!(std::fs::read_dir(&locks).unwrap().count(), 0);
        std::fs::remove_dir(&locks).unwrap();
        std::fs::write(&locks, "something else").unwrap();
        try_a_lock(&locks).unwrap_err();
        let component = ComponentName::parse("is").unwrap();
        let lock = lock_for(&locks, &component, "/run/s7", &|| true).unwrap();
        assert!(lock.unwrap_err().starts_with("opening the lock "));
    }

    #[test]
    fn in_haste_what_holds_a_lock_is_killed_at_once_and_what_cannot_be_killed_is_not_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let component = ComponentName::parse("is").unwrap();
        let take = |in_haste: &dyn Fn() -> bool| lock_for(folder.path(), &component, "/run/s7", in_haste);
        let held = take(&|| false).unwrap().unwrap();
        let began = Instant::now();
        let refused = take(&|| began.elapsed() > Duration::from_millis(50)).unwrap_err();
        // This process is left alone.
        assert!(
            refused.host_fault && began.elapsed() < CREATION + LOCK_PATIENCE,
            "{:?}",
            began.elapsed()
        );
        let mut command = Command::new("sleep");
        let mut holder = command.arg("100").stdin(Stdio::from(held)).spawn().unwrap();
        drop(command);
        let looked = AtomicBool::new(false);
        let lock = take(&|| looked.swap(true, Ordering::Relaxed));
        let ended = holder.wait().unwrap();
        assert!(lock.unwrap().is_ok() && !ended.success());
    }
}
