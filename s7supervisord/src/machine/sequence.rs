//! The order of tiers: which one stops next, and which one may not start yet.

use super::component::Component;
use super::input::Slot;
use s7proto::status::Wish;
use std::collections::{BTreeMap, BTreeSet};

/// A stop of many components, the highest tier first.
#[derive(Debug, Default)]
pub struct StopSequence {
    tiers: BTreeMap<i32, BTreeSet<Slot>>,
}

impl StopSequence {
    /// Has `slot` stopped with this tier, and with no other: a reload may have changed it since it was added before.
    pub fn add(&mut self, tier: i32, slot: Slot) {
        self.tiers.retain(|_, members| {
            members.remove(&slot);
            !members.is_empty()
        });
        self.tiers.entry(tier).or_default().insert(slot);
    }

    /// Whether it has its turn.
    pub fn contains(&self, slot: Slot) -> bool {
        self.tiers.values().any(|members| members.contains(&slot))
    }

    /// Whether there is nothing to stop and nothing to wait for.
    pub fn is_over(&self) -> bool {
        self.tiers.is_empty()
    }

    /// Those whose turn it is and that aren't `done`: the members of the highest tier that has such. Empty when all are.
    pub fn turn(&mut self, done: impl Fn(Slot) -> bool) -> Vec<Slot> {
        while let Some(mut tier) = self.tiers.last_entry() {
            tier.get_mut().retain(|slot| !done(*slot));
            if !tier.get().is_empty() {
                return tier.get().iter().copied().collect();
            }
            tier.remove();
        }
        Vec::new()
    }
}

/// The members of earlier tiers that keep `tier` closed: wished up, and not ready.
pub fn gate_closed_by<'a>(components: impl Iterator<Item = (Slot, &'a Component)>, tier: i32) -> Vec<Slot> {
    components
        .filter(|(_, component)| {
            component.policy.tier < tier && component.wish == Wish::Up && !component.lets_others_start()
        })
        .map(|(slot, _)| slot)
        .collect()
}
