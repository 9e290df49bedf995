//! What becomes of those that rely on a component when it is lost.

use s7supervisord::failpoint::VARIABLE;
use s7tests::daemon::Daemon;
use s7tests::eventually::{SOON, eventually, when};
use s7tests::processes::send;
use s7tests::programs;
use s7tests::registry::Server;
use s7tests::sandbox::Sandbox;

use rustix::process::Signal;

fn all_are_up(daemon: &Daemon<'_>) {
    for id in ["base", "follows", "also-follows", "stops", "stays"] {
        daemon.wait_for(id, "RUNNING");
    }
}

#[test]
fn who_follows_a_component_gets_one_new_run_when_it_is_lost_and_who_does_not_goes_on() {
    let relies = |id: &str, loss: &str| {
        let on = format!("<dependsOn ref=\"base\" onLoss=\"{loss}\"/>");
        Server::new(id, &format!("record {id}.starts wait")).with(&on)
    };
    let chained = Server::new("also-follows", "record also-follows.starts wait")
        .with("<dependsOn ref=\"follows\" onLoss=\"restart\"/><dependsOn ref=\"base\" onLoss=\"restart\"/>");
    let sandbox = Sandbox::with(&[
        Server::new("base", "record base.starts wait"),
        relies("follows", "restart"),
        chained,
        relies("stops", "stop"),
        relies("stays", "none"),
    ]);
    let daemon = sandbox.start();
    all_are_up(&daemon);
    send(daemon.pid_of("base"), Signal::KILL);
    eventually("those that follow have a new run", SOON, || {
        let runs =
            ["base", "follows", "also-follows"].map(|id| sandbox.starts(&format!("{id}.starts")).len());
        when(runs == [2, 2, 2], || format!("{runs:?}"))
    });
    for id in ["base", "follows", "also-follows"] {
        let seen = daemon.wait_for(id, "RUNNING");
        assert_eq!(seen["run"], 2, "one new run, however much was lost: {seen}");
    }
    let followed = daemon.component("follows");
    assert_eq!(
        (&followed["restarts"], &followed["last_exit"]["reason"]),
        (&0.into(), &"dependency_lost".into()),
        "that is no crash of its own: {followed}"
    );
    daemon.wait_for("stops", "STOPPED");
    assert_eq!(sandbox.starts("stops.starts").len(), 1);
    assert_eq!(sandbox.starts("stays.starts").len(), 1);
    // Nobody has wished that; it holds until somebody starts it.
    sandbox.ctl(&["start", "stops"]).exits(0);
    // A stop by name is a loss as well: who follows waits until it is back.
    sandbox.ctl(&["stop", "base"]).exits(0);
    daemon.wait_for("follows", "WAITING");
    daemon.wait_for("stops", "STOPPED");
    sandbox.ctl(&["start", "base"]).exits(0);
    daemon.wait_for("follows", "RUNNING");
    daemon.wait_for("also-follows", "RUNNING");
    daemon.stop();
}

/// `app` is stopped for its loss of `base`, and stays so, while everything else has run.
fn app_stays_stopped(sandbox: &Sandbox, daemon: &Daemon<'_>, starts: usize) {
    daemon.wait_for("later", "RUNNING");
    let app = daemon.wait_for("app", "STOPPED");
    assert_eq!(sandbox.starts("app.starts").len(), starts, "{app}");
    let why = sandbox.ctl(&["why", "app"]).exits(0);
    let status = sandbox.ctl(&["status", "app"]);
    let told = format!("{}{}", why.stdout, status.stdout);
    assert!(told.contains("stopped by the supervisor"), "{told}");
}

#[test]
fn who_was_stopped_for_a_loss_stays_stopped_under_every_next_daemon_until_somebody_starts_it() {
    let servers = [
        Server::new("base", "record base.starts wait"),
        Server::new("app", "record app.starts wait").with("<dependsOn ref=\"base\" onLoss=\"stop\"/>"),
        Server::new("later", "record later.starts wait").tier(9),
    ];
    let sandbox = Sandbox::with(&servers);
    let daemon = sandbox.start();
    daemon.wait_for("app", "RUNNING");
    send(daemon.pid_of("base"), Signal::KILL);
    app_stays_stopped(&sandbox, &daemon, 1);
    eventually("it is in the record", SOON, || {
        let record = sandbox.read("run/journal");
        when(record.contains("\nwish app down supervisor "), || record.clone())
    });
    daemon.kill();
    let daemon = sandbox.start();
    app_stays_stopped(&sandbox, &daemon, 1);
    sandbox.copy_program(&programs::path_of(programs::DAEMON), "bin/newer");
    let newer = sandbox.path("bin/newer").display().to_string();
    sandbox.ctl(&["upgrade", "--binary", &newer]).exits(0);
    app_stays_stopped(&sandbox, &daemon, 1);
    sandbox.ctl(&["start", "app"]).exits(0);
    // Now what it depends on is lost while no daemon is there.
    let base = daemon.pid_of("base");
    daemon.kill();
    send(base, Signal::KILL);
    let daemon = sandbox.start();
    app_stays_stopped(&sandbox, &daemon, 2);
    assert_eq!(daemon.wait_for("base", "RUNNING")["run"], 3);
    sandbox.ctl(&["start"]).exits(0);
    daemon.wait_for("app", "RUNNING");
    daemon.kill();
    let daemon = sandbox.start();
    daemon.wait_for("app", "RUNNING");
    daemon.stop();
}

#[test]
fn no_daemon_knows_what_came_of_a_loss_and_not_that_somebody_was_stopped_for_it() {
    let sandbox = Sandbox::with(&[
        Server::new("base", "record base.starts wait"),
        Server::new("app", "record app.starts wait").with("<dependsOn ref=\"base\" onLoss=\"stop\"/>"),
        Server::new("later", "record later.starts wait").tier(9),
    ]);
    // Who is to write what is wished never comes to it; everybody else who writes goes on.
    let mut command = sandbox.daemon_command();
    command.env(VARIABLE, "record.wish=hang");
    let daemon = Daemon::spawn(&sandbox, command);
    daemon.wait_until_it_answers();
    daemon.wait_for("later", "RUNNING");
    let base = daemon.pid_of("base");
    send(base, Signal::KILL);
    eventually("its next run is recorded", SOON, || {
        let record = sandbox.read("run/journal");
        when(record.contains("\nstart base 2 "), || record.clone())
    });
    let record = sandbox.read("run/journal");
    let at = |words: &str| record.find(words).unwrap_or(usize::MAX);
    let wished = at("\nwish app down supervisor ");
    assert!(
        wished < at("\nstart base 2 ") && wished < at("\nasked app 1 "),
        "{record}"
    );
    daemon.kill();
    let daemon = sandbox.start();
    app_stays_stopped(&sandbox, &daemon, 1);
    assert_eq!(daemon.wait_for("base", "RUNNING")["run"], 2);
    daemon.stop();
}
