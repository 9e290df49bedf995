//! Frames without I/O: `[u32 length of what follows][u64 request id][body]`, little endian. Bytes in, frames out.

/// The bytes of the length field.
const LENGTH_BYTES: usize = 4;
/// The bytes of the request id, the least that can follow a length.
const ID_BYTES: usize = 8;
/// What precedes a body.
pub const HEADER_BYTES: usize = LENGTH_BYTES + ID_BYTES;

/// What the bytes at hand are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Parsed<'a> {
    /// Not yet a whole frame: at least so many bytes more are needed. No bytes at all is the clean end of a stream.
    Incomplete {
        /// How many more, never 0 and never beyond the limit.
        more: usize,
    },
    /// The first frame.
    Complete {
        /// Which request the body belongs to, chosen by the client.
        id: u64,
        /// The message, still encoded.
        body: &'a [u8],
        /// How many bytes the whole frame takes up at the front of the input.
        consumed: usize,
    },
}

/// Bytes that can't be a frame. The stream is of no more use after that.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// The length is beyond the limit. Checked before anything is allocated.
    #[error("a frame claims to be {length} bytes long; at most {limit} are accepted")]
    TooLong {
        /// What the length field says, or would have to say.
        length: usize,
        /// The greatest value accepted.
        limit: usize,
    },
    /// The length leaves no room for a request id.
    #[error("a frame claims to be {length} bytes long, but its request id alone has {ID_BYTES}")]
    TooShort {
        /// What the length field says.
        length: usize,
    },
}

/// Looks for a frame at the front of `bytes`. `limit` is the greatest length field accepted.
///
/// # Errors
/// [`FrameError`], as soon as the length field is there.
pub fn parse(bytes: &[u8], limit: usize) -> Result<Parsed<'_>, FrameError> {
    let Some((field, rest)) = bytes.split_first_chunk::<LENGTH_BYTES>() else {
        return Ok(Parsed::Incomplete {
            more: LENGTH_BYTES - bytes.len(),
        });
    };
    // A length beyond the address space of a small machine is beyond every limit too.
    let length = usize::try_from(u32::from_le_bytes(*field)).unwrap_or(usize::MAX);
    if length > limit {
        return Err(FrameError::TooLong { length, limit });
    }
    if length < ID_BYTES {
        return Err(FrameError::TooShort { length });
    }
    let Some(frame) = rest.get(..length) else {
        return Ok(Parsed::Incomplete {
            more: length - rest.len(),
        });
    };
    match frame.split_first_chunk::<ID_BYTES>() {
        Some((id, body)) => Ok(Parsed::Complete {
            id: u64::from_le_bytes(*id),
            body,
            consumed: LENGTH_BYTES + length,
        }),
        None => Err(FrameError::TooShort { length }),
    }
}

/// Room for a frame: a header to be filled in by [`seal`] once the body stands behind it.
#[must_use]
pub fn begin(id: u64) -> Vec<u8> {
    let mut frame = Vec::with_capacity(64);
    frame.extend_from_slice(&[0; LENGTH_BYTES]);
    frame.extend_from_slice(&id.to_le_bytes());
    frame
}

/// Writes the length of a frame that [`begin`] began. `limit` is the greatest length field that the peer accepts.
///
/// # Errors
/// [`FrameError`] where the frame is not one that [`parse`] would take with the same limit.
pub fn seal(frame: &mut [u8], limit: usize) -> Result<(), FrameError> {
    let length = frame.len().saturating_sub(LENGTH_BYTES);
    if length < ID_BYTES {
        return Err(FrameError::TooShort { length });
    }
    match (frame.first_chunk_mut::<LENGTH_BYTES>(), u32::try_from(length)) {
        (Some(field), Ok(value)) if length <= limit => {
            *field = value.to_le_bytes();
            Ok(())
        }
        _ => Err(FrameError::TooLong { length, limit }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(id: u64, body: &[u8]) -> Vec<u8> {
        let mut frame = begin(id);
        frame.extend_from_slice(body);
        seal(&mut frame, 1024).unwrap();
        frame
    }

    #[test]
    fn a_frame_has_its_length_its_id_and_its_body_in_little_endian() {
        let bytes = frame(0x0102, b"xyz");
        assert_eq!(bytes, b"\x0b\0\0\0\x02\x01\0\0\0\0\0\0xyz");
        let expected = Parsed::Complete {
            id: 0x0102,
            body: b"xyz",
            consumed: 15,
        };
        assert_eq!(parse(&bytes, 1024), Ok(expected));
        let two = [bytes.clone(), bytes].concat();
        assert_eq!(
            parse(&two, 1024),
            Ok(expected),
            "the second frame is left for later"
        );
    }

    #[test]
    fn a_frame_cut_at_every_byte_is_incomplete_and_says_how_much_is_missing_at_least() {
        let bytes = frame(7, b"hello");
        for end in 0..bytes.len() {
            let Ok(Parsed::Incomplete { more }) = parse(&bytes[..end], 1024) else {
                panic!("cut at {end}: {:?}", parse(&bytes[..end], 1024));
            };
            assert!(more > 0 && end + more <= bytes.len(), "cut at {end}: {more}");
        }
    }

    #[test]
    fn a_length_of_four_gibibytes_is_refused_before_anything_follows() {
        let limit = 64 * 1024;
        assert_eq!(
            parse(&[0xff; 4], limit),
            Err(FrameError::TooLong {
                length: 0xffff_ffff,
                limit
            })
        );
        let mut just = u32::try_from(limit).unwrap().to_le_bytes().to_vec();
        assert_eq!(parse(&just, limit), Ok(Parsed::Incomplete { more: limit }));
        just[0] += 1;
        assert_eq!(
            parse(&just, limit),
            Err(FrameError::TooLong {
                length: limit + 1,
                limit
            })
        );
    }

    #[test]
    fn a_length_without_room_for_an_id_is_refused() {
        for length in 0..8u8 {
            let bytes = [length, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8];
            let refused = parse(&bytes, 1024);
            assert_eq!(
                refused,
                Err(FrameError::TooShort {
                    length: length.into()
                })
            );
        }
    }

    #[test]
    fn what_the_peer_would_not_take_is_not_sealed() {
        let mut long = begin(1);
        long.extend_from_slice(&[0; 100]);
        assert_eq!(
            seal(&mut long, 107),
            Err(FrameError::TooLong {
                length: 108,
                limit: 107
            })
        );
        assert_eq!(seal(&mut long, 108), Ok(()));
        assert_eq!(seal(&mut [0; 3], 108), Err(FrameError::TooShort { length: 0 }));
    }
}
