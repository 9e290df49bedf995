//! Who else can change what lies at a path: owner and mode of the file and of every folder and symbolic link on the way to
//! it, walked by descriptors, so that what is found at the end is what was looked at.

use rustix::fs::{FileType, Mode, OFlags, Stat};
use std::ffi::OsStr;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

/// As many symbolic links as the kernel follows (path_resolution(7)).
const MAX_LINKS: usize = 40;
const WRITABLE_BY_OTHERS: u32 = 0o022;
const STICKY: u32 = 0o1000;

/// Why what lies at a path isn't trusted.
#[derive(Debug)]
pub enum Distrust {
    /// Somebody else can change it, or a place on the way to it: a sentence that names the place.
    Writable(String),
    /// It could not be looked at.
    Unknown {
        /// Where looking failed.
        at: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// What lies at the end of a path.
#[derive(Debug)]
pub struct Place {
    /// The place itself, opened with O_PATH.
    pub descriptor: OwnedFd,
    /// Its path without symbolic links.
    pub path: PathBuf,
}

/// Walks to `path`, where only root and `trusted` may be able to change anything on the way. `None` where there is nothing,
/// and nobody else could put something there.
///
/// # Errors
/// [`Distrust`], at the first place that others can change.
pub fn walk(path: &Path, trusted: u32) -> Result<Option<Place>, Distrust> {
    go(path, trusted, Seen::check)
}

/// Walks to `path`, whoever can change what is on the way, but by no link of others than root and `trusted`: it would lead to
/// what they can't reach themselves. `None` where there is nothing.
///
/// # Errors
/// [`Distrust`], at the first link of somebody else.
pub fn walk_by_own_links(path: &Path, trusted: u32) -> Result<Option<Place>, Distrust> {
    go(path, trusted, |_, _, _| Ok(()))
}

fn go(
    path: &Path,
    trusted: u32,
    check: impl Fn(&Seen, Option<u32>, u32) -> Result<(), String>,
) -> Result<Option<Place>, Distrust> {
    let unknown = |at: &Path, source: io::Error| Distrust::Unknown {
        at: at.to_path_buf(),
        source,
    };
    let absolute = std::path::absolute(path).map_err(|source| unknown(path, source))?;
    // What is still to be walked, the next part last.
    let mut rest: Vec<PathBuf> = parts(&absolute);
    let mut links = 0;
    let (mut here, mut at) = (
        PathBuf::from("/"),
        root().map_err(|why| unknown(Path::new("/"), why))?,
    );
    loop {
        let Some(part) = rest.pop() else {
            check(&at, None, trusted).map_err(|what| writable(&here, &what))?;
            let descriptor = at.descriptor;
            return Ok(Some(Place {
                descriptor,
                path: here,
            }));
        };
        let next = here.join(&part);
        if part.as_os_str() == ".." {
            // The kernel's `..` leads to the real parent, and `here` has no link in it.
            at = at.enter(part.as_os_str()).map_err(|why| unknown(&next, why))?;
            here.pop();
            continue;
        }
        let found = match at.enter(part.as_os_str()) {
            Ok(found) => found,
            // It doesn't exist; but whoever can write the folder could make it, so the folder counts.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                check(&at, None, trusted).map_err(|what| writable(&here, &what))?;
                return Ok(None);
            }
            Err(source) => return Err(unknown(&next, source)),
        };
        check(&at, Some(found.uid()), trusted).map_err(|what| writable(&here, &what))?;
        if found.kind() != FileType::Symlink {
            (here, at) = (next, found);
            continue;
        }
        links += 1;
        if links > MAX_LINKS {
            return Err(unknown(&next, io::Error::other("too many symbolic links")));
        }
        if !owner_is_trusted(found.uid(), trusted) {
            return Err(writable(
                &next,
                &format!("is a link that belongs to uid {}", found.uid()),
            ));
        }
        let target = rustix::fs::readlinkat(&found.descriptor, "", Vec::new())
            .map_err(|errno| unknown(&next, errno.into()))?;
        let target = PathBuf::from(OsStr::from_bytes(target.as_bytes()));
        if target.is_absolute() {
            here = PathBuf::from("/");
            at = root().map_err(|why| unknown(&here, why))?;
        }
        rest.extend(parts(&target));
    }
}

/// The names in a path, the first one last.
fn parts(path: &Path) -> Vec<PathBuf> {
    let names = path.components().filter_map(|component| match component {
        Component::Normal(name) => Some(PathBuf::from(name)),
        Component::ParentDir => Some(PathBuf::from("..")),
        Component::RootDir | Component::CurDir | Component::Prefix(_) => None,
    });
    let mut names: Vec<PathBuf> = names.collect();
    names.reverse();
    names
}

fn owner_is_trusted(uid: u32, trusted: u32) -> bool {
    uid == 0 || uid == trusted
}

fn writable(at: &Path, what: &str) -> Distrust {
    Distrust::Writable(format!("{} {what}", at.display()))
}

fn root() -> io::Result<Seen> {
    Seen::open(rustix::fs::CWD, OsStr::new("/"))
}

/// One place on the way.
struct Seen {
    descriptor: OwnedFd,
    about: Stat,
}

impl Seen {
    fn open(folder: impl std::os::fd::AsFd, name: &OsStr) -> io::Result<Self> {
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let descriptor = rustix::fs::openat(folder, name, flags, Mode::empty())?;
        let about = rustix::fs::fstat(&descriptor)?;
        Ok(Self { descriptor, about })
    }

    fn enter(&self, name: &OsStr) -> io::Result<Self> {
        Self::open(&self.descriptor, name)
    }

    fn uid(&self) -> u32 {
        self.about.st_uid
    }

    fn kind(&self) -> FileType {
        FileType::from_raw_mode(self.about.st_mode)
    }

    /// Who else can change this place, or what `child` owner's entry in it is.
    fn check(&self, child: Option<u32>, trusted: u32) -> Result<(), String> {
        if !owner_is_trusted(self.uid(), trusted) {
            return Err(format!("belongs to uid {}", self.uid()));
        }
        let mode = self.about.st_mode;
        if mode & WRITABLE_BY_OTHERS == 0 {
            return Ok(());
        }
        // In a folder such as /tmp only its owner can rename or remove an entry, so root's own entry stays root's.
        if mode & STICKY != 0 && child.is_some_and(|uid| owner_is_trusted(uid, trusted)) {
            return Ok(());
        }
        Err(format!("can be written by others (mode {:04o})", mode & 0o7777))
    }
}
