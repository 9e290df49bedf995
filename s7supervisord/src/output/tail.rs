//! The last lines of a log, read from its end; also of what it has left behind, where the present file is short.

use crate::output::chain::{self, Link, Place};
use crate::output::failure::doing;
use crate::output::joined::{Joined, ReadAt};
use crate::output::times;
use std::collections::VecDeque;
use std::io;
use std::path::Path;

/// How much is read at a time: large enough that a usual request is one read.
const BLOCK: usize = 64 * 1024;

/// The end of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tail {
    /// Whole lines, byte for byte; the last one may have no newline. Only where a single line is longer than the
    /// limit does this start in the middle of one.
    pub bytes: Vec<u8>,
    /// Whether fewer lines are here than were asked for and are in the file, because they are too long together.
    pub truncated: bool,
    /// Which compressed file is damaged, where one had to be read: what could be read of it is here, the rest is missing.
    pub damaged: Option<String>,
}

impl Tail {
    fn of(bytes: Vec<u8>, truncated: bool) -> Self {
        Self {
            bytes,
            truncated,
            damaged: None,
        }
    }
}

/// Reads the last `lines` lines of the log `file`, at most `max_bytes` bytes of them. What follows the last newline counts as
/// a line.
///
/// At most `max_bytes` and one block are held in memory, however large the file is.
///
/// # Errors
/// The file can't be opened or read, or isn't a regular file: a link could point to anything.
pub fn tail(file: &Path, lines: u32, max_bytes: usize) -> io::Result<Tail> {
    let links = chain::open(file)?;
    if links.is_empty() {
        let why = doing(
            format_args!("opening {}", file.display()),
            io::ErrorKind::NotFound.into(),
        );
        return Err(why);
    }
    tail_of(links, None, lines, max_bytes)
        .map_err(|why| doing(format_args!("reading the end of {}", file.display()), why))
}

/// The last `lines` lines of the log `file` that were written since `since`, in milliseconds since 1970, at most `max_bytes`
/// bytes of them; and, where older ones may be among them, why that isn't known.
///
/// # Errors
/// As with [`tail`].
pub fn tail_since(
    file: &Path,
    since: i64,
    lines: u32,
    max_bytes: usize,
) -> io::Result<(Tail, Option<String>)> {
    let told = |why| {
        doing(
            format_args!("reading what was written to {}", file.display()),
            why,
        )
    };
    let links = chain::open(file)?;
    let start = times::start(file, &links, since).map_err(told)?;
    let tail = tail_of(links, Some(start.place), lines, max_bytes).map_err(told)?;
    // Where the beginning isn't shown, there is no doubt about it.
    let uncertain = start.uncertain.filter(|_| !tail.truncated);
    Ok((tail, uncertain))
}

/// The last `lines` lines of files that follow each other, the newest first, at most `max_bytes` bytes of them; nothing
/// before `floor`, where that is given. Older files are only read where the newer ones are too short.
///
/// # Errors
/// A file can't be read.
pub fn tail_of(links: Vec<Link>, floor: Option<Place>, lines: u32, max_bytes: usize) -> io::Result<Tail> {
    let mut joined = Joined::default();
    let mut tail = Tail::of(Vec::new(), false);
    let mut damaged = Vec::new();
    for (at, link) in links.into_iter().enumerate() {
        let begins = match floor {
            Some(floor) if floor.link < at => break,
            Some(floor) if floor.link == at => floor.offset,
            _ => 0,
        };
        // One more byte than is given tells whether a line begins with the first.
        damaged.extend(joined.put_before(link, begins, max_bytes.saturating_add(1))?);
        let size = joined.length();
        tail = tail_before(&mut joined, size, lines, max_bytes)?;
        if lines == 0 || tail.truncated || (tail.bytes.len() as u64) < size {
            break;
        }
    }
    tail.damaged = damaged
        .into_iter()
        .map(|why| why.to_string())
        .reduce(|told, why| format!("{told}; {why}"));
    Ok(tail)
}

/// The last `lines` lines of `file` before the byte `size`, at most `max_bytes` bytes of them.
fn tail_before(file: &mut impl ReadAt, size: u64, lines: u32, max_bytes: usize) -> io::Result<Tail> {
    if lines == 0 || size == 0 {
        return Ok(Tail::of(Vec::new(), false));
    }
    let mut blocks: VecDeque<Vec<u8>> = VecDeque::new();
    let mut start = size;
    let mut held = 0;
    let mut newlines = 0;
    let mut line_start = false;
    while start > 0 && held < max_bytes && !line_start {
        let length = BLOCK
            .min(max_bytes - held)
            .min(usize::try_from(start).unwrap_or(BLOCK));
        start -= length as u64;
        let mut block = file.read_at(start, length)?;
        // The newline at the very end closes the last line and doesn't begin another.
        let searched = if held == 0 && block.last() == Some(&b'\n') {
            block.len() - 1
        } else {
            block.len()
        };
        let mut end = searched;
        while let Some(at) = block[..end].iter().rposition(|byte| *byte == b'\n') {
            newlines += 1;
            if newlines == lines {
                block.drain(..=at);
                line_start = true;
                break;
            }
            end = at;
        }
        held += block.len();
        blocks.push_front(block);
    }
    let mut bytes = Vec::with_capacity(held);
    blocks
        .into_iter()
        .for_each(|block| bytes.extend_from_slice(&block));
    if line_start || start == 0 {
        return Ok(Tail::of(bytes, false));
    }
    if starts_a_line(file, start)? {
        let here = if bytes.is_empty() { 0 } else { newlines + 1 };
        return Ok(Tail::of(bytes, here < lines));
    }
    // Half a line at the front is worth nothing, unless it is all there is.
    if let Some(end) = bytes
        .iter()
        .position(|byte| *byte == b'\n')
        .filter(|end| end + 1 < bytes.len())
    {
        bytes.drain(..=end);
    }
    Ok(Tail::of(bytes, true))
}

fn starts_a_line(file: &mut impl ReadAt, at: u64) -> io::Result<bool> {
    Ok(file.read_at(at - 1, 1)?.first() == Some(&b'\n'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::fs;

    fn of(content: &[u8], lines: u32, max_bytes: usize) -> Tail {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a.log");
        fs::write(&file, content).unwrap();
        tail(&file, lines, max_bytes).unwrap()
    }

    #[test]
    fn the_last_lines_come_whole_and_an_unfinished_line_counts() {
        type Row = (&'static [u8], u32, usize, &'static [u8], bool);
        let table: [Row; 13] = [
            (b"", 5, 100, b"", false),
            (b"a\nb\nc\n", 0, 100, b"", false),
            (b"a\nb\nc\n", 1, 100, b"c\n", false),
            (b"a\nb\nc\n", 2, 100, b"b\nc\n", false),
            (b"a\nb\nc", 2, 100, b"b\nc", false),
            (b"a\nb\nc\n", 3, 100, b"a\nb\nc\n", false),
            (b"a\nb\nc\n", 9, 100, b"a\nb\nc\n", false),
            (b"\n\n\n", 2, 100, b"\n\n", false),
            (b"aaaa\nbbbb\ncccc\n", 3, 12, b"bbbb\ncccc\n", true),
            (b"aaaa\nbbbb\ncccc\n", 3, 10, b"bbbb\ncccc\n", true),
            (b"aaaa\nbbbb\ncccc\n", 2, 10, b"bbbb\ncccc\n", false),
            (b"aaaa\nbbbb\ncccc\n", 3, 3, b"cc\n", true),
            (b"aaaa\nbbbb\ncccc\n", 1, 0, b"", true),
        ];
        for (content, lines, max_bytes, bytes, truncated) in table {
            let expected = Tail::of(bytes.to_vec(), truncated);
            assert_eq!(
                of(content, lines, max_bytes),
                expected,
                "{content:?} {lines} {max_bytes}"
            );
        }
    }

    #[test]
    fn lines_that_cross_blocks_come_whole() {
        let line = |n: u32| format!("{n:06} {}\n", "x".repeat(1000)).into_bytes();
        let content: Vec<u8> = (0..300).flat_map(line).collect();
        let expected: Vec<u8> = (100..300).flat_map(line).collect();
        assert_eq!(of(&content, 200, usize::MAX), Tail::of(expected, false));
    }

    #[test]
    fn a_missing_file_and_a_folder_are_errors_that_name_the_path() {
        let folder = tempfile::tempdir().unwrap();
        let missing = tail(&folder.path().join("gone.log"), 1, 10).unwrap_err();
        assert_eq!(missing.kind(), io::ErrorKind::NotFound);
        assert!(missing.to_string().contains("gone.log"), "{missing}");
        let refused = tail(folder.path(), 1, 10).unwrap_err();
        assert!(
            refused.to_string().contains(&folder.path().display().to_string()),
            "{refused}"
        );
    }

    proptest! {
        #[test]
        fn the_tail_equals_the_end_of_all_lines(
            content in proptest::collection::vec(prop_oneof![Just(b'\n'), Just(b'a'), any::<u8>()], 0..400),
            lines in 0_u32..40,
        ) {
            let all: Vec<&[u8]> = content.split_inclusive(|byte| *byte == b'\n').collect();
            let expected = all[all.len().saturating_sub(lines as usize)..].concat();
            prop_assert_eq!(of(&content, lines, 1000), Tail::of(expected, false));
        }
    }
}
