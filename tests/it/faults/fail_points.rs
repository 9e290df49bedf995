//! The daemon dies at each place that has a name (`s7supervisord/src/failpoint.rs`), and the next one must make it good.

use crate::platform::cgroups::{delegated, start_in};
use rustix::process::Signal;
use s7supervisord::failpoint::{Point, VARIABLE};
use s7tests::cgroup::Delegated;
use s7tests::daemon::{Daemon, pid};
use s7tests::eventually::{SOON, eventually, when};
use s7tests::numbered;
use s7tests::processes::is_alive;
use s7tests::registry::Server;
use s7tests::sandbox::Sandbox;
use serde_json::Value;
use std::collections::BTreeSet;
use std::os::unix::process::ExitStatusExt;
use std::time::Duration;

/// What leads to the place.
#[derive(Debug, Clone, Copy)]
enum Way {
    /// The first daemon starts everything.
    Cold,
    /// Another one takes over what runs.
    Warm,
    /// And is given these commands.
    Told(&'static [&'static [&'static str]]),
    /// And is told to load another registry.
    Reload,
    /// And is told so much that its record has grown enough to be written anew.
    Grown,
}

/// What a place belongs to. Each is a test of its own, so that they run beside each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Matter {
    Spawn,
    Record,
    Stop,
    Reload,
    TakingOver,
    Logs,
}

const RESTART: Way = Way::Told(&[&["restart", "victim"]]);
const STOP: Way = Way::Told(&[&["stop", "victim"]]);
const STOP_AND_START: Way = Way::Told(&[&["stop", "victim"], &["start", "victim"]]);
const KILL: Way = Way::Told(&[&["restart", "stubborn"]]);
/// The second time it is a run of this daemon's own.
const KILL_TWICE: Way = Way::Told(&[&["restart", "stubborn"], &["restart", "stubborn"]]);

/// The ways to a place, each with how many times it is passed before it counts.
fn ways(point: Point) -> (Matter, &'static [(Way, u32)]) {
    use Way::{Cold, Grown, Reload, Warm};
    match point {
        Point::SpawnPrepare
        | Point::SpawnBeforeClone
        | Point::SpawnAfterClone
        | Point::ChildBegins
        | Point::ChildBeforeRecord
        | Point::ChildAfterRecord
        | Point::ChildBeforeExec => (
            Matter::Spawn,
            &[(Cold, 1), (Cold, 4), (RESTART, 1), (STOP_AND_START, 1)],
        ),
        Point::RecordEnd => (Matter::Record, &[(RESTART, 1), (STOP, 1), (KILL_TWICE, 2)]),
        Point::RecordBeforeNote | Point::RecordAfterNote => {
            (Matter::Record, &[(STOP, 1), (STOP, 2), (STOP_AND_START, 2)])
        }
        Point::RecordWish | Point::RecordWished => (Matter::Record, &[(STOP, 1), (STOP_AND_START, 2)]),
        Point::StopBeforeAsk | Point::StopRecorded | Point::StopAfterAsk => (
            Matter::Stop,
            &[(STOP, 1), (RESTART, 1), (KILL, 1), (KILL_TWICE, 2)],
        ),
        Point::StopBeforeKill => (Matter::Stop, &[(KILL, 1), (KILL_TWICE, 2)]),
        Point::SweepBefore => (Matter::Stop, &[(KILL_TWICE, 1)]),
        Point::LeftoversBefore => (Matter::Stop, &[(KILL, 1), (KILL, 3)]),
        Point::ReloadBeforeApply | Point::ReloadAfterApply => (Matter::Reload, &[(Reload, 1)]),
        Point::KeepBeforeRename => (Matter::Reload, &[(Cold, 1), (Warm, 1), (Reload, 2)]),
        // The first time is when the record is begun.
        Point::JournalBeforeRename | Point::JournalAfterRename => {
            (Matter::TakingOver, &[(Cold, 1), (Warm, 1), (Grown, 2)])
        }
        Point::BootBefore => (Matter::TakingOver, &[(Cold, 1), (Warm, 1)]),
        Point::AdoptEach => (Matter::TakingOver, &[(Warm, 1), (Warm, 3)]),
        Point::AdoptDone => (Matter::TakingOver, &[(Warm, 1)]),
        Point::RotateBefore | Point::RotateShifted | Point::RotateAfter => {
            (Matter::Logs, &[(Cold, 1), (Warm, 1), (Warm, 2)])
        }
        Point::PackBeforeRename | Point::PackAfterRename => {
            (Matter::Logs, &[(Cold, 1), (Warm, 1), (Warm, 2)])
        }
        Point::UpgradeBeforeExec | Point::UpgradeAfterExec => (
            Matter::TakingOver,
            &[(Way::Told(&[&["--timeout", "2", "upgrade"]]), 1)],
        ),
        Point::Loop => (Matter::TakingOver, &[(Cold, 1), (Warm, 1), (Warm, 4)]),
        Point::Client => (Matter::TakingOver, &[(Way::Told(&[&["version"]]), 1)]),
    }
}

/// Two tiers: what never ends by itself, and behind it what crashes, what is stopped, and what has to be killed.
fn servers() -> Vec<Server> {
    vec![
        // Rotated every third of a second.
        Server::new("ticker", "tick 5").with("<log maxSize=\"4096\" maxFiles=\"1000\" compress=\"true\"/>"),
        Server::new("plain", "record plain.starts wait"),
        Server::new("crasher", "record crasher.starts sleep 20 exit 3")
            .start_delay("1")
            .tier(2),
        Server::new("victim", "record victim.starts wait").tier(2),
        Server::new(
            "stubborn",
            "ignore TERM record stubborn.starts fork-setsid stubborn.left wait",
        )
        .stop_timeout("50ms")
        .tier(2),
    ]
}

/// One component is new, another one has another environment.
fn other_servers() -> Vec<Server> {
    let mut servers = servers();
    servers.pop();
    servers.push(Server::new("stubborn", "record stubborn.starts wait").tier(2));
    servers.push(Server::new("added", "record added.starts wait"));
    servers
}

/// A thousand components that don't run. A wish about all of them is some 130 kB in the record, and that is written anew when it
/// has grown by 1 MiB.
fn crowd() -> Server {
    Server::new(CROWD, "wait").with("<instances>1000</instances><autoStart>false</autoStart>")
}

/// As long as a name may be, with the number of an instance.
const CROWD: &str = "a-crowd-of-components-with-names-as-long-as-names-may-be-00";
const STOP_CROWD: &[&str] = &["stop", CROWD];

/// What is wished of the victim.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wished {
    Up,
    Down,
    /// The daemon died before it has answered.
    Either,
}

/// A daemon that is to die at `point`, without waiting for anything.
fn doomed<'a>(sandbox: &'a Sandbox, home: Option<&Delegated>, point: Point, times: u32) -> Daemon<'a> {
    let mut command = sandbox.daemon_command();
    command.env(VARIABLE, format!("{}:{times}", point.name()));
    if let Some(home) = home {
        command = home.command(&command);
    }
    Daemon::spawn(sandbox, command)
}

/// One that answers.
fn start<'a>(sandbox: &'a Sandbox, home: Option<&Delegated>) -> Daemon<'a> {
    home.map_or_else(|| sandbox.start(), |home| start_in(sandbox, home))
}

/// Waits for it; that it is killed shows that the place was reached.
fn dies(mut daemon: Daemon<'_>, what: &str) {
    let status = daemon.wait();
    drop(daemon);
    assert_eq!(
        status.signal(),
        Some(Signal::KILL.as_raw()),
        "{what} was not reached: the daemon ended with {status}"
    );
}

/// Gives commands until the daemon is dead.
fn tell(sandbox: &Sandbox, daemon: &Daemon<'_>, commands: &[&[&str]]) -> Wished {
    eventually("the daemon answers or has died", SOON, || {
        let answers = || sandbox.ctl(&["version"]).code == Some(0);
        when(!is_alive(daemon.pid()) || answers(), || "neither".into())
    });
    let mut wished = Wished::Up;
    for command in commands.iter().filter(|_| is_alive(daemon.pid())) {
        let answered = sandbox.ctl(command).code == Some(0);
        wished = match *command {
            ["stop", "victim"] if answered => Wished::Down,
            ["start" | "restart", "victim"] if answered => Wished::Up,
            ["stop" | "start", "victim"] => Wished::Either,
            _ => wished,
        };
    }
    wished
}

/// The pids that have recorded a start in `file` and live.
fn living(sandbox: &Sandbox, file: &str) -> BTreeSet<u32> {
    let starts = sandbox.starts(file);
    let pids = starts.iter().map(|start| start.pid);
    pids.filter(|pid| is_alive(*pid)).collect()
}

/// `home`: the delegated cgroup that all daemons begin in.
fn sweep(point: Point, way: Way, times: u32, home: Option<&Delegated>) {
    let what = format!("{}:{times} by {way:?}", point.name());
    eprintln!("{what}");
    let mut servers = servers();
    servers.extend(matches!(way, Way::Grown).then(crowd));
    let sandbox = Sandbox::with(&servers);
    let mut kept = Vec::new();
    let mut wished = Wished::Up;
    if matches!(way, Way::Cold) {
        dies(doomed(&sandbox, home, point, times), &what);
    } else {
        let first = start(&sandbox, home);
        for id in ["ticker", "plain", "victim", "stubborn"] {
            let running = first.wait_for(id, "RUNNING");
            if matches!(id, "ticker" | "plain") {
                kept.push((id, pid(&running)));
            }
        }
        first.kill();
        if matches!(way, Way::Reload) {
            // It is found by the one who takes over only when it is told to.
            let before = sandbox.read("conf/SupervisorRegistry.xml");
            let daemon = doomed(&sandbox, home, point, times);
            wished = tell(&sandbox, &daemon, &[]);
            sandbox.write_registry(&other_servers());
            assert_ne!(before, sandbox.read("conf/SupervisorRegistry.xml"));
            tell(&sandbox, &daemon, &[&["reload"]]);
            dies(daemon, &what);
        } else {
            let daemon = doomed(&sandbox, home, point, times);
            match way {
                Way::Told(commands) => wished = tell(&sandbox, &daemon, commands),
                // It is looked at when a run is recorded.
                Way::Grown => {
                    wished = tell(
                        &sandbox,
                        &daemon,
                        &[[STOP_CROWD; 12].as_slice(), &[&["restart", "victim"]]].concat(),
                    )
                }
                _ => {}
            }
            dies(daemon, &what);
        }
    }
    let daemon = start(&sandbox, home);
    is_made_good(&sandbox, daemon, &kept, wished, matches!(way, Way::Reload), &what);
    if let Some(home) = home {
        assert_eq!(home.names(), [""; 0], "cgroups are left after {what}");
    }
}

/// The next daemon: everything is there, once, as it was wished, and what was healthy is the same as before.
fn is_made_good(
    sandbox: &Sandbox,
    daemon: Daemon<'_>,
    kept: &[(&str, Option<u32>)],
    wished: Wished,
    reloaded: bool,
    what: &str,
) {
    let victim = if wished == Wished::Down {
        "STOPPED"
    } else {
        "RUNNING"
    };
    if wished == Wished::Either {
        sandbox.ctl(&["start", "victim"]).exits(0);
    }
    let mut up = vec![("ticker", "RUNNING"), ("plain", "RUNNING"), ("victim", victim)];
    up.extend([("stubborn", "RUNNING")]);
    up.extend(reloaded.then_some(("added", "RUNNING")));
    for (id, state) in &up {
        daemon.wait_for(id, state);
    }
    if victim == "STOPPED" {
        daemon.stays("victim", "STOPPED", Duration::from_millis(100));
    }
    for (id, before) in kept {
        assert_eq!(Some(daemon.pid_of(id)), *before, "{id} goes on after {what}");
    }
    assert_eq!(sandbox.starts("plain.starts").len(), 1, "it began once, {what}");
    for id in ["plain", "victim", "stubborn", "added"] {
        let file = format!("{id}.starts");
        let expected: BTreeSet<u32> = match up.iter().find(|(up, _)| up == &id) {
            Some((_, "RUNNING")) => [daemon.pid_of(id)].into(),
            _ => BTreeSet::new(),
        };
        eventually(&format!("one copy of {id} after {what}"), SOON, || {
            let living = living(sandbox, &file);
            when(living == expected, || format!("{living:?}, not {expected:?}"))
        });
    }
    assert!(living(sandbox, "crasher.starts").len() <= 1, "{what}");
    eventually(&format!("nobody else is left after {what}"), SOON, || {
        let known: BTreeSet<u32> = of_status(&daemon.status()).chain([daemon.pid()]).collect();
        let there: BTreeSet<u32> = sandbox.processes().iter().map(|process| process.pid).collect();
        let strangers: Vec<u32> = there.difference(&known).copied().collect();
        // Each run of it that lives has one that has left its session.
        let escaped = |pid: &u32| {
            sandbox
                .read("stubborn.left")
                .lines()
                .any(|line| line == pid.to_string())
        };
        let most = usize::from(!escaped_is_over(sandbox));
        when(
            strangers.iter().filter(|pid| !escaped(pid)).count() == 0 && strangers.len() <= most,
            || format!("{strangers:?} beside {known:?}"),
        )
    });
    sandbox.ctl(&["stop", "ticker"]).exits(0);
    let ticked = sandbox.ctl(&["logs", "-n", "10000", "ticker"]).exits(0).stdout;
    let runs = numbered::runs_of(&ticked);
    assert_eq!(
        runs.map(|runs| runs.len()),
        Ok(1),
        "lines of one run after {what}"
    );
    daemon.stop();
}

/// Whether no process can be there that has left the session of a run.
fn escaped_is_over(sandbox: &Sandbox) -> bool {
    sandbox.read("stubborn.left").is_empty()
}

fn of_status(status: &Value) -> impl Iterator<Item = u32> {
    let all = status["components"].as_array().cloned().unwrap_or_default();
    all.into_iter().filter_map(|component| pid(&component))
}

/// All places of a matter, one after the other.
fn sweep_all(matter: Matter) {
    for point in Point::ALL {
        let (of, ways) = ways(*point);
        if of == matter {
            for (way, times) in ways {
                sweep(*point, *way, *times, None);
            }
        }
    }
}

#[test]
fn a_panic_in_the_core_ends_the_daemon_and_one_in_a_client_ends_that_client_alone() {
    let sandbox = Sandbox::with(&[Server::new("plain", "record plain.starts wait")]);
    let mut command = sandbox.daemon_command();
    command.env(VARIABLE, "loop=panic:20");
    let mut daemon = Daemon::spawn(&sandbox, command);
    eventually("the loop has had its steps", SOON, || {
        let _ = sandbox.ctl(&["version"]);
        when(!is_alive(daemon.pid()), || "the daemon lives".into())
    });
    let status = daemon.wait();
    assert_eq!(status.signal(), Some(Signal::ABORT.as_raw()), "{status}");
    drop(daemon);
    let mut command = sandbox.daemon_command();
    command.env(VARIABLE, "client=panic:3");
    let daemon = Daemon::spawn(&sandbox, command);
    eventually("a client was served by a panic", SOON, || {
        let _ = sandbox.ctl(&["status"]);
        let log = sandbox.supervisor_log();
        when(log.contains("asks for a panic at client"), || log)
    });
    daemon.wait_for("plain", "RUNNING");
    let log = sandbox.supervisor_log();
    assert_eq!(log.matches("asks for a panic at client").count(), 1, "{log}");
    assert_eq!(sandbox.starts("plain.starts").len(), 1);
}

#[test]
fn what_a_test_asks_of_the_daemon_reaches_no_component_and_an_unknown_place_is_refused() {
    let sandbox = Sandbox::new();
    let servers = [Server::new("plain", "print-env wait")];
    let inherits = sandbox
        .document(&servers)
        .replace("inherit=\"false\"", "inherit=\"true\"");
    sandbox.write("conf/SupervisorRegistry.xml", &inherits);
    let mut command = sandbox.daemon_command();
    command.env(VARIABLE, "boot.before:1000").env("SEEN", "yes");
    let daemon = Daemon::spawn(&sandbox, command);
    daemon.wait_until_it_answers();
    daemon.wait_for("plain", "RUNNING");
    let environment = eventually("its environment was printed", SOON, || {
        let log = sandbox.log_of("plain");
        if log.contains("SEEN=yes") {
            Ok(log)
        } else {
            Err(log)
        }
    });
    assert!(!environment.contains(VARIABLE), "{environment}");
    daemon.stop();
    let mut command = sandbox.daemon_command();
    command.env(VARIABLE, "nowhere");
    s7tests::ctl::run(&mut command)
        .exits(64)
        .says("there is no \"nowhere\"");
}

#[test]
fn a_daemon_that_dies_anywhere_in_a_start_is_made_good() {
    sweep_all(Matter::Spawn);
}

#[test]
fn a_daemon_that_dies_anywhere_in_recording_is_made_good() {
    sweep_all(Matter::Record);
}

#[test]
fn a_daemon_that_dies_anywhere_in_a_stop_is_made_good() {
    sweep_all(Matter::Stop);
}

#[test]
fn a_daemon_that_dies_anywhere_in_a_reload_is_made_good() {
    sweep_all(Matter::Reload);
}

#[test]
fn a_daemon_that_dies_anywhere_in_a_rotation_is_made_good() {
    sweep_all(Matter::Logs);
}

#[test]
fn a_daemon_that_dies_anywhere_in_taking_over_is_made_good() {
    sweep_all(Matter::TakingOver);
}

#[test]
fn a_daemon_that_dies_anywhere_in_a_delegated_cgroup_is_made_good_needs_root() {
    let test = "a_daemon_that_dies_anywhere_in_a_delegated_cgroup_is_made_good_needs_root";
    let Some(home) = delegated(test) else { return };
    for point in Point::ALL {
        // Each place once: the ways differ in what the record says, and that is the same with cgroups.
        let (of, ways) = ways(*point);
        let way = ways.iter().rev().find(|(_, times)| *times == 1);
        if !matches!(of, Matter::Logs | Matter::Reload)
            && let Some((way, times)) = way
        {
            sweep(*point, *way, *times, Some(&home));
        }
    }
}
