//! Names and plans of the components, by their slots in the machine.

use crate::machine::fleet::Fleet;
use crate::machine::input::{Change, CheckPolicy, Loss, NotifyPolicy, Policy, Restart, Slot};
use crate::machine::moment::Moment;
use crate::machine::view::{View, Why};
use crate::registry::diff::{self, ChangeKind};
use crate::registry::plan::{ComponentPlan, HealthPlan, OnLoss, Plan, ProbePlan, RestartPolicy};
use s7proto::name::ComponentName;
use s7proto::pattern::Pattern;
use s7proto::refusal::Refusal;
use s7proto::request::Selection;
use s7proto::status::{ComponentStatus, Reason};
use std::collections::{HashMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use wildmatch::WildMatch;

/// Members of a tier that a reason names at most; more would not be read.
pub const NAMED_MEMBERS: usize = 8;

/// Patterns in one request: each is held against every name, on the loop.
const PATTERNS: usize = 64;

/// Who is who.
#[derive(Debug, Default)]
pub struct Roster {
    plans: HashMap<Slot, Arc<ComponentPlan>>,
    by_name: HashMap<ComponentName, Slot>,
    /// The instances of each server that has several.
    by_server: HashMap<ComponentName, HashSet<Slot>>,
    /// Slots by tier, then in the order of the registry. Those that were removed and still stop come last.
    order: Vec<Slot>,
}

impl Roster {
    /// Puts down which slot each component of `plan` has.
    pub fn set(&mut self, plan: &Plan, slot_of: impl Fn(&ComponentName) -> Option<Slot>) {
        let mut order: Vec<(i32, usize, Slot)> = Vec::new();
        for (place, component) in plan.components.iter().enumerate() {
            if let Some(slot) = slot_of(&component.id) {
                order.push((component.tier, place, slot));
                self.by_name.insert(component.id.clone(), slot);
                if let Some((server, _)) = &component.instance_of {
                    self.by_server.entry(server.clone()).or_default().insert(slot);
                }
                self.plans.insert(slot, Arc::new(component.clone()));
            }
        }
        order.sort_unstable();
        let mut order: Vec<Slot> = order.into_iter().map(|(_, _, slot)| slot).collect();
        let listed: HashSet<Slot> = order.iter().copied().collect();
        let rest: Vec<Slot> = self
            .order
            .iter()
            .filter(|slot| !listed.contains(slot))
            .copied()
            .collect();
        order.extend(rest);
        self.order = order;
    }

    /// Takes up a new plan that differs from the old one by `differences`; gives what the machine is to be told. `next`
    /// is the slot that the machine gives to the next new component.
    pub fn renew(&mut self, plan: &Plan, differences: &[diff::Change], mut next: Slot) -> Vec<Change> {
        let mut slots: HashMap<ComponentName, Slot> = HashMap::new();
        let first_new = next;
        for component in &plan.components {
            // A component that was removed and is still on its way out is not a new one: it is changed once more.
            if let Some(slot) = self.slot(&component.id) {
                slots.insert(component.id.clone(), slot);
            } else {
                slots.insert(component.id.clone(), next);
                next = Slot(next.0 + 1);
            }
        }
        let removed: Vec<Slot> = differences
            .iter()
            .filter(|change| change.kind == ChangeKind::Removed)
            .filter_map(|change| self.slot(&change.component))
            .collect();
        let slot_of = |name: &ComponentName| slots.get(name).copied();
        self.set(plan, slot_of);

        let mut changes: Vec<Change> = removed.into_iter().map(Change::Remove).collect();
        for component in &plan.components {
            let Some(slot) = slot_of(&component.id) else {
                continue;
            };
            let policy = policy(component, slot_of);
            if slot >= first_new {
                changes.push(Change::Add(policy));
            } else {
                let renewed = [ChangeKind::NeedsRun, ChangeKind::Added];
                let needs_run = differences
                    .iter()
                    .any(|change| change.component == component.id && renewed.contains(&change.kind));
                changes.push(Change::Alter {
                    slot,
                    policy,
                    needs_run,
                });
            }
        }
        changes
    }

    /// The machine no longer has it.
    pub fn forget(&mut self, slot: Slot) {
        if let Some(plan) = self.plans.remove(&slot)
            && self.by_name.get(&plan.id) == Some(&slot)
        {
            self.by_name.remove(&plan.id);
        }
        self.by_server.retain(|_, instances| {
            instances.remove(&slot);
            !instances.is_empty()
        });
        self.order.retain(|other| *other != slot);
    }

    /// All slots, by tier, then in the order of the registry.
    #[must_use]
    pub fn order(&self) -> &[Slot] {
        &self.order
    }

    /// The place of each slot in [`Roster::order`].
    #[must_use]
    pub fn places(&self) -> HashMap<Slot, usize> {
        self.order
            .iter()
            .enumerate()
            .map(|(place, slot)| (*slot, place))
            .collect()
    }

    /// The plan of a component.
    #[must_use]
    pub fn plan(&self, slot: Slot) -> Option<&Arc<ComponentPlan>> {
        self.plans.get(&slot)
    }

    /// The slot of a component.
    #[must_use]
    pub fn slot(&self, name: &ComponentName) -> Option<Slot> {
        self.by_name.get(name).copied()
    }

    /// The name of a component; a slot without one is one that was just forgotten.
    #[must_use]
    pub fn name(&self, slot: Slot) -> Option<&ComponentName> {
        self.plans.get(&slot).map(|plan| &plan.id)
    }

    /// The slots that are meant, each once, in the order of [`Roster::order`].
    ///
    /// # Errors
    /// One of the names is neither a component nor a server with instances.
    pub fn resolve(&self, selection: &Selection) -> Result<Vec<Slot>, Refusal> {
        let mut meant = HashSet::new();
        let names = match selection {
            Selection::All => return Ok(self.order.clone()),
            Selection::Named(names) => names,
            Selection::Matching(patterns) => {
                if patterns.len() > PATTERNS {
                    return Err(Refusal::Malformed {
                        detail: format!("{} patterns, and at most {PATTERNS} are taken", patterns.len()),
                    });
                }
                for pattern in patterns {
                    self.add_matching(pattern, &mut meant)?;
                }
                return Ok(self.in_order(&meant));
            }
        };
        for name in names {
            if let Some(slot) = self.by_name.get(name) {
                meant.insert(*slot);
            } else if let Some(instances) = self.by_server.get(name) {
                meant.extend(instances);
            } else {
                return Err(self.unknown(name));
            }
        }
        Ok(self.in_order(&meant))
    }

    fn in_order(&self, meant: &HashSet<Slot>) -> Vec<Slot> {
        let is_meant = |slot: &&Slot| meant.contains(slot);
        self.order.iter().filter(is_meant).copied().collect()
    }

    fn add_matching(&self, pattern: &Pattern, meant: &mut HashSet<Slot>) -> Result<(), Refusal> {
        let text = pattern.as_str();
        if let Ok(name) = ComponentName::parse(text) {
            meant.extend(self.resolve(&Selection::Named(vec![name]))?);
            return Ok(());
        }
        let wild = WildMatch::new(text);
        let mut any = false;
        for (slot, plan) in &self.plans {
            let server = plan.instance_of.as_ref().map(|(server, _)| server);
            let names = std::iter::once(&plan.id).chain(server);
            if names.into_iter().any(|name| wild.matches(name.as_str())) {
                meant.insert(*slot);
                any = true;
            }
        }
        if any {
            return Ok(());
        }
        let pattern = pattern.clone();
        Err(Refusal::NoMatch { pattern })
    }

    fn unknown(&self, name: &ComponentName) -> Refusal {
        let known = self.plans.values().flat_map(|plan| {
            std::iter::once(&plan.id).chain(plan.instance_of.as_ref().map(|(server, _)| server))
        });
        let mut similar: Vec<(f64, &ComponentName)> = known
            .map(|known| {
                (
                    strsim::jaro_winkler(&known.as_str().to_lowercase(), &name.as_str().to_lowercase()),
                    known,
                )
            })
            // Below this names have little in common; clap draws the line for its own suggestions at 0.7 too.
            .filter(|(score, _)| *score > 0.7)
            .collect();
        similar.sort_by(|a, b| b.0.total_cmp(&a.0).then_with(|| a.1.cmp(b.1)));
        similar.dedup_by(|a, b| a.1 == b.1);
        let similar = similar
            .into_iter()
            .take(3)
            .map(|(_, name)| name.clone())
            .collect();
        Refusal::NoSuchComponent {
            name: name.clone(),
            similar,
        }
    }

    /// One component for people, without what has to be measured.
    #[must_use]
    pub fn status(&self, fleet: &Fleet, slot: Slot, now: Moment) -> Option<ComponentStatus> {
        let (plan, view) = (self.plans.get(&slot)?, fleet.view(slot, now)?);
        let reason = self.reason(&view);
        Some(ComponentStatus {
            id: plan.id.clone(),
            description: plan.description.clone(),
            tier: view.tier,
            wish: view.wish,
            state: view.state,
            health: view.health,
            pid: view.pid,
            run: view.run,
            uptime_us: view.uptime_us,
            restarts: view.restarts,
            memory_bytes: None,
            cpu_percent: None,
            last_exit: view.last_exit,
            next_try_us: view.next_try_us,
            reason,
            output_dropped_bytes: 0,
        })
    }

    /// Why a component is as it is, in names.
    #[must_use]
    pub fn reason(&self, view: &View) -> Option<Reason> {
        Some(match view.why.clone() {
            Why::Nothing => return None,
            Why::NotAutoStarted => Reason::NotAutoStarted,
            Why::StoppedBy(who, at_ms) => Reason::StoppedBy { who, at_ms },
            Why::Tier { tier, members } => Reason::WaitingForTier {
                tier,
                members: members
                    .iter()
                    .filter_map(|slot| self.name(*slot))
                    .take(NAMED_MEMBERS)
                    .cloned()
                    .collect(),
            },
            Why::Dependency(slot) => Reason::WaitingForDependency(self.name(slot)?.clone()),
            Why::Crashed(in_a_row) => Reason::Crashed {
                in_a_row,
                crash_loop: Why::is_crash_loop(in_a_row),
            },
            Why::SpawnFailed(failure) => Reason::SpawnFailed(failure),
            Why::GaveUp(in_a_row) => Reason::GaveUp { in_a_row },
            Why::Completed => Reason::Completed,
            Why::Unkillable(left) => Reason::Unkillable { left },
            Why::NeedsRestart => Reason::NeedsRestart,
            Why::Removed => Reason::Removed,
            Why::GivenUpRun(cause) => Reason::GivenUpRun(cause),
        })
    }
}

/// What the machine has to know of a component. A dependency without a slot is one that the registry no longer has.
#[must_use]
pub fn policy(plan: &ComponentPlan, slot_of: impl Fn(&ComponentName) -> Option<Slot>) -> Policy {
    Policy {
        auto_start: plan.auto_start,
        tier: plan.tier,
        ready_after: (plan.health.is_none() && plan.readiness.is_none() && plan.notify.is_none())
            .then_some(plan.start_delay),
        first_check_after: plan.start_delay,
        health: plan
            .health
            .as_ref()
            .map(|health| check(health, !is_debugged(plan))),
        readiness: plan.readiness.as_ref().map(|readiness| check(readiness, false)),
        notify: plan.notify.as_ref().map(|notify| NotifyPolicy {
            startup: notify.startup_timeout,
            watchdog: notify.watchdog,
        }),
        dump_when_hung: plan.dump.on_health_failure,
        dump_before_kill: plan.dump.on_stop_timeout,
        stop_timeout: plan.stop_timeout,
        restart: match plan.restart.policy {
            RestartPolicy::Always => Restart::Always,
            RestartPolicy::OnFailure => Restart::OnFailure,
            RestartPolicy::Never => Restart::Never,
        },
        max_retries: plan.restart.max_retries,
        success: plan.restart.success.clone(),
        depends_on: plan
            .depends_on
            .iter()
            .filter_map(|dependency| slot_of(&dependency.on))
            .collect(),
        on_loss: plan
            .depends_on
            .iter()
            .filter_map(|dependency| {
                let loss = match dependency.on_loss {
                    OnLoss::None => return None,
                    OnLoss::Restart => Loss::Restart,
                    OnLoss::Stop => Loss::Stop,
                };
                Some((slot_of(&dependency.on)?, loss))
            })
            .collect(),
    }
}

/// Whether a debugger may hold it up: whoever thinks for a minute at a breakpoint is not to lose what is looked at.
#[must_use]
pub fn is_debugged(plan: &ComponentPlan) -> bool {
    plan.java.as_ref().is_some_and(|java| java.debugger)
}

/// The same for the same probe, as long as this daemon lives.
fn number_of(probe: &ProbePlan) -> u64 {
    let mut hasher = DefaultHasher::new();
    probe.hash(&mut hasher);
    hasher.finish()
}

fn check(plan: &HealthPlan, restarts: bool) -> CheckPolicy {
    CheckPolicy {
        asks: number_of(&plan.probe),
        interval: plan.interval,
        timeout: plan.timeout,
        failures: plan.failures,
        successes: plan.successes,
        startup: plan.startup_timeout,
        restarts,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn so_many_patterns_are_held_against_the_names_and_no_more() {
        let roster = Roster::default();
        let wild = |count| Selection::Matching(vec![Pattern::parse("*").unwrap(); count]);
        assert!(matches!(
            roster.resolve(&wild(PATTERNS)),
            Err(Refusal::NoMatch { .. })
        ));
        let refused = roster.resolve(&wild(PATTERNS + 1));
        assert!(matches!(refused, Err(Refusal::Malformed { .. })), "{refused:?}");
    }
}
