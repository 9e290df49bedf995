//! What the next daemon has to know.

pub mod journal;
pub mod wishes;
