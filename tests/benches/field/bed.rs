//! A daemon with N components, default settings, output captured as always.

use crate::starts::{Start, Starts, now};
use crate::tools::Tools;
use rustix::process::{Pid, Signal};
use s7tests::programs;
use std::io;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tempfile::TempDir;

/// How long anything may take here; far beyond what any of it should.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// A running daemon, which ends with this.
#[derive(Debug)]
pub struct Bed {
    child: Option<Child>,
    folder: PathBuf,
    runtime: TempDir,
    /// When it was started.
    pub began: Duration,
    /// The same by the wall clock, in seconds since 1970.
    pub began_at: f64,
    /// What its workers say.
    pub starts: Starts,
}

impl Bed {
    /// Starts a daemon with `n` workers in one tier, and gives their beginnings.
    ///
    /// # Errors
    /// It can't be started, or not all of them begin.
    pub fn workers(tools: &Tools, n: usize) -> io::Result<(Self, Vec<Start>)> {
        Self::workers_in(tools, tools.fresh_folder()?, n)
    }

    /// The same in an install folder that may have been used before.
    ///
    /// # Errors
    /// As [`Bed::workers`].
    pub fn workers_in(tools: &Tools, folder: PathBuf, n: usize) -> io::Result<(Self, Vec<Start>)> {
        let mut bed = Self::within(tools, folder, |starts| {
            format!(
                "<server id=\"w\"><executable>{}</executable><arguments><argument>{}</argument></arguments>\
                 <instances>{n}</instances></server>",
                tools.worker().display(),
                starts.path().display()
            )
        })?;
        let begun = bed.starts.many(n, PATIENCE)?;
        Ok((bed, begun))
    }

    /// Starts a daemon whose registry has these `<server>` elements.
    ///
    /// # Errors
    /// It can't be started.
    pub fn with(tools: &Tools, servers: impl FnOnce(&Starts) -> String) -> io::Result<Self> {
        Self::within(tools, tools.fresh_folder()?, servers)
    }

    fn within(tools: &Tools, folder: PathBuf, servers: impl FnOnce(&Starts) -> String) -> io::Result<Self> {
        let runtime = tools.fresh_runtime()?;
        std::fs::create_dir_all(folder.join("conf"))?;
        let starts = Starts::make(&folder.join("starts"))?;
        let registry = format!("<supervisor><servers>{}</servers></supervisor>", servers(&starts));
        std::fs::write(folder.join("conf/SupervisorRegistry.xml"), registry)?;
        let mut bed = Self {
            child: None,
            folder,
            runtime,
            began: Duration::ZERO,
            began_at: 0.0,
            starts,
        };
        bed.begin()?;
        Ok(bed)
    }

    /// Starts the daemon.
    fn begin(&mut self) -> io::Result<()> {
        let mut command = Command::new(programs::path_of(programs::DAEMON));
        command
            .env_clear()
            .env("PATH", "/usr/local/bin:/usr/bin:/bin")
            // The times in its log are compared with the clock's.
            .env("TZ", "UTC")
            .args(["run", "--install-folder"])
            .arg(&self.folder)
            .arg("--runtime-dir")
            .arg(self.runtime.path())
            .arg("--socket")
            .arg(self.socket())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(std::fs::File::create(self.folder.join("daemon.stderr"))?)
            // As `s7ctl start` has it: the log goes to its file alone.
            .env("S7_DETACHED", "1");
        self.began = now();
        self.began_at = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default()
            .as_secs_f64();
        self.child = Some(command.spawn()?);
        Ok(())
    }

    /// Kills the daemon and starts the next one, which finds what runs.
    ///
    /// # Errors
    /// It was ended before, or the next one can't be started.
    pub fn replace(&mut self) -> io::Result<()> {
        signal(self.pid()?, Signal::KILL)?;
        if let Some(mut killed) = self.child.take() {
            killed.wait()?;
        }
        self.begin()
    }

    /// The daemon's process id.
    ///
    /// # Errors
    /// It has been ended.
    pub fn pid(&self) -> io::Result<u32> {
        let child = self.child.as_ref();
        Ok(child
            .ok_or_else(|| io::Error::other("the daemon was ended"))?
            .id())
    }

    /// Where it listens.
    pub fn socket(&self) -> PathBuf {
        self.runtime.path().join("s")
    }

    /// A file in its install folder.
    pub fn path(&self, relative: &str) -> PathBuf {
        self.folder.join(relative)
    }

    /// The client, for this daemon.
    pub fn ctl(&self) -> Command {
        let mut command = Command::new(programs::path_of(programs::CTL));
        command.env_clear().arg("--socket").arg(self.socket());
        command
    }

    /// Has it stop everything and end, and gives how long that took.
    ///
    /// # Errors
    /// It doesn't end in time, or not well.
    pub fn stop(mut self) -> io::Result<Duration> {
        let Some(mut child) = self.child.take() else {
            return Err(io::Error::other("the daemon was ended before"));
        };
        let began = now();
        let stopped = signal(child.id(), Signal::TERM).and_then(|()| ended(&mut child));
        let took = now() - began;
        match stopped {
            Ok(true) => Ok(took),
            Ok(false) => Err(io::Error::other(format!(
                "the daemon ended badly: {}",
                self.said()
            ))),
            Err(error) => {
                self.child = Some(child);
                Err(error)
            }
        }
    }

    /// What it has written to standard error.
    pub fn said(&self) -> String {
        std::fs::read_to_string(self.path("daemon.stderr")).unwrap_or_default()
    }
}

/// Waits for an end without using the processor much; whether it was a good one.
fn ended(child: &mut Child) -> io::Result<bool> {
    let begun = Instant::now();
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(status.success());
        }
        if begun.elapsed() > PATIENCE {
            return Err(io::Error::new(io::ErrorKind::TimedOut, "the daemon does not end"));
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Signals a process that is known to be there.
///
/// # Errors
/// It isn't.
pub fn signal(pid: u32, signal: Signal) -> io::Result<()> {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
    let pid = pid.ok_or_else(|| io::Error::other("this is no process id"))?;
    Ok(rustix::process::kill_process(pid, signal)?)
}

/// Kills all of them, one right after the other, and gives when that began.
///
/// # Errors
/// One of them isn't there.
pub fn kill_all(pids: impl IntoIterator<Item = u32>) -> io::Result<Duration> {
    let began = now();
    for pid in pids {
        signal(pid, Signal::KILL)?;
    }
    Ok(began)
}

impl Drop for Bed {
    fn drop(&mut self) {
        let Some(mut child) = self.child.take() else {
            return;
        };
        // Something has gone wrong, and that is told already; this only cleans up.
        let _ = signal(child.id(), Signal::TERM);
        if ended(&mut child).is_err() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
