//! What people wish by name outlives the daemon (DESIGN 4).

use s7tests::eventually::{SOON, eventually, when};
use s7tests::registry::Server;
use s7tests::sandbox::Sandbox;
use std::time::Duration;

const MANUAL: &str = "<autoStart>false</autoStart>";
const A_MOMENT: Duration = Duration::from_millis(200);

fn three() -> Sandbox {
    Sandbox::with(&[
        Server::new("one", "wait"),
        Server::new("two", "wait"),
        Server::new("manual", "wait").with(MANUAL),
    ])
}

#[test]
fn what_was_wished_by_name_holds_for_the_next_daemon() {
    let sandbox = three();
    let daemon = sandbox.start();
    daemon.wait_for("two", "RUNNING");
    sandbox.ctl(&["stop", "one"]).exits(0);
    sandbox.ctl(&["start", "manual"]).exits(0);
    // At once: what was answered is written.
    daemon.kill();
    let daemon = sandbox.start();
    daemon.wait_for("two", "RUNNING");
    daemon.wait_for("manual", "RUNNING");
    daemon.stays("one", "STOPPED", A_MOMENT);
    let reason = &daemon.component("one")["reason"];
    assert!(reason.to_string().contains("stopped"), "{reason}");
    // In the order that systemd ends and starts a service in, too.
    daemon.stop();
    let daemon = sandbox.start();
    daemon.wait_for("manual", "RUNNING");
    daemon.stays("one", "STOPPED", A_MOMENT);
    // The last wish is the one that holds.
    sandbox.ctl(&["restart", "one"]).exits(0);
    sandbox.ctl(&["stop", "manual"]).exits(0);
    daemon.kill();
    let daemon = sandbox.start();
    daemon.wait_for("one", "RUNNING");
    daemon.stays("manual", "STOPPED", A_MOMENT);
}

#[test]
fn a_start_of_everything_ends_what_was_stopped_by_hand() {
    let sandbox = three();
    let daemon = sandbox.start();
    daemon.wait_for("one", "RUNNING");
    sandbox.ctl(&["stop", "one"]).exits(0);
    sandbox.ctl(&["start", "all"]).exits(0);
    daemon.kill();
    let daemon = sandbox.start();
    daemon.wait_for("one", "RUNNING");
    // A stop of everything is about the moment: it outlives a crash of the daemon, and what is started by name since then.
    sandbox.ctl(&["stop", "all"]).exits(0);
    sandbox.ctl(&["start", "manual"]).exits(0);
    daemon.kill();
    let daemon = sandbox.start();
    daemon.wait_for("manual", "RUNNING");
    daemon.stays("one", "STOPPED", A_MOMENT);
    sandbox.ctl(&["stop", "manual"]).exits(0);
    // But not its end: the next daemon starts everything.
    daemon.stop();
    let daemon = sandbox.start();
    daemon.wait_for("one", "RUNNING");
    daemon.wait_for("two", "RUNNING");
    daemon.stays("manual", "STOPPED", A_MOMENT);
    // So is the end of the supervisor itself, and its restart in place starts everything.
    sandbox.ctl(&["stop", "two"]).exits(0);
    sandbox.ctl(&["restart"]).exits(0);
    daemon.wait_for("two", "RUNNING");
}

#[test]
fn a_wish_goes_with_its_component() {
    let sandbox = three();
    let daemon = sandbox.start();
    daemon.wait_for("one", "RUNNING");
    sandbox.ctl(&["stop", "one"]).exits(0);
    sandbox.write_registry(&[Server::new("two", "wait")]);
    sandbox.ctl(&["reload"]).exits(0);
    eventually("nothing is noted any more", SOON, || {
        let record = sandbox.read("run/journal");
        when(record.contains("\nunwish one ~"), || record)
    });
    daemon.kill();
    sandbox.write_registry(&[Server::new("one", "wait"), Server::new("two", "wait")]);
    sandbox.start().wait_for("one", "RUNNING");
}
