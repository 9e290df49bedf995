//! The daemon itself is stopped for a while, or gets too little of the processor.

use rustix::process::Signal;
use s7tests::cgroup::Cgroup;
use s7tests::ctl;
use s7tests::daemon::pid;
use s7tests::eventually::{SOON, eventually, remains, when};
use s7tests::processes::{self, is_alive, process, send};
use s7tests::programs;
use s7tests::registry::Server;
use s7tests::sandbox::Sandbox;
use s7tests::usage::cpu;
use std::process::Stdio;
use std::time::{Duration, Instant};

/// Long beside every timer of the components here.
const PAUSE: Duration = Duration::from_secs(4);

#[test]
fn a_daemon_that_was_stopped_for_a_while_makes_good_what_has_happened_once() {
    let sandbox = Sandbox::with(&[
        Server::new("steady", "record steady tick 20"),
        Server::new("slow", "record slow wait").start_delay("1500ms"),
        Server::new("killed", "record killed wait"),
        Server::new("ended", "record ended slow-stop 0").with("<restart policy=\"onFailure\"/>"),
    ]);
    let daemon = sandbox.start();
    let pids =
        ["steady", "killed", "ended"].map(|id| (id, pid(&daemon.wait_for(id, "RUNNING")).expect("it runs")));
    daemon.wait_for("slow", "STARTING");
    daemon.signal(Signal::STOP);
    eventually("the daemon is stopped", SOON, || {
        let seen = process(daemon.pid());
        when(seen.as_ref().is_some_and(|seen| seen.state == 'T'), || {
            format!("{seen:?}")
        })
    });
    let client = ctl::start(sandbox.ctl_command().args(["--timeout", "60", "restart", "slow"]));
    for (id, pid) in pids {
        match id {
            "killed" => send(pid, Signal::KILL),
            "ended" => send(pid, Signal::TERM),
            _ => {}
        }
    }
    let held = Instant::now();
    eventually("time passes", PAUSE * 2, || {
        when(held.elapsed() >= PAUSE, || "not yet".into())
    });
    assert_eq!(sandbox.starts("killed").len(), 1, "nobody was there to start it");
    let used = cpu(daemon.pid());
    daemon.signal(Signal::CONT);
    daemon.wait_until("what was killed is back", "killed", SOON, |seen| {
        seen["state"] == "RUNNING" && seen["restarts"] == 1
    });
    daemon.wait_for("ended", "EXITED");
    ctl::finish(client, "restart slow".into()).exits(0);
    // Whatever was late is done once; nothing comes behind.
    remains("nothing more is started", Duration::from_secs(1), || {
        let starts = ["steady", "slow", "killed", "ended"].map(|file| sandbox.starts(file).len());
        when(starts == [1, 2, 2, 1], || format!("{starts:?}"))
    });
    let busy = cpu(daemon.pid()) - used;
    assert!(
        busy < Duration::from_secs(1),
        "{busy:?} of CPU time to make it good"
    );
    let status = daemon.status();
    for component in status["components"].as_array().expect("there are some") {
        let crashes = u64::from(component["id"] == "killed");
        assert_eq!(component["restarts"], crashes, "{component}");
    }
    let steady = pids[0].1;
    assert_eq!(daemon.pid_of("steady"), steady);
    sandbox.ctl(&["stop", "steady"]).exits(0);
    let log = sandbox.log_of("steady");
    let lines: Vec<&str> = log.lines().collect();
    assert!(lines.len() > 100, "it went on writing: {} lines", lines.len());
    for (number, line) in lines.iter().enumerate() {
        assert_eq!(*line, format!("line {number:08}"), "no line was lost");
    }
}

#[test]
fn a_daemon_that_gets_little_of_the_processor_keeps_its_order_and_its_deadlines_needs_root() {
    let test = "a_daemon_that_gets_little_of_the_processor_keeps_its_order_and_its_deadlines_needs_root";
    let sandbox = Sandbox::with(&[
        Server::new("first", "record first ignore TERM wait").stop_timeout("2"),
        Server::new("second", "record second wait").tier(2),
        Server::new("third", "record third wait").tier(3),
    ]);
    let crowd = match Cgroup::new("cpu", "s7t-crowd") {
        Ok(crowd) => crowd,
        Err(why) => return s7tests::not_run(test, &why),
    };
    // A fifth of one processor for the daemon and eight that would use all of them: what the machine has besides is
    // left to the other tests.
    crowd.set("cpu.cfs_period_us", "100000");
    crowd.set("cpu.cfs_quota_us", "20000");
    let mut busy: Vec<_> = (0..8)
        .map(|_| {
            let mut spinner = sandbox.program(programs::FIXTURE);
            spinner.arg("spin").stdin(Stdio::null());
            processes::spawn(&mut spinner)
        })
        .collect();
    let daemon = sandbox.spawn_with(&[]);
    for pid in busy.iter().map(std::process::Child::id).chain([daemon.pid()]) {
        crowd.set("cgroup.procs", &pid.to_string());
    }
    eventually("it answers", Duration::from_secs(60), || {
        let said = sandbox.ctl(&["version"]);
        when(said.code == Some(0), || said.to_string())
    });
    daemon.wait_for_within("third", "RUNNING", Duration::from_secs(60));
    let starts = ["first", "second", "third"].map(|file| {
        eventually("it has recorded its start", Duration::from_secs(60), || {
            let starts = sandbox.starts(file);
            if starts.is_empty() {
                Err("not yet".into())
            } else {
                Ok(starts)
            }
        })
    });
    // As the kernel has it: the components get as little of the processor, and come to their own records late.
    let at = starts
        .each_ref()
        .map(|starts| process(starts[0].pid).expect("it runs").started);
    assert!(at[0] < at[1] && at[1] < at[2], "tiers in their order: {at:?}");
    let second = starts[1][0].pid;
    send(second, Signal::KILL);
    daemon.wait_until("it is back", "second", Duration::from_secs(60), |seen| {
        seen["state"] == "RUNNING" && seen["restarts"] == 1
    });
    let stopping = Instant::now();
    sandbox.ctl(&["--timeout", "100", "stop", "first"]).exits(0);
    let took = stopping.elapsed();
    assert!(
        took >= Duration::from_millis(1900) && took < Duration::from_secs(60),
        "two seconds of grace became {took:?}"
    );
    assert!(!is_alive(starts[0][0].pid));
    eventually("each start is recorded", Duration::from_secs(60), || {
        let counted = ["first", "second", "third"].map(|file| sandbox.starts(file).len());
        when(counted == [1, 2, 1], || format!("{counted:?}"))
    });
    for spinner in &mut busy {
        send(spinner.id(), Signal::KILL);
        spinner.wait().expect("it is our child");
        processes::forget(spinner);
    }
    // With the fifth of a processor for itself it has caught up, and uses nothing any more.
    let used = cpu(daemon.pid());
    remains("it is at rest", Duration::from_secs(2), || {
        when(is_alive(daemon.pid()), || "it has ended".into())
    });
    let busy = cpu(daemon.pid()) - used;
    assert!(
        busy < Duration::from_millis(100),
        "{busy:?} of CPU time in two seconds of rest"
    );
}
