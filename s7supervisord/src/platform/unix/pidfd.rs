//! Descriptors of processes: who somebody is beyond a number, and how somebody has ended who isn't a child.

use super::words::exit_of_wait;
use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::process::{Pid, PidfdFlags, Signal, WaitId, WaitIdOptions};
use s7proto::status::Exit;
use std::collections::HashSet;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};
use std::sync::OnceLock;

/// `PIDFS_MAGIC` of linux/magic.h: what a descriptor of a process is on since Linux 6.9. Before, all of them had one inode.
const PIDFS: u64 = 0x5049_4446;

/// Holds on to a process.
#[must_use]
pub fn open(pid: u32) -> Option<OwnedFd> {
    let pid = Pid::from_raw(i32::try_from(pid).ok()?)?;
    rustix::process::pidfd_open(pid, PidfdFlags::empty()).ok()
}

/// Sends `signals` to those of `found` that `look` finds again once all of them are held: what was somebody else's number by
/// then isn't among them, or is gone. Gives those that were sent to; no more of them than descriptors may be open, so
/// that who has many to end looks again.
pub fn signal(
    found: impl IntoIterator<Item = u32>,
    signals: &[Signal],
    look: impl FnOnce() -> HashSet<u32>,
) -> Vec<u32> {
    let open = |pid| Some((pid, open(pid)?));
    let mut held: Vec<(u32, OwnedFd)> = found.into_iter().filter_map(open).collect();
    if held.is_empty() {
        return Vec::new();
    }
    let still = look();
    held.retain(|(pid, _)| still.contains(pid));
    for (_, held) in &held {
        for signal in signals {
            // It may have ended in between, which is what is wanted.
            let _ = rustix::process::pidfd_send_signal(held, *signal);
        }
    }
    held.into_iter().map(|(pid, _)| pid).collect()
}

/// Whether the inode of a descriptor is a number that no other process of this boot ever gets.
#[must_use]
pub fn has_identity() -> bool {
    static IDENTITY: OnceLock<bool> = OnceLock::new();
    *IDENTITY.get_or_init(|| {
        let own = rustix::process::pidfd_open(rustix::process::getpid(), PidfdFlags::empty());
        let stat = own.and_then(rustix::fs::fstatfs);
        stat.is_ok_and(|stat| u64::try_from(stat.f_type).is_ok_and(|kind| kind == PIDFS))
    })
}

/// The number of a process that nobody else of this boot ever gets; `None` where the kernel has no such.
#[must_use]
pub fn inode(pidfd: BorrowedFd<'_>) -> Option<u64> {
    let stat = rustix::fs::fstat(pidfd).ok().filter(|_| has_identity())?;
    Some(stat.st_ino)
}

/// Whether it is a child of this process, so that this one is who reaps it.
#[must_use]
pub fn is_child(pidfd: BorrowedFd<'_>) -> bool {
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
    !matches!(
        rustix::process::waitid(WaitId::PidFd(pidfd), options),
        Err(rustix::io::Errno::CHILD)
    )
}

/// Whether all of it has ended, reaped or not: a state of "zombie" says that of its first thread alone.
#[must_use]
pub fn has_ended(pidfd: BorrowedFd<'_>) -> bool {
    let mut asked = [PollFd::new(&pidfd, PollFlags::IN)];
    let now = Timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    !matches!(rustix::event::poll(&mut asked, Some(&now)), Ok(0))
}

/// How a process has ended that isn't a child, as far as the kernel tells: by its descriptor once it was reaped (Linux 6.15),
/// or by what is left of it before.
#[must_use]
pub fn exit_of_stranger(pidfd: BorrowedFd<'_>, pid: u32) -> Exit {
    exit_by_info(pidfd)
        .or_else(|| exit_of_remains(pidfd, pid))
        // It was reaped between the two looks.
        .or_else(|| exit_by_info(pidfd))
        .unwrap_or(Exit::Unknown)
}

/// `struct pidfd_info` of linux/pidfd.h, as it was first.
#[repr(C)]
#[derive(Default)]
struct Info {
    mask: u64,
    cgroup: u64,
    /// pid, tgid, ppid, and four pairs of user and group.
    ids: [u32; 11],
    exit_code: i32,
}

/// `PIDFD_INFO_EXIT`: the exit status is wanted, and is there.
const INFO_EXIT: u64 = 1 << 3;
/// `_IOWR(0xFF, 11, struct pidfd_info)`: read and write, the size, the type, the number.
const GET_INFO: libc::Ioctl = (3 << 30 | (size_of::<Info>() << 16) | 0xFF << 8 | 11) as libc::Ioctl;

fn exit_by_info(pidfd: BorrowedFd<'_>) -> Option<Exit> {
    let mut info = Info {
        mask: INFO_EXIT,
        ..Info::default()
    };
    // SAFETY: `info` is as large as the request's number says, and the kernel writes no more than that.
    let asked = unsafe { libc::ioctl(pidfd.as_raw_fd(), GET_INFO, &raw mut info) };
    (asked == 0 && info.mask & INFO_EXIT != 0).then(|| exit_of_wait(info.exit_code))
}

/// `PIDFD_INFO_CGROUPID`: the number of its cgroup is wanted, and is there (Linux 6.13).
const INFO_CGROUP: u64 = 1 << 2;

/// The number of the cgroup (v2) that a process lives in, or was in when it was reaped (Linux 6.15).
#[must_use]
pub fn cgroup(pidfd: BorrowedFd<'_>) -> Option<u64> {
    let mut info = Info {
        mask: INFO_CGROUP | INFO_EXIT,
        ..Info::default()
    };
    // SAFETY: as in `exit_by_info`.
    let asked = unsafe { libc::ioctl(pidfd.as_raw_fd(), GET_INFO, &raw mut info) };
    (asked == 0 && info.mask & INFO_CGROUP != 0).then_some(info.cgroup)
}

/// Whether it is there, as long as nobody has reaped it: until then its number is its own.
#[must_use]
pub fn is_there(pidfd: BorrowedFd<'_>) -> bool {
    // SAFETY: a plain system call; signal 0 only asks.
    let asked = unsafe {
        libc::syscall(
            libc::SYS_pidfd_send_signal,
            pidfd.as_raw_fd(),
            0,
            std::ptr::null::<()>(),
            0,
        )
    };
    // Who must not be signalled is there.
    asked == 0 || std::io::Error::last_os_error().raw_os_error() == Some(libc::EPERM)
}

/// From `/proc/<pid>/stat`: the state is field 3, the wait status field 52 (proc(5)), which root and the own user can read.
fn exit_of_remains(pidfd: BorrowedFd<'_>, pid: u32) -> Option<Exit> {
    let stat = std::fs::read(format!("/proc/{pid}/stat")).ok()?;
    // The number was its own when this was read, since it is not reaped even now.
    if !is_there(pidfd) {
        return None;
    }
    let after_name = stat.iter().rposition(|byte| *byte == b')')? + 2;
    let text = std::str::from_utf8(stat.get(after_name..)?).ok()?;
    let mut fields = text.split_ascii_whitespace();
    if fields.next()? != "Z" {
        return None;
    }
    fields.nth(52 - 3 - 1)?.parse().ok().map(exit_of_wait)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::fd::AsFd;
    use std::process::{Command, Stdio};

    fn child(script: &str) -> (std::process::Child, OwnedFd) {
        let child = Command::new("/bin/sh")
            .args(["-c", script])
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        let pidfd = open(child.id()).unwrap();
        (child, pidfd)
    }

    fn ended(pidfd: &OwnedFd) {
        let mut poll = [rustix::event::PollFd::new(pidfd, rustix::event::PollFlags::IN)];
        let limit = rustix::event::Timespec {
            tv_sec: 20,
            tv_nsec: 0,
        };
        assert_eq!(rustix::event::poll(&mut poll, Some(&limit)), Ok(1));
    }

    #[test]
    fn every_process_has_a_number_of_its_own_where_the_kernel_gives_one() {
        let (mut one, first) = child("read line");
        let (mut two, second) = child("read line");
        let again = open(one.id()).unwrap();
        assert_eq!(inode(first.as_fd()), inode(again.as_fd()));
        assert_eq!(inode(first.as_fd()).is_some(), has_identity());
        if has_identity() {
            assert_ne!(inode(first.as_fd()), inode(second.as_fd()));
        } else {
            eprintln!("this kernel gives no inode to each process: only that none is claimed was tested");
        }
        assert!(is_child(first.as_fd()));
        for child in [&mut one, &mut two] {
            drop(child.stdin.take());
            child.wait().unwrap();
        }
        assert!(!is_child(first.as_fd()));
    }

    #[test]
    fn how_somebody_has_ended_is_known_before_and_after_they_are_reaped() {
        for (script, exit) in [
            ("exit 42", Exit::Code(42)),
            (
                "kill -9 $$",
                Exit::Signal {
                    name: "SIGKILL".to_owned(),
                    core: false,
                },
            ),
        ] {
            let (mut child, pidfd) = child(script);
            ended(&pidfd);
            assert_eq!(
                exit_of_stranger(pidfd.as_fd(), child.id()),
                exit,
                "its remains tell"
            );
            child.wait().unwrap();
            let after = exit_of_stranger(pidfd.as_fd(), child.id());
            // Before Linux 6.15 nobody knows any more.
            let release = rustix::system::uname().release().to_string_lossy().into_owned();
            let mut numbers = release
                .split(['.', '-'])
                .map_while(|word| word.parse::<u32>().ok());
            if (numbers.next(), numbers.next()) >= (Some(6), Some(15)) {
                assert_eq!(after, exit);
            } else {
                eprintln!("Linux {release} doesn't tell how a process has ended that was reaped");
                assert_eq!(after, Exit::Unknown);
            }
        }
        let (mut child, pidfd) = child("read line");
        assert_eq!(
            exit_of_stranger(pidfd.as_fd(), child.id()),
            Exit::Unknown,
            "it lives"
        );
        drop(child.stdin.take());
        child.wait().unwrap();
    }
}
