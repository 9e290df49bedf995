//! Views → bytes: the same [`View`] as text for people and as JSON for programs.

mod checks;
pub mod clock;
pub mod dump;
pub mod event;
mod facts;
pub mod info;
pub mod json;
pub mod lines;
pub mod quantity;
pub mod sentence;
pub mod table;
pub mod text;
pub mod why;

use crate::error::{CtlError, Kind};
use crate::render::sentence::Asked;
use s7proto::endpoint::Endpoint;
use s7proto::event::Event;
use s7proto::explain::{InfoReport, Story};
use s7proto::overview::{ComponentFact, ComponentFacts, SupervisorFact};
use s7proto::reply::{CheckReport, DumpReport, LogTail, Outcome, Part, ReloadReport, VersionInfo};
use s7proto::status::{ComponentStatus, Health, State, StatusReport, Wish};

/// What `status` tells beyond its first fields: nothing where the supervisor is older.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Facts {
    /// About the supervisor.
    pub supervisor: Vec<SupervisorFact>,
    /// About the components: none, or as many as in the report, in the same order.
    pub components: Vec<ComponentFacts>,
}

/// One binary was put in place of another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upgraded {
    /// The version before.
    pub from: String,
    /// The version now.
    pub to: String,
    /// The process, which is the same.
    pub pid: u32,
    /// Runs that live on, where that is known.
    pub adopted: Option<u32>,
}

/// What a verb found out or did, before it becomes text or JSON.
#[derive(Debug, Clone, PartialEq)]
pub enum View {
    /// `status`.
    Status {
        /// What the supervisor said.
        report: StatusReport,
        /// What else it said, where it is young enough.
        facts: Facts,
        /// Components were named on the command line, so each of them is to run.
        named: bool,
    },
    /// `status` where no supervisor runs: where it was looked for.
    NoSupervisor(CtlError),
    /// `start`, `stop`, `restart`, `shutdown`, `signal`, `wait`.
    Operation {
        /// What was to be done.
        asked: Asked,
        /// What became of each component.
        parts: Vec<Part>,
    },
    /// `stop` where no supervisor runs: there is nothing to stop.
    NothingToStop(Vec<Endpoint>),
    /// `reload`.
    Reload(ReloadReport),
    /// `logs`.
    Logs(Vec<LogTail>),
    /// `check` without a file.
    Check(CheckReport),
    /// `version`; `None` where no supervisor runs.
    Version(Option<VersionInfo>),
    /// `why`.
    Why {
        /// What the supervisor said.
        stories: Vec<Story>,
        /// So many more are not as they should be and are not explained.
        omitted: usize,
    },
    /// `upgrade`.
    Upgraded(Upgraded),
    /// `dump`.
    Dumps {
        /// What came of each.
        reports: Vec<DumpReport>,
        /// Everything was asked, so that what can't be asked is no failure.
        all: bool,
    },
    /// `events` without `-f`.
    Events(Vec<Event>),
    /// `info`.
    Info(Box<InfoReport>),
    /// Everything was said already, by another program or while it happened; this is the exit code.
    Passed(u8),
}

impl View {
    /// Everything that makes this less than a success, in the order of the components.
    #[must_use]
    pub fn failures(&self) -> Vec<CtlError> {
        match self {
            Self::Status { report, named, .. } => report
                .components
                .iter()
                .filter(|component| !is_as_it_should_be(component, *named))
                .map(not_running)
                .collect(),
            Self::NoSupervisor(error) => vec![error.clone()],
            Self::Version(None) => vec![CtlError::new(Kind::NoSupervisor, "the supervisor is not running")],
            Self::Operation { asked, parts } => of_parts(parts, *asked),
            Self::Dumps { reports, all } => reports
                .iter()
                .filter_map(|report| dump::failure(report, *all))
                .collect(),
            Self::Reload(report) => of_parts(&report.parts, Asked::Change),
            Self::Logs(tails) => tails.iter().filter_map(unreadable).collect(),
            Self::Check(report) if !report.ok => {
                let found = sentence::findings(&report.diagnostics);
                let message = format!("the registry {} would not load: {found}", report.registry);
                vec![CtlError::new(Kind::RegistryBroken, message)]
            }
            Self::Check(_)
            | Self::Version(Some(_))
            | Self::NothingToStop(_)
            | Self::Why { .. }
            | Self::Events(_)
            | Self::Upgraded(_)
            | Self::Info(_)
            | Self::Passed(_) => Vec::new(),
        }
    }

    /// The exit code (DESIGN 8). Failures of different kinds together are 1.
    #[must_use]
    pub fn exit(&self) -> u8 {
        if let Self::Passed(code) = self {
            return *code;
        }
        let mut codes = self.failures().into_iter().map(|failure| failure.kind.exit());
        match codes.next() {
            None => 0,
            Some(first) if codes.all(|code| code == first) => first,
            Some(_) => 1,
        }
    }
}

fn of_parts(parts: &[Part], asked: Asked) -> Vec<CtlError> {
    parts
        .iter()
        .filter_map(|part| sentence::part(part, asked).err())
        .collect()
}

/// DESIGN 8: every component wished up, and every one named, is RUNNING and not unhealthy, or EXITED by policy.
fn is_as_it_should_be(component: &ComponentStatus, named: bool) -> bool {
    let expected = named || component.wish == Wish::Up;
    let up = match component.state {
        State::Running => component.health != Health::Unhealthy,
        State::Exited => true,
        State::Stopped
        | State::Waiting
        | State::Starting
        | State::Stopping
        | State::Backoff
        | State::Fatal
        | State::Stuck => false,
    };
    up || !expected
}

/// Whether there is something to explain: it is not as it should be, or it can't be stopped.
#[must_use]
pub fn is_troubled(component: &ComponentStatus) -> bool {
    component.state == State::Stuck || !is_as_it_should_be(component, false)
}

/// Whether some of its output is lost, or it waits because that can't be written.
#[must_use]
pub fn is_losing_output(component: &ComponentStatus, told: &[ComponentFact]) -> bool {
    let unwritten = |fact: &ComponentFact| matches!(fact, ComponentFact::OutputUnwritten { .. });
    component.output_dropped_bytes > 0 || told.iter().any(unwritten)
}

fn not_running(component: &ComponentStatus) -> CtlError {
    let id = &component.id;
    let message = match component.state {
        State::Running => format!("{id} runs, but its health checks fail"),
        state => format!("{id} is {}", state.name()),
    };
    CtlError::new(Kind::NotRunning, message).about(id)
}

/// What can't be read. Where there is something beside the error, that only says what isn't certain about it.
fn unreadable(tail: &LogTail) -> Option<CtlError> {
    let cause = tail.error.as_ref().filter(|_| tail.bytes.is_empty())?;
    let message = format!("{}: cannot read {}", tail.component, tail.file);
    Some(
        CtlError::new(Kind::Failed, message)
            .because(cause)
            .about(&tail.component),
    )
}

/// Nobody answers at any of these places; at `left` there was somebody who has ended without stopping anything.
#[must_use]
pub fn no_supervisor(tried: &[Endpoint], left: Option<&Endpoint>) -> CtlError {
    if let Some(left) = left {
        let message = format!(
            "the supervisor is not running: the one at {left} was killed or has crashed; its components may still run"
        );
        return CtlError::new(Kind::NoSupervisor, message).hint(
            "begin it again as it was begun (s7ctl start, or its service): it goes on with them, and then s7ctl stop stops them",
        );
    }
    let places: Vec<String> = tried.iter().map(Endpoint::to_string).collect();
    let message = format!(
        "the supervisor is not running: nothing answers at {}",
        places.join(" or at ")
    );
    CtlError::new(Kind::NoSupervisor, message)
        .hint("s7ctl start brings it up; a supervisor elsewhere is named with --socket or S7_SOCKET")
}

/// The name of an outcome in JSON.
#[must_use]
pub fn outcome_name(outcome: &Outcome) -> &'static str {
    match outcome {
        Outcome::Started(_) => "started",
        Outcome::AlreadyUp(_) => "already_up",
        Outcome::Completed(_) => "completed",
        Outcome::Stopped(_) => "stopped",
        Outcome::AlreadyDown => "already_down",
        Outcome::Restarted { .. } => "restarted",
        Outcome::FailedRun(_) => "failed_run",
        Outcome::FailedSpawn(_) => "failed_spawn",
        Outcome::Unkillable => "unkillable",
        Outcome::Superseded => "superseded",
        Outcome::Refused(_) => "refused",
        Outcome::Signalled(_) => "signalled",
        Outcome::NotRunning => "not_running",
        Outcome::Failed(_) => "failed",
    }
}

#[cfg(test)]
mod tests;
