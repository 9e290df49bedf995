//! What has happened is known under every next daemon: after a kill, an upgrade, and an end in order.

use rustix::process::Signal;
use s7tests::eventually::{SOON, eventually, when};
use s7tests::programs;
use s7tests::registry::Server;
use s7tests::sandbox::Sandbox;
use serde_json::Value;
use std::collections::BTreeSet;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::process::{Child, ChildStdout, Stdio};

/// All events that are remembered.
fn events(sandbox: &Sandbox) -> Vec<Value> {
    let said = sandbox.ctl(&["--json", "events", "-n", "1000"]).exits(0).json();
    said["data"]["events"].as_array().expect("a list").clone()
}

fn number(event: &Value) -> u64 {
    event["sequence"].as_u64().expect("each has its number")
}

fn is(event: &Value, what: &str) -> bool {
    event["event"] == what
}

/// The past runs that `why` knows of.
fn past(sandbox: &Sandbox, id: &str) -> Value {
    let said = sandbox.ctl(&["--json", "why", id]).exits(0).json();
    said["data"]["components"][0]["past"].clone()
}

/// Waits until everything up to the event `last` is on the disk.
fn wait_until_it_is_written(sandbox: &Sandbox, last: u64) {
    eventually("what has happened is written down", SOON, || {
        let text = sandbox.read("run/history");
        let wanted = format!("\"sequence\":{last},");
        when(text.contains(&wanted), || text.clone())
    });
}

/// Two runs of the first are over, and all that is on the disk; gives all events and the past of it.
fn some_history(sandbox: &Sandbox) -> (Vec<Value>, Value) {
    sandbox.ctl(&["wait"]).exits(0);
    for _ in 0..2 {
        sandbox.ctl(&["restart", "one"]).exits(0);
    }
    let before = events(sandbox);
    wait_until_it_is_written(sandbox, number(before.last().expect("there are some")));
    (before, past(sandbox, "one"))
}

#[test]
fn a_kill_of_the_supervisor_costs_neither_events_nor_past_runs_and_no_number_comes_twice() {
    let sandbox = Sandbox::with(&[Server::new("one", "wait"), Server::new("two", "wait")]);
    let daemon = sandbox.start();
    let (before, runs) = some_history(&sandbox);
    assert_eq!(runs.as_array().map(Vec::len), Some(2), "{runs}");
    let mode = std::fs::metadata(sandbox.path("run/history"))
        .expect("it is there")
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
    daemon.kill();
    let daemon = sandbox.start();
    daemon.wait_for("one", "RUNNING");
    let after = events(&sandbox);
    assert_eq!(after[..before.len()], before, "as they were");
    let new = &after[before.len()..];
    let took_over = new.iter().position(|event| is(event, "took_over"));
    let adopted = new.iter().position(|event| is(event, "adopted"));
    assert!(took_over.is_some() && adopted.is_some(), "{new:?}");
    let numbers: Vec<u64> = after.iter().map(number).collect();
    assert!(numbers.is_sorted_by(|one, next| one < next), "{numbers:?}");
    assert_eq!(past(&sandbox, "one"), runs);
    // The next run's end stands behind them.
    sandbox.ctl(&["restart", "one"]).exits(0);
    let later = past(&sandbox, "one");
    assert_eq!(
        later.as_array().expect("a list")[..2],
        runs.as_array().expect("a list")[..],
        "{later}"
    );
    assert_eq!(later[2]["run"], 3, "{later}");
    sandbox
        .ctl(&["why", "one"])
        .exits(0)
        .says("3 \u{d7} was ended by SIGTERM as asked");
}

#[test]
fn an_upgrade_costs_neither_events_nor_past_runs_and_leaves_no_number_out() {
    let sandbox = Sandbox::with(&[Server::new("one", "wait"), Server::new("two", "wait")]);
    let daemon = sandbox.start();
    sandbox.copy_program(&programs::path_of(programs::DAEMON), "bin/newer");
    let newer = sandbox.path("bin/newer").display().to_string();
    let (before, runs) = some_history(&sandbox);
    for round in 1..=3 {
        sandbox.ctl(&["restart", "two"]).exits(0);
        sandbox.ctl(&["upgrade", "--binary", &newer]).exits(0);
        let after = events(&sandbox);
        assert_eq!(after[..before.len()], before);
        let numbers: Vec<u64> = after.iter().map(number).collect();
        assert_eq!(numbers, (1..=numbers.len() as u64).collect::<Vec<_>>());
        let took_over = after.iter().filter(|event| is(event, "took_over")).count();
        assert_eq!(took_over, round);
        assert_eq!(past(&sandbox, "one"), runs);
    }
    drop(daemon);
}

#[test]
fn an_end_in_order_and_a_new_start_cost_neither_events_nor_past_runs() {
    let sandbox = Sandbox::with(&[Server::new("one", "wait"), Server::new("two", "wait")]);
    let mut daemon = sandbox.start();
    let (before, runs) = some_history(&sandbox);
    let goes_on = |rounds: usize| {
        sandbox.ctl(&["wait"]).exits(0);
        let after = events(&sandbox);
        assert_eq!(after[..before.len()], before);
        let numbers: Vec<u64> = after.iter().map(number).collect();
        assert_eq!(numbers, (1..=numbers.len() as u64).collect::<Vec<_>>());
        let runs = runs.as_array().expect("a list");
        let now = past(&sandbox, "one");
        let now = now.as_array().expect("a list");
        assert_eq!((&now[..runs.len()], now.len()), (&runs[..], runs.len() + rounds));
    };
    sandbox.ctl(&["shutdown"]).exits(0);
    assert_eq!(daemon.wait().code(), Some(0));
    let daemon = sandbox.start();
    goes_on(1);
    // In place.
    sandbox.ctl(&["restart"]).exits(0);
    goes_on(2);
    // Who is no longer in the registry has no past, and doesn't get it back.
    drop(daemon);
    sandbox.write_registry(&[Server::new("two", "wait")]);
    let daemon = sandbox.start();
    sandbox.ctl(&["wait"]).exits(0);
    drop(daemon);
    sandbox.write_registry(&[Server::new("one", "wait")]);
    let _daemon = sandbox.start();
    sandbox.ctl(&["wait"]).exits(0);
    assert_eq!(past(&sandbox, "one").as_array().map(Vec::len), Some(0));
}

/// A client that follows events, and whose output takes no more than a page.
struct Paused {
    child: Child,
    lines: std::io::Lines<BufReader<ChildStdout>>,
}

impl Paused {
    /// Follows from the latest event on and reads that one, and then nothing.
    fn start(sandbox: &Sandbox) -> (Self, u64) {
        let mut command = sandbox.ctl_command();
        command
            .args(["events", "-f", "-n", "1", "--json"])
            .stdout(Stdio::piped());
        let mut child = s7tests::processes::spawn(&mut command);
        let out = child.stdout.take().expect("it is a pipe");
        rustix::pipe::fcntl_setpipe_size(&out, 4096).expect("it is a pipe");
        let lines = BufReader::with_capacity(16, out).lines();
        let mut paused = Self { child, lines };
        let first = paused.next();
        assert!(is(&first, "snapshot"), "{first}");
        let first = number(&paused.next());
        (paused, first)
    }

    fn next(&mut self) -> Value {
        let line = self
            .lines
            .next()
            .expect("it is not cut off")
            .expect("it can be read");
        serde_json::from_str(&line).expect("an object for each line")
    }

    /// Reads up to the event `last`, and gives the numbers of all before it, and how many were missed behind which.
    fn read_up_to(mut self, last: u64) -> (Vec<u64>, Vec<(u64, u64)>) {
        let (mut numbers, mut missed) = (Vec::new(), Vec::new());
        loop {
            let event = self.next();
            if is(&event, "missed") {
                let behind = *numbers.last().expect("some have come before");
                missed.push((behind, event["events"].as_u64().expect("so many")));
            } else if !is(&event, "snapshot") {
                numbers.push(number(&event));
            }
            if numbers.last() >= Some(&last) {
                break;
            }
        }
        s7tests::processes::send(self.child.id(), Signal::INT);
        let _ = self.child.wait().expect("it is our child");
        s7tests::processes::forget(&self.child);
        (numbers, missed)
    }
}

fn several() -> Vec<Server> {
    let of = |number| Server::new(&format!("c{number}"), "wait").start_delay("1ms");
    (0..20).map(of).collect()
}

/// More than there is room for on the way to the client (a socket takes some three hundred, and as many wait before it), and
/// less than is remembered.
fn much_happens(sandbox: &Sandbox) {
    for _ in 0..9 {
        sandbox.ctl(&["restart", "all"]).exits(0);
    }
}

fn last_event(sandbox: &Sandbox) -> u64 {
    sandbox.ctl(&["wait"]).exits(0);
    events(sandbox).last().map(number).expect("there are some")
}

#[test]
fn who_follows_events_and_reads_nothing_for_a_while_misses_none_by_an_upgrade() {
    let sandbox = Sandbox::with(&several());
    let daemon = sandbox.start();
    sandbox.ctl(&["wait"]).exits(0);
    let (paused, first) = Paused::start(&sandbox);
    much_happens(&sandbox);
    sandbox.ctl(&["upgrade"]).exits(0);
    sandbox.ctl(&["restart", "c1"]).exits(0);
    let last = last_event(&sandbox);
    let heard = paused.read_up_to(last);
    assert_eq!(heard, ((first + 1..=last).collect(), vec![]));
    drop(daemon);
}

#[test]
fn who_misses_more_events_than_are_remembered_is_told_how_many() {
    let sandbox = Sandbox::with(&several());
    let daemon = sandbox.start();
    sandbox.ctl(&["wait"]).exits(0);
    let (paused, first) = Paused::start(&sandbox);
    for _ in 0..3 {
        much_happens(&sandbox);
    }
    sandbox.ctl(&["upgrade"]).exits(0);
    let last = last_event(&sandbox);
    let (numbers, missed) = paused.read_up_to(last);
    let [(behind, missed)] = missed[..] else {
        panic!("it is told once: {missed:?}");
    };
    let expected = (first + 1..=behind).chain(behind + missed + 1..=last);
    assert_eq!(numbers, expected.collect::<Vec<_>>());
    drop(daemon);
}

#[test]
fn who_follows_events_and_reads_nothing_for_a_while_goes_on_with_the_next_supervisor_after_a_kill() {
    let sandbox = Sandbox::with(&several());
    let daemon = sandbox.start();
    sandbox.ctl(&["wait"]).exits(0);
    let (paused, first) = Paused::start(&sandbox);
    much_happens(&sandbox);
    wait_until_it_is_written(&sandbox, last_event(&sandbox));
    daemon.kill();
    let daemon = sandbox.start();
    sandbox.ctl(&["restart", "c1"]).exits(0);
    let last = last_event(&sandbox);
    let (heard, missed) = paused.read_up_to(last);
    assert_eq!(missed, []);
    let all: BTreeSet<u64> = events(&sandbox)
        .iter()
        .map(number)
        .filter(|one| *one > first)
        .collect();
    assert_eq!(heard, all.into_iter().collect::<Vec<_>>(), "each once, in order");
    drop(daemon);
}

#[test]
fn no_upgrade_forgets_what_has_happened_because_it_could_not_be_written_down() {
    let sandbox = Sandbox::with(&[Server::new("one", "wait"), Server::new("two", "wait")]);
    let daemon = sandbox.start();
    let (before, _) = some_history(&sandbox);
    // It is written anew where it was removed, and something is in the way of that.
    let in_the_way = sandbox.path("run/history.new");
    std::fs::create_dir(&in_the_way).expect("the sandbox is ours");
    std::fs::remove_file(sandbox.path("run/history")).expect("the sandbox is ours");
    sandbox.ctl(&["restart", "one"]).exits(0);
    let told = || daemon.status()["supervisor"]["cannot_write"].to_string();
    eventually("it is said", SOON, || when(told().contains("/history"), told));
    let _ = sandbox
        .ctl(&["upgrade"])
        .exits(1)
        .says("what has happened can't be written down");
    assert_eq!(events(&sandbox)[..before.len()], before);
    std::fs::remove_dir(&in_the_way).expect("the sandbox is ours");
    eventually("it is written again", SOON, || when(told() == "[]", told));
    let last = events(&sandbox);
    sandbox.ctl(&["upgrade"]).exits(0);
    let after = events(&sandbox);
    assert_eq!(after[..last.len()], last);
    assert_eq!(number(&after[last.len()]), number(&last[last.len() - 1]) + 1);
}
