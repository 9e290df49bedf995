//! Giving a file a name that is free, and never one that another file has; also on file systems that can't do that in one
//! step (NFS, 9p, some FUSE). There it has both names for a moment, and for good where the daemon is killed in that moment:
//! whoever meets such a file knows it by [`other_name`].

use rustix::fs::{AtFlags, RenameFlags};
use rustix::io::{Errno, Result};
use std::ffi::{OsStr, OsString};
use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;

/// A way to rename within a folder. A relative name is one in the folder.
pub(super) type Rename = fn(BorrowedFd<'_>, &Path, &Path) -> Result<()>;

/// Renames `from` to `to`.
///
/// # Errors
/// `to` is not free (`EEXIST`), or the file can't be renamed. Then it has the name that it had.
pub(super) fn rename(folder: BorrowedFd<'_>, from: &Path, to: &Path) -> Result<()> {
    match rustix::fs::renameat_with(folder, from, folder, to, RenameFlags::NOREPLACE) {
        // What rename(2) says where the file system doesn't know the flag.
        Err(Errno::INVAL) => in_two_steps(folder, from, to),
        renamed => renamed,
    }
}

/// As [`rename`], on any file system that knows hard links.
pub(super) fn in_two_steps(folder: BorrowedFd<'_>, from: &Path, to: &Path) -> Result<()> {
    rustix::fs::linkat(folder, from, folder, to, AtFlags::empty())?;
    let unlinked = rustix::fs::unlinkat(folder, from, AtFlags::empty());
    match unlinked {
        // Somebody else was quicker, which is as good.
        Err(Errno::NOENT) => Ok(()),
        Err(_) => {
            // Where that fails too, the next rotation sees both names.
            let _ = rustix::fs::unlinkat(folder, to, AtFlags::empty());
            unlinked
        }
        Ok(()) => Ok(()),
    }
}

/// The other name of `file`, which is called `name` in `folder` (`path` is where that was found) and has two names: where it
/// is one that the same log gives to its files. Then the file has no name outside of what belongs to the log.
pub(super) fn other_name(
    folder: BorrowedFd<'_>,
    path: &Path,
    name: &OsStr,
    file: impl AsFd,
) -> Option<OsString> {
    let ours = rustix::fs::fstat(file).ok().filter(|stat| stat.st_nlink == 2)?;
    let names = std::fs::read_dir(path).ok()?.flatten();
    names.map(|entry| entry.file_name()).find(|other| {
        let stat = || rustix::fs::statat(folder, other, AtFlags::SYMLINK_NOFOLLOW);
        other != name
            && are_of_one_log(name, other)
            && stat().is_ok_and(|stat| (stat.st_dev, stat.st_ino) == (ours.st_dev, ours.st_ino))
    })
}

fn are_of_one_log(one: &OsStr, other: &OsStr) -> bool {
    let (Some(one), Some(other)) = (one.to_str(), other.to_str()) else {
        return false;
    };
    let other = logs(other);
    logs(one)
        .iter()
        .flatten()
        .any(|log| other.iter().flatten().any(|its| its == log))
}

/// The logs that a file of this name may belong to: as the log itself, as an old one, or as one that is being compressed
/// (`output::rotated` makes these names).
fn logs(name: &str) -> [Option<&str>; 3] {
    let numbered = name.strip_suffix(".gz").unwrap_or(name).rsplit_once('.');
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let old = numbered
        .filter(|(_, number)| is_number(number))
        .map(|(log, _)| log);
    let unfinished = name.strip_prefix('.').and_then(|rest| rest.strip_suffix(".gz"));
    [Some(name), old, unfinished]
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn a_name_that_another_file_has_is_never_taken_from_it() {
        let temp = tempfile::tempdir().unwrap();
        let at = |name: &str| temp.path().join(name);
        let folder = fs::File::open(temp.path()).unwrap();
        for ways in [rename as Rename, in_two_steps] {
            fs::write(at("a"), "a").unwrap();
            fs::write(at("b"), "b").unwrap();
            let (a, b, c) = (Path::new("a"), Path::new("b"), Path::new("c"));
            assert_eq!(ways(folder.as_fd(), a, b), Err(Errno::EXIST));
            assert_eq!(fs::read(at("b")).unwrap(), b"b");
            assert_eq!(ways(folder.as_fd(), a, c), Ok(()));
            assert!(!at("a").exists());
            assert_eq!(fs::read(at("c")).unwrap(), b"a");
            assert_eq!(ways(folder.as_fd(), a, c), Err(Errno::NOENT));
            fs::remove_file(at("c")).unwrap();
        }
    }

    #[test]
    fn only_names_of_the_same_log_are_a_rename_that_was_broken_off() {
        let table = [
            ("is.log", "is.log.1", true),
            ("is.log.1", "is.log.2", true),
            ("is.log.9.gz", "is.log.10.gz", true),
            (".is.log.gz", "is.log.1.gz", true),
            ("a.1", "a.1.1", true),
            ("is.log", "ps.log", false),
            ("is.log", "is.log.bak", false),
            ("is.log.1", "ps.log.1", false),
            ("secret", "is.log", false),
        ];
        for (one, other, expected) in table {
            let temp = tempfile::tempdir().unwrap();
            let folder = fs::File::open(temp.path()).unwrap();
            let other_name =
                |name: &str, file: &fs::File| other_name(folder.as_fd(), temp.path(), OsStr::new(name), file);
            fs::write(temp.path().join(one), "").unwrap();
            fs::hard_link(temp.path().join(one), temp.path().join(other)).unwrap();
            for (name, second) in [(one, other), (other, one)] {
                let file = fs::File::open(temp.path().join(name)).unwrap();
                let found = other_name(name, &file);
                assert_eq!(found.is_some_and(|found| found == second), expected, "{name}");
            }
            fs::hard_link(temp.path().join(one), temp.path().join("third")).unwrap();
            let file = fs::File::open(temp.path().join(one)).unwrap();
            assert_eq!(other_name(one, &file), None, "a third");
        }
    }
}
