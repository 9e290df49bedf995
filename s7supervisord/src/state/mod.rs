//! What the next daemon has to know.

pub mod check;
pub mod history;
pub mod journal;
pub mod known;
pub mod line;
pub mod past;
pub mod record;
pub mod told;
pub mod wishes;

#[cfg(test)]
mod tests;
