//! Commands beside runs that an earlier daemon has left: checks and commands for failures. Nobody waits for what they say any
//! more, so they are killed, with all that they have made.

use super::census;
use super::cgroup::Tree;
use super::command_mark::{CommandMark, Kind};
use super::pidfd;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::Signal;
use s7proto::name::ComponentName;
use std::collections::BTreeMap;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

/// How long it may take until all of them are gone. What can't be killed in that time is left to the next daemon.
const PATIENCE: Duration = Duration::from_secs(1);

/// Processes of commands, by their ids.
#[derive(Default)]
pub struct Commands(BTreeMap<u32, Command>);

/// A process of a command.
#[derive(Clone, PartialEq, Eq)]
struct Command {
    /// When it was created, in clock ticks since the machine's boot.
    started: u64,
    /// What its environment says; `None` where only its cgroup tells.
    mark: Option<CommandMark>,
    /// The component and the run that it is about.
    run: (String, u64),
}

impl Commands {
    /// Takes it in where its environment says that it is of a command.
    pub fn note(&mut self, pid: u32, marker: &census::Marker) -> bool {
        let Some(mark) = marker.command else { return false };
        if let Some(stat) = census::stat(pid) {
            let command = Command {
                started: stat.started,
                mark: Some(mark),
                run: (marker.component.clone(), marker.run),
            };
            self.0.insert(pid, command);
        }
        true
    }

    /// Takes in whoever lives in the cgroups of the commands beside these runs.
    pub fn note_living(&mut self, living: &[(ComponentName, u64, Tree)]) {
        for (component, run, tree) in living {
            for pid in tree.commands() {
                let Some(stat) = census::stat(pid) else { continue };
                let command = Command {
                    started: stat.started,
                    mark: None,
                    run: (component.to_string(), *run),
                };
                // What its environment says tells more.
                self.0.entry(pid).or_insert(command);
            }
        }
    }

    /// Whether this is one.
    pub fn has(&self, pid: u32) -> bool {
        self.0.contains_key(&pid)
    }

    /// All of them.
    pub fn pids(&self) -> Vec<u32> {
        self.0.keys().copied().collect()
    }

    /// Drops those that are to go on: what was begun by the daemon whose first number is `before`, and who asks a run to stop
    /// that lives, since nobody asks it again. Those go with the run.
    fn drop_wanted(&mut self, before: u64, lives: &impl Fn(&str, u64) -> bool) {
        self.0.retain(|_, command| {
            let asks = command.mark.is_some_and(|mark| mark.kind == Kind::Stop);
            let began = || command.started.saturating_mul(super::leftover_members::tick_ns());
            let number = command.mark.map_or_else(began, |mark| mark.number);
            number < before && !(asks && lives(&command.run.0, command.run.1))
        });
    }

    /// Kills all that aren't to go on, and what `look` finds of them after that.
    pub fn end(mut self, before: u64, lives: impl Fn(&str, u64) -> bool, look: impl Fn() -> Self) {
        let until = Instant::now() + PATIENCE;
        loop {
            self.drop_wanted(before, &lives);
            if self.0.is_empty() {
                return;
            }
            let pids = self.pids();
            if Instant::now() >= until {
                log::warn!("processes {pids:?}, left of commands of an earlier supervisor, can't be killed");
                return;
            }
            log::warn!("processes {pids:?} were left of commands of an earlier supervisor, killing them");
            wait_for(&self.kill(), until);
            self = look();
        }
    }

    /// Gives those that were killed.
    fn kill(&self) -> Vec<OwnedFd> {
        let kill = |(pid, command): (&u32, &Command)| {
            // Held first, then looked at again: the number may be somebody else's by now.
            let held = pidfd::open(*pid)?;
            let still = census::stat(*pid).is_some_and(|stat| stat.started == command.started);
            let sent = still && rustix::process::pidfd_send_signal(&held, Signal::KILL).is_ok();
            sent.then_some(held)
        };
        self.0.iter().filter_map(kill).collect()
    }
}

/// Waits until they have ended.
fn wait_for(held: &[OwnedFd], until: Instant) {
    for held in held {
        let left = until.saturating_duration_since(Instant::now());
        let wait = Timespec {
            tv_sec: i64::try_from(left.as_secs()).unwrap_or(0),
            tv_nsec: left.subsec_nanos().into(),
        };
        // An interrupted wait only has them looked at once more.
        let _ = poll(&mut [PollFd::new(held, PollFlags::IN)], Some(&wait));
    }
}
