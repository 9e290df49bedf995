//! Noticing that somebody takes away what the daemon is found by: its lock, its socket, its record, and their folder.

use rustix::fs::inotify::{self, CreateFlags, WatchFlags};
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// A file that loses its last name while it is open changes its link count, which counts as an attribute. The files
/// themselves are watched and not what happens in their folder: that may be one in which others come and go, and each would
/// wake the daemon.
const OF_A_FILE: WatchFlags = WatchFlags::ATTRIB
    .union(WatchFlags::MOVE_SELF)
    .union(WatchFlags::DELETE_SELF);
/// Of a folder only itself.
const OF_A_FOLDER: WatchFlags = WatchFlags::MOVE_SELF
    .union(WatchFlags::DELETE_SELF)
    .union(WatchFlags::ONLYDIR);
/// Of a folder in which nobody but the daemon makes and removes anything also what goes there.
const OF_AN_OWN_FOLDER: WatchFlags = OF_A_FOLDER
    .union(WatchFlags::DELETE)
    .union(WatchFlags::MOVED_FROM);
/// Read at a time: what it says doesn't matter, only that something has happened.
const CHUNK: usize = 4096;

/// See the module. At rest it costs nothing: the kernel wakes the daemon up.
pub struct Removals {
    /// `None` where the system has none to give.
    inotify: Option<AsyncFd<OwnedFd>>,
}

impl Removals {
    /// Watches nothing yet. To be called inside the runtime.
    #[must_use]
    pub fn begin() -> Self {
        let made = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK)
            .map_err(io::Error::from)
            .and_then(|descriptor| {
                // SAFETY: an OwnedFd always gives the same descriptor, and it is open as long as the AsyncFd lives.
                let watched = unsafe { AsyncFd::register_with_interest(descriptor, Interest::READABLE) }?;
                Ok(watched)
            });
        if let Err(error) = &made {
            log::warn!("watching the runtime folder: {error}; where it is removed, SIGHUP has it made again");
        }
        Self { inotify: made.ok() }
    }

    /// Watches these as well, as far as they are there; of the folder `own` also what lies in it. What is watched already stays so.
    pub fn watch<'a>(
        &self,
        files: impl IntoIterator<Item = &'a Path>,
        folders: impl IntoIterator<Item = &'a Path>,
        own: &'a Path,
    ) {
        let Some(inotify) = &self.inotify else { return };
        let files = files.into_iter().map(|path| (path, OF_A_FILE));
        let folders = folders.into_iter().map(|path| (path, OF_A_FOLDER));
        let own = std::iter::once((own, OF_AN_OWN_FOLDER));
        for (path, what) in files.chain(folders).chain(own) {
            // What isn't there is for the caller to find out; what can't be watched is lost as it was without this.
            let _ = inotify::add_watch(inotify.get_ref(), path, what);
        }
    }

    /// Waits until something may have gone. Can be dropped at any time without losing that.
    pub async fn next(&self) {
        let Some(inotify) = &self.inotify else {
            return std::future::pending().await;
        };
        loop {
            let Ok(mut ready) = inotify.readable().await else {
                // Only a runtime that is shutting down says this.
                return std::future::pending().await;
            };
            let mut happened = false;
            let mut chunk = [0_u8; CHUNK];
            while matches!(rustix::io::read(inotify.get_ref(), &mut chunk), Ok(1..)) {
                happened = true;
            }
            ready.clear_ready();
            if happened {
                return;
            }
        }
    }
}
