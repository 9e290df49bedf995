//! `s7supervisord check`: what the registry comes to, or all that is wrong with it. Nothing is started or created.

mod json;

use super::load::{LoadFailure, LoadOptions, load};
use super::plan::*;
use std::io::{self, Write};
use std::time::Duration;

/// The exit code of a registry that can't be loaded (DESIGN 10).
pub const EXIT_REGISTRY: u8 = 78;

/// Loads and prints to `out`, as text or as one JSON document. The exit code is 0 or [`EXIT_REGISTRY`].
///
/// # Errors
/// What writing to `out` gave.
pub fn run(options: &LoadOptions, as_json: bool, out: &mut dyn Write) -> io::Result<u8> {
    let result = load(options);
    out.write_all(render(options, &result, as_json).as_bytes())?;
    out.flush()?;
    Ok(match result {
        Ok(_) => 0,
        Err(_) => EXIT_REGISTRY,
    })
}

/// What `check` prints of a registry that was loaded, or could not be: text, or one JSON document.
#[must_use]
pub fn render(options: &LoadOptions, result: &Result<Plan, LoadFailure>, as_json: bool) -> String {
    match (result, as_json) {
        (Ok(plan), false) => text(plan),
        (Err(failure), false) => format!("{failure}\n"),
        (Ok(plan), true) => format!("{:#}\n", json::json(plan)),
        (Err(failure), true) => format!("{:#}\n", json::json_failure(options, failure)),
    }
}

/// The components by tier, within one in the order of the file.
fn in_order(plan: &Plan) -> Vec<&ComponentPlan> {
    let mut all: Vec<_> = plan.components.iter().collect();
    all.sort_by_key(|component| component.tier);
    all
}

fn text(plan: &Plan) -> String {
    let mut out = String::new();
    for warning in &plan.warnings {
        out.push_str(&warning.rendered);
        out.push('\n');
    }
    let mut line = |name: &str, value: &str| {
        if !value.is_empty() {
            out.push_str(&format!("{name:<18}{value}\n"));
        }
    };
    let config = &plan.supervisor;
    line("registry", &plan.file.display().to_string());
    line("install folder", &plan.install_folder.display().to_string());
    line(
        "log",
        &format!("{}, trace level {}", config.log.display(), config.trace_level),
    );
    line("temp", &config.temp.display().to_string());
    line(
        "status page",
        &config
            .tcp_port
            .map_or("none".into(), |port| format!("127.0.0.1:{port}")),
    );
    line(
        "statistics",
        &config
            .stats_interval
            .map_or("never".into(), |every| format!("every {every:?}")),
    );
    let mut tier = None;
    for component in in_order(plan) {
        if tier != Some(component.tier) {
            tier = Some(component.tier);
            out.push_str(&format!("\nstartPriority {}\n", component.tier));
        }
        out.push_str(&component_text(component));
    }
    out
}

fn component_text(component: &ComponentPlan) -> String {
    let run = &component.run;
    let mut out = format!("\n  {}", component.id);
    if !component.description.is_empty() {
        out.push_str(&format!("  ({})", component.description));
    }
    out.push('\n');
    let mut line = |name: &str, value: String| {
        if !value.is_empty() {
            out.push_str(&format!("    {name:<14}{value}\n"));
        }
    };
    line("command", command_line(&run.program, &run.arguments));
    line("folder", run.working_directory.display().to_string());
    if run.inherit_environment == Some(true) {
        line("environment", "the supervisor's own, and".into());
    }
    for (name, value) in &run.environment {
        line("environment", format!("{name}={}", quoted(value)));
    }
    line("user", run.user.clone().unwrap_or_default());
    line("group", run.group.clone().unwrap_or_default());
    line("umask", format!("{:03o}", run.umask));
    for limit in &run.limits {
        line(
            "limit",
            format!(
                "{} soft {} hard {}",
                limit.resource.name(),
                amount(limit.soft),
                amount(limit.hard)
            ),
        );
    }
    line(
        "starts",
        if component.auto_start {
            "by itself"
        } else {
            "when somebody starts it"
        }
        .into(),
    );
    line("ready", ready_text(component));
    if let Some(readiness) = &component.readiness {
        line("relied on", probe_text(readiness, component.start_delay));
    }
    line("memory", memory_text(component.memory));
    line("restart", restart_text(&component.restart));
    if let Some(hook) = &component.on_failure {
        let command = command_line(&hook.program, &hook.arguments);
        line("on failure", format!("{command}, for at most {:?}", hook.timeout));
    }
    for trigger in &component.triggers {
        let (how, what) = match &trigger.pattern {
            TriggerPattern::Text(text) => ("holds", text),
            TriggerPattern::Regex(regex) => ("matches", regex),
        };
        let then = match trigger.action {
            TriggerAction::Restart => "a restart",
            TriggerAction::Dump => "a dump",
            TriggerAction::Event => "an event",
        };
        let once = trigger.once;
        line(
            "match",
            format!("a line that {how} {} is {then}, once in {once:?}", quoted(what)),
        );
    }
    line(
        "stop",
        format!(
            "{}, then killed after {:?}",
            stop_text(&component.stop),
            component.stop_timeout
        ),
    );
    for dependency in &component.depends_on {
        let then = match dependency.on_loss {
            OnLoss::None => "",
            OnLoss::Restart => ", restarted when it is lost",
            OnLoss::Stop => ", stopped when it is lost",
        };
        line("depends on", format!("{}{then}", dependency.on));
    }
    let log = &component.log;
    line(
        "output",
        format!(
            "{}, up to {} bytes, {} old files, {} days",
            log.file.display(),
            log.max_size,
            log.max_files,
            log.max_days
        ),
    );
    out
}

fn ready_text(component: &ComponentPlan) -> String {
    match (&component.notify, &component.health) {
        (Some(notify), None) => notify_text(notify),
        (Some(notify), Some(health)) => {
            format!(
                "{}, and {}",
                notify_text(notify),
                probe_text(health, component.start_delay)
            )
        }
        (None, Some(health)) => probe_text(health, component.start_delay),
        (None, None) => format!("after {:?} alive", component.start_delay),
    }
}

/// How a component tells that it is ready, in a few words.
pub(crate) fn notify_text(notify: &NotifyPlan) -> String {
    let by = match notify.by {
        NotifyBy::Socket => "when it says so by sd_notify".to_owned(),
        NotifyBy::Descriptor(number) => format!("when it writes a newline to descriptor {number}"),
    };
    let watchdog = notify.watchdog.map_or_else(String::new, |span| {
        format!(", and then a sign of life at least every {span:?}")
    });
    format!("{by}, for at most {:?}{watchdog}", notify.startup_timeout)
}

fn probe_text(health: &HealthPlan, start_delay: Duration) -> String {
    let probe = match &health.probe {
        ProbePlan::Tcp { port } => format!("when port {port} answers"),
        ProbePlan::Http(http) => format!("when {} answers", http.url),
        ProbePlan::Exec { program, arguments } => {
            format!("when {} succeeds", command_line(program, arguments))
        }
    };
    format!(
        "{probe}, first asked after {:?}, then every {:?} for at most {:?}",
        start_delay, health.interval, health.startup_timeout
    )
}

fn memory_text(memory: MemoryPlan) -> String {
    let soft = memory.soft.map(|soft| format!("a new run above {soft} bytes"));
    let hard = memory.hard.map(|hard| format!("never more than {hard} bytes"));
    soft.into_iter().chain(hard).collect::<Vec<_>>().join(", ")
}

fn restart_text(restart: &RestartPlan) -> String {
    let codes: Vec<String> = restart.success.iter().map(i32::to_string).collect();
    let limit = match restart.max_retries {
        0 => String::new(),
        limit => format!(", given up after {limit} crashes in a row"),
    };
    format!("{}, success is {}{limit}", restart.policy.name(), codes.join(" "))
}

pub(crate) fn stop_text(stop: &StopPlan) -> String {
    match stop {
        StopPlan::Signal(signal) => signal.name().into(),
        StopPlan::Console => "console event".into(),
        StopPlan::Tcp { host, port, text } => format!("{} to {host}:{port}", quoted(text)),
        StopPlan::Command { program, arguments } => command_line(program, arguments),
    }
}

fn amount(limit: Option<u64>) -> String {
    limit.map_or("unlimited".into(), |limit| limit.to_string())
}

pub(crate) fn command_line(program: &std::path::Path, arguments: &[String]) -> String {
    let mut line = quoted(&program.display().to_string());
    for argument in arguments {
        line.push(' ');
        line.push_str(&quoted(argument));
    }
    line
}

/// The text as it is where a reader can't mistake it, else in quotes.
fn quoted(text: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || "-_=+:,./\\@%".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}

pub(crate) fn argv(program: &std::path::Path, arguments: &[String]) -> Vec<String> {
    std::iter::once(program.display().to_string())
        .chain(arguments.iter().cloned())
        .collect()
}
