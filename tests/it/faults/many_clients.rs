//! Many clients that want different things, and clients that vanish.

use rustix::process::Signal;
use s7tests::eventually::SOON;
use s7tests::processes::{self, send};
use s7tests::registry::Server;
use s7tests::sandbox::Sandbox;
use s7tests::{ctl, ctl::Output};
use std::time::Duration;

const VERBS: [&str; 3] = ["start", "stop", "restart"];

#[test]
fn concurrent_commands_each_get_one_answer_and_the_last_wish_holds() {
    let servers = ["a", "b", "c"].map(|id| Server::new(id, "record starts wait").start_delay("5ms"));
    let sandbox = Sandbox::with(&servers);
    let daemon = sandbox.start();
    for (round, last) in [(0usize, "stop"), (1, "start"), (2, "restart"), (3, "stop")] {
        let clients: Vec<_> = (0..24usize)
            .map(|client| {
                let verb = VERBS[(client * 7 + round) % VERBS.len()];
                let component = ["a", "b", "c"][(client + round) % 3];
                let command = [verb, component];
                (command, ctl::start(sandbox.ctl_command().args(command)))
            })
            .collect();
        let answers: Vec<Output> = clients
            .into_iter()
            .map(|(command, client)| ctl::finish(client, command.join(" ")))
            .collect();
        for answer in &answers {
            // 1 is the answer to a command that a later one took over.
            assert!(matches!(answer.code, Some(0 | 1)), "{answer}");
            let superseded = answer.to_string().contains("took over");
            assert!(
                answer.code == Some(0) || superseded,
                "a failure without a reason: {answer}"
            );
        }
        sandbox.ctl(&[last, "all"]).exits(0);
        for id in ["a", "b", "c"] {
            let seen = daemon.component(id);
            let wanted = if last == "stop" { "STOPPED" } else { "RUNNING" };
            assert_eq!(seen["state"], wanted, "{id} after {last}: {seen}");
            assert_eq!(seen["restarts"], 0, "nobody crashed: {seen}");
        }
        let copies = sandbox
            .processes()
            .iter()
            .filter(|process| process.name == "fixture")
            .count();
        assert_eq!(
            copies,
            if last == "stop" { 0 } else { 3 },
            "one copy of each, after {last}"
        );
    }
}

#[test]
fn a_client_that_is_killed_while_it_waits_changes_nothing() {
    let sandbox = Sandbox::with(&[Server::new("slow", "slow-stop 700 record starts wait")]);
    let daemon = sandbox.start();
    let before = daemon.wait_for("slow", "RUNNING");
    let mut client = ctl::start(sandbox.ctl_command().args(["restart", "slow"]));
    daemon.wait_until("the restart is under way", "slow", SOON, |seen| {
        seen["state"] == "STOPPING"
    });
    send(client.id(), Signal::KILL);
    client.wait().expect("the client is ours");
    processes::forget(&client);
    let after = daemon.wait_until("the restart has come to its end", "slow", SOON, |seen| {
        seen["state"] == "RUNNING" && seen["run"] != before["run"]
    });
    assert_ne!(after["pid"], before["pid"]);
    assert_eq!(sandbox.starts("starts").len(), 2);
    daemon.stays("slow", "RUNNING", Duration::from_millis(300));
}

#[test]
fn a_client_whose_time_is_up_leaves_with_6_and_the_operation_goes_on() {
    let sandbox = Sandbox::with(&[Server::new("slow", "slow-stop 1500 wait")]);
    let daemon = sandbox.start();
    daemon.wait_for("slow", "RUNNING");
    sandbox.ctl(&["--timeout", "200ms", "stop", "slow"]).exits(6);
    assert_eq!(daemon.component("slow")["state"], "STOPPING");
    daemon.wait_for("slow", "STOPPED");
}

#[test]
fn two_commands_of_one_kind_join_into_one() {
    let sandbox = Sandbox::with(&[Server::new("slow", "slow-stop 500 record starts wait")]);
    let daemon = sandbox.start();
    daemon.wait_for("slow", "RUNNING");
    let first = ctl::start(sandbox.ctl_command().args(["restart", "slow"]));
    daemon.wait_until("the restart is under way", "slow", SOON, |seen| {
        seen["state"] == "STOPPING"
    });
    let second = ctl::start(sandbox.ctl_command().args(["restart", "slow"]));
    for client in [first, second] {
        let said = ctl::finish(client, "restart slow".into());
        assert_eq!(said.code, Some(0), "{said}");
    }
    assert_eq!(sandbox.starts("starts").len(), 2, "two restarts at once are one");
}

#[test]
fn a_start_while_it_stops_turns_the_stop_around() {
    let sandbox = Sandbox::with(&[Server::new("slow", "slow-stop 500 record starts wait")]);
    let daemon = sandbox.start();
    daemon.wait_for("slow", "RUNNING");
    let stop = ctl::start(sandbox.ctl_command().args(["stop", "slow"]));
    daemon.wait_until("the stop is under way", "slow", SOON, |seen| {
        seen["state"] == "STOPPING"
    });
    sandbox.ctl(&["start", "slow"]).exits(0);
    assert_eq!(daemon.component("slow")["state"], "RUNNING");
    let said = ctl::finish(stop, "stop slow".into());
    assert_eq!(said.code, Some(1), "the stop was taken over: {said}");
    assert!(said.to_string().contains("took over"), "{said}");
}
