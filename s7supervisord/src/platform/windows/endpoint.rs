//! The control pipe.

use super::process::Socket;
use super::process::unsupported;
use crate::platform::peer::Peer;
use interprocess::local_socket::tokio::Stream;
use interprocess::local_socket::traits::tokio::Listener as _;
use s7proto::endpoint::Endpoint;
use s7proto::refusal::Permission;
use std::io;
use std::path::Path;

/// Who may connect, beside administrators.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Groups;

impl Groups {
    /// Finds the groups by name.
    ///
    /// # Errors
    /// Groups can't be named on Windows yet.
    pub fn find(observe: Option<&str>, control: Option<&str>) -> Result<Self, String> {
        match observe.or(control) {
            None => Ok(Self),
            Some(group) => Err(format!("naming a group ({group}) is not possible on Windows yet")),
        }
    }
}

/// Makes the folder for the state, if it isn't there.
///
/// # Errors
/// It can't be made.
pub fn prepare_folder(folder: &Path) -> io::Result<()> {
    std::fs::create_dir_all(folder)
}

/// Where clients connect.
pub struct Listener(interprocess::local_socket::tokio::Listener);

impl Listener {
    /// The next client.
    ///
    /// # Errors
    /// The system's.
    pub async fn accept(&self) -> io::Result<Stream> {
        self.0.accept().await
    }

    /// The pipe itself, for the next image of the daemon.
    ///
    /// # Errors
    /// Always: there is no next image on Windows.
    pub fn socket(&self) -> io::Result<Socket> {
        Err(unsupported("handing clients over"))
    }

    /// As [`Listener::socket`].
    ///
    /// # Errors
    /// Always.
    pub fn into_socket(self) -> io::Result<Socket> {
        self.socket()
    }
}

/// Goes on listening where the image before this one listened.
///
/// # Errors
/// Never: nothing is handed over.
pub fn take_over(socket: Socket, _endpoint: &Endpoint) -> io::Result<Option<Listener>> {
    match socket {}
}

/// Listens at `endpoint`.
///
/// # Errors
/// Always, so far.
pub fn listen(_endpoint: &Endpoint, _groups: Groups) -> io::Result<Listener> {
    Err(unsupported("listening for clients"))
}

/// Whether nothing lies where clients connect. A pipe can't be removed by others.
#[must_use]
pub fn is_gone(_endpoint: &Endpoint) -> bool {
    false
}

/// Who is at the other end of `stream`, and what they may do.
///
/// # Errors
/// Always, so far.
pub fn peer(_stream: &Stream, _groups: Groups) -> io::Result<(Peer, Option<Permission>)> {
    Err(unsupported("telling who a client is"))
}
