//! All components together: who is meant, what comes next, when to be woken.

use super::component::{Component, Step};
use super::effect::Effect;
use super::input::{Command, Event, Order, Policy, RunId, Slot, Stamp, Ticket};
use super::life::Life;
use super::moment::Moment;
use super::restart::Jitter;
use super::sequence::StopSequence;
use super::view::View;
use s7proto::status::State;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

/// How long a tier waits for the ones before it (DESIGN 4: one broken component can't block the boot).
pub const GATE_TIMEOUT: Duration = Duration::from_secs(60);

/// All components. Feed it with [`Fleet::command`], [`Fleet::event`] and [`Fleet::tick`]; carry out the effects.
#[derive(Debug)]
pub struct Fleet {
    components: Vec<Option<Component>>,
    jitter: Jitter,
    /// When each component wants to be woken.
    deadlines: BTreeSet<(Moment, Slot)>,
    /// Components that wait for a dependency.
    waiting: BTreeSet<Slot>,
    /// Components that wait for their tier, by tier.
    parked: BTreeMap<i32, BTreeSet<Slot>>,
    /// When the next tier opens even though the ones before it aren't ready.
    gate_deadline: Option<Moment>,
    /// Members of earlier tiers that no tier waits for: it was done in vain before, or a reload has nothing to do with them.
    excused: BTreeSet<Slot>,
    /// The stop, tier by tier, that is under way.
    stopping: Option<StopSequence>,
    /// What the command that is being carried out restarts by name: what of it is lost to each other stops nobody.
    renewed: BTreeSet<Slot>,
    shutting_down: bool,
    hurry: bool,
    halted: bool,
    /// Parts that each operation still waits for.
    open_parts: HashMap<Ticket, usize>,
    /// Since the last look, somebody may have begun to wait for what can't come.
    look_for_held: bool,
    /// What an earlier daemon has left is known, and not yet what is wished of it: nothing begins before the boot.
    before_boot: bool,
    /// Somebody has stopped everything, and nobody has started it since.
    all_down: bool,
}

impl Fleet {
    /// A fleet of these components, all down. `seed` decides the jitter of restarts.
    #[must_use]
    pub fn new(policies: Vec<Policy>, seed: u64) -> Self {
        Self {
            components: policies
                .into_iter()
                .map(|policy| Some(Component::new(policy)))
                .collect(),
            jitter: Jitter::new(seed),
            deadlines: BTreeSet::new(),
            waiting: BTreeSet::new(),
            parked: BTreeMap::new(),
            gate_deadline: None,
            excused: BTreeSet::new(),
            stopping: None,
            renewed: BTreeSet::new(),
            shutting_down: false,
            hurry: false,
            halted: false,
            open_parts: HashMap::new(),
            look_for_held: false,
            before_boot: false,
            all_down: false,
        }
    }

    /// The slots of all components, in ascending order.
    pub fn slots(&self) -> impl Iterator<Item = Slot> + '_ {
        self.iter().map(|(slot, _)| slot)
    }

    /// The slot that the next added component gets.
    #[must_use]
    pub fn next_slot(&self) -> Slot {
        Slot(u32::try_from(self.components.len()).unwrap_or(u32::MAX))
    }

    /// One component as people see it.
    #[must_use]
    pub fn view(&self, slot: Slot, now: Moment) -> Option<View> {
        let component = self.get(slot)?;
        Some(View::of(component, slot, now, |of| self.what_it_waits_for(of)))
    }

    /// When [`Fleet::tick`] is to be called next, if nothing else happens before.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Moment> {
        let gate = if self.stopping.is_none() {
            self.gate_deadline
        } else {
            None
        };
        let first = self.deadlines.first().map(|(at, _)| *at);
        match (first, gate) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        }
    }

    /// Whether it is ready when it or its checks say so, not when it is old enough.
    #[must_use]
    pub fn is_ready_when_told(&self, slot: Slot) -> bool {
        self.get(slot)
            .is_some_and(|component| component.policy.ready_after.is_none())
    }

    /// Whether everything is being stopped for good.
    #[must_use]
    pub fn is_shutting_down(&self) -> bool {
        self.shutting_down
    }

    /// Whether components are being stopped tier by tier, to stay down or to come back when all are. Who takes over then would
    /// not know who is still to be stopped.
    #[must_use]
    pub fn is_stopping_in_order(&self) -> bool {
        self.stopping.is_some()
    }

    /// Somebody asks for something.
    pub fn command(&mut self, stamp: Stamp, order: Order, effects: &mut Vec<Effect>) {
        let from = effects.len();
        let Order { ticket, who, command } = order;
        let refused = self.shutting_down
            && !matches!(
                command,
                Command::Stop(_) | Command::StopAll | Command::Shutdown | Command::Hurry
            );
        if refused {
            effects.extend(ticket.map(Effect::Refuse));
            return;
        }
        if let Some(ticket) = ticket {
            self.open_parts.insert(ticket, 0);
        }
        let mut turn = Turn {
            fleet: self,
            stamp,
            ticket,
            effects,
        };
        match command {
            Command::Boot(wishes, all_down) => turn.boot(wishes, all_down),
            Command::StartAll => turn.start_all(),
            Command::Start(slots) => turn.start(&slots, &who),
            Command::StopAll => {
                turn.remember_all(Some((who.clone(), stamp.wall_ms)));
                turn.stop_all(&who);
            }
            Command::Stop(slots) => turn.stop(&slots, &who),
            Command::RestartAll => turn.restart_all(),
            Command::Restart(slots) => turn.restart(&slots, &who),
            Command::Reload { changes, restart } => turn.reload(changes, restart, &who),
            Command::Shutdown => {
                turn.fleet.shutting_down = true;
                turn.stop_all(&who);
            }
            Command::Hurry if turn.fleet.shutting_down => turn.hurry(),
            Command::Hurry => {}
        }
        self.look_for_held = true;
        self.settle(stamp, effects, from, ticket);
        self.renewed.clear();
    }

    /// Something happened to a run.
    pub fn event(&mut self, stamp: Stamp, run: RunId, event: Event, effects: &mut Vec<Effect>) {
        let from = effects.len();
        self.with(stamp, run.slot, effects, |component, step| {
            component.event(step, run.run, event)
        });
        self.settle(stamp, effects, from, None);
    }

    /// Time has passed.
    pub fn tick(&mut self, stamp: Stamp, effects: &mut Vec<Effect>) {
        let from = effects.len();
        // Each component is woken at most once: its next deadline lies in the future.
        let due: Vec<Slot> = self
            .deadlines
            .iter()
            .take_while(|(at, _)| *at <= stamp.now)
            .map(|(_, slot)| *slot)
            .collect();
        for slot in due {
            self.with(stamp, slot, effects, |component, step| component.tick(step));
        }
        self.settle(stamp, effects, from, None);
    }

    // ---- what follows from every step -----------------------------------------------------------------------

    /// Opens what can be opened, stops what is next, and answers whose parts are all decided.
    fn settle(&mut self, stamp: Stamp, effects: &mut Vec<Effect>, from: usize, command: Option<Ticket>) {
        self.advance_stop(stamp, effects);
        self.open_tiers(stamp, effects);
        self.tell_held(stamp, effects);
        self.answer(effects, from, command);
        if self.shutting_down && self.stopping.is_none() && !self.halted {
            self.halted = true;
            let from = effects.len();
            for slot in self.slots().collect::<Vec<_>>() {
                self.with(stamp, slot, effects, |component, step| {
                    component.give_up_waiting(step)
                });
            }
            self.answer(effects, from, None);
            effects.push(Effect::Halt);
        }
    }

    /// Counts the parts decided since `from`; `command` is the ticket of the command that was just taken.
    fn answer(&mut self, effects: &mut Vec<Effect>, from: usize, command: Option<Ticket>) {
        let mut answered = Vec::new();
        for effect in &effects[from..] {
            let (Effect::Part { ticket, .. } | Effect::DependencyDown { ticket, .. }) = effect else {
                continue;
            };
            let Some(open) = self.open_parts.get_mut(ticket) else {
                continue;
            };
            *open = open.saturating_sub(1);
            if *open == 0 {
                answered.push(*ticket);
            }
        }
        // A command about nothing is done at once.
        let done = command.filter(|ticket| self.open_parts.get(ticket) == Some(&0));
        answered.extend(done.filter(|ticket| !answered.contains(ticket)));
        for ticket in answered {
            self.open_parts.remove(&ticket);
            effects.push(Effect::Reply(ticket));
        }
    }

    /// Lets one component take a step, and keeps the indexes true.
    fn with(
        &mut self,
        stamp: Stamp,
        slot: Slot,
        effects: &mut Vec<Effect>,
        act: impl FnOnce(&mut Component, &mut Step<'_>),
    ) {
        let mut begin = Vec::new();
        let Some(component) = self.components.get_mut(slot.index()).and_then(Option::as_mut) else {
            return;
        };
        let state_before = component.state();
        let deadline_before = component.deadline();
        let parked_before = component.parked;
        let could_before = component.lets_dependants_start();
        let health_before = component.health;
        let was_running = component.is_relied_on();
        let mut step = Step {
            slot,
            stamp,
            hurry: self.hurry,
            jitter: &mut self.jitter,
            effects,
            begin: &mut begin,
        };
        act(component, &mut step);
        self.begin(stamp, begin, effects);

        let Some(component) = self.components.get_mut(slot.index()).and_then(Option::as_mut) else {
            return;
        };
        let (state, deadline) = (component.state(), component.deadline());
        let tier = component.policy.tier;
        if deadline != deadline_before {
            deadline_before.map(|at| self.deadlines.remove(&(at, slot)));
            deadline.map(|at| self.deadlines.insert((at, slot)));
        }
        if component.parked != parked_before {
            if component.parked {
                self.parked.entry(tier).or_default().insert(slot);
            } else {
                self.unlist_parked(slot);
            }
        }
        let Some(component) = self.get(slot) else { return };
        let waits = matches!(component.life, Life::Waiting) && component.wants_run();
        let (can, gone) = (component.lets_dependants_start(), component.removed);
        let health = component.health;
        let lost = was_running && component.is_lost();
        if waits {
            self.look_for_held |= self.waiting.insert(slot);
        } else {
            self.waiting.remove(&slot);
        }
        self.look_for_held |= state == State::Fatal && state != state_before;
        if state != state_before {
            effects.push(Effect::Entered { slot, state });
        }
        if health != health_before {
            effects.push(Effect::Health { slot, health });
        }
        if lost {
            self.lose(stamp, slot, effects);
        }
        let forgotten = gone && state == State::Stopped;
        if forgotten {
            self.forget(slot);
            effects.push(Effect::Forget(slot));
        }
        // Whoever waited for it may begin, also where it is no longer there to be waited for.
        if forgotten || (can && !could_before) {
            let waiting: Vec<Slot> = self.waiting.iter().copied().collect();
            for slot in waiting {
                self.with(stamp, slot, effects, Component::unpark);
            }
        }
    }

    /// Creates the runs of those that nothing stands in the way of.
    fn begin(&mut self, stamp: Stamp, slots: Vec<Slot>, effects: &mut Vec<Effect>) {
        for slot in slots {
            let free = self.get(slot).is_some_and(|component| {
                component.wants_run()
                    && !self.before_boot
                    && matches!(component.life, Life::Waiting)
                    && self.missing_dependency(component).is_none()
            });
            let Some(component) = self.components.get_mut(slot.index()).and_then(Option::as_mut) else {
                continue;
            };
            if free {
                let mut none = Vec::new();
                let hurry = self.hurry;
                let mut step = Step {
                    slot,
                    stamp,
                    hurry,
                    jitter: &mut self.jitter,
                    effects,
                    begin: &mut none,
                };
                component.spawn(&mut step);
            }
        }
    }

    fn get(&self, slot: Slot) -> Option<&Component> {
        self.components.get(slot.index()).and_then(Option::as_ref)
    }

    fn iter(&self) -> impl Iterator<Item = (Slot, &Component)> {
        (0u32..)
            .map(Slot)
            .zip(&self.components)
            .filter_map(|(slot, component)| Some((slot, component.as_ref()?)))
    }

    fn unlist_parked(&mut self, slot: Slot) {
        self.parked.retain(|_, members| {
            members.remove(&slot);
            !members.is_empty()
        });
    }

    fn forget(&mut self, slot: Slot) {
        self.waiting.remove(&slot);
        self.unlist_parked(slot);
        if let Some(place) = self.components.get_mut(slot.index()) {
            *place = None;
        }
    }
}

/// One command being carried out.
struct Turn<'a> {
    fleet: &'a mut Fleet,
    stamp: Stamp,
    ticket: Option<Ticket>,
    effects: &'a mut Vec<Effect>,
}

mod boot;
mod order;
mod turn;
mod waits;

#[cfg(test)]
impl Fleet {
    /// The component at `slot`, for tests of the machine.
    pub(super) fn component(&self, slot: Slot) -> &Component {
        self.get(slot).unwrap()
    }

    /// Every armed timer of a component, as the index has it, for tests of the machine.
    pub(super) fn armed(&self) -> Vec<(Slot, Moment)> {
        self.deadlines.iter().map(|(at, slot)| (*slot, *at)).collect()
    }

    /// Tickets that aren't answered yet, for tests of the machine.
    pub(super) fn open_tickets(&self) -> Vec<Ticket> {
        self.open_parts.keys().copied().collect()
    }
}
