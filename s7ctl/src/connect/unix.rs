//! Opening a Unix socket.

use interprocess::local_socket::tokio::prelude::*;
use interprocess::local_socket::{ConnectOptions, GenericFilePath};
use s7proto::endpoint::Endpoint;
use std::io;
use std::os::unix::fs::FileTypeExt;

/// The stream to the supervisor.
pub type Stream = interprocess::local_socket::tokio::Stream;

/// One try.
///
/// # Errors
/// The system's; see [`means_absent`] and [`means_busy`].
pub async fn open(endpoint: &Endpoint) -> io::Result<Stream> {
    let name = endpoint.as_os_str().to_fs_name::<GenericFilePath>()?;
    ConnectOptions::new().name(name).connect_tokio().await
}

/// Nobody listens there: no file, a file that nobody holds open any more, or no such folder.
#[must_use]
pub fn means_absent(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused | io::ErrorKind::NotADirectory
    )
}

/// Where nobody listens, there is a socket all the same.
#[must_use]
pub fn is_left_behind(endpoint: &Endpoint) -> bool {
    let about = std::fs::symlink_metadata(endpoint.as_os_str());
    about.is_ok_and(|about| about.file_type().is_socket())
}

/// The queue of connections is full. interprocess takes that for a connection under way, so it shows at the first write.
#[must_use]
pub fn means_busy(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::WouldBlock | io::ErrorKind::NotConnected
    )
}
