//! Capture of the components' output: a FIFO for each run, and two threads that splice what comes to the log files.
//!
//! The bytes never enter the daemon's memory, so that a kill at any moment loses and doubles nothing (DESIGN 6). The
//! component's end is open for reading as well, so that it gets no SIGPIPE when the daemon is gone (reliability E3).

use super::pump::Pumps;
use super::{fifo, places};
use crate::output::failure::doing;
use crate::output::last_words::Ends;
use crate::output::mark::Mark;
use crate::output::searcher::Searcher;
use crate::output::unwritten::Unwritten;
use crate::registry::plan::{LogPlan, TriggerPlan};
use crate::state::known::{Holder, OutputPipe};
use s7proto::name::ComponentName;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// A handle on the capture of all components' output; cheap to clone. With the last one the threads end.
#[derive(Clone)]
pub struct Capture(Arc<Running>);

struct Running {
    pumps: Arc<Pumps>,
    folder: PathBuf,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.pumps.stop();
    }
}

/// The component's end of its output pipe, for stdout and stderr. It is close-on-exec, and dup2(2) onto 1 and 2 makes
/// the two that aren't.
///
/// Dropped once the process is there, or could not be created: without any writer the pipe is emptied and removed.
#[derive(Debug)]
pub struct ChildOutput {
    end: OwnedFd,
    unnamed: Option<String>,
}

impl ChildOutput {
    /// Which pipe it is.
    #[must_use]
    pub fn pipe(&self) -> Option<OutputPipe> {
        fifo::identity(self.as_fd())
    }

    /// Why the pipe could not be given a name, if so: the next daemon finds it with the run's first process alone.
    pub fn take_unnamed(&mut self) -> Option<String> {
        self.unnamed.take()
    }
}

impl AsFd for ChildOutput {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.end.as_fd()
    }
}

impl From<ChildOutput> for OwnedFd {
    fn from(output: ChildOutput) -> Self {
        output.end
    }
}

impl Capture {
    /// Makes the folder `out` in `runtime_dir` and starts two threads, which sleep where there is no output.
    ///
    /// # Errors
    /// The folder can't be made or belongs to somebody else, or the machine has no descriptors or threads left.
    pub fn start(runtime_dir: &Path) -> io::Result<Self> {
        places::reserve().map_err(|why| doing("reserving descriptors for the components", why))?;
        let folder = runtime_dir.join("out");
        let pumps =
            Arc::new(Pumps::new(&folder).map_err(|why| doing("preparing the capture of output", why))?);
        let capture = Self(Arc::new(Running { pumps, folder }));
        capture.0.pumps.start()?;
        Ok(capture)
    }

    /// Makes the pipe of `component`'s run number `run`, owned by `owner` (uid, gid; `None` for the daemon's own), and
    /// opens or creates its log. May touch the disk, so it is not for the core loop.
    ///
    /// A log that can't be opened doesn't keep the component from starting: a warning says so, the pipe pushes back for
    /// 1 s, then output is dropped and counted, and the log is tried again each second while output comes.
    ///
    /// Nor does a runtime folder in which the pipe can't be made: it has no name then.
    ///
    /// # Errors
    /// No pipe can be made. [`crate::output::failure::os_code`] tells a host fault (EMFILE, ENFILE, ENOMEM, ENOSPC).
    pub fn attach(
        &self,
        component: &ComponentName,
        run: u64,
        owner: Option<(u32, u32)>,
        log: &LogPlan,
    ) -> io::Result<ChildOutput> {
        let made = self.0.pumps.attach(component, run, owner, log);
        let folder = self.0.folder.display();
        let told = |why| {
            doing(
                format_args!("making the output pipe {folder}/{component}.{run}"),
                why,
            )
        };
        let (end, unnamed) = made.map_err(told)?;
        let unnamed = unnamed.map(|why| told(why).to_string());
        Ok(ChildOutput { end, unnamed })
    }

    /// Whether the pipe of another run could be given a name. Touches the disk.
    ///
    /// # Errors
    /// It could not.
    pub fn try_a_name(&self) -> io::Result<()> {
        let tried = self.0.pumps.try_a_name();
        tried.map_err(|why| doing(format_args!("making a pipe in {}", self.0.folder.display()), why))
    }

    /// From now on `log` says where and how `component`'s output is kept, also that of the run that lives.
    pub fn follow(&self, component: &ComponentName, log: &LogPlan) {
        self.0.pumps.follow(component, log);
    }

    /// Has the output of all components searched by `searcher`, which says whose. Called once; later calls change nothing.
    pub fn search_with(&self, searcher: Searcher) {
        let _ = self.0.pumps.searcher.set(searcher);
    }

    /// From now on the output of `component` is searched for `triggers`; for none, it isn't.
    pub fn search(&self, component: &ComponentName, triggers: &[TriggerPlan]) {
        if let Some(searcher) = self.0.pumps.searcher.get() {
            searcher.set(component, triggers);
        }
    }

    /// From now on no output is searched but that of components that `wanted` says yes to.
    pub fn search_only(&self, wanted: impl Fn(&ComponentName) -> bool) {
        if let Some(searcher) = self.0.pumps.searcher.get() {
            searcher.keep(wanted);
        }
    }

    /// Goes on with the output of a run that an earlier daemon has begun; `false` if its pipe isn't there. One that has lost its
    /// name, because somebody has removed the runtime folder, is still there as long as `holder` has it for its output.
    ///
    /// # Errors
    /// The pipe is there and can't be opened.
    pub fn reattach(
        &self,
        component: &ComponentName,
        run: u64,
        log: &LogPlan,
        holder: Option<Holder>,
    ) -> io::Result<bool> {
        let found = self.0.pumps.reattach(component, run, log, holder);
        let folder = self.0.folder.display();
        found.map_err(|why| {
            doing(
                format_args!("opening the output pipe {folder}/{component}.{run}"),
                why,
            )
        })
    }

    /// Removes the pipes that earlier daemons have left and that were not attached again.
    ///
    /// # Errors
    /// The folder can't be read, or a pipe can't be removed.
    pub fn remove_strays(&self) -> io::Result<()> {
        let removed = self.0.pumps.remove_strays();
        removed.map_err(|why| doing(format_args!("clearing {}", self.0.folder.display()), why))
    }

    /// Has `mark` written before the next bytes that `component` writes; `None` where there is nothing of it. Never waits for
    /// a disk.
    #[must_use]
    pub fn mark(&self, component: &ComponentName, mark: Mark) -> Option<Arc<Mark>> {
        self.0.pumps.mark(component, mark)
    }

    /// Brings the output to rest, and writes down what was dropped of it for the image that comes after this one, in a file that is
    /// nowhere. Waits half a second at most. `None` where there is no room for it, which is logged.
    #[must_use]
    pub fn hand_over(&self) -> Option<File> {
        let handed = self.0.pumps.hand_over();
        handed
            .inspect_err(|why| log::warn!("handing over how much output was dropped: {why}"))
            .ok()
    }

    /// No image has come after this one: output moves again.
    pub fn go_on(&self) {
        self.0.pumps.go_on();
    }

    /// Takes over what the image before has written down; to be called before anything is attached.
    pub fn go_on_from(&self, handed: File) {
        if let Err(why) = self.0.pumps.go_on_from(handed) {
            log::warn!("reading how much output was dropped: {why}");
        }
    }

    /// How many bytes of `component`'s output were dropped since it was first attached, by this image of the daemon or one before. Never waits for a disk.
    #[must_use]
    pub fn dropped_bytes(&self, component: &ComponentName) -> u64 {
        self.0.pumps.dropped_bytes(component)
    }

    /// Why `component`'s output can't be written to its log; `None` where it can. Never waits for a disk.
    #[must_use]
    pub fn unwritten(&self, component: &ComponentName) -> Option<Unwritten> {
        self.0.pumps.unwritten(component)
    }

    /// Where the last runs of `component` have written, as far as their output is complete. Never waits for a disk.
    #[must_use]
    pub fn ends(&self, component: &ComponentName) -> Ends {
        self.0.pumps.ends(component)
    }

    /// How many bytes the output pipe of `component`'s latest run holds; `None` where it has none. Never waits for a disk.
    ///
    /// It is 1 MiB where the kernel allows. Of a daemon that isn't root all pipes together stay below half of what the
    /// kernel gives its user (`pipe-user-pages-soft`), so that later ones are smaller, down to 64 KiB.
    #[must_use]
    pub fn pipe_bytes(&self, component: &ComponentName) -> Option<u64> {
        self.0.pumps.pipe_bytes(component)
    }

    /// Lets go of a component that left the registry, once its last pipe is empty.
    pub fn forget(&self, component: &ComponentName) {
        self.0.pumps.forget(component);
    }

    /// Waits, `deadline` at most, until every pipe that nobody can write to any more is in its file. `false` where time
    /// ran out.
    #[must_use]
    pub fn drain(&self, deadline: Duration) -> bool {
        self.0.pumps.drain(deadline, |_| true)
    }

    /// Waits, `deadline` at most, until what the runs of `components` that are over have written is in their files. Not for the
    /// core loop.
    pub fn settle(&self, components: &[ComponentName], deadline: Duration) {
        // Who reads the file can't do better than to read it then.
        let _ = self
            .0
            .pumps
            .drain(deadline, |component| components.contains(component));
    }
}

#[cfg(test)]
#[path = "output_tests/mod.rs"]
mod tests;
