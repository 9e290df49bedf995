//! Runs that another daemon has begun.

use super::{Host, Told};
use crate::machine::input::RunId;
use crate::platform::leftovers::{self, Leftovers};
use crate::platform::os::cgroup::Tree;
use crate::platform::os::held::Origin;
use crate::platform::os::memory_kills::Kills;
use crate::platform::os::pidfd;
use crate::platform::os::sweeper::Job;
use crate::state::known::StartedRun;
use std::io;
use std::os::fd::AsFd;
use std::time::Instant;

impl Host {
    /// Takes charge of a run that an earlier daemon has begun; whether its first process is there, so that its end will be told.
    /// `leads` says that it is its first process that is known; else only something that it has left.
    ///
    /// # Errors
    /// The thread that looks after what isn't a child of this process can't be created.
    pub fn adopt(
        &mut self,
        run: RunId,
        started: StartedRun,
        record: Vec<u8>,
        leads: bool,
    ) -> io::Result<bool> {
        let pid = started.process.pid;
        let pidfd = pidfd::open(pid)
            .filter(|_| leads)
            .filter(|pidfd| leftovers::is_recorded(&started, pidfd.as_fd()));
        // After an upgrade in place it is a child as before.
        let is_child = pidfd.as_ref().is_some_and(|pidfd| pidfd::is_child(pidfd.as_fd()));
        // What has ended is not there, even where its parent has not reaped it yet: nobody saw that end, and it is no crash.
        let pidfd = pidfd.filter(|pidfd| is_child || !pidfd::has_ended(pidfd.as_fd()));
        let is_there = pidfd.is_some();
        if !is_child {
            self.leftovers()?;
        }
        let component = started.component.clone();
        let origin = if is_child {
            Origin::Own
        } else {
            Origin::Left(started)
        };
        let cgroup = Tree::find_of(&component, run.run, &self.instance, pid);
        // Those that an earlier daemon has seen, and when those came that it hasn't is not known.
        let before = cgroup.as_ref().map_or(0, Tree::oom_kills);
        self.add(run, component, (pid, pidfd), origin, (record, cgroup));
        if let Some(process) = self.runs.get_mut(&run) {
            process.kills = Kills::begin(before, Instant::now());
        }
        Ok(is_there)
    }

    /// Ends a run that nobody knows any more, politely first.
    ///
    /// # Errors
    /// As [`Host::adopt`].
    pub fn end_alone(&mut self, started: StartedRun) -> io::Result<()> {
        // After an upgrade in place its orphans are children of this process.
        self.sweeper.order(Job::LeaveAlone(started.clone()));
        self.leftovers()?.order(leftovers::Job::EndAlone(started));
        Ok(())
    }

    /// The runs that were given to [`Host::end_alone`] and are gone, each once.
    pub fn take_gone(&mut self) -> Vec<StartedRun> {
        std::mem::take(&mut self.gone)
    }

    /// Every run that an earlier daemon has begun and that lives was told here. To be called once, before anything is created.
    pub fn all_are_known(&mut self) {
        self.sweeper.order(Job::AllKnown);
    }

    fn leftovers(&mut self) -> io::Result<&Leftovers> {
        match &mut self.leftovers {
            Some(leftovers) => Ok(leftovers),
            none => {
                let told = self.tell.clone();
                let leftovers = Leftovers::start(self.instance.clone(), move |fact| {
                    let _ = told.send(Told::Swept(fact));
                })?;
                Ok(none.insert(leftovers))
            }
        }
    }
}
