//! Messages ⇄ bytes. The only file that names bincode: a change of the format is a change here.

use crate::LIMITS;
use crate::reply::Response;
use crate::request::Request;
use bincode::config::{Configuration, Limit, LittleEndian, Varint};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Little endian, integers of variable length, and at most `N` bytes by the decoder's count.
type Format<const N: usize> = Configuration<LittleEndian, Varint, Limit<N>>;

/// The decoder counts an integer by the width of its type, at most eight bytes, even where it takes up one byte on the
/// wire. A body that its frame allows can therefore count eight times its length, and no more: the limit catches only
/// what claims to be longer than it is.
const COUNTED: usize = 8;
const REQUEST: Format<{ COUNTED * LIMITS.request_bytes }> = bincode::config::standard().with_limit();
const RESPONSE: Format<{ COUNTED * LIMITS.response_bytes }> = bincode::config::standard().with_limit();

/// What a frame's body can be.
pub trait Message: Serialize + Sized + sealed::Decode {
    /// The greatest length field of a frame that holds such a message, in bytes.
    const LONGEST_FRAME: u32;
}

impl Message for Request {
    const LONGEST_FRAME: u32 = as_u32(LIMITS.request_bytes);
}

impl Message for Response {
    const LONGEST_FRAME: u32 = as_u32(LIMITS.response_bytes);
}

/// A body that is not the message it should be. The frame around it was sound, so the stream can go on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// The decoder gave up.
    #[error("{0}")]
    Undecodable(String),
    /// A message was there, and then more.
    #[error("{0} bytes too many behind the message")]
    Trailing(usize),
}

/// A message that can't be encoded. None of the protocol's types can cause it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("cannot encode a message: {0}")]
pub struct Unencodable(String);

/// Appends `message` to `frame`.
///
/// # Errors
/// [`Unencodable`] where the format has no bytes for it.
pub fn encode<M: Message>(message: &M, frame: &mut Vec<u8>) -> Result<(), Unencodable> {
    // No limit here: a message that is too long is found by its frame, with a better sentence.
    bincode::serde::encode_into_std_write(message, frame, bincode::config::standard())
        .map(|_written| ())
        .map_err(|error| Unencodable(error.to_string()))
}

/// Reads one message that fills `body` to the last byte.
///
/// # Errors
/// [`Malformed`] says what is wrong; nothing of the message is used then.
pub fn decode<M: Message>(body: &[u8]) -> Result<M, Malformed> {
    let (message, consumed) = M::decode_front(body)?;
    // The decoder is content with a message and something behind it; a newer peer's longer message would pass so.
    match body.len().saturating_sub(consumed) {
        0 => Ok(message),
        trailing => Err(Malformed::Trailing(trailing)),
    }
}

const fn as_u32(bytes: usize) -> u32 {
    assert!(
        bytes <= u32::MAX as usize,
        "a limit must fit into the length field"
    );
    bytes as u32
}

mod sealed {
    use super::{Malformed, REQUEST, RESPONSE, Request, Response, front};

    /// Each message has a limit of its own, and the decoder wants it in the type.
    pub trait Decode: Sized {
        fn decode_front(body: &[u8]) -> Result<(Self, usize), Malformed>;
    }

    impl Decode for Request {
        fn decode_front(body: &[u8]) -> Result<(Self, usize), Malformed> {
            front(body, REQUEST)
        }
    }

    impl Decode for Response {
        fn decode_front(body: &[u8]) -> Result<(Self, usize), Malformed> {
            front(body, RESPONSE)
        }
    }
}

fn front<T: DeserializeOwned, const N: usize>(
    body: &[u8],
    format: Format<N>,
) -> Result<(T, usize), Malformed> {
    bincode::serde::decode_from_slice(body, format).map_err(|error| Malformed::Undecodable(error.to_string()))
}
