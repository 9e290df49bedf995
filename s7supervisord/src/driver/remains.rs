//! What a Java run has left behind when it ended: why it ended itself, the contents of its heap, the report of its crash.
//!
//! All of it is looked for beside the loop, a moment after the end, and told as an event. Of each kind only the newest are
//! kept, as far as their names say that they are this component's.

use super::Driver;
use super::background::Found;
use crate::machine::input::RunId;
use crate::output::tail::tail_since;
use crate::platform::remains::{ENTRIES, keep_newest, regular_file};
use crate::registry::plan::ComponentPlan;
use s7proto::event::{Happening, Remains};
use s7proto::status::{Exit, ExitReport};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

/// Heap dumps and crash reports of each component that are kept: enough to see whether they are alike.
const KEPT: usize = 5;
/// So long after the end its last output is in its log.
const PAUSE: Duration = Duration::from_millis(300);
/// A file may be older by so much than the run that made it: clocks of file systems tick coarsely.
const MARGIN: Duration = Duration::from_secs(2);
/// What HotSpot says before it ends itself with [`OUT_OF_MEMORY`].
const TERMINATING: &str = "Terminating due to java.lang.OutOfMemoryError";
/// The exit code of a JVM with `-XX:+ExitOnOutOfMemoryError` that ran out of memory.
const OUT_OF_MEMORY: i32 = 3;
/// How far from its end a log is searched for that line: heap dumps and shutdown hooks write a few lines behind it.
const LINES: u32 = 200;
/// The same in bytes.
const BYTES: usize = 64 * 1024;

/// A run that has ended.
struct Ended {
    plan: Arc<ComponentPlan>,
    pid: u32,
    exit: Exit,
    since: SystemTime,
}

impl Driver {
    /// A run has ended: looks for what it has left.
    pub(super) fn look_for_remains(&mut self, run: RunId, pid: Option<u32>, report: &ExitReport) {
        let (Some(plan), Some(pid)) = (self.roster.plan(run.slot), pid) else {
            return;
        };
        if plan.java.is_none() {
            return;
        }
        let ended = Ended {
            plan: Arc::clone(plan),
            pid,
            exit: report.exit.clone(),
            since: SystemTime::now()
                .checked_sub(Duration::from_micros(report.lasted_us) + MARGIN)
                .unwrap_or(SystemTime::UNIX_EPOCH),
        };
        let tell = self.background.teller();
        tokio::spawn(async move {
            tokio::time::sleep(PAUSE).await;
            let looking = tokio::task::spawn_blocking(move || {
                let mut remains = ended.look();
                remains.extend(ended.keep_few());
                remains
            });
            if let Ok(remains) = looking.await
                && !remains.is_empty()
            {
                let _ = tell.send(Found::Remains(run, remains));
            }
        });
    }

    /// A run has left something.
    pub(super) fn found_remains(&mut self, run: RunId, remains: Vec<Remains>) {
        if let Some(component) = self.roster.name(run.slot) {
            let each: Vec<String> = remains.iter().map(ToString::to_string).collect();
            log::warn!("{component}: run {} has left: {}", run.run, each.join("; "));
        }
        self.happened(
            run.slot,
            Happening::Found {
                run: run.run,
                remains,
            },
        );
    }
}

impl Ended {
    fn look(&self) -> Vec<Remains> {
        let terminating = (self.exit == Exit::Code(OUT_OF_MEMORY))
            .then(|| self.last_words())
            .flatten();
        let heap = self.new_file(&self.heap_dumps());
        let report = self.new_file(&self.error_reports());
        [
            terminating.map(Remains::OutOfJavaMemory),
            heap.map(|(file, bytes)| Remains::HeapDump { file, bytes }),
            report.map(|(file, bytes)| Remains::ErrorReport { file, bytes }),
        ]
        .into_iter()
        .flatten()
        .collect()
    }

    /// The line that says that it ran out of memory.
    fn last_words(&self) -> Option<String> {
        let since = crate::output::chain::ms_since_1970(self.since);
        let (tail, _) = tail_since(&self.plan.log.file, since, LINES, BYTES).ok()?;
        let text = String::from_utf8_lossy(&tail.bytes);
        let line = text.lines().rev().find(|line| line.contains(TERMINATING))?;
        Some(
            line.trim()
                .chars()
                .filter(|c| !s7proto::plain::steers(*c))
                .take(200)
                .collect(),
        )
    }

    fn heap_dumps(&self) -> Vec<PathBuf> {
        let name = format!("java_pid{}.hprof", self.pid);
        let java = self.plan.java.as_ref();
        match java.and_then(|java| java.heap_dumps.as_ref()) {
            // A folder, or the file itself.
            Some(dumps) => vec![self.absolute(&dumps.path).join(name), self.absolute(&dumps.path)],
            None => vec![self.plan.run.working_directory.join(name)],
        }
    }

    fn error_reports(&self) -> Vec<PathBuf> {
        let pid = self.pid.to_string();
        let java = self.plan.java.as_ref();
        let said = java.and_then(|java| java.error_file.as_ref());
        let said = said.map(|file| self.absolute(Path::new(&file.replace("%p", &pid))));
        let name = format!("hs_err_pid{pid}.log");
        // Where HotSpot goes when it can't write there.
        let others = [self.plan.run.working_directory.clone(), std::env::temp_dir()];
        said.into_iter()
            .chain(others.map(|folder| folder.join(&name)))
            .collect()
    }

    fn absolute(&self, path: &Path) -> PathBuf {
        self.plan.run.working_directory.join(path)
    }

    /// The first of these that is a file which this run can have written, and how long it is.
    fn new_file(&self, places: &[PathBuf]) -> Option<(String, u64)> {
        places.iter().find_map(|file| {
            let (written, bytes) = regular_file(file).ok()?;
            (written >= self.since).then(|| (file.display().to_string(), bytes))
        })
    }

    /// Removes the oldest of what this component has left, where it is clear what that is. Gives where there is too much.
    fn keep_few(&self) -> Vec<Remains> {
        let mut more = Vec::new();
        let Some(java) = &self.plan.java else { return more };
        if let Some(dumps) = java.heap_dumps.as_ref().filter(|dumps| dumps.is_own) {
            more.extend(self.keep(&self.absolute(&dumps.path), "java_pid", ".hprof"));
        }
        let file = java
            .error_file
            .as_deref()
            .map(|file| self.absolute(Path::new(file)));
        let Some((folder, name)) = file.as_deref().and_then(|file| {
            let name = file.file_name()?.to_str()?;
            Some((file.parent()?, name.split_once("%p")?))
        }) else {
            return more;
        };
        let (before, after) = name;
        // Others write theirs to the same folder. Only the name that the built-in profiles give tells them apart.
        if before == format!("hs_err_{}_", self.plan.id) && after == ".log" {
            more.extend(self.keep(folder, before, after));
        }
        more
    }

    fn keep(&self, folder: &Path, before: &str, after: &str) -> Option<Remains> {
        let (id, place) = (&self.plan.id, folder.display());
        match keep_newest(folder, before, after, KEPT) {
            Ok(pruned) => {
                if pruned.removed > 0 {
                    let removed = pruned.removed;
                    log::info!("{id}: {removed} old files {before}*{after} were removed from {place}");
                }
                return pruned.is_cut.then(|| Remains::More {
                    folder: place.to_string(),
                    looked: u64::try_from(ENTRIES).unwrap_or(u64::MAX),
                });
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => log::warn!("{id}: removing old files {before}*{after} from {place}: {error}"),
        }
        None
    }
}
