//! A process whose first thread has ended looks dead in `/proc` and isn't.

use s7tests::daemon::pid;
use s7tests::eventually::{SOON, eventually, when};
use s7tests::processes::{is_alive, process};
use s7tests::registry::Server;
use s7tests::sandbox::Sandbox;
use std::time::Duration;

#[test]
fn a_process_whose_first_thread_ended_is_not_overlooked_by_the_next_daemon() {
    let sandbox = Sandbox::with(&[Server::new("odd", "record starts leader-exits").stop_timeout("1")]);
    let daemon = sandbox.start();
    let before = pid(&daemon.wait_for("odd", "RUNNING")).expect("it runs");
    eventually("the first thread has ended", SOON, || {
        let seen = process(before);
        when(seen.as_ref().is_some_and(|seen| seen.state == 'Z'), || {
            format!("{seen:?}")
        })
    });
    daemon.kill();
    let daemon = sandbox.start();
    daemon.wait_for("odd", "RUNNING");
    assert_eq!(daemon.pid_of("odd"), before, "it goes on");
    assert_eq!(sandbox.starts("starts").len(), 1);
    let stopped = sandbox.ctl(&["stop", "odd"]).exits(0);
    assert!(!is_alive(before), "the stop was answered: {stopped}");
    assert_eq!(daemon.component("odd")["last_exit"]["signal"], "SIGTERM");
}

#[test]
fn a_process_whose_first_thread_ended_is_still_running() {
    let sandbox = Sandbox::with(&[Server::new("odd", "record starts leader-exits")]);
    let daemon = sandbox.start();
    let before = pid(&daemon.wait_for("odd", "RUNNING")).expect("it runs");
    eventually("the first thread has ended", SOON, || {
        let seen = process(before);
        when(seen.as_ref().is_some_and(|seen| seen.state == 'Z'), || {
            format!("{seen:?}")
        })
    });
    daemon.stays("odd", "RUNNING", Duration::from_secs(1));
    assert_eq!(daemon.pid_of("odd"), before);
    assert_eq!(sandbox.starts("starts").len(), 1);
    let stopped = sandbox.ctl(&["stop", "odd"]).exits(0);
    assert!(!is_alive(before), "the stop was answered: {stopped}");
    assert_eq!(daemon.component("odd")["last_exit"]["signal"], "SIGTERM");
}
