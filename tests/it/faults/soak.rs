//! Much happens for a while, and nothing of it is kept.

use rustix::process::Signal;
use s7tests::daemon::Daemon;
use s7tests::eventually::{SOON, eventually, when};
use s7tests::processes::send;
use s7tests::registry::Server;
use s7tests::sandbox::Sandbox;
use s7tests::usage::{descriptors, resident, threads};
use std::time::Duration;

/// What the daemon holds, once nothing is under way any more.
fn at_rest(daemon: &Daemon<'_>) -> (usize, usize) {
    let mut last = (0, 0);
    let mut same = 0;
    eventually("the daemon is at rest", SOON, || {
        let now = (descriptors(daemon.pid()), threads(daemon.pid()));
        same = if now == last { same + 1 } else { 0 };
        last = now;
        when(same > 40, || format!("{now:?}"))
    });
    last
}

/// Commands, crashes of every kind, clients that go away, and output.
fn turmoil(sandbox: &Sandbox, daemon: &Daemon<'_>, rounds: usize) {
    let ids = ["plain", "leaver", "loud"];
    for round in 0..rounds {
        let id = ids[round % ids.len()];
        match round % 4 {
            0 => {
                let before = daemon.wait_for(id, "RUNNING")["pid"].clone();
                let pid = u32::try_from(before.as_u64().expect("it runs")).expect("a pid");
                send(pid, Signal::KILL);
                daemon.wait_until("it is back", id, SOON, |seen| {
                    seen["state"] == "RUNNING" && seen["pid"] != before
                });
            }
            1 => {
                sandbox.ctl(&["restart", id]).exits(0);
            }
            2 => {
                sandbox.ctl(&["stop", id]).exits(0);
                sandbox.ctl(&["start", id]).exits(0);
            }
            _ => {
                drop(s7tests::wire::Wire::greet(&sandbox.socket()));
                let said = sandbox.ctl(&["--timeout", "1ms", "restart", id]);
                assert!(matches!(said.code, Some(0 | 6)), "{said}");
                sandbox.ctl(&["reload"]).exits(0);
                daemon.wait_for(id, "RUNNING");
            }
        }
    }
}

#[test]
fn hundreds_of_crashes_and_commands_leave_no_descriptor_no_thread_and_little_memory() {
    let sandbox = Sandbox::with(&[
        Server::new("plain", "wait"),
        Server::new("leaver", "fork-setsid left wait").stop_timeout("50ms"),
        Server::new("loud", "lines 0 300 wait"),
        // A component that no crash of the others concerns.
        Server::new("steady", "record steady wait"),
    ]);
    let daemon = sandbox.start();
    daemon.wait_for("steady", "RUNNING");
    // Threads are made when they are first needed, and memory too.
    turmoil(&sandbox, &daemon, 40);
    let (before, memory) = (at_rest(&daemon), resident(daemon.pid()));
    turmoil(&sandbox, &daemon, 240);
    let after = at_rest(&daemon);
    assert!(
        after.0 <= before.0,
        "descriptors and threads: {before:?} became {after:?}"
    );
    assert!(after.1 <= before.1 + 2, "threads: {before:?} became {after:?}");
    let grown = resident(daemon.pid()).saturating_sub(memory);
    assert!(
        grown < 4 * 1024 * 1024,
        "{memory} bytes of memory grew by {grown}"
    );
    assert_eq!(sandbox.starts("steady").len(), 1);
    daemon.stays("steady", "RUNNING", Duration::from_millis(100));
}
