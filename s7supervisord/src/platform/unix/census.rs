//! Who is there: reading `/proc` about processes, without ever waiting for one of them.

use super::command_mark::{self, CommandMark, Kind};
use rustix::process::Signal;
use std::fs::File;
use std::os::fd::AsFd;
use std::os::unix::fs::FileExt;

/// Enough for most environments and for the children of a daemon with many orphans; what is longer is read in several
/// turns.
const FIRST_READ: usize = 4096;

/// The children that the kernel has given to this daemon because their own parent ended (it is a subreaper).
///
/// They land with the daemon's first thread, and no run is created from that thread, so its list holds nothing else.
pub struct Orphans {
    list: File,
}

impl Orphans {
    /// Opens the list.
    ///
    /// # Errors
    /// The kernel was built without `CONFIG_PROC_CHILDREN`, or `/proc` isn't mounted.
    pub fn open() -> std::io::Result<Self> {
        let pid = std::process::id();
        Ok(Self {
            list: File::open(format!("/proc/self/task/{pid}/children"))?,
        })
    }

    /// Their process ids, now.
    #[must_use]
    pub fn list(&self) -> Vec<u32> {
        numbers(&contents(&self.list))
    }
}

/// All that a file of `/proc` has, as far as it can be read. Such a file has no size to ask for beforehand.
fn contents(file: &File) -> Vec<u8> {
    let mut text = vec![0u8; FIRST_READ];
    let mut length = 0;
    loop {
        match file.read_at(&mut text[length..], length as u64) {
            Ok(0) | Err(_) => break,
            Ok(read) => {
                length += read;
                if length == text.len() {
                    text.resize(length * 2, 0);
                }
            }
        }
    }
    text.truncate(length);
    text
}

/// The numbers of a list of children.
#[must_use]
pub fn numbers(text: &[u8]) -> Vec<u32> {
    String::from_utf8_lossy(text)
        .split_ascii_whitespace()
        .filter_map(|word| word.parse().ok())
        .collect()
}

/// The number of the newest process or thread, of those that are in the same pid namespace or below: as long as it stays the
/// same, none is created. `None` where that can't be told, as where somebody has put another file over the kernel's (lxcfs).
#[must_use]
pub fn newest() -> Option<u32> {
    let file = File::open("/proc/loadavg").ok()?;
    let about = rustix::fs::fstatfs(&file).ok()?;
    if about.f_type != rustix::fs::PROC_SUPER_MAGIC {
        return None;
    }
    let text = contents(&file);
    let last = std::str::from_utf8(&text).ok()?.split_ascii_whitespace().last()?;
    last.parse().ok().filter(|number| *number > 0)
}

/// The children of all threads of `pid`; none if it is gone.
#[must_use]
pub fn children(pid: u32) -> Vec<u32> {
    let Ok(tasks) = std::fs::read_dir(format!("/proc/{pid}/task")) else {
        return Vec::new();
    };
    tasks
        .flatten()
        .filter_map(|task| std::fs::read(task.path().join("children")).ok())
        .flat_map(|text| numbers(&text))
        .collect()
}

/// The fields of `/proc/<pid>/stat` that matter here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stat {
    /// 'Z' for a process that has ended and wasn't reaped yet. Only shown, never taken for a death.
    pub state: char,
    /// Its parent.
    pub parent: u32,
    /// Its process group.
    pub group: u32,
    /// Its session.
    pub session: u32,
    /// CPU time in user and kernel mode, in clock ticks.
    pub ticks: u64,
    /// When it was created, in clock ticks since the machine's boot.
    pub started: u64,
}

/// Looks at one process; `None` if it is gone.
#[must_use]
pub fn stat(pid: u32) -> Option<Stat> {
    parse_stat(&contents(&File::open(format!("/proc/{pid}/stat")).ok()?))
}

fn parse_stat(text: &[u8]) -> Option<Stat> {
    // The name in parentheses may hold anything, parentheses and newlines included, so from the last one on.
    let after = text.iter().rposition(|byte| *byte == b')')?;
    let rest = std::str::from_utf8(text.get(after + 1..)?).ok()?;
    let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
    let number = |index: usize| fields.get(index)?.parse::<u64>().ok();
    let id = |index: usize| number(index).and_then(|value| u32::try_from(value).ok());
    Some(Stat {
        state: fields.first()?.chars().next()?,
        parent: id(1)?,
        group: id(2)?,
        session: id(3)?,
        ticks: number(11)? + number(12)?,
        started: number(19)?,
    })
}

/// Whether this signal, whose default is the end, would end `pid`: it neither catches nor ignores nor blocks it. `false` where
/// that can't be told.
#[must_use]
pub fn would_end(pid: u32, signal: Signal) -> bool {
    let status = File::open(format!("/proc/{pid}/status")).map(|file| contents(&file));
    status.is_ok_and(|status| is_default(&String::from_utf8_lossy(&status), signal) == Some(true))
}

fn is_default(status: &str, signal: Signal) -> Option<bool> {
    let mask = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name))?;
        u64::from_str_radix(line.trim(), 16).ok()
    };
    let any = mask("SigBlk:")? | mask("SigIgn:")? | mask("SigCgt:")?;
    Some(any & (1 << (signal.as_raw() - 1)) == 0)
}

/// What stands in the environment of a process that a supervisor has started.
pub struct Marker {
    /// The component.
    pub component: String,
    /// Its run.
    pub run: u64,
    /// The command beside that run which it is or comes from, if so.
    pub command: Option<CommandMark>,
}

impl Marker {
    /// The component and the run that it ends with; `None` for who is only told of the run.
    #[must_use]
    pub fn of_run(self) -> Option<(String, u64)> {
        let outlives = self.command.is_some_and(|mark| mark.kind == Kind::Failure);
        (!outlives).then_some((self.component, self.run))
    }
}

/// What the environment says of a process that the supervisor `instance` has started.
///
/// It may wait for that process's memory, so never on the core loop.
#[must_use]
pub fn marker(pid: u32, instance: &str) -> Option<Marker> {
    let environment = environment(pid)?;
    let value = |name: &str| value(&environment, name);
    // Other supervisors on this machine have components of the same names.
    value("S7_INSTANCE").filter(|of| of == instance)?;
    Some(Marker {
        component: value("S7_COMPONENT")?,
        run: value("S7_RUN")?.parse().ok()?,
        command: value(command_mark::VARIABLE).and_then(|mark| CommandMark::parse(&mark)),
    })
}

/// A variable in the environment of a process. May wait as [`marker`].
#[must_use]
pub fn variable(pid: u32, name: &str) -> Option<String> {
    value(&environment(pid)?, name)
}

fn environment(pid: u32) -> Option<Vec<u8>> {
    Some(contents(&File::open(format!("/proc/{pid}/environ")).ok()?))
}

fn value(environment: &[u8], name: &str) -> Option<String> {
    environment.split(|byte| *byte == 0).find_map(|variable| {
        std::str::from_utf8(variable)
            .ok()?
            .strip_prefix(name)?
            .strip_prefix('=')
            .map(str::to_owned)
    })
}

/// Whether `pid` lives: its descriptor tells, not its state, which says "zombie" as soon as its first thread has ended.
#[must_use]
pub fn lives(pid: u32) -> bool {
    super::pidfd::open(pid).is_some_and(|pidfd| !super::pidfd::has_ended(pidfd.as_fd()))
}

/// The paths of the files that `pid` holds open, as far as they can be seen: those of every thread, since a first thread
/// that has ended has none.
pub fn open_files(pid: u32) -> impl Iterator<Item = std::path::PathBuf> {
    std::fs::read_dir(format!("/proc/{pid}/task"))
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|task| std::fs::read_dir(task.path().join("fd")).ok())
        .flatten()
        .flatten()
        .filter_map(|entry| std::fs::read_link(entry.path()).ok())
}

/// All processes of the machine. Only where a daemon begins or something is known to be wrong.
pub fn everyone() -> impl Iterator<Item = u32> {
    std::fs::read_dir("/proc")
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}

/// The process and all its descendants that can be reached now, itself first.
#[must_use]
pub fn tree(pid: u32) -> Vec<u32> {
    walk(pid, children)
}

/// As [`tree`], each one's children being what `born` says.
pub fn walk(pid: u32, mut born: impl FnMut(u32) -> Vec<u32>) -> Vec<u32> {
    let mut found = vec![pid];
    let mut next = 0;
    // A tree this large is a fork bomb; the rest is found in the next turn.
    while next < found.len() && found.len() < 65_536 {
        found.extend(born(found[next]));
        next += 1;
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_name_with_parentheses_and_spaces_does_not_shift_the_fields() {
        let text = b"42 (a) b (c)) S 7 8 9 0 -1 4194304 1 2 3 4 11 12 0 0 20 0 1 0 777 1 2 3";
        let stat = parse_stat(text).unwrap();
        assert_eq!(
            (stat.state, stat.parent, stat.group, stat.session),
            ('S', 7, 8, 9)
        );
        assert_eq!((stat.ticks, stat.started), (23, 777));
        assert_eq!(parse_stat(b"42 (x"), None);
    }

    #[test]
    fn a_signal_ends_whoever_neither_catches_nor_ignores_nor_blocks_it() {
        let status = |blocked, ignored, caught| {
            format!("Name:\tSigCgt:\nShdPnd:\t4\nSigBlk:\t{blocked}\nSigIgn:\t{ignored}\nSigCgt:\t{caught}\n")
        };
        let (none, quit) = ("0000000000000000", "0000000000000004");
        let ends = |text: &str| is_default(text, Signal::QUIT);
        assert_eq!(ends(&status(none, none, "fffffffffffffffb")), Some(true));
        for text in [
            status(quit, none, none),
            status(none, quit, none),
            status(none, none, quit),
        ] {
            assert_eq!(ends(&text), Some(false), "{text}");
        }
        assert_eq!(ends("SigCgt:\t4\n"), None);
        assert!(!would_end(u32::MAX, Signal::QUIT), "nobody is there to be ended");
    }

    #[test]
    fn this_process_is_found_with_its_child() {
        let mut child = std::process::Command::new("sleep").arg("100").spawn().unwrap();
        let own = std::process::id();
        assert!(children(own).contains(&child.id()));
        assert_eq!(stat(child.id()).unwrap().parent, own);
        child.kill().unwrap();
        child.wait().unwrap();
    }
}
