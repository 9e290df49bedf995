//! A pretend host: processes with manners, good and bad, and the events that come of them, each in its time.

use crate::machine::effect::Effect;
use crate::machine::input::{Event, NoteFrom, RunId, Slot, Verdict};
use crate::machine::moment::Moment;
use crate::machine::tests::desk::{failure, killed_from_outside};
use s7proto::status::Exit;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// How the processes of a component behave.
#[derive(Debug, Clone)]
pub struct Manners {
    pub birth: Birth,
    /// When it says that it is ready; `None` for never.
    pub ready_ms: Option<u64>,
    pub life: LifeSpan,
    pub when_asked: WhenAsked,
    /// Can't be killed, as in an uninterruptible wait.
    pub immortal: bool,
    pub orphans: Orphans,
    /// What its checks come to, one after the other and round again, and how long each takes.
    pub answers: Vec<(u64, Verdict)>,
    /// It gives the diagnosis of itself that it is asked for.
    pub dumps: bool,
    /// How far apart its signs of life are, where it owes some; `None` for none at all.
    pub signs_ms: Option<u64>,
}

#[derive(Debug, Clone)]
pub enum Birth {
    After(u64),
    HostFault,
    OwnFault,
}

#[derive(Debug, Clone)]
pub enum LifeSpan {
    Long,
    Exits { after_ms: u64, code: i32 },
    Hangs { after_ms: u64 },
}

#[derive(Debug, Clone)]
pub enum WhenAsked {
    Ends { after_ms: u64 },
    Deaf,
    CannotBeAsked,
}

/// What is left of the tree when the first process has ended.
#[derive(Debug, Clone)]
pub enum Orphans {
    None,
    Polite,
    Deaf,
}

impl Manners {
    pub fn good() -> Self {
        Self {
            birth: Birth::After(3),
            ready_ms: Some(20),
            life: LifeSpan::Long,
            when_asked: WhenAsked::Ends { after_ms: 10 },
            immortal: false,
            orphans: Orphans::None,
            answers: Vec::new(),
            dumps: true,
            signs_ms: Some(1500),
        }
    }
}

/// A run as the host knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Process {
    Creating,
    Alive,
    /// The first process has ended; others may live.
    Headless,
}

struct Run {
    id: RunId,
    process: Process,
    manners: Manners,
    /// Killed in vain: it dies as soon as it can.
    doomed: bool,
}

#[derive(Default)]
pub struct World {
    pub now: Moment,
    runs: BTreeMap<Slot, Run>,
    manners: BTreeMap<Slot, Manners>,
    /// Who owes signs of life.
    watched: BTreeSet<Slot>,
    coming: BTreeMap<(Moment, u64), (RunId, Event)>,
    number: u64,
}

impl World {
    pub fn behave(&mut self, slot: Slot, manners: Manners) {
        self.manners.insert(slot, manners);
    }

    /// The runs of `slot` owe signs of life.
    pub fn watch(&mut self, slot: Slot) {
        self.watched.insert(slot);
    }

    /// From now on everything behaves, also what lives already; what was killed in vain dies now.
    pub fn heal(&mut self) {
        self.manners.clear();
        self.coming.retain(|_, (_, event)| {
            !matches!(
                event,
                Event::SpawnFailed(_)
                    | Event::Matched
                    | Event::TooMuchMemory
                    | Event::Noticed(NoteFrom::Alive | NoteFrom::Trouble)
            )
        });
        let mut told = Vec::new();
        for run in self.runs.values_mut() {
            run.manners = Manners::good();
            match run.process {
                Process::Creating => told.push((run.id, Event::Spawned { pid: 1 })),
                Process::Alive if run.doomed => told.push((run.id, Event::Exited(killed_from_outside()))),
                // What has not said that it is ready says so now.
                Process::Alive => {
                    told.push((run.id, Event::Noticed(NoteFrom::Ready)));
                    if self.watched.contains(&run.id.slot) {
                        told.push((run.id, Event::Noticed(NoteFrom::Alive)));
                    }
                }
                Process::Headless => {}
            }
        }
        for (id, event) in told {
            self.schedule(1, id, event);
        }
    }

    pub fn process(&self, slot: Slot) -> Option<Process> {
        self.runs.get(&slot).map(|run| run.process)
    }

    pub fn next(&self) -> Option<Moment> {
        self.coming.first_key_value().map(|((at, _), _)| *at)
    }

    /// Whether anything is still bound to happen to the present run of `slot`.
    pub fn will_tell(&self, slot: Slot) -> bool {
        self.coming.values().any(|(run, _)| run.slot == slot)
    }

    /// Something from outside befalls the first process of `slot`, if one is alive.
    pub fn befall(&mut self, slot: Slot, event: Event) {
        if let Some(run) = self.runs.get(&slot).filter(|run| run.process == Process::Alive) {
            let id = run.id;
            self.schedule(0, id, event);
        }
    }

    /// The next event that is due, if it still fits what is.
    pub fn take_due(&mut self) -> Option<(RunId, Event)> {
        loop {
            let entry = self
                .coming
                .first_entry()
                .filter(|entry| entry.key().0 <= self.now)?;
            let (id, event) = entry.remove();
            let Some(run) = self.runs.get_mut(&id.slot).filter(|run| run.id == id) else {
                continue;
            };
            let fits = match (&event, run.process) {
                (Event::Spawned { .. }, Process::Creating) => {
                    run.process = Process::Alive;
                    let manners = run.manners.clone();
                    self.begin_life(id, &manners);
                    true
                }
                (Event::SpawnFailed(_), Process::Creating) => {
                    self.runs.remove(&id.slot);
                    true
                }
                (Event::Exited(_), Process::Alive) => {
                    run.process = Process::Headless;
                    true
                }
                (Event::Emptied, Process::Headless) => {
                    self.runs.remove(&id.slot);
                    true
                }
                (Event::Survivors(_), _) => true,
                (Event::Noticed(NoteFrom::Alive), Process::Alive) => {
                    // One sign is followed by the next.
                    if let Some(after) = run.manners.signs_ms {
                        self.schedule(after, id, Event::Noticed(NoteFrom::Alive));
                    }
                    true
                }
                (
                    Event::Noticed(_)
                    | Event::Matched
                    | Event::TooMuchMemory
                    | Event::Diagnosed
                    | Event::CannotAsk
                    | Event::Checked { .. },
                    Process::Alive,
                ) => true,
                _ => false,
            };
            if fits {
                return Some((id, event));
            }
        }
    }

    fn begin_life(&mut self, id: RunId, manners: &Manners) {
        if let Some(after) = manners.ready_ms {
            self.schedule(after, id, Event::Noticed(NoteFrom::Ready));
        }
        if let Some(after) = manners.signs_ms.filter(|_| self.watched.contains(&id.slot)) {
            self.schedule(after, id, Event::Noticed(NoteFrom::Alive));
        }
        match manners.life {
            LifeSpan::Long => {}
            LifeSpan::Exits { after_ms, code } => {
                self.schedule(after_ms, id, Event::Exited(Exit::Code(code)))
            }
            LifeSpan::Hangs { after_ms } => self.schedule(after_ms, id, Event::Matched),
        }
    }

    /// Carries out what the machine orders.
    pub fn perform(&mut self, effect: &Effect) {
        match effect {
            Effect::Spawn(id) => {
                let manners = self.manners.get(&id.slot).cloned().unwrap_or_else(Manners::good);
                match manners.birth {
                    Birth::After(ms) => self.schedule(ms, *id, Event::Spawned { pid: 1 }),
                    Birth::HostFault => self.schedule(1, *id, Event::SpawnFailed(failure(true))),
                    Birth::OwnFault => self.schedule(1, *id, Event::SpawnFailed(failure(false))),
                }
                let run = Run {
                    id: *id,
                    process: Process::Creating,
                    manners,
                    doomed: false,
                };
                self.runs.insert(id.slot, run);
            }
            Effect::Ask(id) => match self.of(*id) {
                Some((Process::Alive, manners)) => match manners.when_asked {
                    WhenAsked::Ends { after_ms } => {
                        self.schedule(after_ms, *id, Event::Exited(Exit::Code(0)))
                    }
                    WhenAsked::CannotBeAsked => self.schedule(1, *id, Event::CannotAsk),
                    WhenAsked::Deaf => {}
                },
                _ => panic!("{id:?} is asked, and there is nobody to ask"),
            },
            Effect::AskRest(id) => match self.of(*id) {
                Some((Process::Headless, manners)) => match manners.orphans {
                    Orphans::None => self.schedule(1, *id, Event::Emptied),
                    Orphans::Polite => self.schedule(200, *id, Event::Emptied),
                    Orphans::Deaf => {}
                },
                _ => panic!("the rest of {id:?} is asked, and its first process lives"),
            },
            Effect::Check { run, number, .. } => {
                let (_, manners) = self.of(*run).expect("what is checked is there");
                // The acting side always answers.
                let place = usize::try_from(*number).unwrap() % manners.answers.len().max(1);
                let (after, verdict) = manners.answers.get(place).copied().unwrap_or((1, Verdict::Well));
                let number = *number;
                self.schedule(after, *run, Event::Checked { number, verdict });
            }
            Effect::Diagnose { run: id, .. } if self.of(*id).is_some_and(|(_, manners)| manners.dumps) => {
                self.schedule(50, *id, Event::Diagnosed);
            }
            Effect::Kill(id) => match self.of(*id) {
                Some((_, manners)) if manners.immortal => {
                    if let Some(run) = self.runs.get_mut(&id.slot) {
                        run.doomed = true;
                    }
                    self.schedule(2, *id, Event::Survivors(1));
                }
                Some((Process::Alive, _)) => self.schedule(2, *id, Event::Exited(killed_from_outside())),
                Some((Process::Headless, _)) => self.schedule(2, *id, Event::Emptied),
                _ => panic!("{id:?} is killed, and there is no process"),
            },
            _ => {}
        }
    }

    fn of(&self, id: RunId) -> Option<(Process, Manners)> {
        let run = self.runs.get(&id.slot).filter(|run| run.id == id)?;
        Some((run.process, run.manners.clone()))
    }

    fn schedule(&mut self, after_ms: u64, id: RunId, event: Event) {
        self.number += 1;
        let at = self.now + Duration::from_millis(after_ms);
        self.coming.insert((at, self.number), (id, event));
    }
}
