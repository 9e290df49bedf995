//! `s7ctl signal`.

use s7tests::registry::Server;
use s7tests::sandbox::Sandbox;

#[test]
fn a_signal_reaches_the_component_that_was_named_and_no_other() {
    let sandbox = Sandbox::with(&[Server::new("one", "wait"), Server::new("two", "wait")]);
    let daemon = sandbox.start();
    daemon.wait_for("one", "RUNNING");
    daemon.wait_for("two", "RUNNING");
    let (one, two) = (daemon.pid_of("one"), daemon.pid_of("two"));
    let said = sandbox.ctl(&["signal", "usr1", "one"]).exits(0);
    assert_eq!(said.stdout, format!("one: sent SIGUSR1 to pid {one}\n"));
    let seen = daemon.wait_until("one runs again", "one", s7tests::eventually::SOON, |seen| {
        seen["run"] == 2 && seen["state"] == "RUNNING"
    });
    assert_eq!(seen["last_exit"]["signal"], "SIGUSR1", "{seen}");
    assert_eq!(daemon.pid_of("two"), two);
    let json = sandbox.ctl(&["--json", "signal", "WINCH", "two"]).exits(0).json();
    let part = &json["data"]["components"][0];
    assert_eq!(
        (&part["outcome"], &part["ok"], &part["pid"]),
        (&"signalled".into(), &true.into(), &two.into())
    );
}

#[test]
fn a_signal_to_what_does_not_run_is_3_and_to_what_is_not_there_4() {
    let idle = Server::new("idle", "wait").with("<autoStart>false</autoStart>");
    let sandbox = Sandbox::with(&[Server::new("one", "wait"), idle]);
    let daemon = sandbox.start();
    daemon.wait_for("one", "RUNNING");
    let pid = daemon.pid_of("one");
    let said = sandbox.ctl(&["signal", "WINCH", "idle", "one"]).exits(3);
    assert_eq!(said.stdout, format!("one: sent SIGWINCH to pid {pid}\n"));
    assert!(said.stderr.contains("idle: does not run"), "{said}");
    let said = sandbox.ctl(&["signal", "WINCH", "all"]).exits(0);
    assert!(said.stdout.contains("idle: does not run; nothing sent"), "{said}");
    let said = sandbox.ctl(&["signal", "KILL", "one", "ont"]).exits(4);
    assert!(said.stderr.contains("did you mean one?"), "{said}");
    assert_eq!(daemon.pid_of("one"), pid, "all or nothing");
    sandbox.ctl(&["signal", "NOSUCH", "one"]).exits(2);
    sandbox.ctl(&["signal", "HUP"]).exits(2);
}
