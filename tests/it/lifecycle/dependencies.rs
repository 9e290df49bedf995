//! What a component does when it loses one that it depends on.

use rustix::process::Signal;
use s7tests::daemon::pid;
use s7tests::eventually::SOON;
use s7tests::processes::{is_alive, send};
use s7tests::registry::Server;
use s7tests::sandbox::Sandbox;

#[test]
fn a_lost_dependency_restarts_stops_or_leaves_alone_as_the_registry_says() {
    let above = |id: &str, loss: &str| {
        Server::new(id, &format!("record {id}.starts wait"))
            .with(&format!("<dependsOn ref=\"base\" onLoss=\"{loss}\"/>"))
    };
    let sandbox = Sandbox::with(&[
        Server::new("base", "record base.starts wait").start_delay("300ms"),
        above("stays", "none"),
        above("follows", "restart"),
        above("leaves", "stop"),
    ]);
    let daemon = sandbox.start();
    let before = ["base", "stays", "follows", "leaves"]
        .map(|id| pid(&daemon.wait_for(id, "RUNNING")).expect("it runs"));
    send(before[0], Signal::KILL);
    let base = daemon.wait_until("the base is back", "base", SOON, |seen| {
        seen["state"] == "RUNNING" && pid(seen) != Some(before[0])
    });
    assert_eq!(base["restarts"], 1);
    let follows = daemon.wait_until("it follows", "follows", SOON, |seen| {
        seen["state"] == "RUNNING" && pid(seen) != Some(before[2])
    });
    assert_eq!(follows["restarts"], 0, "it did not crash: {follows}");
    let second = |file: &str| sandbox.starts(file)[1].at;
    assert!(
        second("follows.starts") > second("base.starts"),
        "it waits for what it depends on"
    );
    daemon.wait_for("leaves", "STOPPED");
    assert!(!is_alive(before[3]));
    assert_eq!(sandbox.starts("leaves.starts").len(), 1);
    let stays = daemon.component("stays");
    assert_eq!(
        (pid(&stays), &stays["state"]),
        (Some(before[1]), &"RUNNING".into())
    );
}
