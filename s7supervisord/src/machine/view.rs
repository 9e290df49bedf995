//! One component as people see it.

use super::component::Component;
use super::input::Slot;
use super::life::{Cause, Ending, Life, Phase, Unwell};
use super::moment::Moment;
use super::restart::CRASH_LOOP;
use s7proto::status::{Actor, EndCause, ExitReport, Health, SpawnFailure, State, Wish};

/// What `status` tells of a component, with slots in place of names.
#[derive(Debug, Clone, PartialEq)]
pub struct View {
    /// Which.
    pub slot: Slot,
    /// `startPriority`.
    pub tier: i32,
    /// What people want.
    pub wish: Wish,
    /// What is.
    pub state: State,
    /// The flag beside the state.
    pub health: Health,
    /// The process id of the run, while there is one.
    pub pid: Option<u32>,
    /// Wished up, but its tier doesn't let it run yet: what still runs is about to be stopped for a new run.
    pub parked: bool,
    /// Its run is made of something else than the registry now says.
    pub marked: bool,
    /// The number of the present or last run.
    pub run: u64,
    /// How long the present run lives, in microseconds.
    pub uptime_us: Option<u64>,
    /// Starts that followed a crash.
    pub restarts: u64,
    /// How the last run ended.
    pub last_exit: Option<ExitReport>,
    /// Time until the next try, in microseconds.
    pub next_try_us: Option<u64>,
    /// Why it is so.
    pub why: Why,
    /// What its run was given up for, while that ends.
    pub unwell: Option<Unwell>,
}

/// Why a component is in its state, where that needs words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Why {
    /// There is nothing to say.
    Nothing,
    /// `autoStart` is false and nobody has started it.
    NotAutoStarted,
    /// Somebody stopped it, then (wall time).
    StoppedBy(Actor, i64),
    /// It waits until these are ready.
    Tier {
        /// The latest tier among them.
        tier: i32,
        /// Who isn't ready.
        members: Vec<Slot>,
    },
    /// It waits for this component.
    Dependency(Slot),
    /// Crashes in a row.
    Crashed(u32),
    /// It could not be spawned.
    SpawnFailed(SpawnFailure),
    /// It was given up after so many crashes.
    GaveUp(u32),
    /// It ended, and that is fine.
    Completed,
    /// It can't be killed; so many processes are left.
    Unkillable(u32),
    /// It runs with an older registry.
    NeedsRestart,
    /// It is about to be forgotten.
    Removed,
    /// Its run was given up for this, and is being stopped.
    GivenUpRun(EndCause),
}

impl Why {
    /// Whether a row of so many crashes is a loop.
    #[must_use]
    pub fn is_crash_loop(in_a_row: u32) -> bool {
        in_a_row >= CRASH_LOOP
    }
}

impl View {
    pub(super) fn of(
        component: &Component,
        slot: Slot,
        now: Moment,
        what_it_waits_for: impl FnOnce(&Component) -> Why,
    ) -> Self {
        let next_try_us = match component.life {
            Life::Backoff { until } => Some(until.micros_since(now)),
            _ => None,
        };
        Self {
            slot,
            tier: component.policy.tier,
            wish: component.wish,
            state: component.state(),
            health: component.health,
            pid: component.pid,
            parked: component.parked,
            marked: component.marked,
            run: component.run,
            uptime_us: component.pid.map(|_| now.micros_since(component.started)),
            restarts: component.restarts,
            last_exit: component.last_exit.clone(),
            next_try_us,
            why: why(component, what_it_waits_for),
            unwell: match &component.life {
                Life::Ending(Ending {
                    cause: Cause::Unwell(unwell),
                    ..
                }) => Some(*unwell),
                _ => None,
            },
        }
    }
}

fn why(component: &Component, what_it_waits_for: impl FnOnce(&Component) -> Why) -> Why {
    if component.removed {
        return Why::Removed;
    }
    let crashed = |component: &Component| match &component.last_fault {
        Some(failure) => Why::SpawnFailed(failure.clone()),
        None if component.crashes > 0 => Why::Crashed(component.crashes),
        None => Why::Nothing,
    };
    match &component.life {
        Life::Stopped => match &component.stopped_by {
            Some((who, at_ms)) => Why::StoppedBy(who.clone(), *at_ms),
            None if !component.policy.auto_start => Why::NotAutoStarted,
            None => Why::Nothing,
        },
        Life::Waiting => what_it_waits_for(component),
        Life::Backoff { .. } | Life::Spawning { .. } | Life::Starting { .. } => crashed(component),
        Life::Fatal => match &component.last_fault {
            Some(failure) => Why::SpawnFailed(failure.clone()),
            None => Why::GaveUp(component.crashes),
        },
        Life::Exited => Why::Completed,
        Life::Ending(ending) => match ending.phase {
            Phase::Stuck { .. } => Why::Unkillable(ending.survivors),
            _ => match ending.cause {
                Cause::Unwell(unwell) => Why::GivenUpRun(unwell.end_cause()),
                Cause::TooMuchMemory => Why::GivenUpRun(EndCause::TooMuchMemory),
                Cause::DependencyLost => Why::GivenUpRun(EndCause::DependencyLost),
                Cause::Itself | Cause::Asked | Cause::Unseen => crashed(component),
            },
        },
        Life::Running { .. } if component.marked => Why::NeedsRestart,
        Life::Running { .. } => crashed(component),
    }
}
