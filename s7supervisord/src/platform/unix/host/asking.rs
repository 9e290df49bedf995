//! Asking a run politely to end: by a signal, a word on a socket, or a command.

use super::{Host, Told};
use crate::failpoint::{self, Point};
use crate::machine::input::{Event, RunId};
use crate::platform::os::census;
use crate::platform::os::command_mark::{CommandMark, Kind};
use crate::platform::os::held::Command;
use crate::platform::os::order::{Created, Order};
use crate::platform::os::words::{exit_of, unix_signal};
use crate::registry::plan::{ComponentPlan, StopPlan};
use crate::state::known::{asked_words, ready_words};
use crate::state::line::sealed;
use rustix::process::{Signal, WaitId, WaitIdOptions};
use s7proto::reply::DumpOutcome;
use s7proto::status::SpawnFailure;
use std::os::fd::AsFd;
use std::sync::Arc;

impl Host {
    /// Asks the first process of a run to end, and wakes it should it be stopped.
    pub fn ask(&mut self, run: RunId, plan: &ComponentPlan) {
        self.end_errands_of(run);
        if let Some(process) = self.runs.get_mut(&run) {
            // That was time to start.
            process.until = None;
        }
        let Some(process) = self.runs.get(&run) else {
            return;
        };
        failpoint::reach(Point::StopBeforeAsk);
        // So that a next daemon neither takes its end for a crash nor asks it once more.
        let words = asked_words(
            &process.component,
            run.run,
            crate::platform::process::since_boot_ns(),
        );
        self.spawner.submit(Order::Note(words));
        failpoint::reach(Point::StopRecorded);
        match &plan.stop {
            StopPlan::Signal(name) => process.send(unix_signal(*name)),
            StopPlan::Console => process.send(Signal::INT),
            StopPlan::Tcp { host, port, text } => {
                crate::platform::os::ask::by_tcp(host.clone(), *port, text.clone(), self.cannot_ask(run));
            }
            StopPlan::Command { program, arguments } => {
                let mut plan = crate::platform::os::ask::command_plan(plan, program, arguments);
                let (kind, number) = (Kind::Stop, self.next_key);
                self.next_key += 1;
                CommandMark { kind, number }.put_on(&mut plan);
                let plan = Arc::new(plan);
                self.spawner.submit(Order::Ask { run, plan });
            }
        }
        // A stopped process would take the signal only after it is continued (reliability A2).
        process.send(Signal::CONT);
        failpoint::reach(Point::StopAfterAsk);
    }

    /// Asks a run for a diagnosis of itself: a JVM writes the stacks of its threads to its output.
    ///
    /// To whom that signal means something else it is the end: the caller has to know that it doesn't. Whoever doesn't hear it
    /// at all would end as well, as a JVM does that has only just begun, and is not asked.
    ///
    /// # Errors
    /// The run's first process has ended, or would.
    pub fn diagnose(&mut self, run: RunId) -> Result<(), DumpOutcome> {
        let process = self.runs.get(&run).filter(|process| !process.ended);
        let process = process.ok_or(DumpOutcome::NotRunning)?;
        if census::would_end(process.pid, Signal::QUIT) {
            return Err(DumpOutcome::WouldEnd { option: None });
        }
        process.send(Signal::QUIT);
        Ok(())
    }

    /// The process id that a run has, or had; `None` once it is forgotten.
    #[must_use]
    pub fn pid(&self, run: RunId) -> Option<u32> {
        self.runs.get(&run).map(|process| process.pid)
    }

    /// Notes that a run has become ready, so that a next daemon needn't wait for that again.
    pub fn note_ready(&mut self, run: RunId) {
        if let Some(process) = self.runs.get_mut(&run) {
            let words = ready_words(&process.component, run.run);
            // It holds as long as the run does, also where the record has to be written anew.
            process.record.extend_from_slice(sealed(&words).as_bytes());
            self.spawner.submit(Order::Note(words));
        }
    }

    fn cannot_ask(&self, run: RunId) -> impl FnOnce() + Send + 'static {
        let tell = self.tell.clone();
        move || {
            let _ = tell.send(Told::CannotAsk(run));
        }
    }

    /// The command that asks a run to stop has begun, or has not.
    pub(super) fn asking(&mut self, run: RunId, command: Result<Created, SpawnFailure>) -> Option<Event> {
        let (pid, pidfd) = match command {
            Ok(Created { pid, pidfd, .. }) => (pid, pidfd),
            Err(failure) => {
                log::warn!("the stop command: {failure}");
                return Some(Event::CannotAsk);
            }
        };
        let key = self.next_key;
        self.next_key += 1;
        let mut command = Command {
            pid,
            pidfd,
            run,
            idle: false,
        };
        if let Err(error) = self.watch.add(command.pidfd.as_fd(), key) {
            log::error!("watching the stop command, process {pid}: {error}");
        }
        // The run may have ended before its stop command has begun.
        if !self.runs.contains_key(&run) {
            command.kill();
        }
        self.commands.insert(key, command);
        None
    }

    pub(super) fn command_ended(&mut self, key: u64) -> Option<(RunId, Event)> {
        let command = self.commands.remove(&key)?;
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG;
        let status = rustix::process::waitid(WaitId::PidFd(command.pidfd.as_fd()), options)
            .ok()
            .flatten()?;
        if command.idle || status.exit_status() == Some(0) {
            return None;
        }
        log::warn!("the stop command {}", exit_of(&status));
        Some((command.run, Event::CannotAsk))
    }
}
