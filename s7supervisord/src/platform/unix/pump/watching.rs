//! Waiting for pipes that have something.

use super::{Pumps, QUIT};
use crate::platform::os::appointments::Then;
use crate::platform::os::stream::Pipe;
use rustix::event::Timespec;
use rustix::event::epoll::{self, Event, EventData, EventFlags};
use rustix::io::Errno;
use std::mem::MaybeUninit;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

impl Pumps {
    /// The key of something that is ready; `None` where nothing is, which is only said to those who don't wait.
    pub(super) fn ready(&self, only_look: bool) -> Option<u64> {
        let now = Timespec {
            tv_sec: 0,
            tv_nsec: 0,
        };
        let patience = only_look.then_some(&now);
        loop {
            // One at a time, so that a thread that is stuck in a disk keeps nobody else's event.
            let mut events = [MaybeUninit::<Event>::uninit(); 1];
            match epoll::wait(&self.epoll, &mut events, patience) {
                Ok((events, _)) => match events.first() {
                    Some(event) => return Some(event.data.u64()),
                    None if only_look => return None,
                    None => {}
                },
                Err(Errno::INTR) => {}
                Err(errno) => {
                    log::error!("an output thread ends, because waiting for output failed: {errno}");
                    return Some(QUIT);
                }
            }
        }
    }

    /// Arms a pipe for one event, at once if there is something already.
    pub(super) fn watch(&self, pipe: &Pipe) {
        let flags = EventFlags::IN | EventFlags::ONESHOT;
        let data = EventData::new_u64(pipe.key);
        let watched = if pipe.in_epoll.swap(true, Ordering::Relaxed) {
            epoll::modify(&self.epoll, &pipe.read, data, flags)
        } else {
            epoll::add(&self.epoll, &pipe.read, data, flags)
        };
        if let Err(errno) = watched {
            // The kernel is out of memory or watches: until it has some, the pipe holds what comes.
            let component = &pipe.stream.component;
            log::warn!("{component}: its output can't be watched for a second: {errno}");
            pipe.in_epoll.store(false, Ordering::Relaxed);
            self.appointments
                .make(Instant::now() + Duration::from_secs(1), pipe.key, Then::Turn);
        }
    }

    /// Takes a pipe out of the epoll: each write of the component would else pay for an event that nobody wants.
    pub(super) fn unwatch(&self, pipe: &Pipe) {
        if pipe.in_epoll.swap(false, Ordering::Relaxed) {
            // It can only fail where the pipe isn't in it, which is what is wanted.
            let _ = epoll::delete(&self.epoll, &pipe.read);
        }
    }
}
