//! What is fed with bytes that nobody has thought of: each target takes any bytes and panics where a promise is broken.
//!
//! The same functions are called by the fuzzers (`.ci/fuzz TARGET SECONDS`, in `tests/fuzz`) and by the tests of
//! `it/fuzz.rs`, which replay every file of `tests/fuzz/corpus` and `tests/fuzz/regressions`.

pub mod allocations;
pub mod command_line;
pub mod frame;
pub mod registry;
pub mod request;

/// A function that judges what becomes of some bytes.
pub type Target = fn(&[u8]);

/// Every target by the name of its folders.
pub const TARGETS: [(&str, Target); 4] = [
    ("frame", frame::run),
    ("request", request::run),
    ("registry", registry::run),
    ("command_line", command_line::run),
];
