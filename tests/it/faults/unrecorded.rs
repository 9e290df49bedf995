//! What lives without a record, and what only says so.

use rustix::process::Signal;
use s7tests::daemon::pid;
use s7tests::eventually::{SOON, eventually, when};
use s7tests::processes::{self, is_alive, send};
use s7tests::registry::Server;
use s7tests::sandbox::Sandbox;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::time::Duration;

/// Nobody's user on every system.
const NOBODY: u32 = 65534;

#[test]
fn what_a_stranger_says_of_himself_is_not_believed_needs_root() {
    let test = "what_a_stranger_says_of_himself_is_not_believed_needs_root";
    if !rustix::process::geteuid().is_root() {
        return s7tests::not_run(test, "only root can become somebody else");
    }
    let sandbox = Sandbox::with(&[Server::new("one", "record starts wait")]);
    let daemon = sandbox.start();
    let genuine = daemon.wait_for("one", "RUNNING");
    let instance = std::fs::canonicalize(sandbox.path("run")).expect("the daemon has made it");
    let mut stranger = Command::new("sleep");
    stranger
        .arg("1000")
        .env_clear()
        .env("S7_INSTANCE", instance)
        .env("S7_COMPONENT", "one")
        .env("S7_RUN", "2")
        .uid(NOBODY)
        .gid(NOBODY)
        .stdin(Stdio::null());
    let mut stranger = processes::spawn(&mut stranger);
    daemon.kill();
    let daemon = sandbox.start();
    let seen = daemon.wait_for("one", "RUNNING");
    assert_eq!((&seen["pid"], &seen["run"]), (&genuine["pid"], &genuine["run"]));
    sandbox.ctl(&["restart", "one"]).exits(0);
    assert!(
        stranger.try_wait().expect("it is ours").is_none(),
        "a stranger is left alone"
    );
    assert_eq!(sandbox.starts("starts").len(), 2);
    send(stranger.id(), Signal::KILL);
    stranger.wait().expect("it is ours");
    processes::forget(&stranger);
}

#[test]
fn what_a_run_without_a_record_has_left_is_ended_and_is_no_run() {
    let sandbox =
        Sandbox::with(&[Server::new("one", "record starts fork-setsid left wait").stop_timeout("1")]);
    let daemon = sandbox.start();
    let first = pid(&daemon.wait_for("one", "RUNNING")).expect("it runs");
    let left = sandbox.pid_in("left");
    daemon.kill();
    std::fs::remove_file(sandbox.path("run/journal")).expect("the sandbox is ours");
    send(first, Signal::KILL);
    eventually("the first process is gone", SOON, || {
        processes::reap_adopted();
        when(!is_alive(first), || format!("{first} lives"))
    });
    std::fs::remove_file(sandbox.path("left")).expect("the sandbox is ours");
    let daemon = sandbox.start();
    let now = pid(&daemon.wait_for("one", "RUNNING")).expect("it runs");
    assert!(
        now != left && now != first,
        "a run is its first process, and that was {first}"
    );
    assert!(
        !is_alive(left),
        "what it had left is gone before there is another"
    );
    assert_eq!(sandbox.starts("starts").len(), 2);
}

#[test]
fn the_output_of_a_run_without_a_record_goes_on() {
    let sandbox = Sandbox::with(&[Server::new("one", "tick 1")]);
    let daemon = sandbox.start();
    let before = pid(&daemon.wait_for("one", "RUNNING"));
    daemon.kill();
    std::fs::remove_file(sandbox.path("run/journal")).expect("the sandbox is ours");
    let daemon = sandbox.start();
    assert_eq!(pid(&daemon.wait_for("one", "RUNNING")), before);
    let lines = || sandbox.log_of("one").lines().count();
    let reached = lines();
    eventually("more of it comes", SOON, || {
        when(lines() > reached + 100, || {
            format!("{reached}, {} lines", lines())
        })
    });
    sandbox.ctl(&["stop", "one"]).exits(0);
    for (place, line) in sandbox.log_of("one").lines().enumerate() {
        assert_eq!(line, format!("line {place:08}"), "nothing is lost or doubled");
    }
}

#[test]
fn a_record_that_is_removed_is_told_and_written_anew() {
    let sandbox = Sandbox::with(&[
        Server::new("one", "record starts wait"),
        Server::new("done", "record jobs exit 0").with(r#"<restart policy="never"/>"#),
    ]);
    let daemon = sandbox.start();
    daemon.wait_for("done", "EXITED");
    let steady = pid(&daemon.wait_for("one", "RUNNING"));
    std::fs::remove_file(sandbox.path("run/journal")).expect("the sandbox is ours");
    // What is noted next finds out.
    let noted = sandbox.ctl(&["start", "one"]).exits(0);
    // It is tried each ten seconds.
    eventually("it is there again", Duration::from_secs(60), || {
        let record = std::fs::read_to_string(sandbox.path("run/journal")).unwrap_or_default();
        let whole = ["start one 1 ", "end done 1 ", "wish one up "]
            .iter()
            .all(|line| record.contains(line));
        when(whole, || format!("{record} {noted}"))
    });
    eventually("nothing is missing any more", SOON, || {
        let status = daemon.status();
        when(status["supervisor"]["state_not_persisted"].is_null(), || {
            status.to_string()
        })
    });
    daemon.kill();
    let daemon = sandbox.start();
    assert_eq!(pid(&daemon.wait_for("one", "RUNNING")), steady);
    daemon.stays("done", "EXITED", Duration::from_millis(300));
    assert_eq!(
        sandbox.starts("jobs").len(),
        1,
        "what has ended for good isn't begun again"
    );
}
