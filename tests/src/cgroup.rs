//! A cgroup (v1) of a test's own, to be short of processes in, or to be frozen in.

use std::fs;
use std::path::{Path, PathBuf};

/// Made by [`Cgroup::new`], emptied and removed when it is dropped.
#[derive(Debug)]
pub struct Cgroup {
    controller: PathBuf,
    folder: PathBuf,
}

impl Cgroup {
    /// A cgroup `name` of this controller (`pids`, `freezer`).
    ///
    /// # Errors
    /// Why there can't be one here.
    pub fn new(controller: &str, name: &str) -> Result<Self, String> {
        let controller = Path::new("/sys/fs/cgroup").join(controller);
        let folder = controller.join(format!("{name}-{}", std::process::id()));
        fs::create_dir(&folder).map_err(|error| format!("cannot make {}: {error}", folder.display()))?;
        Ok(Self { controller, folder })
    }

    /// Where one of its files lies.
    #[must_use]
    pub fn path(&self, file: &str) -> PathBuf {
        self.folder.join(file)
    }

    /// Writes to one of its files.
    ///
    /// # Panics
    /// Where that can't be done.
    pub fn set(&self, file: &str, text: &str) {
        let path = self.folder.join(file);
        fs::write(&path, text)
            .unwrap_or_else(|error| panic!("cannot write {text} to {}: {error}", path.display()));
    }

    /// Reads one of its files.
    ///
    /// # Panics
    /// Where that can't be done.
    #[must_use]
    pub fn get(&self, file: &str) -> String {
        let text = fs::read_to_string(self.folder.join(file)).expect("the cgroup is ours");
        text.trim().into()
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        // Whoever is frozen must be able to go; the other controllers have no such file.
        let frozen = self.folder.join("freezer.state");
        if frozen.exists() {
            let _ = fs::write(frozen, "THAWED");
        }
        for pid in fs::read_to_string(self.folder.join("cgroup.procs"))
            .unwrap_or_default()
            .lines()
        {
            // One that has ended meanwhile can't be moved, and need not be.
            let _ = fs::write(self.controller.join("cgroup.procs"), pid);
        }
        let _ = fs::remove_dir(&self.folder);
    }
}
