//! Lines of output that something follows from.

use s7tests::eventually::{SOON, eventually, when};
use s7tests::processes::process;
use s7tests::registry::Server;
use s7tests::sandbox::Sandbox;
use std::time::{Duration, Instant};

fn threads(pid: u32) -> Vec<String> {
    let tasks = std::fs::read_dir(format!("/proc/{pid}/task")).expect("it lives");
    let names = tasks.filter_map(|task| std::fs::read_to_string(task.ok()?.path().join("comm")).ok());
    names.map(|name| name.trim().to_owned()).collect()
}

fn events(sandbox: &Sandbox, kind: &str) -> Vec<serde_json::Value> {
    let said = sandbox.ctl(&["--json", "events"]).exits(0).json();
    let all = said["data"]["events"].as_array().expect("they are a list");
    all.iter()
        .filter(|event| event["event"] == kind)
        .cloned()
        .collect()
}

#[test]
fn a_line_restarts_its_component_once_and_is_told_with_its_run() {
    let verbs = "record starts print all-is-well print java.lang.OutOfMemoryError wait";
    let trigger = "<match regex=\"OutOf(Memory|Space)\" action=\"restart\"/>";
    let sandbox = Sandbox::with(&[Server::new("is", verbs).with(trigger)]);
    let daemon = sandbox.start();
    let seen = daemon.wait_until("it is restarted", "is", SOON, |seen| {
        seen["restarts"] == 1 && seen["state"] == "RUNNING"
    });
    assert_eq!(seen["last_exit"]["reason"], "output_matched", "{seen}");
    let matched = events(&sandbox, "matched");
    assert_eq!(matched.len(), 1, "{matched:?}");
    let expected = serde_json::json!([1, "restart", "java.lang.OutOfMemoryError", 1]);
    let one = &matched[0];
    assert_eq!(
        serde_json::json!([one["run"], one["action"], one["line"], one["times"]]),
        expected
    );
    // The next run has written it too, and within a minute that is only counted.
    eventually("the next run has written it", SOON, || {
        let log = sandbox.log_of("is");
        when(log.matches("OutOfMemoryError").count() == 2, || log.clone())
    });
    daemon.stays("is", "RUNNING", Duration::from_secs(1));
    assert_eq!(daemon.component("is")["restarts"], 1);
    daemon.stop();
}

#[test]
fn the_search_begins_and_ends_with_the_registry_and_has_no_thread_before() {
    let server = |extra: &str| Server::new("is", "tick 20").with(extra);
    let sandbox = Sandbox::with(&[server("")]);
    let daemon = sandbox.start();
    daemon.wait_for("is", "RUNNING");
    assert!(!threads(daemon.pid()).iter().any(|name| name == "s7-search"));
    let run = daemon.pid_of("is");
    sandbox.write_registry(&[server("<match text=\"1\" action=\"event\" once=\"1\"/>")]);
    sandbox.ctl(&["reload"]).exits(0);
    eventually("lines are told again and again", SOON, || {
        let told = events(&sandbox, "matched");
        when(told.len() >= 2 && told[1]["times"].as_u64() > Some(1), || {
            format!("{told:?}")
        })
    });
    assert_eq!(daemon.pid_of("is"), run, "nothing was restarted for it");
    assert!(threads(daemon.pid()).iter().any(|name| name == "s7-search"));
    daemon.stop();
}

#[test]
fn an_adopted_run_is_searched_from_where_the_next_daemon_takes_it_up() {
    let trigger = "<match text=\"after the crash\" action=\"event\"/>";
    let sandbox = Sandbox::with(&[
        Server::program(
            "is",
            "/bin/sh",
            vec![
                "-c".into(),
                "echo after the crash of long ago; while ! [ -e go ]; do sleep 0.05; done; echo after the crash; touch gone; \
                 exec sleep 1000"
                    .into(),
            ],
        )
        .with(trigger),
    ]);
    let daemon = sandbox.start();
    daemon.wait_for("is", "RUNNING");
    eventually("the first line is told", SOON, || {
        let told = events(&sandbox, "matched");
        when(told.len() == 1, || format!("{told:?}"))
    });
    daemon.kill();
    sandbox.write("go", "");
    eventually("it is written while no daemon lives", SOON, || {
        when(sandbox.path("gone").exists(), || "not yet".into())
    });
    let next = sandbox.start();
    next.wait_for("is", "RUNNING");
    eventually("the second line is told", SOON, || {
        let told = events(&sandbox, "matched");
        when(
            told.len() == 1 && told[0]["line"] == "after the crash" && told[0]["run"] == 1,
            || format!("{told:?}"),
        )
    });
    next.stop();
}

#[test]
fn a_flood_is_written_as_fast_and_nobody_waits_for_its_search() {
    // 200 MB of lines, none of which matches but the last.
    let script = "head -c 200000000 /dev/zero | tr '\\0' 'x' | fold -w 99 >/proc/self/fd/1; echo; echo the end is here; \
                  touch written; exec sleep 1000";
    let server = Server::program("is", "/bin/sh", vec!["-c".into(), script.into()])
        .with("<log maxSize=\"1GB\"/><match text=\"the end is here\" action=\"event\"/>");
    let sandbox = Sandbox::with(&[server]);
    let daemon = sandbox.start();
    let begun = Instant::now();
    let mut slowest = Duration::ZERO;
    eventually("it is written", Duration::from_secs(120), || {
        let asked = Instant::now();
        let _ = daemon.component("is");
        slowest = slowest.max(asked.elapsed());
        when(sandbox.path("written").exists(), || "not yet".into())
    });
    let took = begun.elapsed();
    assert!(slowest < Duration::from_secs(5), "status took {slowest:?}");
    // What comes after the flood is searched, although some of the flood was not.
    sandbox.ctl(&["restart", "is"]).exits(0);
    let seen = process(daemon.pid()).is_some();
    assert!(seen, "the daemon lives after {took:?}");
    println!("200 MB in {took:?}, status within {slowest:?}");
    daemon.stop();
}
