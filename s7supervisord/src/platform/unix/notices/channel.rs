//! The way on which one run tells of itself: a socket or a FIFO with a name in the runtime folder, so that a next daemon finds it
//! again.

use super::receive::identify_senders;
use crate::output::failure::doing;
use crate::platform::os::create::io_failure;
use crate::platform::os::fifo;
use crate::registry::plan::{ComponentPlan, NotifyBy};
use crate::state::line::seal_of;
use rustix::fs::{AtFlags, CWD, Gid, Mode, Uid};
use s7proto::name::ComponentName;
use s7proto::status::{SpawnFailure, SpawnStage};
use std::ffi::c_int;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};

/// The folder below the runtime folder.
pub const FOLDER: &str = "notify";
/// The longest address of a socket, in bytes: `sun_path` has 108, and the last one is a NUL.
const ADDRESS: usize = 107;
/// Bytes that the FIFO holds at most: one would be enough.
const PIPE: usize = 4096;

/// The daemon's end. Dropping it removes the name, so that happens where a disk may be waited for.
#[derive(Debug)]
pub struct Channel {
    path: PathBuf,
    source: Source,
}

/// What is read from.
#[derive(Debug)]
pub enum Source {
    /// Datagrams of sd_notify(3).
    Socket(OwnedFd),
    /// A newline, as s6 has it.
    Pipe(OwnedFd),
}

/// A channel, and what its run is given.
#[derive(Debug)]
pub struct NewChannel {
    /// The daemon's end.
    pub channel: Channel,
    /// The run's end, where that is a descriptor.
    pub given: Option<OwnedFd>,
}

impl Channel {
    /// Makes the channel of run number `run` of `plan`, for `owner` (uid, gid); `None` where it doesn't tell of itself.
    ///
    /// # Errors
    /// It can't be made.
    pub fn of_run(
        runtime_dir: &Path,
        plan: &ComponentPlan,
        run: u64,
        owner: Option<(u32, u32)>,
    ) -> Result<Option<NewChannel>, SpawnFailure> {
        let Some(notify) = plan.notify else {
            return Ok(None);
        };
        let made = Self::make(runtime_dir, &plan.id, run, notify.by, owner);
        let failed = |error| io_failure(SpawnStage::CreatingProcess, plan.id.to_string(), &error);
        made.map(Some).map_err(failed)
    }

    /// Makes the channel of `component`'s run number `run`, for `owner` (uid, gid) to write to.
    ///
    /// # Errors
    /// What can't be made, and why.
    pub fn make(
        runtime_dir: &Path,
        component: &ComponentName,
        run: u64,
        by: NotifyBy,
        owner: Option<(u32, u32)>,
    ) -> io::Result<NewChannel> {
        let folder = runtime_dir.join(FOLDER);
        let held = fifo::folder(&folder)?;
        let name = name_in(&folder, component, run);
        let path = folder.join(&name);
        match by {
            NotifyBy::Socket => {
                let socket = bind(&path, owner)?;
                let source = Source::Socket(socket);
                let channel = Self { path, source };
                Ok(NewChannel { channel, given: None })
            }
            NotifyBy::Descriptor(_) => {
                let ends = fifo::make(held.as_fd(), &name, owner, PIPE)
                    .map_err(|error| doing(format_args!("making {}", path.display()), error))?;
                let source = Source::Pipe(ends.read);
                let channel = Self { path, source };
                let given = Some(ends.child);
                Ok(NewChannel { channel, given })
            }
        }
    }

    /// The channel of a run that an earlier daemon has begun. What its owner wrote into a FIFO meanwhile is still there; a
    /// socket that is none of `handed` (those that an image before has left open) is made anew under the same name, and
    /// libsystemd looks that up for each datagram.
    ///
    /// # Errors
    /// It can't be opened, or made anew.
    pub fn find(
        runtime_dir: &Path,
        component: &ComponentName,
        run: u64,
        by: NotifyBy,
        handed: &mut Vec<OwnedFd>,
    ) -> io::Result<Self> {
        let folder = runtime_dir.join(FOLDER);
        let name = name_in(&folder, component, run);
        let path = folder.join(&name);
        let source = match by {
            NotifyBy::Socket
                if let Some(at) = handed.iter().position(|socket| is_bound_to(socket, &path)) =>
            {
                let socket = handed.swap_remove(at);
                identify_senders(socket.as_fd())?;
                Source::Socket(socket)
            }
            NotifyBy::Socket => {
                // Who it belonged to is who may write to it.
                let about = std::fs::symlink_metadata(&path)
                    .map_err(|error| doing(format_args!("looking at {}", path.display()), error))?;
                Source::Socket(bind(&path, Some((about.uid(), about.gid())))?)
            }
            NotifyBy::Descriptor(_) => {
                let found = fifo::find(fifo::folder(&folder)?.as_fd(), &name);
                let told = |error| doing(format_args!("opening {}", path.display()), error);
                let none = || told(io::ErrorKind::NotFound.into());
                Source::Pipe(found.map_err(told)?.ok_or_else(none)?.0)
            }
        };
        Ok(Self { path, source })
    }

    /// The address that goes into `NOTIFY_SOCKET`.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What is read from.
    pub fn source(&self) -> &Source {
        &self.source
    }
}

/// The descriptor on which a component tells that it is ready; -1 for none.
#[must_use]
pub fn descriptor_of(plan: &ComponentPlan) -> c_int {
    match plan.notify.map(|notify| notify.by) {
        Some(NotifyBy::Descriptor(number)) => c_int::try_from(number).unwrap_or(-1),
        _ => -1,
    }
}

impl AsFd for Channel {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match &self.source {
            Source::Socket(socket) => socket.as_fd(),
            Source::Pipe(pipe) => pipe.as_fd(),
        }
    }
}

impl Drop for Channel {
    fn drop(&mut self) {
        // Somebody may have removed the runtime folder, and then there is no name.
        let _ = std::fs::remove_file(&self.path);
    }
}

/// A name that the next daemon comes to as well: a readable one where an address has room for it.
fn name_in(folder: &Path, component: &ComponentName, run: u64) -> String {
    let name = format!("{component}.{run}");
    if folder.as_os_str().len() + 1 + name.len() <= ADDRESS {
        name
    } else {
        format!("{:08x}.{run}", seal_of(component.as_str().as_bytes()))
    }
}

fn is_bound_to(socket: &OwnedFd, path: &Path) -> bool {
    let copy = socket.try_clone().map(UnixDatagram::from);
    let address = copy.and_then(|socket| socket.local_addr());
    address.is_ok_and(|address| address.as_pathname() == Some(path))
}

fn bind(path: &Path, owner: Option<(u32, u32)>) -> io::Result<OwnedFd> {
    let told = |error: io::Error| doing(format_args!("making the socket {}", path.display()), error);
    if path.as_os_str().len() > ADDRESS {
        return Err(told(io::Error::new(
            io::ErrorKind::InvalidInput,
            format!("an address has {ADDRESS} bytes; choose a shorter runtime folder (--runtime-dir)"),
        )));
    }
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(told(error)),
        _ => {}
    }
    let socket = UnixDatagram::bind(path).map_err(told)?;
    prepare(&socket, path, owner).map_err(|error| {
        let _ = std::fs::remove_file(path);
        told(error)
    })?;
    Ok(socket.into())
}

fn prepare(socket: &UnixDatagram, path: &Path, owner: Option<(u32, u32)>) -> io::Result<()> {
    socket.set_nonblocking(true)?;
    identify_senders(socket.as_fd())?;
    let mode = Mode::RUSR | Mode::WUSR;
    rustix::fs::chmodat(CWD, path, mode, AtFlags::empty())?;
    if let Some((uid, gid)) = owner {
        let (uid, gid) = (Uid::from_raw(uid), Gid::from_raw(gid));
        rustix::fs::chownat(CWD, path, Some(uid), Some(gid), AtFlags::SYMLINK_NOFOLLOW)?;
    }
    Ok(())
}

/// Removes what earlier daemons have left in the folder, but for what `keep` says.
pub fn remove_others(runtime_dir: &Path, keep: impl Fn(&Path) -> bool) {
    let entries = std::fs::read_dir(runtime_dir.join(FOLDER));
    for entry in entries.into_iter().flatten().flatten() {
        let path = entry.path();
        if !keep(&path)
            && let Err(error) = std::fs::remove_file(&path)
        {
            log::warn!("removing {}: {error}", path.display());
        }
    }
}
