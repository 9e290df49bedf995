//! Where the daemon keeps what the next one has to know, there is no room.

use rustix::process::Signal;
use s7tests::daemon::{Daemon, pid};
use s7tests::eventually::{SOON, eventually, when};
use s7tests::processes::send;
use s7tests::programs;
use s7tests::registry::Server;
use s7tests::sandbox::Sandbox;
use serde_json::Value;
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// A daemon whose runtime folder is a file system of its own, too small for the reserve of the record.
fn on_a_small_disk(sandbox: &Sandbox) -> Result<Daemon<'_>, String> {
    let allowed = Command::new("unshare")
        .args(["--mount", "true"])
        .stderr(Stdio::null())
        .status();
    if !allowed.is_ok_and(|status| status.success()) {
        return Err("a mount namespace can't be made here".into());
    }
    for folder in ["run", "state"] {
        std::fs::create_dir(sandbox.path(folder)).expect("the sandbox is ours");
    }
    let mut command = Command::new("unshare");
    sandbox.clean(&mut command);
    command
        .args(["--mount", "sh", "-c"])
        .arg("mount -t tmpfs -o size=64k,nr_inodes=64,mode=711 tmpfs \"$1\" && shift && exec \"$@\"")
        .arg("sh")
        .arg(sandbox.path("state"))
        .arg(programs::path_of(programs::DAEMON))
        .arg("run")
        .arg("--install-folder")
        .arg(sandbox.folder())
        .arg("--runtime-dir")
        .arg(sandbox.path("state"))
        .arg("--socket")
        .arg(sandbox.socket());
    let daemon = Daemon::spawn(sandbox, command);
    daemon.wait_until_it_answers();
    Ok(daemon)
}

/// Says what the daemon says about its record.
fn record(daemon: &Daemon<'_>) -> Value {
    daemon.status()["supervisor"]["state_not_persisted"].clone()
}

#[test]
fn a_full_runtime_folder_stops_no_supervision_and_is_said_until_there_is_room_needs_root() {
    let test = "a_full_runtime_folder_stops_no_supervision_and_is_said_until_there_is_room_needs_root";
    let sandbox = Sandbox::with(&[
        Server::new("one", "record starts wait"),
        Server::new("two", "wait"),
    ]);
    let daemon = match on_a_small_disk(&sandbox) {
        Ok(daemon) => daemon,
        Err(why) => return s7tests::not_run(test, &why),
    };
    daemon.wait_for("two", "RUNNING");
    let mut last = pid(&daemon.wait_for("one", "RUNNING")).expect("it runs");
    assert_eq!(record(&daemon), Value::Null);
    // Through the daemon's eyes: nobody else sees its file system.
    let inside = PathBuf::from(format!(
        "/proc/{}/root{}",
        daemon.pid(),
        sandbox.path("state").display()
    ));
    let fill = inside.join("fill");
    std::fs::write(&fill, vec![0; 1 << 20]).expect_err("the disk is small");
    // What is left of the record's last page takes some runs yet.
    for round in 1..200 {
        sandbox.ctl(&["restart", "two"]).exits(0);
        if record(&daemon) != Value::Null {
            break;
        }
        assert!(round < 199, "the record is never full");
    }
    let why = record(&daemon);
    assert!(
        why.as_str()
            .is_some_and(|why| why.contains("No space left on device")),
        "{why}"
    );
    for round in 2..4 {
        send(last, Signal::KILL);
        last = eventually("it is started again all the same", SOON, || {
            let starts = sandbox.starts("starts");
            match starts.last() {
                Some(start) if starts.len() == round => Ok(start.pid),
                _ => Err(format!("{starts:?}")),
            }
        });
        daemon.wait_for("one", "RUNNING");
    }
    let history = || std::fs::read_to_string(inside.join("history")).unwrap_or_default();
    let last = |written: &str| {
        let info = sandbox.ctl(&["info", "--json"]).exits(0).json();
        let last = &info["data"]["supervisor"]["last_event"];
        when(written.contains(&format!("\"sequence\":{last},")), || {
            format!("{last} is not in {written}")
        })
    };
    let not_written = sandbox
        .supervisor_log()
        .matches("/history: No space left")
        .count();
    assert_eq!(
        not_written, 1,
        "it is said once that what happens can't be written"
    );
    assert!(last(&history()).is_err());
    let told = || {
        let why = daemon.status()["supervisor"]["cannot_write"].clone();
        (why.to_string().contains("/history"), why)
    };
    assert!(told().0, "{}", told().1);
    let _ = sandbox.ctl(&["upgrade"]).exits(1).says("nothing has changed");
    std::fs::remove_file(fill).expect("it was written");
    sandbox.ctl(&["restart", "all"]).exits(0);
    eventually(
        "what has happened is written down, also what was not",
        SOON,
        || {
            let written = history();
            let whole = written.matches("{\"event\":").count();
            last(&written).and_then(|()| when(whole > 60, || format!("{whole} events")))
        },
    );
    eventually("the history is", SOON, || {
        when(!told().0, || told().1.to_string())
    });
    eventually("the record is whole again", SOON, || {
        let now = record(&daemon);
        when(now == Value::Null, || now.to_string())
    });
}

#[test]
fn a_runtime_folder_without_room_for_a_pipe_keeps_nobody_from_running_and_is_said_needs_root() {
    let test = "a_runtime_folder_without_room_for_a_pipe_keeps_nobody_from_running_and_is_said_needs_root";
    let sandbox = Sandbox::with(&[
        Server::new("here", "record here wait"),
        Server::new("late", "record late wait").with("<autoStart>false</autoStart>"),
    ]);
    let daemon = match on_a_small_disk(&sandbox) {
        Ok(daemon) => daemon,
        Err(why) => return s7tests::not_run(test, &why),
    };
    let before = pid(&daemon.wait_for("here", "RUNNING")).expect("it runs");
    let inside = PathBuf::from(format!(
        "/proc/{}/root{}",
        daemon.pid(),
        sandbox.path("state").display()
    ));
    let files: Vec<_> = (0..100)
        .map(|number| inside.join(format!("file-{number}")))
        .take_while(|path| std::fs::write(path, "").is_ok())
        .collect();
    assert!(files.len() < 100, "the disk has room for names without end");
    sandbox.ctl(&["start", "late"]).exits(0);
    let why = record(&daemon);
    assert!(
        why.as_str()
            .is_some_and(|why| why.contains("making the output pipe") && why.contains("No space left")),
        "{why}"
    );
    send(before, Signal::KILL);
    daemon.wait_until("it is back", "here", SOON, |seen| {
        seen["state"] == "RUNNING" && seen["pid"] != before
    });
    for file in files {
        std::fs::remove_file(file).expect("it was written");
    }
    // It is tried each ten seconds.
    eventually("there is room again", SOON * 4, || {
        let now = record(&daemon);
        when(now == Value::Null, || now.to_string())
    });
    assert_eq!(sandbox.starts("late").len(), 1);
}
