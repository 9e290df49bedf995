//! What is written to a log from now on, read back from the file: also over its end, when it is cut or replaced.

use crate::output::tail::{read_at, tail_before};
use crate::platform::log_file;
use std::fs::File;
use std::io::{self, Seek, SeekFrom};
use std::path::PathBuf;

/// One log that is followed.
#[derive(Debug)]
pub struct Follower {
    path: PathBuf,
    /// The file, and up to where it was read. `None` where there is none yet, or it can't be opened.
    open: Option<(File, u64)>,
}

impl Follower {
    /// Follows `path` from the beginning of its next file on; see [`Follower::begin`] for the present one.
    #[must_use]
    pub fn new(path: PathBuf) -> Self {
        Self { path, open: None }
    }

    /// The last `lines` lines, at most `max_bytes` bytes; what is written after them comes from [`Follower::read`].
    ///
    /// # Errors
    /// The file is there and can't be read, or isn't a regular file.
    pub fn begin(&mut self, lines: u32, max_bytes: usize) -> io::Result<Vec<u8>> {
        let mut file = match log_file::open_to_read(&self.path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        let end = file.seek(SeekFrom::End(0))?;
        let tail = tail_before(&mut file, end, lines, max_bytes)?;
        self.open = Some((file, end));
        Ok(tail.bytes)
    }

    /// What was written since the last call, at most `max_bytes` bytes; empty where there is nothing new.
    ///
    /// A file that has become shorter is read from its beginning; one that no longer has the name is read to its end
    /// first, and then the one that has.
    ///
    /// # Errors
    /// The file can't be read, or isn't a regular file.
    pub fn read(&mut self, max_bytes: usize) -> io::Result<Vec<u8>> {
        if let Some((file, at)) = &mut self.open {
            let named = log_file::is_still_named(file, &self.path);
            if file.metadata()?.len() < *at {
                *at = 0;
            }
            let bytes = read_at(file, *at, max_bytes)?;
            *at += bytes.len() as u64;
            if !bytes.is_empty() || named {
                return Ok(bytes);
            }
            self.open = None;
        }
        match log_file::open_to_read(&self.path) {
            Ok(mut file) => {
                let bytes = read_at(&mut file, 0, max_bytes)?;
                let at = bytes.len() as u64;
                self.open = Some((file, at));
                Ok(bytes)
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
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
        let mut follower = Follower::new(path.clone());
        assert_eq!(text(follower.begin(2, 1000)), "two\nthr");
        assert_eq!(text(follower.read(1000)), "");
        let mut file = File::options().append(true).open(&path).unwrap();
        file.write_all(b"ee\nfour\n").unwrap();
        assert_eq!(text(follower.read(4)), "ee\nf");
        assert_eq!(text(follower.read(1000)), "our\n");
        file.set_len(0).unwrap();
        file.write_all(b"cut\n").unwrap();
        assert_eq!(text(follower.read(1000)), "cut\n");
    }

    #[test]
    fn a_file_that_comes_later_is_read_from_its_beginning() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.log");
        let mut follower = Follower::new(path.clone());
        assert_eq!(text(follower.begin(10, 1000)), "");
        assert_eq!(text(follower.read(1000)), "");
        fs::write(&path, "new\n").unwrap();
        assert_eq!(text(follower.read(1000)), "new\n");
    }
}
