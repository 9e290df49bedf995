//! From bytes to text: how much, in which encoding, and where in it something stands.

use std::fs;
use std::io::{self, Read};
use std::ops::Range;
use std::path::Path;

/// The most bytes a registry or profile file may have (DESIGN 3: 1 MiB).
pub const MAX_BYTES: usize = 1024 * 1024;

/// One text that findings point into.
#[derive(Debug)]
pub(super) struct Source {
    /// The file's name as shown.
    pub name: String,
    /// Its text, without a byte order mark.
    pub text: String,
}

impl Source {
    /// Line and column (in characters), both from 1, of a byte offset into the text.
    pub fn place(&self, offset: usize) -> (u32, u32) {
        let before = &self.text[..self.text.floor_char_boundary(offset)];
        let line = before.bytes().filter(|b| *b == b'\n').count() + 1;
        let column = before
            .rsplit('\n')
            .next()
            .map_or(0, |start| start.chars().count())
            + 1;
        // A text has at most MAX_BYTES bytes of UTF-8 or twice that from UTF-16, so both fit.
        (
            u32::try_from(line).unwrap_or(u32::MAX),
            u32::try_from(column).unwrap_or(u32::MAX),
        )
    }
}

/// Bytes that are not text in an encoding that is understood.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Undecodable {
    /// What could be read before the place.
    pub readable: String,
    /// The place in `readable`.
    pub at: Range<usize>,
    /// What is wrong.
    pub message: String,
    /// What can be done.
    pub hint: &'static str,
    /// It is in some encoding whose characters are single bytes, or begin with one that isn't ASCII.
    may_be_bytes: bool,
}

const HINT: &str = "save the file as UTF-8, or as UTF-16 with a byte order mark";

/// Makes text of `bytes`: UTF-8, or UTF-16 with a byte order mark.
pub(super) fn decode(bytes: &[u8]) -> Result<String, Undecodable> {
    if bytes.len() > MAX_BYTES {
        return Err(nowhere(
            format!("the file has more than {MAX_BYTES} bytes (1 MiB)"),
            "move profiles into files of their own in conf/profiles.d",
        ));
    }
    if bytes.starts_with(&[0xff, 0xfe, 0, 0]) || bytes.starts_with(&[0, 0, 0xfe, 0xff]) {
        return Err(nowhere(
            "the file is in UTF-32, which isn't understood".into(),
            HINT,
        ));
    }
    if let Some(rest) = bytes.strip_prefix(&[0xff, 0xfe]) {
        return decode_utf16(rest, u16::from_le_bytes);
    }
    if let Some(rest) = bytes.strip_prefix(&[0xfe, 0xff]) {
        return decode_utf16(rest, u16::from_be_bytes);
    }
    if bytes.starts_with(b"<\0") || bytes.starts_with(b"\0<") {
        return Err(nowhere(
            "the file seems to be in UTF-16, but has no byte order mark".into(),
            HINT,
        ));
    }
    decode_utf8(bytes.strip_prefix(&[0xef, 0xbb, 0xbf]).unwrap_or(bytes))
}

/// Makes text of a file of another program, of which only ASCII is needed: as [`decode`], but in what is neither UTF-8 nor
/// UTF-16 every byte is a character of its own, whatever the encoding is called. In the encodings that programs write XML in,
/// nothing but ASCII looks like markup.
pub(super) fn decode_foreign(bytes: &[u8]) -> Result<String, Undecodable> {
    match decode(bytes) {
        Err(bad) if bad.may_be_bytes => {
            let bytes = bytes.strip_prefix(&[0xef, 0xbb, 0xbf]).unwrap_or(bytes);
            Ok(match std::str::from_utf8(bytes) {
                Ok(text) => text.to_owned(),
                Err(_) => bytes.iter().map(|byte| char::from(*byte)).collect(),
            })
        }
        decoded => decoded,
    }
}

fn decode_utf8(bytes: &[u8]) -> Result<String, Undecodable> {
    if let Some((name, at)) = declared_encoding(bytes) {
        // Programs write "utf-16" into text that they then save as UTF-8, so only names of really different encodings are refused.
        let understood = ["utf-8", "utf8", "utf-16", "utf16", "us-ascii", "ascii"];
        if !understood.contains(&name.to_ascii_lowercase().as_str()) {
            let readable: String = bytes.iter().take(at.end).map(|b| char::from(*b)).collect();
            return Err(Undecodable {
                readable,
                at,
                message: format!("the encoding `{name}` isn't understood"),
                hint: HINT,
                may_be_bytes: true,
            });
        }
    }
    std::str::from_utf8(bytes).map(str::to_owned).map_err(|error| {
        let (good, bad) = bytes.split_at(error.valid_up_to());
        let readable = String::from_utf8_lossy(good).into_owned();
        let end = readable.len();
        Undecodable {
            readable,
            at: end..end,
            message: match error.error_len() {
                None => "the file ends within a character".into(),
                Some(_) => format!(
                    "the byte 0x{:02x} here isn't UTF-8",
                    bad.first().copied().unwrap_or_default()
                ),
            },
            hint: HINT,
            may_be_bytes: true,
        }
    })
}

fn decode_utf16(bytes: &[u8], unit: fn([u8; 2]) -> u16) -> Result<String, Undecodable> {
    let (pairs, rest) = bytes.as_chunks::<2>();
    let mut text = String::with_capacity(bytes.len());
    let broken = |text: String, message: &str| {
        let end = text.len();
        Err(Undecodable {
            readable: text,
            at: end..end,
            message: message.into(),
            hint: HINT,
            may_be_bytes: false,
        })
    };
    for character in char::decode_utf16(pairs.iter().map(|pair| unit(*pair))) {
        match character {
            Ok(character) => text.push(character),
            Err(_) => return broken(text, "half a character (a lone surrogate) of UTF-16 stands here"),
        }
    }
    if rest.is_empty() {
        Ok(text)
    } else {
        broken(text, "the file ends within a character of UTF-16")
    }
}

/// The name in `encoding="…"` of an XML declaration, and where it stands. Only ASCII is before it.
fn declared_encoding(bytes: &[u8]) -> Option<(String, Range<usize>)> {
    let head = &bytes[..bytes.len().min(200)];
    let ascii = &head[..head.iter().position(|b| !b.is_ascii()).unwrap_or(head.len())];
    let head = std::str::from_utf8(ascii).ok()?;
    let declaration = &head[..head.strip_prefix("<?xml").and_then(|_| head.find("?>"))?];
    let key = declaration.find("encoding")? + "encoding".len();
    let open = key + declaration[key..].find(['"', '\''])?;
    let quote = declaration[open..].chars().next()?;
    let start = open + 1;
    let end = start + declaration[start..].find(quote)?;
    Some((declaration[start..end].to_owned(), start..end))
}

fn nowhere(message: String, hint: &'static str) -> Undecodable {
    Undecodable {
        readable: String::new(),
        at: 0..0,
        message,
        hint,
        may_be_bytes: false,
    }
}

/// Reads a file, but never more than one byte over [`MAX_BYTES`], and nothing that isn't a regular file: opening a
/// FIFO would wait for ever, and a device may have no end.
pub(super) fn read(path: &Path) -> io::Result<Vec<u8>> {
    if !fs::metadata(path)?.is_file() {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "it isn't a regular file",
        ));
    }
    let mut bytes = Vec::new();
    let limit = u64::try_from(MAX_BYTES).unwrap_or(u64::MAX) + 1;
    fs::File::open(path)?.take(limit).read_to_end(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn utf16(text: &str, little: bool) -> Vec<u8> {
        let mark = std::iter::once(0xfeff);
        mark.chain(text.encode_utf16())
            .flat_map(|unit| {
                if little {
                    unit.to_le_bytes()
                } else {
                    unit.to_be_bytes()
                }
            })
            .collect()
    }

    #[test]
    fn utf_8_and_utf_16_with_a_mark_are_read_to_the_same_text() {
        let text = "<?xml version=\"1.0\" encoding=\"UTF-16\"?>\n<ü>😀</ü>";
        assert_eq!(decode(text.as_bytes()).unwrap(), text);
        assert_eq!(
            decode(&[b"\xef\xbb\xbf", text.as_bytes()].concat()).unwrap(),
            text
        );
        assert_eq!(decode(&utf16(text, true)).unwrap(), text);
        assert_eq!(decode(&utf16(text, false)).unwrap(), text);
    }

    #[test]
    fn other_encodings_are_refused_by_their_name() {
        let latin = b"<?xml version='1.0' encoding='ISO-8859-1'?><a>\xfc</a>";
        let refusal = decode(latin).unwrap_err();
        assert_eq!(refusal.message, "the encoding `ISO-8859-1` isn't understood");
        assert_eq!(&refusal.readable[refusal.at], "ISO-8859-1");
        assert!(
            decode(b"\xff\xfe\0\0<\0\0\0")
                .unwrap_err()
                .message
                .contains("UTF-32")
        );
        assert!(
            decode(b"<\0a\0/\0>\0")
                .unwrap_err()
                .message
                .contains("no byte order mark")
        );
    }

    #[test]
    fn bytes_that_are_no_text_are_refused_at_their_place() {
        let refusal = decode(b"<a>\n\xc3\xbc\xfc</a>").unwrap_err();
        assert_eq!(refusal.message, "the byte 0xfc here isn't UTF-8");
        let source = Source {
            name: String::new(),
            text: refusal.readable,
        };
        assert_eq!(source.place(refusal.at.start), (2, 2));
        assert!(decode(b"<a>\xc3").unwrap_err().message.contains("ends within"));
        let mut odd = utf16("<a/>", true);
        odd.pop();
        assert!(decode(&odd).unwrap_err().message.contains("ends within"));
        assert!(
            decode(b"\xff\xfe\x00\xd8<\0")
                .unwrap_err()
                .message
                .contains("surrogate")
        );
    }

    #[test]
    fn more_than_a_mebibyte_is_refused() {
        assert!(decode(&vec![b' '; MAX_BYTES]).is_ok());
        assert!(
            decode(&vec![b' '; MAX_BYTES + 1])
                .unwrap_err()
                .message
                .contains("more than 1048576 bytes")
        );
    }

    #[test]
    fn places_count_characters_from_one() {
        let source = Source {
            name: String::new(),
            text: "aü\nbc".into(),
        };
        assert_eq!(source.place(0), (1, 1));
        assert_eq!(source.place(3), (1, 3));
        assert_eq!(source.place(4), (2, 1));
        assert_eq!(source.place(6), (2, 3));
        assert_eq!(source.place(600), (2, 3));
    }
}
