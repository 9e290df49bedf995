//! One line of the record, with a seal that tells whether it is whole.
//!
//! A full disk leaves half a line, and half a number is a number. So each line ends in ` ~` and eight hexadecimal digits over
//! what stands before. Lines without a seal are those of the first format, which had none.

/// Digits of a seal.
pub const SEAL: usize = 8;

/// What a line turns out to be.
#[derive(Debug, PartialEq, Eq)]
pub enum Read<'a> {
    /// The words of a whole line.
    Sealed(&'a str),
    /// The words of a line without a seal: whole only if it is of the first format.
    Plain(&'a str),
    /// There is nothing in it.
    Nothing,
    /// Not what was written.
    Damaged,
}

/// FNV-1a with 32 bits: a damaged line goes unnoticed once in four thousand million times. It calls nothing, so that a new
/// process can use it before it executes.
#[must_use]
pub fn seal_of(text: &[u8]) -> u32 {
    let step = |sum: u32, byte: &u8| (sum ^ u32::from(*byte)).wrapping_mul(0x0100_0193);
    text.iter().fold(0x811c_9dc5, step)
}

/// `words` with a seal, as a line of its own, whatever a full disk has left of the one before.
#[must_use]
pub fn sealed(words: &str) -> String {
    format!("\n{words} ~{:0SEAL$x}\n", seal_of(words.as_bytes()))
}

/// Reads one line, without its newline.
#[must_use]
pub fn read(line: &[u8]) -> Read<'_> {
    let Ok(line) = std::str::from_utf8(line) else {
        return Read::Damaged;
    };
    if line.is_empty() {
        return Read::Nothing;
    }
    match line.rsplit_once(" ~") {
        None => Read::Plain(line),
        Some((words, seal)) if seal.len() == SEAL => match u32::from_str_radix(seal, 16) {
            Ok(seal) if seal == seal_of(words.as_bytes()) => Read::Sealed(words),
            _ => Read::Damaged,
        },
        Some(_) => Read::Damaged,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_change_of_one_byte_and_every_cut_is_noticed() {
        let words = "start is 3 00041 00099 ino=7";
        let whole = sealed(words);
        let line = whole.trim();
        assert_eq!(read(line.as_bytes()), Read::Sealed(words));
        for at in 0..line.len() {
            let mut other = line.as_bytes().to_vec();
            other[at] ^= 1;
            assert!(!matches!(read(&other), Read::Sealed(_)), "{at}");
            assert!(!matches!(read(&line.as_bytes()[..at]), Read::Sealed(_)), "{at}");
        }
        assert_eq!(read(words.as_bytes()), Read::Plain(words));
        assert_eq!(read(b""), Read::Nothing);
        assert_eq!(read(b"\xff ~00000000"), Read::Damaged);
    }
}
