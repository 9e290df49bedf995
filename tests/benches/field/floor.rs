//! The floor: N workers under a C program that does nothing but posix_spawn and sigwaitinfo.

use crate::bed::PATIENCE;
use crate::starts::{Start, Starts, now};
use crate::tools::Tools;
use rustix::process::{Pid, Signal};
use std::io;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// A running floor, which ends with this.
#[derive(Debug)]
pub struct Floor {
    child: Child,
    /// When it was started.
    pub began: Duration,
    /// What its workers say.
    pub starts: Starts,
}

impl Floor {
    /// Starts a floor with `n` workers, and gives their beginnings.
    ///
    /// # Errors
    /// It can't be started, or not all of them begin.
    pub fn workers(tools: &Tools, n: usize) -> io::Result<(Self, Vec<Start>)> {
        let folder = tools.fresh_folder()?;
        let starts = Starts::make(&folder.join("starts"))?;
        let mut command = Command::new(tools.path("floor"));
        command
            .env_clear()
            .arg(n.to_string())
            .arg(tools.worker())
            .arg(starts.path())
            .arg(folder.join("output"))
            .stdin(Stdio::null())
            // A group of its own, by which all of it is ended at once.
            .process_group(0);
        let began = now();
        let mut floor = Self {
            child: command.spawn()?,
            began,
            starts,
        };
        let begun = floor.starts.many(n, PATIENCE)?;
        Ok((floor, begun))
    }
}

impl Drop for Floor {
    fn drop(&mut self) {
        if let Some(group) = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw) {
            // It isn't waited for yet, so the number is its own.
            let _ = rustix::process::kill_process_group(group, Signal::KILL);
        }
        let _ = self.child.wait();
    }
}
