//! Somebody else ends a component: the kernel for its memory, an operator with `kill -9`.

use rustix::process::Signal;
use s7tests::cgroup::Cgroup;
use s7tests::daemon::pid;
use s7tests::eventually::SOON;
use s7tests::processes::send;
use s7tests::registry::Server;
use s7tests::sandbox::Sandbox;
use std::time::Duration;

#[test]
fn a_kill_from_outside_is_told_as_a_crash_by_a_signal_and_made_good() {
    let sandbox = Sandbox::with(&[Server::new("one", "record starts wait")]);
    let daemon = sandbox.start();
    let before = pid(&daemon.wait_for("one", "RUNNING")).expect("it runs");
    send(before, Signal::KILL);
    let seen = daemon.wait_until("it is back", "one", SOON, |seen| {
        seen["state"] == "RUNNING" && seen["pid"] != before
    });
    let exit = &seen["last_exit"];
    assert_eq!(
        (&exit["signal"], &exit["reason"]),
        (&"SIGKILL".into(), &"crashed".into()),
        "not taken for a kill of ours: {seen}"
    );
    let said = sandbox.ctl(&["status"]).exits(0);
    assert!(said.stdout.contains("was ended by SIGKILL"), "{said}");
}

#[test]
fn a_component_that_the_kernel_ends_for_its_memory_is_spaced_as_any_crash_needs_root() {
    let test = "a_component_that_the_kernel_ends_for_its_memory_is_spaced_as_any_crash_needs_root";
    let memory = match Cgroup::new("memory", "s7t-memory") {
        Ok(memory) => memory,
        Err(why) => return s7tests::not_run(test, &why),
    };
    memory.set("memory.limit_in_bytes", "16777216");
    let sandbox = Sandbox::with(&[
        Server::new("steady", "record steady wait"),
        // It puts itself where there is little memory, and takes more than that.
        Server::program(
            "greedy",
            "/bin/sh",
            vec![
                "-c".into(),
                format!(
                    "echo $$ >{} && exec tail /dev/zero",
                    memory.path("cgroup.procs").display()
                ),
            ],
        ),
    ]);
    let daemon = sandbox.start();
    let seen = daemon.wait_until("it crashes", "greedy", Duration::from_secs(60), |seen| {
        seen["restarts"].as_u64() >= Some(2) && seen["state"] == "BACKOFF"
    });
    assert_eq!(seen["last_exit"]["signal"], "SIGKILL", "{seen}");
    // Only the kernel's log tells it here: this cgroup isn't one of a run.
    let tells = std::process::Command::new("dmesg")
        .output()
        .is_ok_and(|said| String::from_utf8_lossy(&said.stdout).contains("Killed process"));
    let reason = if tells { "out_of_memory" } else { "crashed" };
    assert_eq!(seen["last_exit"]["reason"], reason, "{seen}");
    // Somebody else's kill is none, also after one.
    let steady = pid(&daemon.wait_for("steady", "RUNNING")).expect("it runs");
    send(steady, Signal::KILL);
    let seen = daemon.wait_until("it is back", "steady", SOON, |seen| {
        seen["state"] == "RUNNING" && seen["pid"] != steady
    });
    assert_eq!(seen["last_exit"]["reason"], "crashed", "{seen}");
    assert_eq!(sandbox.starts("steady").len(), 2);
    sandbox.ctl(&["stop", "greedy"]).exits(0);
    daemon.wait_for("steady", "RUNNING");
}
