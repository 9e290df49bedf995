//! One component's output over all its runs: their pipes in a row, and the file that they end in.

use super::archive::Archive;
use super::lost_note::LostNote;
use super::pace::Pace;
use super::sink::{CHUNK, Poured, Sink, Tools};
use crate::output::last_words::{Ends, Spot};
use crate::output::lost::Lost;
use crate::output::mark::Mark;
use crate::output::searcher::{Searcher, Wanted};
use crate::output::unwritten::Unwritten;
use crate::registry::plan::LogPlan;
use s7proto::name::ComponentName;
use std::collections::VecDeque;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Instant;

/// How much of one pipe is moved before another one that is ready gets its turn.
const QUANTUM: usize = 4 * 1024 * 1024;

/// The output of one component, over all its runs.
pub(super) struct Stream {
    pub(super) component: ComponentName,
    /// Bytes dropped, counted by the sink.
    pub(super) dropped: Arc<AtomicU64>,
    /// That the file can't be written, and why. Held for moments only.
    pub(super) unwritten: Mutex<Option<Unwritten>>,
    /// Where the last runs have written. Held for moments only.
    pub(super) ends: Mutex<Ends>,
    /// Held while the disk is worked on; nobody but pump threads waits for it.
    pub(super) sink: Mutex<Sink>,
    /// Held for moments only.
    pub(super) queue: Mutex<Queue>,
    searcher: Arc<OnceLock<Searcher>>,
}

/// The pipes of a component's runs, oldest first. Only the head is read, so that runs come one after the other.
pub(super) struct Queue {
    pub(super) plan: Arc<LogPlan>,
    pub(super) head: Option<Arc<Pipe>>,
    pub(super) waiting: VecDeque<Arc<Pipe>>,
    pub(super) forgotten: bool,
    /// A line that is to be written before what comes next.
    pub(super) mark: Option<Arc<Mark>>,
}

pub(super) struct Pipe {
    pub(super) key: u64,
    pub(super) run: u64,
    pub(super) stream: Arc<Stream>,
    pub(super) read: OwnedFd,
    pub(super) capacity: usize,
    pub(super) in_epoll: AtomicBool,
    pub(super) pace: Mutex<Pace>,
    /// Where the log ended before this run wrote, where that is known.
    pub(super) begins: Mutex<Option<Spot>>,
    /// There is an appointment to look again at the file.
    pub(super) looks_again: AtomicBool,
}

/// What a thread does after a turn.
pub(super) enum Next {
    /// The quantum is used up, and there is more.
    More,
    /// The pipe is empty.
    Rest(usize),
    /// The file isn't to be tried before.
    Later(Instant),
    /// Nothing will come any more.
    End,
}

impl Stream {
    pub(super) fn new(
        component: ComponentName,
        plan: Arc<LogPlan>,
        archive: Arc<Archive>,
        searcher: Arc<OnceLock<Searcher>>,
        before: (Lost, LostNote),
    ) -> Self {
        let dropped: Arc<AtomicU64> = Arc::default();
        let queue = Queue {
            plan: Arc::clone(&plan),
            head: None,
            waiting: VecDeque::new(),
            forgotten: false,
            mark: None,
        };
        Self {
            component,
            dropped: Arc::clone(&dropped),
            unwritten: Mutex::default(),
            ends: Mutex::default(),
            sink: Mutex::new(Sink::new(plan, archive, dropped, before)),
            queue: Mutex::new(queue),
            searcher,
        }
    }

    /// Whether the file can be written, for whoever asks without waiting for a disk.
    pub(super) fn tell(&self, sink: &Sink) {
        let mut told = lock(&self.unwritten);
        if sink.is_faulty() || told.is_some() {
            *told = sink.unwritten();
        }
    }
}

impl Queue {
    /// Whether no run's pipe is left.
    pub(super) fn is_idle(&self) -> bool {
        self.head.is_none() && self.waiting.is_empty()
    }
}

impl Pipe {
    /// Moves what is in the pipe, at most a quantum.
    pub(super) fn turn(&self, tools: &Tools<'_>) -> Next {
        let mut sink = lock(&self.stream.sink);
        let (plan, mark) = {
            let mut queue = lock(&self.stream.queue);
            let mark = queue.mark.take_if(|mark| mark.is_of(self.run));
            (Arc::clone(&queue.plan), mark)
        };
        sink.follow(plan);
        sink.announce(mark, self.run);
        let mut moved = 0;
        let component = &self.stream.component;
        let search = self.stream.searcher.get();
        let search = search.and_then(|searcher| Some((searcher, searcher.wants(component, self.run)?)));
        if let Some((searcher, Wanted::Beginning)) = search
            && let Some((file, place)) = sink.place()
        {
            searcher.begins(component, self.run, file, place);
        }
        let next = self.pour(&mut sink, tools, &mut moved);
        self.stream.tell(&sink);
        if let Some((searcher, _)) = search
            && moved > 0
        {
            searcher.written(component, moved as u64);
        }
        next
    }

    fn pour(&self, sink: &mut Sink, tools: &Tools<'_>, moved: &mut usize) -> Next {
        while *moved < QUANTUM {
            let poured = sink.pour(self.read.as_fd(), tools, self.stream.component.as_str());
            let bytes = match poured {
                Poured::Moved(bytes) | Poured::Dropped(bytes) => bytes,
                Poured::Part(bytes) => {
                    *moved += bytes;
                    continue;
                }
                Poured::Empty => return Next::Rest(*moved),
                Poured::Wait(until) => return Next::Later(until),
                Poured::Ended => return Next::End,
            };
            *moved += bytes;
            // A call takes what there is, up to a chunk, so less than that (or than half of a small pipe) means that it is
            // empty now, and epoll sees the end.
            if bytes < CHUNK.min(self.capacity / 2) {
                return Next::Rest(*moved);
            }
        }
        Next::More
    }

    /// The name of its FIFO.
    pub(super) fn name(&self) -> String {
        fifo_name(&self.stream.component, self.run)
    }
}

/// The name of the FIFO of a run.
pub(super) fn fifo_name(component: &ComponentName, run: u64) -> String {
    format!("{component}.{run}")
}

/// Nobody panics with one of these locks, and if somebody did, the others had better go on.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
