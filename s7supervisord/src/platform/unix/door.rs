//! The door that every new process passes on its way into the world. A daemon that ends closes it, and what hasn't passed by
//! then never executes, also when the daemon is gone before it could.
//!
//! A child shares the memory of the daemon until it executes, and that memory lasts as long as the child needs it, whatever
//! becomes of the daemon. So it announces itself here first of all, and looks whether the door is closed last of all, before
//! it executes; whoever closes it does so first and looks for announcements then. Of two who each write one place and then
//! read the other's (all of it sequentially consistent) at least one sees what the other wrote: either the child is found and
//! killed, whatever it hangs at, or it finds the door closed and ends by itself.
//!
//! Nothing else closes it: after a crash, or where another image takes over, what is being created is to run.

use rustix::process::{Pid, Signal};
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// See the module.
#[derive(Default)]
pub struct Door {
    closed: AtomicBool,
    /// Who is on the way: from before the process is created until the core loop knows it, or it is known to have ended. At
    /// most one for each thread, and those that aren't told yet.
    coming: Mutex<Vec<Arc<AtomicI32>>>,
}

/// A process on its way. Whoever has it keeps that process from being reaped, so that its number is its own; dropped when
/// somebody else looks after it.
pub struct Passage {
    door: Arc<Door>,
    /// The number of the process once it is there, else 0.
    announced: Arc<AtomicI32>,
}

/// What a child sees of it: two numbers.
#[derive(Clone, Copy)]
pub struct Doorway<'a> {
    closed: &'a AtomicBool,
    announced: &'a AtomicI32,
}

impl Door {
    /// The way for one process; `None` where nothing is to come into being any more.
    #[must_use]
    pub fn enter(self: &Arc<Self>) -> Option<Passage> {
        let mut coming = self.coming();
        if self.is_closed() {
            return None;
        }
        let announced = Arc::new(AtomicI32::new(0));
        coming.push(Arc::clone(&announced));
        drop(coming);
        Some(Passage {
            door: Arc::clone(self),
            announced,
        })
    }

    /// From now on nothing comes into being, and what is on its way is killed as far as it is there already.
    pub fn close(&self) {
        self.closed.store(true, Ordering::SeqCst);
        // While this is locked none of them is let go of, and so none is reaped.
        for announced in self.coming().iter() {
            if let Some(pid) = Pid::from_raw(announced.load(Ordering::SeqCst)) {
                let _ = rustix::process::kill_process(pid, Signal::KILL);
                // What it may have begun since it has executed. It begins by making a group of its own number.
                let _ = rustix::process::kill_process_group(pid, Signal::KILL);
            }
        }
    }

    /// Whether it is closed.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.closed.load(Ordering::SeqCst)
    }

    /// How many are on their way.
    #[must_use]
    pub fn coming_through(&self) -> usize {
        self.coming().len()
    }

    fn coming(&self) -> MutexGuard<'_, Vec<Arc<AtomicI32>>> {
        // Nobody panics with this lock, and if somebody did, a list is whole all the same.
        self.coming.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Passage {
    /// For the child.
    #[must_use]
    pub fn doorway(&self) -> Doorway<'_> {
        Doorway {
            closed: &self.door.closed,
            announced: &self.announced,
        }
    }
}

impl Drop for Passage {
    fn drop(&mut self) {
        let mut coming = self.door.coming();
        coming.retain(|announced| !Arc::ptr_eq(announced, &self.announced));
    }
}

impl Doorway<'_> {
    /// The child is there, and can be killed from now on.
    pub fn announce(&self, pid: i32) {
        self.announced.store(pid, Ordering::SeqCst);
    }

    /// Whether it may execute.
    #[must_use]
    pub fn is_open(&self) -> bool {
        !self.closed.load(Ordering::SeqCst)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::process::ExitStatusExt;
    use std::process::Command;

    #[test]
    fn who_is_there_when_the_door_is_closed_is_killed_and_who_comes_later_finds_it_closed() {
        let door = Arc::new(Door::default());
        let (early, late, done) = (
            door.enter().unwrap(),
            door.enter().unwrap(),
            door.enter().unwrap(),
        );
        let mut children = [(); 2].map(|()| Command::new("sleep").arg("100").spawn().unwrap());
        let [there, known] = children
            .each_ref()
            .map(|child| i32::try_from(child.id()).unwrap());
        early.doorway().announce(there);
        done.doorway().announce(known);
        drop(done);
        assert!(early.doorway().is_open() && late.doorway().is_open());
        assert_eq!(door.coming_through(), 2);
        door.close();
        assert!(!late.doorway().is_open());
        assert!(door.enter().is_none());
        let [there, known] = &mut children;
        assert_eq!(there.wait().unwrap().signal(), Some(9));
        let lives = known.try_wait().unwrap().is_none();
        known.kill().unwrap();
        known.wait().unwrap();
        assert!(lives, "somebody else looks after it");
        drop((early, late));
        assert_eq!(door.coming_through(), 0);
    }
}
