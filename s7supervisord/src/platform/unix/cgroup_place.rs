//! Where the daemon's cgroup lies, and what the kernel's files about cgroups say.

use std::ffi::OsStr;
use std::fs;
use std::path::{Component, Path, PathBuf};

use super::cgroup::LEAF;

/// The cgroup that was delegated to this daemon, if any: its own, or that around the leaf in which it lives already.
pub fn delegated() -> Option<PathBuf> {
    let own = own()?;
    let around = own.parent().filter(|_| own.ends_with(LEAF));
    around
        .into_iter()
        .chain([own.as_path()])
        .find(|folder| is_delegated(folder))
        .map(Path::to_owned)
}

/// The cgroup that this process lives in.
pub fn own() -> Option<PathBuf> {
    folder_of(&path_of("self")?, &mounts()?)
}

/// Whether systemd (or whoever stands in its place) says so: `trusted.delegate` in older versions, which only root can read.
fn is_delegated(folder: &Path) -> bool {
    ["user.delegate", "trusted.delegate"].iter().any(|name| {
        let mut value = [0; 8];
        rustix::fs::getxattr(folder, *name, &mut value).is_ok_and(|length| value.get(..length) == Some(b"1"))
    })
}

/// The path of the cgroup (v2) of `process`, a number or "self"; from the root of the hierarchy.
pub fn path_of(process: &str) -> Option<PathBuf> {
    let text = fs::read_to_string(format!("/proc/{process}/cgroup")).ok()?;
    Some(own_path(&text)?.to_owned())
}

/// The path of a process's cgroup (v2) in `/proc/PID/cgroup`.
fn own_path(text: &str) -> Option<&Path> {
    text.lines()
        .find_map(|line| line.strip_prefix("0::"))
        .map(Path::new)
}

/// Where the cgroup `path` lies, as `/proc/self/mountinfo` has it.
pub fn folder_of(path: &Path, mounts: &str) -> Option<PathBuf> {
    // Outside of this process's cgroup namespace.
    if path.components().any(|part| part == Component::ParentDir) {
        return None;
    }
    mounts.lines().find_map(|line| {
        let (mount, file_system) = line.split_once(" - ")?;
        if file_system.split(' ').next() != Some("cgroup2") {
            return None;
        }
        let mut fields = mount.split(' ').skip(3);
        let (root, point) = (unescaped(fields.next()?)?, unescaped(fields.next()?)?);
        Some(point.join(path.strip_prefix(root).ok()?))
    })
}

/// The text of `/proc/self/mountinfo` (proc_pid_mountinfo(5)).
pub fn mounts() -> Option<String> {
    fs::read_to_string("/proc/self/mountinfo").ok()
}

/// Spaces, tabs, newlines and backslashes are three octal digits there.
fn unescaped(field: &str) -> Option<PathBuf> {
    let mut parts = field.split('\\');
    let mut text = parts.next()?.to_owned();
    for part in parts {
        text.push(char::from(u8::from_str_radix(part.get(..3)?, 8).ok()?));
        text.push_str(part.get(3..)?);
    }
    Some(text.into())
}

/// The component and the number of a run, from the name of its cgroup.
pub fn run_in_name(name: &str) -> Option<(&str, u64)> {
    let (component, run) = name.rsplit_once('.')?;
    let digits = !run.is_empty() && run.bytes().all(|byte| byte.is_ascii_digit());
    Some((
        component,
        run.parse().ok().filter(|_| digits && !component.is_empty())?,
    ))
}

/// The number behind a name, in files like `cgroup.events`.
pub fn counter(text: &str, name: &str) -> Option<u64> {
    text.lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok())
}

/// A cgroup and those below it, each before its own; none whose name isn't `wanted`, and nothing below such a one.
pub fn with_those_below(folder: &Path, wanted: impl Fn(&OsStr) -> bool) -> Vec<PathBuf> {
    let mut found = vec![folder.to_owned()];
    let mut next = 0;
    // A component may make what it likes; the rest is found when these are gone.
    while next < found.len() && found.len() < 4096 {
        let entries = fs::read_dir(&found[next]).into_iter().flatten().flatten();
        let below = entries
            .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
            .filter(|entry| wanted(&entry.file_name()));
        found.extend(below.map(|entry| entry.path()));
        next += 1;
    }
    found
}

/// The processes that live in these cgroups themselves.
pub fn members(cgroups: &[PathBuf]) -> Vec<u32> {
    let mut members = Vec::new();
    for folder in cgroups {
        let text = fs::read_to_string(folder.join("cgroup.procs")).unwrap_or_default();
        // 0 stands for a process that this one's pid namespace doesn't know.
        members.extend(
            text.lines()
                .filter_map(|line| line.parse::<u32>().ok())
                .filter(|pid| *pid != 0),
        );
    }
    members
}

#[cfg(test)]
mod tests {
    use super::*;

    const HYBRID: &str = "\
24 1 0:22 / /proc rw,relatime shared:5 - proc proc rw
31 24 0:27 / /sys/fs/cgroup/pids rw,relatime shared:9 - cgroup cgroup rw,pids
35 24 0:31 / /sys/fs/cgroup/unified rw,relatime shared:12 - cgroup2 cgroup2 rw";

    #[test]
    fn the_folder_is_found_in_both_layouts() {
        let own = own_path("8:pids:/\n0::/system.slice/a.service\n").unwrap();
        assert_eq!(
            folder_of(own, HYBRID).unwrap(),
            Path::new("/sys/fs/cgroup/unified/system.slice/a.service")
        );
        let unified = "35 24 0:31 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw";
        assert_eq!(
            folder_of(own, unified).unwrap(),
            Path::new("/sys/fs/cgroup/system.slice/a.service")
        );
        assert_eq!(own_path("1:name=systemd:/x\n"), None);
        assert_eq!(folder_of(own, "24 1 0:22 / /proc rw - proc proc rw"), None);
    }

    #[test]
    fn a_container_sees_a_part_of_the_hierarchy() {
        let bound = "35 24 0:31 /pod/a /sys/fs/cg\\040roup ro - cgroup2 cgroup2 ro";
        assert_eq!(
            folder_of(Path::new("/pod/a/b"), bound).unwrap(),
            Path::new("/sys/fs/cg roup/b")
        );
        assert_eq!(folder_of(Path::new("/pod/b"), bound), None);
        assert_eq!(folder_of(Path::new("/../b"), HYBRID), None);
    }

    #[test]
    fn only_the_cgroups_of_runs_have_names_of_runs() {
        assert_eq!(run_in_name("text-1.17"), Some(("text-1", 17)));
        assert_eq!(run_in_name("a.b.3"), Some(("a.b", 3)));
        for other in ["daemon", ".control", "a.", ".7", "a.+7", "a.7b"] {
            assert_eq!(run_in_name(other), None, "{other}");
        }
    }

    #[test]
    fn a_counter_is_told_from_those_with_longer_names() {
        let events = "low 0\noom 3\noom_kill 2\noom_group_kill 1\n";
        assert_eq!(counter(events, "oom_kill"), Some(2));
        assert_eq!(counter(events, "oom"), Some(3));
        assert_eq!(counter(events, "oom_"), None);
    }
}
