//! The sentences: what the typed facts of the protocol mean, for people.

use crate::error::{CtlError, Kind};
use crate::render::clock::Clock;
use crate::render::quantity::{count, micros, size};
use s7proto::name::ComponentName;
use s7proto::reply::{Diagnostic, Outcome, Part, ReloadAction, ReloadChange, RunInfo, Severity};
use s7proto::status::{Actor, ComponentStatus, EndCause, Exit, ExitReport, Health, Reason, State};

/// What became of one component: a line for people, or the failure.
///
/// # Errors
/// [`CtlError`] for every outcome that is not what was asked for.
pub fn part(part: &Part) -> Result<String, CtlError> {
    let name = &part.component;
    let took = micros(part.took_us);
    let said = match &part.outcome {
        Outcome::Started(run) => format!("started, {} ({took})", pid(*run)),
        Outcome::AlreadyUp(run) => format!("was running already, {}", pid(*run)),
        Outcome::Completed(report) => {
            format!(
                "{}, and its restart policy says that it stays so ({took})",
                exit(report)
            )
        }
        Outcome::Stopped(report) => format!("{} ({took})", stopped(report)),
        Outcome::AlreadyDown => "was stopped already".to_owned(),
        Outcome::Restarted {
            before: Some(before),
            after,
        } => {
            format!("restarted, pid {} \u{2192} {} ({took})", before.pid, after.pid)
        }
        Outcome::Restarted { before: None, after } => {
            format!("was stopped; started, {} ({took})", pid(*after))
        }
        Outcome::FailedRun(_)
        | Outcome::FailedSpawn(_)
        | Outcome::Unkillable
        | Outcome::Superseded
        | Outcome::Refused(_) => return Err(failure(name, &part.outcome)),
    };
    Ok(format!("{name}: {said}"))
}

/// How a run ended that was to end. That the stop signal ended it, or that it left with 0, needs few words.
fn stopped(report: &ExitReport) -> String {
    match (report.cause, &report.exit) {
        (EndCause::KilledAfterTimeout, _) => "stopped: it did not stop in time and was killed".to_owned(),
        (EndCause::Requested, Exit::Code(0) | Exit::Unknown) => "stopped".to_owned(),
        (EndCause::Requested, Exit::Code(code)) => format!("stopped, with exit code {code}"),
        (EndCause::Requested, Exit::Signal { name, core: false }) => format!("stopped by {name}"),
        (EndCause::Requested, Exit::Signal { core: true, .. }) => {
            format!("stopped, {}", report.exit)
        }
        (EndCause::Finished | EndCause::Crashed, _) => {
            format!("stopped; before that it {} by itself", report.exit)
        }
    }
}

fn failure(name: &ComponentName, outcome: &Outcome) -> CtlError {
    let goes_on = format!("what comes next: s7ctl status {name}; what it said: s7ctl logs {name}");
    let error = match outcome {
        Outcome::FailedSpawn(failure) => {
            let message = format!("{name}: cannot start: {}", failure);
            let hint = if failure.host_fault {
                format!(
                    "the machine is short of something, {name} is not to blame; the supervisor keeps trying"
                )
            } else {
                goes_on
            };
            CtlError::new(Kind::StartFailed, message).hint(hint)
        }
        Outcome::FailedRun(report) => {
            let message = format!("{name}: did not get ready: {}", exit(report));
            CtlError::new(Kind::StartFailed, message).hint(goes_on)
        }
        Outcome::Unkillable => {
            let message = format!("{name}: was killed and is still there; the system does not let it go");
            CtlError::new(Kind::Unkillable, message).hint("the supervisor keeps trying; see: s7ctl status")
        }
        Outcome::Superseded => {
            let message = format!("{name}: a later command took over before this one was done");
            CtlError::new(Kind::Superseded, message).hint("s7ctl status shows what became of it")
        }
        Outcome::Refused(refusal) => {
            let refused = CtlError::refused(refusal, Some(name));
            // A refusal that names a component itself doesn't need the name in front.
            let named = refused.message.contains(name.as_str());
            CtlError {
                message: if named {
                    refused.message
                } else {
                    format!("{name}: {}", refused.message)
                },
                ..refused
            }
        }
        Outcome::Started(_)
        | Outcome::AlreadyUp(_)
        | Outcome::Completed(_)
        | Outcome::Stopped(_)
        | Outcome::AlreadyDown
        | Outcome::Restarted { .. } => CtlError::new(Kind::Failed, format!("{name}: done")),
    };
    error.about(name)
}

fn pid(run: RunInfo) -> String {
    format!("pid {}", run.pid)
}

/// `exited with code 1 after 0.20 s`.
#[must_use]
pub fn exit(report: &ExitReport) -> String {
    format!("{} after {}", report.exit, micros(report.lasted_us))
}

/// What is to be known about a component beside its state: what failed, when and why. `None` where all is well.
#[must_use]
pub fn detail(component: &ComponentStatus, clock: &Clock) -> Option<String> {
    let mut said = Vec::new();
    if let Some(reason) = &component.reason {
        said.push(sentence_of(reason, component, clock));
    } else if component.state == State::Fatal || component.state == State::Backoff {
        said.extend(last_exit(component, clock));
    }
    if component.health == Health::Unhealthy {
        said.push("its health checks fail".to_owned());
    }
    if let Some(next) = component.next_try_us {
        said.push(format!("next try in {}", micros(next)));
    }
    if component.output_dropped_bytes > 0 {
        let dropped = size(component.output_dropped_bytes);
        said.push(format!(
            "{dropped} of its output could not be written and are lost"
        ));
    }
    (!said.is_empty()).then(|| said.join("; "))
}

fn sentence_of(reason: &Reason, component: &ComponentStatus, clock: &Clock) -> String {
    let id = &component.id;
    match reason {
        Reason::NotAutoStarted => format!("not started by itself (autoStart is false); s7ctl start {id}"),
        Reason::StoppedBy { who, at_ms } => {
            format!("stopped by {} at {}", actor(who), clock.in_words(*at_ms))
        }
        Reason::WaitingForTier { tier, members } => match list(members, "and") {
            None => format!("waiting for tier {tier}"),
            Some(members) => format!("waiting for {members} in tier {tier}"),
        },
        Reason::WaitingForDependency(dependency) => format!("waiting for {dependency}, which it depends on"),
        Reason::Crashed { in_a_row, crash_loop } => {
            let crashes = count(u64::from(*in_a_row), "crash", "crashes");
            let how = last_exit(component, clock).unwrap_or_else(|| "crashed".to_owned());
            match (*crash_loop, *in_a_row) {
                (true, _) => format!("crash loop, {crashes} in a row: {how}"),
                (false, 0 | 1) => how,
                (false, _) => format!("{how}; {crashes} in a row"),
            }
        }
        Reason::SpawnFailed(failure) if failure.host_fault => {
            format!("cannot start, for want of something on this machine: {}", failure)
        }
        Reason::SpawnFailed(failure) => format!("cannot start: {}", failure),
        Reason::GaveUp { in_a_row } => {
            let crashes = count(u64::from(*in_a_row), "crash", "crashes");
            let how = last_exit(component, clock).map_or_else(String::new, |how| format!(": {how}"));
            format!("given up after {crashes} in a row{how}; try again with: s7ctl start {id}")
        }
        Reason::Completed => {
            let how = last_exit(component, clock).unwrap_or_else(|| "ended".to_owned());
            format!("{how}; its restart policy says that it stays so")
        }
        Reason::Unkillable { left: 0 } => "killed, and still there; the supervisor keeps trying".to_owned(),
        Reason::Unkillable { left } => {
            let left = count(u64::from(*left), "process is", "processes are");
            format!("killed, and {left} still there; the supervisor keeps trying")
        }
        Reason::NeedsRestart => {
            format!("the registry has changed; what changed applies after: s7ctl restart {id}")
        }
        Reason::Removed => "no longer in the registry, being stopped".to_owned(),
    }
}

fn last_exit(component: &ComponentStatus, clock: &Clock) -> Option<String> {
    let report = component.last_exit.as_ref()?;
    let at = clock.in_words(report.at_ms);
    let (how, lasted) = (&report.exit, micros(report.lasted_us));
    Some(format!("{how} at {at} after {lasted}"))
}

fn actor(who: &Actor) -> String {
    match who {
        Actor::Uid(uid) => format!("uid {uid}"),
        Actor::Sid(sid) => sid.clone(),
        Actor::Supervisor => "the supervisor".to_owned(),
    }
}

/// What a waiting person sees when a component enters a state.
#[must_use]
pub fn entered(component: &ComponentName, state: State) -> String {
    let what = match state {
        State::Stopped => "stopped",
        State::Waiting => "waiting for its turn",
        State::Starting => "starting, waiting until it is ready",
        State::Running => "running",
        State::Stopping => "stopping, waiting until all its processes are gone",
        State::Backoff => "ended too early",
        State::Exited => "ended",
        State::Fatal => "given up",
        State::Stuck => "killed, and still there",
    };
    format!("{component}: {what}")
}

/// What a reload does or would do with one component.
#[must_use]
pub fn change(change: &ReloadChange, dry_run: bool) -> String {
    let (does, would) = match change.action {
        ReloadAction::AddedAndStarted => ("is new, and is started", "is new, and would be started"),
        ReloadAction::Added => (
            "is new, and stays stopped (autoStart is false)",
            "is new, and would stay stopped (autoStart is false)",
        ),
        ReloadAction::Removed => ("is removed, and is stopped", "is removed, and would be stopped"),
        ReloadAction::Restarted => (
            "has changed, and is restarted",
            "has changed, and would be restarted",
        ),
        ReloadAction::NeedsRestart => (
            "has changed; applies after its next restart",
            "has changed; would apply after its next restart",
        ),
        ReloadAction::Updated => (
            "has changed; applies at its next start",
            "has changed; would apply at its next start",
        ),
        ReloadAction::AppliedLive => ("has changed, applied at once", "has changed, would apply at once"),
    };
    let fields = if change.fields.is_empty() {
        String::new()
    } else {
        format!(" [{}]", change.fields.join(", "))
    };
    format!(
        "{}: {}{fields}",
        change.component,
        if dry_run { would } else { does }
    )
}

/// `2 errors and 1 warning`.
#[must_use]
pub fn findings(diagnostics: &[Diagnostic]) -> String {
    let of = |severity| diagnostics.iter().filter(|d| d.severity == severity).count() as u64;
    let errors = count(of(Severity::Error), "error", "errors");
    let warnings = count(of(Severity::Warning), "warning", "warnings");
    match (of(Severity::Error), of(Severity::Warning)) {
        (0, 0) => "nothing to complain about".to_owned(),
        (_, 0) => errors,
        (0, _) => warnings,
        _ => format!("{errors} and {warnings}"),
    }
}

/// `a`, `a or b`, `a, b or c`.
#[must_use]
pub fn either(names: &[ComponentName]) -> Option<String> {
    list(names, "or")
}

fn list(names: &[ComponentName], word: &str) -> Option<String> {
    let names: Vec<&str> = names.iter().map(ComponentName::as_str).collect();
    match names.as_slice() {
        [] => None,
        [one] => Some((*one).to_owned()),
        [front @ .., last] => Some(format!("{} {word} {last}", front.join(", "))),
    }
}
