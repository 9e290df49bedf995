//! Accepting clients.

use super::call::Call;
use super::connection;
use crate::platform::endpoint::{self, Groups};
use interprocess::local_socket::tokio::Listener;
use interprocess::local_socket::traits::tokio::Listener as _;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Semaphore, mpsc};

/// Clients at a time. One costs a descriptor and a few KiB; operators and scripts need a handful (reliability B40).
const CLIENTS: usize = 256;
/// How long to wait after the system had no descriptor for a client (crates.md 2: never spin on EMFILE).
const BREATHER: Duration = Duration::from_millis(100);

/// Accepts for ever. Each client is a task of its own, so that none waits for another. While one of them works on an
/// answer it holds a sender of `working`.
pub async fn accept(
    listener: Listener,
    groups: Groups,
    inbox: mpsc::Sender<Call>,
    working: mpsc::WeakSender<()>,
) {
    let places = Arc::new(Semaphore::new(CLIENTS));
    loop {
        let stream = match listener.accept().await {
            Ok(stream) => stream,
            Err(error) => {
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
