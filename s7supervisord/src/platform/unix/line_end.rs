//! Where the next line ends in a pipe, without taking anything out of it.

use rustix::io::Errno;
use rustix::pipe::{PipeFlags, SpliceFlags};
use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};

/// How far is looked for a line's end, in bytes: as much as a pipe of the default size holds (pipe(7)).
pub(super) const REACH: usize = 64 * 1024;

/// A pipe of one's own that tee(2) fills with what is in another one. What is read from it is only looked at: the bytes
/// themselves stay where they are and go to the file by splice(2), so a daemon that is killed meanwhile loses nothing.
pub(super) struct Glass {
    read: OwnedFd,
    write: OwnedFd,
}

impl Glass {
    pub(super) fn new() -> io::Result<Self> {
        let (read, write) = rustix::pipe::pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK)?;
        Ok(Self { read, write })
    }

    /// How many bytes of `pipe` belong to its first line, with the newline; where none is among the first `reach`, how
    /// many were looked at. 0 where the pipe is empty.
    pub(super) fn line(&self, pipe: BorrowedFd<'_>, reach: usize) -> Result<usize, Errno> {
        let mut seen = vec![0; reach.clamp(1, REACH)];
        // Empty already, unless an earlier look was broken off.
        while rustix::io::read(&self.read, &mut seen).is_ok_and(|bytes| bytes > 0) {}
        let tee = || rustix::pipe::tee(pipe, &self.write, seen.len(), SpliceFlags::NONBLOCK);
        let copied = match rustix::io::retry_on_intr(tee) {
            Err(Errno::AGAIN) => return Ok(0),
            copied => copied?,
        };
        let mut length = 0;
        while length < copied {
            length += match rustix::io::retry_on_intr(|| rustix::io::read(&self.read, &mut seen[length..])) {
                Err(Errno::AGAIN) | Ok(0) => break,
                bytes => bytes?,
            };
        }
        let newline = seen[..length].iter().position(|byte| *byte == b'\n');
        Ok(newline.map_or(length, |at| at + 1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::fd::AsFd;

    #[test]
    fn a_line_is_measured_and_stays_where_it_is() {
        let glass = Glass::new().unwrap();
        let (read, write) = rustix::pipe::pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK).unwrap();
        let line = |reach| glass.line(read.as_fd(), reach).unwrap();
        assert_eq!(line(REACH), 0);
        rustix::io::write(&write, b"four\nand more").unwrap();
        for _ in 0..3 {
            assert_eq!(line(REACH), 5);
        }
        assert_eq!(line(3), 3, "no further than it may");
        let mut bytes = [0; 5];
        rustix::io::read(&read, &mut bytes).unwrap();
        assert_eq!(&bytes, b"four\n");
        assert_eq!(line(REACH), 8, "a line without an end");
        drop(write);
        assert_eq!(line(REACH), 8);
    }
}
