//! Everybody dies in the same moment.

use rustix::process::Signal;
use s7tests::eventually::{eventually, when};
use s7tests::processes::{send, zombies_of};
use s7tests::registry::Server;
use s7tests::sandbox::Sandbox;
use std::collections::HashSet;
use std::time::Duration;

/// How many.
const MANY: usize = 500;
/// Starting five hundred processes takes its time on a busy machine.
const LONG: Duration = Duration::from_secs(60);

fn all_run(daemon: &s7tests::daemon::Daemon<'_>) -> Result<Vec<serde_json::Value>, String> {
    let status = daemon.status();
    let all = status["components"].as_array().cloned().unwrap_or_default();
    let running = all.iter().filter(|one| one["state"] == "RUNNING").count();
    when(all.len() == MANY && running == MANY, || {
        format!("{running} of {} run", all.len())
    })
    .map(|()| all)
}

#[test]
fn five_hundred_deaths_at_once_are_each_counted_once() {
    let many = Server::new("many", "record starts wait").with(&format!("<instances>{MANY}</instances>"));
    let sandbox = Sandbox::with(&[many]);
    let daemon = sandbox.start();
    eventually("all run", LONG, || all_run(&daemon));
    let first: HashSet<_> = sandbox.starts("starts").iter().map(|start| start.pid).collect();
    assert_eq!(first.len(), MANY);
    // Frozen, the daemon finds all of them dead at once when it wakes up.
    daemon.signal(Signal::STOP);
    first.iter().for_each(|pid| send(*pid, Signal::KILL));
    daemon.signal(Signal::CONT);
    let all = eventually("all run again", LONG, || {
        all_run(&daemon).and_then(|all| {
            let restarted = all.iter().filter(|one| one["restarts"] == 1).count();
            when(restarted == MANY, || format!("{restarted} were restarted")).map(|()| all)
        })
    });
    for one in &all {
        assert_eq!(one["last_exit"]["signal"], "SIGKILL", "{one}");
        assert_eq!(one["run"], 2, "{one}");
    }
    let starts = sandbox.starts("starts");
    assert_eq!(starts.len(), 2 * MANY, "every death led to one start");
    assert_eq!(zombies_of(daemon.pid()).len(), 0);
}
