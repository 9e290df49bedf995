//! `s7ctl start`.

use s7tests::registry::Server;
use s7tests::sandbox::Sandbox;

fn idle(id: &str, verbs: &str) -> Server {
    Server::new(id, verbs).with("<autoStart>false</autoStart>")
}

#[test]
fn start_waits_until_it_is_ready_and_is_done_where_it_is_already() {
    let sandbox = Sandbox::with(&[idle("one", "record starts wait").start_delay("300ms")]);
    let daemon = sandbox.start();
    let begun = std::time::Instant::now();
    sandbox.ctl(&["start", "one"]).exits(0);
    assert!(
        begun.elapsed() >= std::time::Duration::from_millis(300),
        "it came back before it was ready"
    );
    assert_eq!(daemon.component("one")["state"], "RUNNING");
    sandbox.ctl(&["start", "one"]).exits(0);
    assert_eq!(sandbox.starts("starts").len(), 1);
}

#[test]
fn start_fails_at_the_first_run_that_ends_and_the_tries_go_on() {
    let sandbox = Sandbox::with(&[idle("weak", "record starts exit 9").start_delay("10")]);
    let daemon = sandbox.start();
    let said = sandbox.ctl(&["start", "weak"]).exits(1);
    assert!(
        said.stderr.contains("weak") && said.stderr.contains('9'),
        "it says what ended and how: {said}"
    );
    let seen = daemon.component("weak");
    assert_eq!(seen["wish"], "up", "{seen}");
    let json = sandbox.ctl(&["--json", "start", "weak"]).exits(1).json();
    assert_eq!(
        (&json["ok"], &json["error"]["exit"]),
        (&false.into(), &1.into()),
        "{json}"
    );
    sandbox.ctl(&["stop", "weak"]).exits(0);
}

#[test]
fn start_of_what_is_not_there_is_4_and_starts_nothing() {
    let sandbox = Sandbox::with(&[idle("real", "record starts wait")]);
    let daemon = sandbox.start();
    let said = sandbox.ctl(&["start", "real", "reel"]).exits(4);
    assert!(
        said.stderr.contains("reel") && said.stderr.contains("real"),
        "{said}"
    );
    assert_eq!(daemon.component("real")["state"], "STOPPED", "all or nothing");
    sandbox.ctl(&["start", "no/name"]).exits(2);
    sandbox.ctl(&["sttart"]).exits(2);
}

#[test]
fn start_all_starts_also_what_was_stopped_by_hand() {
    let sandbox = Sandbox::with(&[Server::new("one", "wait"), Server::new("two", "wait").tier(2)]);
    let daemon = sandbox.start();
    daemon.wait_for("two", "RUNNING");
    sandbox.ctl(&["stop", "two"]).exits(0);
    sandbox.ctl(&["start", "all"]).exits(0);
    assert_eq!(daemon.component("two")["state"], "RUNNING");
}
