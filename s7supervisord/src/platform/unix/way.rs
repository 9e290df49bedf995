//! The way to a folder that may lie among folders of other users, who are not to lead the daemon elsewhere.
//!
//! A daemon of root that removes files, or makes folders and gives them away, would else be a tool to do that anywhere: it is
//! enough to put a link in the place of a folder above. So each part is opened relative to the one before, and a link is followed
//! only where nobody but root and the daemon itself can have put it. What leads from `temp` to another disk is such a one.

use rustix::fs::{FileType, Mode, OFlags, Stat};
use std::collections::VecDeque;
use std::ffi::OsString;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStringExt;
use std::path::{Component, Path, PathBuf};

/// Links on one way; as many as the kernel itself follows (path_resolution(7)).
const LINKS: usize = 40;

/// Opens `folder`, which is absolute, so that what lies in it can be named.
///
/// # Errors
/// It isn't there, isn't a folder, or somebody's link is on the way; the text names that.
pub fn open(folder: &Path) -> io::Result<OwnedFd> {
    let mut parts: VecDeque<OsString> = parts(folder);
    let mut links = 0;
    let mut at = start()?;
    // The way so far, to be named.
    let mut way = PathBuf::from("/");
    while let Some(part) = parts.pop_front() {
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let next = rustix::fs::openat(&at, &part, flags, Mode::empty())?;
        let about = rustix::fs::fstat(&next)?;
        way.push(&part);
        match FileType::from_raw_mode(about.st_mode) {
            FileType::Directory => at = next,
            FileType::Symlink => {
                links += 1;
                if links > LINKS || !is_ours(&about) || !is_ours_alone(&rustix::fs::fstat(&at)?) {
                    let why = format!("{} is a link, and it isn't followed", way.display());
                    return Err(io::Error::new(io::ErrorKind::InvalidInput, why));
                }
                let target = rustix::fs::readlinkat(&next, "", Vec::new())?;
                let target = PathBuf::from(OsString::from_vec(target.into_bytes()));
                if target.is_absolute() {
                    at = start()?;
                    way = PathBuf::from("/");
                } else {
                    way.pop();
                }
                for part in self::parts(&target).into_iter().rev() {
                    parts.push_front(part);
                }
            }
            _ => {
                return Err(io::Error::new(
                    io::ErrorKind::NotADirectory,
                    format!("{} is no folder", way.display()),
                ));
            }
        }
    }
    Ok(at)
}

fn start() -> io::Result<OwnedFd> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    Ok(rustix::fs::open("/", flags, Mode::empty())?)
}

fn parts(path: &Path) -> VecDeque<OsString> {
    path.components()
        .filter(|part| matches!(part, Component::Normal(_) | Component::ParentDir))
        .map(|part| part.as_os_str().to_owned())
        .collect()
}

/// Whether it is root's or the daemon's own.
fn is_ours(about: &Stat) -> bool {
    about.st_uid == 0 || about.st_uid == rustix::process::geteuid().as_raw()
}

/// Whether nobody else can put something in the place of what root or the daemon has in this folder.
fn is_ours_alone(folder: &Stat) -> bool {
    let mode = Mode::from_raw_mode(folder.st_mode);
    is_ours(folder) && (!mode.intersects(Mode::WGRP | Mode::WOTH) || mode.contains(Mode::SVTX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::fs::{AtFlags, CWD, Gid, Uid};
    use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};

    fn number(folder: &Path) -> u64 {
        std::fs::metadata(folder).unwrap().ino()
    }

    fn leads_to(folder: &Path) -> u64 {
        rustix::fs::fstat(open(folder).unwrap()).unwrap().st_ino
    }

    #[test]
    fn links_of_ones_own_are_followed_but_not_in_circles_nor_where_others_can_replace_them() {
        let place = tempfile::tempdir().unwrap();
        let at = |name: &str| place.path().join(name);
        std::fs::create_dir_all(at("disk/temp/heap")).unwrap();
        symlink("disk/temp", at("temp")).unwrap();
        symlink(at("disk"), at("absolute")).unwrap();
        for way in [
            "temp/heap",
            "absolute/temp/heap",
            "temp/../temp/heap",
            "disk/./temp/heap",
        ] {
            assert_eq!(leads_to(&at(way)), number(&at("disk/temp/heap")), "{way}");
        }
        assert_eq!(leads_to(&at("temp")), number(&at("disk/temp")));
        symlink("circle", at("circle")).unwrap();
        let error = open(&at("circle/x")).unwrap_err();
        assert!(error.to_string().contains("circle is a link"), "{error}");
        std::fs::write(at("file"), "").unwrap();
        assert!(
            open(&at("file/x"))
                .unwrap_err()
                .to_string()
                .contains("is no folder")
        );
        assert_eq!(open(&at("none/x")).unwrap_err().kind(), io::ErrorKind::NotFound);
        // Others can put something in its place here.
        std::fs::create_dir(at("shared")).unwrap();
        symlink(at("disk"), at("shared/disk")).unwrap();
        let mode = |mode| std::fs::set_permissions(at("shared"), PermissionsExt::from_mode(mode)).unwrap();
        mode(0o777);
        assert!(open(&at("shared/disk/temp")).is_err());
        mode(0o1777);
        assert_eq!(leads_to(&at("shared/disk/temp")), number(&at("disk/temp")));
    }

    #[test]
    fn no_link_of_somebody_else_is_followed_and_none_in_a_folder_of_theirs_needs_root() {
        let place = tempfile::tempdir().unwrap();
        let at = |name: &str| place.path().join(name);
        std::fs::create_dir_all(at("disk/temp")).unwrap();
        std::fs::create_dir_all(at("theirs")).unwrap();
        symlink(at("disk"), at("theirs/disk")).unwrap();
        symlink(at("disk"), at("link")).unwrap();
        assert!(open(&at("theirs/disk/temp")).is_ok() && open(&at("link/temp")).is_ok());
        let (uid, gid) = (Some(Uid::from_raw(4711)), Some(Gid::from_raw(4711)));
        for given in ["theirs", "link"] {
            if rustix::fs::chownat(CWD, at(given), uid, gid, AtFlags::SYMLINK_NOFOLLOW).is_err() {
                return eprintln!("NOT RUN: only root can give something away");
            }
        }
        for way in ["theirs/disk/temp", "link/temp"] {
            assert!(
                open(&at(way)).unwrap_err().to_string().contains("is a link"),
                "{way}"
            );
        }
        assert!(open(&at("theirs")).is_ok(), "without a link it can be gone");
    }
}
