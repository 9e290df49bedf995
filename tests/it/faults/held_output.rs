//! Somebody keeps a run's output open when the run is over.

use rustix::process::Signal;
use s7tests::daemon::pid;
use s7tests::eventually::{SOON, eventually, when};
use s7tests::processes::{is_alive, send};
use s7tests::registry::Server;
use s7tests::sandbox::Sandbox;
use std::fs::File;
use std::time::{Duration, Instant};

/// Nothing here has a reason to take even a second.
const AT_ONCE: Duration = Duration::from_secs(8);

#[test]
fn a_descendant_that_keeps_the_output_open_does_not_hide_an_exit() {
    let sandbox = Sandbox::with(&[
        Server::new("left", "fork-setsid holder await holder print last exit 3")
            .with("<restart policy=\"never\"/>"),
    ]);
    let begun = Instant::now();
    let daemon = sandbox.start();
    let seen = daemon.wait_for("left", "EXITED");
    assert!(begun.elapsed() < AT_ONCE, "told after {:?}", begun.elapsed());
    assert_eq!(seen["last_exit"]["code"], 3, "{seen}");
    assert_eq!(sandbox.log_of("left"), "last\n");
    let holder = sandbox.pid_in("holder");
    assert!(!is_alive(holder), "it went with the run that it came from");
}

#[test]
fn a_stranger_who_keeps_the_output_open_holds_up_neither_a_restart_nor_the_end() {
    let sandbox = Sandbox::with(&[Server::new("read", "record starts print begun wait")]);
    let mut daemon = sandbox.start();
    let first = pid(&daemon.wait_for("read", "RUNNING")).expect("it runs");
    // As `tail -f /proc/PID/fd/1`, but with both ends.
    let held = File::options()
        .read(true)
        .write(true)
        .open(format!("/proc/{first}/fd/1"))
        .expect("the output of a process of ours can be opened");
    let begun = Instant::now();
    send(first, Signal::KILL);
    eventually("it is started again", SOON, || {
        let starts = sandbox.starts("starts");
        when(starts.len() == 2, || format!("{starts:?}"))
    });
    assert!(begun.elapsed() < AT_ONCE, "restarted after {:?}", begun.elapsed());
    daemon.wait_for("read", "RUNNING");
    let begun = Instant::now();
    daemon.signal(Signal::TERM);
    assert_eq!(daemon.wait_within(AT_ONCE * 2).code(), Some(0));
    assert!(begun.elapsed() < AT_ONCE, "ended after {:?}", begun.elapsed());
    assert_eq!(sandbox.log_of("read"), "begun\nbegun\n");
    drop(held);
    // The name of that pipe stays until somebody may be sure that it is nobody's.
    sandbox.start().stop();
}
