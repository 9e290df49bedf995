//! Running the client.

use crate::processes;
use serde_json::Value;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::time::{Duration, Instant};

/// No command of a test takes longer than this; a client that does is ended and the test fails.
const LONGEST: Duration = Duration::from_secs(120);

/// What a program said, and how it ended.
#[derive(Debug, Clone)]
pub struct Output {
    /// The command line, for messages.
    pub command: String,
    /// Its exit code; `None` where a signal ended it.
    pub code: Option<i32>,
    /// Its standard output.
    pub stdout: String,
    /// Its standard error.
    pub stderr: String,
}

impl Output {
    /// Asserts the exit code and gives the output on.
    ///
    /// # Panics
    /// Where the code is another one; the message has everything that was said.
    #[track_caller]
    pub fn exits(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "exit code of {self}");
        self
    }

    /// Asserts that standard output or standard error has `text`.
    ///
    /// # Panics
    /// Where neither has it.
    #[track_caller]
    pub fn says(self, text: &str) -> Self {
        assert!(
            self.stdout.contains(text) || self.stderr.contains(text),
            "{text:?} is missing in what was said by {self}"
        );
        self
    }

    /// Standard output as one JSON value.
    ///
    /// # Panics
    /// Where it is none.
    #[track_caller]
    #[must_use]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("no JSON ({error}) from {self}"))
    }
}

impl std::fmt::Display for Output {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "`{}` (exit {:?})\n--- stdout\n{}--- stderr\n{}---",
            self.command, self.code, self.stdout, self.stderr
        )
    }
}

/// Runs `command` to its end, reading what it says.
///
/// # Panics
/// Where it can't be started, or takes longer than any command of a test may.
pub fn run(command: &mut Command) -> Output {
    finish(start(command), format!("{command:?}"))
}

/// Starts `command` with its output held for [`finish`].
pub fn start(command: &mut Command) -> Child {
    processes::spawn(
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped()),
    )
}

/// Waits for the end of what [`start`] began.
///
/// # Panics
/// Where it takes longer than any command of a test may.
pub fn finish(mut child: Child, command: String) -> Output {
    let stdout = read_all(child.stdout.take().expect("standard output is a pipe"));
    let stderr = read_all(child.stderr.take().expect("standard error is a pipe"));
    let begun = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait().expect("the child is ours") {
            break Some(status);
        }
        if begun.elapsed() > LONGEST {
            child.kill().expect("the child is ours");
            child.wait().expect("the child is ours");
            break None;
        }
        std::thread::sleep(Duration::from_millis(2));
    };
    processes::forget(&child);
    let output = Output {
        command,
        code: status.and_then(|status| status.code()),
        stdout: text_of(&stdout),
        stderr: text_of(&stderr),
    };
    assert!(status.is_some(), "not at its end after {LONGEST:?}: {output}");
    output
}

fn read_all(mut pipe: impl std::io::Read + Send + 'static) -> Receiver<String> {
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        // A pipe that breaks ends the text there; the test sees what is missing.
        let _ = pipe.read_to_end(&mut bytes);
        // Nobody listens any more where the test has failed meanwhile.
        let _ = sender.send(String::from_utf8_lossy(&bytes).into_owned());
    });
    receiver
}

/// What was read, as soon as the last holder of the pipe is gone.
fn text_of(pipe: &Receiver<String>) -> String {
    pipe.recv_timeout(crate::eventually::SOON)
        .expect("a program that has ended leaves nobody behind who holds its output open")
}
