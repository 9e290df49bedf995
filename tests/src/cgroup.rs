//! A cgroup of a test's own: of v1, to be short of processes in, or to be frozen in; of v2, to be divided by a daemon.

use rustix::fs::XattrFlags;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

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

/// A cgroup (v2) that is given to a daemon as systemd does with `Delegate=yes`. Whoever lives in it is killed, and it is
/// removed with all that was made in it, when it is dropped.
#[derive(Debug)]
pub struct Delegated {
    folder: PathBuf,
}

impl Delegated {
    /// A new one.
    ///
    /// # Errors
    /// Why there can't be one here.
    pub fn new() -> Result<Self, String> {
        let delegated = Self::undelegated()?;
        let folder = &delegated.folder;
        rustix::fs::setxattr(folder, "user.delegate", b"1", XattrFlags::empty())
            .map_err(|error| format!("cannot mark {}: {error}", folder.display()))?;
        Ok(delegated)
    }

    /// A new one that nobody says to be the daemon's.
    ///
    /// # Errors
    /// Why there can't be one here.
    pub fn undelegated() -> Result<Self, String> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let root = ["/sys/fs/cgroup/unified", "/sys/fs/cgroup"]
            .iter()
            .find(|root| Path::new(root).join("cgroup.controllers").exists())
            .ok_or("there are no cgroups v2 here")?;
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let folder = Path::new(root).join(format!("s7t-{}-{count}", std::process::id()));
        fs::create_dir(&folder).map_err(|error| format!("cannot make {}: {error}", folder.display()))?;
        Ok(Self { folder })
    }

    /// Where one of its files, or a cgroup in it, lies.
    #[must_use]
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// `command` begun in it, as a service manager does.
    #[must_use]
    pub fn command(&self, command: &Command) -> Command {
        let mut inside = Command::new("/bin/sh");
        inside
            .args(["-c", r#"echo 0 >"$0/cgroup.procs" && exec "$@""#])
            .arg(&self.folder)
            .arg(command.get_program())
            .args(command.get_args())
            .env_clear()
            .envs(
                command
                    .get_envs()
                    .filter_map(|(name, value)| Some((name, value?))),
            );
        if let Some(folder) = command.get_current_dir() {
            inside.current_dir(folder);
        }
        inside
    }

    /// The names of the cgroups in it, in order.
    ///
    /// # Panics
    /// Where it can't be listed.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(&self.folder)
            .expect("the cgroup is ours")
            .flatten()
            .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
            .filter_map(|entry| entry.file_name().into_string().ok())
            .collect();
        names.sort();
        names
    }

    /// The processes in the cgroup `name` of it; none where there is no such cgroup.
    #[must_use]
    pub fn members(&self, name: &str) -> Vec<u32> {
        fs::read_to_string(self.path(name).join("cgroup.procs"))
            .unwrap_or_default()
            .lines()
            .filter_map(|line| line.parse().ok())
            .collect()
    }
}

impl Drop for Delegated {
    fn drop(&mut self) {
        let _ = fs::write(self.path("cgroup.kill"), "1");
        for _ in 0..200 {
            for name in self.names() {
                let _ = fs::remove_dir(self.path(&name));
            }
            if fs::remove_dir(&self.folder).is_ok() {
                return;
            }
            crate::processes::reap_adopted();
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        eprintln!("the cgroup {} is left", self.folder.display());
    }
}
