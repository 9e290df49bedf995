//! The names of the files that a log has left behind: `is.log.1` is the newest, `is.log.2` the one before, as logrotate
//! and most supervisors count; compressed ones end in `.gz`.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// The names that belong to one log. Nothing else is ever renamed or removed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RotatedNames {
    folder: PathBuf,
    log: OsString,
}

/// A rotated file, by its name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Old {
    /// 1 is the newest.
    pub number: u32,
    /// Whether it is compressed.
    pub packed: bool,
}

impl RotatedNames {
    /// The names that `log` leaves behind. `None` where it has no file name.
    #[must_use]
    pub fn of(log: &Path) -> Option<Self> {
        let folder = match log.parent() {
            Some(parent) if parent != Path::new("") => parent.to_owned(),
            _ => PathBuf::from("."),
        };
        let log = log.file_name()?.to_owned();
        Some(Self { folder, log })
    }

    /// The folder that they lie in.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The file name of one of them.
    #[must_use]
    pub fn name(&self, old: &Old) -> OsString {
        let mut name = self.log.clone();
        name.push(format!(".{}{}", old.number, if old.packed { ".gz" } else { "" }));
        name
    }

    /// The path of one of them.
    #[must_use]
    pub fn path(&self, old: &Old) -> PathBuf {
        self.folder.join(self.name(old))
    }

    /// A name beside them that is none of them: `.is.log.` and what it ends in.
    #[must_use]
    pub fn hidden(&self, ending: &str) -> PathBuf {
        let mut name = OsString::from(".");
        name.push(&self.log);
        name.push(".");
        name.push(ending);
        self.folder.join(name)
    }

    /// Which of them a file name is; the comparison is exact, so that only what was named here is ever taken for it.
    #[must_use]
    pub fn parse(&self, file_name: &OsStr) -> Option<Old> {
        let rest = file_name
            .to_str()?
            .strip_prefix(self.log.to_str()?)?
            .strip_prefix('.')?;
        let (digits, packed) = match rest.strip_suffix(".gz") {
            Some(digits) => (digits, true),
            None => (rest, false),
        };
        let number: u32 = digits.parse().ok().filter(|number| *number > 0)?;
        // The parser takes "007" and "+7" as well.
        (number.to_string() == digits).then_some(Old { number, packed })
    }

    /// All regular files of these names, newest first; a compressed one after a plain one of the same number.
    ///
    /// # Errors
    /// The folder can't be read. One that doesn't exist has no files.
    pub fn list(&self) -> io::Result<Vec<Old>> {
        let entries = match fs::read_dir(&self.folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries?,
        };
        let mut found = Vec::new();
        for entry in entries {
            let entry = entry?;
            if let Some(old) = self.parse(&entry.file_name())
                && entry.file_type().is_ok_and(|kind| kind.is_file())
            {
                found.push(old);
            }
        }
        found.sort();
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn old(number: u32, packed: bool) -> Old {
        Old { number, packed }
    }

    #[test]
    fn only_exact_names_are_taken_for_rotated_files() {
        let names = RotatedNames::of(Path::new("logs/is.log")).unwrap();
        assert_eq!(names.path(&old(3, true)), Path::new("logs/is.log.3.gz"));
        assert_eq!(names.hidden("times"), Path::new("logs/.is.log.times"));
        let table = [
            ("is.log.1", Some(old(1, false))),
            ("is.log.12.gz", Some(old(12, true))),
            ("is.log", None),
            ("is.log.0", None),
            ("is.log.01", None),
            ("is.log.+1", None),
            ("is.log.1.log", None),
            ("is.log.1.gz.gz", None),
            ("is.log.1.bak", None),
            ("is.log.gz", None),
            ("is.log.99999999999", None),
            ("xis.log.1", None),
            ("is.logx.1", None),
        ];
        for (name, expected) in table {
            assert_eq!(names.parse(OsStr::new(name)), expected, "{name}");
        }
        assert_eq!(RotatedNames::of(Path::new("/")), None);
    }

    #[test]
    fn the_newest_comes_first_and_what_is_no_regular_file_not_at_all() {
        let temp = tempfile::tempdir().unwrap();
        let names = RotatedNames::of(&temp.path().join("is.log")).unwrap();
        for name in [
            "is.log",
            "is.log.10",
            "is.log.2.gz",
            "is.log.2",
            "is.log.3.gz",
            "ps.log.1",
        ] {
            fs::write(temp.path().join(name), "").unwrap();
        }
        fs::create_dir(temp.path().join("is.log.1")).unwrap();
        let expected = [old(2, false), old(2, true), old(3, true), old(10, false)];
        assert_eq!(names.list().unwrap(), expected);
        let nowhere = RotatedNames::of(&temp.path().join("gone/is.log")).unwrap();
        assert_eq!(nowhere.list().unwrap(), []);
    }
}
