//! Creating processes, on threads of their own: an exec from a slow disk or a look-up of a user stops only the thread
//! that waits for it.

use super::create::{Creator, Prepared, Stack};
use super::door::Door;
use super::order::{Gone, Order, Spawned};
use super::turns::{Job, Turns, Way};
use crate::failpoint::{self, Point};
use crate::machine::input::RunId;
use s7proto::status::{SpawnFailure, SpawnStage};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// Threads that create processes. More than two don't help on the machines this runs on; the others are there so that a
/// program on a hanging file system doesn't keep the rest from starting.
pub(super) const THREADS: usize = 8;
/// Rust code on these threads needs little: strings and a few file operations, far from 64 KiB deep.
const THREAD_STACK: usize = 128 * 1024;
/// Results that are told together: while one process after the other is created, the core loop needn't wake up for each.
const TOGETHER: usize = 8;

/// The pool.
pub struct Spawner {
    threads: usize,
    shared: Arc<Shared>,
}

/// A run that is to be created, or why it can't be.
type Ready = Box<Result<Prepared, (RunId, SpawnFailure)>>;

struct Shared {
    creator: Creator,
    desk: Mutex<Desk>,
    /// Threads without work wait here, each at its own: the one that went to sleep last is woken first, so that those that
    /// aren't needed sleep on.
    idle: [Condvar; THREADS],
    done: Box<dyn Fn(Spawned) + Send + Sync>,
}

/// What the threads share. Held for moments only.
#[derive(Default)]
struct Desk {
    /// At most one order for each component and a few notes, since the machine waits for each answer.
    turns: Turns<Order, Ready>,
    /// What came of orders and isn't told yet.
    results: Vec<Spawned>,
    waiting: Vec<usize>,
    over: bool,
}

impl Spawner {
    /// A pool that gives what came of each order to `done`.
    pub fn new(creator: Creator, done: impl Fn(Spawned) + Send + Sync + 'static) -> Self {
        Self {
            threads: 0,
            shared: Arc::new(Shared {
                creator,
                desk: Mutex::default(),
                idle: Default::default(),
                done: Box::new(done),
            }),
        }
    }

    /// Whether every order is carried out and told.
    #[must_use]
    pub fn is_at_rest(&self) -> bool {
        let desk = self.shared.desk.lock().unwrap_or_else(PoisonError::into_inner);
        desk.turns.open() == 0 && desk.results.is_empty()
    }

    /// Takes an order; what comes of it is told later.
    pub fn submit(&mut self, order: Order) {
        let mut desk = self.shared.desk();
        let open = desk.turns.open();
        if open >= self.threads && self.threads < THREADS {
            drop(desk);
            self.add_thread();
            desk = self.shared.desk();
        }
        if self.threads > 0 {
            let way = match order {
                Order::Create { .. } => Way::InTurn,
                Order::Errand { .. } => Way::Beside,
                _ => Way::AtOnce,
            };
            let wake = desk.turns.order(way, order, Instant::now());
            let sleeper = if wake { desk.waiting.pop() } else { None };
            drop(desk);
            self.shared.wake(sleeper);
            return;
        }
        drop(desk);
        let failure = SpawnFailure {
            stage: SpawnStage::CreatingProcess,
            subject: "a thread of the supervisor".to_owned(),
            os_error: Some(libc::EAGAIN),
            cause: "no thread could be created for it".to_owned(),
            host_fault: true,
        };
        match order {
            Order::Create { run: (run, _), .. } => (self.shared.done)(Spawned::No { run, failure }),
            Order::Ask { run, .. } => (self.shared.done)(Spawned::Asking {
                run,
                command: Err(failure),
            }),
            Order::Errand { number, .. } => (self.shared.done)(Spawned::Errand {
                number,
                made: Err(failure),
            }),
            Order::EndErrand { number, .. } => (self.shared.done)(Spawned::ErrandKilled(number)),
            Order::Names { .. } => (self.shared.done)(Spawned::Names(Vec::new())),
            Order::Signs(_) => (self.shared.done)(Spawned::Signs(Err(failure.cause))),
            Order::Note(_) | Order::RecordAgain(_) | Order::Forget(_) | Order::Remove(..) => {}
        }
    }

    /// What is being created of `run` is to end as soon as it is there.
    pub fn hasten(&self, run: RunId) {
        self.shared.creator.hastened().insert(run);
    }

    /// The order about `run` was carried out and told.
    pub fn is_over(&self, run: RunId) {
        self.shared.creator.hastened().remove(&run);
    }

    /// Nothing comes into being any more. Gives those that were about to.
    pub fn close(&self) -> Arc<Door> {
        self.shared.creator.door.close();
        Arc::clone(&self.shared.creator.door)
    }

    fn add_thread(&mut self) {
        let (number, shared) = (self.threads, Arc::clone(&self.shared));
        let made = std::thread::Builder::new()
            .name(format!("s7-spawn-{}", number + 1))
            .stack_size(THREAD_STACK)
            .spawn(move || shared.work(number));
        match made {
            Ok(_) => self.threads += 1,
            Err(error) => log::warn!("creating a thread that starts components: {error}"),
        }
    }
}

impl Drop for Spawner {
    fn drop(&mut self) {
        self.shared.desk().over = true;
        self.shared.idle.iter().for_each(Condvar::notify_all);
    }
}

impl Shared {
    fn desk(&self) -> MutexGuard<'_, Desk> {
        // Nobody panics with this lock, and if somebody did, the others had better go on.
        self.desk.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wake(&self, sleeper: Option<usize>) {
        if let Some(idle) = sleeper.and_then(|number| self.idle.get(number)) {
            idle.notify_one();
        }
    }

    fn work(&self, me: usize) {
        let mut stack = Stack::default();
        let mut done = Done::Nothing;
        while let Some(task) = self.next(me, done) {
            done = match task {
                Task::Take(number, order) => self.take(number, order, &mut stack),
                Task::Create(ready) => Done::from(self.create(ready, &mut stack)),
                Task::Tell(results) => {
                    results.into_iter().for_each(&self.done);
                    Done::Nothing
                }
            };
        }
    }

    /// Waits for something to do; `None` at the end.
    fn next(&self, me: usize, done: Done) -> Option<Task> {
        let mut desk = self.desk();
        desk.turns.is_done(me);
        match done {
            Done::Ready(number, ready) => desk.turns.prepared(number, ready, Instant::now()),
            Done::Result(result) => desk.results.push(*result),
            Done::Nothing => {}
        }
        loop {
            if desk.over {
                return None;
            }
            let now = Instant::now();
            if desk.results.len() >= TOGETHER || !(desk.results.is_empty() || desk.turns.goes_on(now)) {
                return Some(Task::Tell(std::mem::take(&mut desk.results)));
            }
            let task = match desk.turns.next(me, now) {
                Job::Take(number, order) => Task::Take(number, order),
                Job::Create(ready) => Task::Create(ready),
                Job::Wait(patience) => {
                    desk.waiting.push(me);
                    let idle = &self.idle[me];
                    desk = match patience {
                        Some(patience) => {
                            let waited = idle.wait_timeout(desk, patience);
                            waited.unwrap_or_else(PoisonError::into_inner).0
                        }
                        None => idle.wait(desk).unwrap_or_else(PoisonError::into_inner),
                    };
                    desk.waiting.retain(|waiting| *waiting != me);
                    continue;
                }
            };
            let wake = desk.turns.has_more(now);
            let sleeper = if wake { desk.waiting.pop() } else { None };
            drop(desk);
            self.wake(sleeper);
            return Some(task);
        }
    }

    fn take(&self, number: Option<u64>, order: Order, stack: &mut Stack) -> Done {
        match order {
            Order::Forget(component) => {
                let _ = std::fs::remove_file(self.creator.locks.join(component.as_str()));
                self.creator.javas.forget(&component);
            }
            Order::Remove(cgroup, channel) => {
                drop(channel);
                if let Some(cgroup) = cgroup
                    && let Err(error) = cgroup.end()
                {
                    log::warn!("removing {cgroup}: {error}; it is tried again when the supervisor ends");
                }
            }
            Order::Names { names, make } => {
                let gone = names.into_iter().filter(|(_, name)| name.is_gone());
                let gone = gone.map(|(run, name)| Gone {
                    run,
                    renewed: make.then(|| name.make_again()),
                });
                return Done::from(Spawned::Names(gone.collect()));
            }
            Order::Note(words) => {
                failpoint::reach(Point::RecordBeforeNote);
                let noted = self.creator.journal.note(&[words]);
                failpoint::reach(Point::RecordAfterNote);
                self.shorten();
                if let Err(error) = noted {
                    return Done::from(Spawned::Unrecorded(error.to_string()));
                }
            }
            Order::Signs(lines) => {
                let noted = self.creator.journal.note(&lines);
                self.shorten();
                return Done::from(Spawned::Signs(noted.map_err(|error| error.to_string())));
            }
            Order::RecordAgain(lines) => {
                let journal = &self.creator.journal;
                let begun = if journal.is_kept() {
                    Ok(())
                } else {
                    journal.begin_again()
                };
                let recorded = begun.and_then(|()| journal.append(&lines));
                let recorded = recorded.map_err(|error| format!("writing the record of runs: {error}"));
                let tried = || self.creator.try_the_folder().map_err(|error| error.to_string());
                return Done::from(Spawned::Recorded(recorded.and_then(|()| tried())));
            }
            Order::Ask { run, plan } => {
                let command = self.creator.create_asking(run, &plan, stack);
                return Done::from(Spawned::Asking { run, command });
            }
            Order::Errand {
                number,
                run,
                plan,
                cgroup,
            } => {
                let made = self.creator.create_errand(run, &plan, cgroup.as_ref(), stack);
                return Done::from(Spawned::Errand { number, made });
            }
            Order::EndErrand { number, pid, cgroup } => {
                super::create::kill_errand(pid, cgroup.as_ref());
                return Done::from(Spawned::ErrandKilled(number));
            }
            Order::Create { run, plan, tally } => {
                let ready = self.creator.prepare(run, plan, tally);
                // Every order to create something has a number.
                return Done::Ready(
                    number.unwrap_or(0),
                    Box::new(ready.map_err(|failure| (run.0, failure))),
                );
            }
        }
        Done::Nothing
    }

    fn create(&self, ready: Ready, stack: &mut Stack) -> Spawned {
        let prepared = match *ready {
            Ok(prepared) => prepared,
            Err((run, failure)) => return Spawned::No { run, failure },
        };
        let (run, component) = (prepared.run, prepared.plan.id.clone());
        let created = self.creator.create(prepared, stack);
        self.shorten();
        match created {
            Ok(created) => Spawned::Yes {
                run,
                component,
                pid: created.pid,
                pidfd: created.pidfd,
                record: created.record,
                unrecorded: created.unrecorded,
                unmade: created.unmade,
                cgroup: created.cgroup,
                channel: created.channel,
                passage: created.passage,
            },
            Err(failure) => Spawned::No { run, failure },
        }
    }

    fn shorten(&self) {
        if let Err(error) = self.creator.journal.shorten() {
            log::warn!("writing the record of runs anew: {error}; it goes on growing until that is possible");
        }
    }
}

/// What a thread is at.
enum Task {
    Take(Option<u64>, Order),
    Create(Ready),
    Tell(Vec<Spawned>),
}

/// What came of it.
enum Done {
    Nothing,
    Ready(u64, Ready),
    Result(Box<Spawned>),
}

impl From<Spawned> for Done {
    fn from(result: Spawned) -> Self {
        Self::Result(Box::new(result))
    }
}
