//! Somebody cleans up where the daemon lives.

use s7tests::daemon::{Daemon, pid};
use s7tests::eventually::{SOON, eventually, when};
use s7tests::numbered::runs_of;
use s7tests::processes::send;
use s7tests::programs;
use s7tests::registry::Server;
use s7tests::sandbox::Sandbox;

use rustix::process::Signal;
use std::os::unix::fs::MetadataExt;

/// Waits until clients and a next supervisor find everything, with `run` of the component in the record.
fn everything_is_there_again(sandbox: &Sandbox, daemon: &Daemon<'_>, run: u64) {
    eventually("the socket is there again", SOON, || {
        let said = sandbox.ctl(&["status", "lasting"]);
        when(
            matches!(said.code, Some(0 | 3)) && said.stdout.contains("lasting"),
            || said.to_string(),
        )
    });
    daemon.wait_for("lasting", "RUNNING");
    let start = format!("start lasting {run} ");
    eventually("the record is there again, with what runs", SOON, || {
        let status = daemon.status();
        let fault = &status["supervisor"]["state_not_persisted"];
        let record = sandbox.read("run/journal");
        when(
            fault.is_null() && record.contains(&start) && sandbox.path("run/registry.kept").exists(),
            || format!("{status} {record}"),
        )
    });
    eventually(
        "what has happened is there again, from the beginning",
        SOON,
        || {
            let history = sandbox.read("run/history");
            when(history.contains("\"sequence\":1,"), || history.clone())
        },
    );
    let mut rival = sandbox.spawn_with(&[]);
    assert_eq!(rival.wait().code(), Some(69), "the lock is back too");
}

#[test]
fn a_runtime_folder_that_is_removed_is_made_again_at_once_and_costs_no_restart() {
    let sandbox = Sandbox::with(&[Server::new("lasting", "record starts wait")]);
    let daemon = sandbox.start();
    let first = pid(&daemon.wait_for("lasting", "RUNNING")).expect("it runs");
    // Somebody who removes what is made again while he removes it finds a folder that isn't empty.
    let _ = std::fs::remove_dir_all(sandbox.path("run"));
    everything_is_there_again(&sandbox, &daemon, 1);
    std::fs::rename(sandbox.path("run"), sandbox.path("aside")).expect("the sandbox is ours");
    everything_is_there_again(&sandbox, &daemon, 1);
    for name in ["lock", "control.sock", "journal"] {
        std::fs::remove_file(sandbox.path(&format!("run/{name}"))).expect("it is there");
        everything_is_there_again(&sandbox, &daemon, 1);
    }
    assert_eq!(daemon.pid_of("lasting"), first);
    assert!(sandbox.supervisor_log().contains("was gone"), "it says so");
    send(first, Signal::KILL);
    eventually("it is started again", SOON, || {
        let starts = sandbox.starts("starts");
        when(starts.len() == 2, || format!("{starts:?}"))
    });
    everything_is_there_again(&sandbox, &daemon, 2);
    let second = pid(&daemon.component("lasting"));
    daemon.kill();
    let daemon = sandbox.start();
    let adopted = pid(&daemon.wait_for("lasting", "RUNNING"));
    assert_eq!(
        (adopted, sandbox.starts("starts").len()),
        (second, 2),
        "it goes on"
    );
}

#[test]
fn a_runtime_folder_that_cannot_be_made_again_is_told_and_made_once_it_can() {
    let sandbox = Sandbox::with(&[Server::new("lasting", "record starts wait")]);
    let daemon = sandbox.start();
    let first = pid(&daemon.wait_for("lasting", "RUNNING")).expect("it runs");
    daemon.signal(Signal::STOP);
    let run = sandbox.path("run");
    std::fs::remove_dir_all(&run).expect("the sandbox is ours");
    std::fs::write(&run, "something else").expect("the sandbox is ours");
    daemon.signal(Signal::CONT);
    eventually("it says so", SOON, || {
        let log = sandbox.supervisor_log();
        when(log.contains("it is tried again each second"), || log.clone())
    });
    std::fs::remove_file(&run).expect("the sandbox is ours");
    everything_is_there_again(&sandbox, &daemon, 1);
    assert_eq!(daemon.pid_of("lasting"), first);
}

const SYSTEMD: &str = "<notify type=\"systemd\"/>";
const WATCHED: &str = "<notify type=\"systemd\" watchdog=\"1s\"/>";

/// Lives for longer than the watchdogs of the others last, from the time on that `file` holds something.
fn clock(id: &str, file: &str) -> Server {
    Server::new(id, &format!("await {file} sleep 2500 record over wait"))
}

/// Waits until the clock that `file` starts has come to its end, as the one of that number.
fn outlive(sandbox: &Sandbox, file: &str, number: usize) {
    sandbox.write(file, "now");
    eventually("the watchdogs have had their time", SOON, || {
        let over = sandbox.starts("over").len();
        when(over == number, || format!("{over} of {number}"))
    });
}

#[test]
fn runs_that_tell_of_themselves_are_heard_on_when_the_runtime_folder_is_removed() {
    let sandbox = Sandbox::with(&[
        Server::new(
            "alive",
            "record alive notify READY=1|STATUS=Well notify-on 50 WATCHDOG=1",
        )
        .with(WATCHED),
        Server::new("early", "notify-when go READY=1 wait").with(SYSTEMD),
        Server::new("connected", "notify-connected go READY=1 wait").with(SYSTEMD),
        clock("first", "one"),
        clock("second", "two"),
    ]);
    let daemon = sandbox.start();
    let first = pid(&daemon.wait_for("alive", "RUNNING"));
    for id in ["early", "connected"] {
        daemon.wait_until("it has a pid", id, SOON, |seen| pid(seen).is_some());
    }
    let about = || {
        let about = std::fs::symlink_metadata(sandbox.path("run/notify/alive.1")).ok()?;
        Some((about.mode(), about.uid(), about.gid()))
    };
    let before = about();
    assert!(before.is_some(), "it has a socket");
    let named_again = || {
        eventually("the socket has its name again", SOON, || {
            when(about() == before, || format!("{:?}", about()))
        });
    };
    let _ = std::fs::remove_dir_all(sandbox.path("run"));
    named_again();
    outlive(&sandbox, "one", 1);
    std::fs::rename(sandbox.path("run"), sandbox.path("aside")).expect("the sandbox is ours");
    named_again();
    outlive(&sandbox, "two", 2);
    // Its name alone.
    std::fs::remove_file(sandbox.path("run/notify/alive.1")).expect("it is there");
    named_again();
    let alive = daemon.component("alive");
    assert_eq!((pid(&alive), &alive["run"]), (first, &1.into()), "{alive}");
    assert_eq!(alive["said"]["status"], "Well", "{alive}");
    assert_eq!(sandbox.starts("alive").len(), 1);
    // By the name, and by what was once connected to.
    sandbox.write("go", "now");
    for id in ["early", "connected"] {
        assert_eq!(daemon.wait_for(id, "RUNNING")["run"], 1, "{id}");
    }
    send(daemon.pid_of("alive"), Signal::STOP);
    daemon.wait_until(
        "who no longer gives signs of life is replaced",
        "alive",
        SOON,
        |seen| seen["run"].as_u64() > Some(1),
    );
}

#[test]
fn nobody_is_given_up_because_his_socket_cannot_be_named_again() {
    // It is tried again each second, which is later than its sign of life would be due.
    let watched = "<notify type=\"systemd\" watchdog=\"600ms\"/>";
    let sandbox = Sandbox::with(&[
        Server::new("alive", "record alive notify READY=1 notify-on 50 WATCHDOG=1").with(watched),
        clock("first", "one"),
    ]);
    let daemon = sandbox.start();
    let first = daemon.wait_for("alive", "RUNNING")["pid"].clone();
    daemon.signal(Signal::STOP);
    let run = sandbox.path("run");
    std::fs::remove_dir_all(&run).expect("the sandbox is ours");
    std::fs::write(&run, "something else").expect("the sandbox is ours");
    daemon.signal(Signal::CONT);
    outlive(&sandbox, "one", 1);
    std::fs::remove_file(&run).expect("the sandbox is ours");
    eventually("the socket has its name again", SOON, || {
        when(sandbox.path("run/notify/alive.1").exists(), || {
            "it has none".into()
        })
    });
    assert_eq!(daemon.wait_for("alive", "RUNNING")["pid"], first);
    assert_eq!(sandbox.starts("alive").len(), 1);
}

#[test]
fn a_run_whose_socket_was_removed_with_the_daemon_is_heard_by_the_next() {
    let sandbox = Sandbox::with(&[
        Server::new("alive", "record alive notify READY=1 notify-on 50 WATCHDOG=1").with(WATCHED),
        Server::new("early", "notify-when go READY=1 wait").with(SYSTEMD),
        clock("first", "one"),
    ]);
    let daemon = sandbox.start();
    let first = daemon.wait_for("alive", "RUNNING")["pid"].clone();
    daemon.wait_until("it has a pid", "early", SOON, |seen| pid(seen).is_some());
    daemon.kill();
    std::fs::remove_dir_all(sandbox.path("run/notify")).expect("the sandbox is ours");
    let daemon = sandbox.start();
    sandbox.write("go", "now");
    daemon.wait_for("early", "RUNNING");
    outlive(&sandbox, "one", 1);
    assert_eq!(daemon.wait_for("alive", "RUNNING")["pid"], first);
    assert_eq!(sandbox.starts("alive").len(), 1);
}

/// Waits until the log of `ticking` has as many more lines, and gives how many it has then: of one run, without a gap or a double.
fn lines_go_on(sandbox: &Sandbox, more: u64) -> u64 {
    let lines = || {
        let log = sandbox.log_of("ticking");
        let whole = log.rfind('\n').map_or(0, |end| end + 1);
        runs_of(&log[..whole]).expect("lines without a gap or a double")
    };
    let before = lines().first().copied().unwrap_or_default();
    let now = eventually("there are more lines", SOON, || {
        let now = lines();
        let count = now.first().copied().unwrap_or_default();
        if count >= before + more {
            Ok(now)
        } else {
            Err(format!("{before} lines have become {count}"))
        }
    });
    assert_eq!(now.len(), 1, "of one run");
    now[0]
}

#[test]
fn what_a_run_writes_after_its_pipe_has_lost_its_name_is_kept_by_the_daemons_to_come() {
    let sandbox = Sandbox::with(&[
        Server::new("ticking", "record ticking tick 2"),
        Server::new("lasting", "wait"),
    ]);
    let mut daemon = sandbox.start();
    let first = daemon.wait_for("ticking", "RUNNING")["pid"].clone();
    lines_go_on(&sandbox, 50);
    let _ = std::fs::remove_dir_all(sandbox.path("run"));
    everything_is_there_again(&sandbox, &daemon, 1);
    assert!(!sandbox.path("run/out/ticking.1").exists(), "its name is gone");
    for _ in 0..2 {
        daemon.kill();
        daemon = sandbox.start();
        assert_eq!(daemon.wait_for("ticking", "RUNNING")["pid"], first);
        lines_go_on(&sandbox, 300);
    }
    sandbox.copy_program(&programs::path_of(programs::DAEMON), "bin/newer");
    let newer = sandbox.path("bin/newer").display().to_string();
    sandbox.ctl(&["upgrade", "--binary", &newer]).exits(0);
    assert_eq!(daemon.wait_for("ticking", "RUNNING")["pid"], first);
    lines_go_on(&sandbox, 300);
    sandbox.ctl(&["stop", "ticking"]).exits(0);
    lines_go_on(&sandbox, 0);
    assert_eq!(sandbox.starts("ticking").len(), 1);
}
