//! Ending what is left after a requested stop, and after nothing else.
//!
//! The service manager ends the daemon alone (`KillMode=process`), so that components outlive its crash. So it is for this
//! to look after a stop: if the daemon was killed in the middle of it, what it had not come to is ended here.

use super::mark;
use crate::platform::service_manager;
use crate::{Failure, exit, lock};
use std::path::Path;
use std::time::Duration;

/// How long what is left may take to end once it was asked to. It had its time before: this comes when the time for the
/// whole stop is over, or when the daemon was killed.
const PATIENCE: Duration = Duration::from_secs(5);

/// The variable in which systemd says how the daemon ended (systemd.exec(5)).
const RESULT_VARIABLE: &str = "SERVICE_RESULT";
/// The variable in which systemd says with what status the daemon ended, and the status of one that it could not put into the
/// service's control group (systemd.exec(5)).
const STATUS_VARIABLE: &str = "EXIT_STATUS";
const NOT_LET_IN: &str = "219";

/// `service reap`: run by the service manager when the daemon has ended.
///
/// # Errors
/// Something could not be ended.
pub fn reap(runtime_dir: &Path) -> Result<u8, Failure> {
    // Whoever has the folder says in it what is to be ended, so it is ended with no other rights than his.
    service_manager::act_as_owner(runtime_dir).map_err(|error| {
        let folder = runtime_dir.display();
        Failure::new(
            exit::PERMISSION,
            format!("acting as the owner of {folder}: {error}"),
        )
    })?;
    if std::env::var(STATUS_VARIABLE).is_ok_and(|status| status == NOT_LET_IN) {
        // Whoever has enabled controllers there: without a daemon nobody looks after the components, so that goes first.
        match service_manager::let_daemons_in() {
            Ok(enabled) if enabled.is_empty() => {}
            Ok(enabled) => eprintln!(
                "s7supervisord: the controllers {enabled} of the service's control group kept the supervisor out of it, and are \
                 disabled"
            ),
            Err(error) => {
                eprintln!("s7supervisord: letting the supervisor into its control group again: {error}")
            }
        }
    }
    let result = std::env::var(RESULT_VARIABLE).ok();
    if !was_requested(mark::is_set(runtime_dir), result.as_deref()) {
        return Ok(exit::OK);
    }
    // Whoever holds the lock looks after what runs.
    let Ok(lock) = lock::take(runtime_dir) else {
        return Ok(exit::OK);
    };
    let ended = service_manager::end_leftovers(runtime_dir, result.is_some(), PATIENCE)
        .map_err(|error| Failure::new(exit::INTERNAL, format!("ending what is left: {error}")))?;
    if ended > 0 {
        eprintln!("s7supervisord: ended {ended} processes that were left after the stop");
    }
    mark::clear(runtime_dir).map_err(|error| Failure::new(exit::CANNOT_CREATE, error.to_string()))?;
    lock::name_nobody(&lock).map_err(|error| {
        let lock = runtime_dir.join(lock::LOCK);
        Failure::new(
            exit::CANNOT_CREATE,
            format!("emptying {}: {error}", lock.display()),
        )
    })?;
    Ok(exit::OK)
}

/// Whether the end of the daemon was a requested stop: it had begun to stop (`marked`), or it has ended as it does after
/// one. A service manager says `success` also where it was the stop itself that ended a daemon that had only just begun.
fn was_requested(marked: bool, result: Option<&str>) -> bool {
    marked || result == Some("success")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_ended_after_a_crash() {
        for result in [
            None,
            Some("signal"),
            Some("core-dump"),
            Some("watchdog"),
            Some("oom-kill"),
            Some("exit-code"),
            Some("timeout"),
            Some(""),
        ] {
            assert!(!was_requested(false, result), "{result:?}");
            assert!(was_requested(true, result), "{result:?}");
        }
        assert!(was_requested(false, Some("success")));
    }
}
