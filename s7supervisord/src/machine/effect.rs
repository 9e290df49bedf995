//! What comes out of the machine: orders to the acting side, and facts for those who watch.

use super::input::{Remembered, Role, RunId, Slot, Ticket};
use super::life::Unwell;
use s7proto::reply::Outcome;
use s7proto::status::{Actor, ExitReport, Health, State};

/// One thing to do or to tell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Create the process. Answered by `Spawned` or `SpawnFailed`.
    Spawn(RunId),
    /// Ask the run's first process politely to end (and wake it, should it be stopped).
    Ask(RunId),
    /// The first process has ended after it was asked: ask what is left of the tree. Answered by `Emptied` once it is empty.
    AskRest(RunId),
    /// Kill the whole tree. Answered by `Emptied` once the first process has ended and nothing is left.
    Kill(RunId),
    /// Check the run. Answered by `Checked` with this number, unless the run has ended.
    Check {
        /// Which run.
        run: RunId,
        /// By what.
        role: Role,
        /// Which of its checks.
        number: u64,
    },
    /// Ask the run for a diagnosis of itself (a JVM's thread dump). May be answered by `Diagnosed`.
    Diagnose {
        /// Which run.
        run: RunId,
        /// What it was given up for; `None` where it has not stopped in time.
        unwell: Option<Unwell>,
    },
    /// The flag beside the state has changed.
    Health {
        /// Whose.
        slot: Slot,
        /// What it is now.
        health: Health,
    },
    /// The run that is being created is to end as soon as it is there: what its creation waits for isn't waited for longer
    /// than it must.
    Hasten(RunId),
    /// A component has entered a state.
    Entered {
        /// Which.
        slot: Slot,
        /// The state.
        state: State,
    },
    /// A run is over, tree and all.
    Ended {
        /// Which.
        run: RunId,
        /// How.
        report: ExitReport,
    },
    /// One component's part of an operation is decided.
    Part {
        /// Whose operation.
        ticket: Ticket,
        /// Which component.
        slot: Slot,
        /// How it ended.
        outcome: Outcome,
        /// Microseconds since the command.
        took_us: u64,
    },
    /// One component's part is refused: this one, which it depends on, is wished down.
    DependencyDown {
        /// Whose operation.
        ticket: Ticket,
        /// Which component.
        slot: Slot,
        /// What it depends on.
        on: Slot,
    },
    /// All parts are decided: answer.
    Reply(Ticket),
    /// The command is refused, because everything is being stopped.
    Refuse(Ticket),
    /// A tier was opened although these members of earlier ones aren't ready.
    GateTimedOut {
        /// The tier that opens.
        tier: i32,
        /// Who isn't ready.
        laggards: Vec<Slot>,
    },
    /// A spawn takes very long; it can't be abandoned, but nothing waits for it any more.
    SpawnOverdue(RunId),
    /// Somebody has wished this by name, so it holds for the next daemon too.
    Remember(Remembered),
    /// What somebody has wished of it by name no longer holds, because everything was started or it has left the registry.
    Unremember(Slot),
    /// Somebody has stopped everything (with who and when, as wall time in milliseconds since 1970), or started it again
    /// (`None`): so it is after a crash of this daemon too, but not after its end.
    RememberAll(Option<(Actor, i64)>),
    /// The component was removed from the registry and its tree is gone: forget it.
    Forget(Slot),
    /// Everything is stopped: end.
    Halt,
}
