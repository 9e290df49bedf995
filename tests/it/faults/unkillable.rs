//! A process that the kernel doesn't let go, as one that waits for a dead disk.

use s7tests::cgroup::Cgroup;
use s7tests::daemon::pid;
use s7tests::eventually::{SOON, eventually, when};
use s7tests::processes::is_alive;
use s7tests::registry::Server;
use s7tests::sandbox::Sandbox;
use std::time::{Duration, Instant};

#[test]
fn an_unkillable_component_is_stuck_and_holds_nobody_else_up_needs_root() {
    let test = "an_unkillable_component_is_stuck_and_holds_nobody_else_up_needs_root";
    let sandbox = Sandbox::with(&[
        Server::new("held", "record starts wait")
            .stop_timeout("300ms")
            .tier(2),
        Server::new("free", "wait"),
    ]);
    // A frozen process of the v1 freezer doesn't die by SIGKILL until it is thawed.
    let freezer = match Cgroup::new("freezer", "s7t-held") {
        Ok(freezer) => freezer,
        Err(why) => return s7tests::not_run(test, &why),
    };
    let daemon = sandbox.start();
    let held = pid(&daemon.wait_for("held", "RUNNING")).expect("it runs");
    freezer.set("cgroup.procs", &held.to_string());
    freezer.set("freezer.state", "FROZEN");
    eventually("it is frozen", SOON, || {
        when(freezer.get("freezer.state") == "FROZEN", || "not yet".into())
    });
    let said = sandbox.ctl(&["--timeout", "60", "stop", "held"]).exits(1);
    assert!(said.stderr.contains("held"), "{said}");
    let seen = daemon.component("held");
    assert_eq!(
        (&seen["state"], &seen["reason_code"]),
        (&"STUCK".into(), &"unkillable".into()),
        "{seen}"
    );
    assert!(is_alive(held), "it is still there, or this test shows nothing");
    let begun = Instant::now();
    sandbox.ctl(&["restart", "free"]).exits(0);
    assert!(begun.elapsed() < Duration::from_secs(10), "nobody waits for it");
    let again = sandbox.ctl(&["--timeout", "1", "start", "held"]);
    assert_ne!(again.code, Some(0), "there is never a second copy: {again}");
    assert_eq!(sandbox.starts("starts").len(), 1);
    let _ = sandbox.ctl(&["--timeout", "1", "stop", "held"]);
    freezer.set("freezer.state", "THAWED");
    let seen = daemon.wait_for("held", "STOPPED");
    assert_eq!(seen["last_exit"]["signal"], "SIGKILL", "{seen}");
    assert!(!is_alive(held));
    assert_eq!(sandbox.starts("starts").len(), 1);
}
