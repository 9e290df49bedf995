//! Ending what a requested stop has left: everything in the control group of the service, and what the record names.

use super::leftovers;
use super::pidfd::open;
use crate::state::journal::Journal;
use rustix::process::Signal;
use std::collections::HashSet;
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
    let Some(folder) = hierarchy().map(|top| top.join(group.trim_start_matches('/'))) else {
        return Ok(0);
    };
    end(patience, || members(&folder))
}

fn end(patience: Duration, look: impl Fn() -> HashSet<u32>) -> io::Result<usize> {
    let began = Instant::now();
    let mut seen = HashSet::new();
    loop {
        let left = look();
        if left.is_empty() {
            return Ok(seen.len());
        }
        let kill = began.elapsed() >= patience;
        for pid in &left {
            let new = seen.insert(*pid);
            let signals = match (kill, new) {
                (true, _) => &[Signal::KILL][..],
                (false, true) => &[Signal::TERM, Signal::CONT][..],
                (false, false) => continue,
            };
            // Held first, then looked at again: the number may be somebody else's by now.
            let Some(pidfd) = open(*pid).filter(|_| look().contains(pid)) else {
                continue;
            };
            for signal in signals {
                // It may have ended in between, which is what is wanted.
                let _ = rustix::process::pidfd_send_signal(&pidfd, *signal);
            }
        }
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
    let mut found = HashSet::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        let text = fs::read_to_string(folder.join("cgroup.procs")).unwrap_or_default();
        found.extend(text.lines().filter_map(|line| line.parse::<u32>().ok()));
        let below = fs::read_dir(&folder).into_iter().flatten().flatten();
        folders.extend(
            below
                .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
                .filter(|entry| entry.file_name() != OF_CONTROL)
                .map(|entry| entry.path()),
        );
    }
    found
}

/// The folder of the control group of the service that this process was run for.
fn group_of_this_service() -> Option<PathBuf> {
    let own = fs::read_to_string("/proc/self/cgroup").ok()?;
    Some(hierarchy()?.join(service_in(&own)?.trim_start_matches('/')))
}

/// The service's own group in the text of `/proc/self/cgroup`: the nearest that is one, of the unified hierarchy.
fn service_in(text: &str) -> Option<&str> {
    let path = text.lines().find_map(|line| line.strip_prefix("0::"))?;
    let mut path = Path::new(path);
    while !path.file_name()?.to_str()?.ends_with(SERVICE) {
        path = path.parent()?;
    }
    path.to_str()
}

/// Where the unified hierarchy (cgroup v2) is mounted.
fn hierarchy() -> Option<PathBuf> {
    let text = fs::read_to_string("/proc/self/mountinfo").ok()?;
    mounted_in(&text).map(PathBuf::from)
}

/// From the text of `/proc/self/mountinfo` (proc_pid_mountinfo(5)): the mount point is the fifth field, the type the first
/// after the separator.
fn mounted_in(text: &str) -> Option<&str> {
    text.lines().find_map(|line| {
        let (mount, kind) = line.split_once(" - ")?;
        (kind.split(' ').next() == Some("cgroup2"))
            .then(|| mount.split(' ').nth(4))
            .flatten()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_service_is_the_nearest_group_with_such_a_name() {
        let of = |path: &str| service_in(&format!("1:name=systemd:/x\n0::{path}\n")).map(str::to_owned);
        let service = Some("/system.slice/ImageServing.service".to_owned());
        assert_eq!(of("/system.slice/ImageServing.service/.control"), service);
        assert_eq!(of("/system.slice/ImageServing.service"), service);
        assert_eq!(of("/user.slice/session-1.scope"), None);
        assert_eq!(of("/"), None);
        assert_eq!(service_in("1:name=systemd:/a.service\n"), None);
    }

    #[test]
    fn the_unified_hierarchy_is_found_beside_others() {
        let text = "30 24 0:26 / /sys/fs/cgroup ro - tmpfs tmpfs ro\n\
                    31 30 0:27 / /sys/fs/cgroup/unified rw,nosuid shared:9 - cgroup2 cgroup2 rw\n";
        assert_eq!(mounted_in(text), Some("/sys/fs/cgroup/unified"));
        assert_eq!(mounted_in("30 24 0:26 / / rw - ext4 /dev/sda rw\n"), None);
    }

    #[test]
    fn members_are_those_of_all_sub_groups_but_systemds_own() {
        let folder = tempfile::tempdir().unwrap();
        for (group, pids) in [
            ("", "1\n2\n"),
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
