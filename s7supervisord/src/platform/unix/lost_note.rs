//! A file beside the pipes that says that a component's output is being dropped, for the daemon that comes after one that was
//! killed: how much it was nobody knows then. Made once before the first byte of an outage is dropped, and removed when the log
//! tells of it, so that nothing is written for each byte.

use super::process::create_private;
use crate::output::lost::{self, Lost};
use crate::state::journal::open_regular;
use s7proto::name::ComponentName;
use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

/// No note is longer, in bytes.
const LONGEST: u64 = 64 * 1024;

/// The note about one component.
#[derive(Debug)]
pub(super) struct LostNote {
    component: ComponentName,
    path: PathBuf,
    made: bool,
}

impl LostNote {
    /// The note about `component`, in the folder of the pipes. No pipe is called so: their names end in a number.
    pub(super) fn of(component: &ComponentName, folder: &Path) -> Self {
        Self {
            component: component.clone(),
            path: folder.join(format!("{component}.lost")),
            made: false,
        }
    }

    /// What a daemon that was killed has left; to be asked before anything else.
    pub(super) fn left(&mut self) -> Option<Lost> {
        let file = open_regular(&self.path).ok()?;
        self.made = true;
        let mut text = Vec::new();
        // One that can't be read says that something is missing all the same.
        let _ = file.take(LONGEST).read_to_end(&mut text);
        let mut said = lost::read(&text).remove(&self.component).unwrap_or_default();
        said.uncounted = true;
        Some(said)
    }

    /// Output is about to be dropped, of which `lost` was known before.
    pub(super) fn make(&mut self, lost: Lost) {
        if std::mem::replace(&mut self.made, true) {
            return;
        }
        let text = lost::write(&BTreeMap::from([(self.component.clone(), lost)]));
        let written = create_private(&self.path).and_then(|mut file| file.write_all(text.as_bytes()));
        if let Err(why) = written {
            let path = self.path.display();
            log::debug!("writing {path}: {why}: a next supervisor may not know that output was dropped");
        }
    }

    /// The log tells of it.
    pub(super) fn take_back(&mut self) {
        if std::mem::take(&mut self.made) {
            // Where it stays, the log says once too often that something may be missing.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}
