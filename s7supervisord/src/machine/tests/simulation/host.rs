//! A pretended host on a virtual clock: processes are born late or not at all, die when they like, obey or don't, leave
//! others behind, can't be killed for a while; and what is told of them is told twice now and then, or long after.

use super::dice::Dice;
use crate::machine::input::{Event, NoteFrom, RunId, Slot, Verdict};
use crate::machine::moment::Moment;
use crate::machine::tests::desk::killed_from_outside;
use s7proto::status::Exit;
use std::collections::BTreeMap;
use std::time::Duration;

mod orders;

const MINUTE: Duration = Duration::from_secs(60);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    Creating,
    Alive,
    /// The first process has ended; others may live.
    Headless,
}

/// What is left of a tree without its first process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Rest {
    Nothing,
    Polite,
    Deaf,
}

/// What the system has of one run.
#[derive(Debug, Clone)]
pub struct Process {
    pub stage: Stage,
    rest: Rest,
    /// Nothing kills it before that.
    immortal_until: Moment,
    /// It was asked or killed.
    told_to_end: bool,
    killed: bool,
    /// It tells by itself that it is ready.
    pub notifies: bool,
    /// It answers no check well before that.
    ill_until: Moment,
    /// The check that has not been answered.
    checked: Option<u64>,
}

/// What happens: truly, or told once more although it is over.
#[derive(Debug)]
pub enum Told {
    Truly(RunId, Event),
    Again(RunId, Event),
}

pub struct Host {
    pub now: Moment,
    dice: Dice,
    /// Nothing goes wrong any more.
    calm: bool,
    /// No process can be created before that.
    storm_until: Moment,
    /// Components whose every run dies at once, until then.
    sick: BTreeMap<Slot, Moment>,
    pub processes: BTreeMap<RunId, Process>,
    coming: BTreeMap<(Moment, u64), Told>,
    number: u64,
}

impl Host {
    pub fn new(dice: Dice) -> Self {
        Self {
            now: Moment::from_micros(1),
            dice,
            calm: false,
            storm_until: Moment::default(),
            sick: BTreeMap::new(),
            processes: BTreeMap::new(),
            coming: BTreeMap::new(),
            number: 0,
        }
    }

    /// The process of a component, if there is one.
    pub fn of(&self, slot: Slot) -> Option<(RunId, &Process)> {
        let first = RunId { slot, run: 0 };
        let last = RunId { slot, run: u64::MAX };
        self.processes
            .range(first..=last)
            .next()
            .map(|(run, process)| (*run, process))
    }

    /// The machine has no more processes, memory or descriptors for a while.
    pub fn storm(&mut self, span: Duration) {
        self.storm_until = self.now + span;
    }

    /// Kills the first process of a run from outside.
    pub fn murder(&mut self, run: RunId) {
        self.tell(Duration::ZERO, run, Event::Exited(killed_from_outside()));
    }

    /// From now on everything goes well, also for what has gone wrong already.
    pub fn be_calm(&mut self) {
        self.calm = true;
        self.storm_until = Moment::default();
        self.coming.clear();
        let soon = Duration::from_millis(10);
        let runs: Vec<RunId> = self.processes.keys().copied().collect();
        for run in runs {
            let Some(process) = self.processes.get_mut(&run) else {
                continue;
            };
            process.immortal_until = Moment::default();
            process.rest = Rest::Nothing;
            let event = match process.stage {
                Stage::Creating => Event::Spawned { pid: 2 },
                Stage::Alive if process.told_to_end => Event::Exited(killed_from_outside()),
                Stage::Headless => Event::Emptied,
                Stage::Alive => {
                    // What it was still to say it says now.
                    process.ill_until = Moment::default();
                    let (checked, notifies) = (process.checked.take(), process.notifies);
                    let verdict = Verdict::Well;
                    let answer = checked.map(|number| Event::Checked { number, verdict });
                    let ready = notifies.then_some(Event::Noticed(NoteFrom::Ready));
                    answer
                        .into_iter()
                        .chain(ready)
                        .for_each(|event| self.tell(soon, run, event));
                    continue;
                }
            };
            self.tell(soon, run, event);
        }
    }

    /// The daemon is gone, and after `gap` another comes, which calls components by other slots: what it will hear of is what
    /// happens from then on. What happens meanwhile nobody sees.
    pub fn change_daemon(&mut self, gap: Duration, slot_of: impl Fn(Slot) -> Option<Slot>) {
        self.now = self.now + gap;
        self.coming.clear();
        let sick = std::mem::take(&mut self.sick);
        self.sick = sick
            .into_iter()
            .filter_map(|(slot, until)| Some((slot_of(slot)?, until)))
            .collect();
        let before = std::mem::take(&mut self.processes);
        for (run, mut process) in before {
            // A component that the registry no longer has is ended by the system's own means, which is another story.
            let Some(slot) = slot_of(run.slot) else { continue };
            let run = RunId { slot, run: run.run };
            // The daemon died before or after it was created, and what was created has its record.
            let is_there = process.stage != Stage::Creating || self.dice.chance(500);
            if !is_there {
                continue;
            }
            if process.stage == Stage::Creating {
                process.stage = Stage::Alive;
            }
            process.checked = None;
            let told = process.told_to_end;
            self.processes.insert(run, process.clone());
            if process.stage == Stage::Headless {
                continue;
            }
            let dies = if told { 600 } else { 80 };
            if self.dice.chance(dies) {
                self.happens(run, &Event::Exited(Exit::Unknown));
            } else if told {
                let after = self.dice.span(Duration::from_millis(1), 3 * MINUTE);
                self.tell(after, run, Event::Exited(Exit::Code(0)));
            } else {
                self.live(run);
            }
        }
    }

    /// How far a run has come of which the record says that it began; where nothing is left of it, that is to be found out.
    pub fn stage_or_leftover(&mut self, run: RunId) -> Stage {
        let gone = Process {
            stage: Stage::Headless,
            rest: Rest::Nothing,
            immortal_until: Moment::default(),
            told_to_end: true,
            killed: false,
            notifies: false,
            ill_until: Moment::default(),
            checked: None,
        };
        self.processes.entry(run).or_insert(gone).stage
    }

    pub fn next(&self) -> Option<Moment> {
        self.coming.first_key_value().map(|((at, _), _)| *at)
    }

    /// The next thing that is due, and that can happen.
    pub fn take_due(&mut self) -> Option<Told> {
        loop {
            let entry = self
                .coming
                .first_entry()
                .filter(|entry| entry.key().0 <= self.now)?;
            let (run, event) = match entry.remove() {
                Told::Again(run, event) => return Some(Told::Again(run, event)),
                Told::Truly(run, event) => (run, event),
            };
            if self.happens(run, &event) {
                let once_more = matches!(
                    event,
                    Event::Spawned { .. } | Event::SpawnFailed(_) | Event::Exited(_) | Event::Emptied
                );
                if once_more && self.dice.chance(20) {
                    let later = self.dice.span(Duration::from_millis(1), 10 * MINUTE);
                    self.queue(later, Told::Again(run, event.clone()));
                }
                return Some(Told::Truly(run, event));
            }
        }
    }

    /// Whether `event` fits what is; if so, it is so from now on.
    fn happens(&mut self, run: RunId, event: &Event) -> bool {
        let Some(process) = self.processes.get_mut(&run) else {
            return false;
        };
        match (event, process.stage) {
            (Event::Spawned { .. }, Stage::Creating) => {
                process.stage = Stage::Alive;
                self.live(run);
            }
            (Event::Exited(_), Stage::Alive) => {
                process.stage = Stage::Headless;
                self.leave(run);
            }
            (Event::SpawnFailed(_), Stage::Creating) | (Event::Emptied, Stage::Headless) => {
                self.processes.remove(&run);
            }
            (
                Event::Noticed(_)
                | Event::Matched
                | Event::TooMuchMemory
                | Event::Checked { .. }
                | Event::CannotAsk,
                Stage::Alive,
            ) => {}
            (Event::Survivors(_), _) => {}
            _ => return false,
        }
        true
    }

    /// What becomes of a process that lives.
    fn live(&mut self, run: RunId) {
        let notifies = self.processes.get(&run).is_some_and(|process| process.notifies);
        if notifies {
            let after = if self.calm {
                Duration::from_millis(10)
            } else {
                self.dice.span(Duration::from_millis(1), 2 * MINUTE)
            };
            self.tell(after, run, Event::Noticed(NoteFrom::Ready));
        }
        if self.calm {
            return;
        }
        if self.dice.chance(60) {
            let until = self.now + self.dice.span(Duration::from_secs(1), 30 * MINUTE);
            if let Some(process) = self.processes.get_mut(&run) {
                process.ill_until = until;
            }
        }
        if self.dice.chance(30) {
            let after = self.dice.span(Duration::from_millis(1), 60 * MINUTE);
            self.tell(after, run, Event::TooMuchMemory);
        }
        if self.dice.chance(30) {
            let until = self.now + self.dice.span(Duration::from_secs(1), 60 * MINUTE);
            self.sick.insert(run.slot, until);
        }
        if self.sick.get(&run.slot).is_some_and(|until| *until > self.now) {
            let after = self.dice.millis(0, 900);
            let exit = self.exit();
            self.tell(after, run, Event::Exited(exit));
        } else if self.dice.chance(350) {
            let after = self.dice.span(Duration::from_millis(1), 120 * MINUTE);
            let exit = self.exit();
            self.tell(after, run, Event::Exited(exit));
        }
        if self.dice.chance(40) {
            let after = self.dice.span(Duration::from_millis(1), 30 * MINUTE);
            self.tell(after, run, Event::Matched);
        }
        if self.dice.chance(50) {
            let after = self.dice.span(Duration::from_millis(1), MINUTE);
            self.tell(after, run, Event::Noticed(NoteFrom::Ready));
        }
        if self.dice.chance(50) {
            let after = self.dice.span(Duration::from_millis(1), MINUTE);
            let healthy = self.dice.chance(500);
            self.tell(
                after,
                run,
                Event::Checked {
                    number: 0,
                    verdict: if healthy { Verdict::Well } else { Verdict::Ill },
                },
            );
        }
        self.harden(run, 15);
    }

    /// What the first process leaves behind.
    fn leave(&mut self, run: RunId) {
        let rest = match self.dice.between(0, 9) {
            _ if self.calm => Rest::Nothing,
            0 => Rest::Deaf,
            1 | 2 => Rest::Polite,
            _ => Rest::Nothing,
        };
        if let Some(process) = self.processes.get_mut(&run) {
            process.rest = rest;
        }
        if rest != Rest::Nothing {
            self.harden(run, 100);
        }
    }

    /// Makes it one that can't be killed for some time, so often in a thousand.
    fn harden(&mut self, run: RunId, in_a_thousand: u64) {
        if !self.calm && self.dice.chance(in_a_thousand) {
            let until = self.now + self.dice.span(Duration::from_secs(1), 20 * MINUTE);
            if let Some(process) = self.processes.get_mut(&run) {
                process.immortal_until = until;
            }
        }
    }

    fn exit(&mut self) -> Exit {
        match self.dice.between(0, 4) {
            0 | 1 => Exit::Code(0),
            2 => Exit::Code(1),
            3 => Exit::Unknown,
            _ => killed_from_outside(),
        }
    }

    fn tell(&mut self, after: Duration, run: RunId, event: Event) {
        self.queue(after, Told::Truly(run, event));
    }

    fn queue(&mut self, after: Duration, told: Told) {
        self.number += 1;
        self.coming.insert((self.now + after, self.number), told);
    }
}
