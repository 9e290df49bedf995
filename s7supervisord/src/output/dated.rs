//! Names with a date before their suffix, and which of them are old enough to go.

use jiff::civil::Date;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

/// A log name that gets a date: `logs/Supervisor.log` becomes `logs/Supervisor-2026-11-22.log` (DESIGN 6).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DatedName {
    folder: PathBuf,
    stem: String,
    suffix: String,
}

/// The name with `more` before its suffix: `logs/Supervisor.log` and `-audit` make `logs/Supervisor-audit.log`.
#[must_use]
pub fn before_suffix(file: &Path, more: &str) -> PathBuf {
    let mut name = file.file_stem().unwrap_or_default().to_owned();
    name.push(more);
    if let Some(suffix) = file.extension() {
        name.push(".");
        name.push(suffix);
    }
    file.with_file_name(name)
}

impl DatedName {
    /// Takes `file` apart. `None` where it has no name, or one that isn't Unicode.
    #[must_use]
    pub fn of(file: &Path) -> Option<Self> {
        let stem = file.file_stem()?.to_str()?.to_owned();
        let suffix = match file.extension() {
            Some(extension) => format!(".{}", extension.to_str()?),
            None => String::new(),
        };
        let folder = match file.parent() {
            Some(parent) if parent != Path::new("") => parent.to_owned(),
            _ => PathBuf::from("."),
        };
        Some(Self { folder, stem, suffix })
    }

    /// The folder that the files lie in.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The file of one day.
    #[must_use]
    pub fn on(&self, day: Date) -> PathBuf {
        self.folder.join(format!("{}-{day}{}", self.stem, self.suffix))
    }

    /// The day of a file name, if the name is one of ours; the comparison is exact, so that nothing else is ever pruned.
    #[must_use]
    pub fn day_of(&self, file_name: &OsStr) -> Option<Date> {
        let day = file_name
            .to_str()?
            .strip_prefix(&self.stem)?
            .strip_prefix('-')?
            .strip_suffix(&self.suffix)?;
        // The parser knows longer and shorter spellings of a date, and only what we would write ourselves is ours.
        let date: Date = day.parse().ok()?;
        (date.to_string() == day).then_some(date)
    }

    /// Whether a file of that name is ours and more than `keep_days` days older than `today`.
    #[must_use]
    pub fn is_outdated(&self, file_name: &OsStr, today: Date, keep_days: u32) -> bool {
        self.day_of(file_name)
            .is_some_and(|day| today.duration_since(day).as_hours() / 24 > i64::from(keep_days))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::date;

    #[test]
    fn the_date_goes_before_the_suffix() {
        let table = [
            ("logs/Supervisor.log", "logs/Supervisor-2026-11-22.log"),
            ("/var/log/s7", "/var/log/s7-2026-11-22"),
            ("/a/b.c.txt", "/a/b.c-2026-11-22.txt"),
            ("plain.log", "./plain-2026-11-22.log"),
        ];
        for (name, dated) in table {
            let of = DatedName::of(Path::new(name)).unwrap();
            assert_eq!(of.on(date(2026, 11, 22)), PathBuf::from(dated), "{name}");
        }
        assert_eq!(DatedName::of(Path::new("/")), None);
        for (name, more) in [
            ("logs/a.log", "logs/a-x.log"),
            ("/var/s7", "/var/s7-x"),
            ("b.c.txt", "b.c-x.txt"),
        ] {
            assert_eq!(
                before_suffix(Path::new(name), "-x"),
                PathBuf::from(more),
                "{name}"
            );
        }
    }

    #[test]
    fn only_own_names_older_than_the_limit_are_outdated() {
        let ours = DatedName::of(Path::new("logs/Supervisor.log")).unwrap();
        let today = date(2026, 11, 22);
        let table = [
            ("Supervisor-2026-11-11.log", true),
            ("Supervisor-2026-11-12.log", false),
            ("Supervisor-2026-11-22.log", false),
            ("Supervisor-2027-01-01.log", false),
            ("Supervisor-1999-12-31.log", true),
            ("Supervisor.log", false),
            ("Supervisor-.log", false),
            ("Supervisor-2020-13-01.log", false),
            ("Supervisor-2020-1-01.log", false),
            ("Supervisor-20200101.log", false),
            ("Supervisor-+002020-01-01.log", false),
            ("Supervisor-2020-01-01T00:00.log", false),
            ("Supervisor-2020-01-01.log.gz", false),
            ("Supervisor-x-2020-01-01.log", false),
            ("xSupervisor-2020-01-01.log", false),
            ("is-2020-01-01.log", false),
        ];
        for (name, outdated) in table {
            assert_eq!(ours.is_outdated(OsStr::new(name), today, 10), outdated, "{name}");
        }
    }
}
