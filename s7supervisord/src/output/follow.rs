//! What is written to a log from now on, read back from the file: also over its end, when it is cut or replaced.

use crate::output::tail::{read_at, tail_before};
use crate::platform::log_file;
use std::fs::File;
use std::io::{self, Seek, SeekFrom};
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// How long a file that has lost its name is still read after it was quiet: the writer looks each second whether its file
/// has its name, and writes to the old one until then.
pub const FAREWELL: Duration = Duration::from_millis(2500);

/// A file may become shorter by this much without having been emptied: the writer takes back a mark that did not fit.
const MARK: u64 = 4096;

/// One log that is followed.
#[derive(Debug)]
pub struct Follower {
    path: PathBuf,
    lines: u32,
    max_bytes: usize,
    reading: Reading,
}

#[derive(Debug)]
enum Reading {
    /// The tail of what is there was not given yet.
    NotBegun,
    /// There was no file; the next one is read from its beginning.
    Awaited,
    Open {
        file: File,
        /// Up to where it was read.
        at: u64,
        /// Since when it was seen without its name and without anything new.
        quiet: Option<Instant>,
    },
}

impl Follower {
    /// Follows `path`, beginning with its last `lines` lines, at most `max_bytes` bytes of them.
    #[must_use]
    pub fn new(path: PathBuf, lines: u32, max_bytes: usize) -> Self {
        Self {
            path,
            lines,
            max_bytes,
            reading: Reading::NotBegun,
        }
    }

    /// The tail first, and then what was written since the last call, at most `max_bytes` bytes; empty where there is nothing
    /// new.
    ///
    /// A file that was emptied is read from its beginning; one that no longer has the name is read until nothing more comes,
    /// and then the one that has.
    ///
    /// # Errors
    /// The file can't be read, or isn't a regular file; nothing is lost or told twice by calling it again.
    pub fn read(&mut self, max_bytes: usize) -> io::Result<Vec<u8>> {
        let Reading::Open { file, at, quiet } = &mut self.reading else {
            return self.open();
        };
        let length = file.metadata()?.len();
        if length < *at {
            *at = if length + MARK >= *at { length } else { 0 };
        }
        let bytes = read_at(file, *at, max_bytes)?;
        *at += bytes.len() as u64;
        if !bytes.is_empty() || log_file::is_still_named(file, &self.path) {
            *quiet = None;
        } else if quiet.get_or_insert_with(Instant::now).elapsed() >= FAREWELL {
            return self.take_next();
        }
        Ok(bytes)
    }

    fn open(&mut self) -> io::Result<Vec<u8>> {
        let Some(mut file) = self.find()? else {
            self.reading = Reading::Awaited;
            return Ok(Vec::new());
        };
        let (at, bytes) = match self.reading {
            Reading::NotBegun => {
                let end = file.seek(SeekFrom::End(0))?;
                (
                    end,
                    tail_before(&mut file, end, self.lines, self.max_bytes)?.bytes,
                )
            }
            Reading::Awaited | Reading::Open { .. } => (0, Vec::new()),
        };
        self.reading = Reading::Open {
            file,
            at,
            quiet: None,
        };
        Ok(bytes)
    }

    /// The file that has the name now, from its beginning; the old one is read on as long as there is none.
    fn take_next(&mut self) -> io::Result<Vec<u8>> {
        if let Some(file) = self.find()? {
            self.reading = Reading::Open {
                file,
                at: 0,
                quiet: None,
            };
        }
        Ok(Vec::new())
    }

    fn find(&self) -> io::Result<Option<File>> {
        match log_file::open_to_read(&self.path) {
            Ok(file) => Ok(Some(file)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::io::Write;

    fn text(bytes: io::Result<Vec<u8>>) -> String {
        String::from_utf8(bytes.unwrap()).unwrap()
    }

    #[test]
    fn a_follower_begins_with_the_tail_and_goes_on_without_a_gap() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.log");
        fs::write(&path, "one\ntwo\nthr").unwrap();
        let mut follower = Follower::new(path.clone(), 2, 1000);
        assert_eq!(text(follower.read(1000)), "two\nthr");
        assert_eq!(text(follower.read(1000)), "");
        let mut file = File::options().append(true).open(&path).unwrap();
        file.write_all(b"ee\nfour\n").unwrap();
        assert_eq!(text(follower.read(4)), "ee\nf");
        assert_eq!(text(follower.read(1000)), "our\n");
    }

    #[test]
    fn a_file_that_was_emptied_is_read_anew_and_one_that_was_shortened_a_little_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.log");
        fs::write(&path, vec![b'x'; 10_000]).unwrap();
        let mut follower = Follower::new(path.clone(), 1, 100_000);
        assert_eq!(text(follower.read(100_000)).len(), 10_000);
        let mut file = File::options().append(true).open(&path).unwrap();
        file.set_len(9_900).unwrap();
        assert_eq!(text(follower.read(1000)), "");
        file.write_all(b"more\n").unwrap();
        assert_eq!(text(follower.read(1000)), "more\n");
        file.set_len(0).unwrap();
        file.write_all(b"anew\n").unwrap();
        assert_eq!(text(follower.read(1000)), "anew\n");
    }

    #[test]
    fn a_file_that_comes_later_is_read_from_its_beginning() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.log");
        let mut follower = Follower::new(path.clone(), 1, 1000);
        assert_eq!(text(follower.read(1000)), "");
        fs::write(&path, "one\ntwo\n").unwrap();
        assert_eq!(text(follower.read(1000)), "");
        assert_eq!(text(follower.read(1000)), "one\ntwo\n");
    }

    #[test]
    fn a_file_that_cannot_be_read_at_first_begins_with_its_tail_once_it_can() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.log");
        fs::create_dir(&path).unwrap();
        let mut follower = Follower::new(path.clone(), 1, 1000);
        follower.read(1000).unwrap_err();
        fs::remove_dir(&path).unwrap();
        fs::write(&path, "one\ntwo\n").unwrap();
        assert_eq!(text(follower.read(1000)), "two\n");
    }
}
