//! Loading the registry while everything runs: read beside the loop, compared, applied whole or not at all.

use super::Driver;
use super::background::Found;
use super::operations::Kind;
use crate::control::call::Answer;
use crate::failpoint::{self, Point};
use crate::machine::input::{Change, Command};
use crate::machine::view::View;
use crate::registry::diff::{self, ChangeKind};
use crate::registry::plan::Plan;
use crate::registry::{self, LoadFailure, LoadOptions, Sources};
use s7proto::event::Happening;
use s7proto::name::ComponentName;
use s7proto::refusal::Refusal;
use s7proto::reply::{CheckReport, Diagnostic, Done, ReloadAction, ReloadChange, ReloadReport, Severity};
use s7proto::status::{Actor, Wish};
use std::collections::VecDeque;
use std::sync::Arc;

/// Reloads and checks that wait for the one under way; one more is refused as busy.
const QUEUE: usize = 16;

/// What a load of the registry is for.
pub enum Purpose {
    /// Apply it, or only say what would be applied.
    Reload {
        /// Who waits; `None` for SIGHUP.
        asker: Option<(Actor, Answer)>,
        dry_run: bool,
        restart: bool,
    },
    /// Only look.
    Check { answer: Answer },
    /// See that it is good before everything is stopped.
    Restart { who: Actor, answer: Answer },
}

/// Loads under way and waiting: the first is under way.
#[derive(Default)]
pub struct Loads(VecDeque<(Purpose, bool)>);

impl Loads {
    /// Whether the one under way is to change something.
    pub fn is_applying(&self) -> bool {
        self.0.front().is_some_and(|(purpose, _)| purpose.applies())
    }

    /// Whether none is under way.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Driver {
    pub(super) fn begin_reload(&mut self, asker: Option<(Actor, Answer)>, dry_run: bool, restart: bool) {
        self.queue_load(
            Purpose::Reload {
                asker,
                dry_run,
                restart,
            },
            false,
        );
    }

    pub(super) fn begin_check(&mut self, strict: bool, answer: Answer) {
        self.queue_load(Purpose::Check { answer }, strict);
    }

    pub(super) fn begin_restart(&mut self, who: Actor, answer: Answer) {
        self.queue_load(Purpose::Restart { who, answer }, false);
    }

    fn queue_load(&mut self, purpose: Purpose, strict: bool) {
        if self.background.loads.0.len() >= QUEUE {
            return purpose.refuse(Refusal::Busy);
        }
        self.background.loads.0.push_back((purpose, strict));
        if self.background.loads.0.len() == 1 {
            self.load_next();
        }
    }

    fn load_next(&mut self) {
        let Some((purpose, strict)) = self.background.loads.0.front() else {
            return;
        };
        let mut options = self.load.clone();
        options.strict |= *strict;
        let broken_off = registry::failure(
            &options,
            "the supervisor failed while it was read; its log has more".to_owned(),
        );
        let applies = purpose.applies();
        self.background.run(
            move || Found::Loaded(Box::new(load(&options, applies))),
            Found::Loaded(Box::new(Err(broken_off))),
        );
    }

    /// A load has come back.
    pub(super) fn loaded(&mut self, loaded: Result<(Plan, Sources), LoadFailure>) {
        if let Some((purpose, _)) = self.background.loads.0.pop_front() {
            self.use_load(purpose, loaded);
        }
        self.load_next();
    }

    fn use_load(&mut self, purpose: Purpose, loaded: Result<(Plan, Sources), LoadFailure>) {
        match (purpose, loaded) {
            (Purpose::Check { answer }, loaded) => {
                let report = self.check_report(loaded.map(|(plan, _)| plan));
                answer.reply(Ok(Done::Check(report)));
            }
            (purpose, Err(failure)) => {
                log::error!("the registry can't be loaded, nothing is changed:\n{failure}");
                self.note_refused(&failure);
                if purpose.applies() {
                    // Who comes later and wonders is told by the status that what lies there is not what is in force.
                    self.stale = Some(failure.clone());
                }
                let file = failure.file.display().to_string();
                purpose.refuse(Refusal::RegistryBroken {
                    file,
                    diagnostics: failure.diagnostics,
                });
            }
            (purpose, Ok(_)) if self.fleet.is_shutting_down() => purpose.refuse(Self::shutting_down()),
            (Purpose::Restart { who, answer }, Ok(_)) => self.look_at_successor(who, answer),
            (
                Purpose::Reload {
                    asker,
                    dry_run,
                    restart,
                },
                Ok((plan, sources)),
            ) => {
                failpoint::reach(Point::ReloadBeforeApply);
                self.reload(asker, dry_run, restart, plan);
                failpoint::reach(Point::ReloadAfterApply);
                if !dry_run {
                    // They were made before, or it would not have been loaded.
                    self.folders.are_there();
                    self.keep_registry(sources);
                }
            }
        }
    }

    fn note_refused(&mut self, failure: &LoadFailure) {
        let is_error = |one: &&Diagnostic| one.severity == Severity::Error;
        let errors = failure.diagnostics.iter().filter(is_error).count();
        let errors = u32::try_from(errors).unwrap_or(u32::MAX);
        // Only how many: they quote the registry, and not everyone who may see events may read that.
        let refused = Happening::RegistryRefused { errors };
        self.history.note(self.clock.stamp().wall_ms, None, refused);
    }

    fn check_report(&self, loaded: Result<Plan, LoadFailure>) -> CheckReport {
        let registry = self.load.file.display().to_string();
        match loaded {
            Ok(plan) => {
                let mut order: Vec<(i32, usize, ComponentName)> = plan
                    .components
                    .iter()
                    .enumerate()
                    .map(|(place, component)| (component.tier, place, component.id.clone()))
                    .collect();
                order.sort();
                let components = order.into_iter().map(|(_, _, id)| id).collect();
                CheckReport {
                    registry,
                    ok: true,
                    diagnostics: plan.warnings,
                    components,
                }
            }
            Err(failure) => CheckReport {
                registry,
                ok: false,
                diagnostics: failure.diagnostics,
                components: Vec::new(),
            },
        }
    }

    fn reload(&mut self, asker: Option<(Actor, Answer)>, dry_run: bool, restart: bool, plan: Plan) {
        let mut differences = diff::diff(&self.background.plan, &plan);
        self.add_marked(&mut differences, &plan);
        let report = ReloadReport {
            dry_run,
            changes: differences
                .iter()
                .map(|change| self.describe(change, restart, &plan))
                .collect(),
            warnings: plan.warnings.clone(),
            parts: Vec::new(),
        };
        if dry_run {
            if let Some((_, answer)) = asker {
                answer.reply(Ok(Done::Reload(report)));
            }
            return;
        }
        plan.log_warnings();
        for change in &report.changes {
            let fields = change.fields.join(", ");
            log::info!(
                "{}: {}{}{fields}",
                change.component,
                words(change.action),
                if fields.is_empty() { "" } else { ": " }
            );
        }
        let later: Vec<&str> = diff::diff_config(&self.background.plan, &plan)
            .into_iter()
            .filter(|name| !matches!(*name, "tracelevel" | "tracestatsinterval"))
            .collect();
        if !later.is_empty() {
            log::warn!(
                "changed for the supervisor itself, from its next start on: {}",
                later.join(", ")
            );
        }
        let who = asker.as_ref().map_or(Actor::Supervisor, |(who, _)| who.clone());
        self.asked(&who, "reload", Vec::new());
        let changed = u32::try_from(differences.len()).unwrap_or(u32::MAX);
        let loaded = Happening::RegistryLoaded { changed };
        self.history.note(self.clock.stamp().wall_ms, None, loaded);
        let changes = self.changes(&differences, &plan);
        let supervisor = plan.supervisor.clone();
        self.log.set_trace_level(supervisor.trace_level);
        self.statistics
            .set_interval(supervisor.stats_interval, self.clock.now());
        self.background.plan = Arc::new(plan);
        let (who, ticket) = match asker {
            Some((who, answer)) => (
                who,
                Some(self.operations.open(Kind::Reload(report), None, answer)),
            ),
            None => (Actor::Supervisor, None),
        };
        log::info!(target: "lifecycle", "registry loaded anew for {who}");
        self.command(ticket, who, Command::Reload { changes, restart });
    }

    /// Whose run is still made of what an earlier registry said: one that an earlier daemon had, or one that was loaded without
    /// restarts. For them too a reload is to bring about what the registry says.
    fn add_marked(&self, differences: &mut Vec<diff::Change>, plan: &Plan) {
        for component in &plan.components {
            let slot = self.roster.slot(&component.id);
            let view = slot.and_then(|slot| self.fleet.view(slot, self.clock.now()));
            // Who is parked is on its way to another run already.
            let lags =
                |view: View| view.marked && !view.parked && view.wish == Wish::Up && view.pid.is_some();
            if !view.is_some_and(lags) {
                continue;
            }
            match differences
                .iter_mut()
                .find(|change| change.component == component.id)
            {
                Some(change) if change.kind == ChangeKind::Live => change.kind = ChangeKind::NeedsRun,
                Some(_) => {}
                // What has changed since its run began, nobody remembers.
                None => differences.push(diff::Change {
                    component: component.id.clone(),
                    kind: ChangeKind::NeedsRun,
                    fields: Vec::new(),
                }),
            }
        }
    }

    /// What the machine is told, after the roster was brought up to date.
    fn changes(&mut self, differences: &[diff::Change], plan: &Plan) -> Vec<Change> {
        for component in &plan.components {
            self.capture.follow(&component.id, &component.log);
        }
        super::matches::set(&self.capture, plan);
        self.memory.look_soon(self.clock.now());
        self.roster.renew(plan, differences, self.fleet.next_slot())
    }

    fn describe(&self, change: &diff::Change, restart: bool, plan: &Plan) -> ReloadChange {
        let view = self
            .roster
            .slot(&change.component)
            .and_then(|slot| self.fleet.view(slot, self.clock.now()));
        let up = view.as_ref().is_some_and(|view| view.wish == Wish::Up);
        let alive = view.as_ref().is_some_and(|view| view.pid.is_some());
        let auto_start = plan
            .components
            .iter()
            .any(|component| component.id == change.component && component.auto_start);
        let action = match change.kind {
            ChangeKind::Added if auto_start => ReloadAction::AddedAndStarted,
            ChangeKind::Added => ReloadAction::Added,
            ChangeKind::Removed => ReloadAction::Removed,
            ChangeKind::NeedsRun if up && restart => ReloadAction::Restarted,
            ChangeKind::NeedsRun if up && alive => ReloadAction::NeedsRestart,
            ChangeKind::NeedsRun => ReloadAction::Updated,
            ChangeKind::Live => ReloadAction::AppliedLive,
        };
        let fields = change.fields.iter().map(|field| (*field).to_owned()).collect();
        ReloadChange {
            component: change.component.clone(),
            action,
            fields,
        }
    }
}

/// Loads the registry, if nobody can have written it who must not. If it `applies`, the folders that it names are made,
/// so that what can't be made is known before anything is stopped.
fn load(options: &LoadOptions, applies: bool) -> Result<(Plan, Sources), LoadFailure> {
    let (plan, sources) = registry::load_trusted(options)?;
    if applies {
        crate::folders::prepare_folders(&plan).map_err(|why| registry::failure(options, why.message))?;
    }
    Ok((plan, sources))
}

fn words(action: ReloadAction) -> &'static str {
    match action {
        ReloadAction::AddedAndStarted => "new, starting it",
        ReloadAction::Added => "new, not started by itself",
        ReloadAction::Removed => "no longer in the registry, stopping it",
        ReloadAction::Restarted => "changed, restarting it",
        ReloadAction::NeedsRestart => "changed, needs a restart",
        ReloadAction::Updated => "changed, for its next start",
        ReloadAction::AppliedLive => "changed, applied at once",
    }
}

impl Purpose {
    /// Whether it is more than a look.
    fn applies(&self) -> bool {
        match self {
            Self::Check { .. } => false,
            Self::Reload { dry_run, .. } => !dry_run,
            Self::Restart { .. } => true,
        }
    }

    fn refuse(self, refusal: Refusal) {
        match self {
            Self::Reload {
                asker: Some((_, answer)),
                ..
            }
            | Self::Check { answer }
            | Self::Restart { answer, .. } => {
                answer.refuse(refusal);
            }
            Self::Reload { asker: None, .. } => match refusal {
                // That was said when it was found.
                Refusal::RegistryBroken { .. } => {}
                Refusal::Busy => log::warn!("the reload was not carried out: too many wait already"),
                _ => log::warn!("the reload was not carried out: everything is being stopped"),
            },
        }
    }
}
