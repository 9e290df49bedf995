//! Typed sending and receiving over any stream of bytes, after the greeting.
//!
//! Every wait is bounded by the `within` of the call. After an error other than [`ChannelError::TimedOut`] in a
//! receive, the channel is of no more use and is to be dropped. There is no half-close: dropping both directions ends
//! the connection.

use crate::codec::{self, Malformed, Message, Unencodable};
use crate::frame::{self, FrameError, Parsed};
use crate::hello::{HELLO_BYTES, Hello, NotHello};
use crate::reply::Response;
use crate::request::Request;
use crate::version::{ForeignVersion, PROTOCOL, Version};
use std::io;
use std::marker::PhantomData;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::time::timeout;

/// How much is read at once, in bytes. A buffer grows with what arrives, never with what a length claims.
const READ_BYTES: usize = 16 * 1024;

/// Why a channel can't go on.
#[derive(Debug, thiserror::Error)]
pub enum ChannelError {
    /// The other side was silent, or took nothing, for too long.
    #[error("{doing}: nothing moved within {} s", .within.as_secs_f64())]
    TimedOut {
        /// What was being waited for.
        doing: Doing,
        /// How long that may have taken.
        within: Duration,
    },
    /// The stream failed.
    #[error("{doing}: {source}")]
    Io {
        /// What was being done.
        doing: Doing,
        /// The system's cause.
        source: io::Error,
    },
    /// The connection ended where something had to come, or in the middle of it.
    #[error("{doing}: the connection ended in the middle of it, after {got} bytes")]
    CutOff {
        /// What was being read.
        doing: Doing,
        /// How much of it had come, in bytes.
        got: usize,
    },
    /// The other side speaks something else.
    #[error(transparent)]
    NotHello(#[from] NotHello),
    /// The other side speaks a version that can't be understood.
    #[error(transparent)]
    Foreign(#[from] ForeignVersion),
    /// A frame has a length that is not allowed.
    #[error(transparent)]
    Frame(#[from] FrameError),
    /// A message of ours can't be encoded.
    #[error(transparent)]
    Unencodable(#[from] Unencodable),
    /// The server is too old to know the request; nothing was sent.
    #[error("the server speaks protocol {peer}, and the request is younger")]
    PeerOlder {
        /// What the server speaks.
        peer: Version,
    },
    /// The server answered with something that is not a response.
    #[error("the answer to request {id} can't be understood: {source}")]
    BadResponse {
        /// Which request it was meant for.
        id: u64,
        /// What is wrong with it.
        source: Malformed,
    },
}

/// What a channel is doing, for the sentences of [`ChannelError`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Doing {
    /// Sending the twenty bytes.
    SendingHello,
    /// Waiting for those of the other side.
    ReceivingHello,
    /// Sending a frame.
    Sending,
    /// Waiting for a frame.
    Receiving,
}

impl std::fmt::Display for Doing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::SendingHello => "sending the greeting",
            Self::ReceivingHello => "waiting for the greeting",
            Self::Sending => "sending a message",
            Self::Receiving => "waiting for a message",
        })
    }
}

/// The client's end.
#[derive(Debug)]
pub struct ClientChannel<S> {
    incoming: Incoming<ReadHalf<S>, Response>,
    outgoing: Outgoing<WriteHalf<S>, Request>,
    peer: Version,
}

impl<S: AsyncRead + AsyncWrite + Unpin> ClientChannel<S> {
    /// Greets the server and hears its greeting.
    ///
    /// # Errors
    /// [`ChannelError`]; a foreign version is [`ChannelError::Foreign`].
    pub async fn greet(mut stream: S, within: Duration) -> Result<Self, ChannelError> {
        send_hello(&mut stream, Hello::ours(Response::LONGEST_FRAME), within).await?;
        let theirs = receive_hello(&mut stream, within).await?;
        ForeignVersion::between(PROTOCOL, theirs.version).map_or(Ok(()), Err)?;
        let (read, write) = tokio::io::split(stream);
        Ok(Self {
            incoming: Incoming::new(read),
            outgoing: Outgoing::new(write, theirs),
            peer: theirs.version,
        })
    }

    /// What the server speaks.
    #[must_use]
    pub fn peer(&self) -> Version {
        self.peer
    }

    /// Sends one request. The id is the caller's choice and comes back with every response.
    ///
    /// # Errors
    /// [`ChannelError`]; the channel can't be used after it, unless it is [`ChannelError::PeerOlder`].
    pub async fn send(&mut self, id: u64, request: &Request, within: Duration) -> Result<(), ChannelError> {
        if self.peer.minor < request.minor() {
            return Err(ChannelError::PeerOlder { peer: self.peer });
        }
        self.outgoing.send(id, request, within).await
    }

    /// The next response, and the id of the request that it belongs to. `None`: the server closed between two frames.
    ///
    /// Cancel-safe: dropping the future loses nothing that has arrived.
    ///
    /// # Errors
    /// [`ChannelError`]; after [`ChannelError::TimedOut`] it can be called again.
    pub async fn recv(&mut self, within: Duration) -> Result<Option<(u64, Response)>, ChannelError> {
        match self.incoming.recv(within).await? {
            None => Ok(None),
            Some((id, Ok(response))) => Ok(Some((id, response))),
            Some((id, Err(source))) => Err(ChannelError::BadResponse { id, source }),
        }
    }
}

/// The server's end.
#[derive(Debug)]
pub struct ServerChannel<S> {
    incoming: Incoming<ReadHalf<S>, Request>,
    outgoing: Outgoing<WriteHalf<S>, Response>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> ServerChannel<S> {
    /// Hears the client's greeting and answers it. A client of a foreign version is answered too, so that it can say
    /// which side is older; something that is no greeting gets no answer.
    ///
    /// # Errors
    /// [`ChannelError`]; the stream is closed then.
    pub async fn greet(mut stream: S, within: Duration) -> Result<Self, ChannelError> {
        let theirs = receive_hello(&mut stream, within).await?;
        send_hello(&mut stream, Hello::ours(Request::LONGEST_FRAME), within).await?;
        ForeignVersion::between(PROTOCOL, theirs.version).map_or(Ok(()), Err)?;
        let (read, write) = tokio::io::split(stream);
        Ok(Self {
            incoming: Incoming::new(read),
            outgoing: Outgoing::new(write, theirs),
        })
    }

    /// The next request and its id. `None`: the client closed between two frames. A body that can't be understood
    /// still has its id, so that it can be answered with [`crate::refusal::Refusal::Malformed`].
    ///
    /// Cancel-safe: dropping the future loses nothing that has arrived.
    ///
    /// # Errors
    /// [`ChannelError`]; after [`ChannelError::TimedOut`] it can be called again.
    pub async fn recv(
        &mut self,
        within: Duration,
    ) -> Result<Option<(u64, Result<Request, Malformed>)>, ChannelError> {
        self.incoming.recv(within).await
    }

    /// Sends one response to the request `id`.
    ///
    /// # Errors
    /// [`ChannelError`]. After [`ChannelError::Frame`] (longer than the client accepts) nothing was sent and another
    /// response can be; after any other the channel can't be used.
    pub async fn send(&mut self, id: u64, response: &Response, within: Duration) -> Result<(), ChannelError> {
        self.outgoing.send(id, response, within).await
    }

    /// The two directions apart, for a server that reads and writes at the same time. The connection ends when both
    /// are dropped.
    #[must_use]
    pub fn split(self) -> (Incoming<ReadHalf<S>, Request>, Outgoing<WriteHalf<S>, Response>) {
        (self.incoming, self.outgoing)
    }
}

/// One direction: frames in, messages out.
#[derive(Debug)]
pub struct Incoming<R, M> {
    stream: R,
    buffer: Vec<u8>,
    /// Bytes at the front of `buffer` that belong to frames already given out.
    used: usize,
    message: PhantomData<fn() -> M>,
}

impl<R: AsyncRead + Unpin, M: Message> Incoming<R, M> {
    fn new(stream: R) -> Self {
        Self {
            stream,
            buffer: Vec::new(),
            used: 0,
            message: PhantomData,
        }
    }

    /// The next message and its id, or `None` where the stream ended between two frames. Cancel-safe.
    ///
    /// # Errors
    /// [`ChannelError`]; after [`ChannelError::TimedOut`] it can be called again.
    pub async fn recv(
        &mut self,
        within: Duration,
    ) -> Result<Option<(u64, Result<M, Malformed>)>, ChannelError> {
        let doing = Doing::Receiving;
        timeout(within, self.next())
            .await
            .map_err(|_elapsed| ChannelError::TimedOut { doing, within })?
    }

    async fn next(&mut self) -> Result<Option<(u64, Result<M, Malformed>)>, ChannelError> {
        let doing = Doing::Receiving;
        let limit = usize::try_from(M::LONGEST_FRAME).unwrap_or(usize::MAX);
        loop {
            let pending = self.buffer.get(self.used..).unwrap_or_default();
            let more = match frame::parse(pending, limit)? {
                Parsed::Complete { id, body, consumed } => {
                    let message = codec::decode(body);
                    self.used += consumed;
                    return Ok(Some((id, message)));
                }
                Parsed::Incomplete { more } => more,
            };
            self.buffer.drain(..self.used);
            self.used = 0;
            self.buffer.reserve(more.clamp(1024, READ_BYTES));
            let read = self.stream.read_buf(&mut self.buffer).await;
            match (read, self.buffer.len()) {
                (Err(source), _) => return Err(ChannelError::Io { doing, source }),
                (Ok(0), 0) => return Ok(None),
                (Ok(0), got) => return Err(ChannelError::CutOff { doing, got }),
                (Ok(_), _) => {}
            }
        }
    }
}

/// One direction: messages in, frames out.
#[derive(Debug)]
pub struct Outgoing<W, M> {
    stream: W,
    peer: Version,
    /// The greatest length field that the peer accepts, and that the protocol allows.
    limit: usize,
    message: PhantomData<fn(M)>,
}

impl<W: AsyncWrite + Unpin, M: Message> Outgoing<W, M> {
    fn new(stream: W, peer: Hello) -> Self {
        let limit = usize::try_from(M::LONGEST_FRAME.min(peer.longest_frame)).unwrap_or(usize::MAX);
        Self {
            stream,
            peer: peer.version,
            limit,
            message: PhantomData,
        }
    }

    /// What the other side speaks.
    #[must_use]
    pub fn peer(&self) -> Version {
        self.peer
    }

    /// Sends one message of the request `id`. Not cancel-safe: a frame half sent can't be taken back.
    ///
    /// # Errors
    /// [`ChannelError`]. After [`ChannelError::Frame`] nothing was sent; after any other the channel can't be used.
    pub async fn send(&mut self, id: u64, message: &M, within: Duration) -> Result<(), ChannelError> {
        let mut frame = frame::begin(id);
        codec::encode(message, &mut frame)?;
        frame::seal(&mut frame, self.limit)?;
        write(&mut self.stream, &frame, Doing::Sending, within).await
    }
}

async fn send_hello<W: AsyncWrite + Unpin>(
    stream: &mut W,
    hello: Hello,
    within: Duration,
) -> Result<(), ChannelError> {
    write(stream, &hello.encode(), Doing::SendingHello, within).await
}

async fn receive_hello<R: AsyncRead + Unpin>(
    stream: &mut R,
    within: Duration,
) -> Result<Hello, ChannelError> {
    let doing = Doing::ReceivingHello;
    let mut bytes = [0; HELLO_BYTES];
    let mut got = 0;
    let filled = timeout(within, async {
        while got < HELLO_BYTES {
            // Not read_exact: what has come before an early end is worth knowing.
            match stream.read(bytes.get_mut(got..).unwrap_or_default()).await {
                Ok(0) => return Err(ChannelError::CutOff { doing, got }),
                Ok(read) => got += read,
                Err(source) => return Err(ChannelError::Io { doing, source }),
            }
        }
        Ok(())
    });
    filled
        .await
        .map_err(|_elapsed| ChannelError::TimedOut { doing, within })??;
    Ok(Hello::decode(bytes)?)
}

async fn write<W: AsyncWrite + Unpin>(
    stream: &mut W,
    bytes: &[u8],
    doing: Doing,
    within: Duration,
) -> Result<(), ChannelError> {
    timeout(within, stream.write_all(bytes))
        .await
        .map_err(|_elapsed| ChannelError::TimedOut { doing, within })?
        .map_err(|source| ChannelError::Io { doing, source })
}
