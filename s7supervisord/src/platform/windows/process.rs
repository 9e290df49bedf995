//! The daemon's own process.

use super::binary::Binary;
use std::convert::Infallible;
use std::fs::File;
use std::io;
use std::path::Path;

/// What a component inherits from the world that the daemon was started in: on Windows nothing but what is named.
#[derive(Debug, Clone, Copy)]
pub struct Inherited;

impl Inherited {
    /// To be called from `main` before any thread is created.
    #[must_use]
    pub fn take() -> Self {
        Self
    }
}

/// Whether `pid` is a process other than this one that may have the file at `path` open. On Windows a lock goes with its
/// holder, so nobody needs to know more.
#[must_use]
pub fn may_hold(pid: u32, _path: &Path) -> bool {
    pid != std::process::id()
}

/// Whether this build can supervise at all on this system.
///
/// # Errors
/// Why not.
pub fn can_supervise() -> Result<(), String> {
    Err(
        "supervising on Windows is not built yet: this version supervises on Linux only; what works here is \
         `s7supervisord check`"
            .to_owned(),
    )
}

/// Whether the daemon runs for the whole machine: on Windows it always does.
#[must_use]
pub fn is_privileged() -> bool {
    true
}

/// Whether components of the daemon can be run as another user: that is told when one is started.
#[must_use]
pub fn can_become(_user: &str) -> bool {
    true
}

/// Windows has no process that everything comes to.
#[must_use]
pub fn is_first() -> bool {
    false
}

/// On Windows a process is called by its file, whatever way it was started.
pub fn set_process_name() {}

/// Windows has no mode mask; what a file may be used for is inherited from its folder.
pub fn set_file_mode_mask() {}

/// Windows has no limit of descriptors that could be raised.
pub fn raise_descriptor_limit() {}

/// How many handles the daemon may have open: Windows sets no limit worth knowing.
#[must_use]
pub fn descriptor_limit() -> usize {
    usize::MAX
}

/// Nanoseconds since the machine's boot.
#[must_use]
pub fn since_boot_ns() -> u64 {
    // SAFETY: a plain system call without arguments.
    let ms = unsafe { windows_sys::Win32::System::SystemInformation::GetTickCount64() };
    ms.saturating_mul(1_000_000)
}

/// Whether an open file has no name any more. On Windows it can't be removed while it is open.
#[must_use]
pub fn is_removed(_file: &File) -> bool {
    false
}

/// Whether an open file is the one at `path`. On Windows it can't be removed while it is open.
#[must_use]
pub fn is_at(_file: &File, path: &Path) -> bool {
    path.exists()
}

/// Who supervises without the lock at `path`: on Windows it can't lose it.
#[must_use]
pub fn supervises_without(_path: &Path) -> Option<u32> {
    None
}

/// Who may read what is created is inherited from its folder.
pub fn private(options: &mut std::fs::OpenOptions) -> &mut std::fs::OpenOptions {
    options
}

/// Creates a file; who may read it is inherited from its folder.
///
/// # Errors
/// It is there already, or can't be created.
pub fn create_private(path: &Path) -> io::Result<File> {
    File::options().append(true).create_new(true).open(path)
}

/// Windows reserves space as a file grows.
pub fn reserve(_file: &File, _bytes: u64) {}

/// Ends this process without tidying up.
pub fn end_at_once() -> ! {
    std::process::abort()
}

/// Whether this system can execute another program in place of this one.
#[must_use]
pub fn can_begin_anew() -> bool {
    false
}

/// Begins anew in the same process. Windows has no such thing.
///
/// # Errors
/// Always.
pub fn begin_anew(
    _inherited: Inherited,
    _binary: &Binary,
    _lock: &File,
    _listener: Option<&Socket>,
    _notify: &[&Socket],
    _lost: Option<&File>,
    _from: Option<&str>,
) -> io::Result<Infallible> {
    Err(unsupported("beginning anew in the same process"))
}

/// A pipe that clients connect to: on Windows never handed over.
pub type Socket = Infallible;

/// What the image before this one has left open: on Windows nothing.
#[derive(Debug, Default)]
pub struct HandedOver {
    /// The lock of the runtime folder.
    pub lock: Option<File>,
    /// Where clients connect.
    pub listener: Option<Socket>,
    /// Where runs tell of themselves.
    pub notify: Vec<Socket>,
    /// What was dropped of the output.
    pub lost: Option<File>,
    /// The version before.
    pub from: Option<String>,
}

impl HandedOver {
    /// Takes it.
    #[must_use]
    pub fn take() -> Self {
        Self::default()
    }
}

pub(super) fn unsupported(what: &str) -> io::Error {
    io::Error::new(
        io::ErrorKind::Unsupported,
        format!("{what} is not possible on Windows yet"),
    )
}

/// Whether this error number says that the machine or this process is short of something for the moment.
#[must_use]
pub fn is_want(code: i32) -> bool {
    // WSAEMFILE and WSAENOBUFS.
    matches!(code, 10_024 | 10_055)
}
