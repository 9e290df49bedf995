//! What is done on the threads that create processes, and what comes of it.

use super::cgroup::Tree;
pub use super::create::{Created, Made};
use super::door::Passage;
use super::notices::{Channel, Name};
use crate::machine::input::RunId;
use crate::registry::plan::ComponentPlan;
use crate::state::known::Tally;
use s7proto::name::ComponentName;
use s7proto::status::SpawnFailure;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Instant;

/// Something that may take its time.
pub enum Order {
    /// Create a run.
    Create {
        /// Which run, and when that was ordered.
        run: (RunId, Instant),
        /// What it is made of.
        plan: Arc<ComponentPlan>,
        /// What is carried on from the run before.
        tally: Tally,
    },
    /// Run the command that asks a run to stop, as the component's user and in its environment.
    Ask {
        /// Which run is to stop.
        run: RunId,
        /// The component's plan with the command in place of its program.
        plan: Arc<ComponentPlan>,
    },
    /// Run a command beside a run, as the component's user and in its environment.
    Errand {
        /// Which of them.
        number: u64,
        /// Which run it is about.
        run: RunId,
        /// The component's plan with the command in place of its program.
        plan: Arc<ComponentPlan>,
        /// The run's cgroup, where the command is to live below it.
        cgroup: Option<Tree>,
    },
    /// Kill the tree of such a command.
    EndErrand {
        /// Which of them.
        number: u64,
        /// Its first process, which isn't reaped before this is answered.
        pid: u32,
        /// Its cgroup, if it has one.
        cgroup: Option<Tree>,
    },
    /// The component has left the registry: remove its lock.
    Forget(ComponentName),
    /// A run is over, tree and all: remove its cgroup, and where it told of itself.
    Remove(Option<Tree>, Option<Channel>),
    /// Look whether the sockets of runs have these names still, and make those again that are gone, or only say which.
    Names {
        /// The names.
        names: Vec<(RunId, Name)>,
        /// They can be made again.
        make: bool,
    },
    /// Put this into the record, given by its words.
    Note(String),
    /// Put these into the record, given by their words: what runs have said that a next daemon goes by.
    Signs(Vec<String>),
    /// Begin the record again, which could not be written, and put these lines into it.
    RecordAgain(Vec<u8>),
}

/// What came of an order.
pub enum Spawned {
    /// The program runs.
    Yes {
        /// Which run.
        run: RunId,
        /// Of which component.
        component: ComponentName,
        /// Its process id.
        pid: u32,
        /// Its descriptor.
        pidfd: OwnedFd,
        /// Its line in the record.
        record: Vec<u8>,
        /// Why that could not be written, if so.
        unrecorded: Option<String>,
        /// What could not be made in the runtime folder for it, and why, if so.
        unmade: Option<String>,
        /// The cgroup of its own that it lives in, if so.
        cgroup: Option<Tree>,
        /// Where it tells of itself, if it does.
        channel: Option<Channel>,
        /// Dropped when it is known.
        passage: Passage,
    },
    /// The command that asks a run to stop runs, or why it doesn't.
    Asking {
        /// Which run is to stop.
        run: RunId,
        /// The command's process.
        command: Result<Created, SpawnFailure>,
    },
    /// A command beside a run runs, or why it doesn't.
    Errand {
        /// Which of them.
        number: u64,
        /// Its process.
        made: Result<Made, SpawnFailure>,
    },
    /// What there was of such a command was killed.
    ErrandKilled(u64),
    /// That is in the record, or why not.
    Signs(Result<(), String>),
    /// Something could not be recorded, for this reason.
    Unrecorded(String),
    /// What could not be recorded is now, and whatever a run needs can be made in the runtime folder; or why not, as a sentence.
    Recorded(Result<(), String>),
    /// These names were gone.
    Names(Vec<Gone>),
    /// There is no process.
    No {
        /// Which run.
        run: RunId,
        /// Why.
        failure: SpawnFailure,
    },
}

/// A socket whose name was gone.
pub struct Gone {
    /// Whose.
    pub run: RunId,
    /// Another one of that name; `None` where that was not to be made.
    pub renewed: Option<io::Result<Channel>>,
}
