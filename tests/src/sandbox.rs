//! A folder of its own for each test: install folder, runtime folder, socket, and a marker that finds what is left.

use crate::daemon::Daemon;
use crate::eventually::{SOON, eventually, when};
use crate::processes::{self, Process};
use crate::programs;
use crate::registry::{self, Server};
use crate::{ctl, ctl::Output};
use rustix::process::Signal;
use std::fs;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// The variable that every process of a sandbox carries.
pub const MARKER: &str = "S7_TEST_SANDBOX";

/// See the module.
#[derive(Debug)]
pub struct Sandbox {
    folder: tempfile::TempDir,
    id: String,
}

/// One line of a fixture's record: a start of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Start {
    /// The pid of that start.
    pub pid: u32,
    /// When it was, on the monotonic clock.
    pub at: Duration,
}

impl Default for Sandbox {
    fn default() -> Self {
        Self::new()
    }
}

impl Sandbox {
    /// An empty install folder with `conf`, `logs`, `temp` and the fixture in `bin`.
    ///
    /// # Panics
    /// Where the folder can't be made.
    #[must_use]
    pub fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        // Short, because the path of a socket has at most 107 bytes.
        let folder = tempfile::Builder::new()
            .prefix("s7t-")
            .rand_bytes(6)
            // Components that run as another user must be able to pass through.
            .permissions(fs::Permissions::from_mode(0o755))
            .tempdir()
            .expect("the temporary folder can be written");
        for name in ["conf", "logs", "temp", "bin"] {
            fs::create_dir(folder.path().join(name)).expect("the sandbox is ours");
        }
        std::os::unix::fs::symlink(
            programs::path_of(programs::FIXTURE),
            folder.path().join(registry::FIXTURE),
        )
        .expect("the sandbox is ours");
        let id = format!("{}-{count}", std::process::id());
        Self { folder, id }
    }

    /// A sandbox whose registry has these servers.
    #[must_use]
    pub fn with(servers: &[Server]) -> Self {
        let sandbox = Self::new();
        sandbox.write_registry(servers);
        sandbox
    }

    /// A file or folder in the install folder.
    #[must_use]
    pub fn path(&self, relative: &str) -> PathBuf {
        self.folder.path().join(relative)
    }

    /// The install folder.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Where the daemon listens.
    #[must_use]
    pub fn socket(&self) -> PathBuf {
        self.path("run/control.sock")
    }

    /// The marker as `NAME=value`.
    #[must_use]
    pub fn marker(&self) -> String {
        format!("{MARKER}={}", self.id)
    }

    /// The text of a registry with these servers.
    #[must_use]
    pub fn document(&self, servers: &[Server]) -> String {
        registry::document(servers, (MARKER, &self.id))
    }

    /// Writes `conf/SupervisorRegistry.xml`.
    pub fn write_registry(&self, servers: &[Server]) {
        self.write("conf/SupervisorRegistry.xml", &self.document(servers));
    }

    /// Writes a file in one step, so that nobody reads half of it.
    ///
    /// # Panics
    /// Where it can't be written.
    pub fn write(&self, relative: &str, text: &str) {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let path = self.path(relative);
        // Two threads may write the same file at once.
        let new = path.with_extension(format!("new{}", COUNT.fetch_add(1, Ordering::Relaxed)));
        fs::write(&new, text)
            .and_then(|()| fs::rename(&new, &path))
            .unwrap_or_else(|error| {
                panic!("cannot write {}: {error}", path.display());
            });
    }

    /// Puts a copy of `program` (a path) where `relative` says, ready to be executed.
    ///
    /// A copy, not a link, where a program looks for others beside itself or where the target folder lies behind a
    /// folder that other users may not pass.
    ///
    /// # Panics
    /// Where it can't be copied.
    pub fn copy_program(&self, program: &Path, relative: &str) {
        let path = self.path(relative);
        processes::while_nobody_forks(|| {
            // The fixture may be there as a link, which would be written through.
            let _ = fs::remove_file(&path);
            fs::copy(program, &path).unwrap_or_else(|error| {
                panic!("cannot copy {} to {}: {error}", program.display(), path.display())
            });
        });
    }

    /// The sandbox's own copies of the daemon and the client under the names they are installed with.
    pub fn install(&self) {
        for (name, program) in [("s7supervisord", programs::DAEMON), ("s7ctl", programs::CTL)] {
            self.copy_program(&programs::path_of(program), &format!("bin/{name}"));
        }
    }

    /// What a file has, or nothing where there is none.
    #[must_use]
    pub fn read(&self, relative: &str) -> String {
        String::from_utf8_lossy(&fs::read(self.path(relative)).unwrap_or_default()).into_owned()
    }

    /// The output of a component so far.
    #[must_use]
    pub fn log_of(&self, component: &str) -> String {
        self.read(&format!("logs/{component}.log"))
    }

    /// The daemon's own log, all days of it.
    #[must_use]
    pub fn supervisor_log(&self) -> String {
        self.dated_logs(|name| name.starts_with("Supervisor-") && !name.contains("-audit-"))
    }

    /// The log of commands, all days of it.
    #[must_use]
    pub fn audit_log(&self) -> String {
        self.dated_logs(|name| name.starts_with("Supervisor-audit-"))
    }

    fn dated_logs(&self, wanted: impl Fn(&str) -> bool) -> String {
        let mut names: Vec<_> = fs::read_dir(self.path("logs"))
            .into_iter()
            .flatten()
            .flatten()
            .filter_map(|entry| entry.file_name().into_string().ok())
            .filter(|name| wanted(name))
            .collect();
        names.sort();
        names
            .iter()
            .map(|name| self.read(&format!("logs/{name}")))
            .collect()
    }

    /// The starts that a fixture has recorded in `file`, in order.
    ///
    /// # Panics
    /// Where the file has something else.
    #[must_use]
    pub fn starts(&self, file: &str) -> Vec<Start> {
        self.read(file)
            .lines()
            .map(|line| {
                let mut words = line.split(' ').skip(1);
                let mut number = || words.next().and_then(|word| word.parse().ok());
                match (number(), number()) {
                    (Some(pid), Some(nanoseconds)) => Start {
                        pid: u32::try_from(pid).expect("a pid"),
                        at: Duration::from_nanos(nanoseconds),
                    },
                    _ => panic!("no record of a start: {line:?}"),
                }
            })
            .collect()
    }

    /// A pid that a fixture has written into `file`, as soon as it is there.
    #[must_use]
    pub fn pid_in(&self, file: &str) -> u32 {
        eventually(&format!("{file} has a pid"), SOON, || {
            let text = self.read(file);
            text.strip_suffix('\n')
                .and_then(|line| line.parse().ok())
                .ok_or_else(|| format!("{text:?}"))
        })
    }

    /// Starts the daemon and waits until it answers.
    #[must_use]
    pub fn start(&self) -> Daemon<'_> {
        self.start_with(&[])
    }

    /// Starts the daemon with more arguments and waits until it answers.
    #[must_use]
    pub fn start_with(&self, arguments: &[&str]) -> Daemon<'_> {
        let daemon = self.spawn_with(arguments);
        daemon.wait_until_it_answers();
        daemon
    }

    /// Starts the daemon without waiting for anything.
    #[must_use]
    pub fn spawn_with(&self, arguments: &[&str]) -> Daemon<'_> {
        let mut command = self.daemon_command();
        command.args(arguments);
        Daemon::spawn(self, command)
    }

    /// The command line `daemon run …` for this sandbox.
    #[must_use]
    pub fn daemon_command(&self) -> Command {
        let mut command = self.program(programs::DAEMON);
        command.arg("run").arg("--install-folder").arg(self.folder());
        command
            .arg("--runtime-dir")
            .arg(self.path("run"))
            .arg("--socket")
            .arg(self.socket());
        command
    }

    /// One of the programs under test, in an environment that has nothing of the machine's but the marker and a PATH.
    #[must_use]
    pub fn program(&self, name: &str) -> Command {
        let mut command = Command::new(programs::path_of(name));
        self.clean(&mut command);
        command
    }

    /// Gives `command` the sandbox's environment and folder.
    pub fn clean(&self, command: &mut Command) {
        command
            .env_clear()
            .env(MARKER, &self.id)
            .env("PATH", "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin");
        command
            .env("TZ", "UTC")
            .env("HOME", self.folder())
            .current_dir(self.folder());
    }

    /// Runs the daemon's program with other arguments than `run`, to its end.
    #[must_use = "an outcome that nobody looks at is no test"]
    pub fn daemon_says(&self, arguments: &[&str]) -> Output {
        ctl::run(self.program(programs::DAEMON).args(arguments))
    }

    /// Runs the client against this sandbox's socket.
    #[must_use = "an outcome that nobody looks at is no test"]
    pub fn ctl(&self, arguments: &[&str]) -> Output {
        ctl::run(self.ctl_command().args(arguments))
    }

    /// The client with this sandbox's socket, to be run otherwise.
    #[must_use]
    pub fn ctl_command(&self) -> Command {
        let mut command = self.program(programs::CTL);
        command.env("S7_SUPERVISORD", programs::path_of(programs::DAEMON));
        command.arg("--socket").arg(self.socket());
        command
    }

    /// The living processes of this sandbox, by the marker.
    #[must_use]
    pub fn processes(&self) -> Vec<Process> {
        processes::carrying(&self.marker())
    }

    /// Ends all that the sandbox still has, and says what that was.
    fn end_leftovers(&self) -> Vec<Process> {
        let left = self.processes();
        for _ in 0..100 {
            let now = self.processes();
            if now.is_empty() {
                break;
            }
            for process in now {
                processes::send(process.pid, Signal::KILL);
            }
            processes::reap_adopted();
            std::thread::sleep(Duration::from_millis(10));
        }
        left
    }

    /// The sockets and FIFOs under the runtime folder.
    fn endpoints(&self) -> Vec<PathBuf> {
        let mut found = Vec::new();
        let mut folders = vec![self.path("run")];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
                match entry.file_type() {
                    Ok(kind) if kind.is_dir() => folders.push(entry.path()),
                    Ok(kind) if kind.is_socket() || kind.is_fifo() => found.push(entry.path()),
                    _ => {}
                }
            }
        }
        found
    }

    /// Asserts that no process of this sandbox is left but clients.
    ///
    /// # Panics
    /// Where one is left.
    #[track_caller]
    pub fn assert_nothing_left_of_processes(&self) {
        eventually("no daemon or component of the sandbox is left", SOON, || {
            processes::reap_adopted();
            let left = self.processes();
            when(
                left.iter()
                    .all(|process| programs::CTL.starts_with(&process.name)),
                || format!("{left:?}"),
            )
        });
    }

    /// Asserts that no process of this sandbox is left, and no socket or FIFO.
    ///
    /// # Panics
    /// Where something is left.
    #[track_caller]
    pub fn assert_nothing_left(&self) {
        eventually("no process, socket or FIFO of the sandbox is left", SOON, || {
            processes::reap_adopted();
            let (processes, endpoints) = (self.processes(), self.endpoints());
            when(processes.is_empty() && endpoints.is_empty(), || {
                format!("{processes:?} {endpoints:?}")
            })
        });
    }

    /// Prints everything that was written in this sandbox.
    pub fn print_logs(&self) {
        let mut files: Vec<_> = fs::read_dir(self.path("logs"))
            .into_iter()
            .flatten()
            .flatten()
            .collect();
        files.sort_by_key(fs::DirEntry::file_name);
        let shown = files
            .iter()
            .map(|entry| format!("logs/{}", entry.file_name().to_string_lossy()));
        for name in ["daemon.stderr".to_owned()].into_iter().chain(shown) {
            let text = self.read(&name);
            // The end tells more than the beginning, and a flood would hide the rest.
            let from = text.char_indices().rev().nth(8000).map_or(0, |(at, _)| at);
            eprintln!("--- {name}\n{}", &text[from..]);
        }
        eprintln!("--- processes\n{:?}", self.processes());
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.print_logs();
            self.end_leftovers();
            return;
        }
        let mut left = self.processes();
        for _ in 0..200 {
            // What was signalled in the last step of a test may need a moment to be gone.
            if left.is_empty() {
                break;
            }
            std::thread::sleep(Duration::from_millis(5));
            left = self.processes();
        }
        let endpoints = self.endpoints();
        if left.is_empty() && endpoints.is_empty() {
            processes::reap_adopted();
            return;
        }
        self.print_logs();
        self.end_leftovers();
        panic!("left behind after the test: processes {left:?}, sockets and FIFOs {endpoints:?}");
    }
}
