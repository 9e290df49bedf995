//! The order among components: who stops next, which tier opens, and who follows a loss.

use super::{Fleet, GATE_TIMEOUT};
use crate::machine::component::Component;
use crate::machine::effect::Effect;
use crate::machine::input::{Loss, Slot, Stamp};

impl Fleet {
    pub(super) fn advance_stop(&mut self, stamp: Stamp, effects: &mut Vec<Effect>) {
        let Some(mut sequence) = self.stopping.take() else {
            return;
        };
        let turn = sequence.turn(|slot| {
            self.get(slot)
                .is_none_or(|component| component.life.lets_others_stop() || component.wants_run())
        });
        if sequence.is_over() {
            // Everything is down; what was only parked may come up again.
            self.gate_deadline = Some(stamp.now + GATE_TIMEOUT);
            return;
        }
        // In its place before anybody ends: who is in it has its turn, whatever else is lost meanwhile.
        self.stopping = Some(sequence);
        for slot in turn {
            if self
                .get(slot)
                .is_some_and(|component| component.life.is_coming_or_up() || component.life.is_leaving())
            {
                self.with(stamp, slot, effects, Component::end_run);
            }
        }
    }

    pub(super) fn open_tiers(&mut self, stamp: Stamp, effects: &mut Vec<Effect>) {
        if self.stopping.is_some() || self.before_boot {
            return;
        }
        while let Some((&tier, _)) = self.parked.first_key_value() {
            let laggards = self.laggards(tier);
            let late = self.gate_deadline.is_none_or(|at| at <= stamp.now);
            if !laggards.is_empty() && !late {
                return;
            }
            if !laggards.is_empty() {
                self.excused.extend(&laggards);
                effects.push(Effect::GateTimedOut { tier, laggards });
            }
            let members = self.parked.get(&tier).cloned().unwrap_or_default();
            for slot in members {
                self.with(stamp, slot, effects, |component, step| component.unpark(step));
            }
            self.gate_deadline = Some(stamp.now + GATE_TIMEOUT);
        }
        self.gate_deadline = None;
        self.excused.clear();
    }

    /// A run that others rely on is over, or about to be: those that say what becomes of them then follow it (DESIGN 3,
    /// `onLoss`). However many losses there are at once, each of them gets one new run.
    pub(super) fn lose(&mut self, stamp: Stamp, lost: Slot, effects: &mut Vec<Effect>) {
        let minds = |component: &Component| {
            let losses = &component.policy.on_loss;
            losses.iter().find(|(on, _)| *on == lost).map(|(_, loss)| *loss)
        };
        // Who is being stopped in the order of tiers has its turn.
        let has_turn = |slot| {
            let stopping = self.stopping.as_ref();
            stopping.is_some_and(|sequence| sequence.contains(slot))
        };
        let those: Vec<(Slot, Loss)> = self
            .iter()
            .filter_map(|(slot, component)| Some((slot, minds(component)?)))
            .map(|(slot, loss)| {
                let renewed = self.renewed.contains(&slot);
                (slot, if renewed { Loss::Restart } else { loss })
            })
            .filter(|(slot, _)| !has_turn(*slot))
            .collect();
        for (slot, loss) in those {
            self.with(stamp, slot, effects, |component, step| {
                component.lose(step, lost, loss)
            });
        }
    }
}
