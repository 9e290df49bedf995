//! A cgroup (v2) for each run: what is in it can't leave it, is killed at once, and says when nothing is left.
//!
//! Only where the daemon was given a cgroup to divide: systemd says so by an extended attribute (`Delegate=yes`). The daemon
//! lives in the leaf [`LEAF`] below it and each run beside that, in `<component>.<run>`. `cgroup.subtree_control` is written
//! only where the daemon was begun in that leaf (`memory`): with it nothing can be begun in the delegated cgroup itself (the
//! kernel's rule of no internal processes; DESIGN 10, `reliability.md` E5).

mod memory;

use super::cgroup_place as place;
use super::pidfd;
use rustix::fs::{CWD, FlockOperation, Mode, OFlags, XattrFlags};
use rustix::io::Errno;
use rustix::process::Signal;
use s7proto::name::ComponentName;
use std::ffi::OsStr;
use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// Where the daemon itself lives; the name that DESIGN 10's unit gives to `DelegateSubgroup=` as well.
pub const LEAF: &str = "daemon";
/// Says which supervisor has made a cgroup: its instance.
const MAKER: &str = "user.s7supervisord";
/// Longer than any path, which is what an instance is.
const LONGEST_MAKER: usize = 4096;
/// The cgroup below a run's own where commands beside it live.
const BESIDE: &str = "beside";
/// How often a cgroup is tried to be removed that the kernel still takes for busy: a process that has ended leaves it
/// moments later (Linux 6.18).
const REMOVALS: u32 = 8;
/// Before the second try; twice as long before each next one, 127 ms in all.
const FIRST_WAIT: Duration = Duration::from_millis(1);
/// How long the delegated cgroup may be in use by another supervisor: one that was killed while it created a component lets
/// go when that executes.
const PATIENCE: Duration = Duration::from_millis(500);

/// The delegated cgroup.
#[derive(Debug)]
pub struct Home {
    folder: PathBuf,
    /// The same in the words of `/proc/PID/cgroup`.
    path: PathBuf,
    /// Held as long as this daemon uses it, so that two daemons never mistake each other's runs.
    _lock: OwnedFd,
}

/// The cgroup of one run.
#[derive(Debug, Clone)]
pub struct Tree {
    folder: PathBuf,
}

static HOME: OnceLock<Option<Home>> = OnceLock::new();

/// Moves the daemon into its leaf, before the first run. `is_first` where no other image of it was in this process before, so
/// that it is where whoever begins daemons here begins them.
pub fn settle(is_first: bool) {
    HOME.get_or_init(|| {
        let folder = place::delegated()?;
        match Home::settle(&folder, is_first) {
            Ok(home) => {
                log::info!("each run has a cgroup of its own in {}", folder.display());
                Some(home)
            }
            Err(error) => {
                log::warn!("{error}: trees are held together by sessions and groups only");
                None
            }
        }
    });
}

/// Where runs get cgroups; `None` where they don't. After [`settle`].
pub fn home() -> Option<&'static Home> {
    HOME.get()?.as_ref()
}

/// The runs of `instance` in whose cgroups somebody lives.
pub fn living(instance: &str) -> Vec<(ComponentName, u64, Tree)> {
    let Some(home) = home() else {
        return Vec::new();
    };
    let entries = fs::read_dir(&home.folder).into_iter().flatten().flatten();
    entries
        .filter_map(|entry| {
            let name = entry.file_name();
            let (component, run) = place::run_in_name(name.to_str()?)?;
            let component = ComponentName::parse(component).ok()?;
            let tree = home.tree(&component, run);
            let lives = !tree.is_empty() && tree.is_made_by(instance);
            lives.then_some((component, run, tree))
        })
        .collect()
}

/// The component and the run in whose cgroup `pid` lives; `None` where it lives elsewhere.
pub fn run_of(pid: u32) -> Option<(String, u64)> {
    let path = place::path_of(&pid.to_string())?;
    let below = path.strip_prefix(&home()?.path).ok()?;
    let (component, run) = place::run_in_name(below.iter().next()?.to_str()?)?;
    Some((component.to_owned(), run))
}

/// The daemon ends: nothing is left of what it has made, as far as nobody lives in it.
pub fn leave() {
    let Some(Some(home)) = HOME.get() else {
        return;
    };
    home.tidy();
    // The unit's cgroup may have been given controllers by somebody, and then the kernel lets nobody into it.
    let leaf = home.folder.join(LEAF);
    if enter(&home.folder).is_ok() {
        let _ = fs::remove_dir(leaf);
    }
}

/// Moves this process, all threads of it.
fn enter(folder: &Path) -> io::Result<()> {
    fs::write(folder.join("cgroup.procs"), "0")
}

impl Home {
    /// Takes `folder` for this daemon and moves into the leaf, if it isn't there already.
    fn settle(folder: &Path, is_first: bool) -> io::Result<Self> {
        let told = |what: &str, error: io::Error| {
            let why = format!("{what} the delegated cgroup {}: {error}", folder.display());
            io::Error::new(error.kind(), why)
        };
        let mut home = Self::take(folder).map_err(|error| told("taking", error))?;
        let leaf = folder.join(LEAF);
        match fs::create_dir(&leaf) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                return Err(told("making a leaf in", error));
            }
            _ => {}
        }
        let was_in_leaf = place::own().is_some_and(|own| own == leaf);
        // Also where it is there already: so it is seen whether it can move anything here.
        enter(&leaf).map_err(|error| told("moving into a leaf of", error))?;
        let own = place::path_of("self").and_then(|own| Some(own.parent()?.to_owned()));
        home.path = own.ok_or_else(|| told("finding the way from", io::ErrorKind::NotFound.into()))?;
        home.tidy();
        if is_first && was_in_leaf {
            home.count_memory();
        }
        Ok(home)
    }

    fn take(folder: &Path) -> io::Result<Self> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let lock = rustix::fs::open(folder, flags, Mode::empty())?;
        let began = Instant::now();
        loop {
            match rustix::fs::flock(&lock, FlockOperation::NonBlockingLockExclusive) {
                Err(Errno::WOULDBLOCK) if began.elapsed() < PATIENCE => std::thread::sleep(FIRST_WAIT),
                Err(Errno::WOULDBLOCK) => return Err(io::Error::other("another supervisor uses it")),
                locked => break locked?,
            }
        }
        Ok(Self {
            folder: folder.to_owned(),
            path: PathBuf::new(),
            _lock: lock,
        })
    }

    /// Makes the cgroup of a run.
    ///
    /// # Errors
    /// Why there is none.
    pub fn make(&self, component: &ComponentName, run: u64, instance: &str) -> io::Result<Tree> {
        let tree = self.tree(component, run);
        match fs::create_dir(&tree.folder) {
            // Of a daemon whose numbers are lost. Its counters aren't this run's; if somebody lives in it, it stays.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                tree.remove()?;
                fs::create_dir(&tree.folder)?;
            }
            made => made?,
        }
        // Before Linux 5.7 cgroups have no such attributes, and then the name alone has to tell.
        let _ = rustix::fs::setxattr(&tree.folder, MAKER, instance.as_bytes(), XattrFlags::empty());
        Ok(tree)
    }

    /// Where one of its own files lies.
    #[must_use]
    pub fn file(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    fn tree(&self, component: &ComponentName, run: u64) -> Tree {
        Tree {
            folder: self.folder.join(format!("{component}.{run}")),
        }
    }

    /// Removes the cgroups of runs in which nobody lives.
    fn tidy(&self) {
        for folder in self.runs() {
            // Somebody lives in it: it is looked at by whoever takes that run over.
            let _ = remove_below(&folder);
        }
    }

    /// The cgroups that runs have.
    fn runs(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(&self.folder).into_iter().flatten().flatten();
        let of_runs = |name: &OsStr| name.to_str().and_then(place::run_in_name).is_some();
        let runs = entries.filter(|entry| of_runs(&entry.file_name()));
        runs.map(|entry| entry.path()).collect()
    }
}

impl std::fmt::Display for Tree {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.folder.display().fmt(formatter)
    }
}

impl Tree {
    /// The cgroup that a run of `instance` has, whichever daemon made it.
    #[must_use]
    pub fn find(component: &ComponentName, run: u64, instance: &str) -> Option<Self> {
        let tree = home()?.tree(component, run);
        (tree.folder.is_dir() && tree.is_made_by(instance)).then_some(tree)
    }

    /// The same for a run that was begun in another delegated cgroup than this daemon's, if it has one: that in which its
    /// process `pid` lives. Without that a run would lose its cgroup to a daemon that is started elsewhere.
    #[must_use]
    pub fn find_of(component: &ComponentName, run: u64, instance: &str, pid: u32) -> Option<Self> {
        Self::find(component, run, instance).or_else(|| {
            let path = place::path_of(&pid.to_string())?;
            let folder = place::folder_of(&path, &place::mounts()?)?;
            let name = format!("{component}.{run}");
            let folder = folder.ancestors().find(|folder| folder.ends_with(&name))?;
            let folder = folder.to_owned();
            let tree = Self { folder };
            // Anybody may call a cgroup so, and it is of use only to who may kill what is in it.
            let is_own = tree.maker().as_deref() == Some(instance.as_bytes());
            let kill = tree.folder.join("cgroup.kill");
            (is_own && fs::File::options().write(true).open(kill).is_ok()).then_some(tree)
        })
    }

    /// The cgroup `name` in this one, made where it isn't there yet. It is killed and removed with this one.
    ///
    /// # Errors
    /// This one is gone.
    fn below(&self, name: &str) -> io::Result<Self> {
        let folder = self.folder.join(name);
        match fs::create_dir(&folder) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                // Whoever was killed in it before Linux 5.14 was frozen for that, and who comes now must be able to run.
                let _ = fs::write(folder.join("cgroup.freeze"), "0");
                Ok(Self { folder })
            }
            Err(error) => Err(error),
            Ok(()) => Ok(Self { folder }),
        }
    }

    /// The cgroup of the commands beside the run, made where it isn't there yet.
    ///
    /// # Errors
    /// As [`Tree::below`].
    pub fn beside(&self) -> io::Result<Self> {
        self.below(BESIDE)
    }

    /// The commands beside the run that live in that.
    #[must_use]
    pub fn commands(&self) -> Vec<u32> {
        place::members(&place::with_those_below(&self.folder.join(BESIDE), |_| true))
    }

    fn is_made_by(&self, instance: &str) -> bool {
        self.maker().is_none_or(|maker| maker == instance.as_bytes())
    }

    /// The instance that has made it, where that can be told.
    fn maker(&self) -> Option<Vec<u8>> {
        let mut maker = vec![0; LONGEST_MAKER];
        let length = rustix::fs::getxattr(&self.folder, MAKER, &mut maker).ok()?;
        maker.truncate(length);
        Some(maker)
    }

    /// The kernel's number of it.
    #[must_use]
    pub fn number(&self) -> Option<u64> {
        use std::os::unix::fs::MetadataExt;
        fs::metadata(&self.folder).ok().map(|about| about.ino())
    }

    /// A descriptor by which a process can be created in it.
    ///
    /// # Errors
    /// It is gone, or there are no descriptors left.
    pub fn open(&self) -> io::Result<OwnedFd> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        Ok(rustix::fs::openat(CWD, &self.folder, flags, Mode::empty())?)
    }

    /// Whoever writes "0" here goes into it.
    ///
    /// # Errors
    /// It is gone, or there are no descriptors left.
    pub fn entrance(&self) -> io::Result<OwnedFd> {
        let flags = OFlags::WRONLY | OFlags::CLOEXEC;
        Ok(rustix::fs::openat(
            CWD,
            self.folder.join("cgroup.procs"),
            flags,
            Mode::empty(),
        )?)
    }

    /// Kills all that is in it, also what is just being created.
    ///
    /// # Errors
    /// The system doesn't let it be killed.
    pub fn kill(&self) -> io::Result<()> {
        match fs::write(self.folder.join("cgroup.kill"), "1") {
            // Before Linux 5.14.
            Err(error) if error.kind() == io::ErrorKind::NotFound => self.kill_each(),
            killed => killed,
        }
    }

    /// Where the kernel can't kill a cgroup as a whole. Nobody in it can create anything once it is frozen, and what is
    /// frozen can be killed (it isn't so in v1); what was created meanwhile is killed by the next call.
    fn kill_each(&self) -> io::Result<()> {
        if !self.folder.exists() {
            return Ok(());
        }
        fs::write(self.folder.join("cgroup.freeze"), "1")?;
        self.signal(&[Signal::KILL], |_| true);
        Ok(())
    }

    /// Sends `signals` to those members that `wanted` says.
    pub fn signal(&self, signals: &[Signal], mut wanted: impl FnMut(u32) -> bool) {
        let found = self.members().into_iter().filter(|pid| wanted(*pid));
        pidfd::signal(found, signals, || self.members().into_iter().collect());
    }

    /// The processes in it, and in what they have made below it.
    #[must_use]
    pub fn members(&self) -> Vec<u32> {
        place::members(&place::with_those_below(&self.folder, |_| true))
    }

    /// Whether nobody lives in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        match fs::read_to_string(self.folder.join("cgroup.events")) {
            Ok(events) => place::counter(&events, "populated") == Some(0),
            Err(error) => {
                error.kind() == io::ErrorKind::NotFound || error.raw_os_error() == Some(libc::ENODEV)
            }
        }
    }

    /// The run is over: removes it. Whoever still lives in it was no descendant of the run, or that would not be over, and has
    /// come from outside; he is killed, so that nothing is left. It may wait for the kernel, so never on the core loop.
    ///
    /// # Errors
    /// Somebody lives in it who can't be killed.
    pub fn end(&self) -> io::Result<()> {
        match self.remove() {
            Err(_) if !self.is_empty() => {
                log::warn!(
                    "processes {:?} have come into {self} from outside, killing them",
                    self.members()
                );
                self.kill()?;
                self.remove()
            }
            removed => removed,
        }
    }

    /// Removes it, and what was made below it. It may wait for the kernel, so never on the core loop.
    ///
    /// # Errors
    /// Somebody lives in it.
    pub fn remove(&self) -> io::Result<()> {
        let mut wait = FIRST_WAIT;
        for _ in 1..REMOVALS {
            match remove_below(&self.folder) {
                Err(error) if error.raw_os_error() == Some(libc::EBUSY) => {
                    std::thread::sleep(wait);
                    wait *= 2;
                }
                removed => return removed,
            }
        }
        remove_below(&self.folder)
    }
}

fn remove_below(folder: &Path) -> io::Result<()> {
    for folder in place::with_those_below(folder, |_| true).iter().rev() {
        match fs::remove_dir(folder) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
