//! The lock of the runtime folder.

use crate::platform::process;
use crate::{Failure, exit};
use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

/// The file that says who supervises in a runtime folder.
pub const LOCK: &str = "lock";
/// How long a process that a dead supervisor was creating may take until it lets go of the lock; it takes microseconds.
const LAST_CHILD: Duration = Duration::from_secs(5);
/// How long a supervisor that was just killed may seem to live: it takes microseconds, on a busy machine some milliseconds.
const DYING: Duration = Duration::from_secs(1);
/// From one look at the lock to the next.
const LOOK_AGAIN: Duration = Duration::from_millis(1);

/// The lock that the image before this one has handed over, or else the one that is taken now.
///
/// # Errors
/// As [`take`].
pub fn hold(handed: Option<File>, runtime_dir: &Path) -> Result<File, Failure> {
    match handed {
        // It has never been free since the image before this one took it.
        Some(lock) if is_at(&lock, runtime_dir) => Ok(lock),
        _ => {
            let lock = take(runtime_dir)?;
            alone(&lock, runtime_dir)?;
            Ok(lock)
        }
    }
}

/// Whether `lock` is the one that lies in `runtime_dir`: somebody may have removed it.
#[must_use]
pub fn is_at(lock: &File, runtime_dir: &Path) -> bool {
    crate::platform::is_at(lock, &runtime_dir.join(LOCK))
}

/// A free lock doesn't say that nobody supervises here: it may be a new one, in the place of one that was removed under a
/// supervisor that lives. What that one has started isn't left over.
///
/// # Errors
/// There is one.
fn alone(lock: &File, runtime_dir: &Path) -> Result<(), Failure> {
    let Some(pid) = process::supervises_without(&runtime_dir.join(LOCK)) else {
        return Ok(());
    };
    // The lock is that one's, and it takes it again when this process has gone.
    let _ = name_nobody(lock);
    Err(Failure::new(
        exit::TAKEN,
        format!(
            "another supervisor (pid {pid}) still runs in {0}, although its lock there was removed; it takes it again, \
             ask it then with: s7ctl status",
            runtime_dir.display()
        ),
    ))
}

/// Takes the lock. It is the truth about who supervises here; a socket that lies about is nobody's.
///
/// # Errors
/// Another supervisor has it, or it can't be opened.
pub fn take(runtime_dir: &Path) -> Result<File, Failure> {
    let path = runtime_dir.join(LOCK);
    let cannot = |error: &dyn std::fmt::Display| {
        Failure::new(
            exit::CANNOT_CREATE,
            format!("opening the lock {}: {error}", path.display()),
        )
    };
    let mut options = File::options();
    options.read(true).write(true).create(true).truncate(false);
    // Whoever can read a file can lock it, so nobody else can.
    let mut file = crate::platform::private(&mut options)
        .open(&path)
        .or_else(|error| to_read(&path, error))
        .map_err(|error| cannot(&error))?;
    let began = Instant::now();
    let mut locked = file.try_lock();
    // A process that a supervisor was just creating when it was killed holds its lock until it has written its record: so
    // nobody reads a record that somebody is still to write to. One that names nobody ends, or begins and is named in a moment.
    while matches!(locked, Err(std::fs::TryLockError::WouldBlock)) {
        let patience = match holder(&path) {
            Holder::Lives => DYING,
            Holder::Nobody | Holder::Dead => LAST_CHILD,
        };
        if began.elapsed() >= patience {
            break;
        }
        std::thread::sleep(LOOK_AGAIN);
        locked = file.try_lock();
    }
    match locked {
        Ok(()) => {}
        Err(std::fs::TryLockError::WouldBlock) => {
            let (holder, folder) = (holder(&path), runtime_dir.display());
            let pid = std::fs::read_to_string(&path).unwrap_or_default();
            let pid = pid.trim();
            return Err(match holder {
                Holder::Nobody => Failure::new(
                    exit::TAKEN,
                    format!("another supervisor begins or ends in {folder}; ask it with: s7ctl status"),
                ),
                Holder::Lives => Failure::new(
                    exit::TAKEN,
                    format!("another supervisor (pid {pid}) runs in {folder}; ask it with: s7ctl status"),
                ),
                // Whoever begins supervisors is to try again: that process ends or goes on by itself.
                Holder::Dead => Failure::new(
                    exit::CANNOT_CREATE,
                    format!(
                        "the supervisor before this one (pid {pid}) is dead, and a process that it was creating still holds \
                         the lock {}; try again in a moment",
                        path.display()
                    ),
                ),
            });
        }
        Err(std::fs::TryLockError::Error(error)) => return Err(cannot(&error)),
    }
    let written = file
        .set_len(0)
        .and_then(|()| writeln!(file, "{}", std::process::id()));
    if let Err(error) = written {
        // The number is for people; the lock holds without it.
        eprintln!(
            "s7supervisord: writing the process id to {}: {error}",
            path.display()
        );
    }
    Ok(file)
}

/// A lock that is there can be taken without being written to: a disk that has become read-only keeps nobody from it.
fn to_read(path: &Path, error: std::io::Error) -> std::io::Result<File> {
    use std::io::ErrorKind::{PermissionDenied, ReadOnlyFilesystem};
    if !matches!(error.kind(), PermissionDenied | ReadOnlyFilesystem) {
        return Err(error);
    }
    let mut options = File::options();
    options.read(true);
    crate::platform::private(&mut options)
        .open(path)
        .map_err(|_| error)
}

/// After a stop in order the lock file names nobody.
///
/// # Errors
/// The system's.
pub fn name_nobody(lock: &File) -> std::io::Result<()> {
    lock.set_len(0)
}

/// Whom a lock names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Holder {
    /// It has no number yet, or no more.
    Nobody,
    /// A supervisor that may be there.
    Lives,
    /// One that isn't there any more. Its number may be somebody else's by now, and this process's own: the first of a container
    /// always has the same.
    Dead,
}

fn holder(lock: &Path) -> Holder {
    let holder = std::fs::read_to_string(lock).unwrap_or_default();
    match holder.trim().parse() {
        Err(_) => Holder::Nobody,
        Ok(pid) if process::may_hold(pid, lock) => Holder::Lives,
        Ok(_) => Holder::Dead,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_has_the_lock_is_told_also_before_it_has_written_its_number() {
        let folder = tempfile::tempdir().unwrap();
        let lock = take(folder.path()).unwrap();
        let path = folder.path().join(LOCK);
        let own = std::process::id();
        for (number, who) in [
            (String::new(), "another supervisor begins or ends in ".to_owned()),
            // Its own number is that of another one that had it before.
            (
                format!("{own}\n"),
                format!("the supervisor before this one (pid {own}) is dead"),
            ),
        ] {
            std::fs::write(&path, &number).unwrap();
            let said = take(folder.path()).unwrap_err();
            assert!(
                (said.code == exit::TAKEN) == number.is_empty() && said.message.starts_with(&who),
                "{said:?}"
            );
        }
        drop(lock);
    }

    #[test]
    fn a_lock_that_cannot_be_written_is_taken_by_reading_it() {
        use std::io::ErrorKind;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(LOCK);
        let read_only = || ErrorKind::ReadOnlyFilesystem.into();
        let told = to_read(&path, read_only()).unwrap_err();
        assert_eq!(told.kind(), ErrorKind::ReadOnlyFilesystem);
        drop(take(folder.path()).unwrap());
        to_read(&path, ErrorKind::StorageFull.into()).unwrap_err();
        let lock = to_read(&path, read_only()).unwrap();
        lock.try_lock().unwrap();
        name_nobody(&File::options().write(true).open(&path).unwrap()).unwrap();
        assert_eq!(take(folder.path()).unwrap_err().code, exit::TAKEN);
    }

    #[test]
    fn a_lock_with_the_own_number_is_of_a_dead_supervisor() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(LOCK);
        assert_eq!(holder(&path), Holder::Nobody);
        let lock = take(folder.path()).unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        assert_eq!(text.trim(), std::process::id().to_string());
        assert_eq!(holder(&path), Holder::Dead);
        name_nobody(&lock).unwrap();
        assert_eq!(holder(&path), Holder::Nobody);
    }
}
