//! The processes of all runs.

use super::beside::{Beside, Errand};
use super::output::Capture;
use super::process::{Inherited, Socket, unsupported};
use crate::machine::input::{Event, RunId, Slot};
use crate::notification::{Hearing, SaidSoFar};
use crate::registry::plan::{ComponentPlan, NotifyBy};
use crate::state::journal::Journal;
use crate::state::known::{StartedRun, Stays, Tally};
use s7proto::name::ComponentName;
use std::collections::HashMap;
use std::convert::Infallible;
use std::io;
use std::path::Path;
use std::sync::Arc;

/// All processes that this daemon has created. There is none yet on Windows: the type has no value.
pub struct Host(Infallible);

impl Host {
    /// Prepares to create processes.
    ///
    /// # Errors
    /// Always, so far.
    pub fn start(
        _runtime_dir: &Path,
        _instance: String,
        _capture: Capture,
        _journal: Arc<Journal>,
        _inherited: Inherited,
    ) -> io::Result<Self> {
        Err(unsupported("creating components"))
    }

    /// Takes charge of a run that an earlier daemon has begun.
    ///
    /// # Errors
    /// None so far.
    pub fn adopt(
        &mut self,
        _run: RunId,
        _started: StartedRun,
        _record: Vec<u8>,
        _leads: bool,
    ) -> io::Result<bool> {
        match self.0 {}
    }

    /// Ends a run that nobody knows any more.
    ///
    /// # Errors
    /// None so far.
    pub fn end_alone(&mut self, _started: StartedRun) -> io::Result<()> {
        match self.0 {}
    }

    /// The runs that were ended so and are gone.
    pub fn take_gone(&mut self) -> Vec<StartedRun> {
        match self.0 {}
    }

    /// Every run that lives was told.
    pub fn all_are_known(&mut self) {
        match self.0 {}
    }

    /// Whether another image could take over.
    #[must_use]
    pub fn is_at_rest(&self) -> bool {
        true
    }

    /// How trees are held together.
    #[must_use]
    pub fn containment(&self) -> &'static str {
        match self.0 {}
    }

    /// How the tree of one run is held together.
    #[must_use]
    pub fn contained(&self, _run: RunId) -> Option<&'static str> {
        match self.0 {}
    }

    /// Why the record of a run that lives could not be written, if so.
    #[must_use]
    pub fn record_fault(&self) -> Option<&str> {
        match self.0 {}
    }

    /// Puts lines into the record, given by their words.
    pub fn note(&mut self, _lines: Vec<String>) {
        match self.0 {}
    }

    /// Nothing can be recorded, for this reason.
    pub fn record_is_lost(&mut self, _why: String) {
        match self.0 {}
    }

    /// Records everything that runs once more, and `others`.
    pub fn record_again(&mut self, _others: &[String]) {
        match self.0 {}
    }

    /// The lines that say in the record what lives.
    #[must_use]
    pub fn records(&self) -> Vec<u8> {
        match self.0 {}
    }

    /// Notes that a component has come to rest without a run.
    pub fn note_rest(&mut self, _component: &ComponentName, _run: RunId, _tally: &Tally, _stays: Stays) {
        match self.0 {}
    }

    /// Whether everything could be recorded since this was asked last.
    pub fn recorded_again(&mut self) -> bool {
        match self.0 {}
    }

    /// Creates a run.
    pub fn spawn(&mut self, _run: RunId, _plan: Arc<ComponentPlan>, _tally: Tally) {
        match self.0 {}
    }

    /// Asks the first process of a run to end.
    pub fn ask(&mut self, _run: RunId, _plan: &ComponentPlan) {
        match self.0 {}
    }

    /// Sends a signal to the first process of a run.
    ///
    /// # Errors
    /// None so far.
    pub fn signal(&mut self, _run: RunId, _signal: s7proto::signal::Signal) -> io::Result<bool> {
        match self.0 {}
    }

    /// The process id that a run has, or had.
    #[must_use]
    pub fn pid(&self, _run: RunId) -> Option<u32> {
        match self.0 {}
    }

    /// Asks a run for a diagnosis of itself.
    ///
    /// # Errors
    /// None so far.
    pub fn diagnose(&mut self, _run: RunId) -> Result<(), s7proto::reply::DumpOutcome> {
        match self.0 {}
    }

    /// Orders a command beside a run.
    pub fn beside(&mut self, _errand: Errand) -> Option<Beside> {
        match self.0 {}
    }

    /// Ends all of them.
    pub fn end_errands(&mut self) {
        match self.0 {}
    }

    /// The sockets of runs that an image before this one has left open for it.
    pub fn take_sockets(&mut self, _handed: Vec<Socket>) {
        match self.0 {}
    }

    /// The sockets of all runs.
    #[must_use]
    pub fn sockets(&self) -> Vec<&Socket> {
        match self.0 {}
    }

    /// Goes on listening to an adopted run.
    pub fn listen_again(&mut self, _run: RunId, _by: NotifyBy) -> Hearing {
        match self.0 {}
    }

    /// What an adopted run has told the image before this one that it is at.
    pub fn recall(&mut self, _run: RunId, _status: String) {
        match self.0 {}
    }

    /// Looks whether the sockets of runs still have their names.
    pub fn look_after_names(&mut self, _can: bool) {
        match self.0 {}
    }

    /// Whether runs are not heard because their sockets have lost their names.
    #[must_use]
    pub fn lacks_names(&self) -> bool {
        match self.0 {}
    }

    /// Whether the folder of the names is another one since this was asked last.
    pub fn has_new_names(&mut self) -> bool {
        match self.0 {}
    }

    /// What a run has said of itself.
    #[must_use]
    pub fn said(&self, _run: RunId) -> Option<&SaidSoFar> {
        match self.0 {}
    }

    /// Which of its processes a run has said that it is about, as long as that one lives.
    #[must_use]
    pub fn main_process(&self, _run: RunId) -> Option<u32> {
        match self.0 {}
    }

    /// The component is gone.
    pub fn forget_said(&mut self, _slot: Slot) {
        match self.0 {}
    }

    /// Removes where runs of earlier daemons told of themselves.
    pub fn unheard(&mut self) -> impl FnOnce() + Send + 'static {
        match self.0 {}
        #[expect(unreachable_code, reason = "names the type that the signature promises")]
        || ()
    }

    /// Notes that a run has become ready.
    pub fn note_ready(&mut self, _run: RunId) {
        match self.0 {}
    }

    /// The hard limit of a run's memory.
    #[must_use]
    pub fn memory_limit(&self, _run: RunId) -> MemoryLimit {
        match self.0 {}
    }

    /// Looks who was killed for want of memory and lives all the same.
    pub fn look_at_memory_kills(&mut self, _runs: impl Iterator<Item = RunId>) -> Vec<(RunId, u64)> {
        match self.0 {}
    }

    /// The least number of a command of this daemon.
    #[must_use]
    pub fn first_command(&self) -> u64 {
        match self.0 {}
    }

    /// Whether no command beside a run is there.
    #[must_use]
    pub fn has_no_errands(&self) -> bool {
        match self.0 {}
    }

    /// Asks what the first process has left.
    pub fn ask_rest(&mut self, _run: RunId) {
        match self.0 {}
    }

    /// Kills the tree of a run.
    pub fn kill(&mut self, _run: RunId) {
        match self.0 {}
    }

    /// What the creation of a run waits for isn't waited for longer than it must.
    pub fn hasten(&mut self, _run: RunId) {
        match self.0 {}
    }

    /// The run is over.
    pub fn forget(&mut self, _run: RunId, _tally: &Tally, _stays: Option<Stays>) {
        match self.0 {}
    }

    /// The component has left the registry.
    pub fn forget_component(&mut self, _component: &ComponentName) {
        match self.0 {}
    }

    /// The first processes of all runs that live.
    pub fn pids(&self) -> impl Iterator<Item = (RunId, u32)> + '_ {
        match self.0 {}
        #[expect(unreachable_code, reason = "names the type that the signature promises")]
        std::iter::empty()
    }

    /// Nothing comes into being any more.
    pub async fn end_what_comes(&mut self) {
        match self.0 {}
    }

    /// Waits for something to happen.
    pub async fn next(&mut self) -> Vec<(RunId, Event)> {
        match self.0 {}
    }
}

/// Memory and CPU time of one tree.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Usage {
    /// Resident memory in bytes.
    pub memory_bytes: u64,
    /// CPU time used so far, in microseconds.
    pub cpu_us: u64,
}

/// The members of a process's tree. There is none yet.
#[must_use]
pub fn tree(_pid: u32) -> Vec<u32> {
    Vec::new()
}

/// Measures trees.
#[derive(Debug, Default)]
pub struct Meter;

/// The hard limit of the memory of one run.
#[derive(Debug)]
pub struct MemoryLimit;

impl MemoryLimit {
    /// Sees to it. There is nothing to see to.
    #[must_use]
    pub fn ensure(&self, _bytes: u64) -> bool {
        false
    }

    /// Takes it away. There is none.
    ///
    /// # Errors
    /// None so far.
    pub fn lift(&self, _is_ours: bool) -> io::Result<()> {
        Ok(())
    }
}

impl Meter {
    /// Adds up the tree of each process. There is none yet.
    #[must_use]
    pub fn usage(&mut self, _pids: &[(RunId, u32)]) -> HashMap<RunId, Usage> {
        HashMap::new()
    }
}
