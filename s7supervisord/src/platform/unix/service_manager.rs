//! The service manager of the system: telling it how the daemon is, and asking it to do something.

use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::path::Path;
use std::process::{Command, Stdio};

pub use super::leftovers_of_service::{end_group, end_leftovers, let_daemons_in};

/// The variable that names the socket of the service manager (sd_notify(3)).
const SOCKET_VARIABLE: &str = "NOTIFY_SOCKET";

/// The way to the service manager that has started this process.
#[derive(Debug)]
pub struct Channel {
    socket: UnixDatagram,
    address: SocketAddr,
}

/// What became of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sent {
    /// It was taken.
    Whole,
    /// There is no room for it now.
    NoRoom,
}

impl Channel {
    /// The one that the environment names; `None` where nobody wants to be told.
    ///
    /// # Errors
    /// It names something that can't be spoken to.
    pub fn from_environment() -> Result<Option<Self>, String> {
        match std::env::var(SOCKET_VARIABLE) {
            Ok(name) if !name.is_empty() => Self::to(&name).map(Some),
            _ => Ok(None),
        }
    }

    fn to(name: &str) -> Result<Self, String> {
        let address = match name.strip_prefix('@') {
            Some(name) => SocketAddr::from_abstract_name(name),
            None if name.starts_with('/') => SocketAddr::from_pathname(name),
            None => Err(io::Error::other("it is neither a path nor an abstract name")),
        };
        let open = |address| {
            let socket = UnixDatagram::unbound()?;
            // The loop waits for nobody, not even for the service manager.
            socket.set_nonblocking(true)?;
            Ok(Self { socket, address })
        };
        address
            .and_then(open)
            .map_err(|error: io::Error| format!("{SOCKET_VARIABLE}={name}: {error}"))
    }

    /// Sends one message, without waiting.
    ///
    /// # Errors
    /// The service manager can't be reached.
    pub fn send(&self, message: &str) -> io::Result<Sent> {
        match self.socket.send_to_addr(message.as_bytes(), &self.address) {
            Ok(_) => Ok(Sent::Whole),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(Sent::NoRoom),
            Err(error) => Err(error),
        }
    }
}

/// The monotonic clock in microseconds, as `MONOTONIC_USEC` wants it.
#[must_use]
pub fn monotonic_us() -> u64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    let seconds = u64::try_from(now.tv_sec).unwrap_or(0);
    seconds * 1_000_000 + u64::try_from(now.tv_nsec).unwrap_or(0) / 1_000
}

/// Which service manager a system has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// systemd, of this version where it tells.
    Systemd(Option<u32>),
    /// Init scripts.
    InitScripts,
}

/// Which one the system under `root` has: `/` is the running one.
///
/// # Errors
/// It has none that is known.
pub fn kind(root: &Path) -> Result<Kind, String> {
    let running = root == Path::new("/");
    let has = |path: &str| root.join(path).is_dir();
    // sd_booted(3). Of a system that doesn't run, what is installed has to tell.
    let systemd = if running {
        has("run/systemd/system")
    } else {
        has("usr/lib/systemd/system") || has("lib/systemd/system")
    };
    if systemd {
        return Ok(Kind::Systemd(systemd_version()));
    }
    if has("etc/init.d") {
        return Ok(Kind::InitScripts);
    }
    Err(
        "this system has neither systemd (/run/systemd/system) nor init scripts (/etc/init.d); \
         have `s7supervisord run` started by what starts services here"
            .to_owned(),
    )
}

/// From the first line of `systemctl --version`: `systemd 252 (252.39-1~deb12u1)`.
fn systemd_version() -> Option<u32> {
    let output = Command::new("systemctl").arg("--version").output().ok()?;
    version_in(&String::from_utf8_lossy(&output.stdout))
}

fn version_in(text: &str) -> Option<u32> {
    let word = text.strip_prefix("systemd ")?.split_whitespace().next()?;
    word.split(|char: char| !char.is_ascii_digit())
        .next()?
        .parse()
        .ok()
}

/// Whether services may be changed: by root.
#[must_use]
pub fn may_manage() -> bool {
    super::process::is_privileged()
}

/// Whether there is a user of this name.
///
/// # Errors
/// The system can't tell.
pub fn user_exists(name: &str) -> Result<bool, String> {
    nix::unistd::User::from_name(name)
        .map(|user| user.is_some())
        .map_err(|errno| format!("looking up the user {name}: {}", errno.desc()))
}

/// Gives up root's rights for those of the user that `folder` belongs to, where that isn't root. For good, and for all of this
/// process, which must have one thread alone.
///
/// # Errors
/// It is no folder, or the system doesn't let it.
pub fn act_as_owner(folder: &Path) -> io::Result<()> {
    use nix::unistd::{Gid, Uid, User, geteuid, initgroups, setgid, setgroups, setuid};
    use std::os::unix::fs::MetadataExt;
    // A link shows whose it is; what it leads to is never entered with more rights.
    let about = match std::fs::symlink_metadata(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        about => about?,
    };
    if !about.is_dir() {
        return Err(io::ErrorKind::NotADirectory.into());
    }
    let owner = Uid::from_raw(about.uid());
    if !geteuid().is_root() || owner.is_root() {
        return Ok(());
    }
    match User::from_uid(owner)? {
        Some(user) => {
            let name = std::ffi::CString::new(user.name)?;
            initgroups(&name, user.gid)?;
            setgid(user.gid)?;
        }
        // Somebody whom the system knows by number alone.
        None => {
            setgroups(&[])?;
            setgid(Gid::from_raw(about.gid()))?;
        }
    }
    Ok(setuid(owner)?)
}

/// Whether there is a program of this name where a service manager's programs lie.
#[must_use]
pub fn has_program(name: &str) -> bool {
    ["/usr/sbin", "/sbin", "/usr/bin", "/bin"]
        .iter()
        .any(|folder| Path::new(folder).join(name).is_file())
}

/// Runs a program of the service manager on this process's terminal and gives its exit code.
///
/// # Errors
/// It isn't there, or a signal has ended it.
pub fn call(words: &[&str]) -> Result<u8, String> {
    let Some((program, arguments)) = words.split_first() else {
        return Ok(0);
    };
    let status = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .status()
        .map_err(|error| format!("running {}: {error}", words.join(" ")))?;
    status
        .code()
        .and_then(|code| u8::try_from(code).ok())
        .ok_or_else(|| format!("{}: {status}", words.join(" ")))
}

/// The control group of a unit of systemd, if it has one: it may hold processes although the unit is no longer active.
#[must_use]
pub fn group_of_unit(unit: &str) -> Option<String> {
    let output = Command::new("systemctl")
        .args(["show", "--property=ControlGroup", "--value", unit])
        .stdin(Stdio::null())
        .output()
        .ok()?;
    let group = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    (!group.is_empty()).then_some(group)
}

/// Puts `text` at `path` in one step, with the mode of a program or of a plain file. On return it is on the disk.
///
/// # Errors
/// It can't be written.
pub fn write_file(path: &Path, text: &str, executable: bool) -> io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("/"));
    std::fs::create_dir_all(folder)?;
    // With a dot in front, so that neither systemd nor a runlevel takes it for a service.
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let new = folder.join(format!(".{name}.s7-new"));
    let written = (|| {
        use std::io::Write as _;
        let mut file = std::fs::File::create(&new)?;
        file.write_all(text.as_bytes())?;
        let mode = if executable { 0o755 } else { 0o644 };
        file.set_permissions(std::fs::Permissions::from_mode(mode))?;
        file.sync_all()?;
        std::fs::rename(&new, path)
    })();
    if written.is_err() {
        let _ = std::fs::remove_file(&new);
    }
    written
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_arrive_by_path_and_by_abstract_name() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let abstract_name = format!("s7-test-{}", std::process::id());
        let at_name = SocketAddr::from_abstract_name(&abstract_name).unwrap();
        for (name, socket) in [
            (
                path.to_str().unwrap().to_owned(),
                UnixDatagram::bind(&path).unwrap(),
            ),
            (
                format!("@{abstract_name}"),
                UnixDatagram::bind_addr(&at_name).unwrap(),
            ),
        ] {
            let channel = Channel::to(&name).unwrap();
            assert_eq!(channel.send("READY=1\n").unwrap(), Sent::Whole);
            let mut room = [0; 64];
            let length = socket.recv(&mut room).unwrap();
            assert_eq!(&room[..length], b"READY=1\n");
        }
    }

    #[test]
    fn a_service_manager_that_reads_nothing_holds_nobody_up() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let _socket = UnixDatagram::bind(&path).unwrap();
        let channel = Channel::to(path.to_str().unwrap()).unwrap();
        // The kernel holds `net.unix.max_dgram_qlen` datagrams, 10 or 512 as a rule.
        let full = (0..100_000).find(|_| channel.send("WATCHDOG=1\n").unwrap() == Sent::NoRoom);
        assert!(full.is_some());
    }

    #[test]
    fn what_can_not_be_spoken_to_is_told_with_its_name() {
        for name in ["vsock:2:1", "relative"] {
            let why = Channel::to(name).unwrap_err();
            assert!(why.contains(name), "{why}");
        }
        assert!(Channel::to("/nowhere").unwrap().send("x").is_err());
    }

    #[test]
    fn the_version_of_systemd_is_the_number_after_its_name() {
        assert_eq!(version_in("systemd 252 (252.39-1~deb12u1)\n+PAM"), Some(252));
        assert_eq!(version_in("systemd 256.7 (x)"), Some(256));
        assert_eq!(version_in("systemd 257~rc1"), Some(257));
        assert_eq!(version_in("OpenRC 0.45"), None);
        assert_eq!(version_in(""), None);
    }

    #[test]
    fn a_file_is_replaced_whole_and_has_its_mode() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("etc/init.d/x");
        write_file(&path, "one", true).unwrap();
        write_file(&path, "two", false).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "two");
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o644);
        assert_eq!(std::fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
    }
}
