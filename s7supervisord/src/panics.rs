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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::daemon_log::{self, LogOptions};
    use std::path::Path;
    use std::process::{Command, ExitStatus};

    /// Where the process that is to panic has its log, and which of its places is to panic.
    const VARIABLE: &str = "S7_TEST_PANICS";
    /// How a test process ends in which a test has failed.
    const TEST_FAILED: i32 = 101;

    /// Runs this one test in a process of its own, which is to panic at `place`; how it ended, and its log.
    fn process_that_panics_at(place: &str) -> (ExitStatus, String) {
        let folder = tempfile::tempdir().unwrap();
        let own = std::env::current_exe().unwrap();
        let output = Command::new(own)
            .args([
                "--exact",
                "panics::tests::what_a_panic_ends_depends_on_where_it_is",
            ])
            .env(VARIABLE, format!("{place}:{}", folder.path().display()))
            .output()
            .unwrap();
        let logs = std::fs::read_dir(folder.path()).unwrap().flatten();
        let log = logs
            .map(|entry| std::fs::read_to_string(entry.path()).unwrap())
            .collect();
        (output.status, log)
    }

    fn panic_at(place: &str, folder: &Path) {
        let log = daemon_log::start(LogOptions {
            file: folder.join("Supervisor.log"),
            trace_level: 2,
            also_stderr: false,
            keep_days: 1,
            indispensable: true,
        });
        note_in(log.unwrap());
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            match place {
                "client" => {
                    let task = tokio::spawn(async { panic!("in a client's task") });
                    assert!(task.await.unwrap_err().is_panic());
                    let work = tokio::task::spawn_blocking(|| panic!("in work beside the loop"));
                    assert!(work.await.unwrap_err().is_panic());
                    log::logger().flush();
                }
                "core" => {
                    let _indispensable = Indispensable;
                    panic!("in the core");
                }
                _ => {
                    let thread = std::thread::Builder::new().name("s7-test".to_owned());
                    let _ = thread.spawn(|| panic!("in a thread")).unwrap().join();
                }
            }
        });
    }

    #[test]
    fn what_a_panic_ends_depends_on_where_it_is() {
        if let Ok(orders) = std::env::var(VARIABLE) {
            let (place, folder) = orders.split_once(':').unwrap();
            return panic_at(place, Path::new(folder));
        }
        let (status, log) = process_that_panics_at("client");
        assert!(status.success(), "a client's panic ends nothing but its task");
        assert!(log.contains("in a client's task"), "{log}");
        for (place, said) in [("core", "in the core"), ("thread", "in a thread")] {
            let (status, log) = process_that_panics_at(place);
            // By a signal where there are signals, and then without a code.
            let aborted = !status.success() && status.code() != Some(TEST_FAILED);
            assert!(aborted, "{place}: {status}");
            assert!(log.contains(said) && log.contains("ends at once"), "{log}");
        }
    }
}
