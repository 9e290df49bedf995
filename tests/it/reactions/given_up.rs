//! Runs that the supervisor gives up: it says for what, wherever it tells of their end.

use s7tests::eventually::{SOON, eventually, when};
use s7tests::registry::Server;
use s7tests::sandbox::Sandbox;

/// Tells `told` what it hears.
const TELL: &str = "echo \"$S7_COMPONENT $S7_EVENT $S7_REASON\" >>told\n";

/// Id, what it does, what the registry says of it, the name in JSON, the word for commands, and the sentence.
const GIVEN_UP: [[&str; 6]; 5] = [
    [
        "ill",
        "wait",
        "<health type=\"exec\" interval=\"100ms\" timeout=\"20\" failures=\"2\">\
         <executable>bin/fixture</executable><arguments><argument>exit-if</argument><argument>well</argument>\
         <argument>0</argument><argument>exit</argument><argument>3</argument></arguments></health>",
        "hung",
        "hung",
        "failed its checks",
    ],
    [
        "slow",
        "wait",
        "<notify type=\"systemd\" startupTimeout=\"1\"/>",
        "not_ready",
        "not_ready",
        "was not ready in time",
    ],
    [
        "silent",
        "notify READY=1 wait",
        "<notify type=\"systemd\" watchdog=\"300ms\"/>",
        "watchdog_missed",
        "hung",
        "missed its watchdog",
    ],
    [
        "troubled",
        "notify READY=1 await go notify WATCHDOG=trigger wait",
        "<notify type=\"systemd\"/>",
        "in_trouble",
        "hung",
        "said itself that it is in trouble",
    ],
    [
        "loud",
        "await go print all-is-lost wait",
        "<match text=\"lost\" action=\"restart\"/>",
        "output_matched",
        "output",
        "wrote a line that restarts it",
    ],
];

#[test]
fn whoever_is_given_up_is_told_with_what_it_was_given_up_for() {
    let tell = "<onFailure><executable>/bin/sh</executable>\
                <arguments><argument>tell.sh</argument></arguments></onFailure>";
    let servers =
        GIVEN_UP.map(|[id, verbs, extra, ..]| Server::new(id, verbs).with(&format!("{tell}{extra}")));
    let sandbox = Sandbox::with(&servers);
    sandbox.write("tell.sh", TELL);
    sandbox.write("well", "");
    let daemon = sandbox.start();
    daemon.wait_for("ill", "RUNNING");
    std::fs::remove_file(sandbox.path("well")).expect("it is there");
    sandbox.write("go", "now");
    for [id, _, _, reason, event, said] in GIVEN_UP {
        let seen = daemon.wait_until("its first run is over", id, SOON, |seen| {
            !seen["last_exit"].is_null()
        });
        assert_eq!(seen["last_exit"]["reason"], reason, "{seen}");
        let stopped = format!("{said} and was stopped: ");
        sandbox.ctl(&["status", id]).says(&stopped);
        sandbox.ctl(&["why", id]).says(&format!("{said}, "));
        let events = sandbox.ctl(&["events", id]).exits(0).stdout;
        assert!(events.contains(&format!("run 1 {stopped}")), "{events}");
        assert!(!events.contains("fails its checks") || id == "ill", "{events}");
        let log = sandbox.supervisor_log();
        for line in ["; it is being stopped", " and was stopped after "] {
            let line = format!("{id}: run 1 {said}{line}");
            assert!(log.contains(&line), "{line} in {log}");
        }
        eventually("its command has heard it", SOON, || {
            let told = std::fs::read_to_string(sandbox.path("told")).unwrap_or_default();
            let line = format!("{id} {event} {stopped}");
            when(told.lines().any(|told| told.starts_with(&line)), || told.clone())
        });
    }
    let failed = "slow: did not get ready: was not ready in time and was stopped: ";
    sandbox.ctl(&["restart", "slow"]).exits(1).says(failed);
    // The next daemon has it from the record: of these the second run lives on.
    daemon.kill();
    let daemon = sandbox.start();
    for (id, reason) in [("ill", "hung"), ("loud", "output_matched")] {
        let seen = daemon.component(id);
        assert_eq!(
            (&seen["run"], &seen["last_exit"]["reason"]),
            (&2.into(), &reason.into()),
            "{seen}"
        );
    }
}

#[test]
fn a_command_hears_of_the_end_of_all_tries_with_what_the_last_run_came_to() {
    let server = Server::new("silent", "notify READY=1 wait").with(
        "<restart policy=\"never\"/><notify type=\"systemd\" watchdog=\"300ms\"/>\
         <onFailure><executable>/bin/sh</executable><arguments><argument>tell.sh</argument></arguments></onFailure>",
    );
    let sandbox = Sandbox::with(&[server]);
    sandbox.write("tell.sh", TELL);
    let daemon = sandbox.start();
    daemon.wait_for("silent", "FATAL");
    let line = "silent fatal 1 crashes in a row: missed its watchdog and was stopped: ";
    eventually("its command has heard it", SOON, || {
        let told = std::fs::read_to_string(sandbox.path("told")).unwrap_or_default();
        when(told.starts_with(line), || told.clone())
    });
}
