//! Files that follow each other, read as one.

use crate::output::chain::Link;
use crate::output::packed::unpack_end;
use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};

/// What can be read at any place.
pub trait ReadAt {
    /// Reads up to `length` bytes at `at`: fewer at the end, or where the file was cut meanwhile.
    ///
    /// # Errors
    /// It can't be read.
    fn read_at(&mut self, at: u64, length: usize) -> io::Result<Vec<u8>>;
}

impl ReadAt for File {
    fn read_at(&mut self, at: u64, length: usize) -> io::Result<Vec<u8>> {
        self.seek(SeekFrom::Start(at))?;
        let mut block = Vec::with_capacity(length);
        self.take(length as u64).read_to_end(&mut block)?;
        Ok(block)
    }
}

/// Files that follow each other.
#[derive(Debug, Default)]
pub struct Joined {
    /// The oldest first.
    parts: VecDeque<Part>,
}

#[derive(Debug)]
struct Part {
    content: Content,
    length: u64,
}

#[derive(Debug)]
enum Content {
    /// From this byte on.
    Plain(File, u64),
    /// The end of what was compressed.
    End(Vec<u8>),
}

impl Joined {
    /// Puts `link`, from its byte `begins` on, before what is there. Of a compressed file no more than the last
    /// `max_bytes` bytes, less what is there already, are kept in memory; nobody may read what lies before them. Of one that is
    /// damaged the lines before the damage are put there, and what is wrong with it is given.
    ///
    /// # Errors
    /// The file can't be read.
    pub fn put_before(&mut self, link: Link, begins: u64, max_bytes: usize) -> io::Result<Option<io::Error>> {
        let mut damage = None;
        let part = if link.packed {
            let wanted = usize::try_from(self.length()).map_or(0, |length| max_bytes.saturating_sub(length));
            let unpacked = unpack_end(link.file, link.path, wanted)?;
            let (whole, mut end) = (unpacked.length, unpacked.end);
            damage = unpacked.damage;
            let length = whole.saturating_sub(begins);
            let kept = usize::try_from(length).map_or(end.len(), |length| length.min(end.len()));
            end.drain(..end.len() - kept);
            Part {
                content: Content::End(end),
                length,
            }
        } else {
            Part {
                length: link.length.saturating_sub(begins),
                content: Content::Plain(link.file, begins),
            }
        };
        self.parts.push_front(part);
        Ok(damage)
    }

    /// How many bytes they are together.
    #[must_use]
    pub fn length(&self) -> u64 {
        self.parts.iter().map(|part| part.length).sum()
    }
}

impl ReadAt for Joined {
    fn read_at(&mut self, at: u64, length: usize) -> io::Result<Vec<u8>> {
        let mut found = Vec::with_capacity(length);
        let mut begins = 0;
        for part in &mut self.parts {
            let ends = begins + part.length;
            let at = at + found.len() as u64;
            if found.len() < length && at >= begins && at < ends {
                let left = usize::try_from(ends - at).unwrap_or(usize::MAX);
                let wanted = left.min(length - found.len());
                match &mut part.content {
                    Content::Plain(file, from) => found.extend(file.read_at(*from + at - begins, wanted)?),
                    Content::End(bytes) => {
                        let left = left.min(bytes.len());
                        let from = bytes.len() - left;
                        found.extend_from_slice(&bytes[from..from + wanted.min(left)]);
                    }
                }
            }
            begins = ends;
        }
        Ok(found)
    }
}
