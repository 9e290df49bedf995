//! Commands beside a run. There are no runs yet on Windows, so there are none of these either.

use crate::machine::input::RunId;
use crate::registry::plan::ComponentPlan;
use s7proto::status::{Exit, SpawnFailure};
use std::convert::Infallible;
use std::path::Path;
use tokio::time::Instant;

/// How much of the end of its output is kept.
pub const OUTPUT: usize = 512;

/// A command that is wanted.
pub struct Errand {
    /// The run that it is about.
    pub run: RunId,
}

impl Errand {
    /// `program` in the surroundings of `component`, which ends with the run.
    #[must_use]
    pub fn check(run: RunId, _component: &ComponentPlan, _program: &Path, _arguments: &[String]) -> Self {
        Self { run }
    }

    /// A command and its arguments in the surroundings of `component`, with `variables` over its own. It goes on when the
    /// run is over.
    #[must_use]
    pub fn told(
        run: RunId,
        _component: &ComponentPlan,
        (_program, _arguments): (&Path, &[String]),
        _variables: Vec<(String, String)>,
    ) -> Self {
        Self { run }
    }
}

/// How a command ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ended {
    /// Its first process.
    pub exit: Exit,
    /// The end of what it has written.
    pub output: Vec<u8>,
}

/// A command that was ordered. The type has no value.
pub struct Beside(Infallible);

impl Beside {
    /// Waits until its program runs.
    ///
    /// # Errors
    /// None so far.
    pub async fn began(&mut self) -> Result<(), SpawnFailure> {
        match self.0 {}
    }

    /// Waits until its first process has ended, and no longer than `until`: then it is `None`.
    ///
    /// # Errors
    /// None so far.
    pub async fn ended_by(&mut self, _until: Instant) -> Option<Result<Ended, SpawnFailure>> {
        match self.0 {}
    }
}
