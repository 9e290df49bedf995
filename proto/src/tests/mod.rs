//! Claims about the whole protocol.

mod arbitrary;
mod channel;
mod golden;
mod hostile;
mod samples;
