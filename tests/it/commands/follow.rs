//! `s7ctl logs -f`.

use rustix::process::Signal;
use s7tests::eventually::{SOON, eventually, when};
use s7tests::processes::send;
use s7tests::registry::Server;
use s7tests::sandbox::Sandbox;
use s7tests::stream::Stream;

#[test]
fn following_goes_on_over_the_end_of_a_run_and_shows_every_byte_once() {
    let sandbox = Sandbox::with(&[Server::new("one", "print begun tick 5")]);
    let daemon = sandbox.start();
    daemon.wait_for("one", "RUNNING");
    let follows = Stream::start(sandbox.ctl_command().args(["logs", "-f", "-n", "10000", "one"]));
    let begun = |lines: &[String]| lines.iter().filter(|line| *line == "begun").count();
    for run in 1..=3 {
        follows.shows("output of each run", |lines| {
            let after = lines.iter().rposition(|line| line == "begun")?;
            (begun(lines) == run && lines.len() > after + 10).then_some(())
        });
        send(daemon.pid_of("one"), Signal::KILL);
    }
    sandbox.ctl(&["stop", "one"]).exits(0);
    eventually("what is shown is what was written", SOON, || {
        let (shown, log) = (follows.bytes(), sandbox.log_of("one"));
        when(shown == log.as_bytes(), || {
            format!("{} bytes of {}", shown.len(), log.len())
        })
    });
    follows.signal(Signal::INT);
    let said = follows.finish();
    assert_eq!(
        (said.code, said.stderr.as_str()),
        (None, ""),
        "ended by the signal: {said}"
    );
}

#[test]
fn several_components_are_told_apart_and_no_line_is_torn() {
    let sandbox = Sandbox::with(&[
        Server::new("a", "tick 3"),
        Server::new("longer", "tick 4"),
        Server::new("other", "tick 5"),
    ]);
    let daemon = sandbox.start();
    for id in ["a", "longer", "other"] {
        daemon.wait_for(id, "RUNNING");
    }
    let mut command = sandbox.ctl_command();
    let follows = Stream::start(command.args(["logs", "-f", "-n", "1", "a", "lo*"]));
    let counts = |lines: &[String]| {
        let of = |prefix: &str| lines.iter().filter(|line| line.starts_with(prefix)).count();
        (of("a      | "), of("longer | "))
    };
    let (lines, a, longer) = follows.shows("a hundred lines of both", |lines| {
        let (a, longer) = counts(lines);
        (a >= 100 && longer >= 100).then(|| (lines.to_vec(), a, longer))
    });
    assert_eq!(a + longer, lines.len(), "somebody else's line, or a torn one");
    for prefix in ["a      | line ", "longer | line "] {
        let numbers: Vec<u64> = lines
            .iter()
            .filter_map(|line| line.strip_prefix(prefix)?.parse().ok())
            .collect();
        let first = numbers[0];
        let all: Vec<u64> = (first..first + numbers.len() as u64).collect();
        assert_eq!(numbers, all, "every line of {prefix}, in order");
    }
}

#[test]
fn following_ends_with_3_and_the_last_line_when_the_supervisor_ends() {
    let sandbox = Sandbox::with(&[Server::new("one", "tick 5")]);
    let mut daemon = sandbox.start();
    daemon.wait_for("one", "RUNNING");
    let follows = Stream::start(sandbox.ctl_command().args(["logs", "-f", "one", "--json"]));
    follows.shows("a line", |lines| (!lines.is_empty()).then_some(()));
    sandbox.ctl(&["shutdown"]).exits(0);
    assert_eq!(daemon.wait().code(), Some(0));
    let said = follows.finish().exits(3);
    let lines: Vec<serde_json::Value> = said
        .stdout
        .lines()
        .map(|line| serde_json::from_str(line).expect("an object for each line"))
        .collect();
    let (last, output) = lines.split_last().expect("it has said something");
    assert_eq!(last["error"]["code"], "no_supervisor", "{last}");
    let log = sandbox.log_of("one");
    let shown = output.last().map(|line| line["line"].clone());
    assert_eq!(
        shown.as_ref().and_then(|line| line.as_str()),
        log.lines().last(),
        "what came last is shown"
    );
}

#[test]
fn following_begins_with_as_many_lines_as_were_asked_for() {
    let sandbox = Sandbox::with(&[Server::new("one", "lines 0 100 wait")]);
    let daemon = sandbox.start();
    daemon.wait_for("one", "RUNNING");
    eventually("all is written", SOON, || {
        let lines = sandbox.log_of("one").lines().count();
        when(lines == 100, || lines.to_string())
    });
    let mut command = sandbox.ctl_command();
    let said = s7tests::ctl::run(command.args(["logs", "-f", "-n", "2", "one", "--timeout", "1"])).exits(6);
    assert_eq!(said.stdout, "line 00000098\nline 00000099\n", "{said}");
    let mut command = sandbox.ctl_command();
    let said =
        s7tests::ctl::run(command.args(["logs", "-f", "-n", "0", "one", "--timeout", "500ms"])).exits(6);
    assert_eq!(said.stdout, "", "{said}");
    sandbox.ctl(&["logs", "-f", "nobody"]).exits(4);
}

#[test]
fn following_goes_on_over_rotations_and_shows_every_line_once() {
    let sandbox = Sandbox::with(&[
        Server::new("one", "tick 1").with("<log maxSize=\"4096\" maxFiles=\"1000\" compress=\"true\"/>")
    ]);
    let daemon = sandbox.start();
    daemon.wait_for("one", "RUNNING");
    let mut command = sandbox.ctl_command();
    let follows = Stream::start(command.args(["logs", "-f", "--since", "1h", "one"]));
    // 14 bytes a line: 293 lines are a file.
    let lines = follows.shows("the lines of ten files", |lines| {
        (lines.len() > 3000).then(|| lines.to_vec())
    });
    for (number, line) in lines.iter().enumerate() {
        assert_eq!(line, &format!("line {number:08}"));
    }
    assert!(sandbox.path("logs/one.log.1").exists() || sandbox.path("logs/one.log.1.gz").exists());
}

#[test]
fn following_says_where_a_log_without_old_files_was_rotated_before_it_was_read() {
    let sandbox =
        Sandbox::with(&[Server::new("one", "tick 1").with("<log maxSize=\"4096\" maxFiles=\"0\"/>")]);
    let daemon = sandbox.start();
    daemon.wait_for("one", "RUNNING");
    let mut command = sandbox.ctl_command();
    let follows = Stream::start(command.args(["logs", "-f", "one", "--json"]));
    let told = follows.shows("a word about what is missing", |lines| {
        let told = lines
            .iter()
            .find(|line| line.contains("output may be missing here"));
        told.cloned()
    });
    assert!(told.contains("deleted"), "{told}");
}
