//! Whole trees: how they are held together, asked and emptied.

use super::super::cgroup;
use super::super::leftovers;
use super::super::sweeper::{Job, Manner, Swept};
use super::{Host, Origin, Told};
use crate::failpoint::{self, Point};
use crate::machine::input::RunId;
use std::sync::PoisonError;

impl Host {
    /// How trees are held together.
    #[must_use]
    pub fn containment(&self) -> &'static str {
        if cgroup::home().is_some() {
            "cgroup"
        } else if self.orphans.is_some() {
            "group"
        } else {
            "group, without orphans"
        }
    }

    /// How the tree of one run is held together; `None` where the run isn't there.
    #[must_use]
    pub fn contained(&self, run: RunId) -> Option<&'static str> {
        let contained = self.runs.get(&run)?.cgroup.is_some();
        Some(if contained { "cgroup" } else { "group" })
    }

    /// Asks what the first process has left. Answered by `Emptied` once nothing is left.
    pub fn ask_rest(&mut self, run: RunId) {
        self.empty(run, Manner::Ask);
    }

    /// Kills the tree of a run. Answered by `Emptied` once its first process has ended and nothing is left.
    pub fn kill(&mut self, run: RunId) {
        failpoint::reach(Point::StopBeforeKill);
        self.empty(run, Manner::Kill);
    }

    fn empty(&mut self, run: RunId, manner: Manner) {
        let Some(process) = self.runs.get(&run) else {
            return;
        };
        if let (Some(leftovers), Origin::Left(started)) = (&self.leftovers, &process.origin) {
            return leftovers.order(leftovers::Job::Treat {
                run,
                record: started.clone(),
                cgroup: process.cgroup.clone(),
                manner,
            });
        }
        // By the time its first process can be seen to have ended, the kernel has given us all that it left. If there is
        // nothing, no thread need be asked: that is the way of every component that behaves.
        let known = self.orphans.is_some() || process.cgroup.is_none();
        if known && process.ended && !process.swept && !self.has_orphans() {
            if self.orphans.is_none() {
                // Without the kernel's list the group is all that is known of the tree; the number is still its own.
                process.kill_group();
            }
            let _ = self.tell.send(Told::Swept(Swept::Empty(run)));
            return;
        }
        self.sweeper.order(Job::Sweep {
            run,
            leader: process.pid,
            manner,
            leader_ended: process.ended,
            cgroup: process.cgroup.clone(),
        });
        if let Some(process) = self.runs.get_mut(&run) {
            process.swept = true;
        }
    }

    pub(super) fn has_orphans(&self) -> bool {
        let Some(orphans) = &self.orphans else {
            return false;
        };
        let list = orphans.list();
        if list.is_empty() {
            return false;
        }
        // After an upgrade in place the first processes of the runs from before are in the list as well.
        let leaders = self.leaders.lock().unwrap_or_else(PoisonError::into_inner);
        list.iter().any(|pid| !leaders.contains_key(pid))
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        cgroup::leave();
    }
}
