//! Checks by commands: what they say, and that nothing is left of them.

use s7tests::eventually::{SOON, eventually, when};
use s7tests::processes::is_alive;
use s7tests::registry::Server;
use s7tests::sandbox::Sandbox;

fn checked(id: &str, verbs: &str, numbers: &str) -> Server {
    let arguments: Vec<String> = verbs
        .split_whitespace()
        .map(|verb| format!("<argument>{verb}</argument>"))
        .collect();
    Server::new(id, "record starts wait").with(&format!(
        "<health type=\"exec\" {numbers}><executable>bin/fixture</executable><arguments>{}</arguments></health>",
        arguments.concat()
    ))
}

#[test]
fn a_command_tells_whether_a_component_is_ready_and_then_whether_it_is_well() {
    let verbs = "exit-if well 0 complain no-database exit 3";
    let sandbox = Sandbox::with(&[checked(
        "is",
        verbs,
        "interval=\"100ms\" timeout=\"20\" failures=\"2\"",
    )]);
    let daemon = sandbox.start();
    let program = sandbox.path("bin/fixture").display().to_string();
    let wanted = format!("{program} exited with code 3: no-database");
    daemon.wait_until("it says why", "is", SOON, |seen| {
        seen["state"] == "STARTING" && seen["checks"][0]["last"]["detail"] == wanted
    });
    sandbox.write("well", "");
    daemon.wait_for("is", "RUNNING");
    std::fs::remove_file(sandbox.path("well")).expect("it is there");
    let next = daemon.wait_until("another run begins", "is", SOON, |seen| seen["restarts"] == 1);
    assert_eq!(next["last_exit"]["reason"], "hung", "{next}");
    sandbox.write("well", "");
    daemon.wait_for("is", "RUNNING");
    sandbox.ctl(&["why", "is"]).exits(0).says(&wanted);
}

/// Pids that were noted in `file`.
fn noted(sandbox: &Sandbox, file: &str) -> Vec<u32> {
    let text = std::fs::read_to_string(sandbox.path(file)).unwrap_or_default();
    text.lines().filter_map(|line| line.parse().ok()).collect()
}

#[test]
fn a_command_that_hangs_is_gone_with_all_that_it_has_made_before_the_next_one() {
    let verbs = "fork-in-group forked pid commands wait";
    let sandbox = Sandbox::with(&[checked("is", verbs, "interval=\"100ms\" timeout=\"300ms\"")]);
    let daemon = sandbox.start();
    eventually("several were made", SOON, || {
        let (commands, forked) = (noted(&sandbox, "commands"), noted(&sandbox, "forked"));
        let alive = |pids: &[u32]| pids.iter().filter(|pid| is_alive(**pid)).count();
        assert!(alive(&commands) <= 1, "at most one at a time: {commands:?}");
        when(commands.len() >= 4 && alive(&forked) <= 1, || {
            format!("{commands:?} {forked:?}")
        })
    });
    let seen = daemon.component("is");
    let detail = seen["checks"][0]["last"]["detail"].as_str().expect("it says why");
    assert!(detail.ends_with(": not done within 300ms"), "{detail}");
    assert_eq!(
        (&seen["state"], &seen["restarts"]),
        (&"STARTING".into(), &0.into())
    );
    // The last one ends with the run that it is about, and doesn't hold it up.
    sandbox.ctl(&["stop", "is"]).exits(0);
    eventually("none is left", SOON, || {
        let all = [noted(&sandbox, "commands"), noted(&sandbox, "forked")].concat();
        let left: Vec<_> = all.iter().filter(|pid| is_alive(**pid)).collect();
        when(left.is_empty(), || format!("{left:?}"))
    });
}

#[test]
fn what_a_command_leaves_behind_is_gone_with_it() {
    // It succeeds, and has left a child in its group.
    let verbs = "fork-in-group forked exit 0";
    let sandbox = Sandbox::with(&[checked("is", verbs, "interval=\"100ms\" timeout=\"20\"")]);
    let daemon = sandbox.start();
    daemon.wait_for("is", "RUNNING");
    eventually("several were made and are gone", SOON, || {
        let forked = noted(&sandbox, "forked");
        let left: Vec<_> = forked.iter().filter(|pid| is_alive(**pid)).collect();
        when(forked.len() >= 4 && left.len() <= 1, || {
            format!("{left:?} of {forked:?}")
        })
    });
    daemon.stop();
}

#[test]
fn what_a_command_leaves_behind_in_another_session_is_gone_with_the_run() {
    let verbs = "fork-setsid escaped exit 0";
    let numbers = "interval=\"100ms\" timeout=\"20\"";
    let sandbox = Sandbox::with(&[checked("is", verbs, numbers).stop_timeout("300ms")]);
    let daemon = sandbox.start();
    daemon.wait_for("is", "RUNNING");
    sandbox.ctl(&["stop", "is"]).exits(0);
    let escaped = noted(&sandbox, "escaped");
    assert!(!escaped.is_empty());
    let left: Vec<_> = escaped.iter().filter(|pid| is_alive(**pid)).collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn a_command_that_can_not_be_run_is_not_the_components_fault() {
    let sandbox = Sandbox::with(&[checked(
        "is",
        "exit 0",
        "interval=\"100ms\" timeout=\"20\" failures=\"1\"",
    )]);
    let daemon = sandbox.start();
    daemon.wait_for("is", "RUNNING");
    // The component itself goes on from the file that is removed.
    std::fs::remove_file(sandbox.path("bin/fixture")).expect("it is there");
    let seen = daemon.wait_until("the check can't be made", "is", SOON, |seen| {
        let last = &seen["checks"][0]["last"];
        last["result"] == "unsure" && last["in_a_row"].as_u64() >= Some(5)
    });
    assert_eq!(
        (&seen["state"], &seen["health"], &seen["restarts"]),
        (&"RUNNING".into(), &"healthy".into(), &0.into())
    );
    let detail = seen["checks"][0]["last"]["detail"].as_str().expect("it says why");
    assert!(detail.contains("No such file"), "{detail}");
}
