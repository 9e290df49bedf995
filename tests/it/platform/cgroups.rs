//! A daemon that was given a cgroup: each run has one of its own, and nothing gets away from it.

use rustix::process::Signal;
use s7tests::cgroup::{Cgroup, Delegated};
use s7tests::daemon::{Daemon, pid};
use s7tests::eventually::{SOON, eventually, when};
use s7tests::processes::{self, is_alive, send};
use s7tests::programs;
use s7tests::registry::Server;
use s7tests::sandbox::Sandbox;
use std::fs;
use std::os::unix::fs::chown;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A delegated cgroup, or `None` once it was said why the test doesn't run.
pub fn delegated(test: &str) -> Option<Delegated> {
    Delegated::new().map_err(|why| s7tests::not_run(test, &why)).ok()
}

pub fn start_in<'a>(sandbox: &'a Sandbox, home: &Delegated) -> Daemon<'a> {
    let daemon = Daemon::spawn(sandbox, home.command(&sandbox.daemon_command()));
    daemon.wait_until_it_answers();
    daemon
}

/// Waits until these are the cgroups in `home`: one is removed moments after its run is over.
pub(super) fn cgroups_are(home: &Delegated, expected: &[&str]) {
    eventually(&format!("the cgroups are {expected:?}"), SOON, || {
        let names = home.names();
        when(names == expected, || format!("{names:?}"))
    });
}

/// A component whose descendants leave its group, its session and its environment, and ignore SIGTERM.
pub(super) fn tree() -> Server {
    Server::new(
        "tree",
        "record starts fork-in-group inside fork-setsid outside fork-bare bare wait",
    )
    .stop_timeout("1")
}

#[test]
fn nothing_of_a_tree_in_a_cgroup_survives_a_stop_needs_root() {
    let Some(home) = delegated("nothing_of_a_tree_in_a_cgroup_survives_a_stop_needs_root") else {
        return;
    };
    let sandbox = Sandbox::with(&[tree()]);
    let daemon = start_in(&sandbox, &home);
    let first = pid(&daemon.wait_for("tree", "RUNNING")).expect("it runs");
    let descendants = ["inside", "outside", "bare"].map(|file| sandbox.pid_in(file));
    assert_eq!(daemon.status()["supervisor"]["containment"], "cgroup");
    assert_eq!(home.names(), ["daemon", "tree.1"]);
    assert_eq!(home.members("daemon"), [daemon.pid()]);
    let members = home.members("tree.1");
    for pid in descendants.iter().chain([&first]) {
        assert!(members.contains(pid), "{pid} is none of {members:?}");
    }
    sandbox.ctl(&["stop", "tree"]).exits(0);
    // At once, not eventually: a stop that is answered is a tree that is gone.
    let left: Vec<_> = descendants.iter().filter(|pid| is_alive(**pid)).collect();
    assert!(
        left.is_empty(),
        "of the descendants {descendants:?} these live: {left:?}"
    );
    assert_eq!(home.members("tree.1"), [0; 0]);
    cgroups_are(&home, &["daemon"]);
    daemon.stop();
    assert_eq!(
        home.names(),
        [""; 0],
        "the daemon has removed all that it has made"
    );
}

#[test]
fn nothing_of_a_tree_in_a_cgroup_survives_a_crash_into_the_next_run_needs_root() {
    let test = "nothing_of_a_tree_in_a_cgroup_survives_a_crash_into_the_next_run_needs_root";
    let Some(home) = delegated(test) else { return };
    let sandbox = Sandbox::with(&[tree()]);
    let daemon = start_in(&sandbox, &home);
    let first = pid(&daemon.wait_for("tree", "RUNNING")).expect("it runs");
    let descendants = ["inside", "outside", "bare"].map(|file| sandbox.pid_in(file));
    send(first, Signal::KILL);
    eventually("the tree is started again", SOON, || {
        let starts = sandbox.starts("starts");
        when(starts.len() == 2, || format!("{starts:?}"))
    });
    let left: Vec<_> = descendants.iter().filter(|pid| is_alive(**pid)).collect();
    assert!(
        left.is_empty(),
        "the next run began while these of the last one lived: {left:?}"
    );
    daemon.wait_for("tree", "RUNNING");
    cgroups_are(&home, &["daemon", "tree.2"]);
}

#[test]
fn who_has_nothing_but_his_cgroup_is_ended_with_his_own_run_needs_root() {
    let test = "who_has_nothing_but_his_cgroup_is_ended_with_his_own_run_needs_root";
    let Some(home) = delegated(test) else { return };
    let server = |id: &str| {
        let verbs = format!("record {id}-starts fork-bare {id}-bare wait");
        Server::new(id, &verbs).stop_timeout("1")
    };
    let sandbox = Sandbox::with(&[server("one"), server("two")]);
    let daemon = start_in(&sandbox, &home);
    let first = pid(&daemon.wait_for("one", "RUNNING")).expect("it runs");
    daemon.wait_for("two", "RUNNING");
    let [one, two] = ["one-bare", "two-bare"].map(|file| sandbox.pid_in(file));
    send(first, Signal::KILL);
    eventually("the first is started again", SOON, || {
        let starts = sandbox.starts("one-starts");
        when(starts.len() == 2, || format!("{starts:?}"))
    });
    assert!(
        !is_alive(one),
        "the next run began while {one} of the last one lived"
    );
    assert!(is_alive(two), "{two} is of a component that runs");
    sandbox.ctl(&["stop", "two"]).exits(0);
    assert!(!is_alive(two), "{two}");
}

#[test]
fn the_memory_of_who_has_lost_his_parents_is_counted_with_his_run_needs_root() {
    let test = "the_memory_of_who_has_lost_his_parents_is_counted_with_his_run_needs_root";
    let Some(home) = delegated(test) else { return };
    let sandbox = Sandbox::with(&[
        Server::new("alone", "wait"),
        Server::new("escaped", "fork-setsid outside fork-bare bare wait"),
    ]);
    let daemon = start_in(&sandbox, &home);
    daemon.wait_for("alone", "RUNNING");
    daemon.wait_for("escaped", "RUNNING");
    let _ = ["outside", "bare"].map(|file| sandbox.pid_in(file));
    eventually(
        "three processes have more memory than one and a half",
        SOON,
        || {
            let [alone, escaped] =
                ["alone", "escaped"].map(|id| daemon.component(id)["memory_bytes"].as_u64());
            let (alone, escaped) = (alone.unwrap_or(0), escaped.unwrap_or(0));
            when(alone > 0 && escaped * 2 > alone * 3, || {
                format!("{alone} and {escaped}")
            })
        },
    );
}

#[test]
fn what_forks_while_it_is_killed_does_not_get_away_from_its_cgroup_needs_root() {
    let test = "what_forks_while_it_is_killed_does_not_get_away_from_its_cgroup_needs_root";
    let Some(home) = delegated(test) else { return };
    let sandbox = Sandbox::with(&[Server::new("chains", "fork-chains 200 wait").stop_timeout("500ms")]);
    let daemon = start_in(&sandbox, &home);
    daemon.wait_for("chains", "RUNNING");
    eventually("the chains are there", SOON, || {
        let seen = home.members("chains.1").len();
        when(seen > 50, || format!("{seen} of them"))
    });
    sandbox.ctl(&["stop", "chains"]).exits(0);
    assert_eq!(home.members("chains.1"), [0; 0]);
    for _ in 0..20 {
        let left = sandbox.processes();
        let left: Vec<_> = left.iter().filter(|left| left.pid != daemon.pid()).collect();
        assert!(left.is_empty(), "the stop is answered, and these live: {left:?}");
    }
    cgroups_are(&home, &["daemon"]);
}

#[test]
fn what_is_left_in_a_cgroup_is_asked_before_it_is_killed_needs_root() {
    let Some(home) = delegated("what_is_left_in_a_cgroup_is_asked_before_it_is_killed_needs_root") else {
        return;
    };
    // The first process ends at once, its grandchild by the same signal; only a daemon that doesn't ask it waits.
    let sandbox = Sandbox::with(&[Server::new("polite", "fork-polite outside wait").stop_timeout("60")]);
    let daemon = start_in(&sandbox, &home);
    daemon.wait_for("polite", "RUNNING");
    let outside = sandbox.pid_in("outside");
    let begun = Instant::now();
    sandbox.ctl(&["stop", "polite"]).exits(0);
    assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
    assert!(!is_alive(outside));
    assert_eq!(daemon.component("polite")["last_exit"]["signal"], "SIGTERM");
    let log = sandbox.supervisor_log();
    assert!(!log.contains("was killed"), "{log}");
}

#[test]
fn a_system_that_creates_nobody_in_a_cgroup_lets_him_go_there_needs_root_and_strace() {
    let test = "a_system_that_creates_nobody_in_a_cgroup_lets_him_go_there_needs_root_and_strace";
    let Some(home) = delegated(test) else { return };
    let mut asked = Command::new("strace");
    if asked.arg("-V").stdout(Stdio::null()).status().is_err() {
        return s7tests::not_run(test, "strace is not installed");
    }
    let sandbox = Sandbox::with(&[tree()]);
    let run = sandbox.daemon_command();
    let mut strace = Command::new("strace");
    sandbox.clean(&mut strace);
    // As before Linux 5.3, and as in sandboxes that can't look into the arguments of this call.
    strace
        .args([
            "-D",
            "-qq",
            "-f",
            "-e",
            "trace=clone3",
            "-e",
            "inject=clone3:error=ENOSYS",
            "-o",
        ])
        .arg(sandbox.path("strace.out"))
        .arg("--")
        .arg(run.get_program())
        .args(run.get_args());
    let daemon = Daemon::spawn(&sandbox, home.command(&strace));
    daemon.wait_until_it_answers();
    let first = pid(&daemon.wait_for("tree", "RUNNING")).expect("it runs");
    let calls = sandbox.read("strace.out");
    assert!(calls.contains("CLONE_INTO_CGROUP"), "{calls}");
    let descendants = ["inside", "outside", "bare"].map(|file| sandbox.pid_in(file));
    let members = home.members("tree.1");
    for pid in descendants.iter().chain([&first]) {
        assert!(members.contains(pid), "{pid} is none of {members:?}");
    }
    sandbox.ctl(&["stop", "tree"]).exits(0);
    assert!(!descendants.iter().any(|pid| is_alive(*pid)));
    cgroups_are(&home, &["daemon"]);
}

#[test]
fn a_run_that_gets_no_cgroup_runs_without_one_needs_root() {
    let Some(home) = delegated("a_run_that_gets_no_cgroup_runs_without_one_needs_root") else {
        return;
    };
    // The daemon's leaf, and no other.
    fs::write(home.path("cgroup.max.descendants"), "1").expect("the cgroup is ours");
    let sandbox = Sandbox::with(&[tree()]);
    let daemon = start_in(&sandbox, &home);
    daemon.wait_for("tree", "RUNNING");
    let descendants = ["inside", "outside", "bare"].map(|file| sandbox.pid_in(file));
    assert_eq!(home.names(), ["daemon"]);
    let log = sandbox.supervisor_log();
    assert!(log.contains("tree: making a cgroup for run 1: "), "{log}");
    sandbox.ctl(&["stop", "tree"]).exits(0);
    let left: Vec<_> = descendants.iter().filter(|pid| is_alive(**pid)).collect();
    assert!(
        left.is_empty(),
        "of the descendants {descendants:?} these live: {left:?}"
    );
}

/// Somebody from outside who goes into the cgroup `name`.
fn stranger(sandbox: &Sandbox, home: &Delegated, name: &str) -> Child {
    let procs = home.path(name).join("cgroup.procs");
    let mut fixture = sandbox.program(programs::FIXTURE);
    fixture.arg("join").arg(procs).arg("wait");
    let child = processes::spawn(&mut fixture);
    eventually("the stranger is in it", SOON, || {
        let members = home.members(name);
        when(members.contains(&child.id()), || format!("{members:?}"))
    });
    child
}

#[test]
fn an_unkillable_member_of_a_cgroup_is_waited_for_needs_root() {
    let test = "an_unkillable_member_of_a_cgroup_is_waited_for_needs_root";
    let Some(home) = delegated(test) else { return };
    let freezer = match Cgroup::new("freezer", "s7t-cgroups") {
        Ok(freezer) => freezer,
        Err(why) => return s7tests::not_run(test, &why),
    };
    let server = Server::new("held", "record starts fork-setsid outside wait").stop_timeout("300ms");
    let sandbox = Sandbox::with(&[server]);
    let daemon = start_in(&sandbox, &home);
    daemon.wait_for("held", "RUNNING");
    let outside = sandbox.pid_in("outside");
    // No child of the daemon's, so that only the cgroup tells that it is there, and nobody when it is gone.
    let mut held = stranger(&sandbox, &home, "held.1");
    freezer.set("cgroup.procs", &held.id().to_string());
    freezer.set("freezer.state", "FROZEN");
    eventually("it is frozen", SOON, || {
        when(freezer.get("freezer.state") == "FROZEN", || "not yet".into())
    });
    let _ = sandbox.ctl(&["--timeout", "60", "stop", "held"]).exits(1);
    assert_eq!(daemon.component("held")["state"], "STUCK");
    assert!(!is_alive(outside));
    assert_eq!(home.members("held.1"), [held.id()]);
    freezer.set("freezer.state", "THAWED");
    daemon.wait_for("held", "STOPPED");
    assert!(!is_alive(held.id()));
    held.wait().expect("it is our child");
    processes::forget(&held);
    cgroups_are(&home, &["daemon"]);
    assert_eq!(sandbox.starts("starts").len(), 1);
}

#[test]
fn who_has_come_into_a_cgroup_does_not_outlive_its_run_needs_root() {
    let Some(home) = delegated("who_has_come_into_a_cgroup_does_not_outlive_its_run_needs_root") else {
        return;
    };
    let sandbox = Sandbox::with(&[Server::new("one", "wait")]);
    let daemon = start_in(&sandbox, &home);
    daemon.wait_for("one", "RUNNING");
    let mut stranger = stranger(&sandbox, &home, "one.1");
    sandbox.ctl(&["stop", "one"]).exits(0);
    eventually("the stranger is gone", SOON, || {
        let ended = stranger.try_wait().expect("it is our child");
        when(ended.is_some(), || "it lives".into())
    });
    processes::forget(&stranger);
    cgroups_are(&home, &["daemon"]);
}

#[test]
fn who_leaves_his_cgroup_by_himself_is_found_as_elsewhere_needs_root() {
    let Some(home) = delegated("who_leaves_his_cgroup_by_himself_is_found_as_elsewhere_needs_root") else {
        return;
    };
    let elsewhere = match Delegated::undelegated() {
        Ok(elsewhere) => elsewhere,
        Err(why) => return s7tests::not_run("who_leaves_his_cgroup_by_himself", &why),
    };
    let procs = elsewhere.path("cgroup.procs").display().to_string();
    let verbs = format!("join {procs} fork-setsid outside wait");
    let sandbox = Sandbox::with(&[Server::new("leaver", &verbs).stop_timeout("1")]);
    let daemon = start_in(&sandbox, &home);
    let first = pid(&daemon.wait_for("leaver", "RUNNING")).expect("it runs");
    let outside = sandbox.pid_in("outside");
    assert_eq!(home.members("leaver.1"), [0; 0], "it has left");
    sandbox.ctl(&["stop", "leaver"]).exits(0);
    assert!(!is_alive(first) && !is_alive(outside), "{first} {outside}");
    cgroups_are(&home, &["daemon"]);
}

#[test]
fn a_cgroup_that_was_not_delegated_is_left_alone_needs_root() {
    let test = "a_cgroup_that_was_not_delegated_is_left_alone_needs_root";
    let home = match Delegated::undelegated() {
        Ok(home) => home,
        Err(why) => return s7tests::not_run(test, &why),
    };
    let sandbox = Sandbox::with(&[Server::new("one", "wait")]);
    let daemon = start_in(&sandbox, &home);
    let own = pid(&daemon.wait_for("one", "RUNNING")).expect("it runs");
    assert_eq!(daemon.status()["supervisor"]["containment"], "group");
    assert_eq!(home.names(), [""; 0]);
    assert!(home.members("").contains(&own));
}

#[test]
fn two_daemons_never_share_a_delegated_cgroup_needs_root() {
    let Some(home) = delegated("two_daemons_never_share_a_delegated_cgroup_needs_root") else {
        return;
    };
    let [first, second] = [(); 2].map(|()| Sandbox::with(&[Server::new("one", "wait")]));
    let daemon = start_in(&first, &home);
    let own = pid(&daemon.wait_for("one", "RUNNING")).expect("it runs");
    let other = start_in(&second, &home);
    other.wait_for("one", "RUNNING");
    assert_eq!(other.status()["supervisor"]["containment"], "group");
    let log = second.supervisor_log();
    assert!(log.contains("another supervisor uses it"), "{log}");
    other.stop();
    assert_eq!(daemon.pid_of("one"), own);
    assert_eq!(home.names(), ["daemon", "one.1"]);
}

#[test]
fn a_user_may_be_given_a_cgroup_as_well_needs_root() {
    let Some(home) = delegated("a_user_may_be_given_a_cgroup_as_well_needs_root") else {
        return;
    };
    const NOBODY: u32 = 65534;
    // What systemd gives away with `User=` and `Delegate=yes`.
    for file in ["", "cgroup.procs", "cgroup.threads", "cgroup.subtree_control"] {
        chown(home.path(file), Some(NOBODY), Some(NOBODY)).expect("root may give files away");
    }
    let sandbox = Sandbox::with(&[tree()]);
    sandbox.install();
    sandbox.copy_program(
        &s7tests::programs::path_of(s7tests::programs::FIXTURE),
        s7tests::registry::FIXTURE,
    );
    for folder in ["", "conf", "logs", "temp", "bin"] {
        chown(sandbox.path(folder), Some(NOBODY), Some(NOBODY)).expect("root may give files away");
    }
    let run = sandbox.daemon_command();
    let mut command = Command::new("setpriv");
    sandbox.clean(&mut command);
    command
        .args(["--reuid=65534", "--regid=65534", "--clear-groups", "--"])
        .arg(sandbox.path("bin/s7supervisord"))
        .args(run.get_args());
    let daemon = Daemon::spawn(&sandbox, home.command(&command));
    daemon.wait_until_it_answers();
    daemon.wait_for("tree", "RUNNING");
    assert_eq!(daemon.status()["supervisor"]["containment"], "cgroup");
    let descendants = ["inside", "outside", "bare"].map(|file| sandbox.pid_in(file));
    let members = home.members("tree.1");
    assert!(descendants.iter().all(|pid| members.contains(pid)), "{members:?}");
    sandbox.ctl(&["stop", "tree"]).exits(0);
    assert!(!descendants.iter().any(|pid| is_alive(*pid)));
    cgroups_are(&home, &["daemon"]);
}
