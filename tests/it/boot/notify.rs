//! What the service manager is told, message by message, by a test that takes its place.

use s7tests::daemon::Daemon;
use s7tests::eventually::{SOON, eventually, when};
use s7tests::registry::Server;
use s7tests::sandbox::Sandbox;
use std::os::unix::net::UnixDatagram;

/// The end of the service manager.
struct Manager {
    socket: UnixDatagram,
    heard: Vec<String>,
}

impl Manager {
    /// Listens, and starts the sandbox's daemon for it.
    fn start(sandbox: &Sandbox, watchdog_us: Option<u32>) -> (Self, Daemon<'_>) {
        let path = sandbox.path("notify");
        let socket = UnixDatagram::bind(&path).expect("the sandbox is ours");
        socket.set_nonblocking(true).expect("a socket can be set so");
        let mut command = sandbox.daemon_command();
        command.env("NOTIFY_SOCKET", &path);
        if let Some(watchdog) = watchdog_us {
            command.env("WATCHDOG_USEC", watchdog.to_string());
        }
        let daemon = Daemon::spawn(sandbox, command);
        let heard = Vec::new();
        (Self { socket, heard }, daemon)
    }

    /// What was heard until now: the lines of all messages, one after the other.
    fn lines(&mut self) -> &[String] {
        let mut room = [0; 4096];
        while let Ok(length) = self.socket.recv(&mut room) {
            let text = String::from_utf8_lossy(&room[..length]).into_owned();
            self.heard.extend(text.lines().map(str::to_owned));
        }
        &self.heard
    }

    /// Waits until a line fits, forgets everything up to it and gives that.
    #[track_caller]
    fn hear(&mut self, what: &str, test: impl Fn(&str) -> bool) -> Vec<String> {
        let place = eventually(what, SOON, || {
            let place = self.lines().iter().position(|line| test(line));
            place.ok_or_else(|| format!("{:?}", self.heard))
        });
        self.heard.drain(..=place).collect()
    }
}

#[test]
fn the_service_manager_is_told_of_readiness_reloads_and_the_stop() {
    let sandbox = Sandbox::with(&[Server::new("one", "wait"), Server::new("broken", "exit 1")]);
    let (mut manager, daemon) = Manager::start(&sandbox, None);
    let before = manager.hear("it is ready", |line| line == "READY=1");
    assert_eq!(before, ["READY=1"], "nothing comes before");
    // Whoever is told so can connect, although one component will never run.
    let _ = sandbox.ctl(&["version"]).exits(0);
    manager.hear("the text says who doesn't run", |line| {
        line.starts_with("STATUS=1 of 2 running; broken: ")
    });

    let _ = sandbox.ctl(&["reload"]).exits(0);
    manager.hear("a reload begins", |line| line == "RELOADING=1");
    manager.hear("it has its time", |line| line.starts_with("MONOTONIC_USEC="));
    manager.hear("the reload is over", |line| line == "READY=1");
    // A look changes nothing and is told to nobody.
    let _ = sandbox.ctl(&["reload", "--dry-run"]).exits(0);
    let _ = sandbox.ctl(&["check"]).exits(0);
    let told = manager.lines().iter().any(|line| line == "RELOADING=1");
    assert!(!told, "{:?}", manager.heard);

    // A restart in place is no end: the process stays, and the service with it.
    let _ = sandbox.ctl(&["restart"]);
    manager.hear("a restart in place begins", |line| line == "RELOADING=1");
    let meanwhile = manager.hear("it is ready again", |line| line == "READY=1");
    assert!(meanwhile.iter().all(|line| line != "STOPPING=1"), "{meanwhile:?}");

    daemon.stop();
    let last = manager.hear("it stops", |line| line == "STOPPING=1");
    assert!(last.iter().all(|line| line != "RELOADING=1"), "{last:?}");
    manager.hear("its time is extended", |line| {
        line == "EXTEND_TIMEOUT_USEC=30000000"
    });
    assert!(sandbox.path("run/stop-requested").exists(), "the stop is marked");
}

#[test]
fn signs_of_life_go_on_at_rest_and_stop_with_the_loop() {
    let sandbox = Sandbox::with(&[Server::new("one", "wait")]);
    let (mut manager, daemon) = Manager::start(&sandbox, Some(400_000));
    for _ in 0..5 {
        manager.hear("a sign of life", |line| line == "WATCHDOG=1");
    }
    daemon.signal(rustix::process::Signal::STOP);
    eventually("no sign of life comes any more", SOON, || {
        manager.lines();
        manager.heard.clear();
        std::thread::sleep(std::time::Duration::from_millis(600));
        when(manager.lines().is_empty(), || format!("{:?}", manager.heard))
    });
    daemon.signal(rustix::process::Signal::CONT);
    manager.hear("a sign of life", |line| line == "WATCHDOG=1");
}

#[test]
fn a_service_manager_that_can_not_be_reached_stops_no_supervision() {
    let sandbox = Sandbox::with(&[Server::new("one", "wait")]);
    let mut command = sandbox.daemon_command();
    command.env("NOTIFY_SOCKET", sandbox.path("nobody"));
    let daemon = Daemon::spawn(&sandbox, command);
    daemon.wait_until_it_answers();
    daemon.wait_for("one", "RUNNING");
    eventually("it is said once", SOON, || {
        let said = sandbox.supervisor_log();
        when(said.matches("telling the service manager").count() == 1, || {
            said.clone()
        })
    });
}
