//! A line of the supervisor's own in a component's output.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

/// Writes a line behind what is there.
pub(super) fn write(file: &File, text: &str) -> io::Result<()> {
    let end = file.metadata()?.len();
    let mut line = Vec::with_capacity(text.len() + 2);
    if !is_after_end(file, end)? {
        line.push(b'\n');
    }
    line.extend_from_slice(text.as_bytes());
    line.push(b'\n');
    file.write_all_at(&line, end).inspect_err(|_| {
        // Half a line would be written again, so it is taken back; where even that fails, it stays.
        let _ = file.set_len(end);
    })
}

/// Whether a line begins at `end`.
pub(super) fn is_after_end(file: &File, end: u64) -> io::Result<bool> {
    let mut last = [0];
    Ok(end == 0 || (file.read_at(&mut last, end - 1)? == 1 && last[0] == b'\n'))
}
