//! The machine has no process to spare.

use s7tests::cgroup::Cgroup;
use s7tests::eventually::SOON;
use s7tests::registry::Server;
use s7tests::sandbox::Sandbox;
use std::time::{Duration, Instant};

#[test]
fn a_machine_without_processes_to_spare_delays_a_start_and_blames_nobody_needs_root() {
    let test = "a_machine_without_processes_to_spare_delays_a_start_and_blames_nobody_needs_root";
    let sandbox = Sandbox::with(&[
        Server::new("here", "wait"),
        Server::new("late", "record starts wait").with("<autoStart>false</autoStart>"),
    ]);
    let crowd = match Cgroup::new("pids", "s7t-crowd") {
        Ok(crowd) => crowd,
        Err(why) => return s7tests::not_run(test, &why),
    };
    let daemon = sandbox.start();
    let before = daemon.wait_for("here", "RUNNING");
    crowd.set("cgroup.procs", &daemon.pid().to_string());
    crowd.set("pids.max", &crowd.get("pids.current"));
    let said = sandbox.ctl(&["--timeout", "2", "start", "late"]);
    assert_ne!(said.code, Some(0), "there is no process for it: {said}");
    let seen = daemon.wait_until("the host is blamed", "late", SOON, |seen| {
        seen["state"] == "BACKOFF" && seen["reason_code"] == "host_fault"
    });
    assert_eq!(
        seen["restarts"], 0,
        "a start that the machine refused is no crash: {seen}"
    );
    assert!(sandbox.starts("starts").is_empty());
    let asked = Instant::now();
    let _ = daemon.status();
    assert!(
        asked.elapsed() < Duration::from_secs(5),
        "it answers all the same"
    );
    assert_eq!(daemon.component("here")["pid"], before["pid"]);
    crowd.set("pids.max", "max");
    let seen = daemon.wait_for_within("late", "RUNNING", Duration::from_secs(40));
    assert_eq!(sandbox.starts("starts").len(), 1, "{seen}");
}
