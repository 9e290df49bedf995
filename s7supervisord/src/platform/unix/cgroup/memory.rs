//! The memory of runs, where the kernel counts it for each of their cgroups.
//!
//! It does so where the controller is enabled in the delegated cgroup's `cgroup.subtree_control`, and from then on nothing can
//! be begun in that cgroup itself: a systemd that begins daemons there could not bring back one that was killed (seen with 252,
//! which tries for ever and gets `219/CGROUP`). So it is enabled only by a daemon that was begun in its leaf, as the next one
//! will be: by `DelegateSubgroup=`, from systemd 254 on.

use super::{Home, Tree};
use crate::platform::os::cgroup_place as place;
use rustix::fs::XattrFlags;
use std::fs;
use std::io;

/// Says that the supervisor has set its hard limit of memory, so that a next daemon knows whose it is.
const LIMITED: &str = "user.s7supervisord.memory";

impl Home {
    /// Has the kernel count the memory of each run from now on, where it can. For a daemon that was begun in the leaf, and has
    /// not moved there.
    pub(super) fn count_memory(&self) {
        if !self.may_count_memory() {
            return;
        }
        match fs::write(self.folder.join("cgroup.subtree_control"), "+memory") {
            Ok(()) => log::info!("the kernel counts the memory of each run"),
            Err(error) => log::warn!(
                "enabling the memory controller in {}: {error}; hard limits of memory are seen to by measuring",
                self.folder.display()
            ),
        }
    }

    fn may_count_memory(&self) -> bool {
        let has_memory = |file: &str| {
            let text = fs::read_to_string(self.folder.join(file)).unwrap_or_default();
            text.split_whitespace().any(|name| name == "memory")
        };
        has_memory("cgroup.controllers")
            && !has_memory("cgroup.subtree_control")
            // What these have taken so far stays counted for all of them together, and a limit would be none.
            && self.runs().is_empty()
    }
}

impl Tree {
    /// How many of its processes the kernel has killed because there was no memory left; 0 where it doesn't say (the memory
    /// controller isn't enabled for it).
    #[must_use]
    pub fn oom_kills(&self) -> u64 {
        let events = fs::read_to_string(self.folder.join("memory.events")).unwrap_or_default();
        place::counter(&events, "oom_kill").unwrap_or(0)
    }

    /// Has the kernel give the whole of it no more than `bytes` of memory, and end all of it where that isn't enough. `false`
    /// where it can't: the memory controller isn't enabled for it, or somebody else has a say in that.
    pub fn limit_memory(&self, bytes: u64) -> bool {
        // The kernel counts in pages and rounds down.
        let whole = bytes - bytes % rustix::param::page_size() as u64;
        let file = self.folder.join("memory.max");
        let now = fs::read_to_string(&file);
        if now.is_ok_and(|now| now.trim().parse() == Ok(whole)) {
            return true;
        }
        // A half of a component that goes on without the other is worse than none (Linux 4.19).
        let _ = fs::write(self.folder.join("memory.oom.group"), "1");
        // Before the limit: who is killed in between leaves none that nobody takes away.
        let _ = rustix::fs::setxattr(&self.folder, LIMITED, b"1", XattrFlags::empty());
        fs::write(file, whole.to_string()).is_ok()
    }

    /// Takes that limit away again. One that somebody else has set stays: `is_ours` where this daemon knows that it was set by
    /// [`Tree::limit_memory`]; else the mark tells, where cgroups have such (Linux 5.7).
    ///
    /// # Errors
    /// The limit is still in force.
    pub fn unlimit_memory(&self, is_ours: bool) -> io::Result<()> {
        let is_marked = || rustix::fs::getxattr(&self.folder, LIMITED, &mut [0_u8; 8]).is_ok();
        if !is_ours && !is_marked() {
            return Ok(());
        }
        let file = self.folder.join("memory.max");
        fs::write(&file, "max")
            .map_err(|error| io::Error::new(error.kind(), format!("writing {}: {error}", file.display())))?;
        let _ = fs::write(self.folder.join("memory.oom.group"), "0");
        let _ = rustix::fs::removexattr(&self.folder, LIMITED);
        Ok(())
    }
}

#[cfg(test)]
mod tests;
