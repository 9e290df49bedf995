//! `s7ctl stop`.

use s7tests::registry::Server;
use s7tests::sandbox::Sandbox;

#[test]
fn stop_is_done_when_it_is_gone_and_where_it_is_already() {
    let sandbox = Sandbox::with(&[
        Server::new("one", "slow-stop 300 wait"),
        Server::new("two", "wait"),
    ]);
    let daemon = sandbox.start();
    let pid = s7tests::daemon::pid(&daemon.wait_for("one", "RUNNING")).expect("it runs");
    daemon.wait_for("two", "RUNNING");
    sandbox.ctl(&["stop", "one"]).exits(0);
    assert!(!s7tests::processes::is_alive(pid));
    let seen = daemon.component("one");
    assert_eq!(
        (&seen["state"], &seen["wish"]),
        (&"STOPPED".into(), &"down".into())
    );
    sandbox.ctl(&["stop", "one"]).exits(0);
    assert_eq!(daemon.component("two")["state"], "RUNNING");
}

#[test]
fn stop_all_leaves_the_daemon_up() {
    let sandbox = Sandbox::with(&[Server::new("one", "wait"), Server::new("two", "wait").tier(2)]);
    let daemon = sandbox.start();
    daemon.wait_for("two", "RUNNING");
    sandbox.ctl(&["stop", "all"]).exits(0);
    assert_eq!(sandbox.processes().len(), 1, "only the daemon is left");
    assert_eq!(daemon.status()["supervisor"]["pid"], daemon.pid());
}
