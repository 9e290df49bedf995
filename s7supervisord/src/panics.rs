//! What follows a panic, which is an error in this program itself.
//!
//! In the task of one client: that client's connection ends, and nothing else. In what supervision can't do without (the
//! core loop, the task that accepts clients, the daemon's own threads): the process ends at once, by SIGABRT. Components
//! outlive it as they outlive its death by any other cause, and the next daemon goes on with them, from what is recorded
//! and not from a state that nobody can vouch for.

use crate::daemon_log::DaemonLog;
use std::panic::PanicHookInfo;
use std::sync::OnceLock;
use std::time::Duration;

/// How the names of the daemon's own threads begin; those of the runtime, whose work is waited for, have others.
const OWN_THREADS: &str = "s7-";
/// How long the log may take to be written before the process ends.
const LAST_WORDS: Duration = Duration::from_secs(1);

static LOG: OnceLock<DaemonLog> = OnceLock::new();

/// Has panics written to the log from now on, too, and the process ended for those in the daemon's own threads.
pub fn note_in(log: DaemonLog) {
    if LOG.set(log).is_err() {
        // It was done before.
        return;
    }
    let before = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        before(panic);
        note(panic);
    }));
}

fn note(panic: &PanicHookInfo<'_>) {
    let thread = std::thread::current();
    let thread = thread.name().unwrap_or("without a name");
    let place = panic.location().map(ToString::to_string).unwrap_or_default();
    let what = panic.payload_as_str().unwrap_or("without words");
    log::error!("an error in the supervisor itself, in thread {thread} at {place}: {what}");
    if thread.starts_with(OWN_THREADS) {
        end();
    }
}

/// Ends the process if a panic passes through where this lives. To be declared behind what would otherwise tidy up as if
/// the daemon ended in order: what is declared last is dropped first.
#[derive(Debug)]
pub struct Indispensable;

impl Drop for Indispensable {
    fn drop(&mut self) {
        if std::thread::panicking() {
            end();
        }
    }
}

fn end() -> ! {
    log::error!(
        "the supervisor ends at once; its components run on, and the next supervisor takes them over"
    );
    if let Some(log) = LOG.get() {
        // The log's own thread can't wait for itself; then the time passes.
        let _ = log.flush(LAST_WORDS);
    }
    std::process::abort()
}
