//! A daemon whose system calls are seen, delayed or made to fail.

use crate::eventually::{SOON, eventually, when};
use crate::processes;
use crate::sandbox::Sandbox;
use rustix::process::Signal;
use std::process::{Child, Command, Stdio};

/// strace at work. Dropping it lets go of the process.
#[derive(Debug)]
pub struct Strace(Child);

impl Drop for Strace {
    fn drop(&mut self) {
        processes::send(self.0.id(), Signal::TERM);
        // It is a child of the test, and the signal or the end of what it traces has ended it.
        let _ = self.0.wait();
        processes::forget(&self.0);
    }
}

/// Attaches strace with these options to the process `pid` and waits until it holds it. What it sees goes to `strace.out` in the
/// sandbox.
///
/// # Errors
/// strace is not installed, or may not trace here.
pub fn attach(sandbox: &Sandbox, pid: u32, options: &[&str]) -> Result<Strace, String> {
    let version = Command::new("strace").arg("-V").stdout(Stdio::null()).status();
    if version.is_err() {
        return Err("strace is not installed".to_owned());
    }
    let mut command = Command::new("strace");
    command
        .arg("-qq")
        .args(options)
        .arg("-o")
        .arg(sandbox.path("strace.out"))
        .args(["-p", &pid.to_string()])
        .stdin(Stdio::null())
        .stderr(Stdio::null());
    let mut strace = processes::spawn(&mut command);
    let traced = format!("/proc/{pid}/status");
    let attached = eventually("strace holds the daemon", SOON, || {
        if let Ok(Some(status)) = strace.try_wait() {
            return Ok(Err(status));
        }
        let status = std::fs::read_to_string(&traced).unwrap_or_default();
        let holder = status.lines().find_map(|line| line.strip_prefix("TracerPid:"));
        let is_held = holder.is_some_and(|pid| pid.trim() == strace.id().to_string());
        when(is_held, || format!("{holder:?}")).map(Ok)
    });
    match attached {
        Ok(()) => Ok(Strace(strace)),
        Err(status) => {
            processes::forget(&strace);
            Err(format!("strace may not trace here ({status})"))
        }
    }
}
