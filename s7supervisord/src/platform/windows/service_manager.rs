//! The service manager of the system: on Windows, so far, nothing but clear sentences.

use super::process::unsupported;
use std::io;
use std::path::Path;
use std::time::Duration;

/// The way to a service manager that has started this process: on Windows it is none that could be written to.
#[derive(Debug)]
pub struct Channel;

/// What became of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sent {
    /// It was taken.
    Whole,
    /// There is no room for it now.
    NoRoom,
}

impl Channel {
    /// None.
    ///
    /// # Errors
    /// Never.
    pub fn from_environment() -> Result<Option<Self>, String> {
        Ok(None)
    }

    /// Sends nothing.
    ///
    /// # Errors
    /// Always.
    pub fn send(&self, _message: &str) -> io::Result<Sent> {
        Err(unsupported("telling a service manager"))
    }
}

/// Nobody asks for it on Windows.
#[must_use]
pub fn monotonic_us() -> u64 {
    0
}

/// Which service manager a system has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// systemd, of this version where it tells.
    Systemd(Option<u32>),
    /// Init scripts.
    InitScripts,
}

/// Which one this system has.
///
/// # Errors
/// Always, so far.
pub fn kind(_root: &Path) -> Result<Kind, String> {
    Err("installing the supervisor as a service of Windows is not built yet: this version does it on Linux only".to_owned())
}

/// Whether services may be changed.
#[must_use]
pub fn may_manage() -> bool {
    false
}

/// Nothing on Windows, where nobody acts for somebody else.
///
/// # Errors
/// Never.
pub fn act_as_owner(_folder: &Path) -> io::Result<()> {
    Ok(())
}

/// Whether there is a user of this name.
///
/// # Errors
/// Always, so far.
pub fn user_exists(name: &str) -> Result<bool, String> {
    Err(format!("looking up the user {name}: {}", unsupported("that")))
}

/// Whether there is a program of this name where a service manager's programs lie.
#[must_use]
pub fn has_program(_name: &str) -> bool {
    false
}

/// Runs a program of the service manager.
///
/// # Errors
/// Always, so far.
pub fn call(words: &[&str]) -> Result<u8, String> {
    Err(format!("running {}: {}", words.join(" "), unsupported("that")))
}

/// Windows has no control groups.
#[must_use]
pub fn group_of_unit(_unit: &str) -> Option<String> {
    None
}

/// Puts a service's file in its place.
///
/// # Errors
/// Always, so far.
pub fn write_file(_path: &Path, _text: &str, _executable: bool) -> io::Result<()> {
    Err(unsupported("installing a service"))
}

/// Ends what a stopped daemon has left.
///
/// # Errors
/// Always, so far.
pub fn end_leftovers(_runtime_dir: &Path, _in_service: bool, _patience: Duration) -> io::Result<usize> {
    Err(unsupported("ending what a supervisor has left"))
}

/// Has the service's control group let a daemon in again.
///
/// # Errors
/// Always, so far.
pub fn let_daemons_in() -> io::Result<String> {
    Err(unsupported("letting a supervisor into its control group"))
}

/// Ends what is left in a control group.
///
/// # Errors
/// Always, so far.
pub fn end_group(_group: &str, _patience: Duration) -> io::Result<usize> {
    Err(unsupported("ending a control group"))
}
