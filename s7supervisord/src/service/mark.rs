//! The mark in the runtime folder that says: somebody has asked the daemon to end.
//!
//! It tells what a daemon that has stopped in the middle of its stop leaves behind (to be ended) from what one leaves that
//! has crashed (to be adopted by the next).

use std::fs;
use std::io;
use std::path::Path;

const FILE: &str = "stop-requested";

/// Sets it.
///
/// # Errors
/// It can't be written; the message names the file.
pub fn set(runtime_dir: &Path) -> io::Result<()> {
    let path = runtime_dir.join(FILE);
    let mut options = fs::File::options();
    crate::platform::private(options.write(true).create(true).truncate(false))
        .open(&path)
        .map(drop)
        .map_err(|error| io::Error::new(error.kind(), format!("writing {}: {error}", path.display())))
}

/// Whether it is set.
#[must_use]
pub fn is_set(runtime_dir: &Path) -> bool {
    runtime_dir.join(FILE).exists()
}

/// Takes it away: a daemon begins, or what was left is gone.
///
/// # Errors
/// It is there and can't be removed; the message names the file.
pub fn clear(runtime_dir: &Path) -> io::Result<()> {
    let path = runtime_dir.join(FILE);
    match fs::remove_file(&path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(io::Error::new(
            error.kind(),
            format!("removing {}: {error}", path.display()),
        )),
        _ => Ok(()),
    }
}

/// Takes it away where a daemon begins, before there is a log.
pub fn clear_at_start(runtime_dir: &Path) {
    if let Err(error) = clear(runtime_dir) {
        // Then what a crash leaves is taken for left by a stop, which costs a promise, but no supervision.
        eprintln!("s7supervisord: {error}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_set_until_it_is_cleared() {
        let folder = tempfile::tempdir().unwrap();
        assert!(!is_set(folder.path()));
        clear(folder.path()).unwrap();
        set(folder.path()).unwrap();
        assert!(is_set(folder.path()));
        clear(folder.path()).unwrap();
        assert!(!is_set(folder.path()));
        let error = set(&folder.path().join("gone")).unwrap_err();
        assert!(error.to_string().contains("stop-requested"), "{error}");
    }
}
