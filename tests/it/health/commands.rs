//! Checks by commands: what they say, and that nothing is left of them.

use rustix::process::Signal;
use s7tests::daemon::pid;
use s7tests::eventually::{SOON, eventually, when};
use s7tests::processes::{self, is_alive, send};
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
fn what_a_command_leaves_behind_in_another_session_is_gone_with_it() {
    // It succeeds, and has left two in sessions of their own, out of reach of its group.
    let verbs = "fork-setsid escaped fork-setsid escaped exit 0";
    let numbers = "interval=\"100ms\" timeout=\"20\"";
    let sandbox = Sandbox::with(&[checked("is", verbs, numbers).stop_timeout("300ms")]);
    let daemon = sandbox.start();
    let run = daemon.wait_for("is", "RUNNING");
    let left = || -> Vec<u32> {
        let escaped = noted(&sandbox, "escaped");
        escaped.into_iter().filter(|pid| is_alive(*pid)).collect()
    };
    eventually("several were made and are gone", SOON, || {
        let (made, left) = (noted(&sandbox, "escaped").len(), left());
        when(made >= 10 && left.len() <= 2, || format!("{left:?} of {made}"))
    });
    assert_eq!(daemon.component("is")["pid"], run["pid"], "the run goes on");
    sandbox.ctl(&["stop", "is"]).exits(0);
    assert!(left().is_empty(), "{:?}", left());
}

/// The first process that was noted in `file`, and isn't `other`.
fn begun(sandbox: &Sandbox, file: &str, other: Option<u32>) -> u32 {
    eventually("it has begun", SOON, || {
        let noted = noted(sandbox, file);
        let pid = noted.iter().find(|pid| Some(**pid) != other);
        pid.copied().ok_or_else(|| format!("{noted:?}"))
    })
}

#[test]
fn a_command_that_has_outlived_its_supervisor_is_ended_by_the_next_one_which_makes_its_own() {
    let verbs = "fork-setsid escaped pid commands wait";
    let sandbox = Sandbox::with(&[checked("is", verbs, "interval=\"100ms\" timeout=\"60\"")]);
    let daemon = sandbox.start();
    daemon.wait_for("is", "STARTING");
    let (escaped, command) = (
        begun(&sandbox, "escaped", None),
        begun(&sandbox, "commands", None),
    );
    let run = daemon.component("is");
    daemon.kill();
    assert!(is_alive(command) && is_alive(escaped), "nobody has ended them");
    let daemon = sandbox.start();
    let next = begun(&sandbox, "commands", Some(command));
    eventually("the one before is gone", SOON, || {
        processes::reap_adopted();
        let left = [command, escaped].into_iter().filter(|pid| is_alive(*pid));
        let left: Vec<u32> = left.collect();
        when(left.is_empty(), || format!("{left:?}"))
    });
    assert!(is_alive(next), "the other one is this supervisor's own");
    assert_eq!(daemon.component("is")["pid"], run["pid"]);
    sandbox.ctl(&["stop", "is"]).exits(0);
    daemon.stop();
}

#[test]
fn a_command_is_never_taken_for_the_run_that_it_is_about() {
    let verbs = "pid commands wait";
    let sandbox = Sandbox::with(&[checked("is", verbs, "interval=\"100ms\" timeout=\"60\"")]);
    let daemon = sandbox.start();
    daemon.wait_for("is", "STARTING");
    let command = begun(&sandbox, "commands", None);
    let run = pid(&daemon.component("is")).expect("it is checked");
    daemon.kill();
    // Nothing but the check says now that there was a run.
    std::fs::remove_file(sandbox.path("run/journal")).expect("the sandbox is ours");
    send(run, Signal::KILL);
    eventually("the run is gone", SOON, || {
        processes::reap_adopted();
        when(!is_alive(run), || format!("{run} lives"))
    });
    assert!(is_alive(command));
    let daemon = sandbox.start();
    let now = daemon.wait_until("there is another run", "is", SOON, |seen| {
        seen["state"] == "STARTING" && !seen["pid"].is_null()
    });
    assert_ne!(pid(&now), Some(command), "{now}");
    assert_eq!(sandbox.starts("starts").len(), 2);
    let log = sandbox.supervisor_log();
    assert!(!log.contains("was found by its environment"), "{log}");
    eventually("the check is gone", SOON, || {
        processes::reap_adopted();
        when(!is_alive(command), || format!("{command} lives"))
    });
    sandbox.ctl(&["stop", "is"]).exits(0);
    daemon.stop();
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
