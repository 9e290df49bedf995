//! The output pipe of one run: a FIFO with a name, so that the next daemon finds it again (reliability E3). Where it can't have one,
//! it is a pipe without.

use super::budget::LEAST;
use crate::output::failure::doing;
use crate::state::known::{Holder, OutputPipe};
use rustix::event::{PollFd, PollFlags};
use rustix::fs::{AtFlags, FileType, Mode, OFlags};
use rustix::pipe::PipeFlags;
use rustix::process::{Gid, Uid};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::Path;

/// Both ends of a new pipe.
pub(super) struct Ends {
    /// The daemon's: non-blocking.
    pub(super) read: OwnedFd,
    /// The component's: blocking, and open for reading too, so that it lives without the daemon.
    pub(super) child: OwnedFd,
    /// How many bytes it holds.
    pub(super) capacity: usize,
}

/// Makes and opens the FIFO `name` in `folder`, owned by `owner` (uid, gid) where given, for `wanted` bytes where the kernel
/// allows.
///
/// A leftover of that name is replaced: a process that still has it open keeps it, without a name.
pub(super) fn make(
    folder: BorrowedFd<'_>,
    name: &str,
    owner: Option<(u32, u32)>,
    wanted: usize,
) -> io::Result<Ends> {
    let mode = Mode::RUSR | Mode::WUSR;
    match rustix::fs::mkfifoat(folder, name, mode) {
        Err(rustix::io::Errno::EXIST) => {
            rustix::fs::unlinkat(folder, name, AtFlags::empty())?;
            rustix::fs::mkfifoat(folder, name, mode)?;
        }
        made => made?,
    }
    open(folder, name, owner, wanted).inspect_err(|_| {
        // The pipe is of no use to anybody, and the error that counts is the one being returned.
        let _ = rustix::fs::unlinkat(folder, name, AtFlags::empty());
    })
}

/// As [`make`], where `folder` is still the one at `path`: one that was moved away would take the FIFO, where no next daemon looks.
pub(super) fn make_at(
    path: &Path,
    folder: BorrowedFd<'_>,
    name: &str,
    owner: Option<(u32, u32)>,
    wanted: usize,
) -> io::Result<Ends> {
    if super::process::is_at(folder, path) {
        make(folder, name, owner, wanted)
    } else {
        Err(io::ErrorKind::NotFound.into())
    }
}

fn open(folder: BorrowedFd<'_>, name: &str, owner: Option<(u32, u32)>, wanted: usize) -> io::Result<Ends> {
    let flags = OFlags::CLOEXEC | OFlags::NOFOLLOW | OFlags::NOCTTY;
    let read = rustix::fs::openat(
        folder,
        name,
        OFlags::RDONLY | OFlags::NONBLOCK | flags,
        Mode::empty(),
    )?;
    let child = rustix::fs::openat(folder, name, OFlags::RDWR | flags, Mode::empty())?;
    for end in [&read, &child] {
        let stat = rustix::fs::fstat(end)?;
        if FileType::from_raw_mode(stat.st_mode) != FileType::Fifo {
            return Err(io::Error::other(
                "it was replaced by something that is not a FIFO while it was being opened",
            ));
        }
    }
    furnish(read, child, owner, wanted)
}

/// As [`make`], without a name: for where none can be given, as on a disk that is read-only. The next daemon takes it from the run's
/// first process.
pub(super) fn make_unnamed(owner: Option<(u32, u32)>, wanted: usize) -> io::Result<Ends> {
    let (read, write) = rustix::pipe::pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK)?;
    // Open for reading too, and blocking, which the end that pipe2(2) gives is not.
    let own = format!("/proc/self/fd/{}", write.as_raw_fd());
    let flags = OFlags::RDWR | OFlags::CLOEXEC | OFlags::NOCTTY;
    let child = rustix::fs::open(&own, flags, Mode::empty())
        .map_err(|errno| doing(format_args!("opening {own}"), errno.into()))?;
    furnish(read, child, owner, wanted)
}

/// Gives a new pipe to whom it is to belong, and makes it as large as it may be.
fn furnish(read: OwnedFd, child: OwnedFd, owner: Option<(u32, u32)>, wanted: usize) -> io::Result<Ends> {
    if let Some((uid, gid)) = owner {
        // A component opens /dev/stdout again (nginx does), and that asks for the rights of the FIFO's owner.
        rustix::fs::fchown(&read, Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)))
            .map_err(|errno| doing(format_args!("giving it to uid {uid}, gid {gid}"), errno.into()))?;
    }
    // Past the user's share (pipe-user-pages-soft) the kernel says no, and the pipe stays as it is.
    let asked = rustix::pipe::fcntl_setpipe_size(&read, wanted);
    let capacity = asked
        .or_else(|_| rustix::pipe::fcntl_getpipe_size(&read))
        .unwrap_or(LEAST);
    Ok(Ends {
        read,
        child,
        capacity,
    })
}

/// Opens the FIFO `name` that an earlier daemon has made, for reading; `None` if there is none.
///
/// The folder lets nobody but the daemon's user create anything, so what bears the name is what was made under it.
pub(super) fn find(folder: BorrowedFd<'_>, name: &str) -> io::Result<Option<(OwnedFd, usize)>> {
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC | OFlags::NOFOLLOW | OFlags::NOCTTY;
    let read = match rustix::fs::openat(folder, name, flags, Mode::empty()) {
        Err(rustix::io::Errno::NOENT) => return Ok(None),
        opened => opened?,
    };
    if FileType::from_raw_mode(rustix::fs::fstat(&read)?.st_mode) != FileType::Fifo {
        return Err(io::Error::other("it is not a FIFO"));
    }
    // A reader that has never seen a writer isn't told that there is none (fifo(7), poll(2)); this one has.
    drop(rustix::fs::openat(
        folder,
        name,
        OFlags::WRONLY | OFlags::NONBLOCK | OFlags::CLOEXEC | OFlags::NOFOLLOW,
        Mode::empty(),
    )?);
    let capacity = rustix::pipe::fcntl_getpipe_size(&read).unwrap_or(LEAST);
    Ok(Some((read, capacity)))
}

/// Opens the FIFO that has lost its name where its holder has it for standard output or error, for reading; `None` where it has
/// something else there. A FIFO can't be given a name again.
///
/// Nothing but the very file that was made for the run is opened, so neither what the component has put there itself nor the
/// number of a process that is somebody else's by now does any harm.
pub(super) fn find_at(holder: Holder) -> io::Result<Option<(OwnedFd, usize)>> {
    for number in [1, 2] {
        let place = format!("/proc/{}/fd/{number}", holder.pid);
        // Only to look at it: opening a device may do something.
        let looked = rustix::fs::open(place, OFlags::PATH | OFlags::CLOEXEC, Mode::empty());
        let Ok(found) = looked else { continue };
        if identity(found.as_fd()) != Some(holder.pipe) {
            continue;
        }
        let own = format!("/proc/self/fd/{}", found.as_raw_fd());
        let flags = OFlags::NONBLOCK | OFlags::CLOEXEC | OFlags::NOCTTY;
        let read = rustix::fs::open(&own, OFlags::RDONLY | flags, Mode::empty())?;
        // As in `find`.
        drop(rustix::fs::open(&own, OFlags::WRONLY | flags, Mode::empty())?);
        let capacity = rustix::pipe::fcntl_getpipe_size(&read).unwrap_or(LEAST);
        return Ok(Some((read, capacity)));
    }
    Ok(None)
}

/// Which pipe without a name `pid` was given for its standard output or error, as far as can be told: one that is open for reading
/// and writing at once, which no shell makes.
pub(super) fn unnamed_of(pid: u32) -> Option<OutputPipe> {
    [1, 2].into_iter().find_map(|number| {
        let found = rustix::fs::open(
            format!("/proc/{pid}/fd/{number}"),
            OFlags::PATH | OFlags::CLOEXEC,
            Mode::empty(),
        );
        let found = found.ok()?;
        let pipe = identity(found.as_fd())?;
        let about = std::fs::read_to_string(format!("/proc/{pid}/fdinfo/{number}")).ok()?;
        let flags = about.lines().find_map(|line| line.strip_prefix("flags:"))?;
        let flags = u32::from_str_radix(flags.trim(), 8).ok()?;
        let mode = OFlags::from_bits_retain(flags) & OFlags::RWMODE;
        let link = std::fs::read_link(format!("/proc/{pid}/fd/{number}")).ok()?;
        (mode == OFlags::RDWR && link.as_os_str().as_encoded_bytes().starts_with(b"pipe:[")).then_some(pipe)
    })
}

/// Which FIFO it is; `None` for anything else.
pub(super) fn identity(file: BorrowedFd<'_>) -> Option<OutputPipe> {
    let stat = rustix::fs::fstat(file).ok()?;
    (FileType::from_raw_mode(stat.st_mode) == FileType::Fifo).then_some(OutputPipe {
        device: stat.st_dev,
        inode: stat.st_ino,
    })
}

/// Removes every FIFO whose name isn't to be kept.
pub(super) fn remove_others(folder: BorrowedFd<'_>, keep: impl Fn(&str) -> bool) -> io::Result<()> {
    for entry in rustix::fs::Dir::read_from(folder)? {
        let entry = entry?;
        let Ok(name) = entry.file_name().to_str() else {
            continue;
        };
        if entry.file_type() == FileType::Fifo && !keep(name) {
            rustix::fs::unlinkat(folder, entry.file_name(), AtFlags::empty())?;
        }
    }
    Ok(())
}

/// Removes the name, if it is still that of `read`.
pub(super) fn remove(folder: BorrowedFd<'_>, name: &str, read: BorrowedFd<'_>) {
    let named = rustix::fs::statat(folder, name, AtFlags::SYMLINK_NOFOLLOW);
    let (Ok(named), Ok(ours)) = (named, rustix::fs::fstat(read)) else {
        return;
    };
    if (named.st_dev, named.st_ino) != (ours.st_dev, ours.st_ino) {
        return;
    }
    if let Err(errno) = rustix::fs::unlinkat(folder, name, AtFlags::empty()) {
        log::debug!("the output pipe {name} could not be removed: {errno}");
    }
}

/// Whether everybody who could write has closed the pipe. What they wrote may still be in it.
pub(super) fn has_no_writer(read: BorrowedFd<'_>) -> bool {
    state(read).contains(PollFlags::HUP)
}

/// Whether there is something to read.
pub(super) fn holds_bytes(read: BorrowedFd<'_>) -> bool {
    state(read).contains(PollFlags::IN)
}

fn state(read: BorrowedFd<'_>) -> PollFlags {
    let mut asked = [PollFd::from_borrowed_fd(read, PollFlags::IN)];
    let now = rustix::event::Timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    match rustix::event::poll(&mut asked, Some(&now)) {
        Ok(1..) => asked[0].revents(),
        _ => PollFlags::empty(),
    }
}

/// Makes the folder of the FIFOs and opens it. Its mode lets nobody but the daemon's user list it or create in it; a
/// daemon of root lets others pass, so that a component of another user can open its own FIFO again.
pub(super) fn folder(path: &Path) -> io::Result<OwnedFd> {
    let told = |errno: rustix::io::Errno| doing(format_args!("making {}", path.display()), errno.into());
    let root = rustix::process::geteuid().is_root();
    let mode = Mode::from_raw_mode(if root { 0o711 } else { 0o700 });
    match rustix::fs::mkdirat(rustix::fs::CWD, path, mode) {
        Ok(()) | Err(rustix::io::Errno::EXIST) => {}
        Err(errno) => return Err(told(errno)),
    }
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let folder = rustix::fs::openat(rustix::fs::CWD, path, flags, Mode::empty()).map_err(told)?;
    let stat = rustix::fs::fstat(&folder).map_err(told)?;
    if stat.st_uid != rustix::process::geteuid().as_raw() {
        let why = format!(
            "it belongs to uid {}; remove it or choose another runtime folder",
            stat.st_uid
        );
        return Err(doing(
            format_args!("using {}", path.display()),
            io::Error::new(io::ErrorKind::PermissionDenied, why),
        ));
    }
    // It may have been there before, and the umask may have narrowed it. A disk that is read-only takes not even what is so already.
    if stat.st_mode & 0o7777 != mode.as_raw_mode() {
        rustix::fs::fchmod(folder.as_fd(), mode).map_err(told)?;
    }
    Ok(folder)
}
