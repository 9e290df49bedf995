//! Everything that can go wrong for `s7ctl`: its kind, sentence, cause, hint and exit code.

use crate::render::quantity;
use crate::render::sentence;
use s7proto::channel::ChannelError;
use s7proto::endpoint::EndpointError;
use s7proto::frame::FrameError;
use s7proto::name::ComponentName;
use s7proto::refusal::{Permission, Refusal, UpgradeProblem};
use s7proto::version::Side;
use std::fmt;
use std::time::Duration;

/// A failure, as it is told to people and to programs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CtlError {
    /// What kind of failure; decides the exit code.
    pub kind: Kind,
    /// The component it is about, if one.
    pub component: Option<ComponentName>,
    /// What was being done, to what, and why it failed.
    pub message: String,
    /// The cause below, where one has words of its own.
    pub cause: Option<String>,
    /// What to do now.
    pub hint: Option<String>,
}

/// The kinds of failures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The operation failed.
    Failed,
    /// The command line makes no sense.
    Usage,
    /// No supervisor answers.
    NoSupervisor,
    /// Something that should run does not.
    NotRunning,
    /// No component of that name.
    NoSuchComponent,
    /// The caller may not do this.
    NotPermitted,
    /// The answer did not come in time.
    TimedOut,
    /// The supervisor speaks another version.
    ForeignVersion,
    /// The supervisor can't be talked to, or not any more.
    Connection,
    /// A component could not be started.
    StartFailed,
    /// A component could not be killed.
    Unkillable,
    /// A later command took over.
    Superseded,
    /// A dependency is wished down.
    DependencyDown,
    /// The registry can't be loaded.
    RegistryBroken,
    /// The supervisor is stopping everything.
    ShuttingDown,
    /// The supervisor has too much to do.
    Busy,
    /// The supervisor did not understand.
    Malformed,
    /// The supervisor can't do this here.
    Unsupported,
    /// The supervisor failed within itself.
    Internal,
}

impl Kind {
    /// The exit code (DESIGN 8).
    #[must_use]
    pub fn exit(self) -> u8 {
        match self {
            Self::Usage => 2,
            Self::NoSupervisor | Self::NotRunning => 3,
            Self::NoSuchComponent => 4,
            Self::NotPermitted => 5,
            Self::TimedOut => 6,
            Self::ForeignVersion => 7,
            Self::Failed
            | Self::Connection
            | Self::StartFailed
            | Self::Unkillable
            | Self::Superseded
            | Self::DependencyDown
            | Self::RegistryBroken
            | Self::ShuttingDown
            | Self::Busy
            | Self::Malformed
            | Self::Unsupported
            | Self::Internal => 1,
        }
    }

    /// The name in JSON.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::Failed => "failed",
            Self::Usage => "usage",
            Self::NoSupervisor => "no_supervisor",
            Self::NotRunning => "not_running",
            Self::NoSuchComponent => "no_such_component",
            Self::NotPermitted => "not_permitted",
            Self::TimedOut => "timed_out",
            Self::ForeignVersion => "foreign_version",
            Self::Connection => "connection",
            Self::StartFailed => "start_failed",
            Self::Unkillable => "unkillable",
            Self::Superseded => "superseded",
            Self::DependencyDown => "dependency_down",
            Self::RegistryBroken => "registry_broken",
            Self::ShuttingDown => "shutting_down",
            Self::Busy => "busy",
            Self::Malformed => "malformed",
            Self::Unsupported => "unsupported",
            Self::Internal => "internal",
        }
    }
}

impl fmt::Display for CtlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        self.cause.iter().try_for_each(|cause| write!(f, ": {cause}"))
    }
}

impl CtlError {
    /// A failure without cause and hint.
    #[must_use]
    pub fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self {
            kind,
            component: None,
            message: message.into(),
            cause: None,
            hint: None,
        }
    }

    /// With the cause below it.
    #[must_use]
    pub fn because(mut self, cause: impl fmt::Display) -> Self {
        self.cause = Some(cause.to_string());
        self
    }

    /// With what to do now.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// About one component.
    #[must_use]
    pub fn about(mut self, component: &ComponentName) -> Self {
        self.component = Some(component.clone());
        self
    }

    /// The endpoint that was given is none.
    #[must_use]
    pub fn endpoint(error: &EndpointError) -> Self {
        Self::new(Kind::Usage, error.to_string())
    }

    /// What a broken channel means for a person. `peer` says who was being talked to.
    #[must_use]
    pub fn channel(peer: &str, error: &ChannelError) -> Self {
        match error {
            ChannelError::Foreign(foreign) => {
                let (older, newer) = match foreign.older {
                    Side::Ours => ("s7ctl", "the supervisor"),
                    Side::Theirs => ("the supervisor", "s7ctl"),
                };
                let message = format!(
                    "cannot talk to {peer}: s7ctl speaks protocol {}, the supervisor {}; {older} is older",
                    foreign.ours, foreign.theirs
                );
                let hint = format!("bring {older} to the version of {newer}");
                Self::new(Kind::ForeignVersion, message).hint(hint)
            }
            ChannelError::TimedOut { within, .. } => Self::new(
                Kind::TimedOut,
                format!("{peer} did not answer within {}", quantity::seconds(*within)),
            ),
            ChannelError::Frame(FrameError::TooLong { .. }) => {
                Self::new(Kind::Usage, "the request is longer than a supervisor takes")
                    .because(error)
                    .hint("name fewer components at once, or use a pattern")
            }
            ChannelError::NotHello(_) => Self::new(Kind::Connection, format!("{peer} is not a supervisor"))
                .because(error)
                .hint("check --socket and S7_SOCKET"),
            _ => Self::new(Kind::Connection, format!("the connection to {peer} broke"))
                .because(error)
                .hint("see the supervisor's own log"),
        }
    }

    /// The time that the caller gave is over; what was asked for goes on. `awaited` says for whom it was waited.
    #[must_use]
    pub fn timed_out(within: Duration, awaited: &str) -> Self {
        let message = format!("timed out after {}{awaited}", quantity::seconds(within));
        Self::new(Kind::TimedOut, message).hint("the operation goes on in the supervisor; see: s7ctl status")
    }

    /// A refusal in words. `component` is what it is about where the refusal itself doesn't say.
    #[must_use]
    pub fn refused(refusal: &Refusal, component: Option<&ComponentName>) -> Self {
        let error = match refusal {
            Refusal::NoSuchComponent { name, similar } => {
                let error = Self::new(Kind::NoSuchComponent, format!("no component is called {name:?}"));
                let known = "s7ctl status shows all components";
                let hint = match sentence::either(similar) {
                    None => known.to_owned(),
                    Some(similar) => format!("did you mean {similar}? {known}"),
                };
                error.about(name).hint(hint)
            }
            Refusal::NoMatch { pattern } => Self::new(
                Kind::NoSuchComponent,
                format!("no component matches {}", pattern.as_str()),
            )
            .hint("s7ctl status shows all components"),
            Refusal::NotPermitted { uid, needed } => {
                let who = uid.map_or_else(String::new, |uid| format!(" for uid {uid}"));
                let (what, who_may) = match needed {
                    Permission::Observe => ("looking at it", "the group of the socket"),
                    Permission::Control => (
                        "steering it",
                        "root, the supervisor's own user and the configured group",
                    ),
                    Permission::Own => ("replacing it", "root and the supervisor's own user"),
                };
                Self::new(
                    Kind::NotPermitted,
                    format!("the supervisor does not permit {what}{who}"),
                )
                .hint(format!("this is for {who_may}"))
            }
            Refusal::DependencyDown {
                component,
                dependency,
            } => Self::new(
                Kind::DependencyDown,
                format!("{component} cannot start: it depends on {dependency}, which is stopped"),
            )
            .about(component)
            .hint(format!("start both: s7ctl start {dependency} {component}")),
            Refusal::RegistryBroken { file, diagnostics } => {
                let found = sentence::findings(diagnostics);
                let rendered: String = diagnostics
                    .iter()
                    .map(|d| format!("\n{}", d.rendered.trim_end()))
                    .collect();
                Self::new(
                    Kind::RegistryBroken,
                    format!(
                        "the registry {file} cannot be loaded ({found}); what runs is untouched{rendered}"
                    ),
                )
                .hint("correct it and try again; s7ctl check shows the same findings")
            }
            Refusal::ShuttingDown => Self::new(Kind::ShuttingDown, "the supervisor is stopping everything")
                .hint("wait until it has ended; s7ctl start brings it back"),
            Refusal::Busy => Self::new(
                Kind::Busy,
                "the supervisor has too much to do at the moment and refused; nothing was done",
            )
            .hint("try again"),
            Refusal::Malformed { detail } => Self::new(
                Kind::Malformed,
                format!("the supervisor did not understand the request: {detail}"),
            )
            .hint("s7ctl version shows both versions"),
            Refusal::Unsupported { what } => Self::new(
                Kind::Unsupported,
                format!("the supervisor cannot do this here: {what}"),
            ),
            Refusal::Internal { what } => Self::new(
                Kind::Internal,
                format!("the supervisor failed within itself: {what}"),
            )
            .hint("its own log has more"),
            Refusal::CannotUpgrade { binary, problem } => cannot_upgrade(binary, problem),
        };
        match component {
            Some(component) if error.component.is_none() => error.about(component),
            _ => error,
        }
    }
}

/// Why one supervisor does not take another one's place.
fn cannot_upgrade(binary: &str, problem: &UpgradeProblem) -> CtlError {
    let (why, hint) = match problem {
        UpgradeProblem::Unusable { why } => (
            format!("it cannot be executed: {why}"),
            "name the supervisor's new program: s7ctl upgrade --binary /path/to/s7supervisord",
        ),
        UpgradeProblem::Untrusted { why } => (
            why.clone(),
            "let nobody else write the file and the folders that it lies in",
        ),
        UpgradeProblem::CannotCarryOn { said } => (
            format!("it cannot carry on with what runs: {said}"),
            "this one stays in charge; to change all the same, stop everything with s7ctl shutdown and start the other one",
        ),
        UpgradeProblem::Silent { seconds } => (
            format!("it did not say within {seconds} s whether it can carry on"),
            "is it a supervisor's program at all? Try: s7supervisord --version",
        ),
        UpgradeProblem::NotNow { why } => (why.clone(), "try again when that is over"),
    };
    let message = format!("the supervisor was not replaced by {binary}: {why}; nothing has changed");
    CtlError::new(Kind::Failed, message).hint(hint)
}
