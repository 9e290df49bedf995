#![doc = include_str!("../PROTOCOL.md")]

pub mod channel;
pub mod codec;
pub mod endpoint;
pub mod event;
pub mod explain;
pub mod frame;
pub mod hello;
pub mod name;
pub mod older;
pub mod overview;
pub mod pattern;
pub mod plain;
pub mod refusal;
pub mod reply;
pub mod request;
pub mod signal;
pub mod status;
pub mod version;

#[cfg(test)]
mod tests;

/// The request id of what a server says to no request in particular: `HandedOver`, where another supervisor carries on at the
/// same endpoint and nothing was begun of what it was asked last and hasn't answered. No request has it. Since 1.2.
pub const NO_REQUEST: u64 = 0;

/// Every bound of the protocol, with its reason.
pub const LIMITS: Limits = Limits {
    request_bytes: 64 * 1024,
    response_bytes: 4 * 1024 * 1024,
    log_lines: 10_000,
    log_bytes: 2 * 1024 * 1024,
    output_bytes: 64 * 1024,
    events: 1000,
};

/// The bounds of [`LIMITS`].
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// The longest request frame in bytes: a thousand of the longest names fit (DESIGN 7: 64 KiB).
    pub request_bytes: usize,
    /// The longest response frame in bytes: the status of more than 10 000 components fits (reliability B37: 4 MiB).
    pub response_bytes: usize,
    /// The most lines of output that one request gets for one component.
    pub log_lines: u32,
    /// The most bytes of output in one response, over all components: half a response frame.
    pub log_bytes: usize,
    /// The most bytes of output in one notice of a stream.
    pub output_bytes: usize,
    /// The most events of the past in one response; the daemon remembers about as many.
    pub events: u32,
}
