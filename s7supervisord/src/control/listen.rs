//! Accepting clients.

use super::call::Call;
use super::connection;
use crate::panics::Indispensable;
use crate::platform::endpoint::{self, Groups};
use crate::platform::process;
use interprocess::local_socket::tokio::Listener;
use interprocess::local_socket::traits::tokio::Listener as _;
use s7proto::endpoint::Endpoint;
use s7proto::refusal::Permission;
use std::fs::File;
use std::path::{Path, PathBuf};
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

/// Listens again after somebody has removed the socket.
///
/// If the lock has gone with it, it is taken first: without it another supervisor could begin beside this one.
fn again(
    endpoint: &Endpoint,
    groups: Groups,
    runtime_dir: &Path,
    lock: &mut Option<File>,
) -> Option<Listener> {
    if !runtime_dir.join("lock").exists() {
        let taken = endpoint::prepare_folder(runtime_dir)
            .map_err(|error| error.to_string())
            .and_then(|()| crate::run::take_lock(runtime_dir).map_err(|failure| failure.message));
        match taken {
            Ok(file) => *lock = Some(file),
            Err(why) => {
                log::error!("taking the lock in {} again: {why}", runtime_dir.display());
                return None;
            }
        }
    }
    let prepared = endpoint.runtime_dir().map_or(Ok(()), endpoint::prepare_folder);
    match prepared.and_then(|()| endpoint::listen(endpoint, groups)) {
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

/// Accepts for ever. On `refresh` the socket is made again if somebody has removed it. Each client is a task of its own, so that none waits for another. While one of them works on an
/// answer it holds a sender of `working`.
pub async fn accept(
    listener: Listener,
    endpoint: Endpoint,
    runtime_dir: PathBuf,
    groups: Groups,
    refresh: Arc<Notify>,
    inbox: mpsc::Sender<Call>,
    working: mpsc::WeakSender<()>,
) {
    let mut listener = Some(listener);
    let mut short = false;
    let mut lock = None;
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
                () = refresh.notified() => None,
            },
            None => {
                refresh.notified().await;
                None
            }
        };
        let stream = match accepted {
            None => {
                if listener.is_none() || endpoint::is_gone(&endpoint) {
                    // The old one goes first: at its end it removes whatever lies at its path.
                    drop(listener.take());
                    listener = again(&endpoint, groups, &runtime_dir, &mut lock);
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
        let (peer, permission) = match endpoint::peer(&stream, groups) {
            Ok(who) => who,
            Err(error) => {
                log::warn!("asking who a client is: {error}");
                continue;
            }
        };
        // Those who may do nothing get their refusals from places of their own, so that they take nobody else's.
        let places = match permission {
            Some(Permission::Control | Permission::Own) => &places,
            Some(Permission::Observe) => &observers,
            None => &strangers,
        };
        let Ok(place) = Arc::clone(places).try_acquire_owned() else {
            // Closing at once tells the client more than silence would.
            log::warn!("a client was turned away: too many are connected already");
            continue;
        };
        let (inbox, working) = (inbox.clone(), working.clone());
        tokio::spawn(async move {
            if let Err(error) = connection::serve(stream, peer, permission, inbox, working).await {
                log::debug!("a client: {error}");
            }
            drop(place);
        });
    }
}
