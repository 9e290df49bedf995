//! Whether a process is one of a run. Nothing here waits for that process.

use super::receive::Sender;
use crate::platform::os::{census, cgroup, pidfd};
use s7proto::name::ComponentName;
use std::os::fd::AsFd;

/// Parents that are looked at at most: a shell in a shell in a shell is three.
const GENERATIONS: usize = 64;

/// The processes of a run, as far as they can be told from others.
#[derive(Debug)]
pub struct Kin {
    pub component: ComponentName,
    pub run: u64,
    /// Its first process. The number stays its own until the run is over.
    pub leader: u32,
    /// The number of its cgroup, where it has one.
    pub cgroup: Option<u64>,
}

impl Kin {
    /// Whether `sender` is one of them.
    ///
    /// Who has ended and was reaped by now is only known where the run has a cgroup and the kernel (Linux 6.15) still tells
    /// where he was; without a cgroup a process that has left both the session and its parents is not known either.
    pub fn has(&self, sender: &Sender) -> bool {
        let pidfd = sender.pidfd.as_ref().map(AsFd::as_fd);
        if let (Some(own), Some(pidfd)) = (self.cgroup, pidfd)
            && pidfd::cgroup(pidfd) == Some(own)
        {
            return true;
        }
        // As long as it isn't reaped, the number was its own all the while.
        self.has_number(sender.pid) && pidfd.is_none_or(pidfd::is_there)
    }

    /// Whether the process of this number is one of them.
    pub fn has_number(&self, pid: u32) -> bool {
        if pid <= 1 || pid == std::process::id() {
            return false;
        }
        if pid == self.leader {
            return true;
        }
        self.has_relative(pid) || self.is_below(pid)
    }

    /// In the session or the group of the first process, or descended from it.
    ///
    /// A session or group may have been begun outside of this daemon's pid namespace (`docker exec`), and its number is 0
    /// then; getsid(2) says 0 too, for which `rustix` has no value and panics.
    fn has_relative(&self, pid: u32) -> bool {
        let Some(first) = census::stat(pid) else {
            return false;
        };
        if first.session == self.leader || first.group == self.leader {
            return true;
        }
        let mut parent = first.parent;
        for _ in 0..GENERATIONS {
            if parent == self.leader {
                return true;
            }
            match census::stat(parent) {
                Some(stat) if parent > 1 => parent = stat.parent,
                _ => return false,
            }
        }
        false
    }

    /// In a cgroup that the run has made below its own, or where the kernel doesn't tell by a descriptor.
    fn is_below(&self, pid: u32) -> bool {
        self.cgroup.is_some()
            && cgroup::run_of(pid)
                .is_some_and(|(component, run)| component == self.component.as_str() && run == self.run)
    }
}
