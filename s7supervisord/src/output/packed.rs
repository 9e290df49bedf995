//! Compressed logs: gzip files that say which file they were made of.

use crate::output::failure::doing;
use flate2::bufread::MultiGzDecoder;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use flate2::{Compression, GzBuilder};
use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom, Write};
use std::path::PathBuf;

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
    /// What it was called when it was opened.
    path: PathBuf,
    damage: Damage,
}

/// Whether a packed file is what it seems to be.
#[derive(Debug)]
enum Damage {
    /// As far as it was read.
    None,
    /// It is not; who reads on is told so.
    Untold(io::Error),
    /// That was told. There is nothing more to be read.
    Told,
}

impl Unpacking {
    /// Begins with `packed`, the file at `path`, behind the first `skip` bytes of what is in it.
    ///
    /// # Errors
    /// The file can't be read.
    pub fn of(mut packed: File, path: PathBuf, skip: u64) -> io::Result<Self> {
        packed.seek(SeekFrom::Start(0))?;
        let mut decoder = MultiGzDecoder::new(BufReader::new(packed));
        let skipped = io::copy(&mut (&mut decoder).take(skip), &mut io::sink());
        Ok(Self {
            decoder,
            // Where it is damaged before that, there is nothing behind it.
            at: skipped.as_ref().map_or(skip, |skipped| *skipped),
            path,
            damage: skipped.err().map_or(Damage::None, Damage::Untold),
        })
    }

    /// Up to which byte of what is in it was read.
    #[must_use]
    pub fn at(&self) -> u64 {
        self.at
    }

    /// The next bytes, at most `most`; none at the end.
    ///
    /// # Errors
    /// The file can't be read, or isn't what it seems to be. All that could be read of it was given before, and there is nothing
    /// more after it.
    pub fn read(&mut self, most: usize) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        if matches!(self.damage, Damage::None) {
            let read = (&mut self.decoder).take(most as u64).read_to_end(&mut bytes);
            self.damage = read.err().map_or(Damage::None, Damage::Untold);
            self.at += bytes.len() as u64;
        }
        if bytes.is_empty()
            && let Damage::Untold(why) = std::mem::replace(&mut self.damage, Damage::Told)
        {
            let file = self.path.display();
            return Err(doing(
                format_args!("{file} is damaged, the rest of it is missing here"),
                why,
            ));
        }
        Ok(bytes)
    }
}

/// The end of what is in a packed file.
#[derive(Debug)]
pub(super) struct End {
    /// How many bytes are in it.
    pub length: u64,
    /// The last ones of them.
    pub end: Vec<u8>,
    /// Why it isn't what it seems to be; the lines before the damage are all that is in it.
    pub damage: Option<io::Error>,
}

/// How many bytes are in a packed file, the one at `path`, and the last ones of them, at most `most`.
pub(super) fn unpack_end(packed: File, path: PathBuf, most: usize) -> io::Result<End> {
    let mut unpacking = Unpacking::of(packed, path, 0)?;
    let (mut length, mut end, mut damage) = (0, Vec::new(), None);
    loop {
        let block = match unpacking.read(BLOCK) {
            Ok(block) if block.is_empty() => break,
            Ok(block) => block,
            Err(why) => {
                damage = Some(why);
                break;
            }
        };
        length += block.len() as u64;
        end.extend_from_slice(&block);
        // Now and then, so that what is kept isn't moved for each block.
        if end.len() > most.saturating_mul(2).saturating_add(BLOCK) {
            end.drain(..end.len() - most);
        }
    }
    if damage.is_some() {
        // The rest of a line would be taken for the beginning of the next file's first.
        let cut = end.iter().rev().take_while(|byte| **byte != b'\n').count();
        end.truncate(end.len() - cut);
        length -= cut as u64;
    }
    end.drain(..end.len().saturating_sub(most));
    Ok(End { length, end, damage })
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
            let End { length, end, damage } =
                unpack_end(packed.try_clone().unwrap(), PathBuf::new(), most).unwrap();
            assert!(damage.is_none());
            assert_eq!(
                (length, end.len()),
                (content.len() as u64, most.min(content.len()))
            );
            assert!(content.ends_with(&end));
        }
        let mut rest = Unpacking::of(packed, PathBuf::new(), 1_000_000).unwrap();
        assert_eq!(rest.read(10).unwrap(), &content[1_000_000..1_000_010]);
        assert!(
            pack(&from, tempfile::tempfile().unwrap(), (1, 1), || false)
                .unwrap()
                .is_none()
        );
    }

    #[test]
    fn what_others_have_packed_has_no_origin_and_rubbish_has_nothing_in_it_and_is_named() {
        let mut other = GzEncoder::new(tempfile::tempfile().unwrap(), Compression::fast());
        other.write_all(b"text").unwrap();
        let other = other.finish().unwrap();
        assert_eq!(origin(&other), None);
        let found = unpack_end(other, PathBuf::new(), 10).unwrap();
        assert_eq!((found.length, found.end), (4, b"text".to_vec()));
        let mut rubbish = tempfile::tempfile().unwrap();
        rubbish.write_all(b"no gzip at all").unwrap();
        assert_eq!(origin(&rubbish), None);
        let found = unpack_end(rubbish, PathBuf::from("is.log.7.gz"), 10).unwrap();
        assert_eq!((found.length, found.end), (0, Vec::new()));
        let why = found.damage.unwrap().to_string();
        assert!(why.contains("is.log.7.gz"), "{why}");
    }
}
