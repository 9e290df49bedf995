//! Opening a named pipe.

use interprocess::os::windows::named_pipe::pipe_mode::Bytes;
use interprocess::os::windows::named_pipe::tokio::DuplexPipeStream;
use s7proto::endpoint::Endpoint;
use std::fs::OpenOptions;
use std::io;
use std::os::windows::fs::OpenOptionsExt;
use std::os::windows::io::OwnedHandle;

/// The stream to the supervisor.
pub type Stream = DuplexPipeStream<Bytes>;

/// Generic read, and write of data, attributes and extended attributes, without FILE_CREATE_PIPE_INSTANCE (0x4): the
/// pipe's access list gives operators exactly this, and GENERIC_WRITE would ask for more and be refused.
const ACCESS: u32 = 0x0012_019B;
/// The server may learn who we are and nothing more: without this a rogue one could act in our name.
const SECURITY_IDENTIFICATION: u32 = 0x0001_0000;
/// Asynchronous input and output, which tokio needs.
const FILE_FLAG_OVERLAPPED: u32 = 0x4000_0000;
const ERROR_PIPE_BUSY: i32 = 231;

/// One try. It does not block: a pipe without a free instance is [`means_busy`].
///
/// # Errors
/// The system's; see [`means_absent`] and [`means_busy`].
#[expect(
    clippy::unused_async,
    reason = "its twin awaits, and the caller knows only one of them"
)]
pub async fn open(endpoint: &Endpoint) -> io::Result<Stream> {
    let file = OpenOptions::new()
        .access_mode(ACCESS)
        .custom_flags(FILE_FLAG_OVERLAPPED)
        // This sets SECURITY_SQOS_PRESENT as well.
        .security_qos_flags(SECURITY_IDENTIFICATION)
        .open(endpoint.as_os_str())?;
    Stream::try_from(OwnedHandle::from(file)).map_err(|error| {
        // The handle comes back inside the error, and is closed with it.
        error
            .cause
            .unwrap_or_else(|| io::Error::other("the pipe cannot be waited on"))
    })
}

/// No such pipe: nobody listens there.
#[must_use]
pub fn means_absent(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::NotFound
}

/// Where nobody listens, there is something all the same: a pipe is gone with whoever listened.
#[must_use]
pub fn is_left_behind(_endpoint: &Endpoint) -> bool {
    false
}

/// Every instance of the pipe is taken at the moment.
#[must_use]
pub fn means_busy(error: &io::Error) -> bool {
    error.raw_os_error() == Some(ERROR_PIPE_BUSY)
}
