//! The deciding part: a state machine without clock, I/O, threads or system calls.
//!
//! Time is an argument; what is to be done comes out as a list of [`effect::Effect`]s; [`fleet::Fleet::next_deadline`]
//! says when to come back. Five nouns: a **component** has a **wish** (up or down) and a **life** (its state); an
//! execution of it is a **run**, known by number and never by process id alone; a command is an **operation** with a
//! **ticket** that is answered once.
//!
//! Invariants:
//! - A component has at most one run. A run is created only from `Waiting`, and `Waiting` is entered only when no
//!   process of the run before is left.
//! - Only an event moves a run forward; a command changes the wish and the way there.
//! - A component that isn't wished up, or whose tier isn't open, creates no run.
//! - Every state in which something is awaited owns a timer, or an event is bound to come.
//! - Each ticket is answered exactly once; after `Shutdown` nothing is created.

pub mod awaited;
pub mod checks;
pub mod component;
pub mod effect;
pub mod fleet;
pub mod hooks;
pub mod input;
pub mod life;
pub mod memory;
pub mod moment;
pub mod restart;
mod sequence;
pub mod view;

#[cfg(test)]
mod tests;
