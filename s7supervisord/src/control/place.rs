//! Where clients come in and the next daemon looks, and keeping it there: somebody may clean up under a living daemon.

use crate::lock::{self, LOCK};
use crate::platform::endpoint::{self, Groups, Listener};
use crate::platform::removals::Removals;
use crate::until::until;
use s7proto::endpoint::Endpoint;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Notify, watch};
use tokio::time::Instant;

/// From one try to make again what can't be made to the next.
const RETRY: Duration = Duration::from_secs(1);
/// From one look at what may have been removed to the next: whoever removes it again and again doesn't keep the daemon busy.
const BREATHER: Duration = Duration::from_millis(100);
/// Looks in a row that find something missing; more are for later.
const LOOKS: usize = 4;

/// Where clients come in.
pub struct Place {
    /// Where they connect.
    pub endpoint: Endpoint,
    /// Where the lock is.
    pub runtime_dir: PathBuf,
    /// The record of runs, which lies there too.
    pub journal: PathBuf,
    /// Who may.
    pub groups: Groups,
    /// Told when all of it is to be looked after.
    pub refresh: Arc<Notify>,
    /// Says when something of it may have been removed.
    pub removals: Removals,
    /// Hears of each look at it, and what is missing and can't be made again.
    pub looked: watch::Sender<Option<String>>,
}

/// What the daemon holds there.
#[derive(Default)]
pub struct Hold {
    /// What clients connect to; `None` where it has gone and could not be made again.
    pub listener: Option<Listener>,
    /// The lock.
    pub lock: Option<File>,
    /// When it is tried again to make what is missing.
    retry: Option<Instant>,
    /// Before, nobody looks.
    not_before: Option<Instant>,
}

impl Hold {
    /// What is held now.
    #[must_use]
    pub fn new(listener: Option<Listener>, lock: Option<File>) -> Self {
        Self {
            listener,
            lock,
            ..Self::default()
        }
    }
}

impl Place {
    /// Looks after it from now on.
    pub async fn begin(&self, hold: &mut Hold) {
        self.watch();
        if !self.is_whole(hold) {
            self.look_after(hold).await;
        }
    }

    /// Waits until it is to be looked after. Can be dropped at any time.
    pub async fn needs_a_look(&self, hold: &Hold) {
        // In this order: a wait that breaks off forgets nothing that has happened.
        if let Some(when) = hold.not_before.filter(|when| *when > Instant::now()) {
            tokio::time::sleep_until(when).await;
        }
        tokio::select! {
            () = self.refresh.notified() => {}
            () = self.removals.next() => {}
            () = until(hold.retry) => {}
        }
    }

    /// Makes again what somebody has removed: the folder, the lock, the socket.
    pub async fn look_after(&self, hold: &mut Hold) {
        let mut fault = None;
        for _ in 0..LOOKS {
            // First: what goes after the look has woken the daemon up again then.
            self.watch();
            if self.is_whole(hold) {
                break;
            }
            if let Err(why) = self.make_again(hold).await {
                fault = Some(why);
                break;
            }
        }
        if let Some(why) = &fault
            && *self.looked.borrow() != fault
        {
            log::error!("{why}; it is tried again each second");
        }
        let now = Instant::now();
        hold.retry = Some(now + RETRY).filter(|_| !self.is_whole(hold));
        hold.not_before = Some(now + BREATHER);
        self.looked.send_replace(fault);
    }

    fn watch(&self) {
        let lock = self.runtime_dir.join(LOCK);
        let socket = Path::new(self.endpoint.as_os_str());
        let folders = std::iter::once(self.runtime_dir.as_path()).chain(self.endpoint.runtime_dir());
        let files = [lock.as_path(), socket, self.journal.as_path()];
        let own = self.runtime_dir.join(crate::notification::FOLDER);
        self.removals.watch(files, folders, &own);
    }

    fn is_whole(&self, hold: &Hold) -> bool {
        self.has_lock(hold) && hold.listener.is_some() && !endpoint::is_gone(&self.endpoint)
    }

    fn has_lock(&self, hold: &Hold) -> bool {
        let is_ours = |lock| lock::is_at(lock, &self.runtime_dir);
        hold.lock.as_ref().is_some_and(is_ours)
    }

    /// The lock comes first: without it another supervisor could begin beside this one.
    async fn make_again(&self, hold: &mut Hold) -> Result<(), String> {
        let Self {
            endpoint,
            runtime_dir,
            groups,
            ..
        } = self;
        if !self.has_lock(hold) {
            let folder = runtime_dir.clone();
            let taking = tokio::task::spawn_blocking(move || {
                endpoint::prepare_folder(&folder).map_err(|error| error.to_string())?;
                lock::take(&folder).map_err(|failure| failure.message)
            });
            let taken = taking.await.unwrap_or_else(|error| Err(error.to_string()));
            let lock =
                taken.map_err(|why| format!("taking the lock in {} again: {why}", runtime_dir.display()))?;
            hold.lock = Some(lock);
            log::warn!(
                "the lock in {} was gone and is taken again",
                runtime_dir.display()
            );
        }
        if hold.listener.is_none() || endpoint::is_gone(endpoint) {
            // The old one goes first: at its end it removes whatever lies at its path.
            drop(hold.listener.take());
            let (place, groups) = (endpoint.clone(), *groups);
            // It may take a second to find out that somebody else answers there.
            let listening = tokio::task::spawn_blocking(move || {
                let prepared = place.runtime_dir().map_or(Ok(()), endpoint::prepare_folder);
                prepared.and_then(|()| endpoint::listen(&place, groups))
            });
            let listening = listening.await.unwrap_or_else(|error| Err(error.into()));
            hold.listener =
                Some(listening.map_err(|error| format!("listening at {endpoint} again: {error}"))?);
            log::warn!("{endpoint} was gone; listening there again");
        }
        Ok(())
    }
}
