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
    let servers = GIVEN_UP.map(|[id, verbs, extra, ..]| {
        // So that the first end is the last one.
        Server::new(id, verbs).with(&format!("<restart policy=\"never\"/>{tell}{extra}"))
    });
    let sandbox = Sandbox::with(&servers);
    sandbox.write("tell.sh", TELL);
    sandbox.write("well", "");
    let daemon = sandbox.start();
    daemon.wait_for("ill", "RUNNING");
    std::fs::remove_file(sandbox.path("well")).expect("it is there");
    sandbox.write("go", "now");
    for [id, _, _, reason, event, said] in GIVEN_UP {
        let seen = daemon.wait_for(id, "FATAL");
        assert_eq!(seen["last_exit"]["reason"], reason, "{seen}");
        let stopped = format!("{said} and was stopped: ");
        let status = sandbox.ctl(&["status", id]).stdout;
        assert!(
            status.contains(&format!("given up after 1 crash in a row: {stopped}")),
            "{status}"
        );
        sandbox.ctl(&["why", id]).exits(0).says(&format!("{said}, "));
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
    sandbox.ctl(&["start", "slow"]).exits(1).says(failed);
    // The next daemon has it from the record.
    daemon.kill();
    let daemon = sandbox.start();
    for [id, _, _, reason, ..] in GIVEN_UP {
        let seen = daemon.component(id);
        assert_eq!(seen["last_exit"]["reason"], reason, "{seen}");
    }
}
