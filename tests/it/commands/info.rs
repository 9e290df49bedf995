//! `s7ctl info`.

use s7tests::registry::Server;
use s7tests::sandbox::Sandbox;

#[test]
fn info_shows_the_supervisor_or_how_a_component_is_set_up() {
    let one = Server::new("one", "fork-in-group child wait")
        .variable("LC_ALL", "C.UTF-8")
        .stop_timeout("2")
        .with("<description>The first</description>");
    let sandbox = Sandbox::with(&[one, Server::new("two", "wait")]);
    let daemon = sandbox.start();
    daemon.wait_for("one", "RUNNING");
    let child = sandbox.pid_in("child");
    let said = sandbox.ctl(&["info"]).exits(0);
    let socket = sandbox.socket().display().to_string();
    for text in [env!("CARGO_PKG_VERSION"), &daemon.pid().to_string(), &socket] {
        assert!(said.stdout.contains(text), "{text} is missing in {said}");
    }
    assert!(
        !said.stdout.contains("one\n"),
        "no component was asked for: {said}"
    );
    let said = sandbox.ctl(&["info", "one"]).exits(0);
    for text in [
        "The first",
        "bin/fixture fork-in-group child wait",
        "LC_ALL=C.UTF-8",
        "SIGTERM",
    ] {
        assert!(said.stdout.contains(text), "{text} is missing in {said}");
    }
    let json = sandbox.ctl(&["info", "all", "--json"]).exits(0).json();
    let components = json["data"]["components"].as_array().expect("a list");
    assert_eq!(components.len(), 2);
    let one = &components[0];
    assert_eq!(
        (&one["id"], &one["stop_timeout_seconds"], &one["user"]),
        (&"one".into(), &2.0.into(), &serde_json::Value::Null)
    );
    assert_eq!(one["pids"], serde_json::json!([daemon.pid_of("one"), child]));
    assert_eq!(json["data"]["supervisor"]["components"], 2);
    sandbox.ctl(&["info", "three"]).exits(4);
}
