//! What follows from what components do: commands for failures, lines of output, too much memory.

mod hooks;
mod matches;
mod memory;
