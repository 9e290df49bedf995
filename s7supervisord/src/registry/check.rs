//! `s7supervisord check`: what the registry comes to, or all that is wrong with it. Nothing is started or created.

use super::load::{LoadFailure, LoadOptions, load};
use super::plan::*;
use serde_json::{Value, json};
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
        (Ok(plan), true) => format!("{:#}\n", json(plan)),
        (Err(failure), true) => format!("{:#}\n", json_failure(options, failure)),
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
    line("restart", restart_text(&component.restart));
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
            format!("{}, and {}", notify_text(notify), health_text(component, health))
        }
        (None, Some(health)) => health_text(component, health),
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

fn health_text(component: &ComponentPlan, health: &HealthPlan) -> String {
    let probe = match &health.probe {
        ProbePlan::Tcp { port } => format!("when port {port} answers"),
        ProbePlan::Http { url, .. } => format!("when {url} answers"),
        ProbePlan::Exec { program, arguments } => {
            format!("when {} succeeds", command_line(program, arguments))
        }
    };
    format!(
        "{probe}, first asked after {:?}, then every {:?} for at most {:?}",
        component.start_delay, health.interval, health.startup_timeout
    )
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

fn json(plan: &Plan) -> Value {
    let config = &plan.supervisor;
    json!({
        "schema": 1,
        "ok": true,
        "data": {
            "registry": plan.file.display().to_string(),
            "install_folder": plan.install_folder.display().to_string(),
            "supervisor": {
                "log": config.log.display().to_string(),
                "temp": config.temp.display().to_string(),
                "trace_level": config.trace_level,
                "stats_interval_seconds": config.stats_interval.map(seconds),
                "tcp_port": config.tcp_port,
            },
            "components": in_order(plan).into_iter().map(component_json).collect::<Vec<_>>(),
            "diagnostics": plan.warnings.iter().map(diagnostic_json).collect::<Vec<_>>(),
        },
        "error": null,
    })
}

fn json_failure(options: &LoadOptions, failure: &LoadFailure) -> Value {
    let text = failure.to_string();
    json!({
        "schema": 1,
        "ok": false,
        "data": {
            "registry": failure.file.display().to_string(),
            "install_folder": options.install_folder.display().to_string(),
            "supervisor": null,
            "components": [],
            "diagnostics": failure.diagnostics.iter().map(diagnostic_json).collect::<Vec<_>>(),
        },
        "error": {
            "code": "registry_broken",
            "exit": EXIT_REGISTRY,
            "component": null,
            // The last line counts; the findings before it are in the data.
            "message": text.lines().last().unwrap_or_default(),
            "hint": "every finding is in data.diagnostics",
        },
    })
}

fn seconds(duration: Duration) -> f64 {
    duration.as_secs_f64()
}

fn component_json(component: &ComponentPlan) -> Value {
    let run = &component.run;
    let command: Vec<String> = std::iter::once(run.program.display().to_string())
        .chain(run.arguments.iter().cloned())
        .collect();
    let environment: Vec<Value> = run
        .environment
        .iter()
        .map(|(name, value)| json!({"name": name, "value": value}))
        .collect();
    let limits: Vec<Value> = run
        .limits
        .iter()
        .map(|limit| json!({"name": limit.resource.name(), "soft": limit.soft, "hard": limit.hard}))
        .collect();
    let depends_on: Vec<Value> = component
        .depends_on
        .iter()
        .map(|one| json!({"ref": one.on.as_str(), "on_loss": one.on_loss.name()}))
        .collect();
    let log = &component.log;
    json!({
        "id": component.id.as_str(),
        "server": component.instance_of.as_ref().map(|(server, _)| server.as_str()),
        "instance": component.instance_of.as_ref().map(|(_, instance)| *instance),
        "description": component.description,
        "tier": component.tier,
        "command": command,
        "working_directory": run.working_directory.display().to_string(),
        "inherit_environment": run.inherit_environment,
        "environment": environment,
        "user": run.user,
        "group": run.group,
        "umask": format!("{:03o}", run.umask),
        "limits": limits,
        "auto_start": component.auto_start,
        "start_delay_seconds": seconds(component.start_delay),
        "stop_timeout_seconds": seconds(component.stop_timeout),
        "restart": {
            "policy": component.restart.policy.name(),
            "max_retries": component.restart.max_retries,
            "success_exit_codes": component.restart.success,
        },
        "stop": stop_json(&component.stop),
        "health": component.health.as_ref().map(health_json),
        "notify": component.notify.as_ref().map(notify_json),
        "depends_on": depends_on,
        "log": {
            "file": log.file.display().to_string(),
            "max_size_bytes": log.max_size,
            "max_files": log.max_files,
            "max_days": log.max_days,
            "compress": log.compress,
            "on_full": match log.on_full { OnFull::Drop => "drop", OnFull::Block => "block" },
        },
    })
}

fn stop_json(stop: &StopPlan) -> Value {
    match stop {
        StopPlan::Signal(signal) => json!({"method": "signal", "signal": signal.name()}),
        StopPlan::Console => json!({"method": "console"}),
        StopPlan::Tcp { host, port, text } => {
            json!({"method": "tcp", "host": host, "port": port, "text": text})
        }
        StopPlan::Command { program, arguments } => {
            json!({"method": "command", "command": argv(program, arguments)})
        }
    }
}

fn health_json(health: &HealthPlan) -> Value {
    let mut value = match &health.probe {
        ProbePlan::Tcp { port } => json!({"type": "tcp", "port": port}),
        ProbePlan::Http { url, expect } => json!({"type": "http", "url": url, "expect": expect}),
        ProbePlan::Exec { program, arguments } => {
            json!({"type": "exec", "command": argv(program, arguments)})
        }
    };
    value["interval_seconds"] = json!(seconds(health.interval));
    value["timeout_seconds"] = json!(seconds(health.timeout));
    value["failures"] = json!(health.failures);
    value["successes"] = json!(health.successes);
    value["startup_timeout_seconds"] = json!(seconds(health.startup_timeout));
    value
}

fn notify_json(notify: &NotifyPlan) -> Value {
    let (kind, descriptor) = match notify.by {
        NotifyBy::Socket => ("systemd", None),
        NotifyBy::Descriptor(number) => ("descriptor", Some(number)),
    };
    json!({
        "type": kind,
        "descriptor": descriptor,
        "startup_timeout_seconds": seconds(notify.startup_timeout),
        "watchdog_seconds": notify.watchdog.map(seconds),
    })
}

pub(crate) fn argv(program: &std::path::Path, arguments: &[String]) -> Vec<String> {
    std::iter::once(program.display().to_string())
        .chain(arguments.iter().cloned())
        .collect()
}

fn diagnostic_json(one: &s7proto::reply::Diagnostic) -> Value {
    let severity = match one.severity {
        s7proto::reply::Severity::Error => "error",
        s7proto::reply::Severity::Warning => "warning",
    };
    // A finding about the whole file has no line, which is null and not 0.
    json!({
        "severity": severity,
        "file": one.file,
        "line": (one.line > 0).then_some(one.line),
        "column": (one.column > 0).then_some(one.column),
        "message": one.message,
        "hint": one.hint,
        "rendered": one.rendered,
    })
}
