//! The last lines of a file, read from its end.

use crate::output::failure::doing;
use crate::platform::log_file;
use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
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
}

/// Reads the last `lines` lines of `file`, at most `max_bytes` bytes of them. What follows the last newline counts as
/// a line.
///
/// At most `max_bytes` and one block are held in memory, however large the file is.
///
/// # Errors
/// The file can't be opened or read, or isn't a regular file: a link could point to anything.
pub fn tail(file: &Path, lines: u32, max_bytes: usize) -> io::Result<Tail> {
    let mut open = log_file::open_to_read(file)?;
    let end = open.seek(SeekFrom::End(0))?;
    tail_before(&mut open, end, lines, max_bytes)
        .map_err(|why| doing(format_args!("reading the end of {}", file.display()), why))
}

/// The last `lines` lines of `file` before the byte `size`, at most `max_bytes` bytes of them.
///
/// # Errors
/// The file can't be read.
pub fn tail_before(file: &mut File, size: u64, lines: u32, max_bytes: usize) -> io::Result<Tail> {
    if lines == 0 || size == 0 {
        return Ok(Tail {
            bytes: Vec::new(),
            truncated: false,
        });
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
        let mut block = read_at(file, start, length)?;
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
        return Ok(Tail {
            bytes,
            truncated: false,
        });
    }
    if starts_a_line(file, start)? {
        let here = if bytes.is_empty() { 0 } else { newlines + 1 };
        return Ok(Tail {
            bytes,
            truncated: here < lines,
        });
    }
    // Half a line at the front is worth nothing, unless it is all there is.
    if let Some(end) = bytes
        .iter()
        .position(|byte| *byte == b'\n')
        .filter(|end| end + 1 < bytes.len())
    {
        bytes.drain(..=end);
    }
    Ok(Tail {
        bytes,
        truncated: true,
    })
}

fn starts_a_line(file: &mut File, at: u64) -> io::Result<bool> {
    Ok(read_at(file, at - 1, 1)?.first() == Some(&b'\n'))
}

/// Reads up to `length` bytes at `at`: fewer where the file was cut meanwhile.
pub(super) fn read_at(file: &mut File, at: u64, length: usize) -> io::Result<Vec<u8>> {
    file.seek(SeekFrom::Start(at))?;
    let mut block = Vec::with_capacity(length);
    file.take(length as u64).read_to_end(&mut block)?;
    Ok(block)
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
            let expected = Tail {
                bytes: bytes.to_vec(),
                truncated,
            };
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
        assert_eq!(
            of(&content, 200, usize::MAX),
            Tail {
                bytes: expected,
                truncated: false
            }
        );
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
            prop_assert_eq!(of(&content, lines, 1000), Tail { bytes: expected, truncated: false });
        }
    }
}
