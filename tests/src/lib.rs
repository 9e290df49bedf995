//! The harness of the tests: a folder of its own for each test, a daemon and a client run in it, bytes written by
//! hand, and one way to wait.
//!
//! A test makes a [`sandbox::Sandbox`], writes a registry into it, starts a [`daemon::Daemon`] and asks it through
//! [`ctl::Output`]. When the sandbox is dropped it asserts that nothing is left of all that: no process, no socket, no
//! FIFO.

#[cfg(unix)]
pub mod cgroup;
#[cfg(unix)]
pub mod ctl;
#[cfg(unix)]
pub mod daemon;
pub mod eventually;
pub mod fuzz;
#[cfg(unix)]
pub mod namespace;
pub mod numbered;
#[cfg(unix)]
pub mod processes;
pub mod programs;
pub mod random;
pub mod registry;
#[cfg(unix)]
pub mod sandbox;
#[cfg(unix)]
pub mod strace;
#[cfg(unix)]
pub mod stream;
#[cfg(unix)]
pub mod systemd;
#[cfg(unix)]
pub mod usage;
#[cfg(unix)]
pub mod wire;

/// Says on standard error that a test did not run, and why; a failure where [`REQUIRE_ALL`] is set.
///
/// It writes past the test runner's capture, because a skipped test that nobody sees counts as a passed one.
///
/// # Panics
/// Where `S7_TESTS_REQUIRE_ALL` is set: the machine promised to have everything.
pub fn not_run(test: &str, why: &str) {
    use std::io::Write;
    assert!(
        std::env::var_os(REQUIRE_ALL).is_none(),
        "{test} can't run here, and {REQUIRE_ALL} is set: {why}"
    );
    // Standard error may be closed; then there is nobody to tell.
    let _ = writeln!(std::io::stderr(), "NOT RUN: {test}: {why}");
}

/// The variable with which a machine promises that everything the tests need is there.
pub const REQUIRE_ALL: &str = "S7_TESTS_REQUIRE_ALL";
