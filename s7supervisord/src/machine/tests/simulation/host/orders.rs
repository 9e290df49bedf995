//! What the pretended host does when the machine orders it: to create, to ask, to kill and to check.

use super::{Host, MINUTE, Process, Rest, Stage, Told};
use crate::machine::effect::Effect;
use crate::machine::input::{Event, RunId, Verdict};
use crate::machine::moment::Moment;
use crate::machine::tests::desk::{failure, killed_from_outside};
use s7proto::status::Exit;
use std::time::Duration;

impl Host {
    /// Carries out what the machine orders.
    pub fn perform(&mut self, effect: &Effect) {
        match effect {
            Effect::Spawn(run) => self.spawn(*run),
            Effect::Ask(run) => self.ask(*run),
            Effect::AskRest(run) => {
                let Some(process) = self.processes.get_mut(run) else {
                    return;
                };
                process.told_to_end = true;
                match process.rest {
                    Rest::Nothing => self.tell(Duration::from_millis(1), *run, Event::Emptied),
                    Rest::Polite => {
                        let after = self.dice.millis(1, 500);
                        self.tell(after, *run, Event::Emptied);
                    }
                    Rest::Deaf => {}
                }
            }
            Effect::Kill(run) => self.kill(*run),
            Effect::Check { run, number, .. } => self.check(*run, *number),
            _ => {}
        }
    }

    /// A check is always answered, sooner or later.
    fn check(&mut self, run: RunId, number: u64) {
        let after = self.dice.millis(1, 3000);
        let thrown = self.dice.between(0, 99);
        let Some(process) = self.processes.get_mut(&run) else {
            return;
        };
        process.checked = Some(number);
        let ill = process.ill_until > self.now;
        let verdict = match thrown {
            _ if self.calm => Verdict::Well,
            0..2 => Verdict::Unsure,
            2..4 => Verdict::TimedOut { late: MINUTE },
            4..8 => Verdict::Ill,
            _ if ill && thrown.is_multiple_of(2) => Verdict::Ill,
            _ if ill => Verdict::TimedOut { late: Duration::ZERO },
            _ => Verdict::Well,
        };
        let after = if self.calm {
            Duration::from_millis(5)
        } else {
            after
        };
        self.tell(after, run, Event::Checked { number, verdict });
    }

    fn spawn(&mut self, run: RunId) {
        let process = Process {
            stage: Stage::Creating,
            rest: Rest::Nothing,
            immortal_until: Moment::default(),
            told_to_end: false,
            killed: false,
            notifies: false,
            ill_until: Moment::default(),
            checked: None,
        };
        self.processes.insert(run, process);
        let quick = self.dice.millis(1, 20);
        let (after, event) = match self.dice.between(0, 999) {
            _ if self.calm => (quick, Event::Spawned { pid: 1 }),
            _ if self.now < self.storm_until => (quick, Event::SpawnFailed(failure(true))),
            0..15 => (quick, Event::SpawnFailed(failure(true))),
            15..40 => (quick, Event::SpawnFailed(failure(false))),
            // A program on a file system that hangs.
            40..55 => {
                let late = self.dice.span(Duration::from_secs(1), 3 * MINUTE);
                let failed = self.dice.chance(200);
                let event = if failed {
                    Event::SpawnFailed(failure(false))
                } else {
                    Event::Spawned { pid: 1 }
                };
                (late, event)
            }
            _ => (quick, Event::Spawned { pid: 1 }),
        };
        self.tell(after, run, event);
    }

    fn ask(&mut self, run: RunId) {
        if let Some(process) = self.processes.get_mut(&run) {
            process.told_to_end = true;
        }
        let quick = self.dice.millis(1, 200);
        match self.dice.between(0, 99) {
            _ if self.calm => self.tell(quick, run, Event::Exited(Exit::Code(0))),
            0..10 => {}
            10..13 => self.tell(Duration::from_millis(1), run, Event::CannotAsk),
            13..30 => {
                let slowly = self.dice.span(Duration::from_millis(500), 3 * MINUTE);
                self.tell(slowly, run, Event::Exited(Exit::Code(143)));
            }
            _ => {
                let exit = self.exit();
                self.tell(quick, run, Event::Exited(exit));
            }
        }
    }

    fn kill(&mut self, run: RunId) {
        let Some(process) = self.processes.get_mut(&run) else {
            return;
        };
        process.told_to_end = true;
        let event = match process.stage {
            Stage::Headless => Event::Emptied,
            _ => Event::Exited(killed_from_outside()),
        };
        let first = !std::mem::replace(&mut process.killed, true);
        let until = process.immortal_until;
        if !self.calm && self.dice.chance(100) {
            // Another process came to be while the others were killed, so this was in vain.
            self.tell(Duration::from_millis(2), run, Event::Survivors(1));
        } else if until > self.now {
            let left = 1 + u32::from(first);
            self.tell(Duration::from_millis(2), run, Event::Survivors(left));
            self.queue(until.since(self.now), Told::Truly(run, event));
        } else {
            let after = self.dice.millis(1, 20);
            self.tell(after, run, event);
        }
    }
}
