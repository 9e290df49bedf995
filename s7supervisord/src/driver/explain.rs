//! The long answers: why components are as they are, and how everything is set up.

use super::Driver;
use super::checks::words;
use super::concern::Concern;
use crate::control::call::Answer;
use crate::daemon_log::audit_file;
use crate::machine::input::{RunId, Slot};
use crate::output::dated::before_suffix;
use crate::output::last_words::{Ends, last_words};
use crate::platform::output::Capture;
use crate::platform::{host, process};
use crate::registry::check::{argv, notify_text, stop_text};
use crate::registry::plan::ComponentPlan;
use crate::state::past::PAST_RUNS;
use s7proto::event::{Event, Happening, PastEnd, PastRun};
use s7proto::explain::{ComponentInfo, Explanation, InfoReport, LastWords, Neighbour, Story, SupervisorInfo};
use s7proto::name::ComponentName;
use s7proto::overview::ComponentFact;
use s7proto::reply::{Done, LogTail};
use s7proto::status::{ComponentStatus, EndCause, State};
use s7proto::version::PROTOCOL;
use std::cell::Cell;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Events of one component that an explanation holds; more would not be read.
const EVENTS: usize = 20;
/// How many of them are the latest commands, whatever came after them.
const COMMANDS: usize = 5;
/// How many of them are lines that a `<match>` has found, at most.
const MATCHES: usize = 3;
/// Components that are explained with their events; for more of them looking through everything would hold the loop up.
const WITH_EVENTS: usize = 32;
/// Lines of output that an explanation holds of each component.
const LINES: u32 = 10;
/// The most bytes of these lines, of each component.
const LINES_BYTES: usize = 16 * 1024;

/// Lines that are quoted of each past run.
const WORDS: u32 = 3;
/// The most bytes of these lines, of each run.
const WORDS_BYTES: usize = 1024;

/// An explanation that lacks what has to be read from the disk.
struct Explained {
    slot: Slot,
    explanation: Explanation,
    file: PathBuf,
}

impl Explained {
    /// Reads the disk.
    fn with_output(mut self, max_bytes: usize) -> Explanation {
        let component = self.explanation.status.id.clone();
        self.explanation.output = super::logs::tail_of(component, &self.file, None, LINES, max_bytes);
        self.explanation
    }

    /// What its past runs have written last, where they did not end as somebody wished. Reads the disk.
    fn last_words(&self, ends: &Ends, max_bytes: usize) -> Vec<LastWords> {
        let unwished = |past: &&PastRun| match &past.end {
            PastEnd::Exited(report) => !matches!(
                report.cause,
                EndCause::Finished | EndCause::Requested | EndCause::DependencyLost
            ),
            PastEnd::NotSpawned(_) => false,
        };
        let words = |past: &PastRun| {
            // What can't be read is left out here: the last lines of all are read from the same place, and say why.
            let tail = last_words(&self.file, ends.of(past.run)?, WORDS, max_bytes).ok()??;
            let (run, bytes) = (past.run, tail.bytes);
            Some(LastWords { run, bytes })
        };
        let past = self.explanation.past.iter().filter(unwished);
        past.filter_map(words).collect()
    }
}

/// The end of a run is known before its last words are in the file, and those are what is asked for.
fn settle(capture: &Capture, explained: &[Explained]) {
    let of = |one: &Explained| one.explanation.status.id.clone();
    let components: Vec<ComponentName> = explained.iter().map(of).collect();
    capture.settle(&components, super::logs::LAST_WORDS);
}

impl Driver {
    /// Answers with everything that says why `slots` are as they are.
    pub(super) fn why(&self, slots: &[Slot], answer: Answer) {
        let explained = self.explained(slots);
        let capture = self.capture.clone();
        // The output is read beside the loop; the answer goes from there straight to the client.
        tokio::task::spawn_blocking(move || {
            settle(&capture, &explained);
            let share = LINES_BYTES.min(s7proto::LIMITS.log_bytes / explained.len().max(1));
            let explanations = explained.into_iter().map(|one| one.with_output(share)).collect();
            answer.reply(Ok(Done::Why(explanations)));
        });
    }

    /// The same, with all facts and with what past runs have written last.
    pub(super) fn story(&self, slots: &[Slot], answer: Answer) {
        let explained = self.explained(slots);
        let facts = explained.iter().map(|one| self.facts_of_story(one));
        let facts: Vec<Vec<ComponentFact>> = facts.collect();
        let capture = self.capture.clone();
        tokio::task::spawn_blocking(move || {
            settle(&capture, &explained);
            let share = s7proto::LIMITS.log_bytes / explained.len().max(1);
            let (share, words_share) = (LINES_BYTES.min(share / 2), WORDS_BYTES.min(share / 10));
            let told = |(one, facts): (Explained, _)| {
                let ends = capture.ends(&one.explanation.status.id);
                Story {
                    last_words: one.last_words(&ends, words_share),
                    explanation: one.with_output(share),
                    facts,
                }
            };
            let stories = explained.into_iter().zip(facts).map(told).collect();
            answer.reply(Ok(Done::Story(stories)));
        });
    }

    fn facts_of_story(&self, one: &Explained) -> Vec<ComponentFact> {
        let mut facts = self.facts(one.slot).unwrap_or_default();
        let lacks_some = lacks_earlier_runs(&one.explanation);
        facts.extend(lacks_some.then(|| ComponentFact::RunsKnownSince(self.history.since_ms())));
        facts
    }

    /// Since when a component is in its state. A run that was adopted was in it before it was entered here, and its beginning is
    /// the nearest that is known of that.
    fn since_ms(&self, slot: Slot, status: &ComponentStatus) -> Option<i64> {
        let run = RunId {
            slot,
            run: status.run,
        };
        let entered = self.history.of(&status.id).and_then(|past| past.since_ms);
        match status.uptime_us {
            Some(uptime) if status.state == State::Running && self.inheritance.adopted.contains(&run) => {
                let uptime_ms = i64::try_from(uptime / 1000).unwrap_or(i64::MAX);
                Some(self.clock.stamp().wall_ms.saturating_sub(uptime_ms))
            }
            _ => entered,
        }
    }

    /// The latest events about a component, and who asked for something last also where other things repeat themselves.
    fn events_of(&self, concern: &Concern) -> Vec<Event> {
        let is_command =
            |event: &Event| matches!(event.what, Happening::Asked { .. } | Happening::Signalled { .. });
        let commands = self
            .history
            .latest(COMMANDS, |event| is_command(event) && concern.includes(event));
        let matches = Cell::new(0);
        let others = self.history.latest(EVENTS - commands.len(), |event| {
            let wanted = !is_command(event) && concern.includes(event);
            if wanted && matches!(event.what, Happening::Matched { .. }) {
                matches.set(matches.get() + 1);
                return matches.get() <= MATCHES;
            }
            wanted
        });
        let mut events = commands;
        events.extend(others);
        events.sort_by_key(|event| event.sequence);
        events
    }

    fn explained(&self, slots: &[Slot]) -> Vec<Explained> {
        let dependants = self.dependants();
        let with_events = slots.len() <= WITH_EVENTS;
        slots
            .iter()
            .filter_map(|slot| self.explain(*slot, &dependants, with_events))
            .collect()
    }

    /// What depends on each component, in the order of the roster.
    fn dependants(&self) -> HashMap<&ComponentName, Vec<Slot>> {
        let mut dependants: HashMap<&ComponentName, Vec<Slot>> = HashMap::new();
        for &slot in self.roster.order() {
            for dependency in self
                .roster
                .plan(slot)
                .into_iter()
                .flat_map(|plan| &plan.depends_on)
            {
                dependants.entry(&dependency.on).or_default().push(slot);
            }
        }
        dependants
    }

    fn explain(
        &self,
        slot: Slot,
        dependants: &HashMap<&ComponentName, Vec<Slot>>,
        with_events: bool,
    ) -> Option<Explained> {
        let plan = self.roster.plan(slot)?;
        let status = self.status_of(slot)?;
        let neighbour = |slot: Slot| {
            let status = self.status_of(slot)?;
            Some(Neighbour {
                id: status.id,
                wish: status.wish,
                state: status.state,
            })
        };
        let dependencies = plan
            .depends_on
            .iter()
            .filter_map(|dependency| neighbour(self.roster.slot(&dependency.on)?))
            .collect();
        let dependants = dependants.get(&plan.id).into_iter().flatten();
        let past = self.history.of(&plan.id);
        let concern = self.concern(&[slot]);
        let explanation = Explanation {
            since_ms: self.since_ms(slot, &status),
            dependencies,
            dependants: dependants.filter_map(|other| neighbour(*other)).collect(),
            past: past
                .map(|past| past.runs.iter().cloned().collect())
                .unwrap_or_default(),
            events: if with_events {
                self.events_of(&concern)
            } else {
                Vec::new()
            },
            output: LogTail {
                component: status.id.clone(),
                file: plan.log.file.display().to_string(),
                bytes: Vec::new(),
                truncated: false,
                error: None,
            },
            status,
        };
        Some(Explained {
            slot,
            explanation,
            file: plan.log.file.clone(),
        })
    }

    /// Answers with how the daemon and `slots` are set up.
    pub(super) fn info(&self, slots: &[Slot], answer: Answer) {
        let supervisor = self.supervisor_info();
        let components: Vec<(ComponentInfo, Option<u32>)> = slots
            .iter()
            .filter_map(|slot| {
                let view = self.fleet.view(*slot, self.clock.now());
                Some((component_info(self.roster.plan(*slot)?), view?.pid))
            })
            .collect();
        // Looking for the members of a tree reads many small files, so it is done beside the loop.
        tokio::task::spawn_blocking(move || {
            let components = components
                .into_iter()
                .map(|(info, pid)| ComponentInfo {
                    pids: pid.map(host::tree).unwrap_or_default(),
                    ..info
                })
                .collect();
            answer.reply(Ok(Done::Info(Box::new(InfoReport {
                supervisor,
                components,
            }))));
        });
    }

    fn supervisor_info(&self) -> SupervisorInfo {
        let plan = &self.background.plan;
        // Where the logs and temp lie is a matter of the daemon's start; the rest is applied live.
        let config = &self.config;
        SupervisorInfo {
            status: self.supervisor(),
            protocol: (PROTOCOL.major, PROTOCOL.minor),
            install_folder: text(&plan.install_folder),
            runtime_dir: self.journal.path().parent().map(text).unwrap_or_default(),
            endpoint: self.endpoint.clone(),
            log: dated(&config.log),
            audit_log: dated(&audit_file(&config.log)),
            temp: text(&config.temp),
            trace_level: plan.supervisor.trace_level,
            stats_interval_us: plan.supervisor.stats_interval.map(micros),
            components: u32::try_from(plan.components.len()).unwrap_or(u32::MAX),
            last_event: self.history.last(),
        }
    }
}

fn component_info(plan: &ComponentPlan) -> ComponentInfo {
    let run = &plan.run;
    ComponentInfo {
        id: plan.id.clone(),
        instance_of: plan.instance_of.clone(),
        description: plan.description.clone(),
        command: argv(&run.program, &run.arguments),
        working_directory: text(&run.working_directory),
        inherit_environment: run.inherit_environment.unwrap_or_else(process::is_first),
        environment: run.environment.clone(),
        user: run.user.clone(),
        group: run.group.clone(),
        umask: run.umask,
        limits: run
            .limits
            .iter()
            .map(|limit| (limit.resource.name().to_owned(), limit.soft, limit.hard))
            .collect(),
        auto_start: plan.auto_start,
        tier: plan.tier,
        start_delay_us: micros(plan.start_delay),
        stop_timeout_us: micros(plan.stop_timeout),
        restart_policy: plan.restart.policy.name().to_owned(),
        max_retries: plan.restart.max_retries,
        success_exit_codes: plan.restart.success.clone(),
        stop: stop_text(&plan.stop),
        health: health_or_notify(plan),
        depends_on: plan
            .depends_on
            .iter()
            .map(|one| (one.on.clone(), one.on_loss.name().to_owned()))
            .collect(),
        log_file: text(&plan.log.file),
        pids: Vec::new(),
    }
}

/// Whether there have been runs that are neither remembered nor forgotten for the sake of later ones: they were before the time
/// that something is remembered since.
fn lacks_earlier_runs(explanation: &Explanation) -> bool {
    let status = &explanation.status;
    // Elsewhere the present one may still be on its way, and hasn't ended.
    let is_over = matches!(
        status.state,
        State::Stopped | State::Waiting | State::Exited | State::Fatal
    );
    let present = status.run.saturating_add(u64::from(is_over));
    let first = explanation.past.first().map_or(present, |past| past.run);
    explanation.past.len() < PAST_RUNS && first > 1
}

/// The name as it is on the disk, but for the day.
fn dated(log: &Path) -> String {
    text(&before_suffix(log, "-YYYY-MM-DD"))
}

fn text(path: &Path) -> String {
    path.display().to_string()
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

fn health_or_notify(plan: &ComponentPlan) -> Option<String> {
    let notify = plan
        .notify
        .as_ref()
        .map(|notify| format!("ready {}", notify_text(notify)));
    let all: Vec<String> = plan
        .health
        .as_ref()
        .map(words)
        .into_iter()
        .chain(notify)
        .collect();
    (!all.is_empty()).then(|| all.join("; "))
}
