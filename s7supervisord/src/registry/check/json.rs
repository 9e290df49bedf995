//! What the registry comes to as one JSON document.

use super::{EXIT_REGISTRY, argv, in_order};
use crate::registry::load::{LoadFailure, LoadOptions};
use crate::registry::plan::*;
use serde_json::{Value, json};
use std::time::Duration;

pub(super) fn json(plan: &Plan) -> Value {
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

pub(super) fn json_failure(options: &LoadOptions, failure: &LoadFailure) -> Value {
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
        "readiness": component.readiness.as_ref().map(health_json),
        "notify": component.notify.as_ref().map(notify_json),
        "memory": {"soft_bytes": component.memory.soft, "hard_bytes": component.memory.hard},
        "on_failure": component.on_failure.as_ref().map(hook_json),
        "matches": component.triggers.iter().map(trigger_json).collect::<Vec<_>>(),
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

fn health_json(health: &HealthPlan) -> Value {
    let mut value = match &health.probe {
        ProbePlan::Tcp { port } => json!({"type": "tcp", "port": port}),
        ProbePlan::Http(http) => json!({
            "type": "http",
            "url": http.url.to_string(),
            "status": http.status.to_string(),
            "expect": http.expect,
        }),
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

fn hook_json(hook: &HookPlan) -> Value {
    json!({"command": argv(&hook.program, &hook.arguments), "timeout_seconds": seconds(hook.timeout)})
}

fn trigger_json(trigger: &TriggerPlan) -> Value {
    let (text, regex) = match &trigger.pattern {
        TriggerPattern::Text(text) => (Some(text), None),
        TriggerPattern::Regex(regex) => (None, Some(regex)),
    };
    json!({
        "text": text,
        "regex": regex,
        "action": match trigger.action {
            TriggerAction::Restart => "restart",
            TriggerAction::Dump => "dump",
            TriggerAction::Event => "event",
        },
        "once_seconds": seconds(trigger.once),
    })
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
