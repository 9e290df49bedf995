//! Tiers, dependencies, and who is started at all.

use s7tests::eventually::{SOON, eventually, when};
use s7tests::registry::Server;
use s7tests::sandbox::Sandbox;
use std::time::Duration;

/// When each start (or stop) of a fixture was recorded last.
fn at(sandbox: &Sandbox, file: &str) -> Duration {
    eventually(&format!("{file} has a record"), SOON, || {
        sandbox
            .starts(file)
            .last()
            .map(|start| start.at)
            .ok_or_else(|| "none".into())
    })
}

#[test]
fn a_tier_starts_when_the_one_before_is_ready_and_stops_before_it() {
    let server = |id: &str, tier: i32| {
        Server::new(
            id,
            &format!("record {id}.starts note-stop {id}.stops slow-stop 600 wait"),
        )
        .tier(tier)
        .start_delay("600ms")
    };
    // Not in the order of the file, so that the tier alone decides.
    let servers = [
        server("last", 9),
        server("a", 1),
        server("middle", 2),
        server("b", 1),
    ];
    let sandbox = Sandbox::with(&servers);
    let daemon = sandbox.start();
    assert_eq!(daemon.component("last")["state"], "WAITING");
    daemon.wait_for("last", "RUNNING");
    let [a, b, middle, last] = ["a", "b", "middle", "last"].map(|id| at(&sandbox, &format!("{id}.starts")));
    let delay = Duration::from_millis(590);
    assert!(
        a.abs_diff(b) < delay,
        "members of a tier start together: {a:?} {b:?}"
    );
    assert!(
        middle >= a.max(b) + delay,
        "the second tier waits for the first: {a:?} {b:?} {middle:?}"
    );
    assert!(
        last >= middle + delay,
        "the third tier waits for the second: {middle:?} {last:?}"
    );
    sandbox.ctl(&["stop", "all"]).exits(0);
    let [a, b, middle, last] = ["a", "b", "middle", "last"].map(|id| at(&sandbox, &format!("{id}.stops")));
    let linger = Duration::from_millis(590);
    assert!(
        middle >= last + linger,
        "the third tier is gone before the second stops: {last:?} {middle:?}"
    );
    assert!(
        a.min(b) >= middle + linger,
        "the second is gone before the first stops: {middle:?} {a:?} {b:?}"
    );
    assert!(
        a.abs_diff(b) < linger,
        "members of a tier stop together: {a:?} {b:?}"
    );
    daemon.stop();
}

#[test]
fn a_stop_of_the_daemon_is_an_ordered_stop() {
    let server =
        |id: &str, tier: i32| Server::new(id, &format!("note-stop {id}.stops slow-stop 300 wait")).tier(tier);
    let sandbox = Sandbox::with(&[server("low", 1), server("high", 2)]);
    let daemon = sandbox.start();
    daemon.wait_for("high", "RUNNING");
    daemon.stop();
    let [low, high] = ["low", "high"].map(|id| at(&sandbox, &format!("{id}.stops")));
    assert!(low >= high + Duration::from_millis(290), "{low:?} {high:?}");
}

#[test]
fn a_start_by_name_ignores_tiers() {
    let sandbox = Sandbox::with(&[
        Server::new("never-ready", "wait")
            .start_delay("300")
            .with("<autoStart>false</autoStart>"),
        Server::new("wanted", "wait")
            .tier(2)
            .with("<autoStart>false</autoStart>"),
    ]);
    let daemon = sandbox.start();
    assert_eq!(daemon.component("wanted")["state"], "STOPPED");
    sandbox.ctl(&["start", "wanted"]).exits(0);
    assert_eq!(daemon.component("wanted")["state"], "RUNNING");
    assert_eq!(daemon.component("never-ready")["state"], "STOPPED");
}

#[test]
fn a_component_waits_for_what_it_depends_on() {
    let sandbox = Sandbox::with(&[
        Server::new("base", "record base.starts wait").start_delay("500ms"),
        Server::new("above", "record above.starts wait").with("<dependsOn ref=\"base\"/>"),
    ]);
    let daemon = sandbox.start();
    daemon.wait_for("above", "RUNNING");
    let (base, above) = (at(&sandbox, "base.starts"), at(&sandbox, "above.starts"));
    assert!(above >= base + Duration::from_millis(490), "{base:?} {above:?}");
    sandbox.ctl(&["stop", "above", "base"]).exits(0);
    let said = sandbox.ctl(&["start", "above"]).exits(1);
    assert!(
        said.stderr.contains("base"),
        "it names the dependency that is down: {said}"
    );
    assert_eq!(daemon.component("above")["state"], "STOPPED");
    sandbox.ctl(&["start", "base", "above"]).exits(0);
}

#[test]
fn what_is_not_auto_started_waits_for_a_command() {
    let sandbox = Sandbox::with(&[
        Server::new("by-itself", "wait"),
        Server::new("by-hand", "record starts wait").with("<autoStart>false</autoStart>"),
    ]);
    let daemon = sandbox.start();
    daemon.wait_for("by-itself", "RUNNING");
    daemon.stays("by-hand", "STOPPED", Duration::from_millis(300));
    assert_eq!(daemon.component("by-hand")["wish"], "down");
    sandbox.ctl(&["start", "all"]).exits(0);
    assert_eq!(
        daemon.component("by-hand")["state"],
        "STOPPED",
        "all means all that start by themselves"
    );
    sandbox.ctl(&["start", "by-hand"]).exits(0);
    assert_eq!(sandbox.starts("starts").len(), 1);
}

#[test]
fn a_server_with_instances_is_many_components_under_one_name() {
    let text = Server::new("text", "print-arguments exit-if port=2734${instance} 1")
        .with("<instances>3</instances>");
    let sandbox = Sandbox::with(&[text]);
    let daemon = sandbox.start();
    for instance in 1..=3 {
        let id = format!("text-{instance}");
        daemon.wait_for(&id, "RUNNING");
        eventually("its arguments are logged", SOON, || {
            let log = sandbox.log_of(&id);
            when(log.contains(&format!("[port=2734{instance}]")), || log)
        });
    }
    sandbox.ctl(&["stop", "text-2"]).exits(0);
    assert_eq!(daemon.component("text-2")["state"], "STOPPED");
    assert_eq!(daemon.component("text-1")["state"], "RUNNING");
    sandbox.ctl(&["restart", "text"]).exits(0);
    for instance in 1..=3 {
        assert_eq!(daemon.component(&format!("text-{instance}"))["state"], "RUNNING");
    }
    sandbox.ctl(&["stop", "text"]).exits(0);
    assert_eq!(sandbox.processes().len(), 1, "only the daemon is left");
}

#[test]
fn a_tier_that_never_gets_ready_holds_the_next_one_for_a_minute() {
    let sandbox = Sandbox::with(&[
        Server::new("never-ready", "record first.starts wait").start_delay("600"),
        Server::new("behind", "record second.starts wait").tier(2),
    ]);
    let daemon = sandbox.start();
    daemon.wait_for("never-ready", "STARTING");
    let waiting = daemon.wait_for("behind", "WAITING");
    assert!(
        waiting["reason"].to_string().contains("never-ready"),
        "it says for whom: {waiting}"
    );
    daemon.wait_for_within("behind", "RUNNING", Duration::from_secs(90));
    let gate = at(&sandbox, "second.starts") - at(&sandbox, "first.starts");
    assert!(
        gate >= Duration::from_secs(59) && gate < Duration::from_secs(75),
        "the gate opened after {gate:?}"
    );
    assert_eq!(daemon.component("never-ready")["state"], "STARTING");
    let log = sandbox.supervisor_log();
    assert!(log.contains("never-ready"), "the log warns: {log}");
}
