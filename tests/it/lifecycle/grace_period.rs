//! The polite stop, and what comes after it.

use rustix::process::Signal;
use s7tests::daemon::pid;
use s7tests::eventually::{SOON, eventually, when};
use s7tests::processes::{is_alive, process, send};
use s7tests::registry::Server;
use s7tests::sandbox::Sandbox;
use std::time::{Duration, Instant};

#[test]
fn a_component_that_ignores_the_polite_stop_is_killed_after_its_time() {
    let sandbox =
        Sandbox::with(&[Server::new("deaf", "ignore TERM record starts wait").stop_timeout("700ms")]);
    let daemon = sandbox.start();
    let before = pid(&daemon.wait_for("deaf", "RUNNING")).expect("it runs");
    let begun = Instant::now();
    let said = sandbox.ctl(&["stop", "deaf"]).exits(0);
    let took = begun.elapsed();
    assert!(took >= Duration::from_millis(700), "it had its time: {took:?}");
    assert!(
        took < Duration::from_millis(3500),
        "and no more than that: {took:?}"
    );
    assert!(!is_alive(before), "{said}");
    let seen = daemon.component("deaf");
    assert_eq!(seen["state"], "STOPPED");
    assert_eq!(seen["last_exit"]["signal"], "SIGKILL");
    let reason = seen["last_exit"]["reason"].to_string();
    assert!(
        reason.contains("kill"),
        "the report tells that it was killed: {seen}"
    );
}

#[test]
fn a_component_that_stops_in_its_time_is_not_killed() {
    let sandbox = Sandbox::with(&[Server::new("slow", "slow-stop 600 wait").stop_timeout("30")]);
    let daemon = sandbox.start();
    daemon.wait_for("slow", "RUNNING");
    let begun = Instant::now();
    sandbox.ctl(&["stop", "slow"]).exits(0);
    assert!(begun.elapsed() >= Duration::from_millis(600));
    let seen = daemon.component("slow");
    assert_eq!(seen["last_exit"]["code"], 0, "{seen}");
    assert!(seen["last_exit"]["signal"].is_null());
}

#[test]
fn a_frozen_component_is_woken_to_hear_the_polite_stop() {
    let sandbox = Sandbox::with(&[Server::new("frozen", "wait").stop_timeout("60")]);
    let daemon = sandbox.start();
    let before = pid(&daemon.wait_for("frozen", "RUNNING")).expect("it runs");
    send(before, Signal::STOP);
    eventually("it is frozen", SOON, || {
        let seen = process(before);
        when(seen.as_ref().is_some_and(|seen| seen.state == 'T'), || {
            format!("{seen:?}")
        })
    });
    let begun = Instant::now();
    sandbox.ctl(&["stop", "frozen"]).exits(0);
    assert!(
        begun.elapsed() < Duration::from_secs(20),
        "its sixty seconds were not needed: {:?}",
        begun.elapsed()
    );
    assert_eq!(daemon.component("frozen")["last_exit"]["signal"], "SIGTERM");
}

#[test]
fn the_registry_chooses_the_signal_of_the_polite_stop() {
    let by_int = Server::new("by-int", "ignore TERM wait").with("<stop method=\"signal\" signal=\"INT\"/>");
    let sandbox = Sandbox::with(&[by_int.stop_timeout("60")]);
    let daemon = sandbox.start();
    daemon.wait_for("by-int", "RUNNING");
    sandbox.ctl(&["stop", "by-int"]).exits(0);
    assert_eq!(daemon.component("by-int")["last_exit"]["signal"], "SIGINT");
}
