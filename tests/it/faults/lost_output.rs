//! Output that is dropped, over an upgrade and a kill of the daemon.

use s7tests::daemon::Daemon;
use s7tests::eventually::{SOON, eventually, when};
use s7tests::registry::Server;
use s7tests::sandbox::Sandbox;
use std::fs;

fn dropped(component: &serde_json::Value) -> u64 {
    component["output_dropped_bytes"]
        .as_u64()
        .expect("a number of bytes")
}

/// A component that writes lines of 14 bytes, of which some are dropped.
fn losing(sandbox: &Sandbox) -> Daemon<'_> {
    let daemon = sandbox.start();
    daemon.wait_for("loud", "RUNNING");
    eventually("it is logged", SOON, || {
        when(sandbox.log_of("loud").lines().count() > 5, || {
            sandbox.log_of("loud")
        })
    });
    let log = sandbox.path("logs/loud.log");
    fs::rename(&log, sandbox.path("saved")).expect("the sandbox is ours");
    fs::create_dir(&log).expect("nobody else makes a folder");
    daemon.wait_until("something is dropped", "loud", SOON, |seen| dropped(seen) > 100);
    daemon
}

/// Gives the log back, and waits until it is written. What is in it.
fn mended(sandbox: &Sandbox) -> String {
    fs::remove_dir(sandbox.path("logs/loud.log")).expect("it is empty");
    eventually("it is logged again", SOON, || {
        let text = fs::read_to_string(sandbox.path("logs/loud.log")).unwrap_or_default();
        when(text.contains("\nline ") && text.ends_with('\n'), || text.clone()).map(|()| text)
    })
}

fn number(line: &str) -> u64 {
    let number = line.strip_prefix("line ").and_then(|number| number.parse().ok());
    number.unwrap_or_else(|| panic!("no line of the component: {line:?}"))
}

#[test]
fn what_is_dropped_before_and_after_an_upgrade_is_counted_and_marked_to_the_byte() {
    let sandbox = Sandbox::with(&[Server::new("loud", "tick 20")]);
    let daemon = losing(&sandbox);
    let before = daemon.component("loud");
    sandbox.ctl(&["upgrade"]).exits(0);
    let after = daemon.component("loud");
    assert!(dropped(&after) >= dropped(&before), "{before} {after}");
    assert!(after["output_unwritten"]["since"].is_string(), "{after}");
    assert_eq!(
        after["output_unwritten"]["since"], before["output_unwritten"]["since"],
        "{before} {after}"
    );
    let so_far = dropped(&after);
    daemon.wait_until("more is dropped", "loud", SOON, |seen| dropped(seen) > so_far);
    let text = mended(&sandbox);
    let mut lines = text.lines();
    let mark = lines.next().unwrap_or_default().to_owned();
    let first = number(lines.next().unwrap_or_default());
    let last = sandbox
        .read("saved")
        .lines()
        .last()
        .map(number)
        .expect("it was logged");
    let missing = (first - last - 1) * 14;
    assert!(
        mark.starts_with(&format!("[s7supervisord: {missing} bytes of output dropped: ")),
        "{missing} bytes are missing: {mark}"
    );
    assert_eq!(dropped(&daemon.component("loud")), missing);
    assert!(lines.all(|line| line.starts_with("line ")), "one mark: {text}");
    daemon.stop();
}

#[test]
fn what_a_killed_daemon_has_dropped_is_marked_once_by_the_next_one() {
    let sandbox = Sandbox::with(&[Server::new("loud", "tick 20")]);
    let daemon = losing(&sandbox);
    daemon.kill();
    let daemon = sandbox.start();
    daemon.wait_until("it goes on dropping", "loud", SOON, |seen| dropped(seen) > 0);
    daemon.kill();
    let daemon = sandbox.start();
    daemon.wait_for("loud", "RUNNING");
    let text = mended(&sandbox);
    let counted = dropped(&daemon.component("loud"));
    let many = match counted {
        0 => "an unknown number of".to_owned(),
        bytes => format!("{bytes} and an unknown number of other"),
    };
    assert!(
        text.starts_with(&format!("[s7supervisord: {many} bytes of output dropped: ")),
        "{counted}: {text}"
    );
    assert_eq!(text.matches("dropped").count(), 1, "{text}");
    daemon.kill();
    let daemon = sandbox.start();
    let lines = sandbox.log_of("loud").lines().count();
    eventually("the next one logs on", SOON, || {
        let text = sandbox.log_of("loud");
        when(text.lines().count() > lines + 5, || text.clone())
    });
    assert_eq!(sandbox.log_of("loud").matches("dropped").count(), 1);
    daemon.stop();
}
