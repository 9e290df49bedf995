//! `s7ctl wait`.

use s7tests::registry::Server;
use s7tests::sandbox::Sandbox;
use s7tests::stream::Stream;
use std::time::{Duration, Instant};

#[test]
fn a_wait_ends_when_everything_that_is_to_run_is_ready_and_not_before() {
    let idle = Server::new("idle", "wait").with("<autoStart>false</autoStart>");
    let slow = Server::new("slow", "wait").start_delay("600ms");
    let sandbox = Sandbox::with(&[Server::new("one", "wait"), slow, idle]);
    let begun = Instant::now();
    let daemon = sandbox.start();
    let said = sandbox.ctl(&["wait"]).exits(0);
    assert!(
        begun.elapsed() >= Duration::from_millis(600),
        "it came back before it was ready"
    );
    assert_eq!(daemon.component("slow")["state"], "RUNNING", "{said}");
    assert!(said.stdout.contains("slow: is up, pid "), "{said}");
    let said = sandbox.ctl(&["wait", "slow", "idle"]).exits(3);
    assert!(said.stderr.contains("s7ctl start idle"), "{said}");
    assert_eq!(
        daemon.component("idle")["state"],
        "STOPPED",
        "a wait changes nothing"
    );
    sandbox.ctl(&["wait", "nobody"]).exits(4);
}

#[test]
fn a_wait_for_what_is_given_up_fails_and_one_that_takes_too_long_changes_nothing() {
    let weak = Server::new("weak", "sleep 100 exit 9")
        .start_delay("10")
        .with("<restart policy=\"always\" maxRetries=\"1\"/>");
    let late = Server::new("late", "record starts wait").start_delay("60");
    let sandbox = Sandbox::with(&[weak, late]);
    let daemon = sandbox.start();
    let said = sandbox.ctl(&["wait", "weak"]).exits(1);
    assert!(
        said.stderr.contains("weak: was given up: exited with code 9"),
        "{said}"
    );
    assert_eq!(daemon.component("weak")["state"], "FATAL");
    let begun = Instant::now();
    let said = sandbox.ctl(&["wait", "late", "--timeout", "300ms"]).exits(6);
    assert!(begun.elapsed() < Duration::from_secs(10), "{said}");
    assert!(
        said.stderr.contains("still waiting for late (STARTING)"),
        "{said}"
    );
    assert_eq!(daemon.component("late")["state"], "STARTING");
    assert_eq!(sandbox.starts("starts").len(), 1);
}

#[test]
fn a_wait_for_the_end_is_over_when_the_last_process_is_gone() {
    let sandbox = Sandbox::with(&[Server::new("one", "slow-stop 400 wait")]);
    let daemon = sandbox.start();
    daemon.wait_for("one", "RUNNING");
    let pid = daemon.pid_of("one");
    let waits = Stream::start(sandbox.ctl_command().args(["wait", "--for", "down", "one"]));
    let stops = Stream::start(sandbox.ctl_command().args(["stop", "one"]));
    let said = waits.finish().exits(0);
    assert!(!s7tests::processes::is_alive(pid), "{said}");
    assert_eq!(said.stdout, "one: is down\n");
    let _stopped = stops.finish().exits(0);
}

#[test]
fn a_wait_for_what_leaves_the_registry_does_not_wait_for_ever() {
    let kept = Server::new("kept", "wait");
    let late = Server::new("late", "wait").start_delay("60");
    let sandbox = Sandbox::with(&[kept.clone(), late]);
    let daemon = sandbox.start();
    daemon.wait_for("late", "STARTING");
    let waits = Stream::start(sandbox.ctl_command().args(["wait", "late"]));
    sandbox.write_registry(&[kept]);
    sandbox.ctl(&["reload"]).exits(0);
    let said = waits.finish();
    assert!(matches!(said.code, Some(3 | 4)), "{said}");
}
