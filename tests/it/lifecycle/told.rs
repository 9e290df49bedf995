//! What a run was told about telling of itself, and what it has told since, holds whichever daemon comes after.

use rustix::process::Signal;
use s7tests::daemon::{Daemon, pid};
use s7tests::eventually::{SOON, eventually, when};
use s7tests::processes::send;
use s7tests::programs;
use s7tests::registry::Server;
use s7tests::sandbox::Sandbox;

fn watched(id: &str, verbs: &str, watchdog: &str) -> Server {
    Server::new(id, &format!("record {id} {verbs}"))
        .with(&format!("<notify type=\"systemd\" watchdog=\"{watchdog}\"/>"))
}

const SIGNS: &str = "notify READY=1 notify-on 50 WATCHDOG=1";
const IDS: [&str; 5] = ["kept", "own", "longer", "added", "taken"];

/// The same components, before and after somebody has changed what the registry says of their notifications.
fn servers(changed: bool) -> Vec<Server> {
    let or = |before: &'static str, after| if changed { after } else { before };
    let own = format!("notify WATCHDOG_USEC=2000000 {SIGNS}");
    let (added, taken) = (
        Server::new("added", "record added wait"),
        format!("record taken {SIGNS}"),
    );
    vec![
        watched(
            "kept",
            "notify READY=1 notify-on 700 WATCHDOG=1",
            or("1h", "100ms"),
        ),
        watched("own", &own, "1h"),
        watched("longer", "notify WATCHDOG_USEC=3600000000|READY=1 wait", "300ms"),
        if changed {
            added.with("<notify type=\"systemd\" startupTimeout=\"1\" watchdog=\"100ms\"/>")
        } else {
            added
        },
        if changed {
            Server::new("taken", &taken)
        } else {
            watched("taken", SIGNS, "2s")
        },
        Server::new("first", "await one sleep 2500 record over wait"),
        Server::new("second", "await two sleep 2500 record over wait"),
    ]
}

/// All of them go on, for longer than the watchdogs last that would end them.
fn all_go_on(sandbox: &Sandbox, daemon: &Daemon<'_>, pids: &[serde_json::Value], clock: (&str, usize)) {
    for (id, pid) in IDS.iter().zip(pids) {
        assert_eq!(&daemon.wait_for(id, "RUNNING")["pid"], pid, "{id}");
    }
    sandbox.write(clock.0, "now");
    eventually("the watchdogs have had their time", SOON, || {
        let over = sandbox.starts("over").len();
        when(over == clock.1, || format!("{over} of {}", clock.1))
    });
    for id in IDS {
        assert_eq!(sandbox.starts(id).len(), 1, "{id} goes on");
    }
}

#[test]
fn a_run_goes_by_what_it_was_told_and_has_said_whatever_the_next_daemon_reads_in_the_registry() {
    let sandbox = Sandbox::with(&servers(false));
    let daemon = sandbox.start();
    let pids = IDS.map(|id| daemon.wait_for(id, "RUNNING")["pid"].clone());
    eventually("what they have said is in the record", SOON, || {
        let record = sandbox.read("run/journal");
        let said = ["signs own 1 2000000 ", "signs longer 1 3600000000 "];
        when(said.iter().all(|words| record.contains(words)), || record.clone())
    });
    daemon.kill();
    sandbox.write_registry(&servers(true));
    let daemon = sandbox.start();
    all_go_on(&sandbox, &daemon, &pids, ("one", 1));
    sandbox.copy_program(&programs::path_of(programs::DAEMON), "bin/newer");
    let newer = sandbox.path("bin/newer").display().to_string();
    sandbox.ctl(&["upgrade", "--binary", &newer]).exits(0);
    all_go_on(&sandbox, &daemon, &pids, ("two", 2));
    // Its own two seconds still hold, and not the hour of the registry.
    send(daemon.pid_of("own"), Signal::STOP);
    daemon.wait_until("it is replaced", "own", SOON, |seen| {
        seen["run"].as_u64() > Some(1) && pid(seen).is_some()
    });
}

#[test]
fn what_a_run_says_of_its_signs_of_life_is_still_recorded_when_the_record_is_written_anew() {
    let sandbox = Sandbox::with(&[watched("own", "notify WATCHDOG_USEC=7000000|READY=1 wait", "1h")]);
    let daemon = sandbox.start();
    daemon.wait_for("own", "RUNNING");
    let recorded = || {
        eventually("it is in the record", SOON, || {
            let record = std::fs::read_to_string(sandbox.path("run/journal")).unwrap_or_default();
            when(record.contains("\nsigns own 1 7000000 "), || record.clone())
        });
    };
    recorded();
    std::fs::remove_file(sandbox.path("run/journal")).expect("it is there");
    recorded();
    daemon.stop();
}

#[test]
fn who_says_something_else_of_his_signs_of_life_all_the_time_is_recorded_now_and_then() {
    let sandbox = Sandbox::with(&[
        watched(
            "restless",
            "notify READY=1 notify-counting WATCHDOG_USEC= 5000000",
            "1h",
        ),
        Server::new("first", "await one sleep 2500 record over wait"),
    ]);
    let daemon = sandbox.start();
    daemon.wait_for("restless", "RUNNING");
    sandbox.write("one", "now");
    eventually("some time has passed", SOON, || {
        when(sandbox.starts("over").len() == 1, || "not yet".into())
    });
    let written = sandbox.read("run/journal").matches("\nsigns restless 1 ").count();
    let passed = daemon.component("restless")["uptime_seconds"].clone();
    let passed = passed.as_f64().unwrap_or_default();
    assert!(written >= 2, "it is recorded more than once: {written}");
    let most = passed + 2.0;
    assert!(
        f64::from(u32::try_from(written).expect("small")) <= most,
        "{written} in {passed} s"
    );
    sandbox.ctl(&["stop", "all"]).exits(0);
}

#[test]
fn time_to_start_or_to_stop_that_a_run_has_asked_for_is_its_own_under_every_next_daemon() {
    let starts = "notify EXTEND_TIMEOUT_USEC=60000000 await ready notify READY=1 wait";
    let stops = "ignore TERM notify READY=1 notify-when asked EXTEND_TIMEOUT_USEC=60000000 await end exit 0";
    let notifies = "<notify type=\"systemd\" startupTimeout=\"3\"/>";
    let sandbox = Sandbox::with(&[
        Server::new("starts", starts).with(notifies),
        Server::new("stops", stops).with(notifies).stop_timeout("3"),
        Server::new("first", "await one sleep 3500 record over wait"),
        Server::new("second", "await two sleep 3500 record over wait"),
    ]);
    let daemon = sandbox.start();
    daemon.wait_for("stops", "RUNNING");
    sandbox.ctl(&["stop", "stops", "--timeout", "100ms"]).exits(6);
    sandbox.write("asked", "now");
    eventually("it is in the record", SOON, || {
        let record = sandbox.read("run/journal");
        let both = ["\nuntil starts 1 ", "\nuntil stops 1 "];
        when(both.iter().all(|words| record.contains(words)), || record.clone())
    });
    let goes_on = |daemon: &Daemon<'_>, clock: &str, over: usize| {
        sandbox.write(clock, "now");
        eventually("the time of the registry is over", SOON, || {
            let seen = sandbox.starts("over").len();
            when(seen == over, || format!("{seen} of {over}"))
        });
        for (id, state) in [("starts", "STARTING"), ("stops", "STOPPING")] {
            let seen = daemon.component(id);
            assert_eq!(
                (&seen["state"], &seen["run"]),
                (&state.into(), &1.into()),
                "{seen}"
            );
        }
    };
    daemon.kill();
    let daemon = sandbox.start();
    goes_on(&daemon, "one", 1);
    sandbox.copy_program(&programs::path_of(programs::DAEMON), "bin/newer");
    let newer = sandbox.path("bin/newer").display().to_string();
    sandbox.ctl(&["upgrade", "--binary", &newer]).exits(0);
    goes_on(&daemon, "two", 2);
    sandbox.write("ready", "now");
    sandbox.write("end", "now");
    assert_eq!(daemon.wait_for("starts", "RUNNING")["run"], 1);
    let ended = daemon.wait_for("stops", "STOPPED");
    let reason = ended["last_exit"]["reason"].to_string();
    assert!(!reason.contains("kill"), "it was not killed: {ended}");
    daemon.stop();
}
