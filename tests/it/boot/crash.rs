//! The daemon dies or hangs; its components don't.

use s7tests::eventually::{SOON, eventually, when};
use s7tests::registry::Server;
use s7tests::systemd::Machine;
use std::time::Duration;

/// Waits until systemd has another supervisor than `before`, and that answers.
pub fn next_supervisor(machine: &Machine, before: u32, deadline: Duration) -> u32 {
    let next = eventually("there is another supervisor", deadline, || {
        let pid = machine.main_pid();
        if pid != 0 && pid != before {
            Ok(pid)
        } else {
            Err(machine.journal())
        }
    });
    eventually("it is ready", SOON, || {
        let state = machine.property("ActiveState");
        when(state == "active", || state.clone())
    });
    next
}

#[test]
fn a_supervisor_that_is_killed_comes_back_and_its_components_have_not_noticed_needs_systemd() {
    let test = "a_supervisor_that_is_killed_comes_back_and_its_components_have_not_noticed_needs_systemd";
    let Some(machine) = Machine::boot(test, &[Server::new("one", "wait"), Server::new("two", "wait")]) else {
        return;
    };
    machine.install(&[]);
    machine.start();
    let mut supervisor = machine.main_pid();
    let components = ["one", "two"].map(|id| machine.wait_until_running(id));
    for _ in 0..3 {
        let _ = machine.run(&["kill", "-KILL", &supervisor.to_string()]).exits(0);
        supervisor = next_supervisor(&machine, supervisor, SOON);
        assert_eq!(
            ["one", "two"].map(|id| machine.wait_until_running(id)),
            components
        );
    }
    // What runs in the service's group is ended by its stop as ever.
    let _ = machine
        .run(&["systemctl", "stop", "ImageServing.service"])
        .exits(0);
    assert_eq!(machine.pids_of("fixture"), [0; 0]);
    assert_eq!(machine.property("Result"), "success");
}

#[test]
fn a_supervisor_that_hangs_is_replaced_by_the_watchdog_needs_systemd() {
    let test = "a_supervisor_that_hangs_is_replaced_by_the_watchdog_needs_systemd";
    let Some(machine) = Machine::boot(test, &[Server::new("one", "wait")]) else {
        return;
    };
    machine.install(&[]);
    machine.drop_in("WatchdogSec=2");
    machine.start();
    let supervisor = machine.main_pid();
    let component = machine.wait_until_running("one");
    // As long as it turns, nobody ends it.
    std::thread::sleep(Duration::from_secs(5));
    assert_eq!(machine.main_pid(), supervisor);
    let _ = machine.run(&["kill", "-STOP", &supervisor.to_string()]).exits(0);
    next_supervisor(&machine, supervisor, SOON * 2);
    let journal = machine.journal();
    assert!(journal.contains("Watchdog timeout"), "{journal}");
    assert_eq!(machine.wait_until_running("one"), component);
}
