//! What a component waits for: its tier, or what it depends on.

use super::Fleet;
use crate::machine::component::Component;
use crate::machine::effect::Effect;
use crate::machine::input::{Slot, Stamp};
use crate::machine::life::Life;
use crate::machine::sequence::gate_closed_by;
use crate::machine::view::Why;
use s7proto::status::Wish;
use std::collections::BTreeSet;

impl Fleet {
    /// The members of earlier tiers that `tier` waits for.
    pub(super) fn laggards(&self, tier: i32) -> Vec<Slot> {
        let mut laggards = gate_closed_by(self.iter(), tier);
        // What depends on something that nobody wants can't begin, however long others wait for it.
        let is_held = |slot: &Slot| {
            let waits = |component: &&Component| matches!(component.life, Life::Waiting) && !component.parked;
            let component = self.get(*slot).filter(waits);
            component.is_some_and(|component| self.held_by(component, &mut BTreeSet::new()).is_some())
        };
        laggards.retain(|slot| !self.excused.contains(slot) && !is_held(slot));
        laggards
    }

    /// Answers those who wait for a component that can't begin, because what it depends on is wished down or given up.
    pub(super) fn tell_held(&mut self, stamp: Stamp, effects: &mut Vec<Effect>) {
        if !std::mem::take(&mut self.look_for_held) {
            return;
        }
        let held: Vec<(Slot, Slot)> = self
            .iter()
            .filter(|(_, component)| component.waits_with_goals())
            .filter_map(|(slot, component)| Some((slot, self.held_by(component, &mut BTreeSet::new())?)))
            .collect();
        for (slot, on) in held {
            self.with(stamp, slot, effects, |component, step| {
                component.held_by(step, on)
            });
        }
    }

    /// What keeps `component` from beginning until somebody changes a wish: itself or through others that wait.
    fn held_by(&self, component: &Component, seen: &mut BTreeSet<Slot>) -> Option<Slot> {
        component.policy.depends_on.iter().find_map(|&slot| {
            let on = self.get(slot)?;
            match on.life {
                _ if on.wish == Wish::Down => Some(slot),
                Life::Fatal => Some(slot),
                Life::Waiting if seen.insert(slot) => self.held_by(on, seen),
                _ => None,
            }
        })
    }

    pub(super) fn missing_dependency(&self, component: &Component) -> Option<Slot> {
        let ready = |slot: &Slot| self.get(*slot).is_none_or(Component::lets_dependants_start);
        component
            .policy
            .depends_on
            .iter()
            .find(|slot| !ready(slot))
            .copied()
    }

    pub(super) fn what_it_waits_for(&self, component: &Component) -> Why {
        if component.parked {
            let tier = component.policy.tier;
            let members = self.laggards(tier);
            let tier = members
                .iter()
                .filter_map(|slot| self.get(*slot))
                .map(|member| member.policy.tier)
                .max()
                .unwrap_or(tier);
            return Why::Tier { tier, members };
        }
        match self.missing_dependency(component) {
            Some(slot) => Why::Dependency(slot),
            None => Why::Nothing,
        }
    }
}
