//! Which Java it is that a component runs: found once for each executable, on the threads that prepare runs.

use super::identity::Identity;
use super::question;
use super::stream::lock;
use crate::registry::java::{Version, adapted};
use crate::registry::plan::ComponentPlan;
use rustix::fs::{FileType, Mode, OFlags};
use s7proto::name::ComponentName;
use s7proto::status::{SpawnFailure, SpawnStage};
use std::borrow::Cow;
use std::collections::HashMap;
use std::fs::File;
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How long `java -version` may take; it needs some 50 ms, and several seconds where the machine is busy or the disk slow.
const PATIENCE: Duration = Duration::from_secs(5);

/// How long it holds that a version can't be found. Asking again for each run would hold each of them up by [`PATIENCE`].
const IN_VAIN: Duration = Duration::from_secs(60);

/// The file `release` of a Java has some 2 kB, most of which is a list of modules behind the version.
const RELEASE_BYTES: u64 = 64 * 1024;

/// Executables that are remembered; a machine has a handful of Javas, and each of them may be replaced now and then.
const KNOWN: usize = 64;

/// Which file it is, so that an updated Java is another one.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Executable {
    path: PathBuf,
    inode: (u64, u64),
    changed: (i64, i64),
    size: u64,
}

/// How long a run waits for another one to find the version, which reads a file of its Java or takes 50 ms; then it is put
/// back, so that one Java that hangs doesn't hold all threads that start components.
const WAIT: Duration = Duration::from_millis(300);

/// How many Javas are asked at a time: half of the threads.
const ASKED: usize = super::spawner::THREADS / 2;

#[derive(Debug)]
struct Known {
    since: Instant,
    version: Mutex<Finding>,
    found: Condvar,
}

/// The version of one executable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Finding {
    NotBegun,
    UnderWay,
    Over(Option<Version>),
}

/// Somebody else is finding the version, and that takes long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Busy;

/// What is known of the Javas on this machine.
#[derive(Debug, Default)]
pub struct Javas {
    known: Mutex<HashMap<Executable, Arc<Known>>>,
    /// How many are being asked now.
    asked: AtomicUsize,
    /// What was last said about each component's options, so that it is said once.
    said: Mutex<HashMap<ComponentName, String>>,
}

impl Javas {
    /// The arguments of a run: those of its plan, without the options that its Java doesn't take. May read the disk and
    /// run `java -version`.
    ///
    /// # Errors
    /// A Java hangs, and this run is to be tried again instead of waiting for it.
    pub fn arguments<'a>(
        &self,
        plan: &'a ComponentPlan,
        identity: &Identity,
    ) -> Result<Cow<'a, [String]>, SpawnFailure> {
        let all = &plan.run.arguments;
        let Some(java) = plan.java.as_ref().filter(|java| java.depends_on_version(all)) else {
            return Ok(Cow::Borrowed(all));
        };
        let version = self.version(&plan.run.program, identity);
        let version = version.map_err(|Busy| SpawnFailure {
            stage: SpawnStage::CreatingProcess,
            subject: plan.run.program.display().to_string(),
            os_error: Some(libc::EAGAIN),
            cause: "its version is being asked for, and `java -version` does not answer".to_owned(),
            host_fault: true,
        })?;
        let Some(version) = version else {
            let program = plan.run.program.display();
            self.say(&plan.id, || {
                format!("the version of {program} can't be found; its options stay as they are written")
            });
            return Ok(Cow::Borrowed(all));
        };
        let adapted = adapted(all, java, version);
        if adapted.left_out.is_empty() {
            lock(&self.said).remove(&plan.id);
            return Ok(Cow::Borrowed(all));
        }
        self.say(&plan.id, || {
            let each = adapted.left_out.iter();
            let each: Vec<String> = each.map(|(option, why)| format!("{option} ({why})")).collect();
            format!("for Java {} without {}", version.major, each.join(", "))
        });
        Ok(Cow::Owned(adapted.arguments))
    }

    /// The component has left the registry.
    pub fn forget(&self, component: &ComponentName) {
        lock(&self.said).remove(component);
    }

    fn say(&self, component: &ComponentName, what: impl FnOnce() -> String) {
        let what = what();
        let before = lock(&self.said).insert(component.clone(), what.clone());
        if before.as_ref() != Some(&what) {
            log::warn!("{component}: {what}");
        }
    }

    fn version(&self, program: &Path, identity: &Identity) -> Result<Option<Version>, Busy> {
        // What `java` is a link to has its home beside it.
        let looked = std::fs::canonicalize(program).and_then(|path| {
            let about = std::fs::metadata(&path)?;
            Ok((path, about))
        });
        let Ok((path, about)) = looked else {
            return Ok(None);
        };
        let executable = Executable {
            inode: (about.dev(), about.ino()),
            changed: (about.mtime(), about.mtime_nsec()),
            size: about.len(),
            path,
        };
        let known = {
            let mut known = lock(&self.known);
            let in_vain =
                |one: &Known| *lock(&one.version) == Finding::Over(None) && one.since.elapsed() >= IN_VAIN;
            known.retain(|_, one| !in_vain(one));
            if known.len() >= KNOWN && !known.contains_key(&executable) {
                known.clear();
            }
            let entry = known.entry(executable.clone()).or_insert_with(|| {
                Arc::new(Known {
                    since: Instant::now(),
                    version: Mutex::new(Finding::NotBegun),
                    found: Condvar::new(),
                })
            });
            Arc::clone(entry)
        };
        // Whoever else needs it meanwhile waits for the first one to find it, and not for long.
        let finding = lock(&known.version);
        let under_way = |finding: &mut Finding| *finding == Finding::UnderWay;
        let waited = known.found.wait_timeout_while(finding, WAIT, under_way);
        let (mut finding, _) = waited.unwrap_or_else(PoisonError::into_inner);
        match *finding {
            Finding::Over(version) => return Ok(version),
            Finding::UnderWay => return Err(Busy),
            Finding::NotBegun => {}
        }
        if self.asked.fetch_add(1, Ordering::Relaxed) >= ASKED {
            self.asked.fetch_sub(1, Ordering::Relaxed);
            return Err(Busy);
        }
        *finding = Finding::UnderWay;
        drop(finding);
        let version = find(&executable.path, identity);
        self.asked.fetch_sub(1, Ordering::Relaxed);
        *lock(&known.version) = Finding::Over(version);
        known.found.notify_all();
        Ok(version)
    }
}

fn find(java: &Path, identity: &Identity) -> Option<Version> {
    let home = java.parent()?.parent()?;
    // Java 8 has its executable in `jre/bin` below the home as well.
    let homes = [Some(home), home.parent().filter(|_| home.ends_with("jre"))];
    let releases = homes.into_iter().flatten().map(|home| home.join("release"));
    let found = releases
        .filter_map(|file| beginning(&file))
        .find_map(|text| Version::in_release(&text));
    found.or_else(|| ask(java, identity))
}

/// The text of a regular file, as far as anybody wants to read.
fn beginning(file: &Path) -> Option<String> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK;
    let file = rustix::fs::open(file, flags, Mode::empty()).ok()?;
    let about = rustix::fs::fstat(&file).ok()?;
    if !FileType::from_raw_mode(about.st_mode).is_file() {
        return None;
    }
    let mut text = Vec::new();
    File::from(file).take(RELEASE_BYTES).read_to_end(&mut text).ok()?;
    Some(String::from_utf8_lossy(&text).into_owned())
}

fn ask(java: &Path, identity: &Identity) -> Option<Version> {
    let mut command = Command::new(java);
    command
        .arg("-version")
        .stdin(Stdio::null())
        .env_clear()
        .current_dir("/");
    if identity.differs {
        // Whoever may write the executable is not to run it as the daemon. This drops supplementary groups as well.
        command.uid(identity.uid).gid(identity.gid);
    }
    match question::ask(command, java.as_os_str().to_owned(), PATIENCE) {
        Ok(Some((said, _))) => Version::in_answer(&String::from_utf8_lossy(&said)),
        Ok(None) => {
            log::warn!("`{} -version` says nothing within {PATIENCE:?}", java.display());
            None
        }
        // The run itself meets the same and says so.
        Err(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::platform::os::identity::look_up;
    use std::os::unix::fs::PermissionsExt;

    fn script(folder: &Path, text: &str) -> PathBuf {
        let bin = folder.join("bin");
        std::fs::create_dir_all(&bin).unwrap();
        let java = bin.join("java");
        std::fs::write(&java, format!("#!/bin/sh\n{text}\n")).unwrap();
        std::fs::set_permissions(&java, std::fs::Permissions::from_mode(0o755)).unwrap();
        java
    }

    #[test]
    fn the_release_file_tells_the_version_and_the_program_is_not_run() {
        let folder = tempfile::tempdir().unwrap();
        let ran = folder.path().join("ran");
        let java = script(folder.path(), &format!("touch {}", ran.display()));
        std::fs::write(folder.path().join("release"), "JAVA_VERSION=\"11.0.2\"\n").unwrap();
        let (javas, me) = (Javas::default(), look_up(None, None).unwrap());
        let version = javas.version(&java, &me).unwrap();
        assert_eq!(version.map(|version| version.major), Some(11));
        assert!(!ran.exists());
    }

    #[test]
    fn without_a_release_file_java_is_asked_once_and_again_when_it_has_changed() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("log");
        let says = |version: &str| {
            let version = format!("openjdk version \\\"{version}\\\"");
            script(
                folder.path(),
                &format!("echo asked >> {}; echo \"{version}\" >&2", log.display()),
            )
        };
        let (javas, me) = (Javas::default(), look_up(None, None).unwrap());
        let java = says("1.8.0_392");
        let eight = Version {
            major: 8,
            update: 392,
        };
        for _ in 0..3 {
            assert_eq!(javas.version(&java, &me), Ok(Some(eight)));
        }
        assert_eq!(std::fs::read_to_string(&log).unwrap(), "asked\n");
        let java = says("21");
        let version = javas.version(&java, &me).unwrap();
        assert_eq!(version.map(|version| version.major), Some(21));
    }

    #[test]
    fn a_java_that_hangs_costs_its_time_once() {
        let folder = tempfile::tempdir().unwrap();
        let java = script(folder.path(), "sleep 600");
        let (javas, me) = (Javas::default(), look_up(None, None).unwrap());
        let began = Instant::now();
        for _ in 0..3 {
            assert_eq!(javas.version(&java, &me), Ok(None));
        }
        assert!(began.elapsed() < PATIENCE * 2, "{:?}", began.elapsed());
    }

    #[test]
    fn javas_that_hang_hold_half_of_the_threads_and_each_of_them_one() {
        let folder = tempfile::tempdir().unwrap();
        let java = |number: usize| {
            let home = folder.path().join(number.to_string());
            let told = folder.path().join(format!("asked-{number}"));
            script(&home, &format!("touch {}; sleep 600", told.display()))
        };
        let (javas, me) = (Javas::default(), look_up(None, None).unwrap());
        let hanging: Vec<PathBuf> = (0..ASKED).map(java).collect();
        let are_asked = || (0..ASKED).all(|number| folder.path().join(format!("asked-{number}")).exists());
        std::thread::scope(|scope| {
            for java in &hanging {
                scope.spawn(|| assert_eq!(javas.version(java, &me), Ok(None)));
            }
            let began = Instant::now();
            while !are_asked() {
                assert!(began.elapsed() < PATIENCE, "all of them are asked");
                std::thread::sleep(Duration::from_millis(5));
            }
            let began = Instant::now();
            assert_eq!(javas.version(&hanging[0], &me), Err(Busy), "it is asked already");
            assert_eq!(
                javas.version(&java(ASKED), &me),
                Err(Busy),
                "so many are asked already"
            );
            assert!(began.elapsed() < PATIENCE / 2, "{:?}", began.elapsed());
        });
        assert_eq!(javas.asked.load(Ordering::Relaxed), 0);
    }
}
