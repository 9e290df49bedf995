//! Detaching a child: no console, a process group of its own; and the service manager.

use std::os::windows::process::CommandExt;
use std::process::Command;

const DETACHED_PROCESS: u32 = 0x0000_0008;
const CREATE_NEW_PROCESS_GROUP: u32 = 0x0000_0200;

/// The child outlives this console and holds no folder busy.
pub fn detach(command: &mut Command) {
    command.creation_flags(DETACHED_PROCESS | CREATE_NEW_PROCESS_GROUP);
    if let Some(root) = std::env::var_os("SystemRoot") {
        command.current_dir(root);
    }
}

/// The command that has the service manager start the supervisor: there is no service on Windows yet.
#[must_use]
pub fn service() -> Option<Command> {
    None
}
