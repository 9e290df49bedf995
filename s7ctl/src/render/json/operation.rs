//! What became of components, in an operation or by a reload.

use super::{Finding, LastExit, finding, last_exit, seconds};
use crate::render::outcome_name;
use crate::render::sentence::{self, Asked};
use s7proto::reply::{Outcome, Part, ReloadAction, ReloadReport, RunInfo};
use serde::Serialize;

#[derive(Serialize)]
pub(super) struct Operation {
    pub(super) components: Vec<PartOut>,
}

#[derive(Serialize)]
pub(super) struct PartOut {
    id: String,
    outcome: &'static str,
    ok: bool,
    run: Option<u64>,
    pid: Option<u32>,
    seconds: f64,
    message: String,
    hint: Option<String>,
    exit: Option<LastExit>,
    previous: Option<Run>,
}

#[derive(Serialize)]
struct Run {
    run: u64,
    pid: u32,
}

pub(super) fn part(part: &Part, asked: Asked) -> PartOut {
    let (run, previous, exit) = match &part.outcome {
        Outcome::Started(run) | Outcome::AlreadyUp(run) | Outcome::Signalled(run) => (Some(run), None, None),
        Outcome::Restarted { before, after } => (Some(after), before.as_ref(), None),
        Outcome::Completed(exit) | Outcome::Stopped(exit) | Outcome::FailedRun(exit) => {
            (None, None, Some(exit))
        }
        Outcome::AlreadyDown
        | Outcome::FailedSpawn(_)
        | Outcome::Unkillable
        | Outcome::Superseded
        | Outcome::Refused(_)
        | Outcome::NotRunning
        | Outcome::Failed(_) => (None, None, None),
    };
    let (ok, message, hint) = match sentence::part(part, asked) {
        Ok(said) => (true, said, None),
        Err(error) => (false, error.to_string(), error.hint),
    };
    PartOut {
        id: part.component.to_string(),
        outcome: outcome_name(&part.outcome),
        ok,
        run: run.map(|run| run.run),
        pid: run.map(|run| run.pid),
        seconds: seconds(part.took_us),
        message,
        hint,
        exit: exit.map(last_exit),
        previous: previous.map(|RunInfo { run, pid }| Run { run: *run, pid: *pid }),
    }
}

#[derive(Serialize)]
pub(super) struct Reload {
    dry_run: bool,
    changes: Vec<Change>,
    warnings: Vec<Finding>,
    components: Vec<PartOut>,
}

#[derive(Serialize)]
struct Change {
    id: String,
    action: &'static str,
    fields: Vec<String>,
}

pub(super) fn reload(report: &ReloadReport) -> Reload {
    let changes = report.changes.iter().map(|change| Change {
        id: change.component.to_string(),
        action: match change.action {
            ReloadAction::AddedAndStarted => "added_and_started",
            ReloadAction::Added => "added",
            ReloadAction::Removed => "removed",
            ReloadAction::Restarted => "restarted",
            ReloadAction::NeedsRestart => "needs_restart",
            ReloadAction::Updated => "updated",
            ReloadAction::AppliedLive => "applied_live",
        },
        fields: change.fields.clone(),
    });
    Reload {
        dry_run: report.dry_run,
        changes: changes.collect(),
        warnings: report.warnings.iter().map(finding).collect(),
        components: report.parts.iter().map(|one| part(one, Asked::Change)).collect(),
    }
}
