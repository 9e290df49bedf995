//! The daemon may have few descriptors, and many want one.

use rustix::process::{Resource, Rlimit, Signal};
use s7tests::daemon::{Daemon, pid};
use s7tests::eventually::{SOON, eventually, when};
use s7tests::processes::send;
use s7tests::registry::Server;
use s7tests::sandbox::Sandbox;
use s7tests::usage::cpu;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::time::{Duration, Instant};

/// The sandbox's daemon, with these limits of open files.
fn limited(sandbox: &Sandbox, soft: u64, hard: u64) -> Daemon<'_> {
    let mut command = sandbox.daemon_command();
    let limit = Rlimit {
        current: Some(soft),
        maximum: Some(hard),
    };
    // SAFETY: the closure only makes a system call.
    unsafe { command.pre_exec(move || Ok(rustix::process::setrlimit(Resource::Nofile, limit)?)) };
    Daemon::spawn(sandbox, command)
}

#[test]
fn a_hundred_clients_take_no_descriptor_that_supervision_needs() {
    let sandbox = Sandbox::with(&[
        Server::new("one", "record starts wait"),
        Server::new("two", "wait"),
    ]);
    let daemon = limited(&sandbox, 64, 64);
    daemon.wait_until_it_answers();
    let mut last = pid(&daemon.wait_for("one", "RUNNING")).expect("it runs");
    daemon.wait_for("two", "RUNNING");
    // Nobody says anything, so each holds its place until the daemon's patience is at its end.
    let crowd: Vec<_> = (0..100)
        .filter_map(|_| UnixStream::connect(sandbox.socket()).ok())
        .collect();
    assert!(crowd.len() >= 50, "the queue of the socket took {}", crowd.len());
    let (began, used) = (Instant::now(), cpu(daemon.pid()));
    // With the crowd there, what crashes is started again.
    for round in 2..4 {
        send(last, Signal::KILL);
        last = eventually("it is started again", SOON, || {
            let starts = sandbox.starts("starts");
            match starts.last() {
                Some(start) if starts.len() == round => Ok(start.pid),
                _ => Err(format!("{starts:?}")),
            }
        });
    }
    drop(crowd);
    eventually("somebody who has something to say is heard", SOON * 2, || {
        let said = sandbox.ctl(&["version"]);
        when(said.code == Some(0), || said.to_string())
    });
    let (span, busy) = (began.elapsed(), cpu(daemon.pid()) - used);
    // Five per cent are asked for; the clock's ticks and the two restarts have half a second.
    assert!(
        busy < Duration::from_millis(500) + span / 20,
        "{busy:?} of CPU time in {span:?}"
    );
    assert_eq!(daemon.component("one")["restarts"], 2);
}

#[test]
fn a_daemon_without_a_descriptor_to_spare_says_so_now_and_then_and_waits() {
    let sandbox = Sandbox::with(&[Server::new("one", "record starts wait")]);
    let daemon = sandbox.start();
    daemon.wait_for("one", "RUNNING");
    let free = (0..)
        .find(|number| !std::path::Path::new(&format!("/proc/{}/fd/{number}", daemon.pid())).exists())
        .expect("some number is free");
    let limit = |current| {
        let limit = Rlimit {
            current: Some(current),
            maximum: Some(20_000),
        };
        let pid = rustix::process::Pid::from_raw(i32::try_from(daemon.pid()).expect("a pid"));
        rustix::process::prlimit(pid, Resource::Nofile, limit).expect("the daemon is ours")
    };
    // Not one more than it has: what is allowed are the numbers below.
    let before = limit(free);
    let waiting = UnixStream::connect(sandbox.socket()).expect("the queue of the socket has room");
    eventually("it says what it lacks", SOON, || {
        let log = sandbox.supervisor_log();
        when(log.contains("accepting a client: Too many open files"), || log)
    });
    let (began, used) = (Instant::now(), cpu(daemon.pid()));
    s7tests::eventually::remains("it waits", Duration::from_secs(2), || {
        when(s7tests::processes::is_alive(daemon.pid()), || {
            "it has ended".into()
        })
    });
    let (span, busy) = (began.elapsed(), cpu(daemon.pid()) - used);
    assert!(busy < span / 10, "{busy:?} of CPU time in {span:?}");
    let log = sandbox.supervisor_log();
    let said = log.matches("Too many open files").count();
    assert!(said <= 3, "it says so again and again: {log}");
    rustix::process::prlimit(
        rustix::process::Pid::from_raw(i32::try_from(daemon.pid()).expect("a pid")),
        Resource::Nofile,
        before,
    )
    .expect("the daemon is ours");
    drop(waiting);
    sandbox.ctl(&["restart", "one"]).exits(0);
}

#[test]
fn the_daemon_raises_its_limit_of_descriptors_and_gives_components_the_one_it_found() {
    let sandbox = Sandbox::with(&[
        Server::new("plain", "print-limits print done wait"),
        Server::new("own", "print-limits print done wait")
            .with("<limits><limit name=\"nofile\" soft=\"100\" hard=\"300\"/></limits>"),
    ]);
    let daemon = limited(&sandbox, 200, 500);
    daemon.wait_until_it_answers();
    for (id, wanted) in [
        ("plain", "nofile 200 500\ndone\n"),
        ("own", "nofile 100 300\ndone\n"),
    ] {
        eventually("it has said its limits", SOON, || {
            let log = sandbox.log_of(id);
            when(log == wanted, || log)
        });
    }
    let own = std::fs::read_to_string(format!("/proc/{}/limits", daemon.pid())).expect("it lives");
    let line = own
        .lines()
        .find(|line| line.starts_with("Max open files"))
        .expect("every process has this limit");
    let soft = line.split_whitespace().nth(3);
    assert_eq!(soft, Some("500"), "{line}");
}

#[test]
fn who_is_to_tell_by_a_descriptor_beyond_his_limit_is_told_so() {
    let by = |number: u32| format!("<notify type=\"descriptor\" descriptor=\"{number}\"/>");
    let sandbox = Sandbox::with(&[
        Server::new("beyond", "wait").with(&by(100)),
        // The last one that there is; the second descriptor of the pipe lies below it.
        Server::new("last", "print-descriptors print done wait").with(&by(63)),
    ]);
    let daemon = limited(&sandbox, 64, 500);
    daemon.wait_until_it_answers();
    let seen = daemon.wait_until("it says why", "beyond", SOON, |seen| {
        !seen["spawn_failure"].is_null() || seen.to_string().contains("descriptor 100")
    });
    let wanted = "descriptor 100 of <notify> (its limit `nofile` is 64)";
    assert!(seen.to_string().contains(wanted), "{seen}");
    daemon.wait_until("the other one runs", "last", SOON, |seen| !seen["pid"].is_null());
}
