//! A machine of its own with a real systemd as its first process, to install the service on: a container on a throw-away
//! layer above a root file system that is made once (`.ci/systemd-root`).

use crate::ctl::{self, Output};
use crate::eventually::{SOON, eventually, when};
use crate::processes::{self, children_of, send};
use crate::programs;
use crate::registry::{self, Server};
use rustix::process::Signal;
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// The install folder in the machine; its `bin` has the programs under test, by their installed names.
pub const FOLDER: &str = "/srv/is";
/// How long a boot may take; here it takes three seconds.
const BOOT: Duration = Duration::from_secs(60);

/// One machine at a time: each has a whole system to start.
static ONE: Mutex<()> = Mutex::new(());

/// What prepares the machine and becomes it. The layer is mounted in a namespace of its own, so that nothing of it is
/// left, however the test ends. The control group is its own, since every container calls its sub-group `payload`.
const START: &str = r#"
set -e
folder=$1 root=$2 group=$3
if [ -n "$group" ] && mkdir -p "$group" 2>/dev/null; then echo $$ >"$group/cgroup.procs"; fi
mount -t overlay s7 -o "lowerdir=$root,upperdir=$folder/upper,workdir=$folder/work" "$folder/root" 2>/dev/null ||
  [ -e "$folder/root/sbin/init" ] || cp -a "$root/." "$folder/root/"
mkdir -p "$folder/root/srv/is/conf"
exec systemd-nspawn --quiet --register=no --keep-unit --boot --directory="$folder/root" --private-network --console=pipe \
  --bind-ro="$folder/bin:/srv/is/bin"
"#;

/// See the module. It is gone when it is dropped.
#[derive(Debug)]
pub struct Machine {
    folder: tempfile::TempDir,
    root: PathBuf,
    container: Option<Child>,
    group: Option<PathBuf>,
    _only: MutexGuard<'static, ()>,
}

impl Machine {
    /// A machine that has booted, with these components in its registry; or, where there can be none here, that is said
    /// of `test`.
    ///
    /// # Panics
    /// Where it does not boot.
    #[must_use]
    pub fn boot(test: &str, servers: &[Server]) -> Option<Self> {
        let root = match root() {
            Ok(root) => root,
            Err(why) => {
                crate::not_run(test, &why);
                return None;
            }
        };
        let only = ONE.lock().unwrap_or_else(PoisonError::into_inner);
        let folder = tempfile::Builder::new()
            .prefix("s7m-")
            .tempdir()
            .expect("the temporary folder can be written");
        let path = |name: &str| folder.path().join(name);
        for name in ["upper", "work", "root", "bin"] {
            fs::create_dir(path(name)).expect("the folder is ours");
        }
        let installed = [
            ("s7supervisord", programs::DAEMON),
            ("s7ctl", programs::CTL),
            ("fixture", programs::FIXTURE),
        ];
        processes::while_nobody_forks(|| {
            for (name, program) in installed {
                fs::copy(programs::path_of(program), path("bin").join(name)).expect("the folder is ours");
            }
        });
        let group = unified_hierarchy().map(|top| {
            let name = folder.path().file_name().expect("the folder has a name");
            top.join(name)
        });
        let mut machine = Self {
            folder,
            root,
            container: None,
            group,
            _only: only,
        };
        machine.power_on();
        machine.wait_until_booted();
        machine.write_registry(servers);
        Some(machine)
    }

    fn power_on(&mut self) {
        let console = fs::File::create(self.folder.path().join("console")).expect("the folder is ours");
        let mut command = Command::new("setpriv");
        // Nothing of it outlives the test, not even one that is killed.
        command.args([
            "--pdeathsig",
            "KILL",
            "unshare",
            "--mount",
            "--propagation",
            "private",
        ]);
        command
            .args(["sh", "-c", START, "sh"])
            .arg(self.folder.path())
            .arg(&self.root)
            .arg(self.group.as_deref().unwrap_or(Path::new("")))
            .stdin(Stdio::null())
            .stdout(console.try_clone().expect("a descriptor can be doubled"))
            .stderr(console);
        self.container = Some(processes::spawn(&mut command));
    }

    /// Waits until everything that is started at boot has been started.
    ///
    /// # Panics
    /// Where that takes too long.
    pub fn wait_until_booted(&self) {
        eventually("the machine has booted", BOOT, || {
            let said = self.try_run(&["systemctl", "is-system-running"])?;
            // Degraded: something of the system itself failed, which is no concern of the tests.
            when(matches!(said.stdout.trim(), "running" | "degraded"), || {
                format!("{said}{}", self.console())
            })
        });
    }

    /// The machine's first process, by the pid that others know it by.
    fn first(&self) -> Result<u32, String> {
        let container = self.container.as_ref().ok_or("the machine is gone")?.id();
        let children = children_of(container);
        // While it begins, its one child is still the container's own.
        let first = children.iter().find(|child| child.name == "systemd");
        first
            .map(|child| child.pid)
            .ok_or_else(|| format!("{children:?} {}", self.console()))
    }

    fn console(&self) -> String {
        fs::read_to_string(self.folder.path().join("console")).unwrap_or_default()
    }

    /// The command line `words`, to be run in the machine.
    ///
    /// # Errors
    /// The machine does not run (yet).
    pub fn command(&self, words: &[&str]) -> Result<Command, String> {
        let mut command = Command::new("nsenter");
        command
            .args(["--target", &self.first()?.to_string(), "--all", "--"])
            .args([
                "env",
                "-i",
                "PATH=/srv/is/bin:/usr/sbin:/usr/bin:/sbin:/bin",
                "LC_ALL=C.UTF-8",
            ])
            .args(words);
        Ok(command)
    }

    fn try_run(&self, words: &[&str]) -> Result<Output, String> {
        Ok(ctl::run(&mut self.command(words)?))
    }

    /// Runs a command line in the machine, to its end.
    ///
    /// # Panics
    /// Where the machine does not run.
    #[track_caller]
    #[must_use = "an outcome that nobody looks at is no test"]
    pub fn run(&self, words: &[&str]) -> Output {
        self.try_run(words)
            .unwrap_or_else(|why| panic!("the machine can't be asked: {why}"))
    }

    /// Runs a line of the shell in the machine, to its end.
    #[track_caller]
    #[must_use = "an outcome that nobody looks at is no test"]
    pub fn shell(&self, line: &str) -> Output {
        self.run(&["sh", "-c", line])
    }

    /// Installs the service for the machine's registry, with more options.
    #[track_caller]
    pub fn install(&self, options: &[&str]) -> Output {
        let words = ["s7supervisord", "service", "install", "--install-folder", FOLDER];
        self.run(&[&words, options].concat()).exits(0)
    }

    /// Adds to the service what an administrator would, and has it read.
    #[track_caller]
    pub fn drop_in(&self, text: &str) {
        self.write(
            "/etc/systemd/system/ImageServing.service.d/test.conf",
            &format!("[Service]\n{text}\n"),
        );
        let _ = self.run(&["systemctl", "daemon-reload"]).exits(0);
    }

    /// Starts the service.
    #[track_caller]
    pub fn start(&self) {
        let _ = self.run(&["s7supervisord", "service", "start"]).exits(0);
    }

    /// A property of the service, as `systemctl show` has it.
    #[track_caller]
    #[must_use]
    pub fn property(&self, name: &str) -> String {
        let said = self.run(&[
            "systemctl",
            "show",
            "--value",
            "--property",
            name,
            "ImageServing.service",
        ]);
        said.exits(0).stdout.trim().to_owned()
    }

    /// The supervisor's pid in the machine, as systemd knows it; 0 for none.
    #[track_caller]
    #[must_use]
    pub fn main_pid(&self) -> u32 {
        self.property("MainPID").parse().expect("systemd gives a number")
    }

    /// Waits until `status --json` has a component that fits `test`, and gives it.
    #[track_caller]
    pub fn wait_until(&self, what: &str, id: &str, test: impl Fn(&Value) -> bool) -> Value {
        eventually(what, SOON * 2, || {
            let said = self.run(&["s7ctl", "--json", "status"]);
            let status: Value = serde_json::from_str(&said.stdout).map_err(|_| said.to_string())?;
            let all = status["components"].as_array().ok_or_else(|| said.to_string())?;
            let found = all.iter().find(|one| one["id"] == id && test(one));
            found.cloned().ok_or_else(|| said.to_string())
        })
    }

    /// Waits until a component runs, and gives its pid in the machine.
    #[track_caller]
    pub fn wait_until_running(&self, id: &str) -> u32 {
        let seen = self.wait_until(&format!("{id} is RUNNING"), id, |one| one["state"] == "RUNNING");
        crate::daemon::pid(&seen).expect("what runs has a pid")
    }

    /// The pids, in the machine, of the processes of that name.
    #[must_use]
    pub fn pids_of(&self, name: &str) -> Vec<u32> {
        let said = self.run(&["pgrep", "-x", name]);
        said.stdout.lines().filter_map(|line| line.parse().ok()).collect()
    }

    /// What the journal has about the service.
    #[must_use]
    pub fn journal(&self) -> String {
        self.run(&["journalctl", "--no-pager", "-u", "ImageServing.service"])
            .stdout
    }

    /// Restarts the machine and waits until it has booted again.
    ///
    /// # Panics
    /// Where it does not come back.
    pub fn reboot(&mut self) {
        let _ = self.try_run(&["systemctl", "reboot"]);
        let mut container = self.container.take().expect("the machine runs");
        // The container ends with its system; the layer has what was written.
        eventually("the machine goes down", BOOT, || {
            let status = container.try_wait().expect("the container is ours");
            when(status.is_some(), || self.console())
        });
        processes::forget(&container);
        self.power_on();
        self.wait_until_booted();
    }

    /// Writes the registry of the machine.
    pub fn write_registry(&self, servers: &[Server]) {
        let document = registry::document(servers, ("S7_TEST_MACHINE", "yes"));
        self.write(&format!("{FOLDER}/conf/SupervisorRegistry.xml"), &document);
    }

    /// Writes a file of the machine, in a folder that is made where it is missing.
    ///
    /// # Panics
    /// Where it can't be written.
    pub fn write(&self, path: &str, text: &str) {
        let path = self.outside(path);
        fs::create_dir_all(path.parent().expect("a file lies in a folder"))
            .and_then(|()| fs::write(&path, text))
            .unwrap_or_else(|error| panic!("cannot write {}: {error}", path.display()));
    }

    /// What a file of the machine has, or nothing where there is none.
    #[must_use]
    pub fn read(&self, path: &str) -> String {
        fs::read_to_string(self.outside(path)).unwrap_or_default()
    }

    /// Whether there is such a file or folder.
    #[must_use]
    pub fn has(&self, path: &str) -> bool {
        self.outside(path).exists()
    }

    /// A path of the machine as it is seen from outside.
    fn outside(&self, path: &str) -> PathBuf {
        let first = self.first().expect("the machine runs");
        PathBuf::from(format!("/proc/{first}/root{path}"))
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("--- console\n{}", self.console());
            if let Ok(said) = self.try_run(&["journalctl", "--no-pager", "-u", "ImageServing.service"]) {
                eprintln!("--- journal\n{}", said.stdout);
            }
        }
        // The first process takes all others with it.
        if let Ok(first) = self.first() {
            send(first, Signal::KILL);
        }
        if let Some(mut container) = self.container.take() {
            for _ in 0..500 {
                if matches!(container.try_wait(), Ok(Some(_))) {
                    break;
                }
                std::thread::sleep(Duration::from_millis(10));
            }
            let _ = container.kill();
            let _ = container.wait();
            processes::forget(&container);
        }
        if let Some(group) = &self.group {
            remove_groups(group);
        }
    }
}

/// The root file system, or why there can be no machine here.
fn root() -> Result<PathBuf, String> {
    if !rustix::process::geteuid().is_root() {
        return Err("a machine with its own systemd needs root".into());
    }
    let cache = std::env::var_os("XDG_CACHE_HOME")
        .map(PathBuf::from)
        .or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".cache")))
        .ok_or("there is no cache folder")?;
    let root = cache.join("s7-systemd/root");
    if !root.join("sbin/init").exists() {
        let root = root.display();
        return Err(format!("there is no {root}; make it with: bash .ci/systemd-root"));
    }
    for program in ["systemd-nspawn", "nsenter", "unshare", "setpriv"] {
        let there = Command::new(program)
            .arg("--version")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
        if there.is_err() {
            return Err(format!(
                "{program} is not installed; bash .ci/systemd-root does that"
            ));
        }
    }
    Ok(root)
}

/// Where the unified hierarchy of control groups is mounted.
fn unified_hierarchy() -> Option<PathBuf> {
    let text = fs::read_to_string("/proc/self/mountinfo").ok()?;
    text.lines().find_map(|line| {
        let (mount, kind) = line.split_once(" - ")?;
        kind.starts_with("cgroup2 ")
            .then(|| mount.split(' ').nth(4).map(PathBuf::from))
            .flatten()
    })
}

/// Removes a control group with all below it. What is still in use is left: it has no process, and costs nothing.
fn remove_groups(group: &Path) {
    for entry in fs::read_dir(group).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            remove_groups(&entry.path());
        }
    }
    let _ = fs::remove_dir(group);
}
