//! What runs say of themselves.

use super::Host;
use crate::machine::input::{RunId, Slot};
use crate::notification::SaidSoFar;
use crate::platform::Socket;
use crate::platform::os::notices::{Channel, Kin, remove_others};
use crate::registry::plan::NotifyBy;

impl Host {
    /// Listens to a run.
    pub(super) fn listen(&mut self, run: RunId, channel: Channel) {
        let Some(process) = self.runs.get(&run) else {
            return;
        };
        let kin = Kin {
            component: process.component.clone(),
            run: run.run,
            leader: process.pid,
            cgroup: process.cgroup.as_ref().and_then(|tree| tree.number()),
        };
        self.notices.add(run, channel, kin);
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
    pub fn listen_again(&mut self, run: RunId, by: NotifyBy) {
        let Some(process) = self.runs.get(&run) else {
            return;
        };
        let (folder, component) = (&self.runtime_dir, &process.component);
        match Channel::find(folder, component, run.run, by, &mut self.handed) {
            Ok(channel) => self.listen(run, channel),
            Err(error) => log::warn!(
                "{}: {error}: what run {} says of itself is not heard",
                process.component,
                run.run
            ),
        }
    }

    /// What this run has said of itself, or the one before.
    #[must_use]
    pub fn said(&self, run: RunId) -> Option<&SaidSoFar> {
        self.notices.said(run)
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
