//! What runs leave behind: the folder for it, finding it, and keeping it from filling up.
//!
//! Folders of components may belong to the components' users, who may put anything there under any name. So everything is
//! done relative to an open folder, to which no link of theirs leads ([`super::way`]), and no link in it is followed.

use super::identity::Identity;
use super::log_file::split;
use super::way;
use crate::registry::plan::ComponentPlan;
use rustix::fs::{AtFlags, FileType, Gid, Mode, OFlags, Uid};
use std::ffi::OsStr;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::time::{Duration, SystemTime};

/// How many entries of a folder are looked at: whoever may write it may put any number there.
pub const ENTRIES: usize = 10_000;

/// What came of [`keep_newest`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pruned {
    /// How many files were removed.
    pub removed: usize,
    /// The folder has more than [`ENTRIES`], and only those were looked at.
    pub is_cut: bool,
}

/// Removes all but the newest `most` regular files of `folder` that are called `<before><digits><after>`. Where not all of it
/// is looked at, those that stay are the newest of what was.
///
/// # Errors
/// The folder can't be read, or one of the files can't be removed.
pub fn keep_newest(folder: &Path, before: &str, after: &str, most: usize) -> io::Result<Pruned> {
    keep_newest_of(ENTRIES, folder, (before, after), most)
}

fn keep_newest_of(
    entries: usize,
    folder: &Path,
    (before, after): (&str, &str),
    most: usize,
) -> io::Result<Pruned> {
    let folder = open(folder)?;
    let mut found = Vec::new();
    let mut is_cut = false;
    let all = rustix::fs::Dir::read_from(&folder)?;
    let all = all.filter(|entry| !entry.as_ref().is_ok_and(is_folder_itself));
    for (index, entry) in all.enumerate() {
        let entry = entry?;
        if index == entries {
            is_cut = true;
            break;
        }
        let name = entry.file_name();
        if !name.to_str().is_ok_and(|name| fits(name, before, after)) {
            continue;
        }
        let Ok(about) = rustix::fs::statat(&folder, name, AtFlags::SYMLINK_NOFOLLOW) else {
            continue;
        };
        if FileType::from_raw_mode(about.st_mode).is_file() {
            // Several of them may be of one second, where everything crashes.
            found.push((about.st_mtime, about.st_mtime_nsec, name.to_owned()));
        }
    }
    found.sort();
    let removed = found.len().saturating_sub(most);
    for (.., name) in found.iter().take(removed) {
        rustix::fs::unlinkat(&folder, name, AtFlags::empty())?;
    }
    Ok(Pruned { removed, is_cut })
}

/// When a regular file was last written, and how long it is, in bytes.
///
/// # Errors
/// It is none, or the way there leads over somebody's link.
pub fn regular_file(file: &Path) -> io::Result<(SystemTime, u64)> {
    let (folder, name) = split(file)?;
    let about = rustix::fs::statat(way::open(folder)?, name, AtFlags::SYMLINK_NOFOLLOW)?;
    if !FileType::from_raw_mode(about.st_mode).is_file() {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "it is no regular file",
        ));
    }
    // Nobody's dump is from before 1970; whoever says so is believed to have written it then.
    let written = Duration::new(
        u64::try_from(about.st_mtime).unwrap_or(0),
        u32::try_from(about.st_mtime_nsec).unwrap_or(0),
    );
    let written = SystemTime::UNIX_EPOCH
        .checked_add(written)
        .unwrap_or(SystemTime::UNIX_EPOCH);
    Ok((written, u64::try_from(about.st_size).unwrap_or(0)))
}

fn is_folder_itself(entry: &rustix::fs::DirEntry) -> bool {
    matches!(entry.file_name().to_bytes(), b"." | b"..")
}

/// Opens a folder that components leave things in, to be read: it is none by a link.
fn open(folder: &Path) -> io::Result<OwnedFd> {
    let (above, name) = split(folder)?;
    open_in(way::open(above)?, name)
}

fn open_in(above: impl AsFd, name: &OsStr) -> io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    Ok(rustix::fs::openat(above, name, flags, Mode::empty())?)
}

fn fits(name: &str, before: &str, after: &str) -> bool {
    let number = name
        .strip_prefix(before)
        .and_then(|rest| rest.strip_suffix(after));
    number.is_some_and(|number| !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()))
}

/// Makes a folder for `identity` alone, if there is nothing of that name.
///
/// # Errors
/// It can't be made, or given to its owner.
fn make_folder(folder: &Path, identity: &Identity) -> io::Result<()> {
    let (above, name) = split(folder)?;
    let above = way::open(above)?;
    match rustix::fs::mkdirat(&above, name, Mode::RWXU | Mode::RGRP | Mode::XGRP) {
        Ok(()) => {}
        Err(rustix::io::Errno::EXIST) => return Ok(()),
        Err(errno) => return Err(errno.into()),
    }
    if identity.differs {
        // Whoever can write the folder above may have put another one in this one's place: it is only given away if it
        // is empty, so that nothing is.
        let made = open_in(&above, name)?;
        if rustix::fs::Dir::read_from(&made)?
            .flatten()
            .any(|entry| !is_folder_itself(&entry))
        {
            return Err(io::Error::other("somebody else has put something there"));
        }
        let (uid, gid) = (Uid::from_raw(identity.uid), Gid::from_raw(identity.gid));
        rustix::fs::fchown(&made, Some(uid), Some(gid))?;
    }
    Ok(())
}

/// Java makes no folder for its heap dumps. Without it there will be none, which keeps nothing from running.
pub(super) fn make_heap_folder(plan: &ComponentPlan, identity: &Identity) {
    let dumps = plan.java.as_ref().and_then(|java| java.heap_dumps.as_ref());
    if let Some(dumps) = dumps.filter(|dumps| dumps.is_own)
        // Java looks for a relative one where it runs.
        && let path = plan.run.working_directory.join(&dumps.path)
        && let Err(error) = make_folder(&path, identity)
    {
        let (id, path) = (&plan.id, path.display());
        log::warn!("{id}: making the folder {path} for its heap dumps: {error}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::File;
    use std::os::unix::fs::symlink;
    use std::time::{Duration, SystemTime};

    fn names(folder: &Path) -> Vec<String> {
        let entries = std::fs::read_dir(folder).unwrap();
        let mut names: Vec<_> = entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn only_the_oldest_files_of_exactly_that_name_are_removed_and_nothing_through_a_link() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        // The numbers are process ids, which say nothing about age.
        let now = SystemTime::UNIX_EPOCH + Duration::from_millis(1_800_000_000_900);
        for (age, pid) in [(5, 900), (4, 100), (3, 800), (2, 200)] {
            let file = File::create(at(&format!("java_pid{pid}.hprof"))).unwrap();
            file.set_modified(now - Duration::from_millis(age * 10)).unwrap();
        }
        let others = [
            "java_pid.hprof",
            "java_pid1x.hprof",
            "java_pid100.hprof.gz",
            "java_pid+1.hprof",
        ];
        for other in others {
            File::create(at(other)).unwrap();
        }
        std::fs::create_dir(at("java_pid1.hprof")).unwrap();
        symlink(at("java_pid200.hprof"), at("java_pid2.hprof")).unwrap();
        let pruned = keep_newest(folder.path(), "java_pid", ".hprof", 2).unwrap();
        assert_eq!((pruned.removed, pruned.is_cut), (2, false));
        let mut expected = vec![
            "java_pid1.hprof",
            "java_pid2.hprof",
            "java_pid200.hprof",
            "java_pid800.hprof",
        ];
        expected.extend(others);
        expected.sort_unstable();
        assert_eq!(names(folder.path()), expected);

        let linked = folder.path().join("linked");
        symlink(folder.path(), &linked).unwrap();
        assert!(keep_newest(&linked, "java_pid", ".hprof", 0).is_err());
    }

    #[test]
    fn no_more_entries_are_looked_at_than_so_many_and_the_newest_of_those_stay() {
        let folder = tempfile::tempdir().unwrap();
        for pid in 0..7 {
            File::create(folder.path().join(format!("java_pid{pid}.hprof"))).unwrap();
        }
        let keep = |entries| keep_newest_of(entries, folder.path(), ("java_pid", ".hprof"), 2).unwrap();
        let pruned = |removed, is_cut| Pruned { removed, is_cut };
        assert_eq!(keep(5), pruned(3, true));
        assert_eq!(names(folder.path()).len(), 4);
        assert_eq!(keep(4), pruned(2, false));
        assert_eq!(keep(1), pruned(0, true));
    }

    #[test]
    fn nothing_is_named_removed_or_made_by_way_of_somebody_elses_link_needs_root() {
        let place = tempfile::tempdir().unwrap();
        let at = |name: &str| place.path().join(name);
        std::fs::create_dir_all(at("elsewhere/heap-ps")).unwrap();
        let file = at("elsewhere/heap-ps/java_pid7.hprof");
        std::fs::write(&file, "heap").unwrap();
        symlink(at("elsewhere"), at("temp")).unwrap();
        let through = at("temp/heap-ps");
        assert_eq!(regular_file(&through.join("java_pid7.hprof")).unwrap().1, 4);
        let given = rustix::fs::chownat(
            rustix::fs::CWD,
            at("temp"),
            Some(Uid::from_raw(4711)),
            None,
            AtFlags::SYMLINK_NOFOLLOW,
        );
        if given.is_err() {
            return eprintln!("NOT RUN: only root can give something away");
        }
        assert!(regular_file(&through.join("java_pid7.hprof")).is_err());
        assert!(keep_newest(&through, "java_pid", ".hprof", 0).is_err());
        let me = super::super::identity::look_up(None, None).unwrap();
        assert!(make_folder(&at("temp/heap-is"), &me).is_err());
        assert_eq!(names(&at("elsewhere")), ["heap-ps"]);
        assert!(file.exists());
        symlink(&file, at("elsewhere/heap-ps/java_pid8.hprof")).unwrap();
        assert!(
            regular_file(&at("elsewhere/heap-ps/java_pid8.hprof")).is_err(),
            "a link itself"
        );
    }

    #[test]
    fn a_folder_is_made_once_and_one_that_is_there_is_left_as_it_is() {
        let place = tempfile::tempdir().unwrap();
        let me = super::super::identity::look_up(None, None).unwrap();
        let folder = place.path().join("heap-ps");
        make_folder(&folder, &me).unwrap();
        File::create(folder.join("x")).unwrap();
        make_folder(&folder, &me).unwrap();
        assert_eq!(names(&folder), ["x"]);
    }
}
