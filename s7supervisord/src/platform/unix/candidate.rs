//! The process of a binary that is asked something: nothing of it outlives the question, nor the daemon that asks.
//!
//! What it creates is none of the daemon's business and could hold on for ever. So it is the one that orphans of its own tree
//! come to, and the tree is found from it as long as it is there, whatever sessions were begun; what it leaves when it ends by
//! itself comes to the daemon and is known by a variable in its environment, or by the file that it executes.

use super::census::{self, Orphans};
use super::pidfd;
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions};
use std::collections::HashSet;
use std::ffi::{CString, OsStr, OsString};
use std::io;
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// The variable that says of whose question a process is.
const MARK: &str = "S7_CANDIDATE";
/// Between two looks whether something has ended.
const LOOK_AGAIN: Duration = Duration::from_millis(2);
/// How many looks in a row have to find nothing.
const QUIET: u32 = 5;
/// How long something may take to be gone that was killed.
const KILLED: Duration = Duration::from_secs(1);

/// A binary that is being asked.
pub(super) struct Candidate {
    child: Child,
    /// The value of [`MARK`] of all that belongs to it.
    mark: String,
    /// Its file, and when it was begun: what has emptied its environment is still the same program.
    file: Option<(u64, u64)>,
    started: Option<u64>,
}

impl Candidate {
    /// Starts `command` under the name `name`, with no environment but what was given to it. The thread that calls this must
    /// live until the end.
    pub fn start(command: &mut Command, name: OsString) -> io::Result<Self> {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let own = rustix::process::getpid();
        let mark = format!("{own}.{}", COUNT.fetch_add(1, Ordering::Relaxed));
        command.env(MARK, &mark).process_group(0);
        let image = Image::of(command, name)?;
        // SAFETY: only system calls.
        unsafe {
            command.pre_exec(move || {
                rustix::process::set_child_subreaper(Some(own))?;
                // It dies with the thread that asks. Components never do; nobody but this thread needs the answer.
                rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?;
                // Who was killed before that says nothing any more.
                if rustix::process::getppid() != Some(own) {
                    return Err(rustix::io::Errno::SRCH.into());
                }
                Err(image.execute())
            });
        }
        let file = file_at(command.get_program());
        let child = command.spawn()?;
        let started = census::stat(child.id()).map(|stat| stat.started);
        Ok(Self {
            child,
            mark,
            file,
            started,
        })
    }

    /// Whether it ends until the deadline. It is not reaped, so that its number stays its own.
    pub fn has_ended(&self, deadline: Instant) -> io::Result<bool> {
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        let pid = self.pid()?;
        loop {
            if rustix::process::waitid(WaitId::Pid(pid), options)?.is_some() {
                return Ok(true);
            }
            if Instant::now() >= deadline {
                return Ok(false);
            }
            std::thread::sleep(LOOK_AGAIN);
        }
    }

    /// Ends it and everything that it has begun, and reaps it; `None` where the system doesn't let it be killed.
    pub fn end(mut self) -> io::Result<Option<ExitStatus>> {
        let (pid, deadline) = (self.pid()?, Instant::now() + KILLED);
        // It begins nothing more then, and stays the one that orphans come to. Where it has ended, that is no failure.
        let _ = rustix::process::kill_process(pid, Signal::STOP);
        while kill_each(&self.descendants()) && Instant::now() < deadline {
            std::thread::sleep(LOOK_AGAIN);
        }
        let _ = rustix::process::kill_process_group(pid, Signal::KILL);
        let ended = self.has_ended(Instant::now() + KILLED)?;
        let status = ended.then(|| self.child.wait()).transpose()?;
        // Now all that it has left has come to this process, which reaps it as any other orphan.
        // One of them may have made another and ended while the list was read, so only several looks that find none are enough.
        let mut quiet = 0;
        while quiet < QUIET && Instant::now() < deadline {
            quiet = if kill_each(&self.left()) { 0 } else { quiet + 1 };
            std::thread::sleep(LOOK_AGAIN);
        }
        Ok(status)
    }

    fn descendants(&self) -> HashSet<u32> {
        let own = self.child.id();
        census::tree(own).into_iter().filter(|pid| *pid != own).collect()
    }

    fn left(&self) -> HashSet<u32> {
        let orphans = Orphans::open().map(|orphans| orphans.list()).unwrap_or_default();
        let marked = |pid: &u32| census::variable(*pid, MARK).as_ref() == Some(&self.mark);
        let heads = orphans
            .into_iter()
            .filter(|pid| marked(pid) || self.is_a_copy(*pid));
        heads.flat_map(census::tree).collect()
    }

    /// Whether it executes the same file, and was begun later.
    fn is_a_copy(&self, pid: u32) -> bool {
        let (Some(file), Some(started)) = (self.file, self.started) else {
            return false;
        };
        file_at(format!("/proc/{pid}/exe").as_ref()) == Some(file)
            && census::stat(pid).is_some_and(|stat| stat.started >= started)
    }

    fn pid(&self) -> io::Result<Pid> {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        pid.ok_or_else(|| io::Error::other("its process id is out of range"))
    }
}

/// What is executed. The standard library would have a shell try what is no program.
struct Image {
    /// What the pointers point into; never touched again.
    _text: Vec<CString>,
    program: CString,
    arguments: Vec<*const libc::c_char>,
    environment: Vec<*const libc::c_char>,
}

// SAFETY: the pointers point to what it owns, and nobody changes that.
unsafe impl Send for Image {}
// SAFETY: as above.
unsafe impl Sync for Image {}

impl Image {
    fn of(command: &Command, name: OsString) -> io::Result<Self> {
        let text = |text: &OsStr| CString::new(text.as_bytes()).map_err(io::Error::from);
        let mut all = vec![text(&name)?];
        for argument in command.get_args() {
            all.push(text(argument)?);
        }
        let arguments = all.len();
        for (variable, value) in command.get_envs() {
            let mut pair = variable.to_owned();
            pair.push("=");
            pair.push(value.unwrap_or_default());
            all.push(text(&pair)?);
        }
        let pointers = |of: &[CString]| {
            let each = of.iter().map(|text| text.as_ptr());
            each.chain([std::ptr::null()]).collect()
        };
        let (first, rest) = all.split_at(arguments);
        Ok(Self {
            program: text(command.get_program())?,
            arguments: pointers(first),
            environment: pointers(rest),
            _text: all,
        })
    }

    /// Comes back only if that fails.
    fn execute(&self) -> io::Error {
        // SAFETY: all of it ends with a null as it must, and lives as long as `self`.
        unsafe {
            libc::execve(
                self.program.as_ptr(),
                self.arguments.as_ptr(),
                self.environment.as_ptr(),
            );
        }
        io::Error::last_os_error()
    }
}

/// Device and number of a file.
fn file_at(path: &OsStr) -> Option<(u64, u64)> {
    let about = rustix::fs::stat(path).ok()?;
    Some((about.st_dev, about.st_ino))
}

/// Kills those of `pids` that live; whether there were any.
fn kill_each(pids: &HashSet<u32>) -> bool {
    let living = pids.iter().filter_map(|pid| pidfd::open(*pid));
    let living: Vec<_> = living.filter(|pidfd| !pidfd::has_ended(pidfd.as_fd())).collect();
    for pidfd in &living {
        let _ = rustix::process::pidfd_send_signal(pidfd, Signal::KILL);
    }
    !living.is_empty()
}
