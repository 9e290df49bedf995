//! The order in which components are created: that of their orders, however many threads prepare them.

use super::spawner::THREADS;
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

/// How long a component waits with its creation for those that were ordered before it. They come in the order of the
/// registry that way, and one that hangs holds up the others for this long once.
const TURN: Duration = Duration::from_millis(100);

/// Whose turn it is: orders are prepared side by side and created one after the other.
#[derive(Default)]
pub struct Turns {
    next: Mutex<u64>,
    /// One place to wait at for each order that can be under way, so that only the one whose turn it is wakes up.
    places: [Condvar; THREADS],
}

impl Turns {
    /// Waits until all that were ordered before it have been created, or for as long as one that hangs may cost.
    pub fn wait(&self, number: u64) {
        let next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
        let place = &self.places[Self::place(number)];
        drop(place.wait_timeout_while(next, TURN, |next| *next < number));
    }

    /// It was created, or never will be: the next one's turn.
    pub fn pass(&self, number: u64) {
        let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
        *next = (*next).max(number + 1);
        // Two orders far apart may share a place after one has hung; each looks for itself whether it is meant.
        self.places[Self::place(*next)].notify_all();
    }

    fn place(number: u64) -> usize {
        usize::try_from(number % THREADS as u64).unwrap_or(0)
    }
}
