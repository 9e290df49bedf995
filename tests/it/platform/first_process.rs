//! The daemon as the first process of a container: of a pid namespace with a `/proc` of its own.

use rustix::process::Signal;
use s7tests::ctl;
use s7tests::daemon::{Daemon, pid};
use s7tests::eventually::{SOON, eventually, when};
use s7tests::processes::{self, children_of, is_alive, pid_inside, send, zombies_of};
use s7tests::programs;
use s7tests::registry::Server;
use s7tests::sandbox::Sandbox;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// A daemon that is process 1, and the pid by which others know it.
struct Container<'a> {
    sandbox: &'a Sandbox,
    daemon: Daemon<'a>,
}

/// Says why there can be no pid namespace here, if so.
fn obstacle() -> Option<String> {
    let said = ctl::run(Command::new("unshare").args(["--pid", "--fork", "--mount-proc", "true"]));
    (said.code != Some(0)).then(|| format!("a pid namespace can't be made here: {said}"))
}

impl<'a> Container<'a> {
    /// Starts it without waiting for more than that the daemon is there.
    fn spawn(sandbox: &'a Sandbox, environment: &[(&str, &str)]) -> Self {
        let run = sandbox.daemon_command();
        let mut unshare = Command::new("unshare");
        sandbox.clean(&mut unshare);
        unshare
            .args(["--pid", "--fork", "--mount-proc", "--kill-child=KILL"])
            .arg(run.get_program())
            .args(run.get_args())
            .envs(environment.iter().copied());
        let daemon = Daemon::spawn(sandbox, unshare);
        let first = eventually("the container has its first process", SOON, || {
            let children = children_of(daemon.pid());
            let inside = children.iter().find(|child| pid_inside(child.pid) == Some(1));
            inside
                .map(|child| child.pid)
                .ok_or_else(|| format!("{children:?}"))
        });
        Self {
            sandbox,
            daemon: daemon.behind(first),
        }
    }

    fn start(sandbox: &'a Sandbox) -> Self {
        let container = Self::spawn(sandbox, &[]);
        container.daemon.wait_until_it_answers();
        container
    }

    /// Runs a line of the shell inside, as `docker exec` does.
    fn exec(&self, line: &str) {
        let mut command = Command::new("nsenter");
        self.sandbox.clean(&mut command);
        command
            .args(["--target", &self.daemon.pid().to_string(), "--pid", "--mount"])
            .arg(format!("--wd={}", self.sandbox.folder().display()))
            .args(["sh", "-c", line])
            .stdin(Stdio::null());
        ctl::run(&mut command).exits(0);
    }

    /// What somebody who was inside has left there and is now the daemon's child; the pid as others know it.
    fn stranger(&self) -> u32 {
        self.exec("setsid sleep 1000 >/dev/null 2>&1 & echo $! >stranger");
        let inside = self.sandbox.pid_in("stranger");
        eventually("the stranger is the daemon's child", SOON, || {
            let children = children_of(self.daemon.pid());
            let found = children
                .iter()
                .find(|child| pid_inside(child.pid) == Some(inside));
            found
                .map(|child| child.pid)
                .ok_or_else(|| format!("{children:?}"))
        })
    }

    /// The pid of a component as others know it.
    fn outside(&self, id: &str) -> u32 {
        let inside = pid(&self.daemon.wait_for(id, "RUNNING"));
        let all = self.sandbox.processes();
        let found = all.iter().find(|process| pid_inside(process.pid) == inside);
        found
            .unwrap_or_else(|| panic!("{id} is {inside:?} inside, and nobody is: {all:?}"))
            .pid
    }
}

#[test]
fn the_first_process_reaps_what_anybody_leaves_and_ends_no_stranger_needs_root() {
    let test = "the_first_process_reaps_what_anybody_leaves_and_ends_no_stranger_needs_root";
    if let Some(why) = obstacle() {
        return s7tests::not_run(test, &why);
    }
    // One component alone: what bears no mark could be nobody else's.
    let sandbox =
        Sandbox::with(&[Server::new("one", "fork-setsid left record starts wait").stop_timeout("300ms")]);
    let container = Container::start(&sandbox);
    let daemon = &container.daemon;
    let before = container.outside("one");
    assert_eq!(daemon.status()["supervisor"]["pid"], 1);
    let stranger = container.stranger();
    container.exec("i=0; while [ $i -lt 200 ]; do (sleep 0.0$((i % 10)) &) ; i=$((i + 1)); done");
    eventually("all of them are reaped", SOON, || {
        let zombies = zombies_of(daemon.pid());
        let sleeping = children_of(daemon.pid());
        let others = sleeping
            .iter()
            .filter(|child| child.name == "sleep" && child.pid != stranger)
            .count();
        when(zombies.is_empty() && others == 0, || {
            format!("{zombies:?}, {others} others")
        })
    });
    // A run's own tree goes with it all the same, and nothing else does.
    eventually("it has its descendant", SOON, || {
        when(sandbox.path("left").exists(), || "not yet".into())
    });
    send(before, Signal::KILL);
    eventually("it is started again", SOON, || {
        let starts = sandbox.starts("starts");
        when(starts.len() == 2, || format!("{starts:?}"))
    });
    sandbox.ctl(&["restart", "one"]).exits(0);
    eventually("of the earlier runs nothing is left", SOON, || {
        // Each run has one first process and one descendant that left its session.
        let fixtures: Vec<_> = sandbox
            .processes()
            .into_iter()
            .filter(|process| process.name == "fixture")
            .collect();
        when(fixtures.len() == 2, || format!("{fixtures:?}"))
    });
    assert!(is_alive(stranger), "what isn't the daemon's was ended by it");
    container.daemon.stop();
    eventually("nothing outlives the first process", SOON, || {
        when(!is_alive(stranger), || "the stranger lives".into())
    });
    sandbox.assert_nothing_left();
}

#[test]
fn sigterm_and_sigint_to_the_first_process_stop_everything_in_order_needs_root() {
    let test = "sigterm_and_sigint_to_the_first_process_stop_everything_in_order_needs_root";
    if let Some(why) = obstacle() {
        return s7tests::not_run(test, &why);
    }
    for (name, signal) in [("TERM", Signal::TERM), ("INT", Signal::INT)] {
        for from_inside in [false, true] {
            let sandbox = Sandbox::with(&[
                Server::new("first", "note-stop stops slow-stop 100"),
                Server::new("second", "note-stop stops slow-stop 100").tier(2),
            ]);
            let mut container = Container::start(&sandbox);
            let pids = ["second", "first"].map(|id| (container.outside(id), id));
            // As they write it down, that is as they know themselves.
            let wanted = pids.map(|(pid, _)| pid_inside(pid).expect("it lives inside"));
            if from_inside {
                container.exec(&format!("kill -{name} 1"));
            } else {
                container.daemon.signal(signal);
            }
            let status = container.daemon.wait();
            assert_eq!(status.code(), Some(0), "SIG{name}, from inside: {from_inside}");
            let stops: Vec<u32> = sandbox.starts("stops").iter().map(|stop| stop.pid).collect();
            assert_eq!(stops, wanted, "each was asked, the later tier before the earlier");
            drop(container);
            sandbox.assert_nothing_left();
        }
    }
}

#[test]
fn a_second_sigterm_hurries_the_first_process_needs_root() {
    let test = "a_second_sigterm_hurries_the_first_process_needs_root";
    if let Some(why) = obstacle() {
        return s7tests::not_run(test, &why);
    }
    let sandbox = Sandbox::with(&[Server::new("stubborn", "ignore TERM wait").stop_timeout("60")]);
    let mut container = Container::start(&sandbox);
    container.outside("stubborn");
    container.daemon.signal(Signal::TERM);
    container.daemon.wait_for("stubborn", "STOPPING");
    let begun = Instant::now();
    container.daemon.signal(Signal::TERM);
    assert_eq!(container.daemon.wait().code(), Some(0));
    assert!(begun.elapsed() < Duration::from_secs(15), "{:?}", begun.elapsed());
}

#[test]
fn a_sigterm_that_comes_while_the_first_process_begins_is_not_lost_needs_root() {
    let test = "a_sigterm_that_comes_while_the_first_process_begins_is_not_lost_needs_root";
    if let Some(why) = obstacle() {
        return s7tests::not_run(test, &why);
    }
    let sandbox = Sandbox::with(&[Server::new("one", "wait")]);
    for _ in 0..5 {
        let mut container = Container::spawn(&sandbox, &[]);
        let own = container.daemon.pid();
        // The kernel throws away what comes before the daemon's very first steps; from then on it is held.
        eventually("signals are held", SOON, || {
            let status = std::fs::read_to_string(format!("/proc/{own}/status")).unwrap_or_default();
            let held = status
                .lines()
                .find_map(|line| line.strip_prefix("SigBlk:"))
                .and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
            // Who makes the container holds SIGTERM back as well, for a moment; SIGHUP only the daemon.
            let both = 1 << (Signal::TERM.as_raw() - 1) | 1 << (Signal::HUP.as_raw() - 1);
            when(held.is_some_and(|held| held & both == both), || status)
        });
        container.daemon.signal(Signal::TERM);
        assert_eq!(container.daemon.wait().code(), Some(0));
        drop(container);
        sandbox.assert_nothing_left();
    }
}

#[test]
fn components_of_a_container_get_its_environment_unless_the_registry_says_no_needs_root() {
    let test = "components_of_a_container_get_its_environment_unless_the_registry_says_no_needs_root";
    if let Some(why) = obstacle() {
        return s7tests::not_run(test, &why);
    }
    let sandbox = Sandbox::new();
    let document = sandbox.document(&[
        Server::new("heir", "print-env print done wait"),
        Server::new("alone", "print-env print done wait"),
    ]);
    // The registry of the harness always says no; the first server here says nothing.
    let says_nothing = document.replacen(" inherit=\"false\"", "", 1);
    assert_ne!(says_nothing, document);
    sandbox.write("conf/SupervisorRegistry.xml", &says_nothing);
    let private = [
        ("NOTIFY_SOCKET", "/nowhere"),
        ("WATCHDOG_PID", "1"),
        ("WATCHDOG_USEC", "1000000000"),
        ("LISTEN_FDS", "0"),
        ("LISTEN_PID", "1"),
        ("LISTEN_FDNAMES", "none"),
    ];
    let environment: Vec<_> = private.into_iter().chain([("CONTAINERS_OWN", "given")]).collect();
    let container = Container::spawn(&sandbox, &environment);
    container.daemon.wait_until_it_answers();
    let printed = |id: &str| {
        eventually("it has printed its environment", SOON, || {
            let log = sandbox.log_of(id);
            if log.contains("done") { Ok(log) } else { Err(log) }
        })
    };
    let (heir, alone) = (printed("heir"), printed("alone"));
    assert!(heir.contains("CONTAINERS_OWN=given\n"), "{heir}");
    assert!(!alone.contains("CONTAINERS_OWN"), "{alone}");
    for (name, _) in private {
        assert!(!heir.contains(name), "{name} is the daemon's alone: {heir}");
    }
    assert!(heir.contains("S7_COMPONENT=heir\n"), "{heir}");
}

#[test]
fn a_container_outlives_a_restart_of_its_supervisor_in_place_needs_root() {
    let test = "a_container_outlives_a_restart_of_its_supervisor_in_place_needs_root";
    if let Some(why) = obstacle() {
        return s7tests::not_run(test, &why);
    }
    let sandbox = Sandbox::with(&[Server::new("one", "record starts wait")]);
    let container = Container::start(&sandbox);
    let before = container.outside("one");
    let stranger = container.stranger();
    sandbox.ctl(&["--timeout", "60", "restart"]).exits(0);
    container.daemon.wait_for("one", "RUNNING");
    assert!(!is_alive(before), "the component was stopped and started anew");
    assert_eq!(sandbox.starts("starts").len(), 2);
    assert!(is_alive(stranger), "what others do inside goes on");
    send(container.outside("one"), Signal::KILL);
    container
        .daemon
        .wait_until("it is supervised as ever", "one", SOON, |seen| {
            seen["state"] == "RUNNING" && seen["restarts"] == 1
        });
    assert!(is_alive(stranger), "what others do inside goes on");
    assert!(processes::zombies_of(container.daemon.pid()).is_empty());
    assert_eq!(
        std::fs::read_link(format!("/proc/{}/exe", container.daemon.pid())).ok(),
        std::fs::canonicalize(programs::path_of(programs::DAEMON)).ok(),
    );
    container.daemon.stop();
}
