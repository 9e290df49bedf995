//! Capture of the components' output: not here yet, and it says so.

use crate::output::last_words::Ends;
use crate::output::mark::Mark;
use crate::output::searcher::Searcher;
use crate::output::unwritten::Unwritten;
use crate::registry::plan::{LogPlan, TriggerPlan};
use crate::state::known::Holder;
use s7proto::name::ComponentName;
use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// A handle on the capture of all components' output; cheap to clone.
#[derive(Debug, Clone)]
pub struct Capture {
    never: std::convert::Infallible,
}

/// The component's end of its output pipe.
#[derive(Debug)]
pub struct ChildOutput {
    _never: std::convert::Infallible,
}

impl Capture {
    /// Refuses.
    ///
    /// # Errors
    /// Always [`io::ErrorKind::Unsupported`].
    pub fn start(_runtime_dir: &Path) -> io::Result<Self> {
        Err(io::Error::new(
            io::ErrorKind::Unsupported,
            "capturing the output of components is not supported on Windows yet",
        ))
    }

    /// Never called: there is no [`Capture`].
    ///
    /// # Errors
    /// None.
    pub fn attach(
        &self,
        _component: &ComponentName,
        _run: u64,
        _owner: Option<(u32, u32)>,
        _log: &LogPlan,
    ) -> io::Result<ChildOutput> {
        match self.never {}
    }

    /// Changes where a component's output goes. There is none.
    pub fn follow(&self, _component: &ComponentName, _log: &LogPlan) {}

    /// Has the output of all components searched. There is none.
    pub fn search_with(&self, _searcher: Searcher) {}

    /// Has the output of a component searched. There is none.
    pub fn search(&self, _component: &ComponentName, _triggers: &[TriggerPlan]) {}

    /// Has the output of no other component searched. There is none.
    pub fn search_only(&self, _wanted: impl Fn(&ComponentName) -> bool) {}

    /// Goes on with the output of a run that an earlier daemon has begun. There is none.
    ///
    /// # Errors
    /// None so far.
    pub fn reattach(
        &self,
        _component: &ComponentName,
        _run: u64,
        _log: &LogPlan,
        _holder: Option<Holder>,
    ) -> io::Result<bool> {
        Ok(false)
    }

    /// Removes the pipes that earlier daemons have left. There are none.
    ///
    /// # Errors
    /// None so far.
    pub fn remove_strays(&self) -> io::Result<()> {
        Ok(())
    }

    /// Never called: there is no [`Capture`].
    #[must_use]
    pub fn mark(&self, _component: &ComponentName, _mark: Mark) -> Option<Arc<Mark>> {
        match self.never {}
    }

    /// Never called: there is no [`Capture`].
    #[must_use]
    pub fn dropped_bytes(&self, _component: &ComponentName) -> u64 {
        match self.never {}
    }

    /// Never called: there is no [`Capture`].
    #[must_use]
    pub fn unwritten(&self, _component: &ComponentName) -> Option<Unwritten> {
        match self.never {}
    }

    /// Never called: there is no [`Capture`].
    #[must_use]
    pub fn hand_over(&self) -> Option<File> {
        match self.never {}
    }

    /// Never called: there is no [`Capture`].
    pub fn go_on(&self) {
        match self.never {}
    }

    /// Never called: there is no [`Capture`].
    pub fn go_on_from(&self, _handed: File) {
        match self.never {}
    }

    /// Never called: there is no [`Capture`].
    #[must_use]
    pub fn ends(&self, _component: &ComponentName) -> Ends {
        match self.never {}
    }

    /// Never called: there is no [`Capture`].
    #[must_use]
    pub fn pipe_bytes(&self, _component: &ComponentName) -> Option<u64> {
        match self.never {}
    }

    /// Never called: there is no [`Capture`].
    pub fn forget(&self, _component: &ComponentName) {
        match self.never {}
    }

    /// Never called: there is no [`Capture`].
    pub fn settle(&self, _components: &[ComponentName], _deadline: Duration) {
        match self.never {}
    }

    /// Never called: there is no [`Capture`].
    #[must_use]
    pub fn drain(&self, _deadline: Duration) -> bool {
        match self.never {}
    }
}
