//! What is portable about output and log files: reading their end, their dated names, errors that say what was done.

pub mod chain;
#[cfg(test)]
mod damaged_tests;
pub mod dated;
pub mod day;
pub mod failure;
pub mod follow;
pub mod joined;
pub mod last_words;
pub mod lost;
pub mod mark;
pub mod matcher;
pub mod packed;
pub mod rotated;
pub mod searcher;
pub mod tail;
pub mod thread_dump;
pub mod times;
pub mod unwritten;
