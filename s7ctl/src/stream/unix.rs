//! Noticing that nobody reads any more, also while there is nothing to write.

use rustix::event::{PollFd, PollFlags, poll};
use std::io;
use tokio::sync::oneshot;

/// Ends when the other end of standard output is closed. For a file, which has none, never.
pub async fn reader_gone() {
    let (say, said) = oneshot::channel();
    // A thread, because a poll of anything but errors works with every kind of output; it ends with the program.
    let watch = std::thread::Builder::new().spawn(move || {
        if wait_for_error().is_ok() {
            // Nobody listens any more where the stream has ended.
            let _ = say.send(());
        }
    });
    if watch.is_ok() && said.await.is_ok() {
        return;
    }
    std::future::pending().await
}

/// Nothing is asked for, so that only what is always told comes: the reader of the pipe has gone (poll(2): POLLERR).
fn wait_for_error() -> rustix::io::Result<()> {
    let stdout = io::stdout();
    let mut watched = [PollFd::new(&stdout, PollFlags::empty())];
    rustix::io::retry_on_intr(|| poll(&mut watched, None)).map(|_ready| ())
}
