//! The very end: what took too long to be created to be waited for comes into being no more, or is ended.

use super::Host;
use crate::machine::input::{Event, RunId};
use crate::platform::os::held::Origin;
use crate::state::known::Tally;
use std::collections::HashSet;
use std::time::Duration;
use tokio::time::Instant;

/// How long what was killed may take to be gone, as for what a service has left: a process in the middle of a system call that
/// waits for a disk ends when that is over. It executes nothing any more, so nobody need wait for that.
const PATIENCE: Duration = Duration::from_secs(5);

impl Host {
    /// The daemon ends, and everything that was waited for is stopped. Nothing comes into being from now on; what was about
    /// to is killed, and what has come meanwhile as well, tree and all.
    ///
    /// Called before the record is written for the last time, which then says nothing of any of them: who comes after this
    /// daemon begins with a new run. What can't be seen to end still holds the lock of its component until it does.
    pub async fn end_what_comes(&mut self) {
        let door = self.spawner.close();
        let until = Instant::now() + PATIENCE;
        let mut ending = HashSet::new();
        self.end_errands();
        loop {
            for run in self.latecomers(&ending) {
                if let Some(process) = self.runs.get(&run) {
                    let (id, pid) = (&process.component, process.pid);
                    log::warn!(
                        "{id}: run {} came into being too late, killing it, pid {pid}",
                        run.run
                    );
                }
                ending.insert(run);
                self.kill(run);
            }
            let coming = door.coming_through();
            if coming == 0 && ending.is_empty() && self.has_no_errands() {
                return;
            }
            let Ok(events) = tokio::time::timeout_at(until, self.next()).await else {
                log::error!(
                    "{coming} processes that were being created can't be seen to end, and {} that were killed; none of \
                     them executes anything any more",
                    ending.len()
                );
                return;
            };
            for (run, event) in events {
                match event {
                    // What it has left is swept now.
                    Event::Exited(_) if ending.contains(&run) => self.kill(run),
                    Event::Emptied if ending.remove(&run) => self.forget(run, &Tally::default(), None),
                    _ => {}
                }
            }
        }
    }

    /// Runs that nobody has tried to end: what is stuck was killed before, and isn't waited for.
    fn latecomers(&self, ending: &HashSet<RunId>) -> Vec<RunId> {
        let all = self.runs.iter();
        let late = all.filter(|(run, process)| {
            process.origin == Origin::Own && !process.swept && !ending.contains(run)
        });
        late.map(|(run, _)| *run).collect()
    }
}
