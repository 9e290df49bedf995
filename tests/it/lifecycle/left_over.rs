//! What lives of a component that the registry no longer has when the next daemon begins.

use s7tests::daemon::pid;
use s7tests::eventually::{SOON, eventually, when};
use s7tests::processes::is_alive;
use s7tests::registry::Server;
use s7tests::sandbox::Sandbox;

#[test]
fn what_a_component_that_left_the_registry_has_left_is_ended_and_told_once() {
    let stays = || Server::new("stays", "wait");
    let sandbox = Sandbox::with(&[stays(), Server::new("leaves", "record starts wait")]);
    let daemon = sandbox.start();
    daemon.wait_for("stays", "RUNNING");
    let left = pid(&daemon.wait_for("leaves", "RUNNING")).expect("it runs");
    daemon.kill();
    sandbox.write_registry(&[stays()]);
    let daemon = sandbox.start();
    eventually("its end is in the record", SOON, || {
        let record = sandbox.read("run/journal");
        when(record.contains("end leaves 1 "), || record.clone())
    });
    assert!(!is_alive(left));
    eventually("its end is told", SOON, || {
        let told = sandbox.ctl(&["--json", "events"]).exits(0).stdout;
        let of = |gone: bool| format!("\"gone\":{gone}");
        when(told.contains(&of(false)) && told.contains(&of(true)), || {
            told.clone()
        })
    });
    let warnings = || sandbox.supervisor_log().matches("no longer wanted").count();
    assert_eq!(warnings(), 1);
    daemon.kill();
    let daemon = sandbox.start();
    daemon.wait_for("stays", "RUNNING");
    assert_eq!(warnings(), 1, "nothing is left of it");
    // Under the same name it begins anew, and that old end is not its own.
    sandbox.write_registry(&[stays(), Server::new("leaves", "record starts wait")]);
    sandbox.ctl(&["reload"]).exits(0);
    let again = pid(&daemon.wait_for("leaves", "RUNNING"));
    daemon.kill();
    let daemon = sandbox.start();
    assert_eq!(pid(&daemon.wait_for("leaves", "RUNNING")), again);
    assert_eq!(sandbox.starts("starts").len(), 2);
}
