//! `s7ctl restart`.

use s7tests::registry::Server;
use s7tests::sandbox::Sandbox;

#[test]
fn restart_is_one_new_run_and_no_crash() {
    let sandbox = Sandbox::with(&[
        Server::new("one", "record starts wait"),
        Server::new("two", "wait"),
    ]);
    let daemon = sandbox.start();
    let before = daemon.wait_for("one", "RUNNING");
    let other = daemon.wait_for("two", "RUNNING")["pid"].clone();
    sandbox.ctl(&["restart", "one"]).exits(0);
    let after = daemon.component("one");
    assert_eq!(after["state"], "RUNNING");
    assert_ne!(after["pid"], before["pid"]);
    assert_eq!(after["run"].as_u64(), before["run"].as_u64().map(|run| run + 1));
    assert_eq!(
        after["restarts"], 0,
        "a restart that was asked for is no crash: {after}"
    );
    assert_eq!(sandbox.starts("starts").len(), 2);
    assert_eq!(daemon.component("two")["pid"], other);
}

#[test]
fn restart_of_something_stopped_starts_it() {
    let sandbox = Sandbox::with(&[Server::new("one", "wait").with("<autoStart>false</autoStart>")]);
    let daemon = sandbox.start();
    sandbox.ctl(&["restart", "one"]).exits(0);
    assert_eq!(daemon.component("one")["state"], "RUNNING");
}
