//! The threads that move output from pipes to files, and what wakes them.
//!
//! One epoll for all, each pipe armed for one event at a time, so that only one thread is ever at a pipe. Where nothing
//! happens, both threads sleep in epoll_wait without a timeout.

mod due;
mod lost;
mod told;
mod watching;

use super::appointments::{Appointments, Then};
use super::archive::Archive;
use super::budget::{Budget, LEAST};
use super::fifo;
use super::line_end::Glass;
use super::lost_note::LostNote;
use super::pace::Pace;
use super::sink::Tools;
use super::stream::{Next, Pipe, Stream, fifo_name, lock};
use crate::output::failure::{doing, os_code};
use crate::output::last_words::Written;
use crate::output::lost::Lost;
use crate::output::searcher::Searcher;
use crate::registry::plan::LogPlan;
use crate::state::known::Holder;
use jiff::tz::TimeZone;
use rustix::event::EventfdFlags;
use rustix::event::epoll::{self, EventData, EventFlags};
use rustix::fs::{AtFlags, Mode, OFlags};
use s7proto::name::ComponentName;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

/// One thread may hang in a slow disk while the other goes on; more would only contend on a machine of few cores.
pub(super) const THREADS: usize = 2;

/// A turn needs two or three small frames, a formatted warning and a calendar. With a debug build that is more than 64 KiB.
/// Only pages that were touched cost memory.
const STACK: usize = 256 * 1024;

/// How long an old run's pipe that still has a writer keeps the next run's output waiting. The next run only starts when
/// the old tree is gone, so that writer is a stranger who was handed the pipe, and mustn't block the component.
const STRANGER: Duration = Duration::from_secs(1);

const QUIT: u64 = 0;
const TIMER: u64 = 1;
const FIRST_PIPE: u64 = 2;

pub(super) struct Pumps {
    epoll: OwnedFd,
    quit: OwnedFd,
    nowhere: OwnedFd,
    zone: TimeZone,
    /// Where the pipes lie.
    path: PathBuf,
    folder: Mutex<OwnedFd>,
    next_key: AtomicU64,
    components: Mutex<HashMap<ComponentName, Arc<Stream>>>,
    pipes: Mutex<HashMap<u64, Arc<Pipe>>>,
    ended: Condvar,
    appointments: Appointments,
    archive: Arc<Archive>,
    budget: Mutex<Budget>,
    pub(super) searcher: Arc<OnceLock<Searcher>>,
    /// What the image before has handed over of components that are not taken up yet.
    left: Mutex<BTreeMap<ComponentName, Lost>>,
    /// Output is left where it is, because another image is being executed.
    resting: AtomicBool,
}

impl Pumps {
    pub(super) fn new(folder: &Path) -> io::Result<Self> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        let appointments = Appointments::new()?;
        let quit = rustix::event::eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        // Edge-triggered: each time it goes off one thread wakes up, and nobody has to read it.
        epoll::add(
            &epoll,
            &appointments,
            EventData::new_u64(TIMER),
            EventFlags::IN | EventFlags::ET,
        )?;
        epoll::add(&epoll, &quit, EventData::new_u64(QUIT), EventFlags::IN)?;
        let nowhere = rustix::fs::open("/dev/null", OFlags::WRONLY | OFlags::CLOEXEC, Mode::empty())
            .map_err(|errno| doing("opening /dev/null", errno.into()))?;
        Ok(Self {
            epoll,
            quit,
            nowhere,
            zone: TimeZone::system(),
            path: folder.to_owned(),
            folder: Mutex::new(fifo::folder(folder)?),
            next_key: AtomicU64::new(FIRST_PIPE),
            components: Mutex::default(),
            pipes: Mutex::default(),
            ended: Condvar::new(),
            appointments,
            archive: Arc::default(),
            budget: Mutex::new(Budget::of_this_user()),
            searcher: Arc::default(),
            left: Mutex::default(),
            resting: AtomicBool::new(false),
        })
    }

    /// Starts the threads.
    pub(super) fn start(self: &Arc<Self>) -> io::Result<()> {
        for number in 1..=THREADS {
            let pumps = Arc::clone(self);
            let glass = Glass::new().map_err(|why| doing("making a pipe to look through", why))?;
            let thread = std::thread::Builder::new()
                .name(format!("s7-output-{number}"))
                .stack_size(STACK);
            thread
                .spawn(move || pumps.run(&glass))
                .map_err(|why| doing("starting an output thread", why))?;
        }
        Ok(())
    }

    /// Lets the threads end after what they are at.
    pub(super) fn stop(&self) {
        // A new eventfd takes 1 without blocking, and more than once makes no difference.
        let _ = rustix::io::write(&self.quit, &1_u64.to_ne_bytes());
        self.archive.stop();
    }

    /// Makes the pipe of a run and returns the component's end, and why it has no name, if so.
    pub(super) fn attach(
        &self,
        component: &ComponentName,
        run: u64,
        owner: Option<(u32, u32)>,
        log: &LogPlan,
    ) -> io::Result<(OwnedFd, Option<io::Error>)> {
        let wanted = lock(&self.budget).next();
        let (ends, unnamed) = match self.make(&fifo_name(component, run), owner, wanted) {
            Ok(ends) => (ends, None),
            // A pipe without a name would want the same.
            Err(why) if is_scarce(&why) => return Err(why),
            Err(why) => (fifo::make_unnamed(owner, wanted)?, Some(why)),
        };
        self.queue(component, run, ends.read, ends.capacity, log);
        Ok((ends.child, unnamed))
    }

    fn make(&self, name: &str, owner: Option<(u32, u32)>, wanted: usize) -> io::Result<fifo::Ends> {
        let made = fifo::make_at(&self.path, lock(&self.folder).as_fd(), name, owner, wanted);
        match made {
            // Somebody has removed the folder under us.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                if let Some(runtime_dir) = self.path.parent() {
                    super::endpoint::prepare_folder(runtime_dir)?;
                }
                *lock(&self.folder) = fifo::folder(&self.path)?;
                log::warn!("{} was gone and is made again", self.path.display());
                fifo::make(lock(&self.folder).as_fd(), name, owner, wanted)
            }
            made => made,
        }
    }

    /// Whether a pipe can be given a name. That of no component is like this one.
    pub(super) fn try_a_name(&self) -> io::Result<()> {
        let name = "pipe:new";
        self.make(name, None, LEAST)?;
        Ok(rustix::fs::unlinkat(
            lock(&self.folder).as_fd(),
            name,
            AtFlags::empty(),
        )?)
    }

    /// Goes on with the pipe of a run that an earlier daemon has begun; `false` if there is none.
    pub(super) fn reattach(
        &self,
        component: &ComponentName,
        run: u64,
        log: &LogPlan,
        holder: Option<Holder>,
    ) -> io::Result<bool> {
        let named = fifo::find(lock(&self.folder).as_fd(), &fifo_name(component, run))?;
        let found = match (named, holder) {
            // What bears the name may be left of another run, where it could not be replaced.
            (Some((read, _)), Some(holder)) if fifo::identity(read.as_fd()) != Some(holder.pipe) => {
                fifo::find_at(holder)?
            }
            (None, Some(holder)) => fifo::find_at(holder)?,
            (named, _) => named,
        };
        let Some((read, capacity)) = found else {
            return Ok(false);
        };
        self.queue(component, run, read, capacity, log);
        Ok(true)
    }

    /// Removes the pipes of runs that nobody knows any more.
    pub(super) fn remove_strays(&self) -> io::Result<()> {
        let known: HashSet<String> = lock(&self.pipes).values().map(|pipe| pipe.name()).collect();
        fifo::remove_others(lock(&self.folder).as_fd(), |name| known.contains(name))
    }

    /// Has the pipe read, after those of earlier runs.
    fn queue(&self, component: &ComponentName, run: u64, read: OwnedFd, capacity: usize, log: &LogPlan) {
        lock(&self.budget).take(capacity);
        let plan = Arc::new(log.clone());
        let is_new = !lock(&self.components).contains_key(component);
        let before = is_new.then(|| self.left_of(component));
        let key = self.next_key.fetch_add(1, Ordering::Relaxed);
        let (stream, pipe) = {
            let mut components = lock(&self.components);
            let stream = components.entry(component.clone()).or_insert_with(|| {
                let name = component.clone();
                let (archive, searcher) = (Arc::clone(&self.archive), Arc::clone(&self.searcher));
                let before = before.unwrap_or_else(|| (Lost::default(), LostNote::of(component, &self.path)));
                Arc::new(Stream::new(name, Arc::clone(&plan), archive, searcher, before))
            });
            let stream = Arc::clone(stream);
            // Under both locks, so that a stream can't be forgotten between being found and being used.
            let mut queue = lock(&stream.queue);
            queue.forgotten = false;
            queue.plan = Arc::clone(&plan);
            let pace = Mutex::new(Pace::new(Instant::now()));
            let pipe = Arc::new(Pipe {
                key,
                run,
                stream: Arc::clone(&stream),
                read,
                capacity,
                in_epoll: AtomicBool::new(false),
                pace,
                begins: Mutex::default(),
                looks_again: AtomicBool::new(false),
            });
            lock(&self.pipes).insert(key, Arc::clone(&pipe));
            queue.waiting.push_back(Arc::clone(&pipe));
            drop(queue);
            (stream, pipe)
        };
        // Where a pump is at the file, it is open already or being opened.
        if let Ok(mut sink) = stream.sink.try_lock() {
            sink.prepare(plan, component.as_str());
            stream.tell(&sink);
            if sink.is_faulty() {
                self.look_again_later(&pipe);
            }
            *lock(&pipe.begins) = sink.spot();
        }
        self.advance(&stream, |head| head.is_none());
    }

    /// Changes where a component's output goes; the pumps take it up with the next turn.
    pub(super) fn follow(&self, component: &ComponentName, log: &LogPlan) {
        if let Some(stream) = lock(&self.components).get(component) {
            lock(&stream.queue).plan = Arc::new(log.clone());
        }
    }

    /// Forgets a component as soon as its last pipe is drained.
    pub(super) fn forget(&self, component: &ComponentName) {
        let mut components = lock(&self.components);
        let Some(stream) = components.get(component) else {
            return;
        };
        let mut queue = lock(&stream.queue);
        queue.forgotten = true;
        let idle = queue.is_idle();
        drop(queue);
        if idle {
            self.archive.forget(&lock(&stream.queue).plan.file);
            components.remove(component);
        }
    }

    /// Waits until none of those components has a pipe left that nobody can write to.
    pub(super) fn drain(&self, deadline: Duration, which: impl Fn(&ComponentName) -> bool) -> bool {
        let start = Instant::now();
        let is_full =
            |pipe: &Arc<Pipe>| which(&pipe.stream.component) && fifo::has_no_writer(pipe.read.as_fd());
        let mut pipes = lock(&self.pipes);
        while pipes.values().any(is_full) {
            let left = deadline.saturating_sub(start.elapsed());
            if left.is_zero() {
                return false;
            }
            pipes = self
                .ended
                .wait_timeout(pipes, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
        true
    }

    fn run(&self, glass: &Glass) {
        super::signals::keep_from_this_thread();
        let nowhere = self.nowhere.as_fd();
        let (zone, resting) = (&self.zone, &self.resting);
        let tools = Tools {
            nowhere,
            glass,
            zone,
            resting,
        };
        let mut held: Option<Arc<Pipe>> = None;
        loop {
            // With a pipe in hand whose quantum is used up, one look is taken at who else is ready.
            let other = match self.ready(held.is_some()) {
                None => None,
                Some(QUIT) => return,
                Some(TIMER) => self.keep_appointments(),
                Some(key) => lock(&self.pipes).get(&key).cloned(),
            };
            let pipe = match (other, held.take()) {
                (Some(other), held) => {
                    if let Some(held) = held {
                        self.watch(&held);
                    }
                    other
                }
                (None, Some(held)) => held,
                (None, None) => continue,
            };
            let started = Instant::now();
            let next = pipe.turn(&tools);
            if matches!(next, Next::Rest(_)) && lock(&pipe.stream.unwritten).is_some() {
                self.look_again_later(&pipe);
            }
            match next {
                Next::More => held = Some(pipe),
                Next::Later(when) => self.appointments.make(when, pipe.key, Then::Turn),
                Next::End => self.end(&pipe),
                Next::Rest(moved) => {
                    let now = Instant::now();
                    let pause = lock(&pipe.pace).after_turn(started, now, moved, pipe.capacity);
                    if moved > pipe.capacity / 2 {
                        // Who fills a pipe so fast has filled it again meanwhile: a second look instead of a sleep, from
                        // which a busy machine wakes nobody for milliseconds.
                        held = Some(pipe);
                    } else if pause.is_zero() {
                        self.watch(&pipe);
                    } else {
                        self.unwatch(&pipe);
                        self.appointments.make(now + pause, pipe.key, Then::Turn);
                    }
                }
            }
        }
    }

    /// Closes a pipe that is done, and turns to the next run's.
    fn end(&self, pipe: &Arc<Pipe>) {
        let stream = &pipe.stream;
        self.unwatch(pipe);
        fifo::remove(lock(&self.folder).as_fd(), &pipe.name(), pipe.read.as_fd());
        if let Some(to) = lock(&stream.sink).spot() {
            let (run, from) = (pipe.run, *lock(&pipe.begins));
            lock(&stream.ends).note(Written { run, from, to });
        }
        if let Some(searcher) = self.searcher.get() {
            searcher.ended(&stream.component, pipe.run);
        }
        self.advance(stream, |head| head.is_some_and(|head| head.key == pipe.key));
        if lock(&stream.queue).is_idle() {
            let mut sink = lock(&stream.sink);
            if !self.resting.load(Ordering::SeqCst) {
                sink.close();
            }
            drop(sink);
            // Nobody is kept waiting any more, and what was lost is counted.
            lock(&stream.unwritten).take();
        }
        let mut components = lock(&self.components);
        let queue = lock(&stream.queue);
        let over = queue.forgotten && queue.is_idle();
        drop(queue);
        if over {
            components.remove(&stream.component);
            self.archive.forget(&lock(&stream.queue).plan.file);
        }
        drop(components);
        if lock(&self.pipes).remove(&pipe.key).is_some() {
            lock(&self.budget).give_back(pipe.capacity);
        }
        self.ended.notify_all();
    }

    /// Makes the next waiting pipe the head, where `outdated` says so of the one that is.
    fn advance(&self, stream: &Stream, outdated: impl FnOnce(Option<&Pipe>) -> bool) {
        let mut queue = lock(&stream.queue);
        if outdated(queue.head.as_deref()) {
            queue.head = queue.waiting.pop_front();
            if let Some(head) = &queue.head {
                self.watch(head);
            }
        }
        if let Some(head) = &queue.head
            && !queue.waiting.is_empty()
        {
            self.appointments
                .make(Instant::now() + STRANGER, head.key, Then::GiveWay);
        }
    }
}

/// Whether there are too few descriptors or too little memory for any pipe.
fn is_scarce(why: &io::Error) -> bool {
    let scarce = [libc::EMFILE, libc::ENFILE, libc::ENOMEM];
    os_code(why).is_some_and(|code| scarce.contains(&code))
}
