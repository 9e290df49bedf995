//! The reference of what holds among components: the order of tiers, who depends on whom, and what becomes of a loss.

use super::reference::{Model, Next};
use super::world::Process;
use crate::machine::input::{Loss, Slot};
use crate::machine::moment::Moment;
use s7proto::status::Wish;
use std::collections::{BTreeMap, BTreeSet};

/// All components, and the order among them.
#[derive(Default)]
pub struct Models {
    pub all: BTreeMap<Slot, Model>,
    /// What a stop in reverse tiers still has before it, by tier.
    pub stopping: BTreeMap<i32, BTreeSet<Slot>>,
    /// Since when the lowest tier that waits has been waiting.
    pub gate_since: Option<Moment>,
    /// Who was waited for in vain since then.
    pub excused: BTreeSet<Slot>,
}

impl Models {
    /// Takes from the stop what is done; the tier that is left last is the one to be stopping now.
    pub fn prune_stop(&mut self, now: Moment) {
        while let Some(mut tier) = self.stopping.last_entry() {
            let all = &self.all;
            tier.get_mut()
                .retain(|slot| all.get(slot).is_some_and(|model| !model.is_stopped(now)));
            if !tier.get().is_empty() {
                return;
            }
            tier.remove();
            if self.stopping.is_empty() {
                self.gate_since = Some(now);
            }
        }
    }

    /// A reload waits for nobody but those it has touched, unless others are being waited for already.
    pub fn excuse_bystanders(&mut self, in_order: bool, now: Moment) {
        for (slot, model) in &self.all {
            if model.ordered {
                self.excused.remove(slot);
            } else if !in_order && model.wish == Wish::Up && !model.lets_others_start(now) {
                self.excused.insert(*slot);
            }
        }
    }

    pub fn queue_stop(&mut self, slot: Slot) {
        if let Some(model) = self.all.get(&slot).filter(|model| model.process.is_some()) {
            let tier = model.policy.tier;
            self.stopping.retain(|_, members| {
                members.remove(&slot);
                !members.is_empty()
            });
            self.stopping.entry(tier).or_default().insert(slot);
        }
    }

    /// Members of earlier tiers that keep `tier` closed.
    pub fn laggards(&self, tier: i32, now: Moment) -> Vec<Slot> {
        let lags = |model: &Model| {
            model.policy.tier < tier && model.wish == Wish::Up && !model.lets_others_start(now)
        };
        self.all
            .iter()
            .filter(|(slot, model)| lags(model) && !self.excused.contains(slot) && !self.is_held(**slot))
            .map(|(slot, _)| *slot)
            .collect()
    }

    /// It waits, its tier is open, and it can't begin before somebody wishes something else.
    fn is_held(&self, slot: Slot) -> bool {
        let model = &self.all[&slot];
        let waits = |model: &Model| model.process.is_none() && model.next == Next::Go;
        waits(model) && !model.ordered && self.comes_to_nothing(slot, &mut BTreeSet::new())
    }

    fn comes_to_nothing(&self, slot: Slot, seen: &mut BTreeSet<Slot>) -> bool {
        self.all[&slot].policy.depends_on.iter().any(|on| {
            let Some(model) = self.all.get(on) else {
                return false;
            };
            let given_up = model.process.is_none() && model.next == Next::GiveUp;
            let waits = model.process.is_none() && model.next == Next::Go;
            model.wish == Wish::Down
                || given_up
                || (waits && seen.insert(*on) && self.comes_to_nothing(*on, seen))
        })
    }

    /// The lowest tier that waits for its turn.
    pub fn lowest_ordered(&self) -> Option<i32> {
        let tiers = self
            .all
            .values()
            .filter(|model| model.ordered)
            .map(|model| model.policy.tier);
        tiers.min()
    }

    pub fn open(&mut self, tier: i32, now: Moment) {
        for model in self.all.values_mut() {
            if model.policy.tier == tier {
                model.ordered = false;
            }
        }
        self.gate_since = Some(now);
    }

    /// `lost` is no longer RUNNING: who is to be ended for it in this step. `renewed` are restarted by name with it.
    pub fn lose(&mut self, lost: Slot, renewed: &[Slot]) -> Vec<Slot> {
        let mut ends = Vec::new();
        for (slot, model) in &mut self.all {
            let minds = model.policy.on_loss.iter().find(|(on, _)| *on == lost);
            let has_turn = self.stopping.values().any(|members| members.contains(slot));
            let relies = model.process.is_some() || matches!(model.next, Next::Retry(..));
            let Some((_, loss)) = minds.filter(|_| !has_turn && relies && model.wish == Wish::Up) else {
                continue;
            };
            if model.process == Some(Process::Alive) && model.ending.is_none() {
                ends.push(*slot);
            }
            match loss {
                Loss::Stop if renewed.contains(slot) => {
                    model.bereft |= model.process == Some(Process::Creating);
                }
                Loss::Stop => model.wish_down(),
                Loss::Restart => model.bereft |= model.process == Some(Process::Creating),
            }
        }
        ends
    }

    /// What `slot` depends on and isn't ready.
    pub fn missing(&self, slot: Slot, now: Moment) -> Option<Slot> {
        let missing = |on: &Slot| {
            self.all
                .get(on)
                .is_some_and(|on| !on.wants_run() || !on.lets_others_start(now))
        };
        self.all[&slot].policy.depends_on.iter().copied().find(missing)
    }
}
