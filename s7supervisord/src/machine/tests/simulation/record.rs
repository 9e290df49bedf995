//! What a daemon notes for the next one, in the way of the driver and its journal: the start of a run by the run itself, ends and
//! asking a little later, by somebody who may die before.

use super::daemon::Daemon;
use super::dice::Dice;
use super::host::{Host, Stage};
use crate::machine::effect::Effect;
use crate::machine::input::{Fate, Legacy, Remembered, RunId, Slot};
use crate::machine::moment::Moment;
use s7proto::name::ComponentName;
use s7proto::status::{Actor, ExitReport, State, Wish};
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::time::Duration;

/// How long a note may take to the disk.
const LATE: Duration = Duration::from_millis(5);

/// Starts that followed a crash, crashes in a row, and how the run before has ended.
type Tally = (u64, u32, Option<ExitReport>);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stays {
    Exited,
    Fatal,
}

#[derive(Debug, Clone)]
struct Known {
    run: u64,
    started: Moment,
    /// Its end isn't noted.
    open: bool,
    asked: Option<Moment>,
    /// It was ready, as it or its checks have told.
    ready: bool,
    tally: Tally,
    stays: Option<Stays>,
}

#[derive(Debug)]
enum Note {
    End(u64, Tally, Option<Stays>),
    Asked(u64, Moment),
    Ready(u64),
}

/// The record.
#[derive(Default)]
pub struct Record {
    known: BTreeMap<ComponentName, Known>,
    /// Runs that were ordered; the line of their start is there once they are.
    coming: BTreeMap<ComponentName, (u64, Moment, Tally)>,
    notes: VecDeque<(Moment, ComponentName, Note)>,
    wishes: BTreeMap<ComponentName, (Wish, i64)>,
    all_down: Option<i64>,
}

impl Record {
    /// What one step of the machine leads to.
    pub fn note(&mut self, daemon: &Daemon, now: Moment, effects: &[Effect]) {
        self.flush(now);
        let tally = |slot| daemon.fleet.tally(slot).unwrap_or_default();
        for effect in effects {
            if let Effect::Spawn(run) = effect {
                let coming = (run.run, now, tally(run.slot));
                self.coming.insert(daemon.name(run.slot), coming);
            }
        }
        let at_ms = wall_ms(now);
        for effect in effects {
            match effect {
                Effect::Entered {
                    slot,
                    state: State::Running,
                } if daemon.fleet.is_ready_when_told(*slot) => {
                    let run = daemon.fleet.view(*slot, now).map_or(0, |view| view.run);
                    self.notes.push_back((now, daemon.name(*slot), Note::Ready(run)));
                }
                Effect::Ask(run) => {
                    let asked = Note::Asked(run.run, now);
                    self.notes.push_back((now, daemon.name(run.slot), asked));
                }
                Effect::Ended { run, .. } => {
                    let name = daemon.name(run.slot);
                    // The start of the next one says it as well.
                    if !self.coming.contains_key(&name) {
                        let state = daemon.fleet.view(run.slot, now).map(|view| view.state);
                        let stays = match state {
                            Some(State::Exited) => Some(Stays::Exited),
                            Some(State::Fatal) => Some(Stays::Fatal),
                            _ => None,
                        };
                        let end = Note::End(run.run, tally(run.slot), stays);
                        self.notes.push_back((now, name, end));
                    }
                }
                Effect::Remember(Remembered { slot, wish, .. }) => {
                    self.wishes.insert(daemon.name(*slot), (*wish, at_ms));
                }
                Effect::Unremember(slot) => drop(self.wishes.remove(&daemon.name(*slot))),
                Effect::RememberAll(down) => self.all_down = down.as_ref().map(|(_, at_ms)| *at_ms),
                // An end in order: the next daemon starts what starts by itself, and whatever couldn't be ended is there still.
                Effect::Halt => {
                    self.flush(now + LATE);
                    self.known.retain(|_, known| known.open);
                    self.all_down = None;
                }
                _ => {}
            }
        }
    }

    /// A run was created, or could not be.
    pub fn came(&mut self, name: &ComponentName, is_there: bool) {
        let Some((run, started, tally)) = self.coming.remove(name) else {
            return;
        };
        let known = Known {
            run,
            started,
            open: is_there,
            asked: None,
            ready: false,
            tally,
            stays: None,
        };
        self.known.insert(name.clone(), known);
    }

    fn flush(&mut self, now: Moment) {
        while let Some((_, name, note)) = self.notes.pop_front_if(|(at, ..)| *at + LATE <= now) {
            self.write(&name, note);
        }
    }

    fn write(&mut self, name: &ComponentName, note: Note) {
        let Some(known) = self.known.get_mut(name) else {
            return;
        };
        match note {
            Note::End(run, tally, stays) if run >= known.run => {
                (known.open, known.asked) = (false, None);
                (known.tally, known.stays) = (tally, stays);
            }
            Note::Ready(run) if run == known.run && known.open => known.ready = true,
            Note::Asked(run, at) if run == known.run && known.open => known.asked = Some(at),
            _ => {}
        }
    }

    /// The daemon was killed; some of what it has said last is lost. What the next one, which has these names, is told of each run.
    pub fn read(
        &mut self,
        dice: &mut Dice,
        host: &mut Host,
        names: &HashMap<ComponentName, Slot>,
    ) -> Vec<(Slot, Legacy)> {
        self.flush(host.now);
        let kept = dice.between(0, self.notes.len() as u64) as usize;
        let kept: Vec<_> = self.notes.drain(..).take(kept).collect();
        for (_, name, note) in kept {
            self.write(&name, note);
        }
        for name in self.coming.keys().cloned().collect::<Vec<_>>() {
            let run = self.coming[&name].0;
            let is_there = names.get(&name).and_then(|slot| host.of(*slot));
            if is_there.is_some_and(|(of, _)| of.run == run) {
                self.came(&name, true);
            }
        }
        self.coming.clear();
        self.known.retain(|name, _| names.contains_key(name));
        self.wishes.retain(|name, _| names.contains_key(name));
        let mut all = Vec::new();
        for (name, known) in &self.known {
            let slot = names[name];
            let run = RunId { slot, run: known.run };
            let fate = if known.open {
                if host.stage_or_leftover(run) == Stage::Alive {
                    let asked = known.asked;
                    Fate::Lives { pid: 4, asked }
                } else {
                    Fate::Unseen {
                        pid: 4,
                        asked: known.asked.is_some(),
                    }
                }
            } else {
                match known.stays {
                    Some(Stays::Exited) => Fate::Exited,
                    Some(Stays::Fatal) => Fate::Fatal,
                    None => Fate::Over,
                }
            };
            let (restarts, crashes, last_exit) = known.tally.clone();
            let legacy = Legacy {
                run: known.run,
                restarts,
                crashes,
                last_exit,
                started: known.started,
                marked: false,
                ready: known.ready,
                missed: true,
                told: None,
                until: None,
                fate,
            };
            all.push((slot, legacy));
        }
        all
    }

    /// What people have wished, for the boot.
    pub fn wishes(&self, names: &HashMap<ComponentName, Slot>) -> (Vec<Remembered>, Option<(Actor, i64)>) {
        let remembered = self.wishes.iter().map(|(name, (wish, at_ms))| Remembered {
            slot: names[name],
            wish: *wish,
            who: Actor::Uid(0),
            at_ms: *at_ms,
            overruled: self.all_down.is_some_and(|since| *at_ms < since),
        });
        (remembered.collect(), self.all_down.map(|at| (Actor::Uid(0), at)))
    }
}

/// The wall clock of the simulation.
pub fn wall_ms(now: Moment) -> i64 {
    i64::try_from(now.as_micros() / 1000).unwrap()
}
