//! The daemon's own process.

use super::binary::Binary;
use super::handed::{Handing, Socket};
use super::inherited::{Dispositions, Inherited};
use crate::failpoint::{self, Point};
use rustix::process::Resource;
use std::convert::Infallible;
use std::ffi::CString;
use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};

/// What the daemon is called in ps(1) and the kernel's messages.
const NAME: &str = "s7supervisord";

/// Whether the daemon runs for the whole machine: as root.
#[must_use]
pub fn is_privileged() -> bool {
    rustix::process::geteuid().is_root()
}

/// Whether components of the daemon can be run as `user` (a name or a number): all users by root, else its own alone.
#[must_use]
pub fn can_become(user: &str) -> bool {
    let own = nix::unistd::geteuid();
    let number = || match nix::unistd::User::from_name(user) {
        Ok(found) => found.map(|found| found.uid.as_raw()),
        // It can't be looked up now; whether there is such a user is found out when it is needed.
        Err(_) => Some(own.as_raw()),
    };
    own.is_root() || user.parse().ok().or_else(number) == Some(own.as_raw())
}

/// Whether the daemon is the first process of a container (or of the machine): all that is left by others comes to it.
#[must_use]
pub fn is_first() -> bool {
    std::process::id() == 1
}

/// Whether `pid` is a process other than this one, and not only its remains, that may have the file at `path` open: whose
/// files can't be seen may.
#[must_use]
pub fn may_hold(pid: u32, path: &Path) -> bool {
    if pid == std::process::id() || !super::census::lives(pid) {
        return false;
    }
    // So the kernel names what is open.
    let Ok(path) = std::fs::canonicalize(path) else {
        return true;
    };
    match std::fs::read_dir(format!("/proc/{pid}/fd")) {
        Ok(_) => super::census::open_files(pid).any(|open| open == path),
        // It has ended, or is somebody else's.
        Err(error) => error.kind() != io::ErrorKind::NotFound,
    }
}

/// Whether this build can supervise at all on this system.
///
/// # Errors
/// Why not.
pub fn can_supervise() -> Result<(), String> {
    Ok(())
}

/// Has the process called by the daemon's name in ps(1) and the kernel's messages: one that was executed through a
/// descriptor would else be called by the descriptor's number.
pub fn set_process_name() {
    // The name of the first thread is that of the process. It only serves people, so nothing depends on it.
    let _ = rustix::thread::set_name(&CString::new(NAME).unwrap_or_default());
}

/// Makes the modes of what the daemon creates independent of who has started it.
pub fn set_file_mode_mask() {
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o022));
}

/// Lets the daemon have as many descriptors as it may at all: it needs some for each component and each client, and the
/// usual soft limit (1024) is for programs that use `select`. Components get the limit that the daemon was started with.
pub fn raise_descriptor_limit() {
    let mut limit = rustix::process::getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    // Where that is refused the daemon has what it had.
    let _ = rustix::process::setrlimit(Resource::Nofile, limit);
}

/// How many descriptors the daemon may have open; `usize::MAX` for no limit.
#[must_use]
pub fn descriptor_limit() -> usize {
    let limit = rustix::process::getrlimit(Resource::Nofile).current;
    limit
        .and_then(|limit| usize::try_from(limit).ok())
        .unwrap_or(usize::MAX)
}

/// Reserves `bytes` of space behind the end of `file`, where the file system can.
pub fn reserve(file: &File, bytes: u64) {
    // Without the reservation a full disk may cost a record; that is told when it happens.
    let _ = rustix::fs::fallocate(file, rustix::fs::FallocateFlags::KEEP_SIZE, 0, bytes);
}

/// Nanoseconds since the machine's boot, suspended or not.
#[must_use]
pub fn since_boot_ns() -> u64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    let seconds = u64::try_from(now.tv_sec).unwrap_or(0);
    seconds
        .saturating_mul(1_000_000_000)
        .saturating_add(u64::try_from(now.tv_nsec).unwrap_or(0))
}

/// Whether an open file has no name any more.
#[must_use]
pub fn is_removed(file: &File) -> bool {
    rustix::fs::fstat(file).is_ok_and(|stat| stat.st_nlink == 0)
}

/// Whether an open file is the one at `path`.
#[must_use]
pub fn is_at(file: impl AsFd, path: &Path) -> bool {
    let (Ok(open), Ok(named)) = (rustix::fs::fstat(file), rustix::fs::stat(path)) else {
        return false;
    };
    (open.st_dev, open.st_ino) == (named.st_dev, named.st_ino)
}

/// The supervisor, other than this one, that lives and has held the lock at `path` until somebody removed that: it is called
/// as a supervisor is, and has what lay there open. Looks at all processes of the machine, at most of them by their names.
#[must_use]
pub fn supervises_without(path: &Path) -> Option<u32> {
    // So the kernel names a file that has no name any more.
    let removed = PathBuf::from(format!("{} (deleted)", path.display()));
    super::census::everyone().find(|pid| {
        *pid != std::process::id()
            && std::fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|name| name.trim_end() == NAME)
            && super::census::lives(*pid)
            && super::census::open_files(*pid).any(|open| open == removed)
    })
}

/// What is created so can be read by nobody but the daemon's user, and no link is followed to it.
pub fn private(options: &mut std::fs::OpenOptions) -> &mut std::fs::OpenOptions {
    use std::os::unix::fs::OpenOptionsExt;
    options.mode(0o600).custom_flags(libc::O_NOFOLLOW)
}

/// Creates a file that nobody but the daemon's user can read.
///
/// # Errors
/// It is there already, or can't be created.
pub fn create_private(path: &Path) -> io::Result<File> {
    use std::os::unix::fs::OpenOptionsExt;
    File::options()
        .append(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
}

/// Ends this process as a power cut would.
pub fn end_at_once() -> ! {
    // SAFETY: a plain system call on this process. Nothing of it is executed afterwards.
    unsafe { libc::kill(libc::getpid(), libc::SIGKILL) };
    std::process::abort()
}

/// Whether this system can execute another program in place of this one.
#[must_use]
pub fn can_begin_anew() -> bool {
    true
}

/// Sockets of runs that the next image gets: it is told of them in one variable, which may have 128 KiB (execve(2)). The others
/// are made anew.
const NOTIFY_SOCKETS: usize = 4096;

/// Executes `binary` in place of this program: in the same process, with the same arguments. The next image gets the lock and
/// the listening socket, those where runs tell of themselves (`notify`), and `from`, this version, where components run on
/// meanwhile. Comes back only if that fails, and then everything is as it was.
///
/// # Errors
/// The binary can't be executed.
pub fn begin_anew(
    inherited: Inherited,
    binary: &Binary,
    lock: &File,
    listener: Option<&Socket>,
    notify: &[&Socket],
    lost: Option<&File>,
    from: Option<&str>,
) -> io::Result<Infallible> {
    let mut open = vec![("lock", lock.as_fd())];
    open.extend(lost.map(|lost| ("lost", lost.as_fd())));
    open.extend(listener.map(|listener| ("listen", listener.as_fd())));
    let notify = notify.iter().take(NOTIFY_SOCKETS);
    open.extend(notify.map(|socket| ("notify", socket.as_fd())));
    let handing = Handing::open(open)?;
    let mut command = binary.command(binary.name().into());
    command.args(std::env::args_os().skip(1));
    let (variable, mask) = inherited.hand_over();
    command.env(variable, mask);
    let (variable, handed) = handing.variable(inherited.since_ns(), from);
    command.env(variable, handed);
    command.envs(failpoint::for_next_image());
    failpoint::reach(Point::UpgradeBeforeExec);
    let own = Dispositions::present();
    // SAFETY: only system calls. It comes after the standard library has set SIGPIPE to its own liking.
    unsafe {
        command.pre_exec(move || {
            inherited.restore();
            Ok(())
        });
    }
    let error = command.exec();
    own.restore();
    raise_descriptor_limit();
    Err(error)
}

/// Whether this error number says that the machine or this process is short of something for the moment.
#[must_use]
pub fn is_want(errno: i32) -> bool {
    matches!(
        errno,
        libc::EAGAIN | libc::ENOMEM | libc::EMFILE | libc::ENFILE | libc::ENOBUFS | libc::ENOSPC
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::{Command, Stdio};

    fn child(input: Stdio) -> std::process::Child {
        Command::new("sleep").arg("100").stdin(input).spawn().unwrap()
    }

    #[test]
    fn who_may_hold_a_file_is_somebody_else_who_lives_and_has_it_open() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lock");
        std::fs::write(&path, "").unwrap();
        let own = File::open(&path).unwrap();
        let mut holder = child(own.try_clone().unwrap().into());
        let mut foreign = child(Stdio::null());
        // By a name that isn't the one that the kernel has for it.
        let link = folder.path().join("link");
        std::os::unix::fs::symlink(folder.path(), &link).unwrap();
        let answers = [holder.id(), foreign.id(), std::process::id()]
            .map(|pid| may_hold(pid, &path) && may_hold(pid, &link.join("lock")));
        holder.kill().unwrap();
        foreign.kill().unwrap();
        foreign.wait().unwrap();
        let remains = child_has_ended(&holder) && may_hold(holder.id(), &path);
        holder.wait().unwrap();
        assert_eq!(answers, [true, false, false]);
        assert!(!remains);
        assert!(!may_hold(holder.id(), &path));
    }

    fn child_has_ended(child: &std::process::Child) -> bool {
        use rustix::process::{Pid, WaitId, WaitIdOptions, waitid};
        let pid = Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap();
        waitid(WaitId::Pid(pid), WaitIdOptions::EXITED | WaitIdOptions::NOWAIT).is_ok()
    }
}
