//! Trees that take more memory than they may.

use s7tests::registry::Server;
use s7tests::sandbox::Sandbox;
use std::time::Duration;

/// Twelve times the time from one measurement to the next.
const LONG: Duration = Duration::from_secs(60);

#[test]
fn a_tree_that_grows_above_its_soft_limit_is_asked_to_stop_and_followed_by_a_new_run() {
    // It is its child that grows.
    let script =
        "trap 'echo stopped politely; exit 0' TERM; bin/fixture grow 120 & while :; do sleep 0.05; done";
    let server = Server::program("is", "/bin/sh", vec!["-c".into(), script.into()])
        .with("<memory soft=\"100MB\" hard=\"10GB\"/>");
    let sandbox = Sandbox::with(&[server]);
    let daemon = sandbox.start();
    let seen = daemon.wait_until("a new run takes its place", "is", LONG, |seen| {
        seen["restarts"] == 1
    });
    assert_eq!(seen["last_exit"]["reason"], "too_much_memory", "{seen}");
    assert_eq!(seen["memory_soft_bytes"], 100_000_000, "{seen}");
    assert!(sandbox.log_of("is").contains("stopped politely"));
    daemon.stop();
}

#[test]
fn a_tree_above_its_hard_limit_is_killed_where_the_system_does_not_see_to_it() {
    let sandbox =
        Sandbox::with(&[Server::new("is", "ignore TERM grow 120 wait").with("<memory hard=\"100MB\"/>")]);
    let daemon = sandbox.start();
    let seen = daemon.wait_until("it is ended", "is", LONG, |seen| seen["restarts"] == 1);
    assert_eq!(
        (&seen["last_exit"]["reason"], &seen["last_exit"]["signal"]),
        (&"too_much_memory".into(), &"SIGKILL".into()),
        "{seen}"
    );
    assert_eq!(seen["memory_hard_bytes"], 100_000_000, "{seen}");
    assert_eq!(seen["memory_hard_by"], "sampling", "{seen}");
    daemon.stop();
}

#[test]
fn who_stays_below_his_limits_is_left_alone() {
    let sandbox = Sandbox::with(&[
        Server::new("is", "grow 20 wait").with("<memory soft=\"200MB\" hard=\"300MB\"/>"),
        Server::new("svg", "grow 120 wait"),
    ]);
    let daemon = sandbox.start();
    daemon.wait_for("is", "RUNNING");
    daemon.stays("is", "RUNNING", Duration::from_secs(16));
    let (is, svg) = (daemon.component("is"), daemon.component("svg"));
    assert_eq!((&is["restarts"], &svg["restarts"]), (&0.into(), &0.into()));
    assert!(svg["memory_hard_bytes"].is_null(), "{svg}");
    daemon.stop();
}
