//! The one thread that reads back the output of those components that have `<match>`es, and searches it.
//!
//! It reads the log files as `logs -f` does, so the way of the output itself is as it was: whoever writes to a file only
//! says that it has. There is such a thread only as long as there is such a component.

mod reading;

use self::reading::{Output, Turn};
use super::matcher::Match;
use crate::registry::plan::TriggerPlan;
use s7proto::name::ComponentName;
use std::collections::{HashMap, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

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
    /// The run whose output is complete.
    ended: Option<u64>,
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
            desk.remove(component);
            self.shared.wake.notify_one();
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

    /// From now on no output is searched but that of components that `wanted` says yes to.
    pub fn keep(&self, wanted: impl Fn(&ComponentName) -> bool) {
        let mut desk = self.shared.desk();
        let all = desk.components.keys().filter(|component| !wanted(component));
        for component in all.cloned().collect::<Vec<_>>() {
            desk.remove(&component);
        }
        self.shared.wake.notify_one();
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

    /// All that run number `run` has written is in the component's file.
    pub fn ended(&self, component: &ComponentName, run: u64) {
        if !self.is_used.load(Ordering::Relaxed) {
            return;
        }
        let mut desk = self.shared.desk();
        let Some(entry) = desk.components.get_mut(component) else {
            return;
        };
        entry.ended = Some(run);
        if !std::mem::replace(&mut entry.queued, true) {
            desk.written.push_back(component.clone());
            self.shared.wake.notify_one();
        }
    }
}

impl Desk {
    fn remove(&mut self, component: &ComponentName) {
        if let Some(entry) = self.components.get_mut(component) {
            // Where the thread has it in hand, it is dropped when it comes back.
            entry.removed = true;
            if entry.output.is_some() {
                self.components.remove(component);
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
            let turn = output.turn(&component, behind, began, || self.begun(&component));
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
            if desk.components.is_empty() {
                // The next component that is to be searched has another thread begun.
                desk.written.clear();
                desk.again.clear();
                desk.has_thread = false;
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
                output.ended = entry.ended.take().or(output.ended);
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

    fn begun(&self, component: &ComponentName) -> VecDeque<Begin> {
        let mut desk = self.desk();
        let entry = desk.components.get_mut(component);
        entry.map_or_else(VecDeque::new, |entry| std::mem::take(&mut entry.begins))
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
        let is_open = output.is_open();
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
                let rest = behind.saturating_sub(turn.read);
                entry.behind = entry.behind.saturating_sub(rest);
                // What is missing will not come, so what is there is all.
                if rest > 0 && is_open && !std::mem::replace(&mut entry.queued, true) {
                    desk.written.push_back(component.clone());
                }
            }
        }
        if again {
            desk.again.push((Instant::now() + AGAIN, component.clone()));
        }
    }
}

#[cfg(test)]
#[path = "searcher_tests.rs"]
mod tests;
