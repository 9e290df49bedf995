//! What becomes of rotated logs: too many and too old ones are removed, the others compressed where that is asked for.
//!
//! One thread of low priority for all components, so that one file at a time is compressed, and slowly where somebody else
//! needs the processor. It is only started with the first log that is rotated, and sleeps until the next one is, or until
//! midnight, when files become too old.

use super::free_name;
use super::stream::lock;
use crate::failpoint::{self, Point};
use crate::output::chain::ms_since_1970;
use crate::output::day::Day;
use crate::output::failure::doing;
use crate::output::packed;
use crate::output::rotated::{Old, RotatedNames};
use crate::platform::log_file;
use crate::registry::plan::LogPlan;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use rustix::fs::CWD;
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

/// A compressor has its tables on the heap; a calendar and the folder's entries need the stack.
const STACK: usize = 1024 * 1024;

/// A tenth of what others get who want the processor: little, and enough not to keep a lock for long.
const NICE: i32 = 10;

/// Held while the names of one log's files are changed, or relied upon.
pub(super) type Names = Arc<Mutex<()>>;

/// Logs that were rotated, and the thread that looks after them.
#[derive(Default)]
pub(super) struct Archive {
    state: Mutex<State>,
    wake: Condvar,
    quit: AtomicBool,
}

#[derive(Default)]
struct State {
    /// To be looked at now, by the path of the log.
    due: BTreeMap<PathBuf, Job>,
    /// To be looked at when the day changes: bounded, as one for each component.
    known: BTreeMap<PathBuf, Job>,
    runs: bool,
}

#[derive(Clone)]
struct Job {
    plan: Arc<LogPlan>,
    names: Names,
}

impl Archive {
    /// Has the files looked at that the log of `plan` has left behind.
    pub(super) fn look_at(self: &Arc<Self>, plan: &Arc<LogPlan>, names: &Names) {
        let job = Job {
            plan: Arc::clone(plan),
            names: Arc::clone(names),
        };
        let mut state = lock(&self.state);
        state.known.insert(plan.file.clone(), job.clone());
        state.due.insert(plan.file.clone(), job);
        if !state.runs {
            let archive = Arc::clone(self);
            let thread = std::thread::Builder::new()
                .name("s7-old-logs".to_owned())
                .stack_size(STACK);
            match thread.spawn(move || archive.run()) {
                Ok(_) => state.runs = true,
                Err(why) => log::warn!(
                    "old logs are not looked after: {}",
                    doing("starting a thread", why)
                ),
            }
        }
        drop(state);
        self.wake.notify_one();
    }

    /// Forgets a log.
    pub(super) fn forget(&self, log: &Path) {
        let mut state = lock(&self.state);
        state.known.remove(log);
        state.due.remove(log);
    }

    /// Lets the thread end; a file that is just being compressed stays as it is.
    pub(super) fn stop(&self) {
        self.quit.store(true, Ordering::Relaxed);
        self.wake.notify_all();
    }

    fn run(&self) {
        super::signals::keep_from_this_thread();
        // 0 is the calling thread (setpriority(2), "C library/kernel differences"). Without it, it is only less polite.
        let _ = rustix::process::setpriority_process(None, NICE);
        let zone = TimeZone::system();
        let mut day = Day::default();
        let mut state = lock(&self.state);
        while !self.quit.load(Ordering::Relaxed) {
            if let Some((_, job)) = state.due.pop_first() {
                drop(state);
                self.look(&job, &zone);
                state = lock(&self.state);
                continue;
            }
            let now = ms_since_1970(SystemTime::now());
            day.is_over(now, now, &zone);
            let left = u64::try_from(day.ends() - now).unwrap_or(0);
            let waited = self.wake.wait_timeout(state, Duration::from_millis(left + 1));
            let (woken, timeout) = waited.unwrap_or_else(PoisonError::into_inner);
            state = woken;
            if timeout.timed_out() {
                state.due = state.known.clone();
            }
        }
    }

    fn look(&self, job: &Job, zone: &TimeZone) {
        let Some(names) = RotatedNames::of(&job.plan.file) else {
            return;
        };
        let file = job.plan.file.display();
        if let Err(why) = prune(job, &names, zone) {
            log::warn!("old logs of {file} can't be removed: {why}");
        }
        // Left by a daemon that was killed while it compressed: the plain file is still there.
        let unfinished = names.hidden("gz");
        if unfinished.exists() {
            let _ = fs::remove_file(&unfinished);
        }
        if !job.plan.compress {
            return;
        }
        if let Err(why) = self.compress_all(job, &names) {
            log::warn!("an old log of {file} stays as it is, because it can't be compressed: {why}");
            let _ = fs::remove_file(&unfinished);
        }
    }

    fn compress_all(&self, job: &Job, names: &RotatedNames) -> io::Result<()> {
        // Those that can't be compressed now, each a descriptor less than was kept.
        let mut done = Vec::new();
        while !self.quit.load(Ordering::Relaxed) {
            let Some(source) = next_plain(job, names, &done)? else {
                return Ok(());
            };
            done.push(log_file::identity(&source)?);
            self.compress(job, names, &source)?;
        }
        Ok(())
    }

    /// Compresses one file beside it, and gives it the name when it is whole: a half one never has it.
    fn compress(&self, job: &Job, names: &RotatedNames, source: &File) -> io::Result<()> {
        let unfinished = names.hidden("gz");
        let told = |why| doing(format_args!("writing {}", unfinished.display()), why);
        let modified = source.metadata()?.modified()?;
        let identity = log_file::identity(source)?;
        let to = log_file::open_to_place(&unfinished)?;
        to.set_len(0).map_err(told)?;
        let seconds = u32::try_from(ms_since_1970(modified).max(0) / 1000).unwrap_or(u32::MAX);
        let go_on = || !self.quit.load(Ordering::Relaxed);
        let Some(packed) = packed::pack(source, to, (identity, seconds), go_on).map_err(told)? else {
            return Ok(());
        };
        // Age and `logs --since` go by it. Then the disk is waited for, because the plain file goes.
        packed.set_modified(modified).map_err(told)?;
        packed.sync_all().map_err(told)?;
        let _names = lock(&job.names);
        let plain = names
            .list()?
            .into_iter()
            .find(|old| !old.packed && log_file::is_still_named(source, &names.path(old)));
        let Some(plain) = plain else {
            // It was removed meanwhile.
            return fs::remove_file(&unfinished);
        };
        let name = names.path(&Old {
            packed: true,
            ..plain
        });
        failpoint::reach(Point::PackBeforeRename);
        let renamed = free_name::rename(CWD, &unfinished, &name);
        renamed.map_err(|errno| doing(format_args!("making {}", name.display()), errno.into()))?;
        failpoint::reach(Point::PackAfterRename);
        fs::remove_file(names.path(&plain))
    }
}

/// The oldest file that is to be compressed and is none of `done`.
fn next_plain(job: &Job, names: &RotatedNames, done: &[u64]) -> io::Result<Option<File>> {
    let _names = lock(&job.names);
    for old in names.list()?.iter().rev().filter(|old| !old.packed) {
        let Ok(file) = log_file::open_to_read(&names.path(old)) else {
            continue;
        };
        let identity = log_file::identity(&file)?;
        if done.contains(&identity) {
            continue;
        }
        let packed = names.path(&Old { packed: true, ..*old });
        if let Ok(twin) = log_file::open_to_read(&packed) {
            // A daemon was killed between the last two steps. It is made again, because that asks for no trust.
            let same_time = twin.metadata()?.modified()? == file.metadata()?.modified()?;
            if packed::origin(&twin) != Some(identity) || !same_time {
                continue;
            }
            fs::remove_file(&packed)?;
        }
        return Ok(Some(file));
    }
    Ok(None)
}

/// Removes what is too old, and what was kept when more was to be kept.
///
/// The names are only locked where there is something to remove, because whoever rotates the log would have to wait for
/// this thread, that gets little of the processor.
fn prune(job: &Job, names: &RotatedNames, zone: &TimeZone) -> io::Result<()> {
    if outdated(job, names, zone)?.is_empty() {
        return Ok(());
    }
    let _names = lock(&job.names);
    for path in outdated(job, names, zone)? {
        fs::remove_file(&path)?;
    }
    Ok(())
}

fn outdated(job: &Job, names: &RotatedNames, zone: &TimeZone) -> io::Result<Vec<PathBuf>> {
    let date = |time: Timestamp| time.to_zoned(zone.clone()).date();
    let today = date(Timestamp::now());
    let mut kept = 0;
    let mut last = 0;
    let mut found = Vec::new();
    for old in names.list()? {
        let path = names.path(&old);
        let modified = fs::symlink_metadata(&path).and_then(|metadata| metadata.modified());
        let written = modified.ok().and_then(|time| Timestamp::try_from(time).ok());
        let age = written.map_or(0, |time| today.duration_since(date(time)).as_hours() / 24);
        if old.number != last {
            kept += 1;
            last = old.number;
        }
        if kept > job.plan.max_files || age > i64::from(job.plan.max_days) {
            found.push(path);
        }
    }
    Ok(found)
}
