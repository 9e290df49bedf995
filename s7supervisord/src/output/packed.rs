//! Compressed logs: gzip files that say which file they were made of.

use flate2::bufread::MultiGzDecoder;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use flate2::{Compression, GzBuilder};
use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom, Write};

/// How much is unpacked at a time.
const BLOCK: usize = 64 * 1024;

/// The name of our field in the header (RFC 1952, 2.3.1.1), and how long it is: the identity of the file that was packed.
const FIELD: [u8; 4] = [b'S', b'7', 8, 0];

/// Something that packs what is written to it into `to`: what was the file `origin`, last written in the second
/// `written` since 1970.
pub fn packer(to: File, origin: u64, written: u32) -> GzEncoder<File> {
    let mut extra = FIELD.to_vec();
    extra.extend_from_slice(&origin.to_le_bytes());
    // The fastest: logs become ten times smaller by it already, and the machine has other things to do.
    let level = Compression::fast();
    GzBuilder::new().extra(extra).mtime(written).write(to, level)
}

/// The file that a packed one was made of; `None` where it was made by somebody else.
#[must_use]
pub fn origin(mut packed: &File) -> Option<u64> {
    packed.seek(SeekFrom::Start(0)).ok()?;
    let mut decoder = GzDecoder::new(packed);
    // The header is read with the first bytes.
    let _ = decoder.read(&mut [0]);
    let extra = decoder.header()?.extra()?;
    let bytes = extra.strip_prefix(&FIELD)?.first_chunk()?;
    Some(u64::from_le_bytes(*bytes))
}

/// What is in a packed file, from its beginning.
#[derive(Debug)]
pub struct Unpacking {
    decoder: MultiGzDecoder<BufReader<File>>,
    /// Bytes of what is in it that were read.
    at: u64,
}

impl Unpacking {
    /// Begins with `packed`, behind the first `skip` bytes of what is in it.
    ///
    /// # Errors
    /// The file can't be read, or isn't what it seems to be.
    pub fn of(mut packed: File, skip: u64) -> io::Result<Self> {
        packed.seek(SeekFrom::Start(0))?;
        let mut decoder = MultiGzDecoder::new(BufReader::new(packed));
        let at = io::copy(&mut (&mut decoder).take(skip), &mut io::sink())?;
        Ok(Self { decoder, at })
    }

    /// Up to which byte of what is in it was read.
    #[must_use]
    pub fn at(&self) -> u64 {
        self.at
    }

    /// The next bytes, at most `most`; none at the end.
    ///
    /// # Errors
    /// The file can't be read, or isn't what it seems to be.
    pub fn read(&mut self, most: usize) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        (&mut self.decoder).take(most as u64).read_to_end(&mut bytes)?;
        self.at += bytes.len() as u64;
        Ok(bytes)
    }
}

/// How many bytes are in a packed file, and the last ones of them, at most `most`.
pub(super) fn unpack_end(packed: File, most: usize) -> io::Result<(u64, Vec<u8>)> {
    let mut unpacking = Unpacking::of(packed, 0)?;
    let (mut length, mut end) = (0, Vec::new());
    loop {
        let block = unpacking.read(BLOCK)?;
        if block.is_empty() {
            break;
        }
        length += block.len() as u64;
        end.extend_from_slice(&block);
        // Now and then, so that what is kept isn't moved for each block.
        if end.len() > most.saturating_mul(2).saturating_add(BLOCK) {
            end.drain(..end.len() - most);
        }
    }
    end.drain(..end.len().saturating_sub(most));
    Ok((length, end))
}

/// Packs what is in `from` into `to`, for as long as `go_on` says so; `false` where it was broken off.
///
/// # Errors
/// One can't be read, or the other not written.
pub fn pack(
    mut from: &File,
    to: File,
    (origin, written): (u64, u32),
    go_on: impl Fn() -> bool,
) -> io::Result<Option<File>> {
    let mut packer = packer(to, origin, written);
    let mut block = vec![0; BLOCK];
    from.seek(SeekFrom::Start(0))?;
    loop {
        if !go_on() {
            return Ok(None);
        }
        match from.read(&mut block)? {
            0 => return packer.finish().map(Some),
            bytes => packer.write_all(&block[..bytes])?,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_packed_is_found_again_with_where_it_came_from() {
        let content: Vec<u8> = (0..500_000_u32)
            .flat_map(|n| format!("{n}\n").into_bytes())
            .collect();
        let mut from = tempfile::tempfile().unwrap();
        from.write_all(&content).unwrap();
        let to = tempfile::tempfile().unwrap();
        let packed = pack(&from, to, (0x0102_0304_0506_0708, 1), || true)
            .unwrap()
            .unwrap();
        assert!(packed.metadata().unwrap().len() < content.len() as u64 / 2);
        assert_eq!(origin(&packed), Some(0x0102_0304_0506_0708));
        for most in [0, 1, 70_000, 1_000_000, 100_000_000] {
            let (length, end) = unpack_end(packed.try_clone().unwrap(), most).unwrap();
            assert_eq!(
                (length, end.len()),
                (content.len() as u64, most.min(content.len()))
            );
            assert!(content.ends_with(&end));
        }
        let mut rest = Unpacking::of(packed, 1_000_000).unwrap();
        assert_eq!(rest.read(10).unwrap(), &content[1_000_000..1_000_010]);
        assert!(
            pack(&from, tempfile::tempfile().unwrap(), (1, 1), || false)
                .unwrap()
                .is_none()
        );
    }

    #[test]
    fn what_others_have_packed_has_no_origin_and_rubbish_is_an_error() {
        let mut other = GzEncoder::new(tempfile::tempfile().unwrap(), Compression::fast());
        other.write_all(b"text").unwrap();
        let other = other.finish().unwrap();
        assert_eq!(origin(&other), None);
        assert_eq!(unpack_end(other, 10).unwrap(), (4, b"text".to_vec()));
        let mut rubbish = tempfile::tempfile().unwrap();
        rubbish.write_all(b"no gzip at all").unwrap();
        assert_eq!(origin(&rubbish), None);
        unpack_end(rubbish, 10).unwrap_err();
    }
}
