//! `s7ctl upgrade`: another binary in the same process, and nobody notices but by the version.

use rustix::process::Signal;
use s7tests::daemon::Daemon;
use s7tests::eventually::{SOON, eventually, when};
use s7tests::programs;
use s7tests::registry::Server;
use s7tests::sandbox::Sandbox;
use s7tests::stream::Stream;
use std::time::{Duration, Instant};

/// A copy of the daemon that goes by another version: the bin `daemon-under-test` looks at its own name.
fn newer(sandbox: &Sandbox) -> String {
    sandbox.copy_program(&programs::path_of(programs::DAEMON), "bin/newer");
    sandbox.path("bin/newer").display().to_string()
}

/// Pid and run of each of `ids`.
fn runs(daemon: &Daemon<'_>, ids: &[&str]) -> Vec<(serde_json::Value, serde_json::Value)> {
    let of = |id: &&str| {
        let seen = daemon.wait_for(id, "RUNNING");
        (seen["pid"].clone(), seen["run"].clone())
    };
    ids.iter().map(of).collect()
}

#[test]
fn another_version_takes_over_in_the_same_process_and_no_run_is_touched() {
    let sandbox = Sandbox::with(&[
        Server::new("one", "record starts wait"),
        Server::new("two", "wait").tier(2),
        Server::new("off", "wait"),
    ]);
    let daemon = sandbox.start();
    let before = runs(&daemon, &["one", "two"]);
    sandbox.ctl(&["stop", "off"]).exits(0);
    let newer = newer(&sandbox);
    let said = sandbox
        .ctl(&["--json", "upgrade", "--binary", &newer])
        .exits(0)
        .json();
    assert_eq!(said["data"]["from"], env!("CARGO_PKG_VERSION"), "{said}");
    assert_eq!(said["data"]["to"], "9.9.9", "{said}");
    assert_eq!(said["data"]["pid"], daemon.pid(), "{said}");
    assert_eq!(daemon.status()["supervisor"]["version"], "9.9.9");
    assert_eq!(runs(&daemon, &["one", "two"]), before);
    assert_eq!(sandbox.starts("starts").len(), 1);
    assert_eq!(
        daemon.component("off")["state"],
        "STOPPED",
        "what was wished holds"
    );
    // And once more, by the file that it was started from now.
    sandbox.ctl(&["upgrade"]).exits(0).says("9.9.9 by itself");
    assert_eq!(runs(&daemon, &["one", "two"]), before);
    // Executed through a descriptor, and called by its name nevertheless.
    let called = std::fs::read_to_string(format!("/proc/{}/comm", daemon.pid()));
    assert_eq!(called.expect("the daemon lives"), "s7supervisord\n");
    let own = programs::path_of(programs::DAEMON);
    let own = own.to_str().expect("a path of cargo's");
    sandbox.ctl(&["upgrade", "--binary", own]).exits(0);
    assert_eq!(
        daemon.status()["supervisor"]["version"],
        env!("CARGO_PKG_VERSION")
    );
    assert_eq!(runs(&daemon, &["one", "two"]), before);
    sandbox.ctl(&["restart", "one"]).exits(0);
    sandbox.ctl(&["start", "off"]).exits(0);
}

#[test]
fn who_follows_output_or_events_goes_on_with_the_next_supervisor_and_misses_nothing() {
    let sandbox = Sandbox::with(&[Server::new("one", "tick 1"), Server::new("two", "tick 2")]);
    let daemon = sandbox.start();
    let before = runs(&daemon, &["one", "two"]);
    let follows = Stream::start(sandbox.ctl_command().args(["logs", "-f", "-n", "10000", "one"]));
    let events = Stream::start(sandbox.ctl_command().args(["events", "-f", "-n", "0", "--json"]));
    let newer = newer(&sandbox);
    let own = programs::path_of(programs::DAEMON).display().to_string();
    for round in 0..6 {
        let so_far = follows.lines().len();
        follows.shows("lines of this supervisor", |lines| {
            (lines.len() > so_far + 50).then_some(())
        });
        let binary = if round % 2 == 0 { &newer } else { &own };
        sandbox.ctl(&["upgrade", "--binary", binary]).exits(0);
    }
    let so_far = follows.lines().len();
    follows.shows("lines of the last one", |lines| {
        (lines.len() > so_far + 50).then_some(())
    });
    assert_eq!(runs(&daemon, &["one", "two"]), before);
    events.shows("that another one took over, six times", |lines| {
        let took_over = lines
            .iter()
            .filter(|line| line.contains("\"event\":\"took_over\""))
            .count();
        (took_over == 6).then_some(())
    });
    let lines = follows.lines();
    let expected: Vec<String> = (0..lines.len())
        .map(|number| format!("line {number:08}"))
        .collect();
    assert_eq!(lines, expected, "each line once, in order");
    follows.signal(Signal::INT);
    let said = follows.finish();
    assert_eq!(said.stderr, "", "{said}");
}

#[test]
fn who_follows_output_and_reads_nothing_for_a_while_misses_nothing_either() {
    let sandbox = Sandbox::with(&[Server::new("one", "burst 20000 100")]);
    let daemon = sandbox.start();
    daemon.wait_for("one", "RUNNING");
    let mut follows = sandbox.ctl_command();
    follows
        .args(["logs", "-f", "-n", "0", "one"])
        .stdout(std::process::Stdio::piped());
    let mut follows = s7tests::processes::spawn(&mut follows);
    let out = follows.stdout.take().expect("it is a pipe");
    let out = std::io::BufReader::with_capacity(16, out);
    let mut lines = std::io::BufRead::lines(out).map_while(Result::ok);
    let first = lines.next().expect("there are lines");
    // Nobody reads on, so soon nothing moves any more on the whole way.
    let written = || sandbox.log_of("one").len();
    let enough = written() + 4_000_000;
    eventually("more is written than there is room for on the way", SOON, || {
        when(written() > enough, || written().to_string())
    });
    sandbox.ctl(&["upgrade"]).exits(0);
    let further = u64::try_from(enough / 14 + 100).expect("not so many");
    let number = |line: &str| line.strip_prefix("line ").and_then(|number| number.parse().ok());
    let mut last: u64 = number(&first).expect("it has a number");
    while last < further {
        let line = lines
            .next()
            .unwrap_or_else(|| panic!("it was cut off after line {last}"));
        assert_eq!(number(&line), Some(last + 1), "each line once, in order: {line}");
        last += 1;
    }
    s7tests::processes::send(follows.id(), Signal::INT);
    drop(lines);
    let _ = follows.wait().expect("it is our child");
    s7tests::processes::forget(&follows);
}

#[test]
fn clients_that_ask_all_the_time_wait_a_moment_and_never_get_an_error() {
    let sandbox = Sandbox::with(&[
        Server::new("one", "tick 1"),
        Server::new("two", "record starts wait"),
    ]);
    let daemon = sandbox.start();
    let before = runs(&daemon, &["one"]);
    let newer = newer(&sandbox);
    let (mut asked, mut longest) = (0, Duration::ZERO);
    std::thread::scope(|scope| {
        let upgrades = scope.spawn(|| {
            for _ in 0..5 {
                sandbox.ctl(&["upgrade", "--binary", &newer]).exits(0);
            }
        });
        let restarts = scope.spawn(|| {
            for _ in 0..5 {
                sandbox.ctl(&["restart", "two"]).exits(0);
            }
        });
        while !upgrades.is_finished() || !restarts.is_finished() {
            let begun = Instant::now();
            sandbox.ctl(&["--json", "status", "one"]).exits(0);
            longest = longest.max(begun.elapsed());
            asked += 1;
        }
    });
    eprintln!("{asked} questions over five upgrades, the longest took {longest:?}");
    assert!(asked > 10, "{asked} questions");
    assert_eq!(runs(&daemon, &["one"]), before);
    // Each restart is one run, whichever supervisor has done it.
    assert_eq!(sandbox.starts("starts").len(), 6);
}

#[test]
fn operations_and_waits_that_are_under_way_are_carried_over() {
    let sandbox = Sandbox::with(&[
        Server::new("slow", "slow-stop 3000").stop_timeout("30"),
        Server::new("late", "wait").start_delay("3"),
        Server::new("awaited", "wait").with("<autoStart>false</autoStart>"),
    ]);
    let daemon = sandbox.start();
    daemon.wait_for("slow", "RUNNING");
    daemon.wait_for("late", "RUNNING");
    let mut clients: Vec<_> = [
        &["stop", "slow"][..],
        &["restart", "late"][..],
        &["wait", "awaited", "--for", "up"][..],
    ]
    .map(|arguments| s7tests::ctl::start(sandbox.ctl_command().args(arguments)))
    .into();
    daemon.wait_for("slow", "STOPPING");
    daemon.wait_for("late", "STARTING");
    let newer = newer(&sandbox);
    sandbox.ctl(&["upgrade", "--binary", &newer]).exits(0);
    sandbox.ctl(&["start", "awaited"]).exits(0);
    let waited = clients.pop().expect("three clients");
    // Somebody who waits for what nobody wants yet is told so at once, and that isn't about upgrades.
    let _ = s7tests::ctl::finish(waited, "wait".to_owned());
    for (client, what) in clients.into_iter().zip(["stop", "restart"]) {
        let said = s7tests::ctl::finish(client, what.to_owned()).exits(0);
        assert!(said.stderr.contains("replaced meanwhile"), "{said}");
    }
    assert_eq!(daemon.component("slow")["state"], "STOPPED");
    assert_eq!(daemon.component("late")["state"], "RUNNING");
}

#[test]
fn a_supervisor_that_is_killed_right_after_it_gave_way_leaves_everything_to_the_next() {
    let sandbox = Sandbox::with(&[Server::new("one", "record starts tick 1")]);
    let mut daemon = sandbox.start();
    let before = runs(&daemon, &["one"]);
    let newer = newer(&sandbox);
    for _ in 0..3 {
        let upgrade = s7tests::ctl::start(sandbox.ctl_command().args([
            "--timeout",
            "1",
            "upgrade",
            "--binary",
            &newer,
        ]));
        eventually("it gives way", SOON, || {
            let log = sandbox.supervisor_log();
            when(log.contains("gives way"), || "not yet".to_owned())
        });
        daemon.signal(Signal::KILL);
        daemon.wait();
        // Whether it was still answered depends on the moment.
        let _ = s7tests::ctl::finish(upgrade, "upgrade".to_owned());
        daemon = sandbox.start();
        assert_eq!(runs(&daemon, &["one"]), before);
    }
    assert_eq!(sandbox.starts("starts").len(), 1);
}

#[test]
fn an_upgrade_with_a_broken_registry_goes_on_with_the_last_one_that_loaded() {
    let sandbox = Sandbox::with(&[Server::new("one", "record starts wait")]);
    let daemon = sandbox.start();
    let before = runs(&daemon, &["one"]);
    eventually("the registry is kept", SOON, || {
        let kept = std::fs::read_dir(sandbox.path("run"))
            .into_iter()
            .flatten()
            .flatten()
            .map(|entry| entry.file_name().to_string_lossy().into_owned())
            .any(|name| name.contains("registry") && !name.contains(".new"));
        when(kept, || "not yet".to_owned())
    });
    let good = sandbox.read("conf/SupervisorRegistry.xml");
    sandbox.write("conf/SupervisorRegistry.xml", "<supervisor><servers><server>");
    let newer = newer(&sandbox);
    sandbox.ctl(&["upgrade", "--binary", &newer]).exits(0);
    let status = daemon.status();
    assert!(
        status["supervisor"]["registry_stale"]["diagnostics"][0].is_object(),
        "{status}"
    );
    assert_eq!(
        status["supervisor"]["took_over"]["replaced"],
        env!("CARGO_PKG_VERSION"),
        "{status}"
    );
    assert_eq!(status["components"][0]["adopted"], true, "{status}");
    sandbox.ctl(&["status"]).exits(0).says("could not be loaded");
    assert_eq!(runs(&daemon, &["one"]), before);
    sandbox.write("conf/SupervisorRegistry.xml", &good);
    sandbox.ctl(&["reload"]).exits(0);
    assert_eq!(
        daemon.status()["supervisor"]["registry_stale"],
        serde_json::Value::Null
    );
    assert_eq!(sandbox.starts("starts").len(), 1);
}
