//! What the pumps do at an appointed time.

use super::super::appointments::Then;
use super::super::fifo;
use super::super::sink::RETRY;
use super::super::stream::{Pipe, lock};
use super::Pumps;
use crate::output::last_words::Written;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

impl Pumps {
    /// A file that can't be written is tried again also where nothing comes.
    pub(super) fn look_again_later(&self, pipe: &Pipe) {
        if !pipe.looks_again.swap(true, Ordering::Relaxed) {
            self.appointments
                .make(Instant::now() + RETRY, pipe.key, Then::LookAgain);
        }
    }

    fn look_again(&self, pipe: &Pipe) {
        pipe.looks_again.store(false, Ordering::Relaxed);
        // Whoever is at the file tries it.
        if let Ok(mut sink) = pipe.stream.sink.try_lock()
            && !self.resting.load(Ordering::SeqCst)
            && !fifo::holds_bytes(pipe.read.as_fd())
        {
            sink.look_again(pipe.stream.component.as_str());
            pipe.stream.tell(&sink);
        }
        if lock(&pipe.stream.unwritten).is_some() {
            self.look_again_later(pipe);
        }
    }

    /// Does what is due. The first pipe that is to have a turn gets it from the thread that asks, the others are watched
    /// and so come to the thread that is free.
    pub(super) fn keep_appointments(&self) -> Option<Arc<Pipe>> {
        let mut mine = None;
        for (key, then) in self.appointments.take_due() {
            let Some(pipe) = lock(&self.pipes).get(&key).cloned() else {
                continue;
            };
            match then {
                Then::Turn if mine.is_none() => mine = Some(pipe),
                Then::Turn => self.watch(&pipe),
                Then::GiveWay => self.give_way(&pipe),
                Then::LookAgain => self.look_again(&pipe),
            }
        }
        mine
    }

    fn give_way(&self, pipe: &Arc<Pipe>) {
        // Without a writer only a bounded rest is in it, which is worth waiting for.
        if fifo::has_no_writer(pipe.read.as_fd()) {
            return;
        }
        let mut gave_way = false;
        self.advance(&pipe.stream, |head| {
            gave_way = head.is_some_and(|head| head.key == pipe.key);
            gave_way
        });
        if gave_way {
            // What comes from now on is that of the next run.
            if let Some(to) = lock(&pipe.stream.sink).spot() {
                let (run, from) = (pipe.run, *lock(&pipe.begins));
                lock(&pipe.stream.ends).note(Written { run, from, to });
            }
            log::warn!(
                "{}: somebody outside its process tree still holds the output of run {}; the next run doesn't wait for it",
                pipe.stream.component,
                pipe.run
            );
        }
    }
}
