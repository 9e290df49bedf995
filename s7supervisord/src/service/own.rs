//! Telling the files that this program has written from those that somebody has edited since.
//!
//! One line of such a file holds a checksum of all the others. It guards against oversights, not against people who want
//! to deceive: whoever can write the file needs no tricks.

/// How the line begins, after the comment sign of both formats.
const MARK: &str = "# Checksum of the other lines: ";

/// What lies where a file is to be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Found {
    /// Nothing.
    Nothing,
    /// Exactly what would be written.
    Same,
    /// What this program has written at another time, untouched.
    Own,
    /// What this program has written, changed by somebody.
    Edited,
    /// What somebody else has written.
    Foreign,
}

/// `text` with the line, put behind the first line of it.
#[must_use]
pub fn signed(text: &str) -> String {
    let (first, rest) = text.split_once('\n').unwrap_or((text, ""));
    format!("{first}\n{MARK}{:016x}\n{rest}", checksum(text))
}

/// Compares what lies there with what would be written (already [`signed`]).
#[must_use]
pub fn compare(there: Option<&[u8]>, wanted: &str) -> Found {
    let Some(there) = there else {
        return Found::Nothing;
    };
    if there == wanted.as_bytes() {
        return Found::Same;
    }
    let text = String::from_utf8_lossy(there);
    let Some(line) = text.lines().find(|line| line.starts_with(MARK)) else {
        return Found::Foreign;
    };
    let others = text.replacen(&format!("{line}\n"), "", 1);
    match u64::from_str_radix(&line[MARK.len()..], 16) {
        Ok(claimed) if claimed == checksum(&others) => Found::Own,
        _ => Found::Edited,
    }
}

/// FNV-1a with 64 bits (draft-eastlake-fnv): short, and the same in every version of this program.
fn checksum(text: &str) -> u64 {
    let step = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
    text.bytes().fold(0xcbf2_9ce4_8422_2325, step)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_the_published_one() {
        assert_eq!(checksum(""), 0xcbf2_9ce4_8422_2325);
        assert_eq!(checksum("a"), 0xaf63_dc4c_8601_ec8c);
        assert_eq!(checksum("foobar"), 0x8594_4171_f739_67e8);
    }

    #[test]
    fn own_files_are_told_from_edited_and_foreign_ones() {
        let now = signed("#!/bin/sh\nnew\n");
        let before = signed("#!/bin/sh\nold\n");
        assert!(now.starts_with("#!/bin/sh\n# Checksum"), "{now}");
        assert_eq!(compare(None, &now), Found::Nothing);
        assert_eq!(compare(Some(now.as_bytes()), &now), Found::Same);
        assert_eq!(compare(Some(before.as_bytes()), &now), Found::Own);
        for edited in [
            before.replace("old", "hand-made"),
            format!("{before}\n"),
            before.replacen(
                "# Checksum of the other lines: ",
                "# Checksum of the other lines: x",
                1,
            ),
        ] {
            assert_eq!(compare(Some(edited.as_bytes()), &now), Found::Edited, "{edited}");
        }
        assert_eq!(compare(Some(b"#!/bin/sh\nold\n"), &now), Found::Foreign);
        assert_eq!(compare(Some(b"\xff\xfe"), &now), Found::Foreign);
        assert_eq!(compare(Some(b""), &now), Found::Foreign);
    }
}
