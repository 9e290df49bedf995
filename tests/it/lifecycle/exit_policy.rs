//! What follows an exit.

use s7tests::registry::Server;
use s7tests::sandbox::Sandbox;
use std::time::Duration;

/// id, exit code, `<restart>`, state in the end, whether it is started again.
const CASES: [(&str, u8, &str, &str, bool); 9] = [
    ("default-0", 0, "", "BACKOFF", true),
    ("always-0", 0, "<restart policy=\"always\"/>", "BACKOFF", true),
    (
        "always-5",
        5,
        "<restart policy=\"always\" successExitCodes=\"5\"/>",
        "BACKOFF",
        true,
    ),
    ("failure-0", 0, "<restart policy=\"onFailure\"/>", "EXITED", false),
    ("failure-1", 1, "<restart policy=\"onFailure\"/>", "BACKOFF", true),
    (
        "failure-5",
        5,
        "<restart policy=\"onFailure\" successExitCodes=\"0 5\"/>",
        "EXITED",
        false,
    ),
    (
        "failure-0-of-5",
        0,
        "<restart policy=\"onFailure\" successExitCodes=\"5\"/>",
        "BACKOFF",
        true,
    ),
    ("never-0", 0, "<restart policy=\"never\"/>", "EXITED", false),
    ("never-1", 1, "<restart policy=\"never\"/>", "EXITED", false),
];

#[test]
fn what_follows_an_exit_is_what_the_policy_says() {
    let servers: Vec<_> = CASES
        .iter()
        .map(|(id, code, restart, ..)| {
            Server::new(id, &format!("record {id}.starts sleep 100 exit {code}")).with(restart)
        })
        .collect();
    let sandbox = Sandbox::with(&servers);
    let daemon = sandbox.start();
    for (id, code, _, state, again) in CASES {
        let seen = daemon.wait_for(id, state);
        assert_eq!(seen["last_exit"]["code"], code, "{seen}");
        let starts = sandbox.starts(&format!("{id}.starts")).len();
        assert_eq!(starts > 1, again, "{id} was started {starts} times");
    }
    for (id, ..) in CASES.iter().filter(|case| !case.4) {
        daemon.stays(id, "EXITED", Duration::from_millis(200));
        assert_eq!(sandbox.starts(&format!("{id}.starts")).len(), 1, "{id}");
    }
    let succeeded: Vec<&str> = vec!["status", "failure-0", "failure-5", "never-0"];
    sandbox.ctl(&succeeded).exits(0);
}

#[test]
fn a_start_of_something_that_completes_has_succeeded() {
    let once = Server::new("once", "record starts exit 0")
        .with("<restart policy=\"onFailure\"/><autoStart>false</autoStart>")
        .start_delay("300ms");
    let sandbox = Sandbox::with(&[once]);
    let daemon = sandbox.start();
    sandbox.ctl(&["start", "once"]).exits(0);
    assert_eq!(daemon.component("once")["state"], "EXITED");
    sandbox.ctl(&["start", "once"]).exits(0);
    assert_eq!(
        sandbox.starts("starts").len(),
        2,
        "a start of something that has ended starts it"
    );
}
