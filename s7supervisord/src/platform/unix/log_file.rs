//! Opening log files so that nobody can turn them into something else.
//!
//! The folder is opened as a descriptor and the file relative to it, without following a link; what was opened must be
//! a regular file with one name only. A daemon of root that appends to whatever lies under a name would else be a
//! tool to write into any file of the machine. A second name is fine where the log itself has given it: while a file is
//! being renamed in two steps (see `free_name`), or where that was broken off.

use super::free_name::other_name;
use super::trusted::{self, Distrust};
use crate::output::failure::doing;
use rustix::fs::{AtFlags, FileType, Mode, OFlags, ResolveFlags};
use rustix::io::Errno;
use std::ffi::OsStr;
use std::fs::{DirBuilder, File};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;

/// Owner reads and writes, group reads (DESIGN 6).
const MODE: Mode = Mode::from_raw_mode(0o640);

/// Opens or creates `file` to write at positions of one's own: without O_APPEND, because splice(2) refuses it, and
/// readable, because the last byte tells whether a line is open. A missing folder is made.
///
/// # Errors
/// The file or its folder can't be opened or made, or it isn't a regular file with one name. The text names the path.
pub fn open_to_place(file: &Path) -> io::Result<File> {
    open_to_write(file, OFlags::empty())
}

/// Opens or creates `file` so that each write goes to its end. A missing folder is made.
///
/// # Errors
/// As with [`open_to_place`].
pub fn open_to_append(file: &Path) -> io::Result<File> {
    open_to_write(file, OFlags::APPEND)
}

/// Opens an existing `file` to read it.
///
/// # Errors
/// The file can't be opened, or it isn't a regular file. The text names the path.
pub fn open_to_read(file: &Path) -> io::Result<File> {
    let told = |why| doing(format_args!("opening {}", file.display()), why);
    let (path, name) = split(file).map_err(told)?;
    let folder = open_folder(path).map_err(told)?;
    // O_NONBLOCK keeps a FIFO that someone put there from blocking us; a regular file doesn't know it.
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let open =
        rustix::fs::openat(&folder, name, flags, Mode::empty()).map_err(|errno| told(refusal(errno)))?;
    let mut links = regular(&open).map_err(told)?;
    if links == 2 {
        if other_name(folder.as_fd(), path, name, &open).is_some() {
            return Ok(open.into());
        }
        // It may have lost one of them while the other was looked for.
        links = regular(&open).map_err(told)?;
    }
    one_name(links).map_err(told)?;
    Ok(open.into())
}

/// Whether `file` is still what `path` names: not renamed, not deleted, not replaced.
#[must_use]
pub fn is_still_named(file: &File, path: &Path) -> bool {
    let Ok(ours) = rustix::fs::fstat(file) else {
        return false;
    };
    let named = rustix::fs::statat(rustix::fs::CWD, path, AtFlags::SYMLINK_NOFOLLOW);
    named.is_ok_and(|named| (named.st_dev, named.st_ino) == (ours.st_dev, ours.st_ino))
}

/// Whether `file` has no name any more.
#[must_use]
pub fn is_deleted(file: &File) -> bool {
    rustix::fs::fstat(file).is_ok_and(|about| about.st_nlink == 0)
}

/// What tells `file` from all others that exist at the same time, whatever they are called. A number may be given to
/// another file once this one is gone and nobody has it open.
///
/// # Errors
/// The file can't be asked.
pub fn identity(file: &File) -> io::Result<u64> {
    Ok(rustix::fs::fstat(file)?.st_ino)
}

fn open_to_write(file: &Path, more: OFlags) -> io::Result<File> {
    let told = |why| doing(format_args!("opening {}", file.display()), why);
    let (path, name) = split(file).map_err(told)?;
    let folder = match open_folder(path) {
        Err(missing) if missing.kind() == io::ErrorKind::NotFound => {
            DirBuilder::new()
                .recursive(true)
                .mode(0o755)
                .create(path)
                .map_err(told)?;
            open_folder(path)
        }
        opened => opened,
    }
    .map_err(told)?;
    let flags = OFlags::RDWR
        | OFlags::CREATE
        | OFlags::NOFOLLOW
        | OFlags::NONBLOCK
        | OFlags::NOCTTY
        | OFlags::CLOEXEC;
    let open = || rustix::fs::openat(&folder, name, flags | more, MODE).map_err(|errno| told(refusal(errno)));
    let mut file = open()?;
    let mut links = regular(&file).map_err(told)?;
    if links == 2 && other_name(folder.as_fd(), path, name, &file).is_some() {
        // A daemon was killed while it renamed this file. The other name is the one that it was to have.
        rustix::fs::unlinkat(&folder, name, AtFlags::empty()).map_err(|errno| told(errno.into()))?;
        file = open()?;
        links = regular(&file).map_err(told)?;
    }
    one_name(links).map_err(told)?;
    Ok(file.into())
}

/// A file with another name may be one that is not for those who may read or write logs.
fn one_name(links: u64) -> io::Result<()> {
    if links == 1 {
        return Ok(());
    }
    Err(refused(format!(
        "the file has {links} names (hard links), and a log has one; remove the others or choose another log"
    )))
}

pub(super) fn split(file: &Path) -> io::Result<(&Path, &OsStr)> {
    let name = file
        .file_name()
        .ok_or_else(|| refused("the path doesn't end in a file name".to_owned()))?;
    match file.parent() {
        Some(parent) if parent != Path::new("") => Ok((parent, name)),
        _ => Ok((Path::new("."), name)),
    }
}

/// A daemon of root goes by no link but root's own: whoever can write a folder on the way could lead it anywhere.
pub(super) fn open_folder(folder: &Path) -> io::Result<OwnedFd> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let own = rustix::process::geteuid();
    if !own.is_root() {
        return Ok(rustix::fs::openat(rustix::fs::CWD, folder, flags, Mode::empty())?);
    }
    let straight = ResolveFlags::NO_SYMLINKS;
    match rustix::fs::openat2(rustix::fs::CWD, folder, flags, Mode::empty(), straight) {
        Ok(folder) => return Ok(folder),
        // There are links, or the kernel has no such call.
        Err(Errno::LOOP | Errno::NOSYS | Errno::PERM) => {}
        Err(errno) => return Err(errno.into()),
    }
    let place = match trusted::walk_by_own_links(folder, own.as_raw()) {
        Ok(place) => place.ok_or(io::ErrorKind::NotFound)?,
        Err(Distrust::Writable(why)) => {
            return Err(refused(format!(
                "{why}, and root goes by no link of others to a log; choose another folder, or let root have the link"
            )));
        }
        Err(Distrust::Unknown { source, .. }) => return Err(source),
    };
    match rustix::fs::fstat(&place.descriptor)?.st_mode {
        mode if FileType::from_raw_mode(mode) == FileType::Directory => Ok(place.descriptor),
        _ => Err(io::ErrorKind::NotADirectory.into()),
    }
}

/// The number of names of a regular file; anything else is refused.
fn regular(open: impl AsFd) -> io::Result<u64> {
    let stat = rustix::fs::fstat(open)?;
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile => Ok(stat.st_nlink),
        other => Err(refused(format!(
            "it is not a regular file but {other:?}; remove it or choose another log"
        ))),
    }
}

fn refusal(errno: Errno) -> io::Error {
    match errno {
        Errno::LOOP => {
            refused("it is a symbolic link, and a log is never one; remove it or choose another log".into())
        }
        Errno::ISDIR => refused("it is a folder; remove it or choose another log".into()),
        other => other.into(),
    }
}

fn refused(why: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, why)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::{MetadataExt, symlink};

    #[test]
    fn a_log_is_created_with_its_folder_and_its_mode() {
        let temp = tempfile::tempdir().unwrap();
        let file = temp.path().join("a/b/c.log");
        let open = open_to_place(&file).unwrap();
        assert_eq!(fs::metadata(&file).unwrap().mode() & 0o777 & !0o640, 0);
        assert!(is_still_named(&open, &file));
        fs::rename(&file, temp.path().join("moved")).unwrap();
        assert!(!is_still_named(&open, &file));
        fs::write(&file, "").unwrap();
        assert!(!is_still_named(&open, &file));
    }

    #[test]
    fn a_folder_is_reached_by_links_of_root_and_by_no_others_needs_root() {
        if !rustix::process::geteuid().is_root() {
            return;
        }
        let temp = tempfile::tempdir().unwrap();
        let at = |name: &str| temp.path().join(name);
        fs::create_dir(at("elsewhere")).unwrap();
        for (link, log) in [("logs", "logs/a.log"), ("above", "above/elsewhere/a.log")] {
            let target = if link == "logs" {
                at("elsewhere")
            } else {
                temp.path().to_owned()
            };
            symlink(target, at(link)).unwrap();
            drop(open_to_place(&at(log)).unwrap());
            fs::remove_file(at("elsewhere/a.log")).unwrap();
            std::os::unix::fs::lchown(at(link), Some(65_534), None).unwrap();
            let text = open_to_append(&at(log)).unwrap_err().to_string();
            assert!(text.contains("is a link that belongs to uid 65534"), "{text}");
            assert!(!at("elsewhere/a.log").exists());
        }
    }

    #[test]
    fn links_folders_and_pipes_in_place_of_a_log_are_refused_by_name_and_reason() {
        let temp = tempfile::tempdir().unwrap();
        let at = |name: &str| temp.path().join(name);
        fs::write(at("target"), "secret").unwrap();
        symlink(at("target"), at("symlink")).unwrap();
        fs::hard_link(at("target"), at("hardlink")).unwrap();
        fs::create_dir(at("folder")).unwrap();
        rustix::fs::mkfifoat(rustix::fs::CWD, at("pipe"), Mode::RUSR | Mode::WUSR).unwrap();
        symlink(at("nowhere"), at("dangling")).unwrap();
        let table = [
            ("symlink", "symbolic link"),
            ("hardlink", "2 names"),
            ("folder", "folder"),
            ("pipe", "regular"),
            ("dangling", "symbolic link"),
        ];
        for (name, reason) in table {
            for open in [open_to_place, open_to_append] {
                let text = open(&at(name)).unwrap_err().to_string();
                assert!(
                    text.contains(reason) && text.contains(&at(name).display().to_string()),
                    "{text}"
                );
            }
        }
        assert!(!at("nowhere").exists());
        for name in ["symlink", "folder", "pipe", "hardlink"] {
            assert!(open_to_read(&at(name)).is_err(), "{name}");
        }
    }

    #[test]
    fn a_rename_in_two_steps_that_was_broken_off_is_read_and_comes_to_its_end_before_more_is_written() {
        let temp = tempfile::tempdir().unwrap();
        let at = |name: &str| temp.path().join(name);
        fs::write(at("is.log"), "old").unwrap();
        fs::hard_link(at("is.log"), at("is.log.1")).unwrap();
        for name in ["is.log", "is.log.1"] {
            let text = io::read_to_string(open_to_read(&at(name)).unwrap()).unwrap();
            assert_eq!(text, "old", "{name}");
        }
        let open = open_to_append(&at("is.log")).unwrap();
        assert!(is_still_named(&open, &at("is.log")));
        assert_eq!(fs::read(at("is.log")).unwrap(), b"");
        assert_eq!(fs::read(at("is.log.1")).unwrap(), b"old");
        // Whoever has a third name could have got it from anywhere.
        fs::hard_link(at("is.log.1"), at("is.log.2")).unwrap();
        fs::hard_link(at("is.log.1"), at("third")).unwrap();
        assert!(
            open_to_read(&at("is.log.1"))
                .unwrap_err()
                .to_string()
                .contains("3 names")
        );
        assert!(open_to_append(&at("is.log.1")).is_err());
    }
}
