//! Unix: owner and mode of a file and of every folder and symbolic link on the way to it.

use super::Untrusted;
use crate::platform::trusted::{self, Distrust};
use std::path::Path;

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
    match trusted::walk(path, trusted) {
        Ok(_) => Ok(()),
        Err(Distrust::Writable(what)) => Err(Untrusted::Writable {
            path: path.to_path_buf(),
            what,
            advice:
                "give it to root alone (chown root:root, chmod go-w), or run the supervisor as another user"
                    .into(),
        }),
        Err(Distrust::Unknown { at, source }) => Err(Untrusted::Unknown {
            path: path.to_path_buf(),
            at,
            source,
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::{PermissionsExt, symlink};
    use std::path::PathBuf;

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
