//! Detaching a child: a session of its own, the root folder; and the service manager.

use std::os::unix::process::CommandExt;
use std::path::Path;
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

/// The folder that is there exactly where systemd runs (sd_booted(3)).
const SYSTEMD_RUNS: &str = "/run/systemd/system";
/// The service's files, as `s7supervisord service install` writes them.
const UNIT: &str = "/etc/systemd/system/ImageServing.service";
const SCRIPT: &str = "/etc/init.d/imageserving";

/// The command that has the service manager start the supervisor, where it is installed as a service and this user may.
#[must_use]
pub fn service() -> Option<Command> {
    if !rustix::process::geteuid().is_root() {
        return None;
    }
    if Path::new(SYSTEMD_RUNS).is_dir() {
        let mut command = Command::new("systemctl");
        command.args(["start", "ImageServing.service"]);
        return Path::new(UNIT).exists().then_some(command);
    }
    let mut command = Command::new(SCRIPT);
    command.arg("start");
    Path::new(SCRIPT).exists().then_some(command)
}
