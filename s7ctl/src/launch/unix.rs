//! Detaching a child: a session of its own, the root folder.

use std::os::unix::process::CommandExt;
use std::process::Command;

/// The child outlives this terminal and holds no file system busy.
pub fn detach(command: &mut Command) {
    command.current_dir("/");
    // SAFETY: between fork and exec only async-signal-safe functions may run. setsid is one; the closure touches no
    // memory of others and allocates nothing (an io::Error from an error number is a plain value).
    unsafe {
        command.pre_exec(|| {
            rustix::process::setsid()?;
            Ok(())
        });
    }
}
