//! The daemon is killed while it starts something: the next one must neither lose nor double it.

use rustix::process::Signal;
use s7tests::daemon::pid;
use s7tests::eventually::{SOON, eventually, when};
use s7tests::processes::{self, is_alive, send};
use s7tests::registry::Server;
use s7tests::sandbox::Sandbox;
use s7tests::strace;
use std::collections::HashSet;
use std::time::{Duration, Instant};

/// The pids that have recorded a start and live.
fn living(sandbox: &Sandbox) -> HashSet<u32> {
    sandbox
        .starts("starts")
        .iter()
        .map(|start| start.pid)
        .filter(|pid| is_alive(*pid))
        .collect()
}

/// Starts the next daemon and asserts that one copy runs, and that it is the one that the daemon speaks of.
fn one_copy_runs(sandbox: &Sandbox, when_killed: &str) {
    let daemon = sandbox.start();
    // It may be wished up or not, as the command did or didn't come through.
    sandbox.ctl(&["start", "one"]).exits(0);
    let seen = daemon.wait_for("one", "RUNNING");
    let copies = eventually("the record of the start is there", SOON, || {
        let copies = living(sandbox);
        if copies.is_empty() {
            Err("nobody lives".into())
        } else {
            Ok(copies)
        }
    });
    assert_eq!(copies.len(), 1, "copies after a kill {when_killed}: {copies:?}");
    assert_eq!(
        seen["pid"].as_u64(),
        copies.iter().next().map(|pid| u64::from(*pid)),
        "{seen}"
    );
    let marked = sandbox.processes();
    assert_eq!(
        marked.len(),
        2,
        "the daemon and one copy, after a kill {when_killed}: {marked:?}"
    );
    sandbox.ctl(&["stop", "one"]).exits(0);
    daemon.stop();
    assert_eq!(living(sandbox), HashSet::new());
}

#[test]
fn a_run_whose_record_is_lost_is_found_by_its_environment() {
    let sandbox = Sandbox::with(&[Server::new("one", "record starts wait")]);
    let daemon = sandbox.start();
    let before = pid(&daemon.wait_for("one", "RUNNING")).expect("it runs");
    daemon.kill();
    std::fs::remove_dir_all(sandbox.path("run")).expect("the sandbox is ours");
    let daemon = sandbox.start();
    let found = daemon.wait_for("one", "RUNNING");
    assert_eq!(pid(&found), Some(before), "it goes on");
    assert_eq!(sandbox.starts("starts").len(), 1, "there is no second copy");
    // What is known of it now is in the record again.
    daemon.kill();
    let daemon = sandbox.start();
    assert_eq!(pid(&daemon.wait_for("one", "RUNNING")), Some(before), "and on");
}

#[test]
fn a_daemon_killed_at_any_moment_of_a_start_leaves_one_copy() {
    let sandbox = Sandbox::with(&[Server::new("one", "record starts wait")]);
    // How long a start takes here, so that the moments fall into it.
    let daemon = sandbox.start();
    daemon.wait_for("one", "RUNNING");
    sandbox.ctl(&["stop", "one"]).exits(0);
    let begun = Instant::now();
    sandbox.ctl(&["start", "one"]).exits(0);
    let span = begun.elapsed();
    daemon.stop();
    for round in 0..24 {
        let daemon = sandbox.start();
        sandbox.ctl(&["stop", "one"]).exits(0);
        let mut client = s7tests::ctl::start(sandbox.ctl_command().args(["start", "one"]));
        let moment = span * round / 20;
        let begun = Instant::now();
        while begun.elapsed() < moment {
            std::hint::spin_loop();
        }
        daemon.kill();
        client.wait().expect("the client is ours");
        processes::forget(&client);
        one_copy_runs(&sandbox, &format!("{moment:?} after the command"));
        std::fs::remove_file(sandbox.path("starts")).expect("the sandbox is ours");
    }
}

#[test]
fn a_daemon_killed_right_after_its_fork_leaves_one_copy_needs_strace() {
    let test = "a_daemon_killed_right_after_its_fork_leaves_one_copy_needs_strace";
    let sandbox =
        Sandbox::with(&[Server::new("one", "record starts wait").with("<autoStart>false</autoStart>")]);
    let daemon = sandbox.start();
    // Whichever call it is that makes the process, SIGKILL comes when it returns in the daemon.
    let kill = [
        "-f",
        "-e",
        "trace=clone,clone3,fork,vfork",
        "-e",
        "inject=clone,clone3,fork,vfork:signal=KILL",
    ];
    let strace = match strace::attach(&sandbox, daemon.pid(), &kill) {
        Ok(strace) => strace,
        Err(why) => return s7tests::not_run(test, &why),
    };
    let said = sandbox.ctl(&["--timeout", "20", "start", "one"]);
    assert_ne!(
        said.code,
        Some(0),
        "the daemon was killed while it started the component: {said}"
    );
    let mut daemon = daemon;
    assert_eq!(
        std::os::unix::process::ExitStatusExt::signal(&daemon.wait()),
        Some(Signal::KILL.as_raw())
    );
    drop(daemon);
    drop(strace);
    let calls = sandbox.read("strace.out");
    assert!(
        calls.contains("(INJECTED)") || calls.contains("SIGKILL"),
        "nothing was injected: {calls}"
    );
    one_copy_runs(&sandbox, "right after the fork");
}

#[test]
fn a_run_that_hangs_before_its_program_keeps_no_next_daemon_out_needs_strace() {
    let test = "a_run_that_hangs_before_its_program_keeps_no_next_daemon_out_needs_strace";
    let sandbox =
        Sandbox::with(&[Server::new("one", "record starts wait").with("<autoStart>false</autoStart>")]);
    let daemon = sandbox.start();
    // As a working directory on a file system that doesn't answer.
    let hang = ["-f", "-e", "trace=chdir", "-e", "inject=chdir:delay_enter=20s"];
    let strace = match strace::attach(&sandbox, daemon.pid(), &hang) {
        Ok(strace) => strace,
        Err(why) => return s7tests::not_run(test, &why),
    };
    let mut client = s7tests::ctl::start(sandbox.ctl_command().args(["start", "one"]));
    eventually("it is recorded, and hangs", SOON, || {
        let calls = sandbox.read("strace.out");
        let recorded = sandbox.read("run/journal").contains("start one 1 ");
        when(recorded && calls.contains("chdir("), || calls)
    });
    daemon.kill();
    client.wait().expect("the client is ours");
    processes::forget(&client);
    // It has the daemon's lock no longer, or the next one would be kept out of its folder.
    let next = sandbox.start();
    assert_eq!(sandbox.read("starts"), "", "it hangs as yet");
    drop(strace);
    next.wait_for("one", "RUNNING");
    assert_eq!(living(&sandbox).len(), 1);
}

#[test]
fn a_start_waits_for_what_an_earlier_daemon_left() {
    let stubborn = Server::new("one", "ignore TERM record starts wait").stop_timeout("1");
    let sandbox = Sandbox::with(&[stubborn, Server::new("other", "wait")]);
    let daemon = sandbox.start();
    daemon.wait_for("one", "RUNNING");
    daemon.kill();
    let daemon = sandbox.start();
    sandbox.ctl(&["start", "one"]).exits(0);
    let copies = living(&sandbox);
    assert_eq!(copies.len(), 1, "a second copy was started beside {copies:?}");
    // And the last wish holds, however late the daemon's own start of everything is.
    sandbox.ctl(&["stop", "one"]).exits(0);
    daemon.wait_for("other", "RUNNING");
    daemon.stays("one", "STOPPED", Duration::from_secs(2));
    assert_eq!(living(&sandbox), HashSet::new());
}

#[test]
fn what_is_no_longer_in_the_registry_is_ended_by_the_next_daemon() {
    let sandbox = Sandbox::with(&[
        Server::new("plain", "record starts wait"),
        // Only the record of its run tells what this one is.
        Server::new("hidden", "record starts hide"),
        Server::new("kept", "wait"),
    ]);
    let daemon = sandbox.start();
    let old = ["plain", "hidden"].map(|id| pid(&daemon.wait_for(id, "RUNNING")).expect("it runs"));
    eventually("the hidden one is hidden", SOON, || {
        let marked = sandbox.processes();
        when(marked.iter().all(|process| process.pid != old[1]), || {
            format!("{marked:?}")
        })
    });
    daemon.kill();
    assert!(old.iter().all(|pid| is_alive(*pid)), "they outlive their daemon");
    sandbox.write_registry(&[Server::new("kept", "wait")]);
    let daemon = sandbox.start();
    daemon.wait_for("kept", "RUNNING");
    // Without a marker, nobody but the daemon would find the hidden one.
    let begun = Instant::now();
    let left = || {
        old.iter()
            .copied()
            .filter(|pid| is_alive(*pid))
            .collect::<Vec<u32>>()
    };
    while !left().is_empty() && begun.elapsed() < SOON {
        std::thread::yield_now();
    }
    let left = left();
    left.iter().for_each(|pid| send(*pid, Signal::KILL));
    assert!(
        left.is_empty(),
        "of plain and hidden {old:?} these live: {left:?}"
    );
}

#[test]
fn no_line_is_lost_or_doubled_when_the_daemon_is_killed() {
    let sandbox = Sandbox::with(&[Server::new("talker", "tick 1")]);
    let mut daemon = sandbox.start();
    let mut reached = 0;
    for round in 1..=10 {
        eventually("the talker is heard", SOON, || {
            let lines = sandbox.log_of("talker").lines().count();
            when(lines > reached, || format!("{lines} lines"))
        });
        reached = sandbox.log_of("talker").lines().count();
        let moment = Instant::now();
        while moment.elapsed() < Duration::from_millis(7 * round) {
            std::hint::spin_loop();
        }
        daemon.kill();
        daemon = sandbox.start();
    }
    sandbox.ctl(&["stop", "talker"]).exits(0);
    let log = sandbox.log_of("talker");
    // A next run counts from the beginning; within a run no number is missing and none comes twice.
    let mut expected = 0;
    for (place, line) in log.lines().enumerate() {
        if line == "line 00000000" {
            expected = 0;
        }
        assert_eq!(
            line,
            format!("line {expected:08}"),
            "line {place} of {}",
            log.lines().count()
        );
        expected += 1;
    }
}

#[test]
fn nobody_says_that_there_is_nothing_to_stop_while_a_killed_daemon_has_left_components() {
    let sandbox = Sandbox::with(&[Server::new("one", "record starts wait")]);
    let daemon = sandbox.start();
    daemon.wait_for("one", "RUNNING");
    daemon.kill();
    for verb in ["stop", "status", "shutdown"] {
        sandbox.ctl(&[verb]).exits(3).says("its components may still run");
    }
    assert_eq!(living(&sandbox).len(), 1, "the component runs on");
    let mut daemon = sandbox.start();
    sandbox.ctl(&["stop"]).exits(0);
    assert_eq!(daemon.wait().code(), Some(0));
    sandbox.ctl(&["stop"]).exits(0).says("nothing to stop");
    assert_eq!(living(&sandbox).len(), 0);
}
