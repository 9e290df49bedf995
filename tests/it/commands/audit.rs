//! The log of commands.

use s7tests::eventually::{SOON, eventually};
use s7tests::registry::Server;
use s7tests::sandbox::Sandbox;

/// The lines of all audit logs, once `count` are there.
fn audit(sandbox: &Sandbox, count: usize) -> Vec<String> {
    eventually("the audit log has its lines", SOON, || {
        let lines: Vec<String> = sandbox.audit_log().lines().map(str::to_owned).collect();
        if lines.len() < count {
            return Err(format!("{lines:?}"));
        }
        Ok(lines)
    })
}

#[test]
fn every_command_that_changes_something_is_in_the_audit_log_with_its_result() {
    let sandbox = Sandbox::with(&[Server::new("one", "wait"), Server::new("two", "wait")]);
    let daemon = sandbox.start();
    daemon.wait_for("two", "RUNNING");
    for looking in [
        &["status"][..],
        &["logs", "one"],
        &["check"],
        &["reload", "--dry-run"],
        &["version"],
    ] {
        sandbox.ctl(looking).exits(0);
    }
    sandbox.ctl(&["stop", "one"]).exits(0);
    sandbox.ctl(&["start", "nobody"]).exits(4);
    sandbox.ctl(&["restart", "two"]).exits(0);
    let pid = daemon.pid_of("two");
    let lines = audit(&sandbox, 6);
    let uid = rustix::process::geteuid().as_raw();
    let parts: Vec<&str> = lines
        .iter()
        .map(|line| line.split_once('#').map_or("", |parts| parts.1))
        .collect();
    let begun = |line: &str, number: u32, what: &str| {
        line.starts_with(&format!("{number} uid {uid} pid ")) && line.ends_with(&format!(": {what}"))
    };
    let ended = |line: &str, number: u32, what: &str| {
        line.starts_with(&format!("{number} after ")) && line.ends_with(&format!(": {what}"))
    };
    assert!(begun(parts[0], 1, "stop one"), "{lines:?}");
    assert!(ended(parts[1], 1, "done, one was ended by SIGTERM"), "{lines:?}");
    assert!(begun(parts[2], 2, "start nobody"), "{lines:?}");
    assert!(ended(parts[3], 2, "refused: no component nobody"), "{lines:?}");
    assert!(begun(parts[4], 3, "restart two"), "{lines:?}");
    assert!(
        ended(parts[5], 3, &format!("done, two restarted as pid {pid}")),
        "{lines:?}"
    );
    daemon.stop();
    let lines = audit(&sandbox, 7);
    assert_eq!(lines.len(), 7, "what only looks is in no line: {lines:?}");
    assert!(
        lines[6].ends_with("signal to the supervisor: stop everything and end"),
        "{lines:?}"
    );
}
