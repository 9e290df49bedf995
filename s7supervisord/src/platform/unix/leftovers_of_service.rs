//! Ending what a requested stop has left: everything in the control group of the service, and what the record names.

use super::cgroup_place as place;
use super::leftovers;
use super::pidfd;
use crate::state::journal::Journal;
use rustix::process::Signal;
use std::collections::HashSet;
use std::ffi::OsStr;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// From one look at what is left to the next.
const LOOK: Duration = Duration::from_millis(20);
/// How long what was killed may take to be gone before it is reported: a process in the middle of a system call that
/// waits for a disk ends when that is over.
const AFTER_KILL: Duration = Duration::from_secs(5);
/// Where systemd puts what it runs beside a service to which it has delegated its group (`ExecStopPost=` among it).
const OF_CONTROL: &str = ".control";
/// The end of the name of the group of a service.
const SERVICE: &str = ".service";

/// Ends what the daemon with this runtime folder has left: politely, and what lives after `patience` by SIGKILL. Where
/// `in_service` is true this process was run by systemd for the service, and everything else in the service's control
/// group is left over. Gives the number of processes that were there.
///
/// The caller holds the lock of the runtime folder.
///
/// # Errors
/// Something lives on, or it can't be seen whether anything does.
pub fn end_leftovers(runtime_dir: &Path, in_service: bool, patience: Duration) -> io::Result<usize> {
    let group = if in_service { group_of_this_service() } else { None };
    let runtime_dir = fs::canonicalize(runtime_dir)?;
    let left = Journal::read(&runtime_dir, &leftovers::boot_id())?;
    let started = left.known.iter().filter_map(|(name, known)| known.started(name));
    let recorded: Vec<_> = started.collect();
    let instance = runtime_dir.display().to_string();
    end(patience, || {
        let mut left: HashSet<u32> = group.as_deref().map(members).unwrap_or_default();
        left.extend(leftovers::everything_of(&recorded, &instance));
        left.remove(&std::process::id());
        left
    })
}

/// As [`end_leftovers`], for a control group as systemd names it (`/system.slice/x.service`).
///
/// # Errors
/// Something lives on.
pub fn end_group(group: &str, patience: Duration) -> io::Result<usize> {
    let Some(folder) = folder_of(Path::new(group)) else {
        return Ok(0);
    };
    end(patience, || members(&folder))
}

/// Has the service's control group let a daemon in again, which it doesn't as long as controllers are enabled for those below it
/// (the kernel's rule of no internal processes). Gives the names of those that were.
///
/// # Errors
/// They can't be taken away.
pub fn let_daemons_in() -> io::Result<String> {
    group_of_this_service().map_or(Ok(String::new()), |group| without_controllers(&group))
}

fn without_controllers(group: &Path) -> io::Result<String> {
    let file = group.join("cgroup.subtree_control");
    let enabled = fs::read_to_string(&file)?.trim().to_owned();
    let less: Vec<String> = enabled
        .split_whitespace()
        .map(|name| format!("-{name}"))
        .collect();
    if !less.is_empty() {
        fs::write(&file, less.join(" "))?;
    }
    Ok(enabled)
}

fn end(patience: Duration, look: impl Fn() -> HashSet<u32>) -> io::Result<usize> {
    let began = Instant::now();
    let mut asked = HashSet::new();
    loop {
        let left = look();
        if left.is_empty() {
            return Ok(asked.len());
        }
        let kill = began.elapsed() >= patience;
        let signals = if kill {
            &[Signal::KILL][..]
        } else {
            &[Signal::TERM, Signal::CONT]
        };
        let due = left.iter().copied().filter(|pid| kill || !asked.contains(pid));
        // A look goes through all of `/proc`: one more for all of them, not one for each.
        let sent = pidfd::signal(due, signals, &look);
        asked.extend(sent);
        if began.elapsed() >= patience + AFTER_KILL {
            let mut left: Vec<u32> = left.into_iter().collect();
            left.sort_unstable();
            return Err(io::Error::other(format!("processes {left:?} can't be killed")));
        }
        std::thread::sleep(LOOK);
    }
}

/// The processes in a control group and in all below it, but for those that systemd runs beside the service.
fn members(folder: &Path) -> HashSet<u32> {
    let groups = place::with_those_below(folder, |name| name != OF_CONTROL);
    place::members(&groups).into_iter().collect()
}

/// The folder of the control group of the service that this process was run for.
fn group_of_this_service() -> Option<PathBuf> {
    folder_of(service_in(&place::path_of("self")?)?)
}

/// Where a control group lies, from its path in the unified hierarchy.
fn folder_of(group: &Path) -> Option<PathBuf> {
    place::folder_of(group, &place::mounts()?)
}

/// The service's own group around `path`: the nearest that is one.
fn service_in(path: &Path) -> Option<&Path> {
    path.ancestors().find(|path| {
        path.file_name()
            .and_then(OsStr::to_str)
            .is_some_and(|name| name.ends_with(SERVICE))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;
    use std::os::unix::process::ExitStatusExt;
    use std::process::Command;

    #[test]
    fn the_service_is_the_nearest_group_with_such_a_name() {
        let of = |path| service_in(Path::new(path));
        let service = Some(Path::new("/system.slice/ImageServing.service"));
        assert_eq!(of("/system.slice/ImageServing.service/.control"), service);
        assert_eq!(of("/system.slice/ImageServing.service"), service);
        assert_eq!(of("/user.slice/session-1.scope"), None);
        assert_eq!(of("/"), None);
    }

    #[test]
    fn all_controllers_are_taken_away_that_keep_a_daemon_out() {
        let group = tempfile::tempdir().unwrap();
        let file = group.path().join("cgroup.subtree_control");
        for (enabled, written) in [("memory pids\n", "-memory -pids"), ("\n", "\n")] {
            fs::write(&file, enabled).unwrap();
            assert_eq!(without_controllers(group.path()).unwrap(), enabled.trim());
            assert_eq!(fs::read_to_string(&file).unwrap(), written);
        }
        fs::remove_file(&file).unwrap();
        assert!(without_controllers(group.path()).is_err());
    }

    #[test]
    fn however_many_are_left_two_looks_are_enough_to_ask_all_of_them() {
        let mut children: Vec<_> = (0..20)
            .map(|_| Command::new("sleep").arg("100").spawn().unwrap())
            .collect();
        let left: HashSet<u32> = children.iter().map(std::process::Child::id).collect();
        let looks = Cell::new(0);
        let ended = end(Duration::from_secs(100), || {
            looks.set(looks.get() + 1);
            if looks.get() <= 2 {
                left.clone()
            } else {
                HashSet::new()
            }
        });
        let all = ended.as_ref().is_ok_and(|ended| *ended == 20);
        let ends: Vec<_> = children
            .iter_mut()
            .map(|child| {
                if !all {
                    child.kill().unwrap();
                }
                child.wait().unwrap().signal()
            })
            .collect();
        assert_eq!(ended.unwrap(), 20);
        assert_eq!(looks.get(), 3);
        assert_eq!(ends, [Some(15); 20]);
    }

    #[test]
    fn a_number_that_is_somebody_elses_at_the_second_look_is_left_alone() {
        let mut other = Command::new("sleep").arg("100").spawn().unwrap();
        let left = Cell::new(true);
        let look = || HashSet::from_iter(left.replace(false).then_some(other.id()));
        let ended = end(Duration::ZERO, look);
        let lives = other.try_wait().unwrap().is_none();
        other.kill().unwrap();
        other.wait().unwrap();
        assert_eq!(ended.unwrap(), 0);
        assert!(lives);
    }

    #[test]
    fn members_are_those_of_all_sub_groups_but_systemds_own() {
        let folder = tempfile::tempdir().unwrap();
        for (group, pids) in [
            ("", "1\n0\n2\n"),
            ("daemon", "3\n"),
            ("a/b", "4\n"),
            (".control", "5\n"),
        ] {
            let group = folder.path().join(group);
            fs::create_dir_all(&group).unwrap();
            fs::write(group.join("cgroup.procs"), pids).unwrap();
        }
        assert_eq!(members(folder.path()), HashSet::from([1, 2, 3, 4]));
        assert_eq!(members(&folder.path().join("gone")), HashSet::new());
    }
}
