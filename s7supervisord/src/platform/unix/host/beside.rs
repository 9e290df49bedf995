//! Commands beside runs, from the order to the last of their processes.

use super::Host;
use crate::machine::input::RunId;
use crate::platform::os::beside::{Began, Beside, Errand, Reporter};
use crate::platform::os::cgroup::Tree;
use crate::platform::os::command_mark::{CommandMark, Kind, Present};
use crate::platform::os::order::{Made, Order};
use crate::platform::os::sweeper::Job;
use crate::platform::os::words::exit_of;
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions};
use s7proto::status::{Exit, SpawnFailure};
use std::collections::HashMap;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;

/// Those that were ordered and aren't gone yet, by their numbers in the watch.
pub(super) struct Errands {
    held: HashMap<u64, Held>,
    present: Present,
}

impl Errands {
    /// None yet; the sweeper knows by `present` which are there.
    pub fn new(present: Present) -> Self {
        Self {
            held: HashMap::new(),
            present,
        }
    }

    fn insert(&mut self, number: u64, held: Held) {
        self.present.begins(number);
        self.held.insert(number, held);
    }

    fn remove(&mut self, number: u64) {
        self.held.remove(&number);
        self.present.is_over(number);
    }
}

struct Held {
    run: RunId,
    ends_with_run: bool,
    reporter: Reporter,
    /// Nobody waits for it any more: it is to end, or is gone for all that anybody cares.
    given_up: bool,
    /// A thread is killing its tree, by its number: it must not be reaped meanwhile.
    being_killed: bool,
    process: Option<Process>,
}

struct Process {
    pid: u32,
    pidfd: OwnedFd,
    cgroup: Option<Tree>,
    ended: bool,
}

impl Host {
    /// Orders a command beside a run. `None` as long as the one before, of the same component and purpose, isn't gone.
    pub fn beside(&mut self, errand: Errand) -> Option<Beside> {
        let Errand {
            run,
            ends_with_run,
            mut plan,
        } = errand;
        let is_same = |held: &Held| held.run.slot == run.slot && held.ends_with_run == ends_with_run;
        if self.errands.held.values().any(is_same) {
            return None;
        }
        let number = self.next_key;
        self.next_key += 1;
        let (beside, reporter) = Beside::new(number, self.tell.clone());
        let held = Held {
            run,
            ends_with_run,
            reporter,
            given_up: false,
            being_killed: false,
            process: None,
        };
        self.errands.insert(number, held);
        let kind = if ends_with_run { Kind::Check } else { Kind::Failure };
        CommandMark { kind, number }.put_on(Arc::make_mut(&mut plan));
        // It lies in the run's own cgroup: so it is of the run for whoever looks, and the kernel ends it with the run.
        let process = self.runs.get(&run).filter(|_| ends_with_run);
        let cgroup = process.and_then(|process| process.cgroup.clone());
        self.spawner.submit(Order::Errand {
            number,
            run,
            plan,
            cgroup,
        });
        Some(beside)
    }

    /// The least number of a command of this daemon: those of earlier ones are below it.
    #[must_use]
    pub fn first_command(&self) -> u64 {
        self.first_key
    }

    /// Whether none is there.
    #[must_use]
    pub fn has_no_errands(&self) -> bool {
        self.errands.held.is_empty()
    }

    /// Ends all of them.
    pub fn end_errands(&mut self) {
        self.end_those(|_| true);
    }

    /// The run is being stopped or is over: so are its checks.
    pub(super) fn end_errands_of(&mut self, run: RunId) {
        self.end_those(|held| held.ends_with_run && held.run == run);
    }

    fn end_those(&mut self, which: impl Fn(&Held) -> bool) {
        let numbers = self.errands.held.iter().filter(|(_, held)| which(held));
        let numbers: Vec<u64> = numbers.map(|(number, _)| *number).collect();
        for number in numbers {
            self.give_up(number);
        }
    }

    /// Nobody waits for it any more.
    pub(super) fn give_up(&mut self, number: u64) {
        let Some(held) = self.errands.held.get_mut(&number) else {
            return;
        };
        held.given_up = true;
        held.reporter = Reporter {
            began: None,
            ended: None,
        };
        self.kill_errand(number);
    }

    /// Kills its tree on a thread, unless that is being done; what isn't created yet is killed when it is.
    fn kill_errand(&mut self, number: u64) {
        let Some(held) = self.errands.held.get_mut(&number) else {
            return;
        };
        if let Some(process) = held.process.as_ref().filter(|_| !held.being_killed) {
            held.being_killed = true;
            self.spawner.submit(Order::EndErrand {
                number,
                pid: process.pid,
                cgroup: process.cgroup.clone(),
            });
        }
    }

    /// It was created, or was not.
    pub(super) fn errand_made(&mut self, number: u64, made: Result<Made, SpawnFailure>) {
        let Some(held) = self.errands.held.get_mut(&number) else {
            return;
        };
        let began = held.reporter.began.take();
        let made = match made {
            Ok(made) => made,
            Err(failure) => {
                self.errands.remove(number);
                if let Some(began) = began {
                    let _ = began.send(Err(failure));
                }
                return;
            }
        };
        if let Err(error) = self.watch.add(made.pidfd.as_fd(), number) {
            log::error!("watching process {} beside a run: {error}", made.pid);
        }
        let now = Began {
            process: made.pidfd.try_clone().ok(),
            output: made.output,
        };
        held.process = Some(Process {
            pid: made.pid,
            pidfd: made.pidfd,
            cgroup: made.cgroup,
            ended: false,
        });
        drop(made.passage);
        let is_heard = began.is_some_and(|began| began.send(Ok(now)).is_ok());
        if !is_heard || held.given_up {
            self.kill_errand(number);
        }
    }

    /// The first process of one has ended, if that is what this number says.
    pub(super) fn errand_ended(&mut self, number: u64) {
        let Some(held) = self.errands.held.get_mut(&number) else {
            return;
        };
        let Some(process) = &mut held.process else { return };
        process.ended = true;
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        let status = rustix::process::waitid(WaitId::PidFd(process.pidfd.as_fd()), options);
        let exit = status
            .ok()
            .flatten()
            .map_or(Exit::Unknown, |status| exit_of(&status));
        if let Some(ended) = held.reporter.ended.take() {
            let _ = ended.send(exit);
        }
        if process.cgroup.is_some() {
            self.kill_errand(number);
        }
        self.bury(number);
    }

    /// A thread has killed what there was of it.
    pub(super) fn errand_killed(&mut self, number: u64) {
        if let Some(held) = self.errands.held.get_mut(&number) {
            held.being_killed = false;
            self.bury(number);
        }
    }

    /// Takes the remains of its first process, once nothing else needs them.
    fn bury(&mut self, number: u64) {
        let Some(held) = self.errands.held.get(&number) else {
            return;
        };
        let Some(process) = held.process.as_ref().filter(|_| !held.being_killed) else {
            return;
        };
        if !process.ended {
            return;
        }
        // What it has left in its group; it isn't reaped yet, so the number is its own.
        if let Some(group) = Pid::from_raw(i32::try_from(process.pid).unwrap_or(0)) {
            let _ = rustix::process::kill_process_group(group, Signal::KILL);
        }
        self.watch.remove(process.pidfd.as_fd());
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG;
        let _ = rustix::process::waitid(WaitId::PidFd(process.pidfd.as_fd()), options);
        self.errands.remove(number);
        // What has left its group bears its number. By now the kernel has given it to this process, and mostly there is nothing.
        if self.has_orphans() {
            self.sweeper.order(Job::Look);
        }
    }
}
