//! The first command of a daemon: what starts, and what goes on as an earlier daemon has left it.

use super::Turn;
use crate::machine::effect::Effect;
use crate::machine::input::{Remembered, Slot};
use crate::machine::life::Life;
use crate::machine::sequence::StopSequence;
use s7proto::status::{Actor, Wish};
use std::collections::{BTreeMap, BTreeSet};

impl Turn<'_> {
    pub(super) fn boot(&mut self, wishes: Vec<Remembered>, all_down: Option<(Actor, i64)>) {
        let mut up: BTreeSet<Slot> = BTreeSet::new();
        let mut down: BTreeMap<Slot, (Actor, i64)> = BTreeMap::new();
        for Remembered {
            slot,
            wish,
            who,
            at_ms,
        } in wishes
        {
            match wish {
                Wish::Up => drop(up.insert(slot)),
                Wish::Down => drop(down.insert(slot, (who, at_ms))),
            }
        }
        // A stop of everything that was under way, or done, when the daemon was killed. It concerned what was up then.
        if let Some((who, at_ms)) = all_down {
            let stopped = self
                .select(|_| true)
                .into_iter()
                .filter(|slot| !up.contains(slot));
            for slot in stopped {
                down.entry(slot).or_insert_with(|| (who.clone(), at_ms));
            }
        }
        self.end_what_was_stopped(&down);
        let targets = self.select(|component| {
            // What goes on needs no start, and its row of crashes is not ended by this.
            let goes_on = component.wish == Wish::Up && !matches!(component.life, Life::Waiting);
            !component.removed && !goes_on
        });
        let starts = |slot: &Slot| {
            let by_itself = self
                .fleet
                .get(*slot)
                .is_some_and(|component| component.policy.auto_start);
            (by_itself || up.contains(slot)) && !down.contains_key(slot)
        };
        let targets = targets.into_iter().filter(starts).collect();
        self.start_in_tiers(targets);
    }

    /// Ends in reverse tiers what lives on although somebody has stopped it.
    fn end_what_was_stopped(&mut self, down: &BTreeMap<Slot, (Actor, i64)>) {
        let mut sequence = StopSequence::default();
        for (&slot, by) in down {
            self.with(slot, |component, step, _| {
                component.stopped_by = Some(by.clone());
                if component.wish == Wish::Up {
                    component.wish_down(step, None);
                }
            });
            self.queue_stop(&mut sequence, slot);
        }
        if !sequence.is_over() {
            self.fleet.stopping = Some(sequence);
        }
    }

    /// Everything is down for somebody, and that outlives a crash of the daemon.
    pub(super) fn remember_all_down(&mut self, who: &Actor) {
        let down = (who.clone(), self.stamp.wall_ms);
        self.effects.push(Effect::RememberAll(Some(down)));
    }
}
