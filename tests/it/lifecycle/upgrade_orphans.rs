//! What runs had left before an upgrade in place belongs to them after it, and what was never theirs still doesn't.

use rustix::process::Signal;
use s7tests::daemon::Daemon;
use s7tests::eventually::{SOON, eventually, when};
use s7tests::processes::{self, is_alive, send};
use s7tests::registry::Server;
use s7tests::sandbox::Sandbox;
use s7tests::strace;
use std::process::Command;
use std::time::{Duration, Instant};

fn upgrade_twice(sandbox: &Sandbox) {
    for _ in 0..2 {
        sandbox.ctl(&["upgrade"]).exits(0);
    }
}

fn living(pids: &[u32]) -> Vec<u32> {
    pids.iter().copied().filter(|pid| is_alive(*pid)).collect()
}

#[test]
fn nothing_of_a_tree_from_before_an_upgrade_survives_a_stop_or_a_crash_after_it() {
    let sandbox = Sandbox::with(&[Server::new(
        "tree",
        "record starts fork-in-group inside fork-setsid outside fork-bare bare wait",
    )
    .stop_timeout("500ms")]);
    let daemon = sandbox.start();
    let files = ["inside", "outside", "bare"];
    let first = daemon.pid_of("tree");
    let descendants = files.map(|file| sandbox.pid_in(file));
    upgrade_twice(&sandbox);
    assert_eq!(living(&descendants), descendants, "an upgrade ends nobody");
    for file in files {
        std::fs::remove_file(sandbox.path(file)).expect("the sandbox is ours");
    }
    send(first, Signal::KILL);
    eventually("it is started again", SOON, || {
        let starts = sandbox.starts("starts");
        when(starts.len() == 2, || format!("{starts:?}"))
    });
    assert!(
        living(&descendants).is_empty(),
        "the next run began while these lived"
    );
    let descendants = files.map(|file| sandbox.pid_in(file));
    daemon.wait_for("tree", "RUNNING");
    upgrade_twice(&sandbox);
    sandbox.ctl(&["stop", "tree"]).exits(0);
    assert!(
        living(&descendants).is_empty(),
        "the stop was answered while these lived"
    );
}

#[test]
fn an_orphan_without_a_mark_is_not_taken_for_that_of_whoever_ends_first_after_an_upgrade() {
    let sandbox = Sandbox::with(&[
        Server::new("older", "wait").stop_timeout("500ms"),
        Server::new("younger", "fork-bare bare wait")
            .tier(2)
            .stop_timeout("500ms"),
    ]);
    let daemon = sandbox.start();
    daemon.wait_for("older", "RUNNING");
    daemon.wait_for("younger", "RUNNING");
    let bare = sandbox.pid_in("bare");
    sandbox.ctl(&["upgrade"]).exits(0);
    sandbox.ctl(&["stop", "older"]).exits(0);
    assert!(is_alive(bare), "the component that it came from runs");
    sandbox.ctl(&["stop", "younger"]).exits(0);
    assert!(!is_alive(bare), "nobody else is left that it could come from");
}

#[test]
fn a_child_that_was_there_before_the_supervisor_outlives_its_upgrades_and_its_components() {
    let sandbox = Sandbox::with(&[Server::new("one", "fork-setsid outside wait").stop_timeout("500ms")]);
    // A shell that becomes the supervisor: its child is the supervisor's then.
    let run = sandbox.daemon_command();
    let mut shell = Command::new("/bin/sh");
    sandbox.clean(&mut shell);
    shell
        .args(["-c", "sleep 1000 & echo $! > stranger; exec \"$@\"", "sh"])
        .arg(run.get_program())
        .args(run.get_args());
    let daemon = Daemon::spawn(&sandbox, shell);
    daemon.wait_until_it_answers();
    daemon.wait_for("one", "RUNNING");
    let (stranger, outside) = (sandbox.pid_in("stranger"), sandbox.pid_in("outside"));
    let children = || processes::children_of(daemon.pid());
    assert!(children().iter().any(|child| child.pid == stranger));
    upgrade_twice(&sandbox);
    sandbox.ctl(&["stop", "one"]).exits(0);
    assert!(!is_alive(outside), "what the run had left is ended with it");
    assert!(is_alive(stranger), "and nobody else is");
    // With no run at all there is nobody that it could be taken for.
    sandbox.ctl(&["upgrade"]).exits(0);
    sandbox.ctl(&["start", "one"]).exits(0);
    sandbox.ctl(&["restart", "one"]).exits(0);
    assert!(is_alive(stranger));
    send(stranger, Signal::KILL);
    eventually("it is reaped like any other", SOON, || {
        let children = children();
        let there = children.iter().any(|child| child.pid == stranger);
        when(!there, || format!("{children:?}"))
    });
}

#[test]
fn a_component_that_left_the_registry_before_an_upgrade_is_asked_to_end_and_not_killed() {
    let gone = Server::new("gone", "note-stop asked slow-stop 1000 fork-setsid left wait");
    let sandbox = Sandbox::with(&[Server::new("kept", "record starts wait").tier(2), gone]);
    let daemon = sandbox.start();
    daemon.wait_for("kept", "RUNNING");
    daemon.wait_for("gone", "RUNNING");
    let left = sandbox.pid_in("left");
    // Whoever is younger may be of a run that the core loop has not heard of yet, and is spared for that reason alone.
    let begun = Instant::now();
    eventually("it is more than 5 s old", SOON, || {
        when(begun.elapsed() > Duration::from_secs(6), || "not yet".to_owned())
    });
    sandbox.write_registry(&[Server::new("kept", "record starts wait").tier(2)]);
    sandbox.ctl(&["upgrade"]).exits(0);
    // Something ends meanwhile, so that all orphans are looked at.
    sandbox.ctl(&["restart", "kept"]).exits(0);
    eventually("it was asked", SOON, || {
        when(sandbox.path("asked").exists(), || "not yet".to_owned())
    });
    eventually("nothing of it is left", SOON, || {
        when(!is_alive(left), || format!("{left} lives"))
    });
}

#[test]
fn how_a_component_ended_during_an_upgrade_is_known_after_it_needs_strace() {
    let test = "how_a_component_ended_during_an_upgrade_is_known_after_it_needs_strace";
    let sandbox = Sandbox::with(&[Server::new("one", "record starts wait")]);
    let daemon = sandbox.start();
    let first = daemon.pid_of("one");
    daemon.wait_for("one", "RUNNING");
    // Two seconds between the last step of one image and the first of the next.
    let delay = [
        "-e",
        "trace=execve",
        "-e",
        "inject=execve:delay_enter=2000000:when=1",
    ];
    let strace = match strace::attach(&sandbox, daemon.pid(), &delay) {
        Ok(strace) => strace,
        Err(why) => return s7tests::not_run(test, &why),
    };
    let upgrade = s7tests::ctl::start(sandbox.ctl_command().arg("upgrade"));
    eventually("it gives way", SOON, || {
        let log = sandbox.supervisor_log();
        when(log.contains("gives way"), || "not yet".to_owned())
    });
    send(first, Signal::USR1);
    let _ = s7tests::ctl::finish(upgrade, "upgrade".to_owned()).exits(0);
    eventually("it is started again", SOON, || {
        let starts = sandbox.starts("starts");
        when(starts.len() == 2, || format!("{starts:?}"))
    });
    drop(strace);
    let seen = daemon.wait_for("one", "RUNNING");
    assert_eq!(seen["last_exit"]["signal"], "SIGUSR1", "{seen}");
}
