//! The next daemon in a delegated cgroup, beside the cgroups of runs that the last one has left.

use super::cgroups::{cgroups_are, delegated, start_in, tree};
use rustix::process::Signal;
use s7tests::daemon::pid;
use s7tests::eventually::{SOON, eventually, when};
use s7tests::processes::{is_alive, send};
use s7tests::registry::Server;
use s7tests::sandbox::Sandbox;
use std::fs;

#[test]
fn a_next_daemon_begins_beside_the_cgroups_that_are_left_needs_root() {
    let Some(home) = delegated("a_next_daemon_begins_beside_the_cgroups_that_are_left_needs_root") else {
        return;
    };
    let sandbox = Sandbox::with(&[tree()]);
    let daemon = start_in(&sandbox, &home);
    let first = pid(&daemon.wait_for("tree", "RUNNING")).expect("it runs");
    let descendants = ["inside", "outside", "bare"].map(|file| sandbox.pid_in(file));
    daemon.kill();
    assert!(is_alive(first), "only the daemon has died");
    assert!(home.members("tree.1").contains(&first));
    // Of a run that ended with the daemon.
    fs::create_dir(home.path("gone.17")).expect("the cgroup is ours");
    fs::create_dir(home.path("other")).expect("the cgroup is ours");
    let daemon = start_in(&sandbox, &home);
    assert_eq!(daemon.status()["supervisor"]["containment"], "cgroup");
    let names = home.names();
    assert!(!names.contains(&"gone.17".into()), "{names:?}");
    assert!(names.contains(&"other".into()), "that is nobody's run: {names:?}");
    let subtree = fs::read_to_string(home.path("cgroup.subtree_control"));
    assert_eq!(subtree.expect("the cgroup is ours").trim(), "");
    // Whether the run goes on or another one has taken its place: it is in a cgroup, and there is one copy.
    eventually("it runs in its cgroup", SOON, || {
        let seen = daemon.component("tree");
        let own = pid(&seen).filter(|_| seen["state"] == "RUNNING");
        let inside = own.is_some_and(|own| home.members(&format!("tree.{}", seen["run"])).contains(&own));
        when(inside, || format!("{seen} in {:?}", home.names()))
    });
    sandbox.ctl(&["stop", "tree"]).exits(0);
    let left: Vec<_> = descendants.iter().filter(|pid| is_alive(**pid)).collect();
    assert!(left.is_empty(), "of the first daemon's run these live: {left:?}");
    cgroups_are(&home, &["daemon", "other"]);
    daemon.stop();
    assert_eq!(home.names(), ["other"]);
}

#[test]
fn what_only_its_cgroup_knows_is_ended_before_the_next_run_needs_root() {
    let test = "what_only_its_cgroup_knows_is_ended_before_the_next_run_needs_root";
    let Some(home) = delegated(test) else { return };
    let sandbox = Sandbox::with(&[tree()]);
    let daemon = start_in(&sandbox, &home);
    let first = pid(&daemon.wait_for("tree", "RUNNING")).expect("it runs");
    let [inside, outside, bare] = ["inside", "outside", "bare"].map(|file| sandbox.pid_in(file));
    daemon.kill();
    [first, inside, outside]
        .iter()
        .for_each(|pid| send(*pid, Signal::KILL));
    let daemon = start_in(&sandbox, &home);
    eventually("the tree is started again", SOON, || {
        let starts = sandbox.starts("starts");
        when(starts.len() == 2, || format!("{starts:?}"))
    });
    assert!(!is_alive(bare), "no environment, no session, no parent: {bare}");
    daemon.wait_for("tree", "RUNNING");
    cgroups_are(&home, &["daemon", "tree.2"]);
}

#[test]
fn a_run_without_record_and_environment_is_found_by_its_cgroup_needs_root() {
    let test = "a_run_without_record_and_environment_is_found_by_its_cgroup_needs_root";
    let Some(home) = delegated(test) else { return };
    let sandbox = Sandbox::with(&[Server::new("hidden", "record starts hide")]);
    let daemon = start_in(&sandbox, &home);
    let first = pid(&daemon.wait_for("hidden", "RUNNING")).expect("it runs");
    eventually("it has no environment", SOON, || {
        let marked: Vec<_> = sandbox.processes().iter().map(|process| process.pid).collect();
        when(!marked.contains(&first), || format!("{marked:?}"))
    });
    daemon.kill();
    fs::remove_dir_all(sandbox.path("run")).expect("the sandbox is ours");
    let daemon = start_in(&sandbox, &home);
    // It is carried on, or ended before there is another one; there are never two.
    let seen = daemon.wait_for("hidden", "RUNNING");
    let own = pid(&seen).expect("it runs");
    assert!(own == first || !is_alive(first), "{seen}, and {first} lives");
    cgroups_are(&home, &["daemon", &format!("hidden.{}", seen["run"])]);
}

#[test]
fn a_command_without_an_environment_is_told_from_its_run_by_its_cgroup_and_ended_needs_root() {
    let test = "a_command_without_an_environment_is_told_from_its_run_by_its_cgroup_and_ended_needs_root";
    let Some(home) = delegated(test) else { return };
    let check = "<health type=\"exec\" interval=\"100ms\" timeout=\"60\"><executable>bin/fixture</executable>\
                 <arguments><argument>pid</argument><argument>commands</argument><argument>hide</argument></arguments></health>";
    let sandbox = Sandbox::with(&[Server::new("hidden", "record starts hide").with(check)]);
    let daemon = start_in(&sandbox, &home);
    let command = sandbox.pid_in("commands");
    let run = pid(&daemon.component("hidden")).expect("it is checked");
    let bare = |pid: u32| fs::read(format!("/proc/{pid}/environ")).is_ok_and(|text| text.is_empty());
    eventually("neither has an environment", SOON, || {
        when(bare(command) && bare(run), || format!("{command} {run}"))
    });
    daemon.kill();
    fs::remove_file(sandbox.path("run/journal")).expect("the sandbox is ours");
    fs::remove_file(sandbox.path("commands")).expect("the sandbox is ours");
    let daemon = start_in(&sandbox, &home);
    let next = sandbox.pid_in("commands");
    assert!(!is_alive(command), "it is gone before there is another: {next}");
    assert_eq!(pid(&daemon.component("hidden")), Some(run));
    assert_eq!(sandbox.starts("starts").len(), 1);
    sandbox.ctl(&["stop", "hidden"]).exits(0);
    assert!(!is_alive(next) && !is_alive(run));
    cgroups_are(&home, &["daemon"]);
    daemon.stop();
}

#[test]
fn a_daemon_that_is_started_elsewhere_still_ends_a_run_by_the_cgroup_that_it_has_needs_root() {
    let test = "a_daemon_that_is_started_elsewhere_still_ends_a_run_by_the_cgroup_that_it_has_needs_root";
    let Some(home) = delegated(test) else { return };
    let sandbox = Sandbox::with(&[tree(), Server::new("gone", "fork-bare gone-bare wait")]);
    let daemon = start_in(&sandbox, &home);
    let first = pid(&daemon.wait_for("tree", "RUNNING")).expect("it runs");
    daemon.wait_for("gone", "RUNNING");
    let [inside, outside, bare, gone] =
        ["inside", "outside", "bare", "gone-bare"].map(|file| sandbox.pid_in(file));
    daemon.kill();
    // One that is no longer wanted is ended as well.
    sandbox.write_registry(&[tree()]);
    let daemon = sandbox.start();
    let seen = daemon.wait_for("tree", "RUNNING");
    assert_eq!(
        (pid(&seen), &seen["containment"]),
        (Some(first), &"cgroup".into())
    );
    assert_ne!(
        daemon.status()["supervisor"]["containment"],
        "cgroup",
        "it has none to divide"
    );
    // Its descendants are nobody's children here, and one of them has no environment and no session of the run's either.
    send(first, Signal::KILL);
    eventually("the tree is started again", SOON, || {
        let starts = sandbox.starts("starts");
        when(starts.len() == 2, || format!("{starts:?}"))
    });
    let left: Vec<_> = [inside, outside, bare]
        .into_iter()
        .filter(|pid| is_alive(*pid))
        .collect();
    assert!(left.is_empty(), "of the first run these live: {left:?}");
    let seen = daemon.wait_for("tree", "RUNNING");
    assert_ne!(seen["containment"], "cgroup", "{seen}");
    eventually("what is no longer wanted is gone", SOON, || {
        when(!is_alive(gone), || format!("{gone} lives"))
    });
    cgroups_are(&home, &["daemon"]);
}
