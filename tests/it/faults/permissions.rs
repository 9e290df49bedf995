//! Who may do what.

use s7tests::ctl::Output;
use s7tests::eventually::{SOON, eventually, when};
use s7tests::registry::Server;
use s7tests::sandbox::Sandbox;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// The client as user `nobody` with this group only.
fn as_nobody(sandbox: &Sandbox, group: u32, arguments: &[&str]) -> Output {
    let client = sandbox.path("bin/s7ctl");
    if !client.exists() {
        sandbox.install();
    }
    let mut command = Command::new("setpriv");
    sandbox.clean(&mut command);
    command.args([
        "--reuid=65534",
        &format!("--regid={group}"),
        "--clear-groups",
        "--",
    ]);
    command.arg(client).arg("--socket").arg(sandbox.socket());
    s7tests::ctl::run(command.args(arguments))
}

#[test]
fn the_sockets_group_may_observe_and_others_may_nothing_needs_root() {
    let test = "the_sockets_group_may_observe_and_others_may_nothing_needs_root";
    if !is_root() {
        return s7tests::not_run(test, "only root may become another user");
    }
    let sandbox = Sandbox::with(&[Server::new("one", "print private record starts wait")]);
    let [observers, operators, others] = [1, 2, 65534];
    let groups = [
        format!("--observe-group={observers}"),
        format!("--control-group={operators}"),
    ];
    let daemon = sandbox.start_with(&groups.each_ref().map(String::as_str));
    let pid = daemon.wait_for("one", "RUNNING")["pid"].clone();
    as_nobody(&sandbox, observers, &["status"]).exits(0);
    for forbidden in [
        &["stop", "one"][..],
        &["start", "one"],
        &["restart", "one"],
        &["reload"],
        &["shutdown"],
        &["logs", "one"],
        &["check"],
        &["stop"],
        &["restart"],
        &["signal", "TERM", "one"],
        &["logs", "-f", "one"],
        &["why", "one"],
        &["info", "one"],
        &["wait", "one"],
    ] {
        let said = as_nobody(&sandbox, observers, forbidden);
        assert_eq!(said.code, Some(5), "{forbidden:?}: {said}");
        assert!(!said.stdout.contains("private"), "{said}");
    }
    as_nobody(&sandbox, observers, &["events"]).exits(0);
    // Who may steer may not say which program steers.
    as_nobody(&sandbox, operators, &["info", "one"]).exits(0);
    for group in [observers, operators] {
        as_nobody(&sandbox, group, &["upgrade"])
            .exits(5)
            .says("this is for root and the supervisor's own user");
    }
    for arguments in [&["status"][..], &["stop", "one"]] {
        let said = as_nobody(&sandbox, others, arguments);
        assert_eq!(said.code, Some(5), "a user outside of the group: {said}");
    }
    assert_eq!(daemon.component("one")["pid"], pid);
    assert_eq!(sandbox.starts("starts").len(), 1);
    let audit = eventually("the refusals are in the audit log", SOON, || {
        let audit = sandbox.audit_log();
        when(audit.contains("not permitted: status"), || audit.clone()).map(|()| audit)
    });
    for refused in [
        "stop one",
        "shutdown",
        "reload",
        "signal SIGTERM one",
        "logs -f one",
    ] {
        let line = format!(": not permitted: {refused}\n");
        assert!(
            audit.contains(&line) && audit.contains(" uid 65534 pid "),
            "{refused}: {audit}"
        );
    }
    as_nobody(&sandbox, operators, &["restart", "one"]).exits(0);
    assert_ne!(daemon.component("one")["pid"], pid);
}

#[test]
fn a_socket_that_is_given_to_no_group_is_for_its_owner_alone_needs_root() {
    let test = "a_socket_that_is_given_to_no_group_is_for_its_owner_alone_needs_root";
    if !is_root() {
        return s7tests::not_run(test, "only root may become another user");
    }
    let sandbox = Sandbox::with(&[Server::new("one", "wait")]);
    let _daemon = sandbox.start();
    for group in [0, 65534] {
        as_nobody(&sandbox, group, &["status"]).exits(5);
    }
}

#[test]
fn a_refusal_is_told_to_who_asked_and_to_who_reads_the_log_needs_root() {
    let test = "a_refusal_is_told_to_who_asked_and_to_who_reads_the_log_needs_root";
    if !is_root() {
        return s7tests::not_run(test, "only root may become another user");
    }
    let sandbox = Sandbox::with(&[Server::new("one", "record starts wait")]);
    let daemon = sandbox.start_with(&["--observe-group=1"]);
    let before = daemon.wait_for("one", "RUNNING")["pid"].clone();
    let said = as_nobody(&sandbox, 1, &["--json", "stop", "one"]).exits(5);
    let error = &said.json()["error"];
    assert_eq!(error["exit"], 5, "{said}");
    assert!(error["message"].is_string(), "{said}");
    eventually("the log says who was refused what", SOON, || {
        let log = sandbox.supervisor_log();
        let line = log.lines().find(|line| line.contains("uid 65534"));
        when(line.is_some_and(|line| line.contains("refused stop")), || {
            log.clone()
        })
    });
    // As if a stranger's program had been let in: one who may do nothing at all, as often as he likes.
    for _ in 0..30 {
        as_nobody(&sandbox, 65534, &["stop", "one"]).exits(5);
    }
    assert_eq!(daemon.component("one")["pid"], before);
    assert_eq!(sandbox.starts("starts").len(), 1);
}

#[test]
fn root_trusts_no_registry_that_others_can_write_needs_root() {
    let test = "root_trusts_no_registry_that_others_can_write_needs_root";
    if !is_root() {
        return s7tests::not_run(test, "the rule is for a daemon of root");
    }
    let sandbox = Sandbox::with(&[Server::new("one", "record starts wait")]);
    for (path, mode, good) in [
        ("conf/SupervisorRegistry.xml", 0o646, 0o644),
        ("conf/SupervisorRegistry.xml", 0o664, 0o644),
        ("conf", 0o777, 0o755),
        ("", 0o777, 0o755),
    ] {
        let path = sandbox.path(path);
        let set =
            |mode| fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("the sandbox is ours");
        set(mode);
        let mut daemon = sandbox.spawn_with(&[]);
        assert_eq!(daemon.wait().code(), Some(77), "{} with {mode:o}", path.display());
        let said = sandbox.read("daemon.stderr");
        assert!(
            said.contains(&path.display().to_string()),
            "it names what others can write: {said}"
        );
        set(good);
    }
    assert!(sandbox.starts("starts").is_empty());
    sandbox.start().wait_for("one", "RUNNING");
}

#[test]
fn what_the_daemon_makes_is_not_for_everyone() {
    let sandbox = Sandbox::with(&[Server::new("one", "print private wait")]);
    let daemon = sandbox.start();
    daemon.wait_for("one", "RUNNING");
    let mode = |path: &str| {
        let found = fs::metadata(sandbox.path(path)).unwrap_or_else(|error| panic!("no {path}: {error}"));
        found.permissions().mode() & 0o777
    };
    assert_eq!(
        mode("run/control.sock") & 0o007,
        0,
        "the socket is for its owner and group"
    );
    assert_eq!(mode("logs/one.log"), 0o640);
    assert_eq!(
        mode("run") & 0o022,
        0,
        "nobody else makes files in the runtime folder"
    );
    let fifos: Vec<_> = fs::read_dir(sandbox.path("run/out"))
        .expect("output goes through it")
        .flatten()
        .collect();
    assert!(!fifos.is_empty());
    for fifo in fifos {
        let mode = fifo.metadata().expect("it is there").permissions().mode() & 0o777;
        assert_eq!(mode, 0o600, "{}", fifo.path().display());
    }
}
