//! Asking a program one thing, and hearing what it says: for so long and no longer.

use super::candidate::Candidate;
use rustix::event::{PollFd, PollFlags, poll};
use std::ffi::OsString;
use std::io::{self, Read};
use std::process::{Command, ExitStatus};
use std::time::{Duration, Instant};

/// How much of what a program says is heard: one line of JSON, a version, or why it can't, is far shorter.
const MOST: usize = 16 * 1024;

/// Runs `command` under the name `name`, with no environment but what was given to it, and hears what it says on standard
/// output and error, as far as anybody wants to know; `None` where it has not ended within that time. Nothing of it is left.
///
/// May take as long as `within` and a little more, so it is not for the core loop.
///
/// # Errors
/// It can't be executed.
pub fn ask(
    mut command: Command,
    name: OsString,
    within: Duration,
) -> io::Result<Option<(Vec<u8>, ExitStatus)>> {
    let deadline = Instant::now() + within;
    let (said, output) = io::pipe()?;
    command.stdout(output.try_clone()?).stderr(output);
    let candidate = Candidate::start(&mut command, name)?;
    // It holds the writing end of the pipe.
    drop(command);
    let heard = hear(said, deadline).and_then(|said| Ok((said, candidate.has_ended(deadline)?)));
    let status = candidate.end();
    let (said, in_time) = heard?;
    Ok(status?.filter(|_| in_time).map(|status| (said, status)))
}

/// What is said until the end, the deadline, or more than anybody wants to know.
fn hear(mut said: io::PipeReader, deadline: Instant) -> io::Result<Vec<u8>> {
    let mut heard = Vec::new();
    let mut chunk = [0; 4096];
    while heard.len() < MOST {
        let left = deadline.saturating_duration_since(Instant::now());
        let wait = rustix::event::Timespec {
            tv_sec: i64::try_from(left.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: left.subsec_nanos().into(),
        };
        let mut polled = [PollFd::new(&said, PollFlags::IN)];
        match poll(&mut polled, Some(&wait)) {
            Ok(0) => break,
            Err(rustix::io::Errno::INTR) => continue,
            Err(error) => return Err(error.into()),
            Ok(_) => {}
        }
        match said.read(&mut chunk)? {
            0 => break,
            count => heard.extend_from_slice(chunk.get(..count).unwrap_or_default()),
        }
    }
    Ok(heard)
}
