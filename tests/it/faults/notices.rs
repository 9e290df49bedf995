//! Notifications from elsewhere, twice, too late, unreadable, and without end (row 17).

use rustix::process::Signal;
use s7tests::ctl;
use s7tests::daemon::Daemon;
use s7tests::eventually::{SOON, eventually};
use s7tests::namespace::Namespace;
use s7tests::processes::send;
use s7tests::programs;
use s7tests::random::Random;
use s7tests::registry::Server;
use s7tests::sandbox::Sandbox;
use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;
use std::time::{Duration, Instant};

const SYSTEMD: &str = "<notify type=\"systemd\"/>";

fn address(sandbox: &Sandbox, id: &str, run: u64) -> PathBuf {
    sandbox.path(&format!("run/notify/{id}.{run}"))
}

/// Sends as this test, which is none of the component's run.
fn send_as_stranger(sandbox: &Sandbox, id: &str, text: &[u8]) {
    let socket = UnixDatagram::unbound().expect("there are descriptors");
    socket
        .send_to(text, address(sandbox, id, 1))
        .expect("the socket is there");
}

fn wait_until_ignored(daemon: &Daemon<'_>, id: &str, number: u64) {
    daemon.wait_until("that was not listened to", id, SOON, |seen| {
        seen["said"]["ignored"].as_u64() >= Some(number)
    });
}

#[test]
fn what_strangers_say_of_a_component_is_counted_and_changes_nothing() {
    let sandbox = Sandbox::with(&[
        Server::new("one", "await go notify READY=1 notify READY=1 wait").with(SYSTEMD),
        Server::new("other", "record other await go notify READY=1 wait").with(SYSTEMD),
    ]);
    let daemon = sandbox.start();
    daemon.wait_for("one", "STARTING");
    daemon.wait_until("it has a pid", "one", SOON, |seen| !seen["pid"].is_null());
    let texts: [&[u8]; 5] = [
        b"READY=1",
        b"WATCHDOG=trigger",
        b"STATUS=not mine",
        b"MAINPID=1",
        &[b'x'; 5000],
    ];
    for text in texts {
        send_as_stranger(&sandbox, "one", text);
    }
    wait_until_ignored(&daemon, "one", 5);
    let one = daemon.component("one");
    assert_eq!(one["state"], "STARTING", "{one}");
    assert_eq!(one["said"]["status"], serde_json::Value::Null, "{one}");
    let log = sandbox.supervisor_log();
    let told = log.matches("ignoring a notification").count();
    assert_eq!(told, 1, "the first one is told, the others are counted: {log}");
    sandbox.write("go", "now");
    assert_eq!(daemon.wait_for("one", "RUNNING")["run"], 1);
    daemon.wait_for("other", "RUNNING");
    assert_eq!(sandbox.starts("other").len(), 1);
}

/// As by `docker exec`: such a process is seen by the daemon, and its session and parent are not.
#[test]
fn who_has_entered_the_daemons_pid_namespace_is_no_part_of_a_run_needs_root() {
    let test = "who_has_entered_the_daemons_pid_namespace_is_no_part_of_a_run_needs_root";
    let sandbox = Sandbox::with(&[
        Server::new("one", "await go notify READY=1 wait").with(SYSTEMD),
        Server::new("other", "wait"),
    ]);
    let namespace = match Namespace::new(&sandbox) {
        Ok(namespace) => namespace,
        Err(why) => return s7tests::not_run(test, &why),
    };
    let daemon = namespace.daemon();
    daemon.wait_until("it has a pid", "one", SOON, |seen| !seen["pid"].is_null());
    let entered = ctl::run(
        namespace
            .inside(programs::FIXTURE)
            .args(["notify", "READY=1", "exit", "0"])
            .env("NOTIFY_SOCKET", address(&sandbox, "one", 1)),
    );
    assert_eq!(entered.code, Some(0), "{entered}");
    wait_until_ignored(&daemon, "one", 1);
    // From outside of the namespace: the daemon can't even see who that is.
    send_as_stranger(&sandbox, "one", b"READY=1");
    wait_until_ignored(&daemon, "one", 2);
    assert_eq!(daemon.component("one")["state"], "STARTING");
    assert_eq!(daemon.wait_for("other", "RUNNING")["run"], 1);
    sandbox.write("go", "now");
    assert_eq!(daemon.wait_for("one", "RUNNING")["run"], 1);
    sandbox.ctl(&["stop", "all"]).exits(0);
}

#[test]
fn only_processes_of_its_own_tree_speak_for_a_component_and_only_of_these() {
    let sandbox = Sandbox::with(&[
        Server::new("child", "notify-from-child READY=1 wait").with(SYSTEMD),
        Server::new("foreign", "notify MAINPID=1|READY=1 wait").with(SYSTEMD),
        Server::new("own", "fork-in-group member main-pid member notify READY=1 wait").with(SYSTEMD),
        Server::new("cut", "notify-cut wait").with(SYSTEMD),
    ]);
    let daemon = sandbox.start();
    daemon.wait_for("child", "RUNNING");
    let foreign = daemon.wait_for("foreign", "RUNNING");
    assert_eq!(
        (&foreign["said"]["main_pid"], &foreign["said"]["ignored"]),
        (&serde_json::Value::Null, &1.into()),
        "{foreign}"
    );
    let own = daemon.wait_for("own", "RUNNING");
    let member = sandbox.pid_in("member");
    assert_eq!(own["said"]["main_pid"], member, "{own}");
    send(member, Signal::KILL);
    let own = daemon.wait_until("the process that it named has ended", "own", SOON, |seen| {
        seen["said"]["main_pid"].is_null()
    });
    assert_eq!(own["state"], "RUNNING", "a run is its first process: {own}");
    wait_until_ignored(&daemon, "cut", 2);
    assert_eq!(daemon.component("cut")["state"], "STARTING");
}

#[test]
fn what_is_said_after_a_stop_or_to_an_old_run_changes_nothing() {
    let sandbox = Sandbox::with(&[Server::new(
        "stopping",
        "ignore-term notify READY=1 notify-each 20 READY=1|WATCHDOG=1",
    )
    .stop_timeout("1")
    .with(SYSTEMD)]);
    let daemon = sandbox.start();
    daemon.wait_for("stopping", "RUNNING");
    sandbox.ctl(&["stop", "stopping"]).exits(0);
    assert_eq!(daemon.component("stopping")["state"], "STOPPED");
    assert!(
        !address(&sandbox, "stopping", 1).exists(),
        "its socket is gone with it"
    );
    sandbox.ctl(&["start", "stopping"]).exits(0);
    let old = UnixDatagram::unbound()
        .and_then(|socket| socket.send_to(b"WATCHDOG=trigger", address(&sandbox, "stopping", 1)));
    assert!(old.is_err(), "nobody listens for a run that is over");
    assert_eq!(daemon.component("stopping")["run"], 2);
}

#[test]
fn rubbish_from_anybody_harms_neither_the_daemon_nor_the_component() {
    let sandbox =
        Sandbox::with(&[Server::new("one", "await go notify READY=1|STATUS=Well wait").with(SYSTEMD)]);
    let daemon = sandbox.start();
    daemon.wait_until("it has a pid", "one", SOON, |seen| !seen["pid"].is_null());
    let socket = UnixDatagram::unbound().expect("there are descriptors");
    socket
        .set_write_timeout(Some(Duration::from_secs(10)))
        .expect("a timeout can be set");
    let mut random = Random::from_seed(17);
    for _ in 0..500 {
        let length = usize::try_from(random.below(6000)).expect("small");
        let bytes: Vec<u8> = (0..length)
            .map(|_| u8::try_from(random.below(256)).expect("a byte"))
            .collect();
        socket
            .send_to(&bytes, address(&sandbox, "one", 1))
            .expect("it is taken in time");
    }
    wait_until_ignored(&daemon, "one", 500);
    sandbox.write("go", "now");
    let one = daemon.wait_for("one", "RUNNING");
    assert_eq!(
        (&one["said"]["status"], &one["run"]),
        (&"Well".into(), &1.into()),
        "{one}"
    );
}

#[test]
fn descriptors_that_come_with_a_notification_are_closed() {
    let most = "notify-descriptors 253 X=1 ".repeat(20);
    let sandbox = Sandbox::with(&[Server::new(
        "generous",
        &format!("await go {most} notify-descriptors 253 READY=1 wait"),
    )
    .with(SYSTEMD)]);
    let daemon = sandbox.start();
    daemon.wait_until("it has a pid", "generous", SOON, |seen| !seen["pid"].is_null());
    let before = s7tests::usage::descriptors(daemon.pid());
    sandbox.write("go", "now");
    let seen = daemon.wait_for("generous", "RUNNING");
    assert_eq!(
        seen["said"],
        serde_json::Value::Null,
        "nothing was left unheard: {seen}"
    );
    // The descriptor of one client may come and go.
    let after = s7tests::usage::descriptors(daemon.pid());
    assert!(after <= before + 4, "{before} descriptors became {after}");
}

#[test]
fn a_component_that_never_stops_talking_holds_nobody_up() {
    let flood =
        |id: &str| Server::new(id, "notify READY=1 notify-each 0 WATCHDOG=1|STATUS=Talking").with(SYSTEMD);
    let sandbox = Sandbox::with(&[
        flood("one"),
        flood("two"),
        flood("three"),
        Server::new(
            "watched",
            "notify READY=1 notify-each 0 STATUS=Talking|WATCHDOG=1",
        )
        .with("<notify type=\"systemd\" watchdog=\"500ms\"/>"),
        Server::new(
            "counted",
            "notify READY=1 record begin notify-times 1000 X=1 record end wait",
        )
        .with(SYSTEMD),
        Server::new("quiet", "await go notify READY=1 wait").with(SYSTEMD),
    ]);
    let daemon = sandbox.start();
    for id in ["one", "two", "three", "watched"] {
        daemon.wait_for(id, "RUNNING");
    }
    let ticks = || s7tests::usage::cpu(daemon.pid());
    let (began, before) = (Instant::now(), ticks());
    let mut slowest = Duration::ZERO;
    while began.elapsed() < Duration::from_secs(3) {
        let asked = Instant::now();
        let status = daemon.status();
        slowest = slowest.max(asked.elapsed());
        for component in &status["components"].as_array().expect("there are some")[..4] {
            assert_eq!(component["state"], "RUNNING", "{status}");
        }
    }
    assert_eq!(
        daemon.component("watched")["run"],
        1,
        "it has signed all the time"
    );
    let used = ticks().saturating_sub(before);
    eprintln!("the slowest status took {slowest:?}, the daemon used {used:?} in 3 s");
    assert!(slowest < Duration::from_secs(2), "a status took {slowest:?}");
    sandbox.write("go", "now");
    assert_eq!(daemon.wait_for("quiet", "RUNNING")["run"], 1);
    let at = |file: &str| {
        eventually(&format!("{file} is recorded"), SOON, || {
            sandbox
                .starts(file)
                .first()
                .map(|start| start.at)
                .ok_or_else(|| "none".into())
        })
    };
    let took = at("end") - at("begin");
    assert!(
        took > Duration::from_secs(2),
        "who says too much has to wait: {took:?}"
    );
    sandbox.ctl(&["stop", "all"]).exits(0);
}

#[test]
fn what_says_that_it_stops_is_not_given_up_for_what_it_no_longer_says() {
    let sandbox = Sandbox::with(&[
        Server::new("drains", "notify READY=1|STOPPING=1 sleep 3000 exit 0")
            .with("<notify type=\"systemd\" watchdog=\"500ms\"/><restart policy=\"onFailure\"/>"),
        Server::new("stays", "notify READY=1|STOPPING=1 wait")
            .with("<notify type=\"systemd\" watchdog=\"500ms\"/><restart policy=\"never\"/>")
            .stop_timeout("2"),
    ]);
    let daemon = sandbox.start();
    let drained = daemon.wait_for("drains", "EXITED");
    assert_eq!(drained["last_exit"]["reason"], "finished", "{drained}");
    assert_eq!((&drained["run"], &drained["restarts"]), (&1.into(), &0.into()));
    let stayed = daemon.wait_for("stays", "EXITED");
    assert_eq!(stayed["last_exit"]["reason"], "killed_after_timeout", "{stayed}");
}
