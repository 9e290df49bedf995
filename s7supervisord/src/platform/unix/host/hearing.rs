//! What runs say of themselves.

use super::{Host, Process};
use crate::machine::input::{Event, NoteFrom, RunId, Slot};
use crate::notification::{Hearing, SaidSoFar};
use crate::platform::Socket;
use crate::platform::os::census;
use crate::platform::os::notices::{Channel, Kin, remove_others};
use crate::platform::os::order::{Gone, Order};
use crate::registry::plan::NotifyBy;
use std::collections::HashSet;

/// The names of the sockets where runs tell of themselves: somebody may remove them.
#[derive(Debug, Default)]
pub(super) struct Names {
    /// They are being looked at: one look at a time, since a disk may hang.
    pending: bool,
    /// They are to be looked at once more after that.
    again: bool,
    /// What is gone can be made again.
    can: bool,
    /// Whose run was being created at the last look, which has therefore not seen its name.
    unseen: HashSet<Slot>,
    /// Some are gone and could not be made again.
    lacking: bool,
    /// Their folder is a new one.
    fresh: bool,
    watched: bool,
}

/// Who belongs to a run.
fn kin(run: RunId, process: &Process) -> Kin {
    Kin {
        component: process.component.clone(),
        run: run.run,
        leader: process.pid,
        cgroup: process.cgroup.as_ref().and_then(|tree| tree.number()),
    }
}

impl Host {
    /// Listens to a run.
    pub(super) fn listen(&mut self, run: RunId, channel: Channel) {
        self.names.fresh |= !std::mem::replace(&mut self.names.watched, true);
        let Some(process) = self.runs.get(&run) else {
            return;
        };
        let kin = kin(run, process);
        self.notices.add(run, channel, kin);
        if self.names.unseen.remove(&run.slot) {
            self.look_after_names(self.names.can);
        }
    }

    /// Looks whether the sockets of runs still have their names, beside the loop; where it `can` be, those that were removed are
    /// made again.
    pub fn look_after_names(&mut self, can: bool) {
        self.names.can = can;
        if self.names.pending {
            self.names.again = true;
            return;
        }
        self.names.unseen.extend(&self.coming);
        let names = self.notices.names_of_sockets();
        if !names.is_empty() {
            self.names.pending = true;
            self.spawner.submit(Order::Names { names, make: can });
        }
    }

    /// These had lost their names.
    pub(super) fn named(&mut self, gone: Vec<Gone>) -> Vec<(RunId, Event)> {
        self.names.pending = false;
        self.names.lacking = false;
        let mut events = Vec::new();
        for Gone { run, renewed } in gone {
            let Some(process) = self.runs.get(&run) else {
                // Its channel is gone, and a new one is too, where nothing waits for a disk.
                self.spawner
                    .submit(Order::Remove(None, renewed.and_then(Result::ok)));
                continue;
            };
            // What it has said meanwhile went nowhere.
            events.push((run, Event::Noticed(NoteFrom::Unheard)));
            let component = &process.component;
            match renewed {
                Some(Ok(channel)) => {
                    log::warn!(
                        "{component}: the socket of run {} was gone and is made again",
                        run.run
                    );
                    self.names.fresh = true;
                    let left = self.notices.replace(run, channel);
                    if left.is_some() {
                        self.spawner.submit(Order::Remove(None, left));
                    }
                    events.push((run, Event::Noticed(NoteFrom::HeardAgain)));
                }
                Some(Err(error)) => {
                    log::error!(
                        "{component}: {error}: what run {} says of itself may not be heard; it is tried again",
                        run.run
                    );
                    self.names.lacking = true;
                }
                None => {}
            }
        }
        if std::mem::take(&mut self.names.again) {
            self.look_after_names(self.names.can);
        }
        events
    }

    /// Whether runs are not heard because their sockets have lost their names, which could not be made again.
    #[must_use]
    pub fn lacks_names(&self) -> bool {
        self.names.lacking
    }

    /// Whether the folder of the names is another one since this was asked last.
    pub fn has_new_names(&mut self) -> bool {
        std::mem::take(&mut self.names.fresh)
    }

    /// The sockets of runs that an image before this one has left open for it.
    pub fn take_sockets(&mut self, handed: Vec<Socket>) {
        self.handed = handed;
    }

    /// The sockets of all runs, to be left open for the next image.
    #[must_use]
    pub fn sockets(&self) -> Vec<&Socket> {
        self.notices.sockets()
    }

    /// Goes on listening to an adopted run. What it said to a socket while no daemon was there is lost, but for an upgrade; what
    /// it wrote to a descriptor is not.
    pub fn listen_again(&mut self, run: RunId, by: NotifyBy) -> Hearing {
        let Some(process) = self.runs.get(&run) else {
            return Hearing::Lost;
        };
        let handed = self.handed.len();
        let (folder, component) = (&self.runtime_dir, &process.component);
        let found = Channel::find(folder, (component, run.run, process.pid), by, &mut self.handed);
        match found {
            Ok(channel) => {
                self.listen(run, channel);
                let is_same = matches!(by, NotifyBy::Descriptor(_)) || self.handed.len() < handed;
                if is_same { Hearing::Unbroken } else { Hearing::Anew }
            }
            Err(error) => {
                log::warn!(
                    "{component}: {error}: what run {} says of itself is not heard",
                    run.run
                );
                Hearing::Lost
            }
        }
    }

    /// What an adopted run has told the image before this one that it is at.
    pub fn recall(&mut self, run: RunId, status: String) {
        self.notices.recall(run, status);
    }

    /// What this run has said of itself, or the one before.
    #[must_use]
    pub fn said(&self, run: RunId) -> Option<&SaidSoFar> {
        self.notices.said(run)
    }

    /// Which of its processes this run has said that it is about, as long as that one lives and is still one of the run: the
    /// number may have become somebody else's. It is only looked at, and never waited for.
    #[must_use]
    pub fn main_process(&self, run: RunId) -> Option<u32> {
        let pid = self.notices.said(run)?.main_process?;
        let process = self.runs.get(&run)?;
        let lives = census::stat(pid).is_some_and(|stat| !matches!(stat.state, 'Z' | 'X'));
        (lives && kin(run, process).has_number(pid)).then_some(pid)
    }

    /// The component is gone.
    pub fn forget_said(&mut self, slot: Slot) {
        self.notices.forget(slot);
    }

    /// Removes where runs of earlier daemons told of themselves, as far as nobody is listened to there. To be carried out
    /// beside the loop, before anything is created.
    pub fn unheard(&mut self) -> impl FnOnce() + Send + 'static {
        self.handed.clear();
        let (folder, names) = (self.runtime_dir.clone(), self.notices.names());
        move || remove_others(&folder, |path| names.contains(path))
    }
}
