//! What takes time and must not hold the loop: one piece of work of each kind at a time, on a thread of the runtime.

use super::dumps::Dumped;
use super::history_writer::Wanted;
use super::memory::Sampled;
use super::reload::Loads;
use super::upgrade::Examined;
use crate::machine::input::RunId;
use crate::platform::host::Usage;
use crate::registry::plan::Plan;
use crate::registry::{LoadFailure, Sources};
use crate::state::known::Unrecorded;
use crate::state::past::Kept;
use s7proto::event::Remains;
use std::collections::HashMap;
use std::sync::Arc;
use tokio::sync::mpsc;

/// What came of a piece of work.
pub enum Found {
    /// The registry was read.
    Loaded(Box<Result<(Plan, Sources), LoadFailure>>),
    /// What becomes of writing down what happens.
    History(Wanted),
    /// Whether somebody has removed the record of runs, and what else is kept beside it.
    Missing {
        /// The record.
        journal: bool,
        /// What has happened.
        history: bool,
        /// The registry that was kept.
        registry: bool,
    },
    /// The folders that the daemon needs are made, or can't be, for this reason.
    Folders(Result<(), String>),
    /// Runs of this supervisor that live and aren't recorded; `None` where looking for them has taken too long.
    Unrecorded(Option<Vec<Unrecorded>>),
    /// The output of everybody who lives is taken up, that of nobody else is kept, and what has happened before is read.
    TakenUp(Kept),
    /// What people have wished could not be noted, for this reason, or can be noted again.
    WishesNoted(Option<String>),
    /// A binary that is to take this one's place was looked at.
    Examined(Examined),
    /// The registry was kept for the next daemon, or could not be.
    RegistryKept,
    /// The trees of the runs with limits of their memory were measured.
    Memory(Vec<Sampled>),
    /// The hard limits of these runs were applied; whether the system sees to each.
    MemoryLimits(Vec<(RunId, bool)>),
    /// A run that has ended has left something.
    Remains(RunId, Vec<Remains>),
    /// A run has written a dump of itself, or has not.
    Dumped(Box<Dumped>),
    /// Memory and CPU of the runs were measured.
    Measured(HashMap<RunId, Usage>),
}

/// The work under way, and the registry that is in force, which some of it is compared with.
pub struct Background {
    found: mpsc::UnboundedReceiver<Found>,
    tell: mpsc::UnboundedSender<Found>,
    /// The registry in force.
    pub plan: Arc<Plan>,
    /// What loads of the registry are for.
    pub loads: Loads,
}

impl Background {
    /// Nothing under way.
    #[must_use]
    pub fn new(plan: Plan) -> Self {
        // Each kind of work is begun only when the one before has come back, so a handful lies here at most.
        let (tell, found) = mpsc::unbounded_channel();
        Self {
            found,
            tell,
            plan: Arc::new(plan),
            loads: Loads::default(),
        }
    }

    /// The way back for what is done by others.
    #[must_use]
    pub fn teller(&self) -> mpsc::UnboundedSender<Found> {
        self.tell.clone()
    }

    /// Begins `work`; if it breaks off, `instead` is what came of it.
    pub fn run(&mut self, work: impl FnOnce() -> Found + Send + 'static, instead: Found) {
        let tell = self.tell.clone();
        tokio::spawn(async move {
            let found = tokio::task::spawn_blocking(work).await.unwrap_or(instead);
            let _ = tell.send(found);
        });
    }

    /// Waits for a result.
    pub async fn next(&mut self) -> Found {
        match self.found.recv().await {
            Some(found) => found,
            // `tell` lives as long as `self`.
            None => std::future::pending().await,
        }
    }
}
