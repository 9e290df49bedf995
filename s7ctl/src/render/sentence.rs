//! The sentences: what the typed facts of the protocol mean, for people.

use crate::error::{CtlError, Kind};
use crate::render::Upgraded;
use crate::render::clock::Clock;
use crate::render::quantity::{count, micros, size};
use crate::render::table::visible;
use s7proto::name::ComponentName;
use s7proto::reply::{Diagnostic, Outcome, Part, ReloadAction, ReloadChange, RunInfo, Severity};
use s7proto::request::{Request, Selection, Until};
use s7proto::signal::Signal;
use s7proto::status::{
    Actor, ComponentStatus, EndCause, Exit, ExitReport, Health, Reason, SpawnStage, State,
};

/// What an operation was to do, where the words for its outcomes depend on that.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Asked {
    /// To start, stop or restart: the outcome itself says it.
    #[default]
    Change,
    /// To send a signal.
    Signal {
        /// This one.
        signal: Signal,
        /// To everything, so that what does not run is no failure.
        all: bool,
    },
    /// To wait.
    Wait {
        /// For this.
        until: Until,
        /// For everything, so that what nobody wants to run is no failure.
        all: bool,
    },
}

impl Asked {
    /// What `request` is to do.
    #[must_use]
    pub fn by(request: &Request) -> Self {
        match request {
            Request::Signal { which, signal } => Self::Signal {
                signal: *signal,
                all: *which == Selection::All,
            },
            Request::Wait { which, until } => Self::Wait {
                until: *until,
                all: *which == Selection::All,
            },
            _ => Self::Change,
        }
    }
}

/// What became of one component: a line for people, or the failure.
///
/// # Errors
/// [`CtlError`] for every outcome that is not what was asked for.
pub fn part(part: &Part, asked: Asked) -> Result<String, CtlError> {
    let name = &part.component;
    let took = micros(part.took_us);
    let waits = matches!(asked, Asked::Wait { .. });
    let said = match &part.outcome {
        Outcome::Started(run) | Outcome::AlreadyUp(run) if waits => format!("is up, {}", pid(*run)),
        Outcome::Stopped(_) | Outcome::AlreadyDown if waits => "is down".to_owned(),
        Outcome::Completed(report) if waits => {
            format!("{}, and its restart policy says that it stays so", exit(report))
        }
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
        Outcome::NotRunning if matches!(asked, Asked::Signal { all: true, .. }) => {
            "does not run; nothing sent".to_owned()
        }
        Outcome::NotRunning if matches!(asked, Asked::Wait { all: true, .. }) => {
            "nobody wants it to run; not waited for".to_owned()
        }
        Outcome::Signalled(run) => match asked {
            Asked::Signal { signal, .. } => format!("sent {signal} to {}", pid(*run)),
            Asked::Change | Asked::Wait { .. } => format!("sent a signal to {}", pid(*run)),
        },
        Outcome::FailedRun(_)
        | Outcome::FailedSpawn(_)
        | Outcome::Unkillable
        | Outcome::Superseded
        | Outcome::Refused(_)
        | Outcome::NotRunning
        | Outcome::Failed(_) => return Err(failure(name, &part.outcome, asked)),
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
        (EndCause::DependencyLost, _) => "stopped, with what it depends on".to_owned(),
        (EndCause::Finished | EndCause::Crashed | EndCause::Unseen | EndCause::OutOfMemory, _) => {
            format!("stopped; before that it {} by itself", report.exit)
        }
        (cause, _) => format!("stopped; it {cause}"),
    }
}

fn failure(name: &ComponentName, outcome: &Outcome, asked: Asked) -> CtlError {
    let goes_on =
        format!("it is tried again, unless its policy says otherwise; what comes next: s7ctl why {name}");
    let waits = matches!(asked, Asked::Wait { .. });
    let error = match outcome {
        // A wait goes through failures that are tried again; these are the last.
        Outcome::FailedSpawn(failure) if waits => {
            let message = format!("{name}: was given up: cannot start: {failure}");
            CtlError::new(Kind::StartFailed, message).hint(format!("s7ctl why {name} tells more"))
        }
        Outcome::FailedRun(report) if waits => {
            let message = format!("{name}: was given up: {}", exit(report));
            CtlError::new(Kind::StartFailed, message).hint(format!("s7ctl why {name} tells more"))
        }
        Outcome::NotRunning => not_running(name, asked),
        Outcome::Failed(why) => {
            let what = match asked {
                Asked::Signal { signal, .. } => format!("{signal} could not be sent"),
                Asked::Change | Asked::Wait { .. } => "it could not be done".to_owned(),
            };
            CtlError::new(Kind::Failed, format!("{name}: {what}: {why}"))
                .hint("the supervisor's own log has more")
        }
        Outcome::FailedSpawn(failure) => {
            let message = format!("{name}: cannot start: {}", failure);
            let hint = if failure.stage == SpawnStage::CheckingPort {
                "free the port, or give one of the two another one; the supervisor keeps trying".to_owned()
            } else if failure.host_fault && failure.os_error.is_none() {
                format!("{name} is not to blame; the supervisor keeps trying, and its own log has more")
            } else if failure.host_fault {
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
        | Outcome::Signalled(_)
        | Outcome::Restarted { .. } => CtlError::new(Kind::Failed, format!("{name}: done")),
    };
    error.about(name)
}

fn not_running(name: &ComponentName, asked: Asked) -> CtlError {
    let (message, hint) = match asked {
        Asked::Wait { .. } => (
            format!("{name}: nobody wants it to run, so there is nothing to wait for"),
            format!("start it with: s7ctl start {name}"),
        ),
        Asked::Signal { signal, .. } => (
            format!("{name}: does not run, so there is nothing to send {signal} to"),
            format!("why: s7ctl why {name}; start it with: s7ctl start {name}"),
        ),
        Asked::Change => (
            format!("{name}: does not run"),
            format!("start it with: s7ctl start {name}"),
        ),
    };
    CtlError::new(Kind::NotRunning, message).hint(hint)
}

fn pid(run: RunInfo) -> String {
    format!("pid {}", run.pid)
}

/// `exited with code 1 after 0.20 s`, `missed its watchdog and was stopped: was ended by SIGTERM after 9.2 s`.
#[must_use]
pub fn exit(report: &ExitReport) -> String {
    format!("{} after {}", report, micros(report.lasted_us))
}

/// What is to be known about a component beside its state: what failed, when and why. `None` where all is well.
#[must_use]
pub fn detail(component: &ComponentStatus, clock: &Clock) -> Option<String> {
    let mut said: Vec<String> = cause(component, clock).into_iter().collect();
    if let Some(next) = component.next_try_us {
        said.push(format!("next try in {}", micros(next)));
    }
    said.extend(dropped(component));
    (!said.is_empty()).then(|| said.join("; "))
}

/// Why a component is in its state, where that needs words.
#[must_use]
pub fn cause(component: &ComponentStatus, clock: &Clock) -> Option<String> {
    let last = component.last_exit.as_ref();
    let mut said = Vec::new();
    if let Some(cause) = &component.reason {
        said.push(reason(cause, &component.id, last, clock));
    } else if component.state == State::Fatal || component.state == State::Backoff {
        said.extend(last.map(|report| last_exit(report, clock)));
    }
    if component.health == Health::Unhealthy {
        match (component.state, &component.reason) {
            // It says all of it.
            (_, Some(Reason::GivenUpRun(EndCause::Hung))) => {}
            // What ends may have been given up for something else than its checks.
            (State::Stopping | State::Stuck, _) => said.push("it is unhealthy".to_owned()),
            _ => said.push("its health checks fail".to_owned()),
        }
    }
    (!said.is_empty()).then(|| said.join("; "))
}

/// What of its output is lost.
#[must_use]
pub fn dropped(component: &ComponentStatus) -> Option<String> {
    let dropped = component.output_dropped_bytes;
    (dropped > 0).then(|| {
        format!(
            "{} of its output could not be written and are lost",
            size(dropped)
        )
    })
}

/// A reason in words. `last` is how the last run ended, where that is known.
#[must_use]
pub fn reason(reason: &Reason, id: &ComponentName, last: Option<&ExitReport>, clock: &Clock) -> String {
    let last = last.map(|report| last_exit(report, clock));
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
            let how = last.unwrap_or_else(|| "crashed".to_owned());
            match (*crash_loop, *in_a_row) {
                (true, _) => format!("crash loop, {crashes} in a row: {how}"),
                (false, 0 | 1) => how,
                (false, _) => format!("{how}; {crashes} in a row"),
            }
        }
        Reason::SpawnFailed(failure) if failure.host_fault && failure.os_error.is_some() => {
            format!("cannot start, for want of something on this machine: {}", failure)
        }
        Reason::SpawnFailed(failure) => format!("cannot start: {}", failure),
        Reason::GaveUp { in_a_row } => {
            let crashes = count(u64::from(*in_a_row), "crash", "crashes");
            let how = last.map_or_else(String::new, |how| format!(": {how}"));
            format!("given up after {crashes} in a row{how}; try again with: s7ctl start {id}")
        }
        Reason::Completed => {
            let how = last.unwrap_or_else(|| "ended".to_owned());
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
        Reason::GivenUpRun(cause) => format!("{cause}, and is being stopped"),
    }
}

fn last_exit(report: &ExitReport, clock: &Clock) -> String {
    let at = clock.in_words(report.at_ms);
    let lasted = micros(report.lasted_us);
    format!("{report} at {at} after {lasted}")
}

/// Who it was.
#[must_use]
pub fn actor(who: &Actor) -> String {
    match who {
        Actor::Uid(_) | Actor::Sid(_) => who.to_string(),
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

/// `The supervisor was replaced: …`
#[must_use]
pub fn upgraded(upgraded: &Upgraded) -> String {
    let Upgraded {
        from,
        to,
        pid,
        adopted,
    } = upgraded;
    let what = if from == to {
        format!("version {} by itself", visible(from))
    } else {
        format!("version {} by {}", visible(from), visible(to))
    };
    let runs = match adopted {
        Some(runs) => format!(
            "{} under it",
            count(u64::from(*runs), "run lives on", "runs live on")
        ),
        None => "what runs was not touched".to_owned(),
    };
    format!("The supervisor was replaced, {what}, in the same process (pid {pid}); {runs}.")
}

/// `a`, `a or b`, `a, b or c`.
#[must_use]
pub fn either(names: &[ComponentName]) -> Option<String> {
    list(names, "or")
}

/// `a`, `a and b`, `a, b and c`, with any word for the "and".
#[must_use]
pub fn list(names: &[ComponentName], word: &str) -> Option<String> {
    let names: Vec<&str> = names.iter().map(ComponentName::as_str).collect();
    match names.as_slice() {
        [] => None,
        [one] => Some((*one).to_owned()),
        [front @ .., last] => Some(format!("{} {word} {last}", front.join(", "))),
    }
}
