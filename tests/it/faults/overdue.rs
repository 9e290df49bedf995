//! A daemon that is told to end while a process takes too long to be created to be waited for.

use crate::platform::cgroups::{delegated, start_in};
use rustix::process::Signal;
use s7supervisord::failpoint::VARIABLE;
use s7tests::daemon::Daemon;
use s7tests::eventually::{SOON, eventually, remains, when};
use s7tests::registry::Server;
use s7tests::sandbox::Sandbox;
use s7tests::{ctl, strace};
use std::time::Duration;

/// It is waited for this long, and the rest for a little longer.
const OVERDUE: Duration = Duration::from_secs(30);

/// Two tiers: the second process that is created, or what creates it, hangs as long as the daemon lives.
fn hanging_at(place: &str) -> (Sandbox, String) {
    let sandbox = Sandbox::with(&[
        Server::new("early", "record early.starts wait"),
        Server::new("late", "record late.starts fork-setsid late.left wait").tier(2),
    ]);
    (sandbox, format!("{place}=hang:2"))
}

fn start<'a>(sandbox: &'a Sandbox, place: &str) -> Daemon<'a> {
    let mut command = sandbox.daemon_command();
    command.env(VARIABLE, place);
    let daemon = Daemon::spawn(sandbox, command);
    daemon.wait_until_it_answers();
    daemon.wait_for("late", "STARTING");
    daemon
}

/// A next daemon knows of no such run and begins one.
fn next_begins_anew(sandbox: &Sandbox, starts: usize) {
    let daemon = sandbox.start();
    sandbox.ctl(&["start", "late"]).exits(0);
    let late = daemon.wait_for("late", "RUNNING");
    assert_eq!(late["run"], 1, "{late}");
    assert_eq!(sandbox.starts("late.starts").len(), starts + 1);
    daemon.stop();
}

/// `terminations`: how often it is told. `found`: the process is there and can be killed, or nothing is on its way; else it
/// finds out by itself that it is too late, after the daemon has waited in vain for that.
fn ends_and_leaves_nothing(place: &str, terminations: usize, found: bool) {
    let (sandbox, place) = hanging_at(place);
    let mut daemon = start(&sandbox, &place);
    for _ in 0..terminations {
        daemon.signal(Signal::TERM);
    }
    let status = daemon.wait_within(OVERDUE + SOON);
    drop(daemon);
    assert_eq!(status.code(), Some(0), "{place}");
    sandbox.assert_nothing_left_of_processes();
    let log = sandbox.supervisor_log();
    assert_eq!(!log.contains("can't be seen to end"), found, "{place}: {log}");
    let record = sandbox.read("run/journal");
    assert!(!record.contains("late"), "{place}: {record}");
    remains("nothing comes behind", Duration::from_millis(200), || {
        let (starts, left) = (sandbox.starts("late.starts"), sandbox.processes());
        when(starts.is_empty() && left.is_empty(), || {
            format!("{place}: {starts:?}, {left:?}")
        })
    });
    next_begins_anew(&sandbox, 0);
}

/// The daemon begins anew in the same process.
fn begins_anew_with_one_copy(place: &str) {
    let (sandbox, place) = hanging_at(place);
    let daemon = start(&sandbox, &place);
    sandbox.ctl(&["--timeout", "60", "restart"]).exits(0);
    let late = daemon.wait_for("late", "RUNNING");
    let starts = sandbox.starts("late.starts");
    assert_eq!((starts.len(), &late["run"]), (1, &1.into()), "{place}: {late}");
    daemon.stop();
    sandbox.assert_nothing_left_of_processes();
}

#[test]
fn what_is_created_too_slowly_to_be_waited_for_never_runs_after_the_end() {
    // Side by side, since each of them waits for half a minute.
    std::thread::scope(|scope| {
        for (place, terminations, found) in [
            ("spawn.prepare", 1, true),
            ("spawn.before-clone", 1, false),
            // It can't be found, and finds the door closed when the daemon is gone.
            ("child.begins", 1, false),
            ("child.before-record", 1, true),
            ("child.after-record", 2, true),
            ("child.before-exec", 1, true),
            ("child.before-exec", 2, true),
        ] {
            scope.spawn(move || ends_and_leaves_nothing(place, terminations, found));
        }
        scope.spawn(|| begins_anew_with_one_copy("child.before-exec"));
    });
}

#[test]
fn what_has_begun_without_the_daemon_knowing_is_ended_with_it_tree_and_all_needs_strace() {
    let test = "what_has_begun_without_the_daemon_knowing_is_ended_with_it_tree_and_all_needs_strace";
    let sandbox = Sandbox::with(&[
        Server::new("early", "record early.starts wait"),
        Server::new("late", "record late.starts fork-setsid late.left wait")
            .with("<autoStart>false</autoStart>"),
    ]);
    let mut daemon = sandbox.start();
    daemon.wait_for("early", "RUNNING");
    // Who creates a process hears of it only when it is overdue, and that it has executed as well.
    let delay = [
        "-f",
        "-e",
        "trace=clone",
        "-e",
        "inject=clone:delay_exit=32000000",
    ];
    let strace = match strace::attach(&sandbox, daemon.pid(), &delay) {
        Ok(strace) => strace,
        Err(why) => return s7tests::not_run(test, &why),
    };
    let client = ctl::start(sandbox.ctl_command().args(["--timeout", "60", "start", "late"]));
    eventually("it runs, and so does what has left its session", SOON, || {
        let left = sandbox.read("late.left");
        when(!left.is_empty(), || left.clone())
    });
    assert_eq!(daemon.component("late")["state"], "STARTING");
    daemon.signal(Signal::TERM);
    let status = daemon.wait_within(OVERDUE + SOON);
    drop(daemon);
    drop(strace);
    assert_eq!(status.code(), Some(0));
    ctl::finish(client, "start late".into()).exits(1);
    sandbox.assert_nothing_left_of_processes();
    let log = sandbox.supervisor_log();
    assert!(
        log.contains("late: run 1 came into being too late, killing it"),
        "{log}"
    );
    next_begins_anew(&sandbox, 1);
}

#[test]
fn what_is_created_too_slowly_leaves_no_cgroup_behind_needs_root() {
    let test = "what_is_created_too_slowly_leaves_no_cgroup_behind_needs_root";
    let Some(home) = delegated(test) else { return };
    let (sandbox, place) = hanging_at("child.before-exec");
    let mut command = sandbox.daemon_command();
    command.env(VARIABLE, &place);
    let mut daemon = Daemon::spawn(&sandbox, home.command(&command));
    daemon.wait_until_it_answers();
    daemon.wait_for("late", "STARTING");
    eventually("it has a cgroup", SOON, || {
        let names = home.names();
        when(names.iter().any(|name| name.contains("late.1")), || {
            format!("{names:?}")
        })
    });
    daemon.signal(Signal::TERM);
    let status = daemon.wait_within(OVERDUE + SOON);
    drop(daemon);
    assert_eq!(status.code(), Some(0));
    sandbox.assert_nothing_left_of_processes();
    assert_eq!(home.names(), [""; 0]);
    assert_eq!(sandbox.starts("late.starts"), []);
    let daemon = start_in(&sandbox, &home);
    assert_eq!(daemon.wait_for("late", "RUNNING")["run"], 1);
    daemon.stop();
}
