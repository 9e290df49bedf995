//! Components that tell by themselves when they are ready, what they are at, and that they live.

use rustix::process::{Signal, geteuid};
use s7tests::daemon::{Daemon, pid};
use s7tests::eventually::{SOON, eventually, when};
use s7tests::processes::send;
use s7tests::programs;
use s7tests::registry::Server;
use s7tests::sandbox::Sandbox;

const SYSTEMD: &str = "<notify type=\"systemd\"/>";
/// As long as the registry lets it be short.
const A_SECOND_TO_START: &str = "<notify type=\"systemd\" startupTimeout=\"1\"/>";

/// Waits until `id` says that it is at `status`.
fn wait_until_it_says(daemon: &Daemon<'_>, id: &str, status: &str) {
    daemon.wait_until(&format!("{id} says {status}"), id, SOON, |seen| {
        seen["said"]["status"] == status
    });
}

/// Waits for a second run of `id`, and gives how the first has ended.
fn end_of_the_first_run(daemon: &Daemon<'_>, id: &str) -> serde_json::Value {
    let seen = daemon.wait_until("there is another run", id, SOON, |seen| {
        seen["run"].as_u64() > Some(1)
    });
    seen["last_exit"]["reason"].clone()
}

#[test]
fn who_depends_on_a_component_waits_until_it_says_that_it_is_ready() {
    let sandbox = Sandbox::with(&[
        Server::new(
            "base",
            "record base notify STATUS=Warming~up await go notify READY=1|STATUS=Serving wait",
        )
        .with(SYSTEMD),
        Server::new("above", "wait").with("<dependsOn ref=\"base\"/>"),
    ]);
    let daemon = sandbox.start();
    wait_until_it_says(&daemon, "base", "Warming up");
    let base = daemon.component("base");
    assert_eq!(
        (&base["state"], &base["said"]["awaited"]),
        (&"STARTING".into(), &"by sd_notify".into()),
        "{base}"
    );
    assert_eq!(daemon.component("above")["state"], "WAITING");
    let table = sandbox.ctl(&["status", "base"]).stdout;
    assert!(table.contains("says: Warming up"), "{table}");
    sandbox.write("go", "now");
    let base = daemon.wait_for("base", "RUNNING");
    assert_eq!(base["said"]["awaited"], serde_json::Value::Null, "{base}");
    daemon.wait_for("above", "RUNNING");
    wait_until_it_says(&daemon, "base", "Serving");
    assert_eq!(sandbox.starts("base").len(), 1);
    assert_eq!(daemon.component("base")["said"]["ignored"], 0);
    // It has nobody to say it to again.
    sandbox.ctl(&["upgrade"]).exits(0);
    assert_eq!(daemon.component("base")["said"]["status"], "Serving");
    daemon.kill();
    let daemon = sandbox.start();
    let said = daemon.component("base")["said"]["status"].clone();
    assert_ne!(said, "Serving", "it may be at something else by now");
}

#[test]
fn a_newline_on_its_descriptor_says_that_a_component_is_ready() {
    let on = |number: u32| format!("<notify type=\"descriptor\" descriptor=\"{number}\"/>");
    let sandbox = Sandbox::with(&[
        Server::new("three", "await go descriptor 3 ready| wait").with(&on(3)),
        Server::new("hundred", "await go descriptor 100 | wait").with(&on(100)),
        Server::new("silent", "record silent descriptor 4 ready wait")
            .with("<notify type=\"descriptor\" descriptor=\"4\" startupTimeout=\"1\"/>"),
    ]);
    let daemon = sandbox.start();
    let three = daemon.wait_for("three", "STARTING");
    assert_eq!(
        three["said"]["awaited"], "by a newline on descriptor 3",
        "{three}"
    );
    assert_eq!(
        end_of_the_first_run(&daemon, "silent"),
        "not_ready",
        "without a newline it is never ready"
    );
    assert_eq!(daemon.component("three")["state"], "STARTING");
    sandbox.write("go", "now");
    daemon.wait_for("three", "RUNNING");
    daemon.wait_for("hundred", "RUNNING");
}

#[test]
fn a_component_whose_signs_of_life_are_missing_or_that_asks_for_it_gets_a_new_run() {
    let watched = |id: &str, verbs: &str, watchdog: &str| {
        Server::new(id, verbs).with(&format!("<notify type=\"systemd\" watchdog=\"{watchdog}\"/>"))
    };
    let sandbox = Sandbox::with(&[
        watched("silent", "notify READY=1 wait", "300ms"),
        watched(
            "alive",
            "record alive notify READY=1 notify-each 50 WATCHDOG=1",
            "2s",
        ),
        watched("own", "notify WATCHDOG_USEC=200000|READY=1 wait", "1h"),
        watched("slow", "record slow wait", "100ms"),
        Server::new("trouble", "notify READY=1 await go notify WATCHDOG=trigger wait").with(SYSTEMD),
    ]);
    let daemon = sandbox.start();
    daemon.wait_for("trouble", "RUNNING");
    sandbox.write("go", "now");
    for (id, reason) in [
        ("silent", "watchdog_missed"),
        ("own", "watchdog_missed"),
        ("trouble", "in_trouble"),
    ] {
        assert_eq!(end_of_the_first_run(&daemon, id), reason, "{id}");
    }
    for _ in 0..2 {
        let before = daemon.component("silent")["run"].clone();
        daemon.wait_until("it is replaced again and again", "silent", SOON, |seen| {
            seen["run"] != before
        });
    }
    assert_eq!(
        sandbox.starts("alive").len(),
        1,
        "who gives its signs is left alone"
    );
    assert_eq!(sandbox.starts("slow").len(), 1, "who isn't ready yet owes none");
}

#[test]
fn a_component_gets_the_time_to_start_that_it_asks_for() {
    let sandbox = Sandbox::with(&[
        Server::new(
            "patient",
            "record patient notify EXTEND_TIMEOUT_USEC=60000000 await go notify READY=1 wait",
        )
        .with(A_SECOND_TO_START),
        Server::new("late", "record late await go notify READY=1 wait").with(A_SECOND_TO_START),
    ]);
    let daemon = sandbox.start();
    assert_eq!(end_of_the_first_run(&daemon, "late"), "not_ready");
    sandbox.write("go", "now");
    daemon.wait_for("patient", "RUNNING");
    assert_eq!(sandbox.starts("patient").len(), 1);
}

#[test]
fn what_a_component_said_last_is_heard_before_its_end() {
    let ids: Vec<String> = (0..20).map(|number| format!("brief-{number}")).collect();
    let servers: Vec<Server> = ids
        .iter()
        .map(|id| {
            Server::new(
                id,
                "notify READY=1|STATUS=First notify STATUS=Out~of~paper exit 3",
            )
            .with(SYSTEMD)
            .with("<restart policy=\"never\"/>")
        })
        .collect();
    let sandbox = Sandbox::with(&servers);
    let daemon = sandbox.start();
    for id in &ids {
        let seen = daemon.wait_for(id, "EXITED");
        assert_eq!(seen["said"]["status"], "Out of paper", "{seen}");
    }
}

#[test]
fn the_systems_own_notify_command_is_understood_and_answered() {
    if !std::path::Path::new("/usr/bin/systemd-notify").exists() {
        return s7tests::not_run(
            "the_systems_own_notify_command_is_understood_and_answered",
            "there is no /usr/bin/systemd-notify",
        );
    }
    // It waits for the answer to BARRIER=1 for 5 s at most, and fails without one.
    let script = "/usr/bin/systemd-notify --ready --status='All is well' && echo answered; sleep 1000";
    let arguments = vec!["-c".to_owned(), script.to_owned()];
    let sandbox = Sandbox::with(&[Server::program("script", "/bin/sh", arguments).with(SYSTEMD)]);
    let daemon = sandbox.start();
    daemon.wait_for("script", "RUNNING");
    wait_until_it_says(&daemon, "script", "All is well");
    eventually("the command has ended well", SOON, || {
        let log = sandbox.log_of("script");
        when(log.contains("answered"), || log)
    });
}

#[test]
fn a_component_of_another_user_can_say_that_it_is_ready_needs_root() {
    if !geteuid().is_root() {
        let test = "a_component_of_another_user_can_say_that_it_is_ready_needs_root";
        return s7tests::not_run(test, "only root can run a component as another user");
    }
    let user = "<user>nobody</user>";
    let sandbox = Sandbox::with(&[
        Server::new("socket", "print-identity await go notify READY=1 wait")
            .with(user)
            .with(SYSTEMD),
        Server::new("descriptor", "descriptor 3 | wait")
            .with(user)
            .with("<notify type=\"descriptor\" descriptor=\"3\"/>"),
    ]);
    let fixture = s7tests::programs::path_of(s7tests::programs::FIXTURE);
    sandbox.copy_program(&fixture, s7tests::registry::FIXTURE);
    let daemon = sandbox.start();
    daemon.wait_for("descriptor", "RUNNING");
    let before = daemon.wait_for("socket", "STARTING")["pid"].clone();
    assert!(!before.is_null());
    daemon.kill();
    let daemon = sandbox.start();
    sandbox.write("go", "now");
    let after = daemon.wait_for("socket", "RUNNING");
    assert_eq!(
        after["pid"], before,
        "the socket is its own after an adoption too"
    );
}

#[test]
fn a_component_can_say_that_it_is_ready_to_the_next_daemon() {
    let on_three = "<notify type=\"descriptor\" descriptor=\"3\"/>";
    let sandbox = Sandbox::with(&[
        Server::new("socket", "record socket notify-when go READY=1 wait").with(SYSTEMD),
        Server::new("meanwhile", "await first descriptor 3 | pid written wait").with(on_three),
        Server::new("later", "await go descriptor 3 | wait").with(on_three),
        Server::new("before", "notify READY=1 wait").with(SYSTEMD),
        Server::new(
            "alive",
            "notify READY=1 notify-when go X=1 notify-each 50 WATCHDOG=1",
        )
        .with("<notify type=\"systemd\" watchdog=\"3s\"/>"),
    ]);
    let daemon = sandbox.start();
    let ids = ["socket", "meanwhile", "later", "before", "alive"];
    daemon.wait_for("before", "RUNNING");
    daemon.wait_for("alive", "RUNNING");
    let pids = ids.map(|id| {
        let seen = daemon.wait_until("it has a pid", id, SOON, |seen| pid(seen).is_some());
        seen["pid"].clone()
    });
    daemon.kill();
    sandbox.write("first", "now");
    let _written = sandbox.pid_in("written");
    let daemon = sandbox.start();
    let meanwhile = daemon.wait_for("meanwhile", "RUNNING");
    assert_eq!(meanwhile["pid"], pids[1], "what it wrote meanwhile is not lost");
    assert_eq!(daemon.component("before")["state"], "RUNNING");
    assert_eq!(daemon.component("socket")["state"], "STARTING");
    sandbox.write("go", "now");
    for (id, pid) in ids.iter().zip(&pids) {
        let after = daemon.wait_for(id, "RUNNING");
        assert_eq!(&after["pid"], pid, "{id} goes on");
    }
    // The watchdog has begun again, and goes on.
    let frozen = daemon.pid_of("alive");
    send(frozen, Signal::STOP);
    daemon.wait_until(
        "who no longer gives signs of life is replaced",
        "alive",
        SOON,
        |seen| seen["run"].as_u64() > Some(1),
    );
    assert_eq!(sandbox.starts("socket").len(), 1);
}

#[test]
fn a_component_can_say_that_it_is_ready_after_an_upgrade() {
    let sandbox = Sandbox::with(&[
        Server::new("socket", "record starts notify-when go READY=1 wait").with(SYSTEMD),
        Server::new("connected", "record starts notify-connected go READY=1 wait").with(SYSTEMD),
        Server::new("descriptor", "record starts await go descriptor 3 | wait")
            .with("<notify type=\"descriptor\" descriptor=\"3\"/>"),
    ]);
    let daemon = sandbox.start();
    for id in ["socket", "connected", "descriptor"] {
        daemon.wait_until("it has a pid", id, SOON, |seen| pid(seen).is_some());
    }
    sandbox.copy_program(&programs::path_of(programs::DAEMON), "bin/newer");
    let newer = sandbox.path("bin/newer").display().to_string();
    sandbox.ctl(&["upgrade", "--binary", &newer]).exits(0);
    sandbox.write("go", "now");
    daemon.wait_for("socket", "RUNNING");
    daemon.wait_for("descriptor", "RUNNING");
    // Nothing that is said while one image gives way to the next is lost: it is the same socket.
    daemon.wait_for("connected", "RUNNING");
    assert_eq!(sandbox.starts("starts").len(), 3);
}

#[test]
fn that_a_component_is_ready_is_in_the_record_also_when_that_is_written_anew() {
    let sandbox = Sandbox::with(&[Server::new("said", "notify READY=1 wait").with(SYSTEMD)]);
    let daemon = sandbox.start();
    daemon.wait_for("said", "RUNNING");
    std::fs::remove_file(sandbox.path("run/journal")).expect("it is there");
    eventually("the record is there again", SOON, || {
        let record = std::fs::read_to_string(sandbox.path("run/journal")).unwrap_or_default();
        when(record.contains("\nready said 1 "), || record.clone())
    });
    daemon.stop();
}
