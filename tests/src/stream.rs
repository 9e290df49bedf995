//! A client that follows something, and what it has said so far.

use crate::ctl::Output;
use crate::eventually::{SOON, eventually};
use crate::processes;
use rustix::process::Signal;
use std::io::{Read, Write};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

/// A running client. Dropping it ends it.
#[derive(Debug)]
pub struct Stream {
    child: Option<Child>,
    command: String,
    said: [Said; 2],
}

/// One of its two outputs, read as it comes.
#[derive(Debug)]
struct Said {
    bytes: Arc<Mutex<Vec<u8>>>,
    reader: Option<JoinHandle<()>>,
}

impl Stream {
    /// Starts `command`.
    ///
    /// # Panics
    /// Where it can't be started.
    #[must_use]
    pub fn start(command: &mut Command) -> Self {
        let mut child = processes::spawn(
            command
                .stdin(Stdio::null())
                .stdout(Stdio::piped())
                .stderr(Stdio::piped()),
        );
        let stdout = child.stdout.take().expect("standard output is a pipe");
        let stderr = child.stderr.take().expect("standard error is a pipe");
        Self {
            child: Some(child),
            command: format!("{command:?}"),
            said: [Said::by(stdout), Said::by(stderr)],
        }
    }

    /// The bytes of standard output so far.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        self.said[0].so_far()
    }

    /// The whole lines of standard output so far.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        let bytes = self.bytes();
        let whole = bytes
            .iter()
            .rposition(|byte| *byte == b'\n')
            .map_or(0, |at| at + 1);
        let text = String::from_utf8_lossy(&bytes[..whole]);
        text.lines().map(str::to_owned).collect()
    }

    /// Waits until `look` finds what it looks for in the lines so far.
    ///
    /// # Panics
    /// Where it doesn't come soon.
    #[track_caller]
    pub fn shows<T>(&self, what: &str, mut look: impl FnMut(&[String]) -> Option<T>) -> T {
        eventually(what, SOON, || {
            let lines = self.lines();
            look(&lines).ok_or_else(|| {
                let last = &lines[lines.len().saturating_sub(20)..];
                let err = String::from_utf8_lossy(&self.said[1].so_far()).into_owned();
                format!(
                    "{} lines, the last {last:#?}; standard error {err:?}",
                    lines.len()
                )
            })
        })
    }

    /// Waits until one of the lines is `line`.
    #[track_caller]
    pub fn shows_line(&self, line: &str) {
        self.shows(line, |lines| lines.iter().any(|one| one == line).then_some(()));
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) {
        if let Some(child) = &self.child {
            processes::send(child.id(), signal);
        }
    }

    /// Waits for its end.
    ///
    /// # Panics
    /// Where it doesn't end soon; then it is ended when this is dropped.
    #[must_use = "an outcome that nobody looks at is no test"]
    pub fn finish(mut self) -> Output {
        let status = eventually("the client ends", SOON, || {
            let child = self.child.as_mut().expect("it is taken only at its end");
            child
                .try_wait()
                .expect("the child is ours")
                .ok_or_else(|| "it runs".to_owned())
        });
        processes::forget(self.child.as_ref().expect("it is taken only at its end"));
        self.child = None;
        let [stdout, stderr] = self
            .said
            .each_mut()
            .map(|said| String::from_utf8_lossy(&said.whole()).into_owned());
        Output {
            command: self.command.clone(),
            code: status.code(),
            stdout,
            stderr,
        }
    }
}

impl Said {
    fn by(mut pipe: impl Read + Send + 'static) -> Self {
        let bytes = Arc::new(Mutex::new(Vec::new()));
        let all = Arc::clone(&bytes);
        let reader = std::thread::spawn(move || {
            let mut chunk = [0; 16 * 1024];
            // A pipe that breaks ends the text there; the test sees what is missing.
            while let Ok(count @ 1..) = pipe.read(&mut chunk) {
                let mut all = all.lock().unwrap_or_else(PoisonError::into_inner);
                // Writing to a vector can't fail.
                let _ = all.write_all(&chunk[..count]);
            }
        });
        let reader = Some(reader);
        Self { bytes, reader }
    }

    fn so_far(&self) -> Vec<u8> {
        self.bytes.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn whole(&mut self) -> Vec<u8> {
        if let Some(reader) = self.reader.take() {
            reader.join().expect("reading does not panic");
        }
        self.so_far()
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            // It may have ended by itself.
            let _ = child.kill();
            let _ = child.wait();
            processes::forget(&child);
        }
    }
}
