//! A component that ends just when it is told to.

use rustix::process::Signal;
use s7tests::ctl;
use s7tests::processes::{self, send};
use s7tests::registry::Server;
use s7tests::sandbox::Sandbox;
use std::process::Stdio;
use std::time::{Duration, Instant};

/// How often; the moments are spread evenly over the life of a run.
const ROUNDS: u32 = 100;
/// How long a run lives by itself.
const LIFE: Duration = Duration::from_millis(80);

#[test]
fn a_component_that_ends_while_it_is_stopped_stays_stopped() {
    let verbs = format!("record starts sleep {} exit 3", LIFE.as_millis());
    let sandbox = Sandbox::with(&[Server::new("brief", &verbs)
        .start_delay("1ms")
        .with("<autoStart>false</autoStart>")]);
    let daemon = sandbox.start();
    let (mut by_itself, mut by_signal, mut late) = (0, 0, 0);
    for round in 0..ROUNDS {
        let said = sandbox.ctl(&["start", "brief"]);
        let started = Instant::now();
        let pause = LIFE * round / ROUNDS;
        // Not a wait for something to happen: the moment itself is what is tried.
        while started.elapsed() < pause {
            std::hint::spin_loop();
        }
        sandbox.ctl(&["stop", "brief"]).exits(0);
        let seen = daemon.component("brief");
        if said.code != Some(0) {
            // On a busy machine a run may be over before it was found ready; the stop then met something else.
            assert!(said.stderr.contains("did not get ready"), "{said}");
            late += 1;
        }
        assert_eq!(seen["state"], "STOPPED", "round {round}: {seen}");
        assert_eq!(seen["wish"], "down", "round {round}: {seen}");
        match (&seen["last_exit"]["code"], &seen["last_exit"]["signal"]) {
            (code, _) if code == 3 => by_itself += 1,
            (_, signal) if signal == "SIGTERM" => by_signal += 1,
            _ => panic!("round {round}: neither its own end nor the stop: {seen}"),
        }
    }
    assert!(
        late < ROUNDS / 2,
        "in {late} of {ROUNDS} rounds the run was over too soon"
    );
    assert!(
        by_signal > 0,
        "the stop was never in time ({by_itself} ended by themselves)"
    );
    let before = sandbox.starts("starts").len();
    daemon.stays("brief", "STOPPED", Duration::from_millis(500));
    assert_eq!(
        sandbox.starts("starts").len(),
        before,
        "nothing starts after the last stop"
    );
}

#[test]
fn a_stop_does_not_wait_for_what_keeps_a_component_from_being_created() {
    let sandbox = Sandbox::with(&[Server::new("late", "record starts wait")
        .stop_timeout("1")
        .with("<autoStart>false</autoStart>")]);
    let elsewhere = Sandbox::with(&[Server::new("other", "wait")]);
    let daemon = sandbox.start();
    // Something that has the component's lock and is never killed: it could be a process that is just being created.
    let lock = std::fs::File::options()
        .append(true)
        .create(true)
        .open(sandbox.path("run/locks/late"))
        .expect("the daemon has made the folder");
    lock.try_lock().expect("nobody has it");
    let mut command = elsewhere.daemon_command();
    command.stdin(lock).stdout(Stdio::null()).stderr(Stdio::null());
    let mut holder = processes::spawn(&mut command);
    // It holds the lock as well, and this process could be killed.
    drop(command);
    let began = Instant::now();
    let client = ctl::start(sandbox.ctl_command().args(["start", "late"]));
    daemon.wait_for("late", "STARTING");
    sandbox.ctl(&["stop", "late"]).exits(0);
    let took = began.elapsed();
    ctl::finish(client, "start late".into()).exits(1);
    // It is looked after for six seconds where nobody is in a hurry.
    assert!(took < Duration::from_secs(5), "{took:?}");
    assert_eq!(daemon.component("late")["state"], "STOPPED");
    send(holder.id(), Signal::TERM);
    holder.wait().expect("it is ours");
    processes::forget(&holder);
    sandbox.ctl(&["start", "late"]).exits(0);
    assert_eq!(sandbox.starts("starts").len(), 1);
}
