//! Somebody cleans up where the daemon lives.

use s7tests::daemon::{Daemon, pid};
use s7tests::eventually::{SOON, eventually, when};
use s7tests::processes::send;
use s7tests::registry::Server;
use s7tests::sandbox::Sandbox;

use rustix::process::Signal;

/// Waits until clients and a next supervisor find everything, with `run` of the component in the record.
fn everything_is_there_again(sandbox: &Sandbox, daemon: &Daemon<'_>, run: u64) {
    eventually("the socket is there again", SOON, || {
        let said = sandbox.ctl(&["status", "lasting"]);
        when(
            matches!(said.code, Some(0 | 3)) && said.stdout.contains("lasting"),
            || said.to_string(),
        )
    });
    daemon.wait_for("lasting", "RUNNING");
    let start = format!("start lasting {run} ");
    eventually("the record is there again, with what runs", SOON, || {
        let status = daemon.status();
        let fault = &status["supervisor"]["state_not_persisted"];
        let record = sandbox.read("run/journal");
        when(
            fault.is_null() && record.contains(&start) && sandbox.path("run/registry.kept").exists(),
            || format!("{status} {record}"),
        )
    });
    let mut rival = sandbox.spawn_with(&[]);
    assert_eq!(rival.wait().code(), Some(69), "the lock is back too");
}

#[test]
fn a_runtime_folder_that_is_removed_is_made_again_at_once_and_costs_no_restart() {
    let sandbox = Sandbox::with(&[Server::new("lasting", "record starts wait")]);
    let daemon = sandbox.start();
    let first = pid(&daemon.wait_for("lasting", "RUNNING")).expect("it runs");
    // Somebody who removes what is made again while he removes it finds a folder that isn't empty.
    let _ = std::fs::remove_dir_all(sandbox.path("run"));
    everything_is_there_again(&sandbox, &daemon, 1);
    std::fs::rename(sandbox.path("run"), sandbox.path("aside")).expect("the sandbox is ours");
    everything_is_there_again(&sandbox, &daemon, 1);
    for name in ["lock", "control.sock", "journal"] {
        std::fs::remove_file(sandbox.path(&format!("run/{name}"))).expect("it is there");
        everything_is_there_again(&sandbox, &daemon, 1);
    }
    assert_eq!(daemon.pid_of("lasting"), first);
    assert!(sandbox.supervisor_log().contains("was gone"), "it says so");
    send(first, Signal::KILL);
    eventually("it is started again", SOON, || {
        let starts = sandbox.starts("starts");
        when(starts.len() == 2, || format!("{starts:?}"))
    });
    everything_is_there_again(&sandbox, &daemon, 2);
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

#[test]
fn a_runtime_folder_that_cannot_be_made_again_is_told_and_made_once_it_can() {
    let sandbox = Sandbox::with(&[Server::new("lasting", "record starts wait")]);
    let daemon = sandbox.start();
    let first = pid(&daemon.wait_for("lasting", "RUNNING")).expect("it runs");
    daemon.signal(Signal::STOP);
    let run = sandbox.path("run");
    std::fs::remove_dir_all(&run).expect("the sandbox is ours");
    std::fs::write(&run, "something else").expect("the sandbox is ours");
    daemon.signal(Signal::CONT);
    eventually("it says so", SOON, || {
        let log = sandbox.supervisor_log();
        when(log.contains("it is tried again each second"), || log.clone())
    });
    std::fs::remove_file(&run).expect("the sandbox is ours");
    everything_is_there_again(&sandbox, &daemon, 1);
    assert_eq!(daemon.pid_of("lasting"), first);
}
