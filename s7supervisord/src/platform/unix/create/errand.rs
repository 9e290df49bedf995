//! A command beside a run, in the run's surroundings: it has neither lock nor record, and what it says is heard.

use super::{Created, Creator, Passage, Stack};
use crate::machine::input::RunId;
use crate::platform::os::census;
use crate::platform::os::cgroup::Tree;
use crate::platform::os::fault::io_failure;
use crate::platform::os::pidfd;
use crate::platform::os::places::Place;
use crate::registry::plan::ComponentPlan;
use rustix::pipe::PipeFlags;
use rustix::process::{Pid, Signal};
use s7proto::status::{SpawnFailure, SpawnStage};
use std::io;
use std::os::fd::{AsFd, OwnedFd};

/// A command beside a run.
pub struct Made {
    pub pid: u32,
    pub pidfd: OwnedFd,
    /// Where its output comes from.
    pub output: OwnedFd,
    /// The cgroup that it lives in, if it has one of its own.
    pub cgroup: Option<Tree>,
    /// Kept until the core loop looks after the process.
    pub passage: Passage,
}

impl Creator {
    /// Like [`Creator::create_asking`], with its output in a pipe, and in a cgroup of its own below that of the run.
    pub fn create_errand(
        &self,
        run: RunId,
        plan: &ComponentPlan,
        cgroup: Option<&Tree>,
        stack: &mut Stack,
    ) -> Result<Made, SpawnFailure> {
        let failed = |error: &io::Error| io_failure(SpawnStage::ConnectingOutput, plan.id.to_string(), error);
        let (launch, identity) = self.launch_of_command(run, plan)?;
        let (output, input) =
            rustix::pipe::pipe_with(PipeFlags::CLOEXEC).map_err(|error| failed(&error.into()))?;
        // The run may just be ending, and its cgroup with it; the command ends then too.
        let cgroup = cgroup.and_then(|cgroup| cgroup.beside().ok());
        let place = Place::with(Some(input.as_fd()), None, None).map_err(|error| failed(&error))?;
        drop(input);
        let created = self.clone_child(
            &launch,
            &identity,
            (&place, (false, false), None),
            stack,
            plan,
            cgroup,
        );
        place.give_back();
        let Created {
            pid,
            pidfd,
            cgroup,
            passage,
            ..
        } = created?;
        Ok(Made {
            pid,
            pidfd,
            output,
            cgroup,
            passage,
        })
    }
}

/// Kills a command beside a run: all in its cgroup, or its group and those of its descendants that can be reached. What has
/// left both bears the command's mark, and the sweeper ends it. Its first process isn't reaped meanwhile.
pub fn kill(pid: u32, cgroup: Option<&Tree>) {
    if let Some(cgroup) = cgroup {
        if let Err(error) = cgroup.kill() {
            log::warn!("killing all in {cgroup}: {error}");
        }
        return;
    }
    let group = i32::try_from(pid).ok().and_then(Pid::from_raw);
    let to_group = |signal| {
        if let Some(group) = group {
            let _ = rustix::process::kill_process_group(group, signal);
        }
    };
    // What is stopped makes no more children while it is looked for.
    to_group(Signal::STOP);
    let tree = || census::tree(pid);
    pidfd::signal(tree(), &[Signal::KILL], || tree().into_iter().collect());
    to_group(Signal::KILL);
}
