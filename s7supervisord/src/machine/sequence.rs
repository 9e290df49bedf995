//! The order of tiers: which one stops next, and which one may not start yet.

use super::component::Component;
use super::input::Slot;
use s7proto::status::Wish;
use std::collections::{BTreeMap, BTreeSet};

/// A stop of many components, the highest tier first.
#[derive(Debug, Default)]
pub struct StopSequence {
    pending: BTreeMap<i32, BTreeSet<Slot>>,
    current: BTreeSet<Slot>,
}

impl StopSequence {
    /// Has `slot` stopped with its tier.
    pub fn add(&mut self, tier: i32, slot: Slot) {
        self.pending.entry(tier).or_default().insert(slot);
    }

    /// Whether there is nothing to stop and nothing to wait for.
    pub fn is_over(&self) -> bool {
        self.pending.is_empty() && self.current.is_empty()
    }

    /// The next tier to stop, once every member of the present one is `done`: `None` while it isn't, and an empty set
    /// when no tier is left.
    pub fn next(&mut self, done: impl Fn(Slot) -> bool) -> Option<BTreeSet<Slot>> {
        self.current.retain(|slot| !done(*slot));
        if !self.current.is_empty() {
            return None;
        }
        let Some((_, slots)) = self.pending.pop_last() else {
            return Some(BTreeSet::new());
        };
        self.current.clone_from(&slots);
        Some(slots)
    }
}

/// The members of earlier tiers that keep `tier` closed: wished up, and not ready.
pub fn gate_closed_by<'a>(components: impl Iterator<Item = (Slot, &'a Component)>, tier: i32) -> Vec<Slot> {
    components
        .filter(|(_, component)| {
            component.policy.tier < tier && component.wish == Wish::Up && !component.life.lets_others_start()
        })
        .map(|(slot, _)| slot)
        .collect()
}
