//! `s7ctl shutdown`.

use s7tests::registry::Server;
use s7tests::sandbox::Sandbox;

#[test]
fn shutdown_stops_everything_and_then_the_daemon() {
    let sandbox = Sandbox::with(&[
        Server::new("one", "slow-stop 200 wait"),
        Server::new("two", "wait").tier(2),
    ]);
    let mut daemon = sandbox.start();
    daemon.wait_for("two", "RUNNING");
    sandbox.ctl(&["shutdown"]).exits(0);
    assert_eq!(daemon.wait().code(), Some(0));
    sandbox.assert_nothing_left();
    sandbox.ctl(&["status"]).exits(3);
}

#[test]
fn a_shutdown_records_no_wishes() {
    let sandbox = Sandbox::with(&[Server::new("one", "wait"), Server::new("two", "wait")]);
    let mut daemon = sandbox.start();
    daemon.wait_for("one", "RUNNING");
    sandbox.ctl(&["shutdown"]).exits(0);
    assert_eq!(daemon.wait().code(), Some(0));
    let daemon = sandbox.start();
    daemon.wait_for("one", "RUNNING");
    daemon.wait_for("two", "RUNNING");
}
