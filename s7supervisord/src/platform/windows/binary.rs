//! A binary that is to take this one's place: on Windows that is done by the service manager.

use s7proto::refusal::UpgradeProblem;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// An open binary. There is none on Windows.
#[derive(Debug)]
pub struct Binary(std::convert::Infallible);

/// How a program that was asked something has answered.
#[derive(Debug)]
pub struct Answered {
    /// What it has said.
    pub said: String,
    /// How it ended.
    pub status: std::process::ExitStatus,
}

/// The path that the daemon was started from.
///
/// # Errors
/// The system doesn't say.
pub fn own_path() -> std::io::Result<PathBuf> {
    std::env::current_exe()
}

impl Binary {
    /// Opens `path`.
    ///
    /// # Errors
    /// Always: Windows can't execute a program in place of another one.
    pub fn open_trusted(_path: &Path) -> Result<Self, UpgradeProblem> {
        Err(UpgradeProblem::Unusable {
            why: "Windows can't execute a program in place of another one".to_owned(),
        })
    }

    /// Opens `path`.
    ///
    /// # Errors
    /// Always, for the same reason.
    pub fn open(_path: &Path) -> std::io::Result<Self> {
        Err(std::io::Error::from(std::io::ErrorKind::Unsupported))
    }

    /// Where it lies.
    #[must_use]
    pub fn path(&self) -> &Path {
        match self.0 {}
    }

    /// Runs it with `argument`, `variable` and `input`.
    ///
    /// # Errors
    /// Never: there is none.
    pub fn ask(
        &self,
        _argument: &str,
        _variable: Option<(&str, &str)>,
        _input: &[u8],
        _within: Duration,
    ) -> Result<Answered, UpgradeProblem> {
        match self.0 {}
    }
}
