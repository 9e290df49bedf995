//! Signals to the daemon, at bad moments.

use rustix::process::Signal;
use s7tests::eventually::{SOON, eventually};
use s7tests::registry::Server;
use s7tests::sandbox::Sandbox;
use std::time::{Duration, Instant};

#[test]
fn a_sigterm_while_the_supervisor_restarts_ends_it_for_good() {
    let sandbox = Sandbox::with(&[Server::new("slow", "record starts slow-stop 1500").stop_timeout("30")]);
    let mut daemon = sandbox.start();
    daemon.wait_for("slow", "RUNNING");
    let mut restart = sandbox.ctl_command();
    let mut restart = restart
        .args(["--timeout", "5", "restart"])
        .spawn()
        .expect("the client can be run");
    daemon.wait_for("slow", "STOPPING");
    daemon.signal(Signal::TERM);
    assert_eq!(daemon.wait_within(Duration::from_secs(20)).code(), Some(0));
    restart.wait().expect("the client is our child");
    assert_eq!(sandbox.starts("starts").len(), 1, "nothing was started anew");
    sandbox.assert_nothing_left();
}

#[test]
fn a_sigterm_at_any_moment_of_a_restart_in_place_ends_the_daemon() {
    let sandbox = Sandbox::with(&[Server::new("one", "record starts wait")]);
    for round in 0..24u64 {
        let mut daemon = sandbox.start();
        daemon.wait_for("one", "RUNNING");
        let restart = s7tests::ctl::start(sandbox.ctl_command().args(["--timeout", "1", "restart"]));
        let moment = Duration::from_millis(2 + round * 2);
        let begun = Instant::now();
        while begun.elapsed() < moment {
            std::hint::spin_loop();
        }
        daemon.signal(Signal::TERM);
        let status = daemon.wait_within(Duration::from_secs(20));
        let killed = std::os::unix::process::ExitStatusExt::signal(&status) == Some(Signal::TERM.as_raw());
        // While one program takes the other's place the signal does what it does to any program; nothing runs by then.
        assert!(status.code() == Some(0) || killed, "{moment:?}: {status:?}");
        sandbox.assert_nothing_left_of_processes();
        // Whether the command was still answered depends on the moment.
        let _ = s7tests::ctl::finish(restart, format!("restart, with a SIGTERM after {moment:?}"));
        let _ = std::fs::remove_file(sandbox.socket());
    }
}

#[test]
fn signals_that_mean_nothing_here_change_nothing() {
    let sandbox = Sandbox::with(&[Server::new("only", "record starts wait")]);
    let daemon = sandbox.start();
    let before = daemon.wait_for("only", "RUNNING")["pid"].clone();
    for signal in [Signal::USR1, Signal::USR2, Signal::ALARM] {
        daemon.signal(signal);
    }
    eventually("they were heard", SOON, || {
        let log = sandbox.supervisor_log();
        if log.contains("SIGUSR1") && log.contains("SIGUSR2") && log.contains("SIGALRM") {
            Ok(())
        } else {
            Err(log)
        }
    });
    assert_eq!(daemon.wait_for("only", "RUNNING")["pid"], before);
}

#[test]
fn a_second_sigterm_shortens_every_grace() {
    let servers = [
        Server::new("stubborn", "ignore TERM wait").stop_timeout("60"),
        Server::new("slow", "slow-stop 60000").stop_timeout("60").tier(2),
    ];
    let sandbox = Sandbox::with(&servers);
    let mut daemon = sandbox.start();
    daemon.wait_for("stubborn", "RUNNING");
    daemon.wait_for("slow", "RUNNING");
    daemon.signal(Signal::TERM);
    eventually("the ordered stop has begun", SOON, || {
        let log = sandbox.supervisor_log();
        let said = sandbox.ctl(&["--json", "status"]);
        if said.stdout.contains("STOPPING") {
            Ok(())
        } else {
            Err(format!("{said}\n{log}"))
        }
    });
    let second = Instant::now();
    daemon.signal(Signal::TERM);
    let status = daemon.wait_within(Duration::from_secs(20));
    assert_eq!(status.code(), Some(0), "a requested stop, however impatient");
    assert!(
        second.elapsed() < Duration::from_secs(15),
        "sixty seconds of grace became {:?}",
        second.elapsed()
    );
    sandbox.assert_nothing_left();
}

#[test]
fn a_daemon_told_to_end_at_any_moment_ends_in_order() {
    let servers = [
        Server::new("first", "record starts wait").start_delay("100ms"),
        Server::new("second", "record starts wait").tier(2),
    ];
    let sandbox = Sandbox::with(&servers);
    for round in 0..12u32 {
        // From before the first line of main's work to well after the second tier.
        let moment = Duration::from_millis(u64::from(round) * 15);
        let mut daemon = sandbox.spawn_with(&[]);
        let begun = Instant::now();
        while begun.elapsed() < moment {
            std::hint::spin_loop();
        }
        daemon.signal(Signal::TERM);
        let status = daemon.wait();
        let killed = std::os::unix::process::ExitStatusExt::signal(&status) == Some(Signal::TERM.as_raw());
        // Until the daemon has set up its own, the signal does what it does to any program; nothing runs by then.
        assert!(
            status.code() == Some(0) || killed,
            "{moment:?} after its start: {status:?}"
        );
        if killed {
            assert_eq!(sandbox.processes().len(), 0, "{moment:?} after its start");
        }
        sandbox.assert_nothing_left();
    }
}

#[test]
fn a_daemon_told_to_end_while_it_reloads_ends_in_order() {
    let sandbox = Sandbox::new();
    let with = |text: &str| {
        [Server::new(
            "changing",
            &format!("print {text} record starts wait"),
        )]
    };
    sandbox.write_registry(&with("one"));
    for round in 0..6u64 {
        let mut daemon = sandbox.start();
        daemon.wait_for("changing", "RUNNING");
        sandbox.write_registry(&with(&format!("other-{round}")));
        daemon.signal(Signal::HUP);
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_millis(round * 4) {
            std::hint::spin_loop();
        }
        daemon.signal(Signal::TERM);
        assert_eq!(daemon.wait().code(), Some(0));
        sandbox.assert_nothing_left();
    }
}

#[test]
fn sighup_loads_the_registry_anew() {
    let sandbox = Sandbox::with(&[Server::new("old", "wait")]);
    let daemon = sandbox.start();
    daemon.wait_for("old", "RUNNING");
    sandbox.write_registry(&[Server::new("old", "wait"), Server::new("new", "wait")]);
    let before = daemon.pid_of("old");
    daemon.signal(Signal::HUP);
    eventually("the new one is there", SOON, || {
        let status = daemon.status();
        let ids: Vec<_> = status["components"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|one| one["id"].clone())
            .collect();
        if ids.iter().any(|id| id == "new") {
            Ok(())
        } else {
            Err(format!("{ids:?}"))
        }
    });
    daemon.wait_for("new", "RUNNING");
    assert_eq!(daemon.pid_of("old"), before);
}
