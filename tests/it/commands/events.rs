//! `s7ctl events`.

use rustix::process::Signal;
use s7tests::eventually::{SOON, eventually};
use s7tests::processes::send;
use s7tests::registry::Server;
use s7tests::sandbox::Sandbox;
use s7tests::stream::Stream;
use serde_json::Value;
use std::collections::BTreeMap;

/// State, run and pid of each component.
type Picture = BTreeMap<String, (String, Option<u64>, Option<u64>)>;

fn look(component: &Value) -> (String, Option<u64>, Option<u64>) {
    let state = component["state"].as_str().expect("a state").to_owned();
    (state, component["run"].as_u64(), component["pid"].as_u64())
}

fn picture(components: &Value) -> Picture {
    let all = components.as_array().expect("a list").iter();
    all.map(|one| (one["id"].as_str().expect("a name").to_owned(), look(one)))
        .collect()
}

/// What the stream has told up to event number `last`; `None` as long as it hasn't come so far.
///
/// # Panics
/// Where a number is left out or comes twice.
fn replay(lines: &[String], last: u64) -> Option<Picture> {
    let mut objects = lines
        .iter()
        .map(|line| serde_json::from_str::<Value>(line).expect("an object for each line"));
    let snapshot = objects.next()?;
    assert_eq!(snapshot["event"], "snapshot", "{snapshot}");
    let mut sequence = snapshot["sequence"].as_u64().expect("a number");
    let mut seen = picture(&snapshot["components"]);
    while sequence < last {
        let event = objects.next()?;
        sequence += 1;
        assert_eq!(event["sequence"], sequence, "the next number: {event}");
        if event["event"] == "entered" {
            let id = event["component"].as_str().expect("a name").to_owned();
            seen.insert(id, look(&event));
        }
    }
    Some(seen)
}

#[test]
fn no_event_is_lost_between_the_snapshot_and_the_stream() {
    let servers = ["a", "b", "c"].map(|id| Server::new(id, "wait").start_delay("1ms"));
    let sandbox = Sandbox::with(&servers);
    let daemon = sandbox.start();
    sandbox.ctl(&["wait"]).exits(0);
    let mut streams = Vec::new();
    // Streams begin while things happen, so that a gap between snapshot and stream would swallow something.
    for round in 0..50 {
        if round % 10 == 5 {
            let busy = Stream::start(sandbox.ctl_command().args(["restart", "b", "c"]));
            let mut command = sandbox.ctl_command();
            streams.push(Stream::start(command.args(["events", "-f", "-n", "0", "--json"])));
            let _restarted = busy.finish().exits(0);
        }
        if round % 10 == 0 {
            send(daemon.pid_of("a"), Signal::KILL);
        }
        sandbox.ctl(&["restart", "a"]).exits(0);
    }
    let (last, status) = eventually("nothing happens any more", SOON, || {
        let last =
            || sandbox.ctl(&["info", "--json"]).exits(0).json()["data"]["supervisor"]["last_event"].as_u64();
        let before = last().expect("a number");
        let status = daemon.status();
        let settled = last() == Some(before) && status["ok"] == true;
        if settled {
            Ok((before, status))
        } else {
            Err(status.to_string())
        }
    });
    assert_eq!(streams.len(), 5);
    for stream in &streams {
        let told = stream.shows("everything up to the last event", |lines| replay(lines, last));
        assert_eq!(told, picture(&status["components"]), "what the events came to");
    }
}

#[test]
fn events_tell_who_asked_for_what_and_what_came_of_it() {
    let sandbox = Sandbox::with(&[Server::new("one", "wait"), Server::new("two", "wait")]);
    let daemon = sandbox.start();
    sandbox.ctl(&["wait"]).exits(0);
    sandbox.ctl(&["restart", "one"]).exits(0);
    let run = daemon.component("one")["run"].clone();
    sandbox.ctl(&["signal", "WINCH", "one"]).exits(0);
    let uid = rustix::process::geteuid().as_raw();
    let said = sandbox.ctl(&["events", "-n", "1000"]).exits(0);
    for text in [
        &format!("uid {uid} asked for: restart one") as &str,
        "STOPPING, run 1",
        "run 1 stopped as asked: was ended by SIGTERM after ",
        "RUNNING, run 2, pid ",
        &format!("SIGWINCH sent to run {run}, for uid {uid}"),
    ] {
        assert!(said.stdout.contains(text), "{text:?} is missing in {said}");
    }
    let json = sandbox
        .ctl(&["events", "-n", "1000", "two", "--json"])
        .exits(0)
        .json();
    let events = json["data"]["events"].as_array().expect("a list");
    assert!(
        !events.is_empty() && events.iter().all(|event| event["component"] == "two"),
        "{json}"
    );
    let json = sandbox.ctl(&["events", "-n", "2", "--json"]).exits(0).json();
    let events = json["data"]["events"].as_array().expect("a list");
    assert_eq!(events.len(), 2);
    assert_eq!(events[1]["event"], "signalled", "the latest last: {json}");
    assert_eq!(
        (&events[1]["who"]["uid"], &events[1]["signal"]),
        (&uid.into(), &"SIGWINCH".into())
    );
    sandbox.ctl(&["events", "three"]).exits(4);
}

#[test]
fn events_in_words_begin_with_the_latest_and_end_with_the_supervisor() {
    let sandbox = Sandbox::with(&[Server::new("one", "wait")]);
    let mut daemon = sandbox.start();
    sandbox.ctl(&["wait"]).exits(0);
    let follows = Stream::start(sandbox.ctl_command().args(["events", "-f", "-n", "1"]));
    follows.shows("the latest event", |lines| {
        lines.first()?.contains("RUNNING, run 1").then_some(())
    });
    sandbox.ctl(&["stop", "one"]).exits(0);
    follows.shows("the stop", |lines| {
        lines.last()?.contains("STOPPED").then_some(())
    });
    sandbox.ctl(&["shutdown"]).exits(0);
    assert_eq!(daemon.wait().code(), Some(0));
    let said = follows.finish().exits(3);
    assert_eq!(said.stderr, "error: the supervisor has ended\n");
    assert!(
        !said.stdout.contains('\u{1b}'),
        "no colour where nobody looks: {said}"
    );
}
