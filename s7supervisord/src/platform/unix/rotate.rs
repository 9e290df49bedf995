//! Giving a log that is full its old name: `is.log` becomes `is.log.1`, which was `is.log.2` before.
//!
//! Only names move, never bytes, and no name is ever taken from a file that has it: a daemon that is killed at any moment
//! of this leaves every file whole, in the same order, at most with a number that is free. The next rotation closes that.

use super::log_file::{open_folder, split};
use crate::failpoint::{self, Point};
use crate::output::failure::doing;
use crate::output::rotated::{Old, RotatedNames};
use rustix::fs::{AtFlags, FileType, RenameFlags};
use rustix::io::Errno;
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
    let told = |why| doing(format_args!("rotating {}", log.display()), why);
    let (folder, name) = split(log).map_err(told)?;
    let names = RotatedNames::of(log).ok_or_else(|| told(io::ErrorKind::InvalidInput.into()))?;
    let folder = open_folder(folder).map_err(told)?;
    let folder = folder.as_fd();
    let moves = Moves { folder, names };
    if keep == 0 {
        let removed = rustix::fs::unlinkat(folder, name, AtFlags::empty());
        return gone_is_fine(removed).map_err(told);
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
    let renamed = rustix::fs::renameat_with(
        folder,
        name,
        folder,
        moves.names.name(&newest),
        RenameFlags::NOREPLACE,
    );
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
}

impl Moves<'_> {
    fn both(number: u32) -> [Old; 2] {
        [false, true].map(|packed| Old { number, packed })
    }

    fn place(&self, number: u32) -> io::Result<Place> {
        let mut place = Place::Free;
        for old in Self::both(number) {
            match rustix::fs::statat(self.folder, self.names.name(&old), AtFlags::SYMLINK_NOFOLLOW) {
                Err(Errno::NOENT) => {}
                Err(errno) => return Err(errno.into()),
                Ok(stat) if FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile => {
                    place = Place::Own;
                }
                Ok(_) => return Ok(Place::Foreign),
            }
        }
        Ok(place)
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
            gone_is_fine(rustix::fs::renameat_with(
                self.folder,
                self.names.name(old),
                self.folder,
                self.names.name(&new),
                RenameFlags::NOREPLACE,
            ))?;
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
        for text in ["1", "2", "3", "4"] {
            fs::write(&log, text).unwrap();
            rotate(&log, 3).unwrap();
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
}
