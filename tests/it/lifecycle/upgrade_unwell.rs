//! Supervisors that come where the registry is broken, or where the log or a folder can't be written: an upgrade that would end
//! the supervisor is refused, and who takes over what runs goes on without.

use s7tests::daemon::Daemon;
use s7tests::eventually::{SOON, eventually, when};
use s7tests::registry::Server;
use s7tests::sandbox::Sandbox;
use std::fs;

const REGISTRY: &str = "conf/SupervisorRegistry.xml";

fn one() -> Sandbox {
    Sandbox::with(&[Server::new("one", "record starts wait")])
}

/// Asks for an upgrade that has to come to nothing for that reason.
#[track_caller]
fn refused(sandbox: &Sandbox, daemon: &Daemon<'_>, why: &str) {
    let said = sandbox.ctl(&["upgrade"]).exits(1);
    assert!(
        said.stderr.contains(why) && said.stderr.contains("nothing has changed"),
        "{why:?}: {said}"
    );
    assert_eq!(daemon.status()["supervisor"]["pid"], daemon.pid());
}

fn is_kept(sandbox: &Sandbox) {
    eventually("the registry is kept", SOON, || {
        let there = sandbox.path("run/registry.kept").exists();
        when(there, || "it is not".to_owned())
    });
}

#[test]
fn an_upgrade_is_refused_where_the_next_image_could_not_make_its_log_or_a_folder() {
    let sandbox = one();
    let daemon = sandbox.start();
    daemon.wait_for("one", "RUNNING");
    sandbox.ctl(&["stop", "one"]).exits(0);
    for (folder, called) in [("logs", "the log folder"), ("temp", "the temp folder")] {
        let (at, aside) = (sandbox.path(folder), sandbox.path("aside"));
        fs::rename(&at, &aside).expect("the sandbox is ours");
        fs::write(&at, "no folder").expect("the sandbox is ours");
        refused(&sandbox, &daemon, called);
        fs::remove_file(&at).expect("the sandbox is ours");
        fs::rename(&aside, &at).expect("the sandbox is ours");
    }
    let logs = fs::read_dir(sandbox.path("logs")).expect("the sandbox is ours");
    let own = logs
        .flatten()
        .map(|entry| entry.path())
        .find(|path| {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            name.starts_with("Supervisor-2")
        })
        .expect("the supervisor has a log");
    fs::rename(&own, sandbox.path("aside")).expect("the sandbox is ours");
    fs::create_dir(&own).expect("the sandbox is ours");
    refused(&sandbox, &daemon, "it is a folder");
    fs::remove_dir(&own).expect("the sandbox is ours");
    sandbox.ctl(&["upgrade"]).exits(0);
}

#[test]
fn an_upgrade_goes_on_with_the_kept_registry_where_everything_is_stopped_and_is_refused_where_that_is_damaged()
 {
    let sandbox = one();
    let daemon = sandbox.start();
    daemon.wait_for("one", "RUNNING");
    is_kept(&sandbox);
    sandbox.ctl(&["stop", "one"]).exits(0);
    let good = sandbox.read(REGISTRY);
    sandbox.write(REGISTRY, "<supervisor><servers>");
    let kept = sandbox.read("run/registry.kept");
    sandbox.write("run/registry.kept", "{\"half");
    refused(&sandbox, &daemon, "SupervisorRegistry.xml");
    sandbox.write("run/registry.kept", &kept);
    sandbox.ctl(&["upgrade"]).exits(0);
    let status = daemon.status();
    assert!(status["supervisor"]["registry_stale"].is_object(), "{status}");
    assert_eq!(daemon.component("one")["state"], "STOPPED", "as it was wished");
    sandbox.ctl(&["start", "one"]).exits(0);
    sandbox.write(REGISTRY, &good);
    sandbox.ctl(&["reload"]).exits(0);
}

#[test]
fn who_takes_over_goes_on_without_a_log_that_cannot_be_written_says_so_and_tries_again() {
    let sandbox = one();
    let daemon = sandbox.start();
    let pid = daemon.wait_for("one", "RUNNING")["pid"].clone();
    daemon.kill();
    for folder in ["logs", "temp"] {
        fs::remove_dir_all(sandbox.path(folder)).expect("the sandbox is ours");
        sandbox.write(folder, "no folder");
    }
    let daemon = sandbox.start();
    assert_eq!(daemon.wait_for("one", "RUNNING")["pid"], pid);
    let cannot = || daemon.status()["supervisor"]["cannot_write"].to_string();
    let said = cannot();
    assert!(
        said.contains("Supervisor-2") && said.contains("s7ctl reload"),
        "{said}"
    );
    sandbox.ctl(&["status"]).exits(0).says("goes on without");
    for folder in ["logs", "temp"] {
        fs::remove_file(sandbox.path(folder)).expect("the sandbox is ours");
    }
    sandbox.ctl(&["reload"]).exits(0);
    eventually("all of it is there again", 2 * SOON, || {
        when(cannot() == "[]", cannot)
    });
    let log = sandbox.supervisor_log();
    assert!(log.contains("lines are missing here"), "{log}");
    assert_eq!(sandbox.starts("starts").len(), 1);
}

#[test]
fn a_warning_of_a_folder_that_is_there_again_is_taken_back_without_a_reload() {
    let sandbox = one();
    let mut daemon = sandbox.start();
    let pid = daemon.wait_for("one", "RUNNING")["pid"].clone();
    for folder in ["logs", "temp"] {
        daemon.kill();
        fs::remove_dir_all(sandbox.path(folder)).expect("the sandbox is ours");
        sandbox.write(folder, "no folder");
        daemon = sandbox.start();
        assert_eq!(daemon.wait_for("one", "RUNNING")["pid"], pid);
        let cannot = || daemon.status()["supervisor"]["cannot_write"].to_string();
        let said = cannot();
        let called = format!("the {} folder", folder.trim_end_matches('s'));
        assert!(said.contains(&called), "{said}");
        fs::remove_file(sandbox.path(folder)).expect("the sandbox is ours");
        eventually("nothing warns any more", 2 * SOON, || {
            when(cannot() == "[]", cannot)
        });
        assert!(sandbox.path(folder).is_dir(), "{folder} is made");
    }
}

#[test]
fn an_image_that_was_handed_over_begins_where_a_new_supervisor_would_not() {
    let sandbox = one();
    let daemon = sandbox.start();
    daemon.wait_for("one", "RUNNING");
    is_kept(&sandbox);
    sandbox.ctl(&["stop", "one"]).exits(0);
    daemon.kill();
    fs::remove_dir_all(sandbox.path("logs")).expect("the sandbox is ours");
    sandbox.write("logs", "no folder");
    assert_eq!(
        sandbox.spawn_with(&[]).wait().code(),
        Some(73),
        "there is nothing to adopt"
    );
    sandbox.write(REGISTRY, "<supervisor><servers>");
    assert_eq!(
        sandbox.spawn_with(&[]).wait().code(),
        Some(78),
        "there is nothing to adopt"
    );
    // As the image before says that it was in charge.
    let mut command = sandbox.daemon_command();
    command.env("S7_HANDED_OVER", "since=1,from=0.0.9");
    let daemon = Daemon::spawn(&sandbox, command);
    daemon.wait_until_it_answers();
    let status = daemon.status();
    assert!(status["supervisor"]["registry_stale"].is_object(), "{status}");
    assert_eq!(daemon.component("one")["state"], "STOPPED", "as it was wished");
    drop(daemon);
    fs::remove_file(sandbox.path("logs")).expect("the sandbox is ours");
}
