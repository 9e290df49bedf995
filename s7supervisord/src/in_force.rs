//! The registry that a daemon begins with: the one on disk, or the last one that could be loaded (DESIGN 10).

use crate::platform::leftovers;
use crate::registry::plan::Plan;
use crate::registry::{self, LoadFailure, LoadOptions, Sources, kept, trust};
use crate::state::journal::Journal;
use crate::{Failure, exit};
use std::path::Path;

/// The registry as it was found.
pub enum InForce {
    /// It could be loaded.
    Present(Plan, Sources),
    /// It could not, and the last one that could is in force.
    Kept(Plan, LoadFailure),
}

impl InForce {
    /// What is to run.
    #[must_use]
    pub fn plan(&self) -> &Plan {
        match self {
            Self::Present(plan, _) | Self::Kept(plan, _) => plan,
        }
    }

    /// The plan, and what it was made of or why that isn't what lies on disk.
    pub fn take(self) -> (Plan, Result<Sources, LoadFailure>) {
        match self {
            Self::Present(plan, sources) => (plan, Ok(sources)),
            Self::Kept(plan, failure) => (plan, Err(failure)),
        }
    }
}

/// Loads the registry; where it is broken and somebody has to go on, the one that was kept in `runtime_dir`: where components
/// live that an earlier supervisor has started, and where this image `takes_over` from another one in the same process, which
/// ran also with all of them stopped.
///
/// # Errors
/// Neither can be loaded, or there is nothing to go on with.
pub fn load(options: &LoadOptions, runtime_dir: &Path, takes_over: bool) -> Result<InForce, Failure> {
    let trusted = trust::check_obeyed(&options.file, &options.install_folder);
    let code = if trusted.is_err() {
        exit::PERMISSION
    } else {
        exit::REGISTRY
    };
    let failure = match registry::load_trusted(options) {
        Ok((plan, sources)) => return Ok(InForce::Present(plan, sources)),
        Err(failure) => failure,
    };
    let refused = match &trusted {
        Err(why) => why.to_string(),
        Ok(()) => failure.to_string(),
    };
    if !takes_over && !anything_lives(runtime_dir) {
        return Err(Failure::new(code, refused));
    }
    match kept::load(runtime_dir, options) {
        Ok(Some(plan)) => Ok(InForce::Kept(plan, failure)),
        Ok(None) => Err(Failure::new(
            code,
            format!("{refused}\nand none is kept that what runs could go on with"),
        )),
        Err(why) => Err(Failure::new(
            code,
            format!("{refused}\nand the one that was kept is of no use either: {why}"),
        )),
    }
}

/// Whether something lives that an earlier supervisor has recorded in `runtime_dir`.
#[must_use]
pub fn anything_lives(runtime_dir: &Path) -> bool {
    let left = Journal::read(runtime_dir, &leftovers::boot_id()).unwrap_or_default();
    let mut started = left.known.iter().filter_map(|(name, known)| known.started(name));
    started.any(|run| leftovers::lives(&run))
}
