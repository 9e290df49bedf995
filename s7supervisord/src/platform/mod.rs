//! The operating system, twice. Both twins export the same items; nothing above this module knows which it is.
//!
//! The platform reports, it never decides: what can't be done comes back as an event or an error, and the machine
//! says what follows from it.

#[cfg(unix)]
#[path = "unix/mod.rs"]
mod os;
#[cfg(windows)]
#[path = "windows/mod.rs"]
mod os;

pub mod peer;

pub use os::*;
