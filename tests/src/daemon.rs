//! A running daemon, which ends with the test.

use crate::eventually::{SOON, eventually, remains, when};
use crate::processes;
use crate::sandbox::Sandbox;
use rustix::process::Signal;
use serde_json::Value;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

/// A daemon in its sandbox. Dropping it stops it in order and asserts that it ends with 0 and leaves no zombie.
#[derive(Debug)]
pub struct Daemon<'a> {
    sandbox: &'a Sandbox,
    child: Option<Child>,
    pid: u32,
}

impl<'a> Daemon<'a> {
    /// Starts `command` as the sandbox's daemon, its standard error going to `daemon.stderr`.
    ///
    /// # Panics
    /// Where it can't be started.
    #[must_use]
    pub fn spawn(sandbox: &'a Sandbox, mut command: Command) -> Self {
        let stderr = std::fs::File::options()
            .append(true)
            .create(true)
            .open(sandbox.path("daemon.stderr"))
            .expect("the sandbox is ours");
        let stdout = stderr.try_clone().expect("a descriptor can be doubled");
        // A group of its own, so that a Ctrl-C at the test's terminal is the test's alone.
        command
            .stdin(Stdio::null())
            .stdout(stdout)
            .stderr(stderr)
            .process_group(0);
        let child = processes::spawn(&mut command);
        let pid = child.id();
        Self {
            sandbox,
            child: Some(child),
            pid,
        }
    }

    /// The daemon itself, where what was started is only its parent (which ends as it ends).
    #[must_use]
    pub fn behind(mut self, pid: u32) -> Self {
        self.pid = pid;
        self
    }

    /// Its pid.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// Waits until `status` is answered.
    ///
    /// # Panics
    /// Where it ends instead, or isn't there in time.
    pub fn wait_until_it_answers(&self) {
        eventually("the daemon answers", SOON, || {
            let alive = processes::is_alive(self.pid);
            assert!(alive, "the daemon ended: {}", self.sandbox.read("daemon.stderr"));
            let output = self.sandbox.ctl(&["version"]);
            when(output.code == Some(0), || output.to_string())
        });
    }

    /// `status --json`, whatever its exit code.
    #[must_use]
    pub fn status(&self) -> Value {
        self.sandbox.ctl(&["--json", "status"]).json()
    }

    /// One component of `status --json`.
    ///
    /// # Panics
    /// Where there is none of that name.
    #[must_use]
    pub fn component(&self, id: &str) -> Value {
        let status = self.status();
        let all = status["components"]
            .as_array()
            .unwrap_or_else(|| panic!("no components in {status}"));
        all.iter()
            .find(|component| component["id"] == id)
            .unwrap_or_else(|| panic!("no component {id} in {status}"))
            .clone()
    }

    /// Waits until a component is in `state`, and gives it as it is then.
    #[track_caller]
    pub fn wait_for(&self, id: &str, state: &str) -> Value {
        self.wait_for_within(id, state, SOON)
    }

    /// Waits at most for `deadline` until a component is in `state`, and gives it as it is then.
    #[track_caller]
    pub fn wait_for_within(&self, id: &str, state: &str, deadline: Duration) -> Value {
        self.wait_until(&format!("{id} is {state}"), id, deadline, |seen| {
            seen["state"] == state
        })
    }

    /// Waits until a component fits `test`, and gives it as it is then.
    #[track_caller]
    pub fn wait_until(
        &self,
        what: &str,
        id: &str,
        deadline: Duration,
        test: impl Fn(&Value) -> bool,
    ) -> Value {
        eventually(what, deadline, || {
            let seen = self.component(id);
            if test(&seen) {
                Ok(seen)
            } else {
                Err(seen.to_string())
            }
        })
    }

    /// The pid of a component that runs.
    ///
    /// # Panics
    /// Where it has none.
    #[track_caller]
    #[must_use]
    pub fn pid_of(&self, id: &str) -> u32 {
        let component = self.component(id);
        pid(&component).unwrap_or_else(|| panic!("{id} has no pid: {component}"))
    }

    /// Asserts that a component stays in `state` for `span`.
    pub fn stays(&self, id: &str, state: &str, span: Duration) {
        remains(&format!("{id} is {state}"), span, || {
            let seen = self.component(id);
            when(seen["state"] == state, || seen.to_string())
        });
    }

    /// Sends a signal to the daemon.
    pub fn signal(&self, signal: Signal) {
        processes::send(self.pid, signal);
    }

    /// Ends the daemon as a power cut would, and leaves its components alone.
    pub fn kill(mut self) {
        self.signal(Signal::KILL);
        let status = self.wait();
        assert_eq!(
            status.signal(),
            Some(Signal::KILL.as_raw()),
            "the daemon was killed"
        );
    }

    /// Waits for the end of the daemon.
    ///
    /// # Panics
    /// Where it doesn't end in time; then it is killed.
    pub fn wait(&mut self) -> ExitStatus {
        self.wait_within(Duration::from_secs(30))
    }

    /// Waits at most for `deadline` for the end of the daemon.
    ///
    /// # Panics
    /// Where it doesn't end in time; then it is killed.
    pub fn wait_within(&mut self, deadline: Duration) -> ExitStatus {
        let mut child = self.child.take().expect("a daemon is waited for once");
        let begun = std::time::Instant::now();
        loop {
            if let Some(status) = child.try_wait().expect("the daemon is our child") {
                processes::forget(&child);
                return status;
            }
            if begun.elapsed() > deadline {
                child.kill().expect("the daemon is our child");
                child.wait().expect("the daemon is our child");
                processes::forget(&child);
                panic!("the daemon had not ended after {deadline:?}");
            }
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// Stops the daemon in order and asserts that it ends with 0.
    pub fn stop(mut self) {
        self.stop_in_order();
    }

    fn stop_in_order(&mut self) {
        // Before it is asked to stop: what it hasn't reaped when it is idle, it has forgotten.
        let idle = eventually_no_zombies(self.pid);
        self.signal(Signal::TERM);
        let status = self.wait();
        assert_eq!(status.code(), Some(0), "a requested stop ends with 0");
        assert!(idle.is_empty(), "the daemon left zombies: {idle:?}");
    }
}

/// What stays a zombie of `pid` for longer than any reaping takes.
fn eventually_no_zombies(pid: u32) -> Vec<processes::Process> {
    for _ in 0..400 {
        let zombies = processes::zombies_of(pid);
        if zombies.is_empty() || !processes::is_alive(pid) {
            return Vec::new();
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    processes::zombies_of(pid)
}

/// The pid of a component in `status --json`.
#[must_use]
pub fn pid(component: &Value) -> Option<u32> {
    component["pid"].as_u64().and_then(|pid| u32::try_from(pid).ok())
}

impl Drop for Daemon<'_> {
    fn drop(&mut self) {
        let Some(mut child) = self.child.take() else {
            return;
        };
        if std::thread::panicking() {
            // A second panic would hide the first, so this only cleans up.
            self.signal(Signal::TERM);
            for _ in 0..500 {
                if matches!(child.try_wait(), Ok(Some(_))) {
                    break;
                }
                std::thread::sleep(Duration::from_millis(10));
            }
            let _ = child.kill();
            let _ = child.wait();
            processes::forget(&child);
            return;
        }
        self.child = Some(child);
        self.stop_in_order();
    }
}
