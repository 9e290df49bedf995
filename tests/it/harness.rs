//! The harness must be able to fail: a sandbox that finds nothing would pass every test.

use rustix::process::Signal;
use s7tests::eventually::{SOON, eventually, when};
use s7tests::processes::{self, is_alive, send};
use s7tests::programs;
use s7tests::sandbox::Sandbox;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Runs a fixture in the sandbox, outside of any daemon.
fn stray(sandbox: &Sandbox, verbs: &str) -> std::process::Child {
    processes::spawn(sandbox.program(programs::FIXTURE).args(verbs.split(' ')))
}

#[test]
fn a_sandbox_fails_its_test_for_a_process_that_is_left_and_ends_it() {
    let sandbox = Sandbox::new();
    let mut child = stray(&sandbox, "ignore TERM pid ready wait");
    assert_eq!(sandbox.pid_in("ready"), child.id());
    let dropped = catch_unwind(AssertUnwindSafe(|| drop(sandbox)));
    let said = *dropped
        .expect_err("a process was left")
        .downcast::<String>()
        .expect("a message");
    assert!(said.contains(&child.id().to_string()), "{said}");
    child.wait().expect("it is our child");
    processes::forget(&child);
}

#[test]
fn a_sandbox_fails_its_test_for_a_socket_that_is_left() {
    let sandbox = Sandbox::new();
    std::fs::create_dir(sandbox.path("run")).expect("the sandbox is ours");
    let _listener = std::os::unix::net::UnixListener::bind(sandbox.socket()).expect("the sandbox is ours");
    let dropped = catch_unwind(AssertUnwindSafe(|| drop(sandbox)));
    assert!(dropped.is_err());
}

#[test]
fn the_fixture_grows_the_tree_that_it_is_told_to() {
    let sandbox = Sandbox::new();
    let mut child = stray(
        &sandbox,
        "record starts fork-in-group inside fork-setsid outside fork-bare bare wait",
    );
    let [inside, outside, bare] = ["inside", "outside", "bare"].map(|file| sandbox.pid_in(file));
    let parent = |pid: u32| processes::process(pid).map(|process| process.parent);
    assert_eq!(parent(inside), Some(child.id()));
    // Their own parent is gone, and the harness is the subreaper.
    assert_eq!(parent(outside), Some(std::process::id()));
    eventually("the bare one has lost its environment", SOON, || {
        let marked: Vec<_> = sandbox.processes().iter().map(|process| process.pid).collect();
        when(marked.contains(&outside) && !marked.contains(&bare), || {
            format!("{marked:?}")
        })
    });
    send(child.id(), Signal::TERM);
    child.wait().expect("it is our child");
    processes::forget(&child);
    for pid in [inside, outside, bare] {
        assert!(is_alive(pid), "{pid} ignores SIGTERM and lost only its parent");
        send(pid, Signal::KILL);
        eventually("it is gone", SOON, || {
            processes::reap_adopted();
            when(!is_alive(pid), || "it lives".into())
        });
    }
    assert_eq!(sandbox.starts("starts").len(), 1);
}

#[test]
fn the_fixture_loses_its_first_thread_and_lives() {
    let sandbox = Sandbox::new();
    let mut child = stray(&sandbox, "leader-exits");
    eventually("it shows as a zombie", SOON, || {
        let seen = processes::process(child.id());
        when(seen.as_ref().is_some_and(|seen| seen.state == 'Z'), || {
            format!("{seen:?}")
        })
    });
    assert!(is_alive(child.id()), "its other thread lives");
    assert!(child.try_wait().expect("it is our child").is_none());
    send(child.id(), Signal::TERM);
    child.wait().expect("it is our child");
    processes::forget(&child);
}
