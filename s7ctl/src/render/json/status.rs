//! `status` and `upgrade`: the supervisor itself and each component.

use super::{Failure, Finding, LastExit, SCHEMA, failure, finding, last_exit, reason_code, seconds, wish};
use crate::error::CtlError;
use crate::render::clock::{Clock, rfc3339};
use crate::render::{Facts, Upgraded, sentence};
use s7proto::overview::{CheckFact, ComponentFact, ComponentFacts, SupervisorFact};
use s7proto::status::{ComponentStatus, StatusReport, SupervisorStatus};
use serde::Serialize;

#[derive(Serialize)]
pub(super) struct Status {
    schema: u32,
    ok: bool,
    supervisor: Option<Supervisor>,
    components: Vec<Component>,
    error: Option<Failure>,
}

pub(super) fn status(
    report: Option<(&StatusReport, &Facts)>,
    error: Option<CtlError>,
    clock: &Clock,
) -> Status {
    let components = report.map_or(Vec::new(), |(report, facts)| {
        let of = |at: usize, status: &ComponentStatus| {
            // The same order, and by name all the same: what doesn't belong together is never put together.
            let facts = facts.components.get(at).filter(|facts| facts.id == status.id);
            component(status, facts, clock)
        };
        report
            .components
            .iter()
            .enumerate()
            .map(|(at, status)| of(at, status))
            .collect()
    });
    Status {
        schema: SCHEMA,
        ok: error.is_none(),
        supervisor: report.map(|(report, facts)| supervisor(&report.supervisor, &facts.supervisor)),
        components,
        error: error.map(failure),
    }
}

#[derive(Serialize)]
pub(super) struct Supervisor {
    pid: u32,
    version: String,
    uptime_seconds: f64,
    registry: String,
    containment: String,
    state_not_persisted: Option<String>,
    registry_stale: Option<Stale>,
    took_over: Option<TookOver>,
    upgrade_failed: Option<UpgradeFailed>,
    cannot_write: Vec<String>,
    pipe_bytes: Option<u64>,
}

#[derive(Serialize)]
struct Stale {
    file: String,
    diagnostics: Vec<Finding>,
}

#[derive(Serialize)]
struct TookOver {
    replaced: Option<String>,
    at: Option<String>,
    adopted: u32,
}

#[derive(Serialize)]
struct UpgradeFailed {
    why: String,
    at: Option<String>,
}

pub(super) fn supervisor(daemon: &SupervisorStatus, facts: &[SupervisorFact]) -> Supervisor {
    let mut shown = Supervisor {
        pid: daemon.pid,
        version: daemon.version.clone(),
        uptime_seconds: seconds(daemon.uptime_us),
        registry: daemon.registry.clone(),
        containment: daemon.containment.clone(),
        state_not_persisted: daemon.state_not_persisted.clone(),
        registry_stale: None,
        took_over: None,
        upgrade_failed: None,
        cannot_write: Vec::new(),
        pipe_bytes: None,
    };
    for fact in facts {
        match fact {
            SupervisorFact::StaleRegistry { file, diagnostics } => {
                shown.registry_stale = Some(Stale {
                    file: file.clone(),
                    diagnostics: diagnostics.iter().map(finding).collect(),
                });
            }
            SupervisorFact::TookOver {
                replaced,
                at_ms,
                adopted,
            } => {
                shown.took_over = Some(TookOver {
                    replaced: replaced.clone(),
                    at: rfc3339(*at_ms),
                    adopted: *adopted,
                });
            }
            SupervisorFact::UpgradeFailed { why, at_ms } => {
                shown.upgrade_failed = Some(UpgradeFailed {
                    why: why.clone(),
                    at: rfc3339(*at_ms),
                });
            }
            SupervisorFact::CannotWrite { why } => shown.cannot_write.push(why.clone()),
            SupervisorFact::PipeBytes(bytes) => shown.pipe_bytes = Some(*bytes),
        }
    }
    shown
}

#[derive(Serialize)]
pub(super) struct Component {
    id: String,
    description: String,
    tier: i32,
    wish: &'static str,
    state: &'static str,
    health: &'static str,
    pid: Option<u32>,
    run: Option<u64>,
    uptime_seconds: Option<f64>,
    restarts: u64,
    memory_bytes: Option<u64>,
    cpu_percent: Option<f64>,
    last_exit: Option<LastExit>,
    next_try_seconds: Option<f64>,
    reason: Option<String>,
    reason_code: Option<&'static str>,
    output_dropped_bytes: u64,
    /// Null where its output can be written.
    output_unwritten: Option<Unwritten>,
    adopted: Option<bool>,
    containment: Option<String>,
    pipe_bytes: Option<u64>,
    /// A debugger may hold it up, so its health checks restart nothing.
    debugged: Option<bool>,
    /// Null where an older supervisor doesn't say.
    checks: Option<Vec<Check>>,
    memory_soft_bytes: Option<u64>,
    memory_hard_bytes: Option<u64>,
    /// Who sees to the hard limit.
    memory_hard_by: Option<&'static str>,
    /// What it says of itself; null where it has nothing to say, or nobody listens.
    said: Option<Said>,
}

/// Why its output isn't in its log.
#[derive(Serialize)]
struct Unwritten {
    file: String,
    why: String,
    since: Option<String>,
    /// It waits when its pipe is full; else what it writes is dropped.
    waits: bool,
}

#[derive(Serialize, Default)]
struct Said {
    /// What it is at.
    status: Option<String>,
    /// How it is to say that it is ready, where it has not.
    awaited: Option<String>,
    reloading: bool,
    stopping: bool,
    main_pid: Option<u32>,
    /// What was not listened to.
    ignored: u64,
}

/// How it is checked.
#[derive(Serialize)]
struct Check {
    kind: &'static str,
    what: String,
    last: Option<Checked>,
}

/// What the last check came to.
#[derive(Serialize)]
struct Checked {
    run: u64,
    at: Option<String>,
    took_seconds: f64,
    result: &'static str,
    in_a_row: u32,
    detail: Option<String>,
}

fn check(fact: &CheckFact) -> Check {
    Check {
        kind: fact.kind.name(),
        what: fact.what.clone(),
        last: fact.last.as_ref().map(|last| Checked {
            run: last.run,
            at: rfc3339(last.at_ms),
            took_seconds: seconds(last.took_us),
            result: last.verdict.name(),
            in_a_row: last.in_a_row,
            detail: Some(last.detail.clone()).filter(|detail| !detail.is_empty()),
        }),
    }
}

pub(super) fn component(
    status: &ComponentStatus,
    facts: Option<&ComponentFacts>,
    clock: &Clock,
) -> Component {
    let mut shown = Component {
        id: status.id.to_string(),
        description: status.description.clone(),
        tier: status.tier,
        wish: wish(status.wish),
        state: status.state.name(),
        health: status.health.name(),
        pid: status.pid,
        run: (status.run > 0).then_some(status.run),
        uptime_seconds: status.uptime_us.map(seconds),
        restarts: status.restarts,
        memory_bytes: status.memory_bytes,
        cpu_percent: status.cpu_percent,
        last_exit: status.last_exit.as_ref().map(last_exit),
        next_try_seconds: status.next_try_us.map(seconds),
        reason: sentence::detail(status, clock),
        reason_code: status.reason.as_ref().map(reason_code),
        output_dropped_bytes: status.output_dropped_bytes,
        output_unwritten: None,
        // An older supervisor doesn't say.
        adopted: facts.map(|_| false),
        containment: None,
        pipe_bytes: None,
        checks: facts.map(|_| Vec::new()),
        memory_soft_bytes: None,
        memory_hard_bytes: None,
        memory_hard_by: None,
        said: None,
        debugged: facts.map(|_| false),
    };
    for fact in facts.iter().flat_map(|of| &of.facts) {
        match fact {
            ComponentFact::Adopted => shown.adopted = Some(true),
            ComponentFact::Containment(how) => shown.containment = Some(how.clone()),
            ComponentFact::PipeBytes(bytes) => shown.pipe_bytes = Some(*bytes),
            ComponentFact::Check(fact) => shown.checks.get_or_insert_default().push(check(fact)),
            ComponentFact::MemoryLimits {
                soft,
                hard,
                by_system,
            } => {
                shown.memory_soft_bytes = *soft;
                shown.memory_hard_bytes = *hard;
                shown.memory_hard_by = hard.map(|_| if *by_system { "system" } else { "sampling" });
            }
            ComponentFact::Said(text) => said(&mut shown).status = Some(text.clone()),
            ComponentFact::AwaitsNotice(how) => said(&mut shown).awaited = Some(how.clone()),
            ComponentFact::Reloading => said(&mut shown).reloading = true,
            ComponentFact::SaysItStops => said(&mut shown).stopping = true,
            ComponentFact::MainProcess(pid) => said(&mut shown).main_pid = Some(*pid),
            ComponentFact::NoticesIgnored(number) => said(&mut shown).ignored = *number,
            ComponentFact::Debugged => shown.debugged = Some(true),
            ComponentFact::OutputUnwritten {
                file,
                why,
                since_ms,
                waits,
            } => {
                shown.output_unwritten = Some(Unwritten {
                    file: file.clone(),
                    why: why.clone(),
                    since: rfc3339(*since_ms),
                    waits: *waits,
                });
            }
            // Only `why` is told.
            ComponentFact::RunsKnownSince(_) => {}
        }
    }
    shown
}

fn said(component: &mut Component) -> &mut Said {
    component.said.get_or_insert_default()
}

#[derive(Serialize)]
pub(super) struct UpgradedOut {
    from: String,
    to: String,
    pid: u32,
    adopted: Option<u32>,
}

pub(super) fn upgraded(upgraded: &Upgraded) -> UpgradedOut {
    UpgradedOut {
        from: upgraded.from.clone(),
        to: upgraded.to.clone(),
        pid: upgraded.pid,
        adopted: upgraded.adopted,
    }
}
