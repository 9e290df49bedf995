//! What runs leave behind: the folder for it, and keeping it from filling up.
//!
//! Folders of components may belong to the components' users, who may put anything there under any name. So everything is
//! done relative to an open folder, and no link is followed.

use super::identity::Identity;
use crate::registry::plan::ComponentPlan;
use rustix::fs::{AtFlags, FileType, Gid, Mode, OFlags, Uid};
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;

/// Removes all but the newest `most` regular files of `folder` that are called `<before><digits><after>`. Gives how many
/// were removed.
///
/// # Errors
/// The folder can't be read, or one of the files can't be removed.
pub fn keep_newest(folder: &Path, before: &str, after: &str, most: usize) -> io::Result<usize> {
    let folder = open(folder)?;
    let mut found = Vec::new();
    for entry in rustix::fs::Dir::read_from(&folder)? {
        let entry = entry?;
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
    let too_many = found.len().saturating_sub(most);
    for (.., name) in found.iter().take(too_many) {
        rustix::fs::unlinkat(&folder, name, AtFlags::empty())?;
    }
    Ok(too_many)
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
    match rustix::fs::mkdir(folder, Mode::RWXU | Mode::RGRP | Mode::XGRP) {
        Ok(()) => {}
        Err(rustix::io::Errno::EXIST) => return Ok(()),
        Err(errno) => return Err(errno.into()),
    }
    if identity.differs {
        // Whoever can write the folder above may have put another one in this one's place: it is only given away if it
        // is empty, so that nothing is.
        let made = open(folder)?;
        if rustix::fs::Dir::read_from(&made)?
            .flatten()
            .any(|entry| !matches!(entry.file_name().to_bytes(), b"." | b".."))
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

fn open(folder: &Path) -> io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    Ok(rustix::fs::open(folder, flags, Mode::empty())?)
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
        assert_eq!(keep_newest(folder.path(), "java_pid", ".hprof", 2).unwrap(), 2);
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
