//! Accepting clients.

use super::call::{Call, Presence};
use super::connection;
use super::place::{Hold, Place};
use crate::panics::Indispensable;
use crate::platform::endpoint::{self, Listener};
use crate::platform::process;
use interprocess::local_socket::tokio::Stream;
use s7proto::refusal::Permission;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Semaphore, mpsc};

/// Clients at a time. One costs a descriptor and a few KiB; operators and scripts need a handful (reliability B40).
const CLIENTS: usize = 256;
/// Clients may have one in so many of the daemon's descriptors, where there are few.
const CLIENTS_SHARE: usize = 4;
/// Clients at a time that may do nothing; they connect only where the socket has to be open to all.
const STRANGERS: usize = 8;
/// How long to wait after the system had no descriptor for a client (crates.md 2: never spin on EMFILE).
const BREATHER: Duration = Duration::from_millis(100);

/// Accepts until another image carries on, and then gives back what it holds. What somebody removes meanwhile is made again.
/// Each client is a task of its own, so that none waits for another.
pub async fn accept(
    place: Arc<Place>,
    mut hold: Hold,
    inbox: mpsc::Sender<Call>,
    mut presence: Presence,
) -> Hold {
    let mut short = false;
    let _indispensable = Indispensable;
    place.begin(&mut hold).await;
    // The rest of the descriptors is for components, however many clients there are.
    let clients = CLIENTS.min(process::descriptor_limit() / CLIENTS_SHARE);
    let places = Arc::new(Semaphore::new(clients - clients / 2));
    // Those who may only observe never take the places that are needed to control.
    let observers = Arc::new(Semaphore::new(clients / 2));
    let strangers = Arc::new(Semaphore::new(STRANGERS));
    loop {
        let accepted = tokio::select! {
            accepted = next_of(hold.listener.as_ref()) => Some(accepted),
            () = place.needs_a_look(&hold) => None,
            () = presence.over() => return hold,
        };
        let stream = match accepted {
            None => {
                place.look_after(&mut hold).await;
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

/// The next client; never where nobody can connect.
async fn next_of(listener: Option<&Listener>) -> io::Result<Stream> {
    match listener {
        Some(listener) => listener.accept().await,
        None => std::future::pending().await,
    }
}
