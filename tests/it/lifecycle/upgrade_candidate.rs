//! What a binary that is asked whether it can take the supervisor's place leaves behind: nothing.

use s7tests::ctl;
use s7tests::eventually::{SOON, eventually, when};
use s7tests::processes::{self, is_alive};
use s7tests::programs;
use s7tests::registry::Server;
use s7tests::sandbox::Sandbox;

/// A binary that does `verbs` when it is asked.
fn candidate(sandbox: &Sandbox, verbs: &str) -> String {
    sandbox.copy_program(&programs::path_of(programs::FIXTURE), "bin/other");
    sandbox.write("bin/other.verbs", verbs);
    sandbox.path("bin/other").display().to_string()
}

#[test]
fn nothing_that_a_refused_candidate_has_begun_outlives_the_question() {
    let sandbox = Sandbox::with(&[Server::new("one", "wait")]);
    let daemon = sandbox.start();
    let one = daemon.wait_for("one", "RUNNING")["pid"].clone();
    for (fork, file, end) in [
        ("fork-setsid", "hung", "wait"),
        // Without an environment that could say where it comes from.
        ("fork-bare", "bare", "wait"),
        ("fork-setsid", "ended", "exit 0"),
        ("fork-bare", "bare-ended", "exit 0"),
    ] {
        let escaped = sandbox.path(file).display().to_string();
        let binary = candidate(&sandbox, &format!("{fork} {escaped} {end}"));
        sandbox.ctl(&["upgrade", "--binary", &binary]).exits(1);
        let escaped = sandbox.pid_in(file);
        eventually("what escaped from it is gone", SOON, || {
            when(!is_alive(escaped), || format!("{file}: {escaped} lives"))
        });
    }
    assert_eq!(daemon.component("one")["pid"], one);
}

#[test]
fn a_candidate_that_hangs_does_not_outlive_a_kill_of_the_supervisor() {
    let sandbox = Sandbox::with(&[Server::new("one", "wait")]);
    let daemon = sandbox.start();
    daemon.wait_for("one", "RUNNING");
    let asked = sandbox.path("asked").display().to_string();
    let binary = candidate(&sandbox, &format!("pid {asked} wait"));
    let client = ctl::start(sandbox.ctl_command().args(["upgrade", "--binary", &binary]));
    let asked = sandbox.pid_in("asked");
    daemon.kill();
    eventually("it is gone", SOON, || {
        processes::reap_adopted();
        when(!is_alive(asked), || format!("{asked} lives"))
    });
    let _ = ctl::finish(client, "upgrade".into());
    drop(sandbox.start());
}
