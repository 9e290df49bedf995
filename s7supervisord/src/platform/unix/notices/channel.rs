//! The way on which one run tells of itself: a socket or a FIFO with a name in the runtime folder, so that a next daemon finds it
//! again.

use super::receive::identify_senders;
use crate::notification::FOLDER;
use crate::output::failure::doing;
use crate::platform::os::create::io_failure;
use crate::platform::os::fifo;
use crate::registry::plan::{ComponentPlan, NotifyBy};
use crate::state::line::seal_of;
use rustix::fs::{AtFlags, CWD, Gid, Mode, Uid};
use s7proto::name::ComponentName;
use s7proto::status::{SpawnFailure, SpawnStage};
use std::ffi::c_int;
use std::fs::Metadata;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};

/// The longest address of a socket, in bytes: `sun_path` has 108, and the last one is a NUL.
const ADDRESS: usize = 107;
/// Bytes that the FIFO holds at most: one would be enough.
const PIPE: usize = 4096;

/// The daemon's end. Dropping it removes the name, so that happens where a disk may be waited for.
#[derive(Debug)]
pub struct Channel {
    path: OwnPath,
    source: Source,
    /// The socket that had the name before somebody removed it: whoever has connected to that one is still heard there.
    nameless: Option<OwnedFd>,
    /// Who may write to it (uid, gid); `None` for the daemon's own user.
    owner: Option<(u32, u32)>,
    /// What bears the name.
    bearer: Option<Bearer>,
}

/// A name that is removed with its owner.
#[derive(Debug)]
struct OwnPath(PathBuf);

impl OwnPath {
    /// It is another one's now.
    fn give_up(mut self) {
        self.0.clear();
    }
}

impl Drop for OwnPath {
    fn drop(&mut self) {
        if !self.0.as_os_str().is_empty() {
            // Somebody may have removed the runtime folder, and then there is no name.
            let _ = std::fs::remove_file(&self.0);
        }
    }
}

/// A file, told from all others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Bearer {
    device: u64,
    inode: u64,
}

impl Bearer {
    fn of(about: &Metadata) -> Self {
        Self {
            device: about.dev(),
            inode: about.ino(),
        }
    }
}

/// What it takes to make the name of a socket again.
#[derive(Debug)]
pub struct Name {
    path: PathBuf,
    owner: Option<(u32, u32)>,
    bearer: Option<Bearer>,
}

impl Name {
    /// Whether nothing bears it any more, or something else. Looks at the disk.
    pub fn is_gone(&self) -> bool {
        let present = std::fs::symlink_metadata(&self.path);
        let present = present.ok().map(|about| Bearer::of(&about));
        present.is_none() || present != self.bearer
    }

    /// A new socket of that name.
    ///
    /// # Errors
    /// It can't be made.
    pub fn make_again(&self) -> io::Result<Channel> {
        if let Some(folder) = self.path.parent() {
            fifo::folder(folder)?;
        }
        Channel::bound(self.path.clone(), self.owner)
    }
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
                let channel = Self::bound(path, owner)?;
                Ok(NewChannel { channel, given: None })
            }
            NotifyBy::Descriptor(_) => {
                let ends = fifo::make(held.as_fd(), &name, owner, PIPE)
                    .map_err(|error| doing(format_args!("making {}", path.display()), error))?;
                let channel = Self::new(path, Source::Pipe(ends.read));
                let given = Some(ends.child);
                Ok(NewChannel { channel, given })
            }
        }
    }

    fn new(path: PathBuf, source: Source) -> Self {
        Self {
            path: OwnPath(path),
            source,
            nameless: None,
            owner: None,
            bearer: None,
        }
    }

    fn bound(path: PathBuf, owner: Option<(u32, u32)>) -> io::Result<Self> {
        let socket = bind(&path, owner)?;
        let about = std::fs::symlink_metadata(&path).ok();
        Ok(Self {
            owner,
            bearer: about.map(|about| Bearer::of(&about)),
            ..Self::new(path, Source::Socket(socket))
        })
    }

    /// The channel of a run that an earlier daemon has begun, whose first process is `leader`. What its owner wrote into a FIFO
    /// meanwhile is still there; a socket that is none of `handed` (those that an image before has left open) is made anew under
    /// the same name, and libsystemd looks that up for each datagram.
    ///
    /// # Errors
    /// It can't be opened, or made anew.
    pub fn find(
        runtime_dir: &Path,
        (component, run, leader): (&ComponentName, u64, u32),
        by: NotifyBy,
        handed: &mut Vec<OwnedFd>,
    ) -> io::Result<Self> {
        let folder = runtime_dir.join(FOLDER);
        let name = name_in(&folder, component, run);
        let path = folder.join(&name);
        if let NotifyBy::Descriptor(_) = by {
            let found = fifo::find(fifo::folder(&folder)?.as_fd(), &name);
            let told = |error| doing(format_args!("opening {}", path.display()), error);
            let none = || told(io::ErrorKind::NotFound.into());
            let pipe = found.map_err(told)?.ok_or_else(none)?.0;
            return Ok(Self::new(path, Source::Pipe(pipe)));
        }
        // Who it belonged to is who may write to it. Where the name is gone, the run itself says who that is.
        let named = std::fs::symlink_metadata(&path);
        let about = match &named {
            Ok(about) => Ok(about.clone()),
            Err(_) => std::fs::metadata(format!("/proc/{leader}")),
        };
        let about = about.map_err(|error| doing(format_args!("looking at {}", path.display()), error))?;
        let owner = Some((about.uid(), about.gid()));
        let Some(at) = handed.iter().position(|socket| is_bound_to(socket, &path)) else {
            fifo::folder(&folder)?;
            return Self::bound(path, owner);
        };
        let socket = handed.remove(at);
        identify_senders(socket.as_fd())?;
        // So they are left open: the one that has lost its name comes after the one that has it.
        let next = handed.get(at).is_some_and(|socket| is_bound_to(socket, &path));
        let nameless = next.then(|| handed.remove(at));
        nameless
            .iter()
            .try_for_each(|socket| identify_senders(socket.as_fd()))?;
        Ok(Self {
            nameless,
            owner,
            bearer: named.ok().map(|about| Bearer::of(&about)),
            ..Self::new(path, Source::Socket(socket))
        })
    }

    /// What it takes to make its name again, where that is one of a socket. A FIFO has none to lose for this daemon: the run has
    /// its end already.
    pub fn name(&self) -> Option<Name> {
        match self.source {
            Source::Socket(_) => Some(Name {
                path: self.path.0.clone(),
                owner: self.owner,
                bearer: self.bearer,
            }),
            Source::Pipe(_) => None,
        }
    }

    /// Puts `renewed`, which bears the name now, in the place of this one. The first of all sockets is listened to as well, since
    /// that is the one that a program has connected to when it began; what was in between isn't.
    pub fn replace(&mut self, renewed: Self) {
        let Self {
            path,
            source,
            nameless,
            ..
        } = std::mem::replace(self, renewed);
        path.give_up();
        let last = match source {
            Source::Socket(socket) => Some(socket),
            Source::Pipe(_) => None,
        };
        self.nameless = nameless.or(last);
    }

    /// The socket that has lost its name.
    pub fn nameless(&self) -> Option<&OwnedFd> {
        self.nameless.as_ref()
    }

    /// What is waited at for something to be said.
    pub fn sockets(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        std::iter::once(self.as_fd()).chain(self.nameless.as_ref().map(AsFd::as_fd))
    }

    /// Nothing can be heard there any more.
    pub fn forget_nameless(&mut self) {
        self.nameless = None;
    }

    /// The address that goes into `NOTIFY_SOCKET`.
    pub fn path(&self) -> &Path {
        &self.path.0
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
