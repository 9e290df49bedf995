//! Accepting clients.

use super::call::{Call, Presence};
use super::connection;
use crate::panics::Indispensable;
use crate::platform::endpoint::{self, Groups, Listener};
use crate::platform::process;
use s7proto::endpoint::Endpoint;
use s7proto::refusal::Permission;
use std::fs::File;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Notify, Semaphore, mpsc};

/// Clients at a time. One costs a descriptor and a few KiB; operators and scripts need a handful (reliability B40).
const CLIENTS: usize = 256;
/// Clients may have one in so many of the daemon's descriptors, where there are few.
const CLIENTS_SHARE: usize = 4;
/// Clients at a time that may do nothing; they connect only where the socket has to be open to all.
const STRANGERS: usize = 8;
/// How long to wait after the system had no descriptor for a client (crates.md 2: never spin on EMFILE).
const BREATHER: Duration = Duration::from_millis(100);

/// Where clients come in.
pub struct Place {
    /// Where they connect.
    pub endpoint: Endpoint,
    /// Where the lock is.
    pub runtime_dir: PathBuf,
    /// Who may.
    pub groups: Groups,
    /// Told when the socket is to be looked after.
    pub refresh: Arc<Notify>,
}

/// Listens again after somebody has removed the socket.
///
/// If the lock has gone with it, it is taken first: without it another supervisor could begin beside this one.
fn again(place: &Place, lock: &mut Option<File>) -> Option<Listener> {
    let Place {
        endpoint,
        runtime_dir,
        groups,
        ..
    } = place;
    if !runtime_dir.join(crate::lock::LOCK).exists() {
        let taken = endpoint::prepare_folder(runtime_dir)
            .map_err(|error| error.to_string())
            .and_then(|()| crate::lock::take(runtime_dir).map_err(|failure| failure.message));
        match taken {
            Ok(file) => *lock = Some(file),
            Err(why) => {
                log::error!("taking the lock in {} again: {why}", runtime_dir.display());
                return None;
            }
        }
    }
    let prepared = endpoint.runtime_dir().map_or(Ok(()), endpoint::prepare_folder);
    match prepared.and_then(|()| endpoint::listen(endpoint, *groups)) {
        Ok(listener) => {
            log::warn!("{endpoint} was gone; listening there again");
            Some(listener)
        }
        Err(error) => {
            log::error!("listening at {endpoint} again: {error}; the next SIGHUP tries once more");
            None
        }
    }
}

/// Accepts until another image carries on, and then gives back what it accepts with, and the lock, if that was taken anew. On
/// `refresh` the socket is made again if somebody has removed it. Each client is a task of its own, so that none waits for
/// another.
pub async fn accept(
    place: Arc<Place>,
    mut listener: Option<Listener>,
    mut lock: Option<File>,
    inbox: mpsc::Sender<Call>,
    mut presence: Presence,
) -> (Option<Listener>, Option<File>) {
    let mut short = false;
    let _indispensable = Indispensable;
    // The rest of the descriptors is for components, however many clients there are.
    let clients = CLIENTS.min(process::descriptor_limit() / CLIENTS_SHARE);
    let places = Arc::new(Semaphore::new(clients - clients / 2));
    // Those who may only observe never take the places that are needed to control.
    let observers = Arc::new(Semaphore::new(clients / 2));
    let strangers = Arc::new(Semaphore::new(STRANGERS));
    loop {
        let accepted = match &listener {
            Some(open) => tokio::select! {
                accepted = open.accept() => Some(accepted),
                () = place.refresh.notified() => None,
                () = presence.over() => return (listener, lock),
            },
            None => tokio::select! {
                () = place.refresh.notified() => None,
                () = presence.over() => return (listener, lock),
            },
        };
        let stream = match accepted {
            None => {
                if listener.is_none() || endpoint::is_gone(&place.endpoint) {
                    // The old one goes first: at its end it removes whatever lies at its path.
                    drop(listener.take());
                    listener = again(&place, &mut lock);
                }
                continue;
            }
            Some(Ok(stream)) => {
                short = false;
                stream
            }
            Some(Err(error)) => {
                // Once for the whole time in which nobody can come in, which may be long.
                if !std::mem::replace(&mut short, true) {
                    log::warn!("accepting a client: {error}; those who connect wait until that is over");
                }
                tokio::time::sleep(BREATHER).await;
                continue;
            }
        };
        let (peer, permission) = match endpoint::peer(&stream, place.groups) {
            Ok(who) => who,
            Err(error) => {
                log::warn!("asking who a client is: {error}");
                continue;
            }
        };
        // Those who may do nothing get their refusals from seats of their own, so that they take nobody else's.
        let seats = match permission {
            Some(Permission::Control | Permission::Own) => &places,
            Some(Permission::Observe) => &observers,
            None => &strangers,
        };
        let Ok(seat) = Arc::clone(seats).try_acquire_owned() else {
            // Closing at once tells the client more than silence would.
            log::warn!("a client was turned away: too many are connected already");
            continue;
        };
        let (inbox, presence) = (inbox.clone(), presence.clone());
        let connected = presence.connected.upgrade();
        tokio::spawn(async move {
            if let Err(error) = connection::serve(stream, peer, permission, inbox, presence).await {
                log::debug!("a client: {error}");
            }
            drop((seat, connected));
        });
    }
}
