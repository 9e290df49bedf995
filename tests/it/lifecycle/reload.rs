//! A registry that changes while everything runs.

use s7tests::registry::Server;
use s7tests::sandbox::Sandbox;
use serde_json::Value;

/// The registry before.
fn before() -> Vec<Server> {
    [
        "same",
        "words",
        "timers",
        "arguments",
        "variables",
        "removed",
        "sleeping",
    ]
    .map(|id| {
        let autostart = if id == "sleeping" {
            "<autoStart>false</autoStart>"
        } else {
            ""
        };
        Server::new(id, &format!("record {id}.starts wait")).with(autostart)
    })
    .into()
}

/// The registry after: one change of each kind.
fn after() -> Vec<Server> {
    let plain = |id: &str| Server::new(id, &format!("record {id}.starts wait"));
    vec![
        plain("same"),
        plain("words").with("<description>Now described</description>"),
        plain("timers").stop_timeout("7"),
        Server::new("arguments", "record arguments.starts print changed wait"),
        plain("variables").variable("NEW", "1"),
        Server::new("sleeping", "record sleeping.starts print changed wait")
            .with("<autoStart>false</autoStart>"),
        plain("added"),
        plain("added-idle").with("<autoStart>false</autoStart>"),
    ]
}

fn runs(sandbox: &Sandbox, id: &str) -> usize {
    sandbox.starts(&format!("{id}.starts")).len()
}

/// The changes of a reload, by component.
fn change<'a>(report: &'a Value, id: &str) -> &'a Value {
    let changes = report["data"]["changes"]
        .as_array()
        .unwrap_or_else(|| panic!("no changes in {report}"));
    changes
        .iter()
        .find(|change| change["id"] == id)
        .unwrap_or(&Value::Null)
}

#[test]
fn a_reload_does_to_each_component_what_its_change_needs() {
    let sandbox = Sandbox::with(&before());
    let daemon = sandbox.start();
    let running = ["same", "words", "timers", "arguments", "variables", "removed"];
    let pids = running.map(|id| daemon.wait_for(id, "RUNNING")["pid"].clone());
    sandbox.write_registry(&after());
    let dry = sandbox.ctl(&["--json", "reload", "--dry-run"]).exits(0).json();
    assert_eq!(
        running.map(|id| daemon.component(id)["pid"].clone()),
        pids,
        "a dry run changes nothing"
    );
    let real = sandbox.ctl(&["--json", "reload"]).exits(0).json();
    for id in [
        "words",
        "timers",
        "arguments",
        "variables",
        "removed",
        "sleeping",
        "added",
        "added-idle",
    ] {
        assert!(!change(&dry, id).is_null(), "{id} is missing in {dry}");
        assert_eq!(
            change(&dry, id)["action"],
            change(&real, id)["action"],
            "{id}: done is what was said"
        );
    }
    assert!(change(&real, "same").is_null(), "{real}");
    for (id, pid) in ["same", "words", "timers"].into_iter().zip(&pids) {
        assert_eq!(daemon.component(id)["pid"], *pid, "{id} needs no new run");
        assert_eq!(runs(&sandbox, id), 1);
    }
    assert_eq!(daemon.component("words")["description"], "Now described");
    for id in ["arguments", "variables"] {
        assert_eq!(daemon.component(id)["state"], "RUNNING");
        assert_eq!(runs(&sandbox, id), 2, "{id} needs a new run");
    }
    assert_eq!(sandbox.log_of("arguments"), "changed\n");
    let status = daemon.status();
    let ids: Vec<_> = status["components"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|one| one["id"].as_str())
        .collect();
    assert!(!ids.contains(&"removed"), "{ids:?}");
    assert_eq!(daemon.component("sleeping")["state"], "STOPPED");
    assert_eq!(daemon.component("added")["state"], "RUNNING");
    assert_eq!(daemon.component("added-idle")["state"], "STOPPED");
    sandbox.ctl(&["start", "sleeping"]).exits(0);
    assert_eq!(daemon.component("sleeping")["state"], "RUNNING");
    let copies = sandbox
        .processes()
        .iter()
        .filter(|process| process.name == "fixture")
        .count();
    assert_eq!(copies, 7, "what was removed is gone");
    let again = sandbox.ctl(&["--json", "reload"]).exits(0).json();
    assert_eq!(
        again["data"]["changes"].as_array().map(Vec::len),
        Some(0),
        "nothing is left to do: {again}"
    );
}

#[test]
fn a_reload_without_restart_marks_what_has_changed() {
    let sandbox = Sandbox::with(&[Server::new("one", "record one.starts wait")]);
    let daemon = sandbox.start();
    let pid = daemon.wait_for("one", "RUNNING")["pid"].clone();
    sandbox.write_registry(&[Server::new("one", "record one.starts print changed wait")]);
    sandbox.ctl(&["reload", "--no-restart"]).exits(0);
    let marked = daemon.component("one");
    assert_eq!(marked["pid"], pid, "{marked}");
    assert_eq!(marked["reason_code"], "needs_restart", "{marked}");
    sandbox.ctl(&["restart", "one"]).exits(0);
    let fresh = daemon.component("one");
    assert!(fresh["reason_code"].is_null(), "{fresh}");
    assert_eq!(runs(&sandbox, "one"), 2);
    s7tests::eventually::eventually("the change is in force", s7tests::eventually::SOON, || {
        let log = sandbox.log_of("one");
        s7tests::eventually::when(log == "changed\n", || log.clone())
    });
}

#[test]
fn a_reload_waits_for_nobody_whom_it_has_not_touched() {
    let servers = |variable: &str| {
        let late = Server::new("late", "wait").start_delay("1000");
        let changed = Server::new("changed", "record changed.starts wait").tier(2);
        [late, changed.variable("VALUE", variable)]
    };
    let sandbox = Sandbox::with(&servers("1"));
    let daemon = sandbox.start();
    daemon.wait_for("late", "STARTING");
    // By name, tiers are ignored.
    let _ = sandbox.ctl(&["start", "changed"]).exits(0);
    sandbox.write_registry(&servers("2"));
    // A tier waits a minute for the ones before it.
    let _ = sandbox.ctl(&["--timeout", "30", "reload"]).exits(0);
    assert_eq!(runs(&sandbox, "changed"), 2);
    assert_eq!(daemon.component("late")["state"], "STARTING");
}

#[test]
fn a_reload_restarts_in_tier_order_what_an_earlier_daemon_has_begun_by_an_older_registry() {
    let servers = |variable: &str| {
        let of = |id: &str| Server::new(id, &format!("record {id}.starts record starts wait"));
        let changed = |id: &str| of(id).variable("VALUE", variable).start_delay("300ms");
        [changed("second").tier(2), changed("first"), of("same")]
    };
    let sandbox = Sandbox::with(&servers("1"));
    let daemon = sandbox.start();
    let ids = ["first", "second", "same"];
    let pids = ids.map(|id| daemon.wait_for(id, "RUNNING")["pid"].clone());
    daemon.kill();
    sandbox.write_registry(&servers("2"));
    let daemon = sandbox.start();
    let marked = || ["first", "second"].map(|id| daemon.component(id)["reason_code"] == "needs_restart");
    assert_eq!(marked(), [true, true]);
    let actions = |arguments: &[&str]| {
        let report = sandbox.ctl(arguments).exits(0).json();
        ids.map(|id| {
            change(&report, id)["action"]
                .as_str()
                .unwrap_or_default()
                .to_owned()
        })
    };

    let dry = actions(&["--json", "reload", "--dry-run"]);
    assert_eq!(dry, ["restarted", "restarted", ""]);
    let kept = actions(&["--json", "reload", "--no-restart"]);
    assert_eq!(kept, ["needs_restart", "needs_restart", ""]);
    assert_eq!(marked(), [true, true], "they keep their mark");
    assert_eq!(ids.map(|id| daemon.component(id)["pid"].clone()), pids);

    assert_eq!(actions(&["--json", "reload"]), dry, "done is what was said");
    assert_eq!(marked(), [false, false]);
    assert_eq!(ids.map(|id| runs(&sandbox, id)), [2, 2, 1]);
    let stamps = ["first.starts", "second.starts"].map(|file| sandbox.starts(file)[1].at);
    assert!(stamps[0] < stamps[1], "tier by tier: {stamps:?}");
    assert_eq!(daemon.component("same")["pid"], pids[2]);
    assert_eq!(
        actions(&["--json", "reload"]),
        ["", "", ""],
        "nothing is left to do"
    );
}
