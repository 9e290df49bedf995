//! The door for clients: opened, closed at the end, and handed over to the image that takes this one's place.

use super::call::{Call, Presence};
use super::listen;
use super::place::{Hold, Place};
use crate::platform::endpoint::Listener;
use std::fs::File;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

/// Clients come in.
pub struct Reception {
    place: Arc<Place>,
    inbox: mpsc::Sender<Call>,
    accepting: JoinHandle<Hold>,
    handing_over: watch::Sender<bool>,
    /// Nothing is ever sent over these: a receiver learns when the last sender is gone.
    working: (mpsc::Sender<()>, mpsc::Receiver<()>),
    connected: (mpsc::Sender<()>, mpsc::Receiver<()>),
}

/// What the next image goes on with.
pub struct Handed {
    /// What it holds.
    pub hold: Hold,
    place: Arc<Place>,
    inbox: mpsc::Sender<Call>,
    connected: mpsc::Receiver<()>,
}

impl Reception {
    /// Lets clients in from now on. What they ask goes to `inbox`. `lock` is looked after beside the way in.
    #[must_use]
    pub fn open(place: Place, listener: Listener, lock: Option<File>, inbox: mpsc::Sender<Call>) -> Self {
        Self::begin(Arc::new(place), Hold::new(Some(listener), lock), inbox)
    }

    fn begin(place: Arc<Place>, hold: Hold, inbox: mpsc::Sender<Call>) -> Self {
        let (working, connected) = (mpsc::channel(1), mpsc::channel(1));
        let handing_over = watch::Sender::new(false);
        let presence = Presence {
            working: working.0.downgrade(),
            connected: connected.0.downgrade(),
            handing_over: handing_over.subscribe(),
        };
        let accepting = listen::accept(Arc::clone(&place), hold, inbox.clone(), presence);
        Self {
            accepting: tokio::spawn(accepting),
            place,
            inbox,
            handing_over,
            working,
            connected,
        }
    }

    /// Lets nobody in any more and removes the socket.
    pub async fn close(&mut self) {
        self.accepting.abort();
        let _ = (&mut self.accepting).await;
    }

    /// Waits, `within` at most, until everybody has the answer that is on its way.
    pub async fn last_answers(self, within: Duration) {
        let (working, mut idle) = self.working;
        drop(working);
        let _ = tokio::time::timeout(within, idle.recv()).await;
    }

    /// Lets nobody in any more; who connects waits. Clients that nothing is done for are sent on to the next image.
    pub async fn hand_over(self) -> Handed {
        self.handing_over.send_replace(true);
        // It breaks off only with the runtime.
        let hold = self.accepting.await.unwrap_or_default();
        Handed {
            hold,
            place: self.place,
            inbox: self.inbox,
            connected: self.connected.1,
        }
    }
}

impl Handed {
    /// Waits, `within` at most, until every client has been told and has gone.
    pub async fn farewell(&mut self, within: Duration) {
        let _ = tokio::time::timeout(within, self.connected.recv()).await;
    }

    /// No other image has taken over: lets clients in again.
    #[must_use]
    pub fn reopen(self) -> Reception {
        Reception::begin(self.place, self.hold, self.inbox)
    }
}
