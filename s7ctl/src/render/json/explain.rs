//! The long answers: `why` and `info`.

use super::event::{self, Happened};
use super::status::{Component, Supervisor, component, supervisor};
use super::{LastExit, Log, last_exit, log, seconds, wish};
use crate::render::clock::{Clock, rfc3339};
use s7proto::event::{PastEnd, PastRun};
use s7proto::explain::{ComponentInfo, InfoReport, LastWords, Neighbour, Story, SupervisorInfo};
use s7proto::overview::{ComponentFact, ComponentFacts};
use serde::Serialize;

#[derive(Serialize)]
pub(super) struct Why {
    components: Vec<Explained>,
    /// So many more are not as they should be.
    omitted: usize,
}

#[derive(Serialize)]
struct Explained {
    #[serde(flatten)]
    status: Component,
    since: Option<String>,
    dependencies: Vec<Other>,
    dependants: Vec<Other>,
    past: Vec<Past>,
    /// What became of runs before isn't known.
    runs_known_since: Option<String>,
    events: Vec<Happened>,
    output: Log,
}

#[derive(Serialize)]
struct Other {
    id: String,
    wish: &'static str,
    state: &'static str,
}

#[derive(Serialize)]
struct Past {
    run: u64,
    at: Option<String>,
    exit: Option<LastExit>,
    /// Why there was no run.
    failure: Option<String>,
    /// The last lines that it has written, where it did not end as somebody wished.
    last_words: Option<String>,
}

pub(super) fn why(stories: &[Story], omitted: usize, clock: &Clock) -> Why {
    let explained = |story: &Story| {
        let one = &story.explanation;
        let facts = ComponentFacts {
            id: one.status.id.clone(),
            facts: story.facts.clone(),
        };
        Explained {
            status: component(&one.status, Some(&facts), clock),
            since: one.since_ms.and_then(rfc3339),
            dependencies: one.dependencies.iter().map(other).collect(),
            dependants: one.dependants.iter().map(other).collect(),
            past: one.past.iter().map(|run| past(run, &story.last_words)).collect(),
            runs_known_since: story.facts.iter().find_map(|fact| match fact {
                ComponentFact::RunsKnownSince(at_ms) => rfc3339(*at_ms),
                _ => None,
            }),
            events: one.events.iter().map(|event| event::of(event, clock)).collect(),
            output: log(&one.output),
        }
    };
    Why {
        components: stories.iter().map(explained).collect(),
        omitted,
    }
}

fn other(neighbour: &Neighbour) -> Other {
    Other {
        id: neighbour.id.to_string(),
        wish: wish(neighbour.wish),
        state: neighbour.state.name(),
    }
}

fn past(run: &PastRun, all: &[LastWords]) -> Past {
    let words = all.iter().find(|words| words.run == run.run);
    let (exit, failure) = match &run.end {
        PastEnd::Exited(report) => (Some(last_exit(report)), None),
        PastEnd::NotSpawned(failure) => (None, Some(failure.to_string())),
    };
    Past {
        run: run.run,
        at: rfc3339(run.at_ms),
        exit,
        failure,
        last_words: words.map(|words| String::from_utf8_lossy(&words.bytes).into_owned()),
    }
}

#[derive(Serialize)]
pub(super) struct Info {
    supervisor: SupervisorSettings,
    components: Vec<ComponentSettings>,
}

#[derive(Serialize)]
struct SupervisorSettings {
    #[serde(flatten)]
    status: Supervisor,
    protocol: String,
    install_folder: String,
    runtime_dir: String,
    endpoint: String,
    log: String,
    audit_log: String,
    temp: String,
    trace_level: u8,
    stats_interval_seconds: Option<f64>,
    components: u32,
    last_event: u64,
}

#[derive(Serialize)]
struct ComponentSettings {
    id: String,
    instance_of: Option<String>,
    instance: Option<u32>,
    description: String,
    command: Vec<String>,
    working_directory: String,
    inherit_environment: bool,
    environment: Vec<Variable>,
    user: Option<String>,
    group: Option<String>,
    /// In octal, as umask(1) prints it.
    umask: String,
    limits: Vec<Limit>,
    auto_start: bool,
    tier: i32,
    start_delay_seconds: f64,
    stop_timeout_seconds: f64,
    restart_policy: String,
    max_retries: u32,
    success_exit_codes: Vec<i32>,
    stop: String,
    health: Option<String>,
    depends_on: Vec<Dependency>,
    log_file: String,
    pids: Vec<u32>,
}

#[derive(Serialize)]
struct Variable {
    name: String,
    value: String,
}

/// A value of null is no limit.
#[derive(Serialize)]
struct Limit {
    name: String,
    soft: Option<u64>,
    hard: Option<u64>,
}

#[derive(Serialize)]
struct Dependency {
    id: String,
    on_loss: String,
}

pub(super) fn info(report: &InfoReport) -> Info {
    Info {
        supervisor: of_supervisor(&report.supervisor),
        components: report.components.iter().map(of_component).collect(),
    }
}

fn of_supervisor(info: &SupervisorInfo) -> SupervisorSettings {
    let (major, minor) = info.protocol;
    SupervisorSettings {
        status: supervisor(&info.status, &[]),
        protocol: format!("{major}.{minor}"),
        install_folder: info.install_folder.clone(),
        runtime_dir: info.runtime_dir.clone(),
        endpoint: info.endpoint.clone(),
        log: info.log.clone(),
        audit_log: info.audit_log.clone(),
        temp: info.temp.clone(),
        trace_level: info.trace_level,
        stats_interval_seconds: info.stats_interval_us.map(seconds),
        components: info.components,
        last_event: info.last_event,
    }
}

fn of_component(info: &ComponentInfo) -> ComponentSettings {
    let instance = info.instance_of.as_ref();
    let environment = info.environment.iter().cloned();
    let limits = info.limits.iter().cloned();
    let depends_on = info.depends_on.iter();
    ComponentSettings {
        id: info.id.to_string(),
        instance_of: instance.map(|(server, _)| server.to_string()),
        instance: instance.map(|(_, number)| *number),
        description: info.description.clone(),
        command: info.command.clone(),
        working_directory: info.working_directory.clone(),
        inherit_environment: info.inherit_environment,
        environment: environment
            .map(|(name, value)| Variable { name, value })
            .collect(),
        user: info.user.clone(),
        group: info.group.clone(),
        umask: format!("{:04o}", info.umask),
        limits: limits
            .map(|(name, soft, hard)| Limit { name, soft, hard })
            .collect(),
        auto_start: info.auto_start,
        tier: info.tier,
        start_delay_seconds: seconds(info.start_delay_us),
        stop_timeout_seconds: seconds(info.stop_timeout_us),
        restart_policy: info.restart_policy.clone(),
        max_retries: info.max_retries,
        success_exit_codes: info.success_exit_codes.clone(),
        stop: info.stop.clone(),
        health: info.health.clone(),
        depends_on: depends_on
            .map(|(component, on_loss)| Dependency {
                id: component.to_string(),
                on_loss: on_loss.clone(),
            })
            .collect(),
        log_file: info.log_file.clone(),
        pids: info.pids.clone(),
    }
}
