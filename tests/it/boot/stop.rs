//! Stopping the service: as long as it takes, and nothing is left.

use s7tests::ctl;
use s7tests::eventually::{SOON, eventually, when};
use s7tests::processes;
use s7tests::registry::Server;
use s7tests::systemd::Machine;
use std::time::{Duration, Instant};

#[test]
fn a_stop_takes_the_time_that_its_components_need_and_leaves_nothing_needs_systemd() {
    let test = "a_stop_takes_the_time_that_its_components_need_and_leaves_nothing_needs_systemd";
    let slow = Server::new("slow", "ignore TERM wait").stop_timeout("12");
    let Some(machine) = Machine::boot(test, &[slow.tier(2), Server::new("one", "fork-setsid left wait")])
    else {
        return;
    };
    machine.install(&[]);
    // Less than the stop takes: it is the supervisor that asks for more.
    machine.drop_in("TimeoutStopSec=3");
    machine.start();
    machine.wait_until_running("slow");
    machine.wait_until_running("one");
    let begun = Instant::now();
    let _ = machine
        .run(&["systemctl", "stop", "ImageServing.service"])
        .exits(0);
    assert!(
        begun.elapsed() >= Duration::from_secs(11),
        "{:?}",
        begun.elapsed()
    );
    assert_eq!(machine.property("Result"), "success", "{}", machine.journal());
    assert_eq!(machine.pids_of("fixture"), [0; 0]);
    assert_eq!(machine.main_pid(), 0);

    machine.write_registry(&[Server::new("one", "wait")]);
    machine.start();
    let before = machine.wait_until_running("one");
    let _ = machine.run(&["s7supervisord", "service", "restart"]).exits(0);
    assert_ne!(machine.wait_until_running("one"), before);
    assert_eq!(machine.pids_of("fixture").len(), 1);
    // A stop by the client is one too: nobody brings the supervisor back.
    let _ = machine.run(&["s7ctl", "stop"]).exits(0);
    eventually("the service is down", SOON, || {
        let state = machine.property("ActiveState");
        when(state == "inactive", || state.clone())
    });
    assert_eq!(machine.property("Result"), "success");
    assert_eq!(machine.pids_of("s7supervisord"), [0; 0]);

    // And its start is one of the service.
    let _ = machine.run(&["s7ctl", "start"]).exits(0);
    assert_eq!(machine.property("ActiveState"), "active");
    assert_eq!(machine.pids_of("s7supervisord"), [machine.main_pid()]);
    let _ = machine
        .run(&["systemctl", "stop", "ImageServing.service"])
        .exits(0);
    machine.write_registry(&[Server::new("one", "wait").with("<nonsense")]);
    let _ = machine
        .run(&["s7ctl", "start"])
        .exits(1)
        .says("the service manager could not start the supervisor");
}

#[test]
fn what_a_stop_that_was_cut_short_has_not_come_to_is_ended_needs_systemd() {
    let test = "what_a_stop_that_was_cut_short_has_not_come_to_is_ended_needs_systemd";
    let slow = Server::new("slow", "ignore TERM wait").stop_timeout("600");
    let Some(machine) = Machine::boot(test, &[slow.tier(2), Server::new("one", "wait")]) else {
        return;
    };
    machine.install(&[]);
    machine.start();
    machine.wait_until_running("slow");
    machine.wait_until_running("one");
    let supervisor = machine.main_pid();
    let mut command = machine
        .command(&["systemctl", "stop", "ImageServing.service"])
        .expect("the machine runs");
    let stop = ctl::start(&mut command);
    eventually("the stop has begun and is marked", SOON, || {
        let marked = machine.has("/run/s7supervisord/stop-requested");
        when(marked, || machine.journal())
    });
    let _ = machine.run(&["kill", "-KILL", &supervisor.to_string()]).exits(0);
    let _ = ctl::finish(stop, "systemctl stop".into()).exits(0);
    assert_eq!(machine.pids_of("fixture"), [0; 0], "{}", machine.journal());
    assert_eq!(machine.main_pid(), 0);
    assert!(
        !machine.has("/run/s7supervisord/stop-requested"),
        "it was seen to"
    );
    processes::reap_adopted();
}
