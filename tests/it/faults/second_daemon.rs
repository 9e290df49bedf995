//! More than one daemon for the same endpoint.

use rustix::process::Signal;
use s7tests::daemon::pid;
use s7tests::processes::is_alive;
use s7tests::registry::Server;
use s7tests::sandbox::Sandbox;
use std::time::Duration;

#[test]
fn of_many_daemons_started_at_once_one_remains() {
    let sandbox = Sandbox::with(&[Server::new("only", "record starts wait")]);
    let mut rivals: Vec<_> = (0..8).map(|_| sandbox.spawn_with(&[])).collect();
    let holder = s7tests::eventually::eventually("one answers", Duration::from_secs(30), || {
        let said = sandbox.ctl(&["--json", "status"]);
        if said.code == Some(0) {
            Ok(said.json()["supervisor"]["pid"]
                .as_u64()
                .expect("a daemon has a pid"))
        } else {
            Err(said.to_string())
        }
    });
    let place = rivals
        .iter()
        .position(|rival| u64::from(rival.pid()) == holder)
        .expect("the one that answers is ours");
    let winner = rivals.swap_remove(place);
    for mut rival in rivals {
        assert_eq!(
            rival.wait().code(),
            Some(69),
            "a daemon that finds the endpoint taken"
        );
    }
    assert!(is_alive(winner.pid()));
    winner.wait_for("only", "RUNNING");
    assert_eq!(sandbox.starts("starts").len(), 1, "no rival has started anything");
    assert!(
        sandbox
            .read("daemon.stderr")
            .contains(&sandbox.path("run").display().to_string()),
        "it says what is taken"
    );
}

#[test]
fn a_file_that_is_no_socket_is_never_replaced_by_one() {
    let sandbox = Sandbox::with(&[Server::new("only", "wait")]);
    let socket = sandbox.socket();
    std::fs::create_dir_all(socket.parent().expect("it has a folder")).expect("the sandbox is ours");
    std::fs::write(&socket, "do not lose me").expect("the sandbox is ours");
    let mut daemon = sandbox.spawn_with(&[]);
    assert_eq!(daemon.wait().code(), Some(73));
    let kept = std::fs::read_to_string(&socket).expect("it is there");
    assert_eq!(kept, "do not lose me");
    std::fs::remove_file(&socket).expect("the sandbox is ours");
    assert!(sandbox.read("daemon.stderr").contains("isn't a socket"));
}

#[test]
fn a_second_daemon_with_another_folder_at_the_same_socket_leaves_with_69() {
    let sandbox = Sandbox::with(&[Server::new("only", "record starts wait")]);
    let daemon = sandbox.start();
    daemon.wait_for("only", "RUNNING");
    let mut rival = sandbox.program(s7tests::programs::DAEMON);
    rival.arg("run").arg("--install-folder").arg(sandbox.folder());
    rival
        .arg("--runtime-dir")
        .arg(sandbox.path("elsewhere"))
        .arg("--socket")
        .arg(sandbox.socket());
    let said = rival.output().expect("the program under test can be run");
    assert_eq!(
        said.status.code(),
        Some(69),
        "{}",
        String::from_utf8_lossy(&said.stderr)
    );
    daemon.wait_for("only", "RUNNING");
    assert_eq!(sandbox.starts("starts").len(), 1);
}

#[test]
fn a_socket_that_a_dead_daemon_left_is_taken_over() {
    let sandbox = Sandbox::with(&[Server::new("lasting", "record starts wait")]);
    let daemon = sandbox.start();
    let before = pid(&daemon.wait_for("lasting", "RUNNING")).expect("it runs");
    daemon.kill();
    assert!(
        sandbox.socket().exists(),
        "the dead daemon has left its socket, or this test shows nothing"
    );
    sandbox.ctl(&["status"]).exits(3);
    assert!(is_alive(before), "the component outlives its daemon");
    let daemon = sandbox.start();
    let after = pid(&daemon.wait_for("lasting", "RUNNING")).expect("it runs");
    assert!(
        after == before || !is_alive(before),
        "{before} runs beside its successor {after}"
    );
    sandbox.ctl(&["stop", "lasting"]).exits(0);
    assert!(!is_alive(before) && !is_alive(after));
}

#[test]
fn a_second_daemon_leaves_what_a_first_one_without_its_folder_supervises_alone() {
    let sandbox = Sandbox::with(&[Server::new("lasting", "record starts wait")]);
    let daemon = sandbox.start();
    let before = pid(&daemon.wait_for("lasting", "RUNNING")).expect("it runs");
    // So that it can't make good at once what it loses.
    daemon.signal(Signal::STOP);
    std::fs::remove_dir_all(sandbox.path("run")).expect("the sandbox is ours");
    for _ in 0..2 {
        let mut rival = sandbox.spawn_with(&[]);
        assert_eq!(rival.wait().code(), Some(69));
    }
    let said = sandbox.read("daemon.stderr");
    assert!(said.contains(&format!("pid {}", daemon.pid())), "{said}");
    assert!(is_alive(before), "it has touched nothing");
    assert!(!sandbox.path("run/journal").exists(), "it has noted nothing");
    daemon.signal(Signal::CONT);
    daemon.wait_until_it_answers();
    assert_eq!(pid(&daemon.wait_for("lasting", "RUNNING")), Some(before));
    assert_eq!(
        sandbox.starts("starts").len(),
        1,
        "nobody has started another one"
    );
    let mut rival = sandbox.spawn_with(&[]);
    assert_eq!(rival.wait().code(), Some(69), "the first one has its lock again");
}
