//! Patterns and several names, in every verb that takes components.

use s7tests::registry::Server;
use s7tests::sandbox::Sandbox;

#[test]
fn a_pattern_means_everything_that_matches_and_nothing_else() {
    let servers = ["text-a", "text-b", "is", "ps"].map(|id| Server::new(id, "wait"));
    let sandbox = Sandbox::with(&servers);
    let daemon = sandbox.start();
    sandbox.ctl(&["wait"]).exits(0);
    let stopped = || {
        let status = daemon.status();
        let components = status["components"].as_array().expect("a list").clone();
        let down = components.iter().filter(|one| one["state"] == "STOPPED");
        down.map(|one| one["id"].as_str().unwrap_or_default().to_owned())
            .collect::<Vec<_>>()
    };
    sandbox.ctl(&["stop", "text-*"]).exits(0);
    assert_eq!(stopped(), ["text-a", "text-b"]);
    sandbox.ctl(&["start", "text-?"]).exits(0);
    assert_eq!(stopped(), Vec::<String>::new());
    let pid = daemon.pid_of("ps");
    // A name beside a pattern; a component that both mean is meant once.
    let said = sandbox.ctl(&["restart", "is", "?s", "text-a"]).exits(0);
    assert_eq!(said.stdout.lines().count(), 3, "{said}");
    assert_ne!(daemon.pid_of("ps"), pid);
    let said = sandbox.ctl(&["status", "*-b", "is"]).exits(0);
    assert!(
        said.stdout.contains("text-b") && said.stdout.contains("is") && !said.stdout.contains("text-a"),
        "{said}"
    );
    let said = sandbox.ctl(&["stop", "is", "x*"]).exits(4);
    assert!(said.stderr.contains("no component matches x*"), "{said}");
    assert_eq!(stopped(), Vec::<String>::new(), "all or nothing");
    sandbox.ctl(&["stop", "te[x]t*"]).exits(2);
    sandbox.ctl(&["stop", "*"]).exits(0);
    assert_eq!(stopped().len(), 4);
    sandbox.ctl(&["status", "*"]).exits(3);
}

#[test]
fn a_pattern_names_instances_too() {
    let text = Server::new("text", "wait").with("<instances>3</instances>");
    let sandbox = Sandbox::with(&[text]);
    let daemon = sandbox.start();
    sandbox.ctl(&["wait"]).exits(0);
    sandbox.ctl(&["stop", "*-2", "*-3"]).exits(0);
    assert_eq!(daemon.component("text-1")["state"], "RUNNING");
    assert_eq!(daemon.component("text-2")["state"], "STOPPED");
    assert_eq!(daemon.component("text-3")["state"], "STOPPED");
}
