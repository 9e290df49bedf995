//! Views → JSON (DESIGN 8). Absent values are null, never left out; fields may be added, never renamed.

mod event;
mod explain;
mod operation;
mod status;

pub use event::{happened, missed, snapshot};

use crate::error::CtlError;
use crate::render::View;
use crate::render::clock::{Clock, rfc3339};
use operation::{Operation, part, reload};
use s7proto::reply::{CheckReport, Diagnostic, DumpOutcome, DumpReport, LogTail, Severity, VersionInfo};
use s7proto::status::{EndCause, Exit, ExitReport, Reason, SpawnStage, Wish};
use s7proto::version::PROTOCOL;
use serde::Serialize;
use status::status;

/// The version of these shapes.
const SCHEMA: u32 = 1;

/// A view as one object and a newline.
#[must_use]
pub fn render(view: &View, clock: &Clock) -> String {
    let error = view.failures().into_iter().next();
    match view {
        View::Status { report, facts, .. } => print(&status(Some((report, facts)), error, clock)),
        View::NoSupervisor(_) => print(&status(None, error, clock)),
        View::NothingToStop(_) => print(&envelope(Some(Operation { components: vec![] }), error)),
        View::Operation { asked, parts } => {
            let components = parts.iter().map(|one| part(one, *asked)).collect();
            print(&envelope(Some(Operation { components }), error))
        }
        View::Reload(report) => print(&envelope(Some(reload(report)), error)),
        View::Logs(tails) => {
            let components = tails.iter().map(log).collect();
            print(&envelope(Some(Logs { components }), error))
        }
        View::Check(report) => print(&envelope(Some(check(report)), error)),
        View::Why { stories, omitted } => {
            print(&envelope(Some(explain::why(stories, *omitted, clock)), error))
        }
        View::Dumps { reports, .. } => {
            let components = reports.iter().map(dump).collect();
            print(&envelope(Some(Dumps { components }), error))
        }
        View::Events(events) => print(&envelope(Some(event::events(events, clock)), error)),
        View::Info(report) => print(&envelope(Some(explain::info(report)), error)),
        View::Upgraded(upgraded) => print(&envelope(Some(status::upgraded(upgraded)), error)),
        View::Version(daemon) => print(&envelope(Some(version(daemon.as_ref())), error)),
        View::Passed(_) => String::new(),
    }
}

/// A failure before there was anything to show. `of_status`: in the shape of `status`.
#[must_use]
pub fn render_error(error: &CtlError, of_status: bool, clock: &Clock) -> String {
    if of_status {
        print(&status(None, Some(error.clone()), clock))
    } else {
        print(&envelope::<()>(None, Some(error.clone())))
    }
}

/// One object and a newline.
pub(super) fn print(value: &impl Serialize) -> String {
    let text = serde_json::to_string(value);
    // Only a map with keys that aren't text, or a failing Serialize, can't be written; there is neither here.
    text.unwrap_or_else(|error| {
        format!(
            "{{\"schema\":{SCHEMA},\"ok\":false,\"data\":null,\"error\":{:?}}}",
            error.to_string()
        )
    }) + "\n"
}

#[derive(Serialize)]
struct Envelope<T> {
    schema: u32,
    ok: bool,
    data: Option<T>,
    error: Option<Failure>,
}

fn envelope<T>(data: Option<T>, error: Option<CtlError>) -> Envelope<T> {
    Envelope {
        schema: SCHEMA,
        ok: error.is_none(),
        data,
        error: error.map(failure),
    }
}

#[derive(Serialize)]
struct Failure {
    code: &'static str,
    exit: u8,
    component: Option<String>,
    message: String,
    hint: Option<String>,
}

fn failure(error: CtlError) -> Failure {
    Failure {
        code: error.kind.code(),
        exit: error.kind.exit(),
        message: error.to_string(),
        component: error.component.map(String::from),
        hint: error.hint,
    }
}

fn wish(wish: Wish) -> &'static str {
    match wish {
        Wish::Up => "up",
        Wish::Down => "down",
    }
}

fn reason_code(reason: &Reason) -> &'static str {
    match reason {
        Reason::NotAutoStarted => "not_auto_started",
        Reason::StoppedBy { .. } => "stopped_by",
        Reason::WaitingForTier { .. } => "waiting_for_tier",
        Reason::WaitingForDependency(_) => "waiting_for_dependency",
        Reason::Crashed { crash_loop: true, .. } => "crash_loop",
        Reason::Crashed {
            crash_loop: false, ..
        } => "crashed",
        Reason::SpawnFailed(failure) if failure.stage == SpawnStage::CheckingPort => "port_taken",
        Reason::SpawnFailed(failure) if failure.host_fault => "host_fault",
        Reason::SpawnFailed(_) => "spawn_failed",
        Reason::GaveUp { .. } => "gave_up",
        Reason::Completed => "completed",
        Reason::Unkillable { .. } => "unkillable",
        Reason::NeedsRestart => "needs_restart",
        Reason::Removed => "removed",
        Reason::GivenUpRun(cause) => cause_code(*cause),
    }
}

fn cause_code(cause: EndCause) -> &'static str {
    match cause {
        EndCause::Finished => "finished",
        EndCause::Crashed => "crashed",
        EndCause::Requested => "requested",
        EndCause::KilledAfterTimeout => "killed_after_timeout",
        EndCause::Unseen => "unseen",
        EndCause::OutOfMemory => "out_of_memory",
        EndCause::Hung => "hung",
        EndCause::TooMuchMemory => "too_much_memory",
        EndCause::DependencyLost => "dependency_lost",
        EndCause::NotReady => "not_ready",
        EndCause::WatchdogMissed => "watchdog_missed",
        EndCause::InTrouble => "in_trouble",
        EndCause::OutputMatched => "output_matched",
    }
}

#[derive(Serialize)]
struct LastExit {
    code: Option<i32>,
    signal: Option<String>,
    core: bool,
    at: Option<String>,
    seconds: f64,
    reason: &'static str,
}

fn last_exit(report: &ExitReport) -> LastExit {
    let (code, signal, core) = match &report.exit {
        Exit::Code(code) => (Some(*code), None, false),
        Exit::Signal { name, core } => (None, Some(name.clone()), *core),
        Exit::Unknown => (None, None, false),
    };
    LastExit {
        code,
        signal,
        core,
        at: rfc3339(report.at_ms),
        seconds: seconds(report.lasted_us),
        reason: cause_code(report.cause),
    }
}

fn seconds(micros: u64) -> f64 {
    micros as f64 / 1e6
}

#[derive(Serialize)]
struct Finding {
    severity: &'static str,
    file: String,
    line: Option<u32>,
    column: Option<u32>,
    message: String,
    hint: Option<String>,
}

fn finding(diagnostic: &Diagnostic) -> Finding {
    Finding {
        severity: match diagnostic.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        },
        file: diagnostic.file.clone(),
        line: (diagnostic.line > 0).then_some(diagnostic.line),
        column: (diagnostic.column > 0).then_some(diagnostic.column),
        message: diagnostic.message.clone(),
        hint: diagnostic.hint.clone(),
    }
}

#[derive(Serialize)]
struct Check {
    registry: String,
    components: Vec<String>,
    diagnostics: Vec<Finding>,
}

fn check(report: &CheckReport) -> Check {
    Check {
        registry: report.registry.clone(),
        components: report.components.iter().map(ToString::to_string).collect(),
        diagnostics: report.diagnostics.iter().map(finding).collect(),
    }
}

#[derive(Serialize)]
struct Logs {
    components: Vec<Log>,
}

#[derive(Serialize)]
struct Log {
    id: String,
    file: String,
    text: String,
    truncated: bool,
    error: Option<String>,
}

fn log(tail: &LogTail) -> Log {
    Log {
        id: tail.component.to_string(),
        file: tail.file.clone(),
        // JSON has no bytes: what isn't UTF-8 becomes U+FFFD. The text form gives the bytes as they are.
        text: String::from_utf8_lossy(&tail.bytes).into_owned(),
        truncated: tail.truncated,
        error: tail.error.clone(),
    }
}

#[derive(Serialize)]
struct Dumps {
    components: Vec<Dump>,
}

#[derive(Serialize)]
struct Dump {
    id: String,
    outcome: &'static str,
    run: Option<u64>,
    pid: Option<u32>,
    file: Option<String>,
    from: Option<u64>,
    to: Option<u64>,
    text: Option<String>,
}

fn dump(report: &DumpReport) -> Dump {
    let nothing = |outcome| Dump {
        id: report.component.to_string(),
        outcome,
        run: None,
        pid: None,
        file: None,
        from: None,
        to: None,
        text: None,
    };
    match &report.outcome {
        DumpOutcome::Written {
            run,
            file,
            from,
            to,
            bytes,
        } => Dump {
            run: Some(run.run),
            pid: Some(run.pid),
            file: Some(file.clone()),
            from: Some(*from),
            to: Some(*to),
            text: Some(String::from_utf8_lossy(bytes).into_owned()),
            ..nothing("written")
        },
        DumpOutcome::Silent(_) => nothing("silent"),
        DumpOutcome::NotConfigured => nothing("not_configured"),
        DumpOutcome::NotRunning => nothing("not_running"),
        DumpOutcome::Failed(_) => nothing("failed"),
        DumpOutcome::WouldEnd { .. } => nothing("would_end"),
    }
}

#[derive(Serialize)]
struct Versions {
    client: Client,
    supervisor: Option<Daemon>,
}

#[derive(Serialize)]
struct Client {
    version: &'static str,
    protocol: String,
}

#[derive(Serialize)]
struct Daemon {
    version: String,
    pid: u32,
    registry: String,
}

fn version(daemon: Option<&VersionInfo>) -> Versions {
    Versions {
        client: Client {
            version: env!("CARGO_PKG_VERSION"),
            protocol: PROTOCOL.to_string(),
        },
        supervisor: daemon.map(|info| Daemon {
            version: info.version.clone(),
            pid: info.pid,
            registry: info.registry.clone(),
        }),
    }
}
