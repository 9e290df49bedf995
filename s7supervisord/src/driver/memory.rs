//! Limits of the memory of whole trees: measured every few seconds, only while a run lives that has them.

use super::Driver;
use super::background::Found;
use crate::machine::input::{Event, RunId, Slot};
use crate::machine::memory::{Above, Exceeded, Limits};
use crate::machine::moment::Moment;
use crate::platform::host::{MemoryLimit, Meter};
use s7proto::overview::ComponentFact;
use s7proto::signal::Signal;
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// From one measurement to the next (issue 5, item 5).
const EVERY: Duration = Duration::from_secs(5);

/// The measurements, and what they have come to.
pub struct Memory {
    /// `None` while nobody lives who has limits.
    next: Option<Moment>,
    /// Limits may have changed, which those who live are to be given.
    changed: bool,
    /// Somebody may have begun whose hard limit isn't known to be the system's yet.
    begun: bool,
    under_way: bool,
    meter: Arc<Mutex<Meter>>,
    above: Above,
    /// Those whose hard limit the system sees to.
    by_system: HashMap<RunId, bool>,
}

/// One tree that was measured.
#[derive(Debug, Clone, Copy)]
pub struct Sampled {
    run: RunId,
    bytes: u64,
    limits: Limits,
}

impl Default for Memory {
    fn default() -> Self {
        Self {
            next: None,
            // The runs of an earlier daemon have the limits that its registry gave them.
            changed: true,
            begun: false,
            under_way: false,
            meter: Arc::default(),
            above: Above::default(),
            by_system: HashMap::new(),
        }
    }
}

impl Memory {
    /// The registry has changed: some who live may have limits now, others or none any more.
    pub fn look_soon(&mut self, now: Moment) {
        self.next = Some(self.next.unwrap_or(now + EVERY));
        self.look_at_limits();
    }

    /// Somebody who lives may have another hard limit than the registry says.
    pub fn look_at_limits(&mut self) {
        self.changed = true;
    }

    /// When the next measurement is due.
    #[must_use]
    pub fn deadline(&self) -> Option<Moment> {
        self.next.filter(|_| !self.under_way)
    }
}

impl Driver {
    /// Called after each step: applies limits that have changed, or begins a measurement that is due. One after the other, so
    /// that what has begun with an old limit never comes after a new one.
    pub(super) fn look_at_memory(&mut self) {
        if self.memory.under_way || self.is_settling() {
            return;
        }
        let begun = std::mem::take(&mut self.memory.begun);
        if std::mem::take(&mut self.memory.changed) {
            self.apply_memory_limits(|_, _| true);
        } else if begun {
            self.apply_memory_limits(|hard, known| hard.is_some() && !known);
        } else if self.memory.next.is_some_and(|next| next <= self.clock.now()) {
            self.measure_memory();
        }
    }

    /// Gives each run that lives the hard limit that the registry says now; of those only that are `wanted`, by their limit and
    /// whether it is known who sees to it.
    fn apply_memory_limits(&mut self, wanted: impl Fn(Option<u64>, bool) -> bool) {
        let mut living: Vec<(RunId, Option<u64>, bool, MemoryLimit)> = Vec::new();
        for (run, _) in self.host.pids() {
            let hard = self.roster.plan(run.slot).and_then(|plan| plan.memory.hard);
            let known = self.memory.by_system.get(&run).copied();
            if wanted(hard, known.is_some()) {
                living.push((run, hard, known.unwrap_or(false), self.host.memory_limit(run)));
            }
        }
        if living.is_empty() {
            return;
        }
        self.memory.under_way = true;
        let work = move || {
            let applied = living.into_iter().map(|(run, hard, is_ours, limit)| match hard {
                Some(hard) => (run, limit.ensure(hard)),
                None => {
                    let lifted = limit.lift(is_ours);
                    if let Err(error) = &lifted {
                        log::warn!(
                            "taking the hard limit of memory away that run {} had: {error}",
                            run.run
                        );
                    }
                    (run, lifted.is_err())
                }
            });
            Found::MemoryLimits(applied.collect())
        };
        self.background.run(work, Found::MemoryLimits(Vec::new()));
    }

    /// The limits are those of the registry, as far as the system sees to them.
    pub(super) fn memory_limits_applied(&mut self, applied: Vec<(RunId, bool)>) {
        self.memory.under_way = false;
        // Nothing comes of work that has failed, and then all is as it was.
        self.memory.by_system.extend(applied);
        let living: HashSet<RunId> = self.host.pids().map(|(run, _)| run).collect();
        self.memory.by_system.retain(|run, _| living.contains(run));
    }

    fn measure_memory(&mut self) {
        let mut wanted: Vec<(RunId, u32, Limits, MemoryLimit)> = Vec::new();
        for (run, pid) in self.host.pids() {
            if let Some(limits) = self.limits_of(run.slot) {
                wanted.push((run, pid, limits, self.host.memory_limit(run)));
            }
        }
        if wanted.is_empty() {
            self.memory.next = None;
            self.memory.by_system.clear();
            self.memory.above.keep(&HashSet::new());
            return;
        }
        self.memory.under_way = true;
        let meter = Arc::clone(&self.memory.meter);
        let work = move || {
            let pids: Vec<(RunId, u32)> = wanted.iter().map(|(run, pid, ..)| (*run, *pid)).collect();
            let usages = meter.lock().unwrap_or_else(PoisonError::into_inner).usage(&pids);
            let sampled = wanted.into_iter().filter_map(|(run, _, mut limits, limit)| {
                limits.by_system = limits.hard.is_some_and(|hard| limit.ensure(hard));
                let bytes = usages.get(&run)?.memory_bytes;
                Some(Sampled { run, bytes, limits })
            });
            Found::Memory(sampled.collect())
        };
        self.background.run(work, Found::Memory(Vec::new()));
    }

    /// The trees were measured.
    pub(super) fn memory_sampled(&mut self, sampled: &[Sampled]) {
        let stamp = self.clock.stamp();
        self.memory.under_way = false;
        self.memory.next = Some(stamp.now + EVERY);
        self.memory
            .above
            .keep(&sampled.iter().map(|one| one.run).collect());
        self.memory.by_system = sampled
            .iter()
            .map(|one| (one.run, one.limits.by_system))
            .collect();
        let killed = self
            .host
            .look_at_memory_kills(sampled.iter().map(|sampled| sampled.run));
        for (run, count) in killed {
            if let Some(component) = self.roster.name(run.slot) {
                log::warn!(
                    "{component}: the kernel has killed {count} processes of run {} for want of memory; the run goes on",
                    run.run
                );
            }
        }
        for Sampled { run, bytes, limits } in sampled.iter().copied() {
            let Some(exceeded) = self.memory.above.measured(run, bytes, limits) else {
                continue;
            };
            let label = self
                .roster
                .name(run.slot)
                .map(ToString::to_string)
                .unwrap_or_default();
            let number = run.run;
            match exceeded {
                Exceeded::Soft => {
                    let soft = limits.soft.unwrap_or_default();
                    log::warn!(
                        "{label}: run {number} takes {bytes} bytes of memory, more than its soft limit of {soft}: a new run \
                         takes its place"
                    );
                    self.fleet
                        .event(stamp, run, Event::TooMuchMemory, &mut self.effects);
                }
                Exceeded::Hard => {
                    let hard = limits.hard.unwrap_or_default();
                    log::error!(
                        "{label}: run {number} takes {bytes} bytes of memory, more than its hard limit of {hard}: it is killed"
                    );
                    // Its end is told by the system as that of any other, and this says why it has come.
                    self.fleet
                        .event(stamp, run, Event::KilledForMemory, &mut self.effects);
                    if let Err(error) = self.host.signal(run, Signal::Kill) {
                        log::error!("{label}: killing run {number}: {error}");
                    }
                }
            }
        }
    }

    /// A run may have begun.
    pub(super) fn watch_memory(&mut self, slot: Slot) {
        let Some(limits) = self.limits_of(slot) else {
            return;
        };
        self.memory.begun |= limits.hard.is_some();
        if self.memory.next.is_none() {
            self.memory.next = Some(self.clock.now() + EVERY);
        }
    }

    fn limits_of(&self, slot: Slot) -> Option<Limits> {
        let memory = self.roster.plan(slot)?.memory;
        let limits = Limits {
            soft: memory.soft,
            hard: memory.hard,
            by_system: false,
        };
        (limits != Limits::default()).then_some(limits)
    }

    /// What `status` says of it.
    pub(super) fn memory_fact(&self, run: RunId) -> Option<ComponentFact> {
        let Limits { soft, hard, .. } = self.limits_of(run.slot)?;
        let by_system = self.memory.by_system.get(&run).copied().unwrap_or(false);
        Some(ComponentFact::MemoryLimits {
            soft,
            hard,
            by_system,
        })
    }
}
