//! Descendants that don't want to go.

use s7tests::daemon::pid;
use s7tests::eventually::{SOON, eventually, when};
use s7tests::processes::{is_alive, send};
use s7tests::registry::Server;
use s7tests::sandbox::Sandbox;

use rustix::process::Signal;
use std::collections::HashSet;

/// A component with a child in its group, an escaped grandchild, and one that has no environment either. All of them
/// ignore SIGTERM; the component itself doesn't.
fn tree() -> Server {
    Server::new(
        "tree",
        "record starts fork-in-group inside fork-setsid outside fork-bare bare wait",
    )
    .stop_timeout("1")
}

#[test]
fn nothing_of_a_tree_survives_a_stop() {
    let sandbox = Sandbox::with(&[tree()]);
    let daemon = sandbox.start();
    daemon.wait_for("tree", "RUNNING");
    let descendants = ["inside", "outside", "bare"].map(|file| sandbox.pid_in(file));
    assert!(descendants.iter().all(|pid| is_alive(*pid)), "the tree has grown");
    sandbox.ctl(&["stop", "tree"]).exits(0);
    // At once, not eventually: a stop that is answered is a tree that is gone.
    let left: Vec<_> = descendants.iter().filter(|pid| is_alive(**pid)).collect();
    assert!(
        left.is_empty(),
        "of the descendants {descendants:?} these live: {left:?}"
    );
    assert_eq!(daemon.component("tree")["state"], "STOPPED");
    assert_eq!(sandbox.starts("starts").len(), 1);
}

#[test]
fn a_tree_that_changes_its_processes_all_the_time_is_emptied_all_the_same() {
    let sandbox = Sandbox::with(&[Server::new("chains", "fork-chains 40 wait").stop_timeout("500ms")]);
    let daemon = sandbox.start();
    daemon.wait_for("chains", "RUNNING");
    let own = daemon.pid();
    let others = || -> Vec<_> {
        let processes = sandbox.processes();
        processes
            .into_iter()
            .filter(|process| process.pid != own)
            .collect()
    };
    // One look sees only those that don't change while it is taken, on a busy machine hardly anybody.
    let mut met = HashSet::new();
    eventually("the chains are there", SOON, || {
        met.extend(others().into_iter().map(|process| process.pid));
        when(met.len() > 3, || format!("{met:?}"))
    });
    sandbox.ctl(&["stop", "chains"]).exits(0);
    for _ in 0..20 {
        let left = others();
        assert!(left.is_empty(), "the stop is answered, and these live: {left:?}");
    }
}

#[test]
fn of_a_tree_that_changes_all_the_time_nothing_lives_when_its_stop_is_answered_by_the_next_daemon() {
    let sandbox = Sandbox::with(&[Server::new("chains", "fork-chains 10 wait").stop_timeout("300ms")]);
    let mut daemon = sandbox.start();
    for _ in 0..6 {
        daemon.wait_for("chains", "RUNNING");
        daemon.kill();
        daemon = sandbox.start();
        daemon.wait_for("chains", "RUNNING");
        sandbox.ctl(&["stop", "chains"]).exits(0);
        let own = daemon.pid();
        for _ in 0..20 {
            let mut left = sandbox.processes();
            left.retain(|process| process.pid != own);
            assert!(left.is_empty(), "the stop is answered, and these live: {left:?}");
        }
        sandbox.ctl(&["start", "chains"]).exits(0);
    }
    daemon.stop();
}

#[test]
fn a_tree_that_never_rests_holds_up_no_other_component() {
    let servers = [
        Server::new("storm", "fork-chains 40 wait").stop_timeout("500ms"),
        Server::new("other", "record starts fork-setsid outside wait").stop_timeout("500ms"),
    ];
    let sandbox = Sandbox::with(&servers);
    let daemon = sandbox.start();
    daemon.wait_for("storm", "RUNNING");
    let first = pid(&daemon.wait_for("other", "RUNNING")).expect("it runs");
    let escaped = sandbox.pid_in("outside");
    send(first, Signal::KILL);
    eventually("the other one is started again", SOON, || {
        let starts = sandbox.starts("starts");
        when(starts.len() == 2, || format!("{starts:?}"))
    });
    assert!(!is_alive(escaped), "what the other one had left is gone");
}

#[test]
fn nothing_of_a_tree_survives_a_crash_into_the_next_run() {
    let sandbox = Sandbox::with(&[tree()]);
    let daemon = sandbox.start();
    let first = pid(&daemon.wait_for("tree", "RUNNING")).expect("it runs");
    let descendants = ["inside", "outside", "bare"].map(|file| sandbox.pid_in(file));
    for file in ["inside", "outside", "bare"] {
        std::fs::remove_file(sandbox.path(file)).expect("the sandbox is ours");
    }
    send(first, Signal::KILL);
    eventually("the tree is started again", SOON, || {
        let starts = sandbox.starts("starts");
        when(starts.len() == 2, || format!("{starts:?}"))
    });
    let left: Vec<_> = descendants.iter().filter(|pid| is_alive(**pid)).collect();
    assert!(
        left.is_empty(),
        "the next run began while these of the last one lived: {left:?}"
    );
    let second = daemon.wait_for("tree", "RUNNING");
    assert_ne!(pid(&second), Some(first));
    assert_eq!(second["last_exit"]["signal"], "SIGKILL");
    assert_eq!(second["restarts"], 1);
    // The next run's own descendants must be there, or this test has looked at nothing.
    let again = ["inside", "outside", "bare"].map(|file| sandbox.pid_in(file));
    daemon.stop();
    let left: Vec<_> = again.iter().filter(|pid| is_alive(**pid)).collect();
    assert!(left.is_empty(), "the stop of the daemon left {left:?}");
}
