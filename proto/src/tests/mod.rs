//! Claims about the whole protocol.

mod arbitrary;
mod channel;
mod golden;
mod hostile;
mod long_arbitrary;
mod long_samples;
mod newer_arbitrary;
mod newer_samples;
mod older;
mod samples;
