//! What follows from what components do: commands for failures, lines of output, too much memory; and why they are given up.

mod given_up;
mod hooks;
mod matches;
mod memory;
