//! A pid that was a component's becomes somebody else's.

use rustix::process::Signal;
use s7tests::daemon::pid;
use s7tests::eventually::{SOON, eventually};
use s7tests::namespace::Namespace;
use s7tests::processes::{self, is_alive, send};
use s7tests::registry::Server;
use s7tests::sandbox::Sandbox;
use std::time::Duration;

#[test]
fn a_bystander_with_a_reused_pid_is_left_alone_needs_root() {
    let test = "a_bystander_with_a_reused_pid_is_left_alone_needs_root";
    let servers = [
        // It has to be killed, and later another one leaves something to be swept: nothing may go by the old number then.
        Server::new("gone", "record starts ignore TERM wait")
            .stop_timeout("500ms")
            .with("<autoStart>false</autoStart>"),
        Server::new("other", "wait"),
        Server::new("leaver", "fork-setsid outside wait")
            .stop_timeout("500ms")
            .with("<autoStart>false</autoStart>"),
    ];
    let sandbox = Sandbox::with(&servers);
    let namespace = match Namespace::new(&sandbox) {
        Ok(namespace) => namespace,
        Err(why) => return s7tests::not_run(test, &why),
    };
    let daemon = namespace.daemon();
    daemon.wait_for("other", "RUNNING");
    sandbox.ctl(&["start", "gone"]).exits(0);
    // As the daemon counts: pids are those inside.
    let old = pid(&daemon.component("gone")).expect("it runs");
    sandbox.ctl(&["stop", "gone"]).exits(0);
    let bystander = namespace.bystander(old);
    sandbox.ctl(&["stop", "gone"]).exits(0);
    sandbox.ctl(&["start", "leaver"]).exits(0);
    sandbox.ctl(&["stop", "leaver"]).exits(0);
    assert!(
        is_alive(bystander),
        "a sweep for another component has hit a bystander"
    );
    sandbox.ctl(&["restart", "gone"]).exits(0);
    sandbox.ctl(&["stop", "all"]).exits(0);
    assert!(is_alive(bystander), "a stop of what is gone has hit a bystander");
    send(bystander, Signal::KILL);
    eventually("the bystander is gone", SOON, || {
        processes::reap_adopted();
        if is_alive(bystander) {
            Err("it lives".into())
        } else {
            Ok(())
        }
    });
    std::fs::remove_file(sandbox.path("bystander")).expect("the sandbox is ours");

    // The daemon and its component die together, and the component's pid goes to somebody else.
    sandbox.ctl(&["start", "gone"]).exits(0);
    let old = pid(&daemon.component("gone")).expect("it runs");
    let outside = sandbox.starts("starts").len();
    let component = children_with_inner_pid(&sandbox, old);
    daemon.kill();
    send(component, Signal::KILL);
    eventually("the component is gone", SOON, || {
        if is_alive(component) {
            Err("it lives".into())
        } else {
            Ok(())
        }
    });
    let bystander = namespace.bystander(old);
    let daemon = namespace.daemon();
    assert!(
        is_alive(bystander),
        "the next daemon took a bystander for what was left behind"
    );
    sandbox.ctl(&["start", "gone"]).exits(0);
    let seen = daemon.wait_for("gone", "RUNNING");
    assert_ne!(
        pid(&seen),
        Some(old),
        "a bystander was taken for the component: {seen}"
    );
    assert_eq!(sandbox.starts("starts").len(), outside + 1);
    sandbox.ctl(&["stop", "all"]).exits(0);
    assert!(is_alive(bystander), "the bystander was stopped with the rest");
    s7tests::eventually::remains("the bystander lives", Duration::from_millis(300), || {
        if is_alive(bystander) {
            Ok(())
        } else {
            Err("it is gone".into())
        }
    });
    send(bystander, Signal::KILL);
    drop(daemon);
}

/// The sandbox's process with that pid inside the namespace.
fn children_with_inner_pid(sandbox: &Sandbox, wanted: u32) -> u32 {
    let marked = sandbox.processes();
    let found = marked
        .iter()
        .find(|process| processes::pid_inside(process.pid) == Some(wanted));
    found
        .unwrap_or_else(|| panic!("nobody has pid {wanted} inside: {marked:?}"))
        .pid
}
