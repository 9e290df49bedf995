//! The judge: lets the machine and the world work on each other, and holds every effect against the reference.

use super::order::Models;
use super::reference::Model;
use super::world::World;
use crate::machine::effect::Effect;
use crate::machine::fleet::Fleet;
use crate::machine::input::{Change, Command, Event, Order, Policy, RunId, Slot, Stamp, Ticket};
use crate::machine::moment::Moment;
use s7proto::status::{Actor, EndCause, State, Wish};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// A fleet, the world it acts on, and what should be.
pub struct Court {
    pub fleet: Fleet,
    pub world: World,
    pub models: Models,
    /// Timers come when they are due. Otherwise they come late, and only what holds even then is judged.
    pub punctual: bool,
    /// Every effect, to compare two trials.
    pub record: Vec<String>,
    pub pending: BTreeMap<Ticket, BTreeSet<Slot>>,
    pub touched: BTreeMap<Slot, Ticket>,
    pub announced: BTreeMap<Slot, State>,
    pub living: BTreeSet<RunId>,
    tickets: u64,
    pub shutting_down: bool,
    pub hurry: bool,
    pub halted: bool,
    /// Who is still to be ended in this step, for a loss.
    pub bereaved: BTreeSet<Slot>,
}

fn owes_signs(policy: &Policy) -> bool {
    policy.notify.is_some_and(|notify| notify.watchdog.is_some())
}

/// What the machine is told at the moment.
#[derive(Debug, Clone)]
pub enum Input {
    Command(Command),
    Event(RunId, Event),
    Tick,
}

impl Court {
    pub fn new(policies: Vec<Policy>, seed: u64, punctual: bool) -> Self {
        let slots = (0..).map(Slot);
        let models: BTreeMap<Slot, Model> = slots.zip(policies.iter().cloned().map(Model::new)).collect();
        let mut world = World::default();
        let watched = models.iter().filter(|(_, model)| owes_signs(&model.policy));
        watched.for_each(|(slot, _)| world.watch(*slot));
        Self {
            fleet: Fleet::new(policies, seed),
            world,
            models: Models {
                all: models,
                ..Models::default()
            },
            punctual,
            record: Vec::new(),
            pending: BTreeMap::new(),
            touched: BTreeMap::new(),
            announced: BTreeMap::new(),
            living: BTreeSet::new(),
            tickets: 0,
            shutting_down: false,
            hurry: false,
            halted: false,
            bereaved: BTreeSet::new(),
        }
    }

    pub fn now(&self) -> Moment {
        self.world.now
    }

    fn stamp(&self) -> Stamp {
        Stamp {
            now: self.now(),
            wall_ms: 0,
        }
    }

    // ---- inputs

    pub fn command(&mut self, command: Command) {
        self.tickets += 1;
        let ticket = Ticket(self.tickets);
        let order = Order {
            ticket: Some(ticket),
            who: Actor::Supervisor,
            command: command.clone(),
        };
        let down = matches!(
            command,
            Command::Stop(_) | Command::StopAll | Command::Shutdown | Command::Hurry
        );
        let mut effects = Vec::new();
        if self.shutting_down && !down {
            self.fleet.command(self.stamp(), order, &mut effects);
            assert_eq!(effects, [Effect::Refuse(ticket)], "in a shutdown");
            return;
        }
        let parts = self.expect(&command);
        for slot in &parts {
            self.touched.insert(*slot, ticket);
        }
        self.pending.insert(ticket, parts);
        self.fleet.command(self.stamp(), order, &mut effects);
        self.judge(&Input::Command(command), &effects);
    }

    /// Something that the machine has to take no notice of.
    pub fn noise(&mut self, run: RunId, event: Event) {
        if self.fleet.next_deadline().is_some_and(|due| due <= self.now()) {
            // A timer is late, and any step looks at the order of tiers.
            return;
        }
        let before = format!("{:?}", self.fleet);
        let mut effects = Vec::new();
        self.fleet.event(self.stamp(), run, event.clone(), &mut effects);
        assert_eq!(effects, [], "{event:?} of {run:?} is noise");
        assert_eq!(
            format!("{:?}", self.fleet),
            before,
            "{event:?} of {run:?} is noise"
        );
    }

    /// Lets `span` pass, with everything that is due in it.
    pub fn pass(&mut self, span: Duration) {
        let end = self.now() + span;
        for _ in 0..100_000 {
            let timer = self.fleet.next_deadline().map(|due| {
                // Whoever drives the machine may be late, but not for ever.
                if self.punctual {
                    due
                } else {
                    due + Duration::from_millis(1500)
                }
            });
            let due = timer.into_iter().chain(self.world.next()).min();
            let Some(due) = due.filter(|due| *due <= end && !self.halted) else {
                self.world.now = end.max(self.now());
                return;
            };
            self.world.now = due.max(self.now());
            if timer.is_some_and(|timer| timer <= self.now()) {
                self.tick();
            }
            while let Some((run, event)) = self.world.take_due() {
                self.event(run, event);
            }
        }
        panic!("the machine is busy without end");
    }

    fn tick(&mut self) {
        let now = self.now();
        for model in self.models.all.values_mut() {
            if model.is_up(now) {
                model.ready_since = model.up_since(now);
            }
            if let Some(vigil) = model.vigil.as_mut().filter(|_| self.punctual) {
                vigil.time(now, model.under_way.map(|(role, _)| role));
                if let Some(since) = model.ready_since {
                    vigil.be_ready(since);
                }
            }
        }
        let mut effects = Vec::new();
        self.fleet.tick(self.stamp(), &mut effects);
        self.judge(&Input::Tick, &effects);
        let next = self.fleet.next_deadline();
        assert!(next.is_none_or(|next| next > now), "a timer of the past is left");
    }

    fn event(&mut self, run: RunId, event: Event) {
        let now = self.now();
        let model = self
            .models
            .all
            .get_mut(&run.slot)
            .expect("what runs is not forgotten");
        match &event {
            Event::Spawned { .. } => {
                model.spawned(now);
                self.living.insert(run);
            }
            Event::SpawnFailed(failure) => model.spawn_failed(failure.host_fault, now),
            Event::Exited(exit) => {
                let by_itself = model.ending.is_none();
                model.exited(exit, now);
                // Which tiers have opened is only followed where timers are in time.
                let parked = self.fleet.view(run.slot, now).is_some_and(|view| view.parked);
                let wanted = model.wants_run() || (!self.punctual && model.wish == Wish::Up && !parked);
                let done =
                    model.cause == Some(EndCause::Finished) && model.policy.stays_ended(true) && wanted;
                let ran = self.announced.get(&run.slot) == Some(&State::Running);
                if by_itself && ran && !done {
                    self.models.prune_stop(now);
                    self.bereaved.extend(self.models.lose(run.slot, &[]));
                }
            }
            Event::Emptied => model.emptied(now),
            Event::Noticed(note) => {
                if let Some(vigil) = &mut model.vigil {
                    vigil.note(*note, now);
                    let told = vigil.ready_since;
                    model.ready_since = model.up_since(now).or(told);
                }
            }
            Event::Checked { number, verdict } => {
                let ended = model.under_way.take_if(|(_, under_way)| under_way == number);
                if let (Some((role, _)), Some(vigil)) = (ended, &mut model.vigil) {
                    vigil.verdict(role, *verdict, now);
                    let told = vigil.ready_since;
                    model.ready_since = model.up_since(now).or(told);
                }
            }
            _ => {}
        }
        let mut effects = Vec::new();
        self.fleet.event(self.stamp(), run, event.clone(), &mut effects);
        if matches!(event, Event::Emptied) {
            let ends = effects
                .iter()
                .filter(|effect| matches!(effect, Effect::Ended { .. }));
            assert_eq!(ends.count(), 1, "an empty tree is the end of its run");
        }
        self.judge(&Input::Event(run, event), &effects);
    }

    // ---- what a command should do

    /// Applies `command` to the reference; gives the components that have a part in it.
    fn expect(&mut self, command: &Command) -> BTreeSet<Slot> {
        let all: Vec<Slot> = self.models.all.keys().copied().collect();
        match command {
            Command::Start(slots) => self.expect_by_name(slots, false),
            Command::Restart(slots) => self.expect_by_name(slots, true),
            Command::Stop(slots) => {
                let known: BTreeSet<Slot> = slots.iter().copied().filter(|slot| all.contains(slot)).collect();
                for slot in &known {
                    self.model(*slot).wish_down();
                }
                known
            }
            Command::StopAll | Command::Shutdown => {
                self.shutting_down |= matches!(command, Command::Shutdown);
                self.models.stopping.clear();
                self.models.excused.clear();
                for &slot in &all {
                    self.models.queue_stop(slot);
                    self.model(slot).wish_down();
                }
                all.into_iter().collect()
            }
            Command::StartAll | Command::RestartAll => {
                let restart = matches!(command, Command::RestartAll);
                if restart {
                    self.models.stopping.clear();
                    all.iter().for_each(|slot| self.models.queue_stop(*slot));
                    // It begins from the beginning: tiers wait anew, also for those waited for in vain.
                    self.models.gate_since = Some(self.world.now);
                    self.models.excused.clear();
                }
                let meant = |model: &Model| {
                    !model.removed && (model.policy.auto_start || (restart && model.wish == Wish::Up))
                };
                let parts = all.into_iter().filter(|slot| meant(&self.models.all[slot]));
                let parts: BTreeSet<Slot> = parts.collect();
                for slot in &parts {
                    let model = self.model(*slot);
                    let stays = model.process.is_some() && model.ending.is_none() && !restart;
                    model.wish_up(if stays { model.ordered } else { true });
                }
                parts
            }
            Command::Boot(remembered, _) => {
                let wish = |slot: &Slot| {
                    remembered
                        .iter()
                        .rev()
                        .find(|one| one.slot == *slot)
                        .map(|one| one.wish)
                };
                let meant = |slot: &Slot| {
                    let model = &self.models.all[slot];
                    !model.removed && wish(slot).map_or(model.policy.auto_start, |wish| wish == Wish::Up)
                };
                let parts: BTreeSet<Slot> = all.into_iter().filter(meant).collect();
                for slot in &parts {
                    let model = self.model(*slot);
                    let stays = model.process.is_some() && model.ending.is_none();
                    model.wish_up(if stays { model.ordered } else { true });
                }
                parts
            }
            Command::Reload { changes, restart } => {
                let in_order = self.models.lowest_ordered().is_some() || !self.models.stopping.is_empty();
                let changed = changes.iter();
                let parts = changed
                    .filter_map(|change| self.expect_change(change, *restart))
                    .collect();
                self.models.excuse_bystanders(in_order, self.world.now);
                parts
            }
            Command::Hurry => {
                self.hurry |= self.shutting_down;
                BTreeSet::new()
            }
        }
    }

    fn expect_by_name(&mut self, slots: &[Slot], restart: bool) -> BTreeSet<Slot> {
        let all = &self.models.all;
        let known: BTreeSet<Slot> = slots
            .iter()
            .copied()
            .filter(|slot| all.contains_key(slot))
            .collect();
        let mut accepted = known.clone();
        loop {
            let refused = accepted.iter().copied().find(|slot| {
                let model = &all[slot];
                let runs = model.wish == Wish::Up && model.process.is_some() && model.ending.is_none();
                let down = |on: &&Slot| {
                    !accepted.contains(on) && all.get(on).is_some_and(|on| on.wish == Wish::Down)
                };
                (restart || !runs) && model.policy.depends_on.iter().any(|on| down(&on))
            });
            match refused {
                Some(slot) => accepted.remove(&slot),
                None => break,
            };
        }
        for slot in accepted {
            let model = self.model(slot);
            if !model.removed {
                model.wish_up(false);
            }
        }
        known
    }

    fn expect_change(&mut self, change: &Change, restart: bool) -> Option<Slot> {
        match change {
            Change::Add(policy) => {
                let slot = self.models.all.keys().next_back().map_or(0, |last| last.0 + 1);
                let slot = Slot(slot.max(self.fleet.next_slot().0));
                let mut model = Model::new(policy.clone());
                if policy.auto_start {
                    model.wish_up(true);
                }
                if owes_signs(policy) {
                    self.world.watch(slot);
                }
                let part = model.ordered.then_some(slot);
                self.models.all.insert(slot, model);
                part
            }
            Change::Remove(slot) => self.models.all.contains_key(slot).then(|| {
                self.models.queue_stop(*slot);
                self.model(*slot).removed = true;
                self.model(*slot).wish_down();
                *slot
            }),
            Change::Alter {
                slot,
                policy,
                needs_run,
            } => {
                let now = self.world.now;
                let model = self.models.all.get_mut(slot)?;
                model.alter(policy, now);
                // Removed and there again, before it was gone.
                let returns = std::mem::take(&mut model.removed) && policy.auto_start;
                let renewed = *needs_run && restart && model.wish == Wish::Up;
                if renewed && !returns {
                    self.models.queue_stop(*slot);
                }
                (renewed || returns).then(|| {
                    self.model(*slot).wish_up(true);
                    *slot
                })
            }
        }
    }

    pub fn model(&mut self, slot: Slot) -> &mut Model {
        self.models.all.get_mut(&slot).expect("the component exists")
    }
}
