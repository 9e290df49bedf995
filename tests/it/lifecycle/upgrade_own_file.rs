//! An upgrade without a file named: to what has the path now that the supervisor was started from.

use s7tests::daemon::Daemon;
use s7tests::programs;
use s7tests::registry::Server;
use s7tests::sandbox::Sandbox;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::process::Command;

/// A supervisor that is started by this name.
fn started_as<'a>(sandbox: &'a Sandbox, relative: &str) -> Daemon<'a> {
    let plain = sandbox.daemon_command();
    let mut command = Command::new(sandbox.path(relative));
    sandbox.clean(&mut command);
    command.args(plain.get_args());
    let daemon = Daemon::spawn(sandbox, command);
    daemon.wait_until_it_answers();
    daemon
}

fn executes(daemon: &Daemon<'_>) -> PathBuf {
    fs::read_link(format!("/proc/{}/exe", daemon.pid())).expect("the daemon lives")
}

#[test]
fn an_upgrade_of_a_supervisor_that_was_started_by_a_link_goes_where_the_link_leads_each_time() {
    let sandbox = Sandbox::with(&[Server::new("one", "wait")]);
    for version in ["o1/sd", "o2/sd"] {
        fs::create_dir(sandbox.path(&version[..2])).expect("the sandbox is ours");
        sandbox.copy_program(&programs::path_of(programs::DAEMON), version);
    }
    let lead = |to: &str| {
        symlink(sandbox.path(to), sandbox.path("fresh")).expect("the sandbox is ours");
        fs::rename(sandbox.path("fresh"), sandbox.path("cur")).expect("the sandbox is ours");
    };
    lead("o1/sd");
    let daemon = started_as(&sandbox, "cur");
    let before = daemon.wait_for("one", "RUNNING")["pid"].clone();
    assert_eq!(executes(&daemon), sandbox.path("o1/sd"));
    for version in ["o2/sd", "o1/sd"] {
        lead(version);
        sandbox.ctl(&["upgrade"]).exits(0);
        assert_eq!(executes(&daemon), sandbox.path(version));
    }
    assert_eq!(daemon.component("one")["pid"], before);
}

#[test]
fn an_upgrade_executes_the_new_file_of_that_name_and_not_the_old_one_that_was_renamed() {
    let sandbox = Sandbox::with(&[Server::new("one", "wait")]);
    fs::create_dir(sandbox.path("o1")).expect("the sandbox is ours");
    sandbox.copy_program(&programs::path_of(programs::DAEMON), "o1/sd");
    let daemon = started_as(&sandbox, "o1/sd");
    daemon.wait_for("one", "RUNNING");
    for aside in ["o1/sd.bak", "o1/sd.bak2"] {
        fs::rename(sandbox.path("o1/sd"), sandbox.path(aside)).expect("the sandbox is ours");
        sandbox.ctl(&["upgrade"]).exits(1).says("there is no such file");
        sandbox.copy_program(&programs::path_of(programs::DAEMON), "o1/sd");
        sandbox.ctl(&["upgrade"]).exits(0);
        assert_eq!(executes(&daemon), sandbox.path("o1/sd"));
    }
}
