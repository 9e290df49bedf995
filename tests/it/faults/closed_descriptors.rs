//! The daemon's own standard descriptors are closed, from the beginning or at some time.

use rustix::process::Signal;
use s7tests::daemon::{Daemon, pid};
use s7tests::eventually::{SOON, eventually, when};
use s7tests::processes::{self, send};
use s7tests::registry::Server;
use s7tests::sandbox::Sandbox;
use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::process::Stdio;

fn close_all_three() -> std::io::Result<()> {
    // SAFETY: a plain system call; nothing of this process uses them before it executes.
    if unsafe { libc::close_range(0, 2, 0) } == 0 {
        Ok(())
    } else {
        Err(std::io::Error::last_os_error())
    }
}

#[test]
fn a_daemon_without_standard_descriptors_supervises_and_gives_its_components_their_own() {
    let sandbox = Sandbox::with(&[Server::new(
        "one",
        "print-descriptors print done record starts wait",
    )]);
    let mut command = sandbox.daemon_command();
    // SAFETY: the closure only makes a system call.
    unsafe { command.pre_exec(close_all_three) };
    let daemon = Daemon::spawn(&sandbox, command);
    daemon.wait_until_it_answers();
    let before = pid(&daemon.wait_for("one", "RUNNING")).expect("it runs");
    let log = eventually("it has said what it has open", SOON, || {
        let log = sandbox.log_of("one");
        if log.contains("done") { Ok(log) } else { Err(log) }
    });
    assert!(log.contains("fd 0 /dev/null"), "{log}");
    for number in [1, 2] {
        let line = format!("fd {number} {}", sandbox.path("run/out").display());
        assert!(log.contains(&line), "{log}");
    }
    // Whatever took the free numbers in the daemon must never have been written to as if it were the terminal.
    for file in ["run/journal", "run/lock"] {
        let text = sandbox.read(file);
        assert!(!text.contains("INFO"), "{file}: {text}");
    }
    send(before, Signal::KILL);
    daemon.wait_until("it is back", "one", SOON, |seen| {
        seen["state"] == "RUNNING" && seen["pid"] != before
    });
    assert!(sandbox.supervisor_log().contains("one: ready, run 2"));
}

#[test]
fn a_daemon_whose_standard_error_is_closed_on_it_goes_on_and_logs_to_its_file() {
    let sandbox = Sandbox::with(&[Server::new("one", "record starts wait")]);
    let mut command = sandbox.daemon_command();
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut daemon = processes::spawn(&mut command);
    let stdout = daemon.stdout.take();
    let mut stderr = BufReader::new(daemon.stderr.take().expect("it is a pipe"));
    let mut line = String::new();
    while !line.contains("one: ready") {
        line.clear();
        let count = stderr.read_line(&mut line).expect("the daemon writes text");
        assert!(count > 0, "the daemon has ended");
    }
    // Whoever listened has gone, with a signal that would say so.
    drop((stdout, stderr));
    send(daemon.id(), Signal::PIPE);
    for run in 2..5 {
        let last = sandbox.starts("starts").last().expect("it was started").pid;
        if run % 2 == 0 {
            send(last, Signal::KILL);
        } else {
            sandbox.ctl(&["restart", "one"]).exits(0);
        }
        eventually("it is started again", SOON, || {
            let starts = sandbox.starts("starts");
            when(starts.len() == run, || format!("{starts:?}"))
        });
    }
    eventually("the file has what the pipe has not", SOON, || {
        let log = sandbox.supervisor_log();
        when(log.contains("one: ready, run 4"), || log.clone())
    });
    send(daemon.id(), Signal::TERM);
    assert_eq!(daemon.wait().expect("it is our child").code(), Some(0));
    processes::forget(&daemon);
}
