//! What each command does to the fleet.

use super::{GATE_TIMEOUT, Turn};
use crate::machine::component::{Component, Step};
use crate::machine::effect::Effect;
use crate::machine::input::{Change, Policy, Remembered, Slot, Ticket};
use crate::machine::sequence::StopSequence;
use s7proto::status::{Actor, Wish};
use std::collections::BTreeSet;

impl Turn<'_> {
    pub(super) fn start_all(&mut self) {
        let targets = self.select(|component| component.policy.auto_start && !component.removed);
        self.unremember(&targets);
        self.remember_all(None);
        self.start_in_tiers(targets);
    }

    pub(super) fn start_in_tiers(&mut self, targets: Vec<Slot>) {
        self.expect_parts(targets.len());
        for &slot in &targets {
            self.with(slot, |component, step, _| {
                if !component.life.is_coming_or_up() {
                    component.park(step);
                }
            });
        }
        for slot in targets {
            self.with(slot, |component, step, ticket| {
                if component.parked {
                    component.await_up(step, ticket, false);
                } else {
                    component.start(step, ticket);
                }
            });
        }
        self.arm_gate();
    }

    pub(super) fn start(&mut self, slots: &[Slot], who: &Actor) {
        let slots = self.known(slots);
        self.expect_parts(slots.len());
        // What is on its way or up needs no new run, so nothing stands in its way.
        let needs_run =
            |component: &Component| !(component.wish == Wish::Up && component.life.is_coming_or_up());
        for slot in self.refuse_dependants(&slots, needs_run) {
            self.remember(slot, Wish::Up, who);
            self.with(slot, |component, step, ticket| component.start(step, ticket));
        }
    }

    pub(super) fn restart(&mut self, slots: &[Slot], who: &Actor) {
        let slots = self.known(slots);
        self.expect_parts(slots.len());
        let slots = self.refuse_dependants(&slots, |_| true);
        self.fleet.renewed.extend(&slots);
        for slot in slots {
            self.remember(slot, Wish::Up, who);
            self.with(slot, |component, step, ticket| component.restart(step, ticket));
        }
    }

    pub(super) fn stop(&mut self, slots: &[Slot], who: &Actor) {
        let slots = self.known(slots);
        self.expect_parts(slots.len());
        for &slot in &slots {
            self.remember(slot, Wish::Down, who);
            self.wish_down(slot, who);
        }
        // Only when all of them are wished down: who is stopped by name with what it relies on has lost nothing.
        for slot in slots {
            self.with(slot, |component, step, _| component.end_run(step));
        }
    }

    pub(super) fn stop_all(&mut self, who: &Actor) {
        let all = self.select(|_| true);
        self.expect_parts(all.len());
        let mut sequence = StopSequence::default();
        for slot in all {
            self.wish_down(slot, who);
            self.queue_stop(&mut sequence, slot);
        }
        // What an earlier sequence had already asked to stop is found as such and waited for.
        self.fleet.stopping = Some(sequence);
        self.fleet.excused.clear();
        if self.fleet.hurry {
            self.hurry();
        }
    }

    pub(super) fn restart_all(&mut self) {
        let targets = self.select(|component| {
            (component.policy.auto_start || component.wish == Wish::Up) && !component.removed
        });
        self.unremember(&self.select(|component| component.policy.auto_start && !component.removed));
        self.remember_all(None);
        self.expect_parts(targets.len());
        let mut sequence = StopSequence::default();
        for slot in self.select(|_| true) {
            self.queue_stop(&mut sequence, slot);
        }
        for slot in targets {
            self.with(slot, |component, step, ticket| {
                component.park(step);
                component.await_up(step, ticket, true);
            });
        }
        self.fleet.stopping = Some(sequence);
        self.fleet.excused.clear();
    }

    pub(super) fn reload(&mut self, changes: Vec<Change>, restart: bool, who: &Actor) {
        let mut sequence = self.fleet.stopping.take().unwrap_or_default();
        let in_order = !sequence.is_over() || !self.fleet.parked.is_empty();
        // What follows from a change is looked at when all of them are known: a component can depend on another.
        let (mut removed, mut altered) = (Vec::new(), Vec::new());
        for change in changes {
            match change {
                Change::Add(policy) => {
                    let slot = self.fleet.next_slot();
                    self.fleet.components.push(Some(Component::new(policy)));
                    self.start_added(slot, who);
                }
                Change::Remove(slot) if self.fleet.get(slot).is_none() => {}
                Change::Remove(slot) => {
                    self.expect_parts(1);
                    self.queue_stop(&mut sequence, slot);
                    self.wish_down(slot, who);
                    self.effects.push(Effect::Unremember(slot));
                    removed.push(slot);
                }
                Change::Alter {
                    slot,
                    policy,
                    needs_run,
                } => {
                    self.alter(slot, policy);
                    if self.set_removed(slot, false) {
                        self.start_added(slot, who);
                    } else if needs_run {
                        self.renew(&mut sequence, slot, restart);
                    }
                    altered.push(slot);
                }
            }
        }
        for slot in removed {
            self.set_removed(slot, true);
        }
        for slot in altered {
            self.with(slot, |component, step, _| {
                component.review(step);
                if !component.parked {
                    // What it waited for may no longer be what it depends on.
                    component.unpark(step);
                }
            });
        }
        self.fleet.stopping = (!sequence.is_over()).then_some(sequence);
        self.excuse_bystanders(in_order);
        self.arm_gate();
    }

    pub(super) fn hurry(&mut self) {
        self.fleet.hurry = true;
        for slot in self.select(|_| true) {
            self.with(slot, |component, step, _| component.hurry(step));
        }
    }

    /// A reload has its own components wait for each other, and not for others that aren't ready at the moment: what it has stopped
    /// would be down for their sake. Unless a boot or another command (`in_order`) already goes through the tiers, which waits for
    /// all.
    fn excuse_bystanders(&mut self, in_order: bool) {
        let mut excused = std::mem::take(&mut self.fleet.excused);
        for (slot, component) in self.fleet.iter() {
            if component.parked {
                excused.remove(&slot);
            } else if !in_order && component.wish == Wish::Up && !component.lets_others_start() {
                excused.insert(slot);
            }
        }
        self.fleet.excused = excused;
    }

    // ---- pieces -----------------------------------------------------------------------------------------------

    /// What a run of it is made of has changed.
    fn renew(&mut self, sequence: &mut StopSequence, slot: Slot, restart: bool) {
        let Some(component) = self
            .fleet
            .get(slot)
            .filter(|component| component.wish == Wish::Up)
        else {
            return;
        };
        let runs = component.life.may_have_process();
        self.with(slot, |component, _, _| component.marked = runs);
        if !restart {
            return;
        }
        self.expect_parts(1);
        if runs {
            self.queue_stop(sequence, slot);
        }
        self.with(slot, |component, step, ticket| {
            component.park(step);
            component.await_up(step, ticket, runs);
        });
    }

    fn alter(&mut self, slot: Slot, policy: Policy) {
        // The list of parked components is kept by tier, and the tier may be what has changed.
        let parked = self.fleet.get(slot).is_some_and(|component| component.parked);
        let tier = policy.tier;
        self.with(slot, |component, step, _| component.alter(step, policy));
        if parked {
            self.fleet.unlist_parked(slot);
            self.fleet.parked.entry(tier).or_default().insert(slot);
        }
    }

    /// Whether it is to be forgotten once it is stopped; gives what it was before.
    fn set_removed(&mut self, slot: Slot, removed: bool) -> bool {
        let mut before = false;
        self.with(slot, |component, _, _| {
            before = std::mem::replace(&mut component.removed, removed);
        });
        before
    }

    /// Wishes up what a registry has added, if it starts by itself. If it was removed before and has not gone yet, that
    /// goes on, and a new run follows.
    fn start_added(&mut self, slot: Slot, who: &Actor) {
        let starts = |component: &&Component| component.policy.auto_start;
        if let Some(component) = self.fleet.get(slot).filter(starts) {
            let fresh = component.life.may_have_process();
            if self.fleet.all_down {
                // Or the next daemon would take it for one of those that were stopped with everything.
                self.remember(slot, Wish::Up, who);
            }
            self.expect_parts(1);
            self.with(slot, |component, step, ticket| {
                component.park(step);
                component.await_up(step, ticket, fresh);
            });
        }
    }

    pub(super) fn wish_down(&mut self, slot: Slot, who: &Actor) {
        let by = (who.clone(), self.stamp.wall_ms);
        self.with(slot, |component, step, ticket| {
            if component.wish == Wish::Up {
                component.stopped_by = Some(by);
            }
            component.wish_down(step, ticket);
        });
    }

    /// What is wished by name outlives the daemon.
    fn remember(&mut self, slot: Slot, wish: Wish, who: &Actor) {
        // What leaves the registry takes what was wished of it along.
        if self.fleet.get(slot).is_some_and(|component| !component.removed) {
            self.effects.push(Effect::Remember(Remembered {
                slot,
                wish,
                who: who.clone(),
                at_ms: self.stamp.wall_ms,
                overruled: false,
            }));
        }
    }

    /// Whatever was wished of these by name, everything that starts by itself is wished up now.
    fn unremember(&mut self, slots: &[Slot]) {
        self.effects.extend(slots.iter().copied().map(Effect::Unremember));
    }

    pub(super) fn queue_stop(&mut self, sequence: &mut StopSequence, slot: Slot) {
        if let Some(component) = self
            .fleet
            .get(slot)
            .filter(|component| component.life.may_have_process())
        {
            sequence.add(component.policy.tier, slot);
        }
    }

    /// Those of `slots` whose dependencies are wished up or are started with them, dependencies first; the others are
    /// refused.
    fn refuse_dependants(&mut self, slots: &[Slot], needs_run: impl Fn(&Component) -> bool) -> Vec<Slot> {
        let mut accepted: BTreeSet<Slot> = slots.iter().copied().collect();
        // One refusal may lead to another, so until nothing changes.
        loop {
            let refused: Vec<(Slot, Slot)> = accepted
                .iter()
                .filter(|slot| self.fleet.get(**slot).is_some_and(&needs_run))
                .filter_map(|slot| Some((*slot, self.dependency_down(*slot, &accepted)?)))
                .collect();
            if refused.is_empty() {
                break;
            }
            for (slot, on) in refused {
                accepted.remove(&slot);
                self.refuse(slot, on);
            }
        }
        let mut ordered = Vec::new();
        for &slot in slots {
            self.dependencies_first(slot, &mut accepted, &mut ordered);
        }
        ordered
    }

    /// Moves `slot` from `left` to `ordered`, after those of `left` that it depends on: they are to be on their way when
    /// it is looked at, in whatever order they were named.
    fn dependencies_first(&self, slot: Slot, left: &mut BTreeSet<Slot>, ordered: &mut Vec<Slot>) {
        if !left.remove(&slot) {
            return;
        }
        if let Some(component) = self.fleet.get(slot) {
            for &on in &component.policy.depends_on {
                self.dependencies_first(on, left, ordered);
            }
        }
        ordered.push(slot);
    }

    /// The dependency of `slot` that is wished down and isn't in `with`, if there is one.
    fn dependency_down(&self, slot: Slot, with: &BTreeSet<Slot>) -> Option<Slot> {
        let down = |on: &Slot| self.fleet.get(*on).is_some_and(|on| on.wish == Wish::Down);
        let component = self.fleet.get(slot)?;
        component
            .policy
            .depends_on
            .iter()
            .find(|on| !with.contains(on) && down(on))
            .copied()
    }

    fn refuse(&mut self, slot: Slot, on: Slot) {
        self.effects.extend(
            self.ticket
                .map(|ticket| Effect::DependencyDown { ticket, slot, on }),
        );
    }

    /// Those of `slots` that exist, each once.
    fn known(&self, slots: &[Slot]) -> Vec<Slot> {
        let mut seen = BTreeSet::new();
        slots
            .iter()
            .copied()
            .filter(|slot| self.fleet.get(*slot).is_some() && seen.insert(*slot))
            .collect()
    }

    /// Has parked tiers wait for the ones before them, but not longer because of this command.
    pub(super) fn arm_gate(&mut self) {
        self.fleet
            .gate_deadline
            .get_or_insert(self.stamp.now + GATE_TIMEOUT);
    }

    pub(super) fn select(&self, which: impl Fn(&Component) -> bool) -> Vec<Slot> {
        self.fleet
            .iter()
            .filter(|(_, component)| which(component))
            .map(|(slot, _)| slot)
            .collect()
    }

    fn expect_parts(&mut self, parts: usize) {
        if let Some(ticket) = self.ticket {
            *self.fleet.open_parts.entry(ticket).or_default() += parts;
        }
    }

    pub(super) fn with(
        &mut self,
        slot: Slot,
        act: impl FnOnce(&mut Component, &mut Step<'_>, Option<Ticket>),
    ) {
        let ticket = self.ticket;
        self.fleet
            .with(self.stamp, slot, self.effects, |component, step| {
                act(component, step, ticket)
            });
    }
}
