//! What components say is in their logs, byte for byte.

use s7tests::eventually::{SOON, eventually, when};
use s7tests::registry::Server;
use s7tests::sandbox::Sandbox;
use std::time::{Duration, Instant};

#[test]
fn every_line_is_logged_in_order_and_to_the_last_one() {
    let sandbox = Sandbox::with(&[
        Server::new("loud", "lines 0 50000 exit 0").with("<restart policy=\"never\"/>"),
        Server::new("both", "print out complain err print out exit 0").with("<restart policy=\"never\"/>"),
    ]);
    let daemon = sandbox.start();
    daemon.wait_for("loud", "EXITED");
    daemon.wait_for("both", "EXITED");
    let log = sandbox.log_of("loud");
    assert_eq!(
        log.lines().count(),
        50_000,
        "what was written before the end is all there when the end is told"
    );
    for (number, line) in log.lines().enumerate() {
        assert_eq!(line, format!("line {number:08}"));
    }
    assert_eq!(sandbox.log_of("both"), "out\nerr\nout\n");
}

#[test]
fn output_goes_on_behind_that_of_the_last_run() {
    let sandbox = Sandbox::with(&[Server::new("again", "print once wait")]);
    let daemon = sandbox.start();
    daemon.wait_for("again", "RUNNING");
    sandbox.ctl(&["restart", "again"]).exits(0);
    eventually("both runs are logged", SOON, || {
        let log = sandbox.log_of("again");
        when(log == "once\nonce\n", || log.clone())
    });
}

#[test]
fn a_flood_from_one_component_slows_nobody_else() {
    let sandbox = Sandbox::with(&[
        Server::new("flood", "flood 300000000 wait"),
        Server::new("calm", "wait"),
    ]);
    let daemon = sandbox.start();
    daemon.wait_for("calm", "RUNNING");
    let mut slowest = Duration::ZERO;
    for _ in 0..20 {
        let asked = Instant::now();
        sandbox.ctl(&["version"]).exits(0);
        slowest = slowest.max(asked.elapsed());
    }
    assert!(
        slowest < Duration::from_secs(3),
        "the slowest answer took {slowest:?}"
    );
    let asked = Instant::now();
    sandbox.ctl(&["restart", "calm"]).exits(0);
    assert!(asked.elapsed() < Duration::from_secs(10));
    assert_eq!(daemon.component("flood")["restarts"], 0);
}

#[test]
fn a_log_that_is_no_plain_file_of_its_own_is_not_written() {
    let sandbox = Sandbox::with(&[Server::new("tricked", "print something wait")]);
    sandbox.write("victim", "untouched\n");
    std::os::unix::fs::symlink(sandbox.path("victim"), sandbox.path("logs/tricked.log"))
        .expect("the sandbox is ours");
    let daemon = sandbox.start();
    daemon.wait_for("tricked", "RUNNING");
    sandbox.ctl(&["stop", "tricked"]).exits(0);
    assert_eq!(sandbox.read("victim"), "untouched\n");
}

#[test]
fn the_daemons_own_log_has_the_day_in_its_name() {
    let sandbox = Sandbox::with(&[Server::new("one", "wait")]);
    let daemon = sandbox.start();
    daemon.wait_for("one", "RUNNING");
    daemon.stop();
    let names: Vec<_> = std::fs::read_dir(sandbox.path("logs"))
        .expect("the sandbox is ours")
        .flatten()
        .filter_map(|entry| entry.file_name().into_string().ok())
        .filter(|name| name.starts_with("Supervisor"))
        .collect();
    assert!(!names.is_empty());
    for name in &names {
        let day = name
            .strip_prefix("Supervisor-audit-")
            .or_else(|| name.strip_prefix("Supervisor-"))
            .and_then(|rest| rest.strip_suffix(".log"))
            .expect("a dated name");
        let parts: Vec<_> = day.split('-').map(str::len).collect();
        assert_eq!(parts, [4, 2, 2], "{name}");
    }
    let log = sandbox.supervisor_log();
    assert!(log.contains("one"), "it tells of the component: {log}");
}

#[test]
fn memory_statistics_are_logged_when_the_registry_asks_for_them() {
    let sandbox = Sandbox::new();
    let document = sandbox.document(&[Server::new("one", "wait")]);
    let document = document.replace("<tracestatsinterval>0<", "<tracestatsinterval>5<");
    sandbox.write("conf/SupervisorRegistry.xml", &document);
    let _daemon = sandbox.start();
    eventually("statistics are logged", SOON, || {
        let log = sandbox.supervisor_log();
        let told = log
            .lines()
            .any(|line| line.contains("one") && line.to_lowercase().contains("memory"));
        when(told, || log.clone())
    });
}
