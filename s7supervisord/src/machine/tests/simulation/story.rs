//! One simulation: hours of virtual time in which everything goes wrong, and then a while in which nothing does.

use super::daemon::{Daemon, Input};
use super::dice::Dice;
use super::host::{Host, Told};
use super::judge::Judge;
use super::record::{Record, wall_ms};
use super::stack::Stack;
use super::trace::Trace;
use crate::driver::operations::Kind;
use crate::machine::effect::Effect;
use crate::machine::input::{Command, Event, NoteFrom, RunId, Slot, Stamp};
use crate::machine::moment::Moment;
use s7proto::name::ComponentName;
use s7proto::request::Selection;
use s7proto::status::{State, Wish};
use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

/// More steps than hours of crash loops of forty components come to.
const MOST_STEPS: usize = 2_000_000;

pub struct Story<'a> {
    dice: Dice,
    stack: Stack,
    host: Host,
    daemon: Daemon,
    judge: Judge,
    trace: &'a Trace,
    steps: usize,
    /// What the daemon notes for the next one.
    record: Record,
}

/// Plays the simulation of `seed`. Gives the number of steps that the machine took.
pub fn play(seed: u64, trace: &Trace) -> usize {
    let mut dice = Dice::new(seed);
    let stack = Stack::new(&mut dice);
    let host = Host::new(Dice::new(dice.next()));
    let daemon = Daemon::new(&stack.plan, dice.next());
    let mut story = Story {
        dice,
        stack,
        host,
        daemon,
        judge: Judge::default(),
        trace,
        steps: 0,
        record: Record::default(),
    };
    story.step(Input::Command(None, Command::Boot(Vec::new(), None)));
    for _ in 0..story.dice.between(5, 40) {
        let pause = story
            .dice
            .span(Duration::from_millis(1), Duration::from_secs(1200));
        story.pass(pause);
        story.act();
        if story.daemon.halted {
            story.next_daemon();
        }
    }
    story.converge();
    story.end();
    story.steps
}

fn stamp(now: Moment) -> Stamp {
    Stamp {
        now,
        wall_ms: wall_ms(now),
    }
}

impl Story<'_> {
    /// Somebody, or the world, does something.
    fn act(&mut self) {
        match self.dice.between(0, 99) {
            0..14 => self.by_name(Command::Start),
            14..30 => self.by_name(Command::Stop),
            30..44 => self.by_name(Command::Restart),
            44..48 => self.about_all(Command::StartAll),
            48..52 => self.about_all(Command::StopAll),
            52..56 => self.about_all(Command::RestartAll),
            56..70 => self.reload(),
            70..78 => self.murder(),
            78..84 => {
                let span = self.dice.span(Duration::from_secs(1), Duration::from_secs(600));
                self.trace.line(self.host.now, || {
                    format!("the host lacks everything for {span:?}")
                });
                self.host.storm(span);
            }
            84..89 => {
                let span = self.dice.span(Duration::from_secs(1), Duration::from_secs(7200));
                self.trace
                    .line(self.host.now, || format!("time leaps by {span:?}"));
                self.host.now = self.host.now + span;
            }
            89..91 => self.foreign(),
            91..97 => {
                self.kill_daemon();
                self.next_daemon();
            }
            _ => self.shut_down(),
        }
    }

    fn by_name(&mut self, command: impl FnOnce(Vec<Slot>) -> Command) {
        let mut names: Vec<ComponentName> = Vec::new();
        let known: Vec<Slot> = self.daemon.roster.order().to_vec();
        for _ in 0..self.dice.between(1, 4) {
            if !known.is_empty() {
                names.push(self.daemon.name(*self.dice.pick(&known)));
            }
        }
        if self.dice.chance(100) {
            names.push(ComponentName::parse(&format!("s{}", self.dice.between(0, 30))).unwrap());
        }
        let Ok(slots) = self.daemon.roster.resolve(&Selection::Named(names)) else {
            return;
        };
        let ticket = self.daemon.open(Kind::Plain, Some(&slots));
        self.step(Input::Command(Some(ticket), command(slots)));
    }

    fn about_all(&mut self, command: Command) {
        let ticket = self.daemon.open(Kind::Plain, None);
        self.step(Input::Command(Some(ticket), command));
    }

    fn reload(&mut self) {
        self.stack.edit(&mut self.dice);
        let restart = self.dice.chance(800);
        let (ticket, command) = self.daemon.renew(&self.stack.plan, restart);
        self.step(Input::Command(Some(ticket), command));
    }

    /// One process is killed, or all at once.
    fn murder(&mut self) {
        let runs: Vec<RunId> = self.host.processes.keys().copied().collect();
        if runs.is_empty() {
            return;
        }
        if self.dice.chance(200) {
            runs.into_iter().for_each(|run| self.host.murder(run));
        } else {
            self.host.murder(*self.dice.pick(&runs));
        }
    }

    /// An event of a run that is not there, of a component that may not be there either.
    fn foreign(&mut self) {
        let slot = Slot(self.dice.between(0, 50) as u32);
        let last = self.judge.last_run.get(&slot).copied().unwrap_or(0);
        let run = if self.dice.chance(500) {
            last + 1
        } else {
            last.wrapping_sub(1)
        };
        let event = match self.dice.between(0, 4) {
            0 => Event::Spawned { pid: 3 },
            1 => Event::Emptied,
            2 => Event::Matched,
            3 => Event::Noticed(NoteFrom::Ready),
            _ => Event::CannotAsk,
        };
        self.noise(RunId { slot, run }, event);
    }

    fn shut_down(&mut self) {
        let restarting = self.dice.chance(500);
        let kind = if restarting {
            Kind::Restarting
        } else {
            Kind::ShutDown
        };
        let ticket = self.daemon.open(kind, None);
        self.step(Input::Command(Some(ticket), Command::Shutdown));
        if self.dice.chance(300) && !self.daemon.halted {
            self.about_all(Command::StartAll);
        }
        if self.dice.chance(300) && !self.daemon.halted {
            let pause = self.dice.span(Duration::from_millis(1), Duration::from_secs(60));
            self.pass(pause);
            if !self.daemon.halted {
                self.step(Input::Command(None, Command::Hurry));
            }
        }
        // The judge has the bound of a stop; this is longer than any.
        self.pass(Duration::from_secs(3600));
        assert!(self.daemon.halted, "a shutdown ends");
    }

    /// The daemon is killed, now and then in the middle of something.
    fn kill_daemon(&mut self) {
        if self.dice.chance(500) {
            match self.dice.between(0, 5) {
                0 => self.by_name(Command::Start),
                1 => self.by_name(Command::Stop),
                2 => self.by_name(Command::Restart),
                3 => self.about_all(Command::StopAll),
                4 => self.reload(),
                _ => self.murder(),
            }
            let soon = self.dice.span(Duration::from_micros(100), Duration::from_secs(3));
            self.pass(soon);
        }
        self.trace
            .line(self.host.now, || "the daemon is killed".to_owned());
    }

    /// Another daemon begins, beside what the one before has left.
    fn next_daemon(&mut self) {
        loop {
            let names = self.take_over();
            // It looks at all processes of the machine before it boots.
            let look = self.dice.span(Duration::from_micros(10), Duration::from_secs(5));
            self.pass(look);
            if self.dice.chance(900) {
                let (remembered, all_down) = self.record.wishes(&names);
                self.step(Input::Command(None, Command::Boot(remembered, all_down)));
                return;
            }
            self.trace
                .line(self.host.now, || "and killed before it boots".to_owned());
        }
    }

    fn take_over(&mut self) -> HashMap<ComponentName, Slot> {
        let names: HashMap<ComponentName, Slot> = self
            .stack
            .plan
            .components
            .iter()
            .map(|one| one.id.clone())
            .zip((0..).map(Slot))
            .collect();
        let before = &self.daemon.roster;
        let slot_of = |slot| names.get(before.name(slot)?).copied();
        let gap = self.dice.span(Duration::from_millis(1), Duration::from_secs(120));
        self.judge.awake += gap;
        self.host.change_daemon(gap, slot_of);
        let left = self.record.read(&mut self.dice, &mut self.host, &names);
        let judge = std::mem::take(&mut self.judge);
        let plan = &self.stack.plan;
        let patience = |slot: Slot| plan.components[slot.index()].stop_timeout;
        self.judge = judge.next(self.host.now, slot_of, &left, patience);
        self.daemon = Daemon::new(plan, self.dice.next());
        for (slot, legacy) in left {
            self.trace
                .line(self.host.now, || format!("{slot:?} is taken over: {legacy:?}"));
            let mut effects = Vec::new();
            let fleet = &mut self.daemon.fleet;
            fleet.inherit(stamp(self.host.now), slot, legacy, &mut effects);
            self.carry_out(&Input::Tick, effects);
        }
        names
    }

    // ---- time

    /// Lets `span` pass, with everything that is due in it.
    fn pass(&mut self, span: Duration) {
        let end = self.host.now + span;
        while self.steps < MOST_STEPS {
            // The loop of the daemon comes to a timer a little late.
            let late = if self.dice.chance(900) {
                Duration::ZERO
            } else {
                self.dice.millis(1, 50)
            };
            let timer = self.daemon.fleet.next_deadline().map(|at| at + late);
            let due = timer.into_iter().chain(self.host.next()).min();
            let Some(due) = due.filter(|due| *due <= end && !self.daemon.halted) else {
                self.advance(end);
                return;
            };
            self.advance(due);
            let tick = timer.is_some_and(|timer| timer <= self.host.now);
            if tick && self.dice.chance(500) {
                self.step(Input::Tick);
            }
            match self.host.take_due() {
                Some(Told::Truly(run, event)) => self.step(Input::Event(run, event)),
                Some(Told::Again(run, event)) => self.noise(run, event),
                None if tick => self.step(Input::Tick),
                None => {}
            }
        }
        panic!("the machine is busy without end");
    }

    fn advance(&mut self, to: Moment) {
        self.judge.awake += to.since(self.host.now);
        self.host.now = to.max(self.host.now);
    }

    // ---- steps

    fn step(&mut self, input: Input) {
        if self.daemon.halted {
            return;
        }
        self.steps += 1;
        self.trace.line(self.host.now, || format!("{input:?}"));
        self.judge.before(&self.daemon, &self.host, &input);
        if let Input::Event(run, event @ (Event::Spawned { .. } | Event::SpawnFailed(_))) = &input {
            let is_there = matches!(event, Event::Spawned { .. });
            self.record.came(&self.daemon.name(run.slot), is_there);
        }
        let effects = self.daemon.feed(stamp(self.host.now), input.clone());
        self.carry_out(&input, effects);
    }

    fn carry_out(&mut self, input: &Input, effects: Vec<Effect>) {
        self.record.note(&self.daemon, self.host.now, &effects);
        for effect in effects {
            assert!(!self.daemon.halted, "{effect:?} after the halt");
            self.trace.line(self.host.now, || format!("    {effect:?}"));
            self.judge.effect(&self.daemon, &self.host, input, &effect);
            self.daemon.perform(&effect);
            self.host.perform(&effect);
            if let Effect::Spawn(run) = &effect {
                let plan = self.daemon.roster.plan(run.slot);
                let notifies = plan.is_some_and(|plan| plan.notify.is_some());
                self.host
                    .processes
                    .entry(*run)
                    .and_modify(|process| process.notifies = notifies);
            }
        }
        self.judge.after(&self.daemon, &self.host, input);
    }

    /// Something that the machine has to take no notice of.
    fn noise(&mut self, run: RunId, event: Event) {
        let due = self.daemon.fleet.next_deadline();
        if self.daemon.halted || due.is_some_and(|due| due <= self.host.now) {
            // A timer is late, and any step looks at the order of tiers.
            return;
        }
        self.trace
            .line(self.host.now, || format!("noise: {event:?} of {run:?}"));
        let before = format!("{:?}", self.daemon.fleet);
        let effects = self
            .daemon
            .feed(stamp(self.host.now), Input::Event(run, event.clone()));
        assert_eq!(effects, [], "{event:?} of {run:?} is noise");
        let after = format!("{:?}", self.daemon.fleet);
        assert_eq!(after, before, "{event:?} of {run:?} is noise");
    }

    // ---- the end

    /// From now on nothing goes wrong; what is wished comes true in its time, and then all is quiet.
    fn converge(&mut self) {
        self.trace.line(self.host.now, || "calm".to_owned());
        self.host.be_calm();
        let plans: Vec<_> = self
            .daemon
            .roster
            .order()
            .iter()
            .filter_map(|slot| self.daemon.roster.plan(*slot))
            .collect();
        let tiers: BTreeSet<i32> = plans.iter().map(|plan| plan.tier).collect();
        let patience = plans
            .iter()
            .map(|plan| plan.stop_timeout)
            .max()
            .unwrap_or_default();
        let delays: Duration = plans.iter().map(|plan| plan.start_delay).sum();
        let tiers = u32::try_from(tiers.len()).unwrap();
        // The next try of what is stuck, or of a crash loop; then the tiers down, each with its patience and three
        // attempts to kill; then up again, each waiting for the ones before; and chains of dependencies, one by one.
        let minute = Duration::from_secs(60);
        // Who was ill has to be well as often as it takes to be relied on, and those who wait for it one after the other.
        let well = minute * 2 * 3 * u32::try_from(plans.len()).unwrap();
        self.pass(minute * 2 + (patience + minute) * tiers + minute * tiers + delays + minute + well);
        let waiting: Vec<_> = self.daemon.waiting().collect();
        assert_eq!(waiting, [], "clients wait for ever");
        for slot in self.daemon.fleet.slots() {
            self.judge_rest(slot);
        }
        let known: BTreeSet<&ComponentName> = self.stack.plan.components.iter().map(|one| &one.id).collect();
        let left: BTreeSet<Slot> = self.daemon.fleet.slots().collect();
        let listed: BTreeSet<Slot> = self.daemon.roster.order().iter().copied().collect();
        assert_eq!(
            (left.len(), &left),
            (known.len(), &listed),
            "who exists is who is in the registry"
        );
        // What runs has been running for long enough to end its row.
        self.pass(minute + Duration::from_secs(1));
        let fleet = &self.daemon.fleet;
        let awaited = fleet
            .slots()
            .find_map(|slot| fleet.component(slot).life.deadline());
        assert_eq!(awaited, None, "there is nothing to wake up for but checks");
    }

    fn judge_rest(&self, slot: Slot) {
        let view = self.daemon.fleet.view(slot, self.host.now).expect("it exists");
        let plan = self.daemon.roster.plan(slot).expect("it has a plan");
        let there = self.host.of(slot).is_some();
        let holds_it_up = |on: &s7proto::name::ComponentName| {
            let on = self
                .daemon
                .roster
                .slot(on)
                .and_then(|on| self.daemon.fleet.view(on, self.host.now));
            on.is_some_and(|on| on.wish == Wish::Down || matches!(on.state, State::Fatal | State::Waiting))
        };
        let fits = match (view.wish, view.state) {
            (Wish::Up, State::Running) => there,
            (Wish::Up, State::Exited | State::Fatal) => !there && self.stack.may_stay_ended(&plan.id),
            (Wish::Up, State::Waiting) => !there && plan.depends_on.iter().any(|on| holds_it_up(&on.on)),
            (Wish::Down, State::Stopped) => !there,
            _ => false,
        };
        assert!(fits, "{} is at rest, and it is {view:?}", plan.id);
    }

    /// Everything stops, at its best.
    fn end(&mut self) {
        let ticket = self.daemon.open(Kind::ShutDown, None);
        self.step(Input::Command(Some(ticket), Command::Shutdown));
        self.pass(Duration::from_secs(120));
        assert!(self.daemon.halted, "a shutdown ends");
        assert!(
            self.host.processes.is_empty(),
            "something is left: {:?}",
            self.host.processes
        );
    }
}
