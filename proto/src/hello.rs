//! The greeting: twenty bytes each way, encoded by hand, so that it can never change.

use crate::version::{PROTOCOL, Version};

/// How long a greeting is, in bytes.
pub const HELLO_BYTES: usize = 20;

/// What every greeting begins with.
pub const MAGIC: [u8; 4] = *b"S7SV";

/// What each side says first; the client begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hello {
    /// The protocol that the sender speaks.
    pub version: Version,
    /// The longest frame that the sender accepts: the greatest value of a frame's length field, in bytes.
    pub longest_frame: u32,
    /// Abilities beyond the version, one bit each. None is given out yet; unknown bits are ignored.
    pub features: u64,
}

/// The other side does not speak this protocol at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the greeting begins with {}, not with \"S7SV\": the other side is something else", .0.escape_ascii())]
pub struct NotHello(pub [u8; 4]);

impl Hello {
    /// The greeting of this build for a side that accepts frames up to `longest_frame` bytes.
    #[must_use]
    pub fn ours(longest_frame: u32) -> Self {
        Self {
            version: PROTOCOL,
            longest_frame,
            features: 0,
        }
    }

    /// The greeting as it goes over the wire.
    #[must_use]
    pub fn encode(self) -> [u8; HELLO_BYTES] {
        let mut bytes = [0; HELLO_BYTES];
        bytes[..4].copy_from_slice(&MAGIC);
        bytes[4..6].copy_from_slice(&self.version.major.to_le_bytes());
        bytes[6..8].copy_from_slice(&self.version.minor.to_le_bytes());
        bytes[8..12].copy_from_slice(&self.longest_frame.to_le_bytes());
        bytes[12..].copy_from_slice(&self.features.to_le_bytes());
        bytes
    }

    /// Reads a greeting. A foreign version is a greeting too; see [`crate::version::ForeignVersion`].
    ///
    /// # Errors
    /// [`NotHello`] where the bytes don't begin with [`MAGIC`].
    pub fn decode(bytes: [u8; HELLO_BYTES]) -> Result<Self, NotHello> {
        let [
            m0,
            m1,
            m2,
            m3,
            major0,
            major1,
            minor0,
            minor1,
            f0,
            f1,
            f2,
            f3,
            features @ ..,
        ] = bytes;
        let magic = [m0, m1, m2, m3];
        if magic != MAGIC {
            return Err(NotHello(magic));
        }
        Ok(Self {
            version: Version {
                major: u16::from_le_bytes([major0, major1]),
                minor: u16::from_le_bytes([minor0, minor1]),
            },
            longest_frame: u32::from_le_bytes([f0, f1, f2, f3]),
            features: u64::from_le_bytes(features),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_greeting_has_these_twenty_bytes_for_ever() {
        let hello = Hello {
            version: Version { major: 1, minor: 2 },
            longest_frame: 0x0403_0201,
            features: 0x0807_0605_0403_0201,
        };
        let bytes = *b"S7SV\x01\x00\x02\x00\x01\x02\x03\x04\x01\x02\x03\x04\x05\x06\x07\x08";
        assert_eq!(hello.encode(), bytes);
        assert_eq!(Hello::decode(bytes), Ok(hello));
    }

    #[test]
    fn something_else_than_a_greeting_is_named() {
        let error = Hello::decode(*b"GET / HTTP/1.1\r\nHost").unwrap_err();
        assert_eq!(
            error.to_string(),
            "the greeting begins with GET , not with \"S7SV\": the other side is something else"
        );
    }
}
