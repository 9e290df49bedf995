//! Accepting clients.

use super::call::Call;
use super::connection;
use crate::platform::endpoint::{self, Groups};
use interprocess::local_socket::tokio::Listener;
use interprocess::local_socket::traits::tokio::Listener as _;
use s7proto::endpoint::Endpoint;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Notify, Semaphore, mpsc};

/// Clients at a time. One costs a descriptor and a few KiB; operators and scripts need a handful (reliability B40).
const CLIENTS: usize = 256;
/// How long to wait after the system had no descriptor for a client (crates.md 2: never spin on EMFILE).
const BREATHER: Duration = Duration::from_millis(100);

/// Listens again after somebody has removed the socket.
fn again(endpoint: &Endpoint, groups: Groups) -> Option<Listener> {
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
    groups: Groups,
    refresh: Arc<Notify>,
    inbox: mpsc::Sender<Call>,
    working: mpsc::WeakSender<()>,
) {
    let mut listener = Some(listener);
    let places = Arc::new(Semaphore::new(CLIENTS));
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
                    listener = again(&endpoint, groups);
                }
                continue;
            }
            Some(Ok(stream)) => stream,
            Some(Err(error)) => {
                log::warn!("accepting a client: {error}");
                tokio::time::sleep(BREATHER).await;
                continue;
            }
        };
        let Ok(place) = Arc::clone(&places).try_acquire_owned() else {
            // Closing at once tells the client more than silence would.
            log::warn!("a client was turned away: {CLIENTS} are connected already");
            continue;
        };
        let (who, permission) = match endpoint::peer(&stream, groups) {
            Ok(peer) => peer,
            Err(error) => {
                log::warn!("asking who a client is: {error}");
                continue;
            }
        };
        let (inbox, working) = (inbox.clone(), working.clone());
        tokio::spawn(async move {
            if let Err(error) = connection::serve(stream, who, permission, inbox, working).await {
                log::debug!("a client: {error}");
            }
            drop(place);
        });
    }
}
