//! Speaking to the socket in bytes, as `proto/PROTOCOL.md` has them, without the crate that the daemon itself uses.

use std::io::{ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

/// The first bytes in either direction: `S7SV`, major, minor, longest frame, features.
pub const HELLO_BYTES: usize = 20;

/// A connection that says what it is told to say.
#[derive(Debug)]
pub struct Wire(UnixStream);

/// How a peer ended an exchange.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// It closed the connection, after these bytes.
    Closed(Vec<u8>),
    /// It kept the connection and said nothing more than these bytes.
    Silent(Vec<u8>),
}

impl Wire {
    /// Connects.
    ///
    /// # Panics
    /// Where nobody listens.
    #[must_use]
    pub fn connect(socket: &Path) -> Self {
        let stream = UnixStream::connect(socket)
            .unwrap_or_else(|error| panic!("cannot connect to {}: {error}", socket.display()));
        stream
            .set_read_timeout(Some(Duration::from_secs(10)))
            .expect("the time is not zero");
        stream
            .set_write_timeout(Some(Duration::from_secs(10)))
            .expect("the time is not zero");
        Self(stream)
    }

    /// Connects and exchanges hellos of this version.
    ///
    /// # Panics
    /// Where the daemon doesn't answer with a hello.
    #[must_use]
    pub fn greet(socket: &Path) -> Self {
        let mut wire = Self::connect(socket);
        wire.say(&hello(1, 0));
        let answer = wire.hear(HELLO_BYTES);
        assert_eq!(&answer[..4], b"S7SV", "the daemon's hello");
        wire
    }

    /// Sends bytes. The daemon may hang up on them, so a broken pipe is no failure of the test.
    ///
    /// # Panics
    /// Where they can't be sent for another reason.
    pub fn say(&mut self, bytes: &[u8]) {
        match self.0.write_all(bytes) {
            Ok(()) => {}
            Err(error) if matches!(error.kind(), ErrorKind::BrokenPipe | ErrorKind::ConnectionReset) => {}
            Err(error) => panic!("cannot send {} bytes: {error}", bytes.len()),
        }
    }

    /// Receives exactly `count` bytes.
    ///
    /// # Panics
    /// Where they don't come.
    #[must_use]
    pub fn hear(&mut self, count: usize) -> Vec<u8> {
        let mut bytes = vec![0; count];
        self.0
            .read_exact(&mut bytes)
            .unwrap_or_else(|error| panic!("cannot receive {count} bytes: {error}"));
        bytes
    }

    /// One frame: its request id and its body.
    ///
    /// # Panics
    /// Where none comes.
    #[must_use]
    pub fn hear_frame(&mut self) -> (u64, Vec<u8>) {
        let length = u32::from_le_bytes(self.hear(4).try_into().expect("four bytes"));
        let mut frame = self.hear(length as usize);
        assert!(frame.len() >= 8, "a frame has a request id: {frame:?}");
        let body = frame.split_off(8);
        (u64::from_le_bytes(frame.try_into().expect("eight bytes")), body)
    }

    /// What the daemon still says, until it closes the connection or is silent for `patience`.
    ///
    /// # Panics
    /// Where reading fails for another reason.
    #[must_use]
    pub fn until_the_end(&mut self, patience: Duration) -> End {
        self.0
            .set_read_timeout(Some(patience))
            .expect("the time is not zero");
        let mut said = Vec::new();
        let mut chunk = [0; 4096];
        loop {
            match self.0.read(&mut chunk) {
                Ok(0) => return End::Closed(said),
                Ok(count) => said.extend_from_slice(&chunk[..count]),
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                    return End::Silent(said);
                }
                Err(error) if error.kind() == ErrorKind::ConnectionReset => return End::Closed(said),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => panic!("cannot receive: {error}"),
            }
        }
    }
}

/// A hello with this version, frames of 4 MiB, no features.
#[must_use]
pub fn hello(major: u16, minor: u16) -> [u8; HELLO_BYTES] {
    let mut bytes = [0; HELLO_BYTES];
    bytes[..4].copy_from_slice(b"S7SV");
    bytes[4..6].copy_from_slice(&major.to_le_bytes());
    bytes[6..8].copy_from_slice(&minor.to_le_bytes());
    bytes[8..12].copy_from_slice(&(4u32 << 20).to_le_bytes());
    bytes
}

/// A frame with this request id and body; the length counts both, or is `claimed`.
///
/// # Panics
/// Where the body is longer than a length can say.
#[must_use]
pub fn frame(id: u64, body: &[u8], claimed: Option<u32>) -> Vec<u8> {
    let length = claimed.unwrap_or_else(|| u32::try_from(8 + body.len()).expect("a short body"));
    let mut bytes = length.to_le_bytes().to_vec();
    bytes.extend_from_slice(&id.to_le_bytes());
    bytes.extend_from_slice(body);
    bytes
}
