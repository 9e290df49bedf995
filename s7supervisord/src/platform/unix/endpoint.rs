//! The control socket: making it, and knowing who is at the other end.

use super::handed::Socket;
use crate::platform::peer::Peer;
use interprocess::local_socket::prelude::*;
use interprocess::local_socket::tokio::Listener as Listening;
use interprocess::local_socket::tokio::Stream;
use interprocess::local_socket::traits::tokio::Listener as _;
use interprocess::local_socket::{GenericFilePath, ListenerOptions};
use interprocess::os::unix::local_socket::ListenerOptionsExt;
use interprocess::os::unix::uds_local_socket::tokio::Listener as UnixListener;
use rustix::event::{PollFd, PollFlags};
use s7proto::endpoint::Endpoint;
use s7proto::refusal::Permission;
use s7proto::status::Actor;
use std::fs::Permissions;
use std::io;
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How long a supervisor that was killed may still be connected to; it takes microseconds, on a busy machine some milliseconds.
const DYING: Duration = Duration::from_secs(1);

/// Who may connect, beside root and the daemon's own user.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Groups {
    /// May look: the socket belongs to this group.
    pub observe: Option<u32>,
    /// May do everything that the daemon's own user may, but replace its binary.
    pub control: Option<u32>,
}

impl Groups {
    /// Finds the groups by name or number.
    ///
    /// # Errors
    /// There is no such group.
    pub fn find(observe: Option<&str>, control: Option<&str>) -> Result<Self, String> {
        let find = |group: &str| match group.parse() {
            Ok(gid) => Ok(gid),
            Err(_) => match nix::unistd::Group::from_name(group) {
                Ok(Some(entry)) => Ok(entry.gid.as_raw()),
                Ok(None) => Err(format!("there is no group {group}")),
                Err(errno) => Err(format!("looking up the group {group}: {}", errno.desc())),
            },
        };
        Ok(Self {
            observe: observe.map(find).transpose()?,
            control: control.map(find).transpose()?,
        })
    }
}

/// Makes the folder for the socket and the state, if it isn't there, and checks that it is ours.
///
/// # Errors
/// It can't be made, or somebody else owns it or may write to it.
pub fn prepare_folder(folder: &Path) -> io::Result<()> {
    let own = rustix::process::geteuid();
    // Others of the socket's group must get through to the socket; nobody else has anything to list.
    let mode = if own.is_root() { 0o711 } else { 0o700 };
    match std::fs::DirBuilder::new()
        .recursive(true)
        .mode(mode)
        .create(folder)
    {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    let about = std::fs::symlink_metadata(folder)?;
    if !about.is_dir() {
        return Err(io::Error::new(io::ErrorKind::NotADirectory, "it is not a folder"));
    }
    if about.uid() != own.as_raw() || about.mode() & 0o022 != 0 {
        let why = format!(
            "it belongs to uid {} with mode {:o}; it must belong to uid {} and be writable by nobody else",
            about.uid(),
            about.mode() & 0o777,
            own.as_raw()
        );
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, why));
    }
    Ok(())
}

/// Where clients connect. Dropping it removes the socket, if it is still the one that lies there.
pub struct Listener {
    inner: interprocess::local_socket::tokio::Listener,
    path: PathBuf,
    /// Device and number of the socket's file; `None` where it is to stay.
    file: Option<(u64, u64)>,
}

impl Listener {
    fn new(mut inner: interprocess::local_socket::tokio::Listener, path: &Path) -> Self {
        inner.do_not_reclaim_name_on_drop();
        Self {
            inner,
            path: path.to_path_buf(),
            file: file_at(path),
        }
    }

    /// The next client.
    ///
    /// # Errors
    /// The system's, such as having no descriptor left.
    pub async fn accept(&self) -> io::Result<Stream> {
        self.inner.accept().await
    }

    /// The socket itself, for the next image of the daemon.
    ///
    /// # Errors
    /// There is no descriptor left for it.
    pub fn socket(&self) -> io::Result<Socket> {
        let Listening::UdSocket(listener) = &self.inner;
        listener.as_fd().try_clone_to_owned()
    }

    /// As [`Listener::socket`]; the file stays where it lies.
    ///
    /// # Errors
    /// There is no descriptor left for it.
    pub fn into_socket(mut self) -> io::Result<Socket> {
        let socket = self.socket()?;
        self.file = None;
        Ok(socket)
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        if self.file.is_some() && self.file == file_at(&self.path) {
            // Who finds it finds that nobody listens, and the next daemon takes it away.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

fn file_at(path: &Path) -> Option<(u64, u64)> {
    let about = std::fs::symlink_metadata(path).ok()?;
    Some((about.dev(), about.ino()))
}

/// Goes on listening where the image before this one listened; `None` where that is another place.
///
/// # Errors
/// The runtime doesn't take it.
pub fn take_over(socket: Socket, endpoint: &Endpoint) -> io::Result<Option<Listener>> {
    let path = Path::new(endpoint.as_os_str());
    let listener = std::os::unix::net::UnixListener::from(socket);
    let is_the_one = listener
        .local_addr()
        .is_ok_and(|address| address.as_pathname() == Some(path));
    if !is_the_one {
        return Ok(None);
    }
    let inner = UnixListener::try_from(std::os::fd::OwnedFd::from(listener))?;
    Ok(Some(Listener::new(Listening::UdSocket(inner), path)))
}

/// Listens at `endpoint`. The caller holds the lock, so a socket that lies there belongs to nobody.
///
/// # Errors
/// The socket can't be made.
pub fn listen(endpoint: &Endpoint, groups: Groups) -> io::Result<Listener> {
    let path = Path::new(endpoint.as_os_str());
    // Overwriting is for sockets that a dead daemon left, never for a file that somebody needs.
    match std::fs::symlink_metadata(path) {
        Ok(about) if !about.file_type().is_socket() => {
            let why = "there is something that isn't a socket; it is left alone, choose another path";
            return Err(io::Error::new(io::ErrorKind::AlreadyExists, why));
        }
        Ok(_) if somebody_answers(path) => {
            let why = "another supervisor, with another runtime folder, answers there already";
            return Err(io::Error::new(io::ErrorKind::AddrInUse, why));
        }
        _ => {}
    }
    let name = path.to_fs_name::<GenericFilePath>()?;
    let options = ListenerOptions::new().name(name).mode(0o600).try_overwrite(true);
    let listener = options.create_tokio()?;
    // Who connects is looked at once more by its credentials, so two groups can share what has only one owner.
    let mode = match (groups.observe, groups.control) {
        (None, None) => 0o600,
        (Some(a), Some(b)) if a != b => 0o666,
        (Some(group), _) | (None, Some(group)) => {
            std::os::unix::fs::chown(path, None, Some(group))?;
            0o660
        }
    };
    std::fs::set_permissions(path, Permissions::from_mode(mode))?;
    Ok(Listener::new(listener, path))
}

/// Whether a supervisor listens at `path` that lives. One that was just killed is still connected to, until it has closed its
/// descriptors one after the other; then whoever is connected is hung up on.
fn somebody_answers(path: &Path) -> bool {
    let until = Instant::now() + DYING;
    while let Ok(stream) = UnixStream::connect(path) {
        let left = until.saturating_duration_since(Instant::now());
        let left = rustix::event::Timespec::try_from(left).unwrap_or_default();
        let mut asked = [PollFd::new(&stream, PollFlags::IN)];
        let answered = rustix::event::poll(&mut asked, Some(&left));
        let hung_up = asked[0].revents().contains(PollFlags::HUP);
        if !hung_up && !matches!(answered, Err(rustix::io::Errno::INTR)) || Instant::now() >= until {
            return true;
        }
    }
    false
}

/// Whether nothing lies where clients connect, so that they can't.
#[must_use]
pub fn is_gone(endpoint: &Endpoint) -> bool {
    let about = std::fs::symlink_metadata(endpoint.as_os_str());
    about.is_err_and(|error| error.kind() == io::ErrorKind::NotFound)
}

/// Who is at the other end of `stream`, and what they may do.
///
/// # Errors
/// The system doesn't say.
pub fn peer(stream: &Stream, groups: Groups) -> io::Result<(Peer, Option<Permission>)> {
    let credentials = credentials(stream)?;
    let uid = credentials.uid;
    let member = |group: Option<u32>| {
        group.is_some_and(|group| credentials.gid == group || supplementary_groups(stream).contains(&group))
    };
    let permission = if uid == 0 || uid == rustix::process::geteuid().as_raw() {
        Some(Permission::Own)
    } else if member(groups.control) {
        Some(Permission::Control)
    } else {
        member(groups.observe).then_some(Permission::Observe)
    };
    let peer = Peer {
        who: Actor::Uid(uid),
        pid: u32::try_from(credentials.pid).ok().filter(|pid| *pid > 0),
    };
    Ok((peer, permission))
}

/// The peer's process, user and group as of its connect (SO_PEERCRED). The process id is 0 where it lives in another
/// namespace.
fn credentials(stream: &Stream) -> io::Result<libc::ucred> {
    let Stream::UdSocket(socket) = stream;
    let mut credentials = libc::ucred {
        pid: 0,
        uid: libc::uid_t::MAX,
        gid: libc::gid_t::MAX,
    };
    let mut length = libc::socklen_t::try_from(size_of::<libc::ucred>()).unwrap_or(0);
    let descriptor = std::os::fd::AsFd::as_fd(socket).as_raw_fd();
    // SAFETY: the buffer is as long as said and of the type that the option writes.
    let result = unsafe {
        libc::getsockopt(
            descriptor,
            libc::SOL_SOCKET,
            libc::SO_PEERCRED,
            (&raw mut credentials).cast(),
            &raw mut length,
        )
    };
    if result == 0 {
        Ok(credentials)
    } else {
        Err(io::Error::last_os_error())
    }
}

/// The peer's other groups as of its connect (SO_PEERGROUPS); none where the system doesn't say.
fn supplementary_groups(stream: &Stream) -> Vec<libc::gid_t> {
    let Stream::UdSocket(socket) = stream;
    let mut groups: Vec<libc::gid_t> = vec![0; 1024];
    let mut length = libc::socklen_t::try_from(std::mem::size_of_val(groups.as_slice())).unwrap_or(0);
    let descriptor = std::os::fd::AsFd::as_fd(socket).as_raw_fd();
    // SAFETY: the buffer is as long as said and of the type that the option writes.
    let result = unsafe {
        libc::getsockopt(
            descriptor,
            libc::SOL_SOCKET,
            libc::SO_PEERGROUPS,
            groups.as_mut_ptr().cast(),
            &raw mut length,
        )
    };
    let count = if result == 0 {
        length as usize / std::mem::size_of::<libc::gid_t>()
    } else {
        0
    };
    groups.truncate(count);
    groups
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::UnixListener;

    #[test]
    fn who_is_dying_answers_no_more_and_who_lives_does() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("socket");
        assert!(!somebody_answers(&path), "there is nobody");
        let listener = UnixListener::bind(&path).unwrap();
        assert!(somebody_answers(&path), "who doesn't look up may be busy");
        std::thread::scope(|scope| {
            let answers = scope.spawn(|| somebody_answers(&path));
            // The first is the one above. Who asks is connected by then, and all is closed as by an end.
            let connected = [listener.accept().unwrap(), listener.accept().unwrap()];
            drop(listener);
            drop(connected);
            assert!(!answers.join().unwrap());
        });
    }
}
