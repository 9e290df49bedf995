//! Components that live and no longer answer, or never did.

use super::page;
use crate::platform::servers::free_ports;
use rustix::process::Signal;
use s7tests::eventually::{SOON, eventually, remains, when};
use s7tests::processes::{process, send};
use s7tests::registry::Server;
use s7tests::sandbox::Sandbox;
use std::time::{Duration, Instant};

fn http(port: u16, numbers: &str) -> String {
    format!("<health type=\"http\" url=\"http://127.0.0.1:{port}/\" {numbers}/>")
}

#[test]
fn a_component_that_stops_answering_is_restarted_in_time_and_once() {
    let [port] = free_ports();
    let sandbox = Sandbox::new();
    sandbox.write("page", &page("200 OK", "well"));
    let numbers = "interval=\"200ms\" timeout=\"300ms\" failures=\"3\"";
    let verbs = format!("record starts slow-stop 700 answer {port} page");
    sandbox.write_registry(&[Server::new("is", &verbs).with(&http(port, numbers))]);
    let daemon = sandbox.start();
    daemon.wait_for("is", "RUNNING");
    let run = daemon.pid_of("is");
    let hung = Instant::now();
    // Connections to it are still taken, by the kernel.
    send(run, Signal::STOP);
    // It doesn't obey, and is killed after its stopTimeout.
    let seen = daemon.wait_until("it is being stopped", "is", SOON, |seen| {
        seen["state"] == "STOPPING"
    });
    assert_eq!(seen["reason_code"], "hung", "{seen}");
    assert_eq!(
        seen["reason"], "failed its checks, and is being stopped",
        "{seen}"
    );
    let seen = daemon.wait_until("another run answers", "is", SOON, |seen| {
        seen["state"] == "RUNNING" && seen["pid"] != run
    });
    let took = hung.elapsed();
    // Interval × failures + timeout + the time to stop, and five times that.
    assert!(
        took < Duration::from_millis((200 * 3 + 300 + 5000) * 5),
        "{took:?}"
    );
    assert!(
        took > Duration::from_millis(3 * 300),
        "three checks had their time: {took:?}"
    );
    assert_eq!(
        (&seen["restarts"], &seen["last_exit"]["reason"]),
        (&1.into(), &"hung".into())
    );
    let detail = format!("GET http://127.0.0.1:{port}/: no answer within 300ms (3 times in a row)");
    sandbox.ctl(&["why", "is"]).exits(0).says(&detail);
    assert!(
        sandbox
            .supervisor_log()
            .contains(&format!("run 1 is unhealthy: {detail}"))
    );
    // It took its time to stop, and nobody gave it up once more meanwhile.
    remains("that was all", Duration::from_secs(2), || {
        let starts = sandbox.starts("starts").len();
        when(starts == 2, || format!("{starts} starts"))
    });
    let events = sandbox.ctl(&["--json", "events"]).exits(0);
    let told = events.stdout.matches("\"event\":\"health\"").count();
    assert!(told >= 3, "well, unwell, well again: {events}");
}

#[test]
fn a_component_that_never_becomes_ready_is_given_up_each_time_and_says_why() {
    let [port] = free_ports();
    let sandbox = Sandbox::new();
    sandbox.write("page", &page("503 Busy", ""));
    let numbers = "interval=\"100ms\" startupTimeout=\"1\"";
    let verbs = format!("record starts answer {port} page");
    sandbox.write_registry(&[Server::new("is", &verbs).with(&http(port, numbers))]);
    let daemon = sandbox.start();
    let seen = daemon.wait_until("it waits for its next try", "is", SOON, |seen| {
        seen["state"] == "BACKOFF" && seen["restarts"].as_u64() >= Some(1)
    });
    assert_eq!(seen["last_exit"]["reason"], "not_ready", "{seen}");
    let detail = format!("GET http://127.0.0.1:{port}/: status 503, expected 200-399");
    sandbox.ctl(&["why", "is"]).says(&detail);
    for start in sandbox.starts("starts").windows(2) {
        let gap = start[1].at - start[0].at;
        assert!(
            gap >= Duration::from_millis(950),
            "it had its startup time: {gap:?}"
        );
    }
}

/// Long beside every timer of the components here, as 15 s are beside checks of one second.
const PAUSE: Duration = Duration::from_secs(4);

#[test]
fn checks_that_a_stopped_daemon_could_not_hear_count_for_nothing_and_are_not_made_up_for() {
    let [tcp, other] = free_ports();
    let sandbox = Sandbox::new();
    sandbox.write("page", &page("200 OK", "well"));
    let numbers = "interval=\"250ms\" timeout=\"250ms\" failures=\"1\"";
    sandbox.write_registry(&[
        Server::new("tcp", &format!("serve {tcp}"))
            .with(&format!("<health type=\"tcp\" port=\"{tcp}\" {numbers}/>")),
        Server::new("http", &format!("answer {other} page")).with(&http(other, numbers)),
        Server::new("exec", "wait").with(&format!(
            "<health type=\"exec\" {}><executable>bin/fixture</executable><arguments>\
             <argument>sleep</argument><argument>150</argument><argument>record</argument><argument>checks</argument>\
             <argument>exit</argument><argument>0</argument>\
             </arguments></health>",
            numbers.replace("timeout=\"250ms\"", "timeout=\"2\"")
        )),
    ]);
    let daemon = sandbox.start();
    let all = ["tcp", "http", "exec"];
    let pids = all.map(|id| {
        daemon.wait_for(id, "RUNNING");
        daemon.pid_of(id)
    });
    daemon.signal(Signal::STOP);
    eventually("the daemon is stopped", SOON, || {
        let seen = process(daemon.pid());
        when(seen.as_ref().is_some_and(|seen| seen.state == 'T'), || {
            format!("{seen:?}")
        })
    });
    let held = Instant::now();
    eventually("time passes", PAUSE * 2, || {
        when(held.elapsed() >= PAUSE, || "not yet".into())
    });
    let before = sandbox.starts("checks").len();
    daemon.signal(Signal::CONT);
    let going = Instant::now();
    remains("nobody is restarted", Duration::from_secs(2), || {
        let now = all.map(|id| (daemon.pid_of(id), daemon.component(id)["restarts"].as_u64()));
        when(now == pids.map(|pid| (pid, Some(0))), || {
            format!("{pids:?} became {now:?}")
        })
    });
    let made = sandbox.starts("checks").len() - before;
    let due = going.elapsed().as_millis() / 250;
    assert!(
        made as u128 <= due + 3,
        "{made} checks after it went on, and {due} were due"
    );
    assert!(made > 0, "they go on");
    assert_eq!(daemon.component("http")["health"], "healthy");
}
