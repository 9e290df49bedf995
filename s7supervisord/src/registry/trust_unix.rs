//! Unix: owner and mode of a file and of every folder and symbolic link on the way to it.

use super::Untrusted;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path, PathBuf};

/// As many symbolic links as the kernel follows (path_resolution(7)).
const MAX_LINKS: usize = 40;
const WRITABLE_BY_OTHERS: u32 = 0o022;
const STICKY: u32 = 0o1000;

/// Whether this process is root's.
pub(super) fn is_privileged() -> bool {
    rustix::process::geteuid().is_root()
}

/// Checks a path and everything on the way to it.
pub(super) fn check_path(path: &Path) -> Result<(), Untrusted> {
    check_path_owned_by(path, 0)
}

/// As [`check_path`], for an owner other than root, so that it can be tested without being root.
fn check_path_owned_by(path: &Path, trusted: u32) -> Result<(), Untrusted> {
    let unknown = |at: &Path, source: io::Error| Untrusted::Unknown {
        path: path.to_path_buf(),
        at: at.to_path_buf(),
        source,
    };
    let absolute = std::path::absolute(path).map_err(|source| unknown(path, source))?;
    // What is still to be walked, the next part last.
    let mut rest: Vec<PathBuf> = parts(&absolute);
    let mut here = PathBuf::from("/");
    let mut links = 0;
    let mut folder = match fs::symlink_metadata(&here) {
        Ok(root) => Seen::new(&root),
        Err(source) => return Err(unknown(&here, source)),
    };
    loop {
        let Some(part) = rest.pop() else {
            return folder
                .check(None, trusted)
                .map_err(|what| writable(path, &here, what));
        };
        if part.as_os_str() == ".." {
            // The kernel's `..` leads to the real parent, and `here` has no link in it.
            here.pop();
            folder = Seen::new(&fs::symlink_metadata(&here).map_err(|source| unknown(&here, source))?);
            continue;
        }
        let next = here.join(&part);
        let found = match fs::symlink_metadata(&next) {
            Ok(found) => found,
            // It doesn't exist; but whoever can write the folder could make it, so the folder counts.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return folder
                    .check(None, trusted)
                    .map_err(|what| writable(path, &here, what));
            }
            Err(source) => return Err(unknown(&next, source)),
        };
        folder
            .check(Some(found.uid()), trusted)
            .map_err(|what| writable(path, &here, what))?;
        if found.is_symlink() {
            links += 1;
            if links > MAX_LINKS {
                return Err(unknown(&next, io::Error::other("too many symbolic links")));
            }
            if !owner_is_trusted(found.uid(), trusted) {
                let what = format!("{} is a link that belongs to uid {}", next.display(), found.uid());
                return Err(writable(path, &next, what));
            }
            let target = fs::read_link(&next).map_err(|source| unknown(&next, source))?;
            if target.is_absolute() {
                here = PathBuf::from("/");
                folder = Seen::new(&fs::symlink_metadata(&here).map_err(|source| unknown(&here, source))?);
            }
            rest.extend(parts(&target));
            continue;
        }
        here = next;
        folder = Seen::new(&found);
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

fn writable(path: &Path, at: &Path, what: String) -> Untrusted {
    Untrusted::Writable {
        path: path.to_path_buf(),
        what: match what.starts_with('/') {
            true => what,
            false => format!("{} {what}", at.display()),
        },
        advice: "give it to root alone (chown root:root, chmod go-w), or run the supervisor as another user"
            .into(),
    }
}

/// Owner and mode of one place.
struct Seen {
    uid: u32,
    mode: u32,
}

impl Seen {
    fn new(metadata: &fs::Metadata) -> Self {
        Self {
            uid: metadata.uid(),
            mode: metadata.mode(),
        }
    }

    /// Who else can change this place, or what `child` owner's entry in it is.
    fn check(&self, child: Option<u32>, trusted: u32) -> Result<(), String> {
        if !owner_is_trusted(self.uid, trusted) {
            return Err(format!("belongs to uid {}", self.uid));
        }
        if self.mode & WRITABLE_BY_OTHERS == 0 {
            return Ok(());
        }
        // In a folder such as /tmp only its owner can rename or remove an entry, so root's own entry stays root's.
        let sticky = self.mode & STICKY != 0;
        if sticky && child.is_some_and(|uid| owner_is_trusted(uid, trusted)) {
            return Ok(());
        }
        Err(format!(
            "can be written by others (mode {:04o})",
            self.mode & 0o7777
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{PermissionsExt, symlink};

    fn me() -> u32 {
        rustix::process::geteuid().as_raw()
    }

    fn chmod(path: &Path, mode: u32) {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }

    /// A folder of mine, `conf` in it, and a registry in that.
    fn folder() -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let conf = folder.path().join("conf");
        fs::create_dir(&conf).unwrap();
        chmod(&conf, 0o755);
        let file = conf.join("r.xml");
        fs::write(&file, "").unwrap();
        chmod(&file, 0o644);
        (folder, file)
    }

    fn refused(path: &Path) -> String {
        check_path_owned_by(path, me()).unwrap_err().to_string()
    }

    #[test]
    fn what_only_the_owner_can_write_is_trusted_even_under_a_sticky_temp_folder() {
        let (_folder, file) = folder();
        check_path_owned_by(&file, me()).unwrap();
        check_path_owned_by(&file.with_file_name("not-there"), me()).unwrap();
        check_path_owned_by(&file.parent().unwrap().join("../conf/./r.xml"), me()).unwrap();
    }

    #[test]
    fn a_file_or_parent_that_others_can_write_is_refused_by_name() {
        let (folder, file) = folder();
        chmod(&file, 0o664);
        assert!(refused(&file).contains("r.xml can be written by others (mode 0664)"));
        chmod(&file, 0o644);
        let conf = file.parent().unwrap();
        chmod(conf, 0o777);
        let message = refused(&file);
        assert!(
            message.contains("conf can be written by others (mode 0777)"),
            "{message}"
        );
        assert!(message.contains("chmod go-w"), "{message}");
        chmod(conf, 0o1777);
        check_path_owned_by(&file, me()).unwrap();
        assert!(refused(&conf.join("not-there")).contains("mode 1777"));
        drop(folder);
    }

    #[test]
    fn a_link_is_followed_and_everything_on_both_ways_is_checked() {
        let (folder, file) = folder();
        let other = folder.path().join("other");
        fs::create_dir(&other).unwrap();
        let link = other.join("link");
        symlink("../conf/r.xml", &link).unwrap();
        check_path_owned_by(&link, me()).unwrap();
        chmod(&file, 0o666);
        assert!(refused(&link).contains("r.xml can be written"));
        chmod(&file, 0o644);
        chmod(&other, 0o777);
        assert!(refused(&link).contains("other can be written"));
        chmod(&other, 0o755);
        fs::remove_file(&link).unwrap();
        symlink(&link, &link).unwrap();
        assert!(refused(&link).contains("too many symbolic links"));
    }

    #[test]
    fn what_belongs_to_somebody_else_is_refused() {
        let (_folder, file) = folder();
        if me() == 0 {
            std::os::unix::fs::chown(&file, Some(12_345), None).unwrap();
            assert!(refused(&file).contains("r.xml belongs to uid 12345"));
        } else {
            // Seen from root's side, what is mine belongs to somebody else.
            let message = check_path_owned_by(&file, 0).unwrap_err().to_string();
            assert!(message.contains(&format!("belongs to uid {}", me())), "{message}");
        }
    }

    #[test]
    fn everything_that_a_daemon_obeys_is_checked() {
        let (folder, file) = folder();
        let profiles = folder.path().join("conf").join("profiles.d");
        fs::create_dir(&profiles).unwrap();
        let profile = profiles.join("a.xml");
        fs::write(&profile, "").unwrap();
        chmod(&profile, 0o666);
        let result = super::super::check_obeyed(&file, folder.path());
        if me() == 0 {
            let message = result.unwrap_err().to_string();
            assert!(
                message.contains("a.xml can be written by others (mode 0666)"),
                "{message}"
            );
        } else {
            // Who isn't root commands nobody but himself.
            result.unwrap();
        }
    }
}
