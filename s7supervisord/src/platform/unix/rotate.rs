//! Giving a log that is full its old name: `is.log` becomes `is.log.1`, which was `is.log.2` before.
//!
//! Only names move, never bytes, and no name is ever taken from a file that has it: a daemon that is killed at any moment
//! of this leaves every file whole, in the same order, at most with a number that is free, or one that is also called by its
//! next name (see `free_name`). The next rotation closes that.

use super::free_name::{self, Rename};
use super::log_file::{open_folder, split};
use crate::failpoint::{self, Point};
use crate::output::failure::doing;
use crate::output::rotated::{Old, RotatedNames};
use rustix::fs::{AtFlags, FileType, Stat};
use rustix::io::Errno;
use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::AsFd;
use std::path::Path;

/// How far a free number is looked for: more than the registry lets anybody keep.
const MOST: u32 = 20_000;

/// What lies under a number.
enum Place {
    Free,
    Own,
    /// A folder, a link, or anything else that no rotation has made: its number is left out.
    Foreign,
}

/// Moves `log` and those before it on by one, and removes what is then more than `keep`.
///
/// # Errors
/// A name can't be changed. Everything is still there, under one name or the other.
pub(super) fn rotate(log: &Path, keep: u32) -> io::Result<()> {
    rotate_by(free_name::rename, log, keep)
}

fn rotate_by(rename: Rename, log: &Path, keep: u32) -> io::Result<()> {
    let told = |why| doing(format_args!("rotating {}", log.display()), why);
    let (folder, name) = split(log).map_err(told)?;
    let names = RotatedNames::of(log).ok_or_else(|| told(io::ErrorKind::InvalidInput.into()))?;
    let folder = open_folder(folder).map_err(told)?;
    let folder = folder.as_fd();
    let moves = Moves {
        folder,
        names,
        rename,
    };
    if keep == 0 {
        let removed = rustix::fs::unlinkat(folder, name, AtFlags::empty());
        return gone_is_fine(removed).map_err(told);
    }
    if moves.close_doubles(name).map_err(told)? {
        return Ok(());
    }
    let mut own = Vec::new();
    let mut free = None;
    for number in 1..=MOST {
        match moves.place(number).map_err(told)? {
            Place::Own => own.push(number),
            Place::Foreign => {}
            Place::Free => {
                free = Some(number);
                break;
            }
        }
    }
    let free = free.ok_or_else(|| told(io::Error::other(format!("no number up to {MOST} is free"))))?;
    let stay = own.len().min(keep as usize - 1);
    for number in own.iter().skip(stay).rev() {
        moves.remove(*number).map_err(told)?;
    }
    own.push(free);
    for at in (0..stay).rev() {
        moves.shift(own[at], own[at + 1]).map_err(told)?;
    }
    failpoint::reach(Point::RotateShifted);
    let newest = Old {
        number: own[0],
        packed: false,
    };
    let renamed = rename(folder, name.as_ref(), moves.names.name(&newest).as_ref());
    // Somebody else may have taken it away just now, which is as good.
    gone_is_fine(renamed).map_err(told)
}

/// Whether `log` was rotated before: whether there is a newest old file.
pub(super) fn has_rotated(log: &Path) -> bool {
    let path = |packed| RotatedNames::of(log).map(|names| names.path(&Old { number: 1, packed }));
    [false, true]
        .into_iter()
        .filter_map(path)
        .any(|path| path.exists())
}

struct Moves<'a> {
    folder: std::os::fd::BorrowedFd<'a>,
    names: RotatedNames,
    rename: Rename,
}

impl Moves<'_> {
    fn both(number: u32) -> [Old; 2] {
        [false, true].map(|packed| Old { number, packed })
    }

    fn place(&self, number: u32) -> io::Result<Place> {
        let mut place = Place::Free;
        for old in Self::both(number) {
            match self.stat(&self.names.name(&old))? {
                None => {}
                Some(stat) if FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile => {
                    place = Place::Own;
                }
                Some(_) => return Ok(Place::Foreign),
            }
        }
        Ok(place)
    }

    fn stat(&self, name: &OsStr) -> io::Result<Option<Stat>> {
        match rustix::fs::statat(self.folder, name, AtFlags::SYMLINK_NOFOLLOW) {
            Err(Errno::NOENT) => Ok(None),
            stat => Ok(Some(stat?)),
        }
    }

    /// Brings to an end what was broken off between the two steps of a renaming: such a file keeps the name with the
    /// greater number, and the bytes are there as before. Whether the log itself was one.
    fn close_doubles(&self, log: &OsStr) -> io::Result<bool> {
        let mut doubles: HashMap<_, OsString> = HashMap::new();
        let mut note = |name: OsString, packed: bool| -> io::Result<Option<OsString>> {
            let stat = self.stat(&name)?.filter(|stat| stat.st_nlink > 1);
            Ok(stat.and_then(|stat| doubles.insert((stat.st_dev, stat.st_ino, packed), name)))
        };
        note(log.to_owned(), false)?;
        let mut was_log = false;
        for old in self.names.list()? {
            if let Some(before) = note(self.names.name(&old), old.packed)? {
                gone_is_fine(rustix::fs::unlinkat(self.folder, &before, AtFlags::empty()))?;
                was_log |= before == log;
            }
        }
        Ok(was_log)
    }

    fn remove(&self, number: u32) -> io::Result<()> {
        for old in Self::both(number) {
            gone_is_fine(rustix::fs::unlinkat(
                self.folder,
                self.names.name(&old),
                AtFlags::empty(),
            ))?;
        }
        Ok(())
    }

    fn shift(&self, from: u32, to: u32) -> io::Result<()> {
        for (old, new) in Self::both(from).iter().zip(Self::both(to)) {
            let (old, new) = (self.names.name(old), self.names.name(&new));
            gone_is_fine((self.rename)(self.folder, old.as_ref(), new.as_ref()))?;
        }
        Ok(())
    }
}

fn gone_is_fine(done: Result<(), Errno>) -> io::Result<()> {
    match done {
        Err(Errno::NOENT) => Ok(()),
        done => Ok(done?),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    /// The names in a folder, each with what is in its file.
    fn all(folder: &Path) -> Vec<String> {
        let mut found: Vec<String> = fs::read_dir(folder)
            .unwrap()
            .flatten()
            .map(|entry| {
                let text = fs::read_to_string(entry.path()).unwrap_or_else(|_| "?".to_owned());
                format!("{}={text}", entry.file_name().to_string_lossy())
            })
            .collect();
        found.sort();
        found
    }

    #[test]
    fn each_file_moves_on_by_one_and_the_oldest_goes() {
        let temp = tempfile::tempdir().unwrap();
        let log = temp.path().join("a.log");
        for (text, rename) in [
            ("1", free_name::rename as Rename),
            ("2", free_name::in_two_steps),
            ("3", free_name::rename),
            ("4", free_name::in_two_steps),
        ] {
            fs::write(&log, text).unwrap();
            rotate_by(rename, &log, 3).unwrap();
        }
        assert_eq!(all(temp.path()), ["a.log.1=4", "a.log.2=3", "a.log.3=2"]);
        fs::write(&log, "5").unwrap();
        rotate(&log, 1).unwrap();
        assert_eq!(all(temp.path()), ["a.log.1=5"], "fewer are kept now");
        fs::write(&log, "6").unwrap();
        rotate(&log, 0).unwrap();
        assert_eq!(all(temp.path()), ["a.log.1=5"], "none is kept now");
    }

    #[test]
    fn a_number_that_is_free_is_closed_and_compressed_ones_move_along() {
        let temp = tempfile::tempdir().unwrap();
        let log = temp.path().join("a.log");
        for (name, text) in [("a.log", "new"), ("a.log.1.gz", "b"), ("a.log.3", "d")] {
            fs::write(temp.path().join(name), text).unwrap();
        }
        rotate(&log, 10).unwrap();
        assert_eq!(all(temp.path()), ["a.log.1=new", "a.log.2.gz=b", "a.log.3=d"]);
    }

    #[test]
    fn numbers_that_belong_to_something_else_are_left_out() {
        let temp = tempfile::tempdir().unwrap();
        let log = temp.path().join("a.log");
        fs::create_dir(temp.path().join("a.log.1")).unwrap();
        fs::write(temp.path().join("target"), "kept").unwrap();
        std::os::unix::fs::symlink(temp.path().join("target"), temp.path().join("a.log.3.gz")).unwrap();
        for text in ["1", "2", "3"] {
            fs::write(&log, text).unwrap();
            rotate(&log, 2).unwrap();
        }
        let expected = [
            "a.log.1=?",
            "a.log.2=3",
            "a.log.3.gz=kept",
            "a.log.4=2",
            "target=kept",
        ];
        assert_eq!(all(temp.path()), expected);
    }

    #[test]
    fn a_rotation_that_was_broken_off_between_two_names_of_a_file_leaves_none_twice() {
        // Which names a killed daemon has left to one file, and what the next rotation makes of it.
        let table: [(&str, &str, &[&str]); 4] = [
            (
                "a.log.3",
                "a.log.4",
                &["a.log.1=0", "a.log.2=1", "a.log.3=2", "a.log.4=3"],
            ),
            ("a.log.1", "a.log.2", &["a.log.1=0", "a.log.2=1", "a.log.3=3"]),
            (
                "a.log.2.gz",
                "a.log.3.gz",
                &["a.log.1=0", "a.log.2=1", "a.log.3.gz=2", "a.log.3=3"],
            ),
            ("a.log", "a.log.1", &["a.log.1=0", "a.log.2=2", "a.log.3=3"]),
        ];
        for (from, to, expected) in table {
            let temp = tempfile::tempdir().unwrap();
            let at = |name: &str| temp.path().join(name);
            for (name, text) in [
                ("a.log", "0"),
                ("a.log.1", "1"),
                ("a.log.2", "2"),
                ("a.log.3", "3"),
            ] {
                fs::write(at(name), text).unwrap();
            }
            if from.ends_with(".gz") {
                fs::rename(at("a.log.2"), at(from)).unwrap();
            }
            let _ = fs::remove_file(at(to));
            fs::hard_link(at(from), at(to)).unwrap();
            rotate(&at("a.log"), 9).unwrap();
            assert_eq!(all(temp.path()), expected, "{from} {to}");
        }
    }
}
