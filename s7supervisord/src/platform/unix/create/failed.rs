//! What a start that came to no program is told as: what was being done, to what, and why that failed.

use super::{Creator, io_failure};
use crate::platform::os::notices::descriptor_of;
use crate::platform::os::unexecutable;
use crate::registry::plan::{ComponentPlan, Resource};
use s7proto::status::{SpawnFailure, SpawnStage};
use std::io;

impl Creator {
    /// What the child has put down: its stage, the error number, and which of its limits it was about.
    pub(super) fn failed(
        &self,
        (stage, errno, limit): (SpawnStage, i32, usize),
        is_about_notifying: bool,
        component: &ComponentPlan,
    ) -> SpawnFailure {
        let subject = match is_about_notifying {
            true => self.notify_subject(component),
            false => subject(stage, limit, component),
        };
        let mut told = io_failure(stage, subject, &io::Error::from_raw_os_error(errno));
        if stage == SpawnStage::Executing
            && let Some(cause) =
                unexecutable::cause(&component.run.program, errno, component.run.user.as_deref())
        {
            told.cause = format!("{}: {cause}", told.cause);
        }
        told
    }

    /// What a component could not be given, and what keeps it from that: nothing else does.
    fn notify_subject(&self, component: &ComponentPlan) -> String {
        let mut set = component.run.limits.iter();
        let set = set.rfind(|limit| limit.resource == Resource::Nofile);
        let limit = set.map_or_else(|| self.inherited.most_descriptors(), |limit| limit.soft);
        let limit = limit.map_or_else(|| "unlimited".to_owned(), |limit| limit.to_string());
        let number = descriptor_of(component);
        format!("descriptor {number} of <notify> (its limit `nofile` is {limit})")
    }
}

fn subject(stage: SpawnStage, limit: usize, component: &ComponentPlan) -> String {
    let run = &component.run;
    match stage {
        SpawnStage::Executing => run.program.display().to_string(),
        SpawnStage::ChangingDirectory => run.working_directory.display().to_string(),
        SpawnStage::SettingUser => run.user.clone().unwrap_or_default(),
        SpawnStage::SettingGroup => run
            .group
            .as_ref()
            .or(run.user.as_ref())
            .cloned()
            .unwrap_or_default(),
        SpawnStage::SettingLimits => run.limits.get(limit).map_or_else(String::new, |limit| {
            format!("{:?}", limit.resource).to_lowercase()
        }),
        _ => component.id.to_string(),
    }
}
