//! Who is at the other end of a connection.

use s7proto::status::Actor;
use std::fmt;

/// A client, as the system tells of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Peer {
    /// The user.
    pub who: Actor,
    /// The process that has connected, where the system tells. It may have handed the connection on, so this is only
    /// written down.
    pub pid: Option<u32>,
}

/// `uid 1000 pid 4121`.
impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.who)?;
        match self.pid {
            Some(pid) => write!(f, " pid {pid}"),
            None => Ok(()),
        }
    }
}
