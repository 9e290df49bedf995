//! A process that the kernel doesn't let go, as one that waits for a dead disk.

use rustix::process::Signal;
use s7tests::cgroup::Cgroup;
use s7tests::daemon::pid;
use s7tests::eventually::{SOON, eventually, when};
use s7tests::processes::{is_alive, reap_adopted};
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

#[test]
fn a_shutdown_waits_for_an_unkillable_component_only_so_long_needs_root() {
    let test = "a_shutdown_waits_for_an_unkillable_component_only_so_long_needs_root";
    let sandbox = Sandbox::with(&[
        // Of a later tier, so that the others are stopped only behind it.
        Server::new("held", "record starts wait")
            .stop_timeout("300ms")
            .tier(2),
        Server::new("free", "record free slow-stop 0"),
    ]);
    let freezer = match Cgroup::new("freezer", "s7t-shutdown") {
        Ok(freezer) => freezer,
        Err(why) => return s7tests::not_run(test, &why),
    };
    let mut daemon = sandbox.start();
    let held = pid(&daemon.wait_for("held", "RUNNING")).expect("it runs");
    let free = pid(&daemon.wait_for("free", "RUNNING")).expect("it runs");
    freezer.set("cgroup.procs", &held.to_string());
    freezer.set("freezer.state", "FROZEN");
    eventually("it is frozen", SOON, || {
        when(freezer.get("freezer.state") == "FROZEN", || "not yet".into())
    });
    daemon.signal(Signal::TERM);
    // Three tries to kill it, five seconds apart (reliability D), and then everything else.
    let status = daemon.wait_within(Duration::from_secs(90));
    assert_eq!(status.code(), Some(0), "a requested stop");
    assert!(!is_alive(free), "the others were stopped in order");
    assert!(is_alive(held), "it is still there, or this test shows nothing");
    let log = sandbox.supervisor_log();
    assert!(
        log.lines()
            .any(|line| line.contains("held") && line.contains("killed")),
        "nobody is told what was left: {log}"
    );
    freezer.set("freezer.state", "THAWED");
    eventually("the kill has its effect", SOON, || {
        reap_adopted();
        when(!is_alive(held), || "it lives".into())
    });
    // What the daemon had to leave, the next one finds, and carries on.
    let daemon = sandbox.start();
    daemon.wait_for("held", "RUNNING");
    assert_eq!(sandbox.starts("starts").len(), 2);
}
