//! The processes that the host holds: by their descriptors, until their ends are seen.

use super::cgroup::Tree;
use super::memory_kills::Kills;
use super::pidfd;
use super::words::exit_of;
use crate::machine::input::RunId;
use crate::state::known::{StartedRun, signs_words, until_words};
use crate::state::line::sealed;
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions};
use s7proto::name::ComponentName;
use s7proto::status::Exit;
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

/// A command that asks a run to stop, until its end is seen.
pub struct Command {
    pub pid: u32,
    pub pidfd: OwnedFd,
    pub run: RunId,
    /// The run is over, and nobody cares how the command ends.
    pub idle: bool,
}

impl Command {
    /// What it was for is over. What it has left behind carries the marker of its run and is swept with it.
    pub fn kill(&mut self) {
        self.idle = true;
        if let Some(group) = Pid::from_raw(i32::try_from(self.pid).unwrap_or(0)) {
            // It isn't reaped yet, so the number is its own.
            let _ = rustix::process::kill_process_group(group, Signal::KILL);
        }
    }
}

/// Who has created a process.
#[derive(Debug, PartialEq, Eq)]
pub enum Origin {
    /// This process is its parent, perhaps as it was before an upgrade.
    Own,
    /// An earlier daemon, which is dead: it isn't a child, and its orphans go elsewhere.
    Left(StartedRun),
}

/// The first process of a run.
pub struct Process {
    pub component: ComponentName,
    pub run: u64,
    pub pid: u32,
    /// Its descriptor; `None` for what an earlier daemon left without its first process.
    pub pidfd: Option<OwnedFd>,
    pub origin: Origin,
    /// What says in the record that it runs, to be written again where that has failed.
    pub record: Vec<u8>,
    /// The sweeper has it in hand, so only the sweeper can say that its tree is empty: until then it signals by the number
    /// of the first process, which therefore must not be reaped.
    pub swept: bool,
    pub key: u64,
    /// It has ended; its remains are kept until the tree is empty, so that its number stays its own.
    pub ended: bool,
    /// The cgroup of its own that its tree lives in, if so.
    pub cgroup: Option<Tree>,
    /// How far apart it has said that its signs of life will be.
    pub signs: Option<Duration>,
    /// Up to when it has asked to have time, in nanoseconds since the machine's boot, as it is recorded.
    pub until: Option<u64>,
    /// Those of it that the system has killed because there was no memory left.
    pub kills: Kills,
}

impl Process {
    /// All lines that say in the record that it runs, and how.
    pub fn lines(&self) -> Vec<u8> {
        let started = self.record.iter().copied();
        let run = self.run;
        let said = self.said(run);
        let said: String = said.iter().map(|words| sealed(words)).collect();
        started.chain(said.into_bytes()).collect()
    }

    /// The words of the lines that say what it has said that a next daemon has to know.
    pub fn said(&self, run: u64) -> Vec<String> {
        let signs = self.signs.map(|apart| signs_words(&self.component, run, apart));
        let until = self.until.map(|at| until_words(&self.component, run, at));
        signs.into_iter().chain(until).collect()
    }

    pub fn kill_group(&self) {
        if let Some(group) = Pid::from_raw(i32::try_from(self.pid).unwrap_or(0)) {
            let _ = rustix::process::kill_process_group(group, Signal::KILL);
        }
    }

    pub fn send(&self, signal: Signal) {
        // It may have ended by itself meanwhile, and then there is nobody to ask.
        if let Some(pidfd) = &self.pidfd {
            let _ = rustix::process::pidfd_send_signal(pidfd, signal);
        }
    }

    /// Looks how many of it the system has killed because there was no memory left, as far as its cgroup counts that; gives how
    /// many have come since the last look.
    pub fn look_at_kills(&mut self, now: Instant) -> u64 {
        let Some(cgroup) = &self.cgroup else { return 0 };
        self.kills.look(cgroup.oom_kills(), now)
    }

    /// How it ended; its remains stay.
    pub fn exit(&self) -> Exit {
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        let Some(pidfd) = &self.pidfd else {
            return Exit::Unknown;
        };
        match rustix::process::waitid(WaitId::PidFd(pidfd.as_fd()), options) {
            Ok(Some(status)) => exit_of(&status),
            _ if self.origin != Origin::Own => pidfd::exit_of_stranger(pidfd.as_fd(), self.pid),
            _ => Exit::Unknown,
        }
    }
}
