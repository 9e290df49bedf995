//! The first command of a daemon: what starts, and what goes on as an earlier daemon has left it.

use super::{Fleet, Turn};
use crate::machine::component::Component;
use crate::machine::effect::Effect;
use crate::machine::input::{Legacy, Remembered, Slot, Stamp};
use crate::machine::life::{Cause, Life};
use crate::machine::sequence::StopSequence;
use s7proto::status::{Actor, ExitReport, Wish};
use std::collections::BTreeSet;

impl Fleet {
    /// A component is as an earlier daemon has left it. To be told before any command; from now on until the boot nothing
    /// begins, because nobody has said yet what is wished, or what else may live.
    pub fn inherit(&mut self, stamp: Stamp, slot: Slot, legacy: Legacy, effects: &mut Vec<Effect>) {
        self.before_boot = true;
        self.with(stamp, slot, effects, |component, step| {
            component.inherit(step, legacy)
        });
    }

    /// What the next daemon has to know of a component, beside its runs: starts that followed a crash, crashes in a row, and how
    /// the last run has ended.
    #[must_use]
    pub fn tally(&self, slot: Slot) -> Option<(u64, u32, Option<ExitReport>)> {
        let component = self.get(slot)?;
        Some((component.restarts, component.crashes, component.last_exit.clone()))
    }
}

impl Turn<'_> {
    pub(super) fn boot(&mut self, wishes: Vec<Remembered>, all_down: Option<(Actor, i64)>) {
        self.fleet.before_boot = false;
        self.fleet.all_down = all_down.is_some();
        let (mut up, mut down) = (BTreeSet::new(), BTreeSet::new());
        for remembered in wishes {
            let Remembered {
                slot,
                wish,
                who,
                at_ms,
                overruled,
            } = remembered;
            match wish {
                // Who has stopped everything has stopped what was started by name before, too.
                Wish::Up if overruled && all_down.is_some() => {}
                Wish::Up => drop(up.insert(slot)),
                Wish::Down => {
                    down.insert(slot);
                    self.with(slot, |component, step, _| {
                        component.stopped_by = Some((who, at_ms));
                        component.wish_down(step, None);
                        component.end_run(step);
                    });
                }
            }
        }
        if let Some(by) = all_down {
            let others = self.select(|_| true).into_iter();
            let others: Vec<Slot> = others
                .filter(|slot| !up.contains(slot) && !down.contains(slot))
                .collect();
            for &slot in &others {
                self.with(slot, |component, step, _| {
                    if component.policy.auto_start || component.run > 0 {
                        component.stopped_by = Some(by.clone());
                    }
                    component.wish_down(step, None);
                });
            }
            down.extend(others);
            self.go_on_stopping(&down);
        }
        // What has ended while nobody looked was lost to those who rely on it and live; some of them are stopped for it.
        let wished_up = self.select(|component| component.wish == Wish::Up);
        let unseen = |component: &Component| matches!(&component.life, Life::Ending(ending) if ending.cause == Cause::Unseen);
        for slot in self.select(unseen) {
            self.fleet.lose(self.stamp, slot, self.effects);
        }
        let is_down = |slot: &Slot| {
            let component = self.fleet.get(*slot);
            component.is_some_and(|component| component.wish == Wish::Down)
        };
        down.extend(wished_up.into_iter().filter(is_down));
        // What goes on needs no start, and its row of crashes isn't over because the daemon is another one.
        for slot in self.select(|component| component.wish == Wish::Up) {
            self.with(slot, |component, _, _| {
                component.parked |= matches!(component.life, Life::Waiting);
            });
        }
        // No tier waits once more for what an earlier daemon has given up.
        let given_up = self.select(|component| matches!(component.life, Life::Fatal));
        self.fleet.excused.extend(given_up);
        let targets = self.fleet.iter().filter(|(slot, component)| {
            let wished = component.policy.auto_start || up.contains(slot);
            wished && component.wish == Wish::Down && !component.removed && !down.contains(slot)
        });
        let targets = targets.map(|(slot, _)| slot).collect();
        self.start_in_tiers(targets);
    }

    /// Everything was being stopped when the daemon was killed: what of these lives on is ended in reverse tiers.
    fn go_on_stopping(&mut self, slots: &BTreeSet<Slot>) {
        let mut sequence = StopSequence::default();
        for &slot in slots {
            self.queue_stop(&mut sequence, slot);
        }
        if !sequence.is_over() {
            self.fleet.stopping = Some(sequence);
        }
    }

    /// Notes who has stopped everything, and when, or that it was started again: that outlives a crash of the daemon.
    pub(super) fn remember_all(&mut self, down: Option<(Actor, i64)>) {
        self.fleet.all_down = down.is_some();
        self.effects.push(Effect::RememberAll(down));
    }
}
