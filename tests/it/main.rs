//! Whether the daemon and the client, together, with real processes, keep what is promised.
//!
//! `boot` has the daemon as a service of a machine with its own systemd, `commands` has a file for each verb of the client, `lifecycle` what a component goes through, `faults` what goes
//! wrong (its table says which test answers for which row of the fault matrix), `fuzz` what the fuzzers have found,
//! `reactions` what follows from what components do,
//! `platform` what one system alone has, `readme` what the README shows, and `tidy` what the tree itself promises.

#[cfg(unix)]
mod boot;
#[cfg(unix)]
mod commands;
#[cfg(unix)]
mod faults;
mod fuzz;
#[cfg(unix)]
mod harness;
#[cfg(unix)]
mod health;
#[cfg(unix)]
mod lifecycle;
#[cfg(unix)]
mod platform;
#[cfg(unix)]
mod reactions;
#[cfg(unix)]
mod readme;
mod tidy;
mod tree;
