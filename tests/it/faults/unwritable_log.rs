//! Disks that are full, and folders that are gone or aren't folders.

use rustix::process::geteuid;
use s7tests::daemon::Daemon;
use s7tests::eventually::{SOON, eventually, when};
use s7tests::registry::Server;
use s7tests::sandbox::Sandbox;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

#[test]
fn a_full_disk_costs_output_is_counted_and_marked_and_stops_nobody_needs_root() {
    let test = "a_full_disk_costs_output_is_counted_and_marked_and_stops_nobody_needs_root";
    if !geteuid().is_root() {
        return s7tests::not_run(test, "a mount namespace with a small disk needs root");
    }
    let sandbox = Sandbox::with(&[
        Server::new("loud", "lines 0 20000 tick 20"),
        Server::new("quiet", "record starts wait"),
    ]);
    // A disk of its own for the logs, seen by the daemon and what it starts alone.
    let script = "mount -t tmpfs -o size=64k none logs && exec \"$0\" \"$@\"";
    let plain = sandbox.daemon_command();
    let mut command = Command::new("unshare");
    sandbox.clean(&mut command);
    command.args(["-m", "sh", "-c", script]);
    command.arg(plain.get_program()).args(plain.get_args());
    let daemon = Daemon::spawn(&sandbox, command);
    daemon.wait_until_it_answers();
    let logs = logs_in_its_world(&sandbox, &daemon);
    // 20 000 lines are some 280 KB, which this disk hasn't.
    let seen = daemon.wait_until("what doesn't fit is counted", "loud", SOON, |seen| {
        dropped(seen) > 100_000
    });
    assert_eq!(
        (seen["state"].as_str(), &seen["restarts"]),
        (Some("RUNNING"), &0.into())
    );
    // Commands, other components and their deaths are as ever.
    sandbox.ctl(&["restart", "quiet"]).exits(0);
    assert_eq!(sandbox.starts("starts").len(), 2);
    let table = sandbox.ctl(&["status", "loud"]).stdout;
    assert!(table.contains("lost"), "people are told too: {table}");
    // Space returns: somebody removes the log.
    fs::remove_file(logs.join("loud.log")).expect("it is there");
    let text = eventually("lines come again, behind a mark", SOON, || {
        let text = fs::read_to_string(logs.join("loud.log")).unwrap_or_default();
        let lines = text.lines().filter(|line| line.starts_with("line ")).count();
        if lines > 5 { Ok(text) } else { Err(text) }
    });
    let marks: Vec<_> = text
        .lines()
        .filter(|line| line.contains("bytes of output dropped"))
        .collect();
    assert_eq!(marks.len(), 1, "{text}");
    let marked: u64 = marks[0]
        .split(' ')
        .find_map(|word| word.parse().ok())
        .expect("a number of bytes");
    let counted = dropped(&daemon.component("loud"));
    assert_eq!(marked, counted, "the mark and the status agree: {text}");
}

#[test]
fn a_log_folder_that_is_removed_or_no_folder_costs_output_and_nothing_else() {
    let sandbox = Sandbox::with(&[Server::new("loud", "record starts tick 20")]);
    let daemon = sandbox.start();
    daemon.wait_for("loud", "RUNNING");
    let folder = sandbox.path("logs");
    let logged = || sandbox.log_of("loud").lines().count() > 5;
    eventually("it is logged", SOON, || when(logged(), || sandbox.log_of("loud")));
    // Removed: it is made again.
    fs::remove_dir_all(&folder).expect("the sandbox is ours");
    eventually("it is logged in a new folder", SOON, || {
        when(logged(), || sandbox.log_of("loud"))
    });
    // Renamed, as logrotate does with a file: the name counts.
    fs::rename(folder.join("loud.log"), folder.join("loud.log.1")).expect("the sandbox is ours");
    eventually("it is logged in a new file", SOON, || {
        when(logged(), || sandbox.log_of("loud"))
    });
    assert_eq!(dropped(&daemon.component("loud")), 0, "so far nothing was lost");
    // A file in its place: output is lost, the component isn't, and a new run isn't kept from starting.
    fs::remove_dir_all(&folder).expect("the sandbox is ours");
    fs::write(&folder, "no folder").expect("the sandbox is ours");
    daemon.wait_until("what is lost is counted", "loud", SOON, |seen| dropped(seen) > 0);
    sandbox.ctl(&["restart", "loud"]).exits(0);
    assert_eq!(sandbox.starts("starts").len(), 2);
    assert_eq!(sandbox.read("logs"), "no folder", "what isn't ours is left alone");
    fs::remove_file(&folder).expect("the sandbox is ours");
    eventually("it is logged once more", SOON, || {
        when(logged(), || sandbox.log_of("loud"))
    });
    let text = sandbox.log_of("loud");
    assert!(
        text.starts_with("[s7supervisord: ") && text.matches("bytes of output dropped").count() == 1,
        "{text}"
    );
    assert_eq!(
        daemon.component("loud")["restarts"],
        0,
        "nothing of that is a crash"
    );
}

#[test]
fn a_log_folder_that_is_read_only_costs_output_until_it_isnt_needs_root() {
    let test = "a_log_folder_that_is_read_only_costs_output_until_it_isnt_needs_root";
    if !geteuid().is_root() {
        return s7tests::not_run(test, "making a folder immutable needs root");
    }
    let sandbox = Sandbox::with(&[Server::new("loud", "record starts tick 20")]);
    let daemon = sandbox.start();
    daemon.wait_for("loud", "RUNNING");
    let log = sandbox.path("logs/loud.log");
    let immutable = Immutable(sandbox.path("logs"));
    // The open file can be written on; a new one can't be made.
    fs::rename(&log, sandbox.path("logs/loud.log.1")).expect("the sandbox is ours");
    if let Err(why) = immutable.set(true) {
        return s7tests::not_run(test, &why);
    }
    let seen = daemon.wait_until("what is lost is counted", "loud", SOON, |seen| dropped(seen) > 0);
    assert_eq!(seen["state"], "RUNNING");
    sandbox.ctl(&["restart", "loud"]).exits(0);
    assert_eq!(sandbox.starts("starts").len(), 2);
    assert!(!log.exists());
    immutable.set(false).expect("it could be set");
    eventually("it is logged again, behind a mark", SOON, || {
        let text = sandbox.log_of("loud");
        let mark = "bytes of output dropped: Operation not permitted";
        when(text.contains(mark) && text.contains("\nline "), || text.clone())
    });
}

/// A folder in which nobody can make anything, root included, and which is given back at the end.
struct Immutable(PathBuf);

impl Immutable {
    fn set(&self, immutable: bool) -> Result<(), String> {
        let mut chattr = Command::new("chattr");
        chattr.arg(if immutable { "+i" } else { "-i" }).arg(&self.0);
        let said = s7tests::ctl::run(&mut chattr);
        when(said.code == Some(0), || said.to_string())
    }
}

impl Drop for Immutable {
    fn drop(&mut self) {
        // Where it never was, or no longer is, this changes nothing.
        let _ = self.set(false);
    }
}

/// The log folder as the daemon sees it.
fn logs_in_its_world(sandbox: &Sandbox, daemon: &Daemon<'_>) -> PathBuf {
    let path = sandbox.path("logs");
    let relative = path.strip_prefix("/").expect("a sandbox has an absolute path");
    PathBuf::from(format!("/proc/{}/root", daemon.pid())).join(relative)
}

fn dropped(component: &serde_json::Value) -> u64 {
    component["output_dropped_bytes"]
        .as_u64()
        .expect("a number of bytes")
}
