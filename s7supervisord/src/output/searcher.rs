//! The one thread that reads back the output of those components that have `<match>`es, and searches it.
//!
//! It reads the log files as `logs -f` does, so the way of the output itself is as it was: whoever writes to a file only
//! says that it has. There is no such thread before there is such a component.

use super::follow::Follower;
use super::matcher::{Match, Matcher};
use crate::registry::plan::TriggerPlan;
use s7proto::name::ComponentName;
use std::collections::{HashMap, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How much of one component's output is read before another one has its turn, in bytes.
const TURN: usize = 64 * 1024;
/// How far a component may be ahead of the search, in bytes. Then what is between is left out: who writes so much in so
/// short a time repeats itself.
const BEHIND: u64 = 8 * 1024 * 1024;
/// The search rests this many times as long as it has worked, so that all of it takes a tenth of one core at most.
const REST: u32 = 9;
/// Shorter rests are put together: sleeping for less takes longer than it rests.
const SHORTEST_REST: Duration = Duration::from_millis(1);
/// How long it waits for more, once somebody has written: a line is mostly followed by others.
const TOGETHER: Duration = Duration::from_millis(20);
/// How long until a file that was written, and in which nothing new is found, is looked at again: it may be about to get
/// another name. After so many times somebody else has removed it.
const AGAIN: Duration = Duration::from_millis(500);
const TIMES_AGAIN: u32 = 8;
/// Runs of one component whose output isn't searched yet. Of more only the last ones are.
const RUNS: usize = 8;
/// How often it is said that something was left out.
const SAY_AGAIN: Duration = Duration::from_secs(60);

/// What was found in the output of a component.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Whose output.
    pub component: ComponentName,
    /// Of which run.
    pub run: u64,
    /// The line.
    pub what: Match,
}

/// A handle on the search; when the last one is dropped, it ends.
pub struct Searcher {
    shared: Arc<Shared>,
    /// Somebody's output was to be searched: before, nobody who writes waits for a lock.
    is_used: AtomicBool,
}

struct Shared {
    desk: Mutex<Desk>,
    wake: Condvar,
    tell: Box<dyn Fn(Found) + Send + Sync>,
}

#[derive(Default)]
struct Desk {
    components: HashMap<ComponentName, Entry>,
    /// Those that have written, each once.
    written: VecDeque<ComponentName>,
    /// Those that are to be looked at again.
    again: Vec<(Instant, ComponentName)>,
    has_thread: bool,
    over: bool,
}

#[derive(Default)]
struct Entry {
    /// `None` while the thread has it.
    output: Option<Box<Output>>,
    /// What the thread is to take up with its next turn.
    triggers: Option<Arc<[TriggerPlan]>>,
    begins: VecDeque<Begin>,
    /// Bytes that were written and aren't read, about.
    behind: u64,
    queued: bool,
    looked_again: u32,
    /// The run whose beginning was told last.
    run: Option<u64>,
    /// The component has no triggers any more.
    removed: bool,
}

/// What is to be told of a component's output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    /// Where that of its present run begins, and when something was written.
    Beginning,
    /// When something was written.
    Writes,
}

/// Where the output of a run begins.
#[derive(Debug, Clone)]
struct Begin {
    run: u64,
    path: PathBuf,
    /// The file's number (see [`crate::platform::log_file::identity`]).
    file: u64,
    at: u64,
}

/// The output of one component, as far as it is read.
#[derive(Default)]
struct Output {
    matcher: Matcher,
    run: u64,
    follower: Option<Follower>,
    path: PathBuf,
    begins: VecDeque<Begin>,
    left_out: u64,
    said: Option<Instant>,
}

/// What a turn came to.
struct Turn {
    found: Vec<(u64, Match)>,
    read: u64,
    /// There may be more.
    more: bool,
}

impl Searcher {
    /// A search that gives each line it finds to `tell`, from a thread of its own.
    #[must_use]
    pub fn new(tell: impl Fn(Found) + Send + Sync + 'static) -> Self {
        Self {
            is_used: AtomicBool::new(false),
            shared: Arc::new(Shared {
                desk: Mutex::default(),
                wake: Condvar::new(),
                tell: Box::new(tell),
            }),
        }
    }

    /// From now on the output of `component` is searched for `triggers`; for none, it isn't.
    pub fn set(&self, component: &ComponentName, triggers: &[TriggerPlan]) {
        let mut desk = self.shared.desk();
        if triggers.is_empty() {
            if let Some(entry) = desk.components.get_mut(component) {
                // Where the thread has it in hand, it is dropped when it comes back.
                entry.removed = true;
                if entry.output.is_some() {
                    desk.components.remove(component);
                }
            }
            return;
        }
        self.is_used.store(true, Ordering::Relaxed);
        let entry = desk.components.entry(component.clone()).or_insert_with(|| Entry {
            output: Some(Box::default()),
            ..Entry::default()
        });
        entry.removed = false;
        entry.triggers = Some(triggers.into());
        if !desk.has_thread {
            let shared = Arc::clone(&self.shared);
            let thread = std::thread::Builder::new().name("s7-search".into());
            match thread.spawn(move || shared.work()) {
                Ok(_) => desk.has_thread = true,
                Err(error) => log::error!("starting a thread for <match>: {error}; no output is searched"),
            }
        }
    }

    /// What is to be told of the output of run number `run`; `None` where it isn't searched.
    #[must_use]
    pub fn wants(&self, component: &ComponentName, run: u64) -> Option<Wanted> {
        if !self.is_used.load(Ordering::Relaxed) {
            return None;
        }
        let desk = self.shared.desk();
        let entry = desk.components.get(component).filter(|entry| !entry.removed)?;
        Some(match entry.run == Some(run) {
            true => Wanted::Writes,
            false => Wanted::Beginning,
        })
    }

    /// The output of run number `run` begins at byte `at` of the file with the number `file`, which has the name `path` now.
    pub fn begins(&self, component: &ComponentName, run: u64, path: &Path, (file, at): (u64, u64)) {
        if let Some(entry) = self.shared.desk().components.get_mut(component) {
            entry.run = Some(run);
            if entry.begins.len() == RUNS {
                entry.begins.pop_front();
            }
            entry.begins.push_back(Begin {
                run,
                path: path.to_owned(),
                file,
                at,
            });
        }
    }

    /// So many bytes have gone to the component's file.
    pub fn written(&self, component: &ComponentName, bytes: u64) {
        let mut desk = self.shared.desk();
        let Some(entry) = desk.components.get_mut(component) else {
            return;
        };
        entry.behind += bytes;
        entry.looked_again = 0;
        if !std::mem::replace(&mut entry.queued, true) {
            desk.written.push_back(component.clone());
            if desk.written.len() == 1 {
                self.shared.wake.notify_one();
            }
        }
    }
}

impl Drop for Searcher {
    fn drop(&mut self) {
        self.shared.desk().over = true;
        self.shared.wake.notify_one();
    }
}

impl Shared {
    fn desk(&self) -> MutexGuard<'_, Desk> {
        // Nobody panics with this lock, and if somebody did, the others had better go on.
        self.desk.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn work(&self) {
        let mut owed = Duration::ZERO;
        while let Some((component, mut output, behind)) = self.next() {
            let began = Instant::now();
            let turn = output.turn(&component, behind, began);
            owed += began.elapsed() * REST;
            self.put_back(&component, output, &turn, behind);
            for (run, what) in turn.found {
                let component = component.clone();
                (self.tell)(Found { component, run, what });
            }
            if owed >= SHORTEST_REST {
                std::thread::sleep(std::mem::take(&mut owed));
            }
        }
    }

    /// Waits for somebody who has written; `None` at the end.
    fn next(&self) -> Option<(ComponentName, Box<Output>, u64)> {
        let mut desk = self.desk();
        loop {
            if desk.over {
                return None;
            }
            let now = Instant::now();
            let mut due = Vec::new();
            desk.again.retain(|(when, component)| {
                let later = *when > now;
                if !later {
                    due.push(component.clone());
                }
                later
            });
            for component in due {
                if let Some(entry) = desk.components.get_mut(&component)
                    && !std::mem::replace(&mut entry.queued, true)
                {
                    desk.written.push_back(component);
                }
            }
            if let Some(component) = desk.written.pop_front() {
                let Some(entry) = desk.components.get_mut(&component) else {
                    continue;
                };
                entry.queued = false;
                let Some(mut output) = entry.output.take() else {
                    continue;
                };
                if let Some(triggers) = entry.triggers.take() {
                    output.matcher.set(&triggers);
                }
                output.begins.append(&mut entry.begins);
                return Some((component, output, entry.behind));
            }
            let next = desk.again.iter().map(|(when, _)| *when).min();
            desk = match next {
                Some(next) => {
                    let patience = next.saturating_duration_since(now);
                    let waited = self.wake.wait_timeout(desk, patience);
                    waited.unwrap_or_else(PoisonError::into_inner).0
                }
                None => self.wake.wait(desk).unwrap_or_else(PoisonError::into_inner),
            };
            if !desk.written.is_empty() && !desk.over {
                drop(desk);
                std::thread::sleep(TOGETHER);
                desk = self.desk();
            }
        }
    }

    fn put_back(&self, component: &ComponentName, output: Box<Output>, turn: &Turn, behind: u64) {
        let mut desk = self.desk();
        let Some(entry) = desk.components.get_mut(component) else {
            return;
        };
        if entry.removed {
            desk.components.remove(component);
            return;
        }
        entry.output = Some(output);
        entry.behind = entry.behind.saturating_sub(turn.read);
        let mut again = false;
        if turn.more {
            if !std::mem::replace(&mut entry.queued, true) {
                desk.written.push_back(component.clone());
            }
        } else {
            // What was told before the file was read, and isn't in it, went elsewhere: it was dropped.
            again = turn.read == 0 && behind > 0 && entry.looked_again < TIMES_AGAIN;
            if again {
                entry.looked_again += 1;
            } else {
                entry.behind = entry.behind.saturating_sub(behind.saturating_sub(turn.read));
            }
        }
        if again {
            desk.again.push((Instant::now() + AGAIN, component.clone()));
        }
    }
}

impl Output {
    /// Reads and searches what there is, at most [`TURN`] bytes.
    fn turn(&mut self, component: &ComponentName, behind: u64, now: Instant) -> Turn {
        let mut turn = Turn {
            found: Vec::new(),
            read: 0,
            more: false,
        };
        if behind > BEHIND {
            self.leave_out(component, behind, now);
            turn.read = behind;
        }
        loop {
            let Some(follower) = &mut self.follower else {
                if !self.next_run(now, &mut turn) {
                    return turn;
                }
                continue;
            };
            let (file, at) = follower.position();
            let here = self
                .begins
                .front()
                .filter(|next| next.file == file && next.path == self.path);
            let most = here.map_or(TURN as u64, |next| next.at.saturating_sub(at));
            let most = usize::try_from(most).unwrap_or(TURN).min(TURN);
            let bytes = if most == 0 {
                Vec::new()
            } else {
                self.read(most, component, now)
            };
            if bytes.is_empty() {
                // Nothing is added to the output of a run once that of the next one has begun.
                if self.next_run(now, &mut turn) {
                    continue;
                }
                return turn;
            }
            turn.read += bytes.len() as u64;
            let found = self.matcher.feed(&bytes, now);
            turn.found.extend(found.into_iter().map(|one| (self.run, one)));
            turn.more = true;
            return turn;
        }
    }

    fn read(&mut self, most: usize, component: &ComponentName, now: Instant) -> Vec<u8> {
        let read = self.follower.as_mut().map(|follower| follower.read(most));
        match read {
            Some(Ok(bytes)) => bytes,
            Some(Err(error)) => {
                // Where nothing but a deleted file is known of, what comes behind it begins with a whole line.
                if error.kind() != std::io::ErrorKind::NotFound {
                    self.matcher.leave_out();
                }
                self.say(now, || {
                    format!("{component}: searching its output for <match>: {error}")
                });
                // What comes behind a gap is there; a file that can't be read can't be this time either.
                let behind = self.follower.as_mut().map(|follower| follower.read(most));
                behind.and_then(Result::ok).unwrap_or_default()
            }
            None => Vec::new(),
        }
    }

    /// Turns to the next run; `false` where there is none.
    fn next_run(&mut self, now: Instant, turn: &mut Turn) -> bool {
        let Some(next) = self.begins.pop_front() else {
            return false;
        };
        turn.found
            .extend(self.matcher.end(now).map(|one| (self.run, one)));
        self.run = next.run;
        self.follower = Some(Follower::going_on(next.path.clone(), (next.file, next.at)));
        self.path = next.path;
        true
    }

    /// Goes on at the end of what there is.
    fn leave_out(&mut self, component: &ComponentName, behind: u64, now: Instant) {
        if let Some(last) = self.begins.pop_back() {
            self.run = last.run;
            self.path = last.path;
            self.begins.clear();
        }
        self.follower = Some(Follower::new(self.path.clone(), 0, 0));
        self.matcher.leave_out();
        self.left_out += behind;
        let left_out = self.left_out;
        self.say(now, || {
            format!(
                "{component}: writes faster than its output may be searched for <match>: {left_out} bytes were left out \
                 so far"
            )
        });
    }

    fn say(&mut self, now: Instant, what: impl FnOnce() -> String) {
        if self
            .said
            .is_none_or(|said| now.saturating_duration_since(said) >= SAY_AGAIN)
        {
            self.said = Some(now);
            log::warn!("{}", what());
        }
    }
}

#[cfg(test)]
#[path = "searcher_tests.rs"]
mod tests;
