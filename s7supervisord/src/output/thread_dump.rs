//! Where in the output of a HotSpot JVM a dump of its threads begins and ends.
//!
//! ```text
//! 2026-11-28 16:20:02
//! Full thread dump OpenJDK 64-Bit Server VM (17.0.15+6 mixed mode, sharing):
//! ...
//! JNI global refs: 15, weak refs: 0
//!
//! Heap
//!  ...
//!                                                  (an empty line)
//! ```

/// How the first line begins, but for one with the time that may stand before it.
const FIRST: &[u8] = b"Full thread dump";
/// How the line below all threads begins ("JNI global references: 15" up to Java 8).
const BELOW_THREADS: &[u8] = b"JNI global ref";
/// What stands above the lines about the heap, which an option may keep back.
const HEAP: &[u8] = b"Heap";
/// How much of a line is looked at, in bytes.
const LOOKED_AT: usize = 64;

/// Looks for a dump in output that comes in pieces.
#[derive(Debug, Default)]
pub struct ThreadDump {
    /// Bytes that were looked at.
    length: u64,
    /// The beginning of the line that has not ended, and where that line begins.
    line: Vec<u8>,
    line_at: u64,
    /// Where the line before begins, if it is a time.
    time_at: Option<u64>,
    begin: Option<u64>,
    below_threads: bool,
    in_heap: bool,
    end: Option<u64>,
}

impl ThreadDump {
    /// Takes the next bytes.
    pub fn feed(&mut self, bytes: &[u8]) {
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            let room = LOOKED_AT - self.line.len();
            self.line.extend_from_slice(&piece[..piece.len().min(room)]);
            self.length += piece.len() as u64;
            if piece.ends_with(b"\n") {
                self.end_line();
            }
        }
    }

    /// Where it begins, in bytes from the first one that was looked at.
    #[must_use]
    pub fn begin(&self) -> Option<u64> {
        self.begin
    }

    /// All threads are in it; lines about deadlocks and the heap may follow.
    #[must_use]
    pub fn has_all_threads(&self) -> bool {
        self.below_threads
    }

    /// Where it ends, likewise; `None` as long as that is not to be seen.
    #[must_use]
    pub fn end(&self) -> Option<u64> {
        self.end
    }

    fn end_line(&mut self) {
        let line = self.line.trim_ascii_end();
        let at = self.line_at;
        if self.end.is_none() {
            match self.begin {
                None if line.starts_with(FIRST) => self.begin = Some(self.time_at.unwrap_or(at)),
                None => self.time_at = is_time(line).then_some(at),
                Some(_) if !self.below_threads => self.below_threads = line.starts_with(BELOW_THREADS),
                Some(_) if !self.in_heap => self.in_heap = line == HEAP,
                Some(_) if line.is_empty() => self.end = Some(self.length),
                Some(_) => {}
            }
        }
        self.line.clear();
        self.line_at = self.length;
    }
}

/// "2026-11-28 16:20:02"
fn is_time(line: &[u8]) -> bool {
    let shape = b"0000-00-00 00:00:00";
    let fits = |(byte, shape): (&u8, &u8)| match shape {
        b'0' => byte.is_ascii_digit(),
        other => byte == other,
    };
    line.len() == shape.len() && line.iter().zip(shape).all(fits)
}

#[cfg(test)]
mod tests {
    use super::*;

    const DUMP: &str = "2026-11-28 16:20:02\nFull thread dump OpenJDK:\n\n\"main\" #1\n\nJNI global refs: 15, weak refs: 0\n\n\
                        Found one Java-level deadlock:\n\nHeap\n def new generation\n Metaspace\n\n";

    #[test]
    fn however_the_bytes_are_divided_the_dump_is_found_between_other_lines() {
        let before = "line 1\nof 2026-11-28 16:20:02\n";
        let text = format!("{before}{DUMP}line 2\n\nHeap\n\n");
        let (begin, end) = (before.len() as u64, (before.len() + DUMP.len()) as u64);
        for size in 1..=text.len() {
            let mut dump = ThreadDump::default();
            for piece in text.as_bytes().chunks(size) {
                dump.feed(piece);
            }
            assert_eq!((dump.begin(), dump.end()), (Some(begin), Some(end)), "{size}");
        }
    }

    #[test]
    fn a_dump_without_a_heap_or_a_time_has_no_end_that_is_seen_and_other_lines_are_none() {
        let mut dump = ThreadDump::default();
        dump.feed(b"Full thread dump OpenJDK:\r\n\r\nJNI global references: 15\r\n\r\nline\n");
        assert_eq!(
            (dump.begin(), dump.has_all_threads(), dump.end()),
            (Some(0), true, None)
        );
        let mut none = ThreadDump::default();
        none.feed(b"JNI global refs: 1\nHeap\n\nno Full thread dump\n");
        assert_eq!(
            (none.begin(), none.has_all_threads(), none.end()),
            (None, false, None)
        );
    }
}
