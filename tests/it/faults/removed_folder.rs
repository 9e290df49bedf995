//! Somebody cleans up where the daemon lives.

use s7tests::daemon::pid;
use s7tests::eventually::{SOON, eventually, when};
use s7tests::processes::send;
use s7tests::registry::Server;
use s7tests::sandbox::Sandbox;

use rustix::process::Signal;

#[test]
fn a_runtime_folder_that_is_removed_costs_no_restart_and_sighup_brings_the_socket_back() {
    let sandbox = Sandbox::with(&[Server::new("lasting", "record starts wait")]);
    let daemon = sandbox.start();
    let first = pid(&daemon.wait_for("lasting", "RUNNING")).expect("it runs");
    std::fs::remove_dir_all(sandbox.path("run")).expect("the sandbox is ours");
    send(first, Signal::KILL);
    eventually("it is started again without the folder", SOON, || {
        let starts = sandbox.starts("starts");
        when(starts.len() == 2, || format!("{starts:?}"))
    });
    sandbox.ctl(&["status"]).exits(3);
    daemon.signal(Signal::HUP);
    eventually("the socket is there again", SOON, || {
        let said = sandbox.ctl(&["status", "lasting"]);
        when(
            matches!(said.code, Some(0 | 3)) && said.stdout.contains("lasting"),
            || said.to_string(),
        )
    });
    daemon.wait_for("lasting", "RUNNING");
    eventually("the record is there again, with what runs", SOON, || {
        let status = daemon.status();
        let fault = &status["supervisor"]["state_not_persisted"];
        let record = std::fs::read_to_string(sandbox.path("run/journal")).unwrap_or_default();
        when(fault.is_null() && record.contains("start lasting 2 "), || {
            format!("{status} {record}")
        })
    });
    let mut rival = sandbox.spawn_with(&[]);
    assert_eq!(rival.wait().code(), Some(69), "the lock is back too");
    let second = pid(&daemon.component("lasting"));
    daemon.kill();
    let daemon = sandbox.start();
    let adopted = pid(&daemon.wait_for("lasting", "RUNNING"));
    assert_eq!(
        (adopted, sandbox.starts("starts").len()),
        (second, 2),
        "it goes on"
    );
}
