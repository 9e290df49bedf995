//! What one image of the daemon leaves open for the next one, which is executed in its place: the lock, so that nobody else
//! begins in between, and the listening socket, so that clients who connect meanwhile wait instead of finding nobody.

use crate::failpoint::{self, Point};
use rustix::fs::FileType;
use rustix::io::FdFlags;
use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

/// The variable that names the descriptors: `lock=5,listen=7,since=81230000000,from=0.1.0`.
const HANDED: &str = "S7_HANDED_OVER";

/// A socket that clients connect to.
pub type Socket = OwnedFd;

/// What the image before this one has left open for it.
#[derive(Debug, Default)]
pub struct HandedOver {
    /// The lock of the runtime folder, held.
    pub lock: Option<File>,
    /// Where clients connect.
    pub listener: Option<Socket>,
    /// Where runs tell of themselves: what they have said since is in there.
    pub notify: Vec<Socket>,
    /// What was dropped of the output.
    pub lost: Option<File>,
    /// The version before, where another binary was put in place of this one while components run.
    pub from: Option<String>,
}

impl HandedOver {
    /// Takes it, once: the variable is gone then, so that nobody else believes it. To be called before there is a second
    /// thread.
    #[must_use]
    pub fn take() -> Self {
        let Ok(text) = std::env::var(HANDED) else {
            return Self::default();
        };
        // SAFETY: the caller says that there is no second thread.
        unsafe { std::env::remove_var(HANDED) };
        let mut handed = Self::default();
        for (name, value) in text.split(',').filter_map(|pair| pair.split_once('=')) {
            match name {
                "lock" => handed.lock = open(value, FileType::RegularFile).map(File::from),
                "listen" => handed.listener = open(value, FileType::Socket),
                "notify" => handed.notify.extend(open(value, FileType::Socket)),
                "lost" => handed.lost = open(value, FileType::RegularFile).map(File::from),
                "from" => handed.from = Some(value.to_owned()),
                // A later version may hand over more; what it is about is closed with the next execution.
                _ => {}
            }
        }
        if handed.from.is_some() {
            failpoint::reach(Point::UpgradeAfterExec);
        }
        handed
    }
}

/// When the first image of the daemon in this process began, as all since have told each other; `None` where this is the first.
/// To be called before [`HandedOver::take`].
pub(super) fn first_image_ns() -> Option<u64> {
    let text = std::env::var(HANDED).ok()?;
    let since = text.split(',').find_map(|pair| pair.strip_prefix("since="))?;
    since.parse().ok()
}

/// The descriptor of that number, where it is open and of that kind; close-on-exec again.
fn open(number: &str, kind: FileType) -> Option<OwnedFd> {
    // Standard input, output and error are never handed over.
    let number: RawFd = number.parse().ok().filter(|number| *number > 2)?;
    // SAFETY: only looked at; a number that isn't open is an error of the call.
    let borrowed = unsafe { BorrowedFd::borrow_raw(number) };
    let about = rustix::fs::fstat(borrowed).ok()?;
    if FileType::from_raw_mode(about.st_mode) != kind {
        return None;
    }
    rustix::io::fcntl_setfd(borrowed, FdFlags::CLOEXEC).ok()?;
    // SAFETY: it is open, and nothing else in this program knows of it: it was left open by the image before.
    Some(unsafe { OwnedFd::from_raw_fd(number) })
}

/// What is left open while another image is executed; close-on-exec again if that fails.
pub(super) struct Handing<'a>(Vec<(&'static str, BorrowedFd<'a>)>);

impl<'a> Handing<'a> {
    pub fn open(what: Vec<(&'static str, BorrowedFd<'a>)>) -> io::Result<Self> {
        let handing = Self(what);
        for (_, descriptor) in &handing.0 {
            rustix::io::fcntl_setfd(descriptor, FdFlags::empty())?;
        }
        Ok(handing)
    }

    /// The variable that tells the next image of it.
    pub fn variable(&self, since_ns: u64, from: Option<&str>) -> (&'static str, String) {
        let open = self
            .0
            .iter()
            .map(|(name, descriptor)| format!("{name}={}", descriptor.as_raw_fd()));
        let since = std::iter::once(format!("since={since_ns}"));
        let from = from.map(|version| format!("from={version}"));
        (
            HANDED,
            open.chain(since).chain(from).collect::<Vec<_>>().join(","),
        )
    }
}

impl Drop for Handing<'_> {
    fn drop(&mut self) {
        for (_, descriptor) in &self.0 {
            // It can only fail for a number that isn't open.
            let _ = rustix::io::fcntl_setfd(descriptor, FdFlags::CLOEXEC);
        }
    }
}
