//! Bytes of a connection into the decoder of frames, and into the server's end of a channel in pieces.

use super::allocations;
use s7proto::LIMITS;
use s7proto::channel::ServerChannel;
use s7proto::codec::{self, Malformed, Message};
use s7proto::frame::{self, Parsed};
use s7proto::hello::{HELLO_BYTES, Hello};
use s7proto::request::Request;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// What a stream of bytes came to.
#[derive(Debug, PartialEq, Eq)]
struct Heard {
    messages: Vec<(u64, Result<Request, Malformed>)>,
    end: End,
}

#[derive(Debug, PartialEq, Eq)]
enum End {
    /// Between two frames.
    Clean,
    /// Within one, after so many of its bytes.
    CutOff(usize),
    /// With a length that is not allowed.
    Refused(String),
}

/// The first byte tells how the rest is cut into pieces; the rest is what a client sends after its greeting.
pub fn run(data: &[u8]) {
    let (seed, bytes) = data.split_first().map_or((0, data), |(seed, rest)| (*seed, rest));
    greeting(bytes);
    let whole = parse(bytes);
    // A message takes at most so many times its bytes: a name of one byte is a box, a pointer and a length. Beside it
    // there are the buffer of the channel, which is read into 16 KiB at a time, its runtime, and what serde makes room
    // for on the word of a list's length, which is at most 1 MiB.
    let bound = 64 * bytes.len() + 256 * 1024 + 1024 * 1024;
    for pieces in [0, 1, seed] {
        let (heard, most) = allocations::most(|| hear(bytes, pieces));
        assert_eq!(heard, whole, "in pieces of kind {pieces}");
        assert!(most <= bound, "{most} bytes were held for {} bytes", bytes.len());
    }
}

/// Frame by frame, as the protocol says it, with everything at hand.
fn parse(bytes: &[u8]) -> Heard {
    let limit = LIMITS.request_bytes;
    let mut messages = Vec::new();
    let mut rest = bytes;
    let end = loop {
        match frame::parse(rest, limit) {
            Err(error) => {
                assert!(rest.len() >= 4, "a length that is not there is refused");
                break End::Refused(error.to_string());
            }
            Ok(Parsed::Incomplete { more }) => {
                assert!(more > 0 && more <= limit, "{more} bytes more are wanted");
                assert!(
                    rest.len() + more <= 4 + limit,
                    "a frame beyond the limit is waited for"
                );
                break if rest.is_empty() {
                    End::Clean
                } else {
                    End::CutOff(rest.len())
                };
            }
            Ok(Parsed::Complete { id, body, consumed }) => {
                assert_eq!(consumed, frame::HEADER_BYTES + body.len());
                assert!(consumed <= 4 + limit, "a frame beyond the limit is taken");
                again(rest, id, body, consumed);
                let message = codec::decode(body);
                if let Ok(request) = &message {
                    round_trip(request);
                }
                messages.push((id, message));
                rest = rest.get(consumed..).unwrap_or_default();
            }
        }
    };
    Heard { messages, end }
}

/// The same frame, made anew, is the same bytes; with one byte less it is no frame.
fn again(bytes: &[u8], id: u64, body: &[u8], consumed: usize) {
    let mut made = frame::begin(id);
    made.extend_from_slice(body);
    frame::seal(&mut made, LIMITS.request_bytes).expect("what was taken can be sent");
    assert_eq!(Some(made.as_slice()), bytes.get(..consumed), "a frame made anew");
    let short = frame::parse(&made[..consumed - 1], LIMITS.request_bytes);
    assert_eq!(short, Ok(Parsed::Incomplete { more: 1 }));
}

/// What was decoded can be encoded, and decodes to the same; its encoding is the only one.
pub(super) fn round_trip<M: Message + PartialEq + std::fmt::Debug>(message: &M) {
    let mut bytes = Vec::new();
    codec::encode(message, &mut bytes).expect("what was decoded can be encoded");
    assert_eq!(codec::decode::<M>(&bytes).as_ref(), Ok(message));
    bytes.push(0);
    assert_eq!(codec::decode::<M>(&bytes), Err(Malformed::Trailing(1)));
}

/// A greeting that can be read is written as it was read, but for nothing.
fn greeting(bytes: &[u8]) {
    if let Some(first) = bytes.first_chunk::<HELLO_BYTES>()
        && let Ok(hello) = Hello::decode(*first)
    {
        assert_eq!(hello.encode(), *first);
    }
}

/// The server's end of a connection whose client sends `bytes` in `pieces`.
fn hear(bytes: &[u8], pieces: u8) -> Heard {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .expect("a runtime without threads can be made");
    let hello = Hello::ours(u32::MAX).encode();
    let within = Duration::from_secs(60);
    let stream = Pieces {
        left: [&hello[..], bytes].concat(),
        at: 0,
        state: u32::from(pieces),
    };
    runtime.block_on(async {
        let mut channel = ServerChannel::greet(stream, within)
            .await
            .expect("a greeting of our own");
        let mut messages = Vec::new();
        let end = loop {
            match channel.recv(within).await {
                Ok(Some(message)) => messages.push(message),
                Ok(None) => break End::Clean,
                Err(s7proto::channel::ChannelError::CutOff { got, .. }) => break End::CutOff(got),
                Err(s7proto::channel::ChannelError::Frame(error)) => break End::Refused(error.to_string()),
                Err(error) => panic!("{error}"),
            }
        };
        Heard { messages, end }
    })
}

/// A client that sends what it has in pieces: everything at once (0), byte by byte (1), or as a generator with this
/// seed says.
struct Pieces {
    left: Vec<u8>,
    at: usize,
    state: u32,
}

impl AsyncRead for Pieces {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let wanted = match self.state {
            0 => usize::MAX,
            1 => 1,
            state => {
                // Numerical Recipes' generator; what matters is only that pieces of all sizes come up.
                self.state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223) | 2;
                let size = self.state >> 16;
                1 << (size % 13)
            }
        };
        let rest = self.left.get(self.at..).unwrap_or_default();
        let piece = rest.len().min(wanted).min(buffer.remaining());
        buffer.put_slice(&rest[..piece]);
        self.at += piece;
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Pieces {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
