//! Where the daemon keeps what the next one has to know, nothing can be written any more.

use rustix::process::Signal;
use s7tests::daemon::{Daemon, pid};
use s7tests::eventually::{SOON, eventually, when};
use s7tests::numbered::runs_of;
use s7tests::processes::send;
use s7tests::programs;
use s7tests::registry::{self, Server};
use s7tests::sandbox::Sandbox;
use serde_json::Value;
use std::fs::Permissions;
use std::os::unix::fs::{PermissionsExt, chown};
use std::process::{Command, Stdio};
use std::time::Duration;

const NOBODY: u32 = 65534;
/// What can't be recorded is tried again each ten seconds.
const TRIED_AGAIN: Duration = Duration::from_secs(60);

/// Says what the daemon says about its record.
fn record(daemon: &Daemon<'_>) -> Value {
    daemon.status()["supervisor"]["state_not_persisted"].clone()
}

/// Waits until the daemon has nothing to say about its record.
fn record_is_whole(daemon: &Daemon<'_>) {
    eventually("the record is whole again", TRIED_AGAIN, || {
        let now = record(daemon);
        when(now == Value::Null, || now.to_string())
    });
}

/// Waits until the last run of `id` has written `more` lines more, of which none is missing or there twice.
fn lines_go_on(sandbox: &Sandbox, id: &str, more: u64) {
    let lines = || {
        let log = sandbox.log_of(id);
        let whole = log.rfind('\n').map_or(0, |end| end + 1);
        let runs = runs_of(&log[..whole]).expect("lines without a gap or a double");
        (runs.len(), runs.last().copied().unwrap_or_default())
    };
    let before = lines();
    eventually("there are more lines", SOON, || {
        let now = lines();
        when(now.0 == before.0 && now.1 >= before.1 + more, || {
            format!("{before:?} lines have become {now:?}")
        })
    });
}

/// Kills the first process of `id` and waits for the next run.
fn comes_back(daemon: &Daemon<'_>, id: &str) {
    let before = pid(&daemon.wait_for(id, "RUNNING")).expect("it runs");
    send(before, Signal::KILL);
    daemon.wait_until("it is started again", id, SOON, |seen| {
        seen["state"] == "RUNNING" && seen["pid"] != before
    });
}

/// What has to hold while nothing can be written, for two components that write numbered lines.
fn supervision_goes_on(sandbox: &Sandbox, daemon: &Daemon<'_>, why: &str) {
    comes_back(daemon, "crashing");
    lines_go_on(sandbox, "crashing", 50);
    sandbox.ctl(&["restart", "healthy"]).exits(0);
    lines_go_on(sandbox, "healthy", 50);
    let said = record(daemon);
    assert!(
        said.as_str()
            .is_some_and(|said| said.contains("making the output pipe") && said.contains(why)),
        "{said}"
    );
    let shown = sandbox.ctl(&["status"]).exits(0);
    assert!(
        shown.stdout.contains("only by their environment or cgroup"),
        "{shown}"
    );
}

fn servers() -> [Server; 2] {
    [
        Server::new("crashing", "tick 2"),
        Server::new("healthy", "tick 2"),
    ]
}

fn may_mount() -> Result<(), &'static str> {
    let allowed = Command::new("unshare")
        .args(["--mount", "true"])
        .stderr(Stdio::null())
        .status();
    let is_allowed = allowed.is_ok_and(|status| status.success());
    is_allowed
        .then_some(())
        .ok_or("a mount namespace can't be made here")
}

/// A daemon that isn't root, in a sandbox that is its own.
fn as_nobody(sandbox: &Sandbox) -> Daemon<'_> {
    let mut command = Command::new("setpriv");
    sandbox.clean(&mut command);
    command
        .args(["--reuid=65534", "--regid=65534", "--clear-groups", "--"])
        .arg(sandbox.path("bin/s7supervisord"))
        .args(sandbox.daemon_command().get_args());
    let daemon = Daemon::spawn(sandbox, command);
    daemon.wait_until_it_answers();
    daemon
}

fn for_nobody() -> Sandbox {
    let sandbox = Sandbox::with(&servers());
    sandbox.install();
    sandbox.copy_program(&programs::path_of(programs::FIXTURE), registry::FIXTURE);
    for folder in ["", "conf", "logs", "temp", "bin"] {
        chown(sandbox.path(folder), Some(NOBODY), Some(NOBODY)).expect("root may give files away");
    }
    sandbox
}

/// Sets whether something can be made in the runtime folder.
fn may_be_written(sandbox: &Sandbox, may: bool) {
    for folder in ["run", "run/out", "run/locks"] {
        let mode = Permissions::from_mode(if may { 0o700 } else { 0o500 });
        std::fs::set_permissions(sandbox.path(folder), mode).expect("root may do that");
    }
}

#[test]
fn a_runtime_folder_that_cannot_be_written_stops_no_supervision_and_costs_no_output_needs_root() {
    let test = "a_runtime_folder_that_cannot_be_written_stops_no_supervision_and_costs_no_output_needs_root";
    if !rustix::process::geteuid().is_root() {
        return s7tests::not_run(test, "only root can become somebody else");
    }
    let sandbox = for_nobody();
    let mut daemon = as_nobody(&sandbox);
    for id in ["crashing", "healthy"] {
        daemon.wait_for(id, "RUNNING");
    }
    assert_eq!(record(&daemon), Value::Null);
    may_be_written(&sandbox, false);
    supervision_goes_on(&sandbox, &daemon, "Permission denied");
    let runs = |daemon: &Daemon<'_>| {
        ["crashing", "healthy"].map(|id| {
            let seen = daemon.wait_for(id, "RUNNING");
            (seen["run"].clone(), seen["pid"].clone())
        })
    };
    let before = runs(&daemon);
    // By its record, then without.
    for recorded in [true, false] {
        daemon.kill();
        may_be_written(&sandbox, true);
        if !recorded {
            std::fs::remove_file(sandbox.path("run/journal")).expect("it is there");
        }
        daemon = as_nobody(&sandbox);
        assert_eq!(runs(&daemon), before, "recorded: {recorded}");
        for id in ["crashing", "healthy"] {
            lines_go_on(&sandbox, id, 300);
        }
        assert_eq!(record(&daemon), Value::Null);
    }
    sandbox.ctl(&["upgrade"]).exits(0);
    assert_eq!(runs(&daemon), before);
    for id in ["crashing", "healthy"] {
        lines_go_on(&sandbox, id, 300);
    }
    may_be_written(&sandbox, false);
    comes_back(&daemon, "crashing");
    assert_ne!(record(&daemon), Value::Null);
    may_be_written(&sandbox, true);
    record_is_whole(&daemon);
    comes_back(&daemon, "crashing");
    assert_eq!(record(&daemon), Value::Null);
}

#[test]
fn a_disk_of_output_pipes_that_is_read_only_keeps_nobody_from_running_needs_root() {
    let test = "a_disk_of_output_pipes_that_is_read_only_keeps_nobody_from_running_needs_root";
    if let Err(why) = may_mount() {
        return s7tests::not_run(test, why);
    }
    let [crashing, healthy] = servers();
    let other = "<user>nobody</user>";
    let sandbox = Sandbox::with(&[crashing.with(other), healthy]);
    // Nobody may not be let into the folder that it was built in.
    sandbox.copy_program(&programs::path_of(programs::FIXTURE), registry::FIXTURE);
    std::fs::create_dir_all(sandbox.path("run/out")).expect("the sandbox is ours");
    let mut command = Command::new("unshare");
    sandbox.clean(&mut command);
    command
        .args(["--mount", "sh", "-c"])
        // Nothing else can be remounted: files there are open to be written to, and a pipe is none.
        .arg("mount -t tmpfs -o mode=711 tmpfs \"$1\" && shift && exec \"$@\"")
        .arg("sh")
        .arg(sandbox.path("run/out"))
        .arg(programs::path_of(programs::DAEMON))
        .args(sandbox.daemon_command().get_args());
    let daemon = Daemon::spawn(&sandbox, command);
    daemon.wait_until_it_answers();
    for id in ["crashing", "healthy"] {
        daemon.wait_for(id, "RUNNING");
    }
    let remount = |how: &str| {
        let done = Command::new("nsenter")
            .arg("--mount")
            .arg(format!("--target={}", daemon.pid()))
            .args(["mount", "-o", &format!("remount,{how}")])
            .arg(sandbox.path("run/out"))
            .status();
        assert!(done.is_ok_and(|status| status.success()), "remount {how}");
    };
    remount("ro");
    supervision_goes_on(&sandbox, &daemon, "Read-only file system");
    // It is the component's own as well, which may open it again.
    let pid = daemon.pid_of("crashing");
    let pipe = std::fs::metadata(format!("/proc/{pid}/fd/1")).expect("it is open");
    assert_eq!(std::os::unix::fs::MetadataExt::uid(&pipe), NOBODY);
    remount("rw");
    record_is_whole(&daemon);
    comes_back(&daemon, "crashing");
    assert_eq!(record(&daemon), Value::Null);
    lines_go_on(&sandbox, "crashing", 50);
}

#[test]
fn a_daemon_that_begins_in_a_read_only_runtime_folder_carries_on_and_the_next_one_finds_all_needs_root() {
    let test =
        "a_daemon_that_begins_in_a_read_only_runtime_folder_carries_on_and_the_next_one_finds_all_needs_root";
    if let Err(why) = may_mount() {
        return s7tests::not_run(test, why);
    }
    let [crashing, healthy] = servers();
    let sandbox = Sandbox::with(&[crashing.with("<user>nobody</user>"), healthy]);
    // Nobody may not be let into the folder that it was built in.
    sandbox.copy_program(&programs::path_of(programs::FIXTURE), registry::FIXTURE);
    let ctl = |socket: &str, arguments: &[&str]| {
        let mut command = sandbox.program(programs::CTL);
        s7tests::ctl::run(command.args(["--socket", socket]).args(arguments))
    };
    let runs = |socket: &str| {
        let told = ctl(socket, &["status", "--json"]).json();
        let seen = ["crashing", "healthy"].map(|id| {
            let mut all = told["components"].as_array().into_iter().flatten();
            let seen = all.find(|seen| seen["id"] == id).expect("it is there");
            (seen["state"].clone(), seen["run"].clone(), seen["pid"].clone())
        });
        assert!(seen.iter().all(|seen| seen.0 == "RUNNING"), "{told}");
        seen
    };
    let usual = sandbox.socket().display().to_string();
    let daemon = sandbox.start();
    for id in ["crashing", "healthy"] {
        daemon.wait_for(id, "RUNNING");
    }
    let first = runs(&usual);
    daemon.kill();
    // A socket can't be made there, so it is elsewhere.
    let elsewhere = sandbox.path("temp/s").display().to_string();
    let mut command = Command::new("unshare");
    sandbox.clean(&mut command);
    command
        .args(["--mount", "sh", "-c"])
        .arg("mount --bind \"$1\" \"$1\" && mount -o remount,bind,ro \"$1\" && shift && exec \"$@\"")
        .arg("sh")
        .arg(sandbox.path("run"))
        .arg(programs::path_of(programs::DAEMON))
        .arg("run")
        .arg("--install-folder")
        .arg(sandbox.folder())
        .arg("--runtime-dir")
        .arg(sandbox.path("run"))
        .args(["--socket", &elsewhere]);
    let daemon = Daemon::spawn(&sandbox, command);
    eventually("it answers", SOON, || {
        let said = ctl(&elsewhere, &["wait"]);
        when(said.code == Some(0), || said.to_string())
    });
    assert_eq!(runs(&elsewhere), first, "it goes on with them");
    ctl(&elsewhere, &["restart", "all"]).exits(0);
    for id in ["crashing", "healthy"] {
        lines_go_on(&sandbox, id, 50);
    }
    let second = runs(&elsewhere);
    assert!(second[0].2 != first[0].2 && second[1].2 != first[1].2);
    daemon.kill();
    // Nothing is recorded of them, and their pipes have no name.
    let mut daemon = sandbox.start();
    for _ in 0..2 {
        for id in ["crashing", "healthy"] {
            daemon.wait_for(id, "RUNNING");
        }
        assert_eq!(runs(&usual), second);
        for id in ["crashing", "healthy"] {
            lines_go_on(&sandbox, id, 300);
        }
        daemon.kill();
        daemon = sandbox.start();
    }
}
