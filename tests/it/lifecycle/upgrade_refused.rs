//! What does not take a supervisor's place, and that the one that runs says why and goes on.

use rustix::process::Signal;
use s7tests::eventually::{SOON, eventually, when};
use s7tests::processes;
use s7tests::programs;
use s7tests::registry::Server;
use s7tests::sandbox::Sandbox;
use s7tests::strace;
use s7tests::stream::Stream;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::time::{Duration, Instant};

/// Asks for an upgrade to `binary` that comes to nothing, and checks that everything is as it was.
#[track_caller]
fn refused(sandbox: &Sandbox, binary: &str, why: &str) {
    let before = sandbox.ctl(&["--json", "status"]).exits(0).json();
    let path = sandbox.path(binary).display().to_string();
    let said = sandbox.ctl(&["upgrade", "--binary", &path]).exits(1);
    assert!(
        said.stderr.contains(why) && said.stderr.contains("nothing has changed"),
        "{why:?}: {said}"
    );
    assert!(
        sandbox.supervisor_log().contains("the upgrade to"),
        "its log says so"
    );
    let after = sandbox.ctl(&["--json", "status"]).exits(0).json();
    for what in [
        "/supervisor/pid",
        "/supervisor/version",
        "/components/0/pid",
        "/components/0/run",
    ] {
        assert_eq!(before.pointer(what), after.pointer(what), "{what}");
    }
    let uptime = |status: &serde_json::Value| status["supervisor"]["uptime_seconds"].as_f64();
    assert!(uptime(&before) < uptime(&after), "it is the same supervisor");
}

fn chmod(sandbox: &Sandbox, relative: &str, mode: u32) {
    std::fs::set_permissions(sandbox.path(relative), std::fs::Permissions::from_mode(mode))
        .expect("the sandbox is ours");
}

fn one() -> Sandbox {
    Sandbox::with(&[Server::new("one", "wait")])
}

#[test]
fn a_file_that_is_no_program_is_refused_by_what_it_is() {
    let sandbox = one();
    let daemon = sandbox.start();
    daemon.wait_for("one", "RUNNING");
    refused(&sandbox, "bin/missing", "there is no such file");
    refused(&sandbox, "bin", "it is a folder");
    sandbox.write("bin/script", "#!/bin/sh\nexit 0\n");
    refused(&sandbox, "bin/script", "it is not executable");
    chmod(&sandbox, "bin/script", 0o755);
    refused(&sandbox, "bin/script", "it is not a program for this system");
    let garbage = [b"\x7fELF".to_vec(), vec![0xa5; 4000]].concat();
    std::fs::write(sandbox.path("bin/garbage"), garbage).expect("the sandbox is ours");
    chmod(&sandbox, "bin/garbage", 0o755);
    refused(&sandbox, "bin/garbage", "it cannot be executed");
    let fifo = sandbox.path("bin/fifo");
    rustix::fs::mkfifoat(rustix::fs::CWD, &fifo, rustix::fs::Mode::RWXU).expect("the sandbox is ours");
    refused(&sandbox, "bin/fifo", "it is not a regular file");
    std::fs::remove_file(fifo).expect("the sandbox is ours");
    symlink("loop", sandbox.path("bin/loop")).expect("the sandbox is ours");
    refused(&sandbox, "bin/loop", "too many symbolic links");
}

#[test]
fn a_program_that_others_can_replace_is_refused_and_one_behind_a_link_is_not() {
    let sandbox = one();
    let daemon = sandbox.start();
    daemon.wait_for("one", "RUNNING");
    std::fs::create_dir(sandbox.path("versions")).expect("the sandbox is ours");
    sandbox.copy_program(&programs::path_of(programs::DAEMON), "versions/newer");
    symlink(sandbox.path("versions"), sandbox.path("current")).expect("the sandbox is ours");
    for mode in [0o777, 0o775] {
        chmod(&sandbox, "versions/newer", mode);
        refused(
            &sandbox,
            "current/newer",
            &format!("newer can be written by others (mode 0{mode:o})"),
        );
    }
    chmod(&sandbox, "versions/newer", 0o755);
    chmod(&sandbox, "versions", 0o777);
    refused(
        &sandbox,
        "current/newer",
        "versions can be written by others (mode 0777)",
    );
    chmod(&sandbox, "versions", 0o755);
    let link = sandbox.path("current/newer").display().to_string();
    sandbox.ctl(&["upgrade", "--binary", &link]).exits(0);
    assert_eq!(daemon.status()["supervisor"]["version"], "9.9.9");
}

#[test]
fn a_program_that_would_make_the_supervisor_another_user_or_group_is_refused() {
    let sandbox = one();
    let daemon = sandbox.start();
    daemon.wait_for("one", "RUNNING");
    sandbox.copy_program(&programs::path_of(programs::DAEMON), "bin/newer");
    let at = sandbox.path("bin/newer").display().to_string();
    for mode in [0o4755, 0o2755, 0o6755] {
        chmod(&sandbox, "bin/newer", mode);
        refused(
            &sandbox,
            "bin/newer",
            &format!("it has the set-user-ID or the set-group-ID bit (mode {mode:o})"),
        );
        refused(&sandbox, "bin/newer", &format!("chmod ug-s {at}"));
    }
    chmod(&sandbox, "bin/newer", 0o755);
    sandbox.ctl(&["upgrade", "--binary", &at]).exits(0);
}

#[test]
fn a_program_that_does_not_say_that_it_can_carry_on_is_refused_with_what_it_said() {
    let sandbox = one();
    let daemon = sandbox.start();
    daemon.wait_for("one", "RUNNING");
    sandbox.copy_program(&programs::path_of(programs::FIXTURE), "bin/other");
    // The fixture in the place of a new binary does what the file beside it says.
    let fewer = r#"{"version":"8","state":9,"runs":0,"wishes":0}"#;
    let table = [
        ("exit 0", "nothing; it is no supervisor's program"),
        ("complain disagreeable exit 78", "disagreeable (exit status: 78)"),
        ("print hello exit 0", "hello, which no supervisor says"),
        ("crash ABRT", "SIGABRT"),
        ("lines 0 1000000 exit 0", "line 00000000"),
        (
            &format!("print {fewer} exit 0"),
            "it sees 0 runs and 0 wishes where there are 1 and 0",
        ),
    ];
    for (verbs, why) in table {
        sandbox.write("bin/other.verbs", verbs);
        refused(&sandbox, "bin/other", why);
    }
}

#[test]
fn a_program_that_hangs_is_ended_and_meanwhile_everybody_is_answered() {
    let sandbox = one();
    let daemon = sandbox.start();
    daemon.wait_for("one", "RUNNING");
    sandbox.copy_program(&programs::path_of(programs::FIXTURE), "bin/other");
    sandbox.write(
        "bin/other.verbs",
        "ignore TERM pid asked fork-in-group child wait",
    );
    let path = sandbox.path("bin/other").display().to_string();
    let upgrade = s7tests::ctl::start(sandbox.ctl_command().args(["upgrade", "--binary", &path]));
    let asked_pid = sandbox.pid_in("asked");
    let begun = Instant::now();
    let mut asked = 0;
    let second = sandbox.ctl(&["upgrade", "--binary", &path]).exits(1);
    assert!(second.stderr.contains("another upgrade is under way"), "{second}");
    while begun.elapsed() < Duration::from_secs(5) {
        sandbox.ctl(&["status"]).exits(0);
        asked += 1;
    }
    assert!(asked > 10, "{asked} questions");
    let said = s7tests::ctl::finish(upgrade, "upgrade".to_owned()).exits(1);
    assert!(said.stderr.contains("did not say within 10 s"), "{said}");
    for pid in [asked_pid, sandbox.pid_in("child")] {
        eventually("nothing of it is left", SOON, || {
            when(!processes::is_alive(pid), || format!("{pid} lives"))
        });
    }
    sandbox.ctl(&["restart", "one"]).exits(0);
}

/// Two tiers, of which the second one takes some seconds to stop.
fn two_tiers() -> Sandbox {
    Sandbox::with(&[
        Server::new("first", "record first.starts wait"),
        Server::new("second", "record second.starts slow-stop 3000 wait")
            .tier(2)
            .stop_timeout("60"),
    ])
}

/// Waits until `restart` is answered with success, and checks that both tiers were restarted, once.
#[track_caller]
fn is_a_whole_restart(sandbox: &Sandbox, restart: std::process::Child) {
    let said = s7tests::ctl::finish(restart, "restart".to_owned()).exits(0);
    for file in ["first.starts", "second.starts"] {
        assert_eq!(sandbox.starts(file).len(), 2, "{file}: {said}");
    }
}

#[test]
fn an_upgrade_in_the_middle_of_a_restart_of_all_is_refused_and_all_are_restarted() {
    let sandbox = two_tiers();
    let daemon = sandbox.start();
    for id in ["first", "second"] {
        daemon.wait_for(id, "RUNNING");
    }
    let restart = s7tests::ctl::start(sandbox.ctl_command().args(["restart", "all"]));
    daemon.wait_for("second", "STOPPING");
    let said = sandbox.ctl(&["upgrade"]).exits(1);
    assert!(said.stderr.contains("being stopped in order"), "{said}");
    assert_eq!(
        daemon.component("second")["state"],
        "STOPPING",
        "nobody had to wait for that"
    );
    is_a_whole_restart(&sandbox, restart);
    sandbox.ctl(&["upgrade"]).exits(0);
}

#[test]
fn a_restart_of_all_that_begins_while_a_binary_is_looked_at_goes_before_it() {
    let sandbox = two_tiers();
    let daemon = sandbox.start();
    for id in ["first", "second"] {
        daemon.wait_for(id, "RUNNING");
    }
    sandbox.copy_program(&programs::path_of(programs::FIXTURE), "bin/other");
    let says = r#"{"version":"8","state":9,"runs":2,"wishes":0}"#;
    sandbox.write(
        "bin/other.verbs",
        &format!("pid asked await answer print {says} exit 0"),
    );
    let path = sandbox.path("bin/other").display().to_string();
    let upgrade = s7tests::ctl::start(sandbox.ctl_command().args(["upgrade", "--binary", &path]));
    let _ = sandbox.pid_in("asked");
    let restart = s7tests::ctl::start(sandbox.ctl_command().args(["restart", "all"]));
    daemon.wait_for("second", "STOPPING");
    sandbox.write("answer", "now");
    let said = s7tests::ctl::finish(upgrade, "upgrade".to_owned()).exits(1);
    assert!(said.stderr.contains("being stopped in order"), "{said}");
    is_a_whole_restart(&sandbox, restart);
}

#[test]
fn a_supervisor_that_cannot_execute_the_other_one_carries_on_needs_strace() {
    let test = "a_supervisor_that_cannot_execute_the_other_one_carries_on_needs_strace";
    let sandbox = Sandbox::with(&[Server::new("one", "tick 1")]);
    let daemon = sandbox.start();
    let before = daemon.wait_for("one", "RUNNING")["pid"].clone();
    let follows = Stream::start(sandbox.ctl_command().args(["logs", "-f", "-n", "10000", "one"]));
    // Of the first thread alone: the program that looks at the state is executed by another one.
    let fail = ["-e", "trace=execve", "-e", "inject=execve:error=EIO"];
    let strace = match strace::attach(&sandbox, daemon.pid(), &fail) {
        Ok(strace) => strace,
        Err(why) => return s7tests::not_run(test, &why),
    };
    for _ in 0..3 {
        let said = sandbox.ctl(&["upgrade"]).exits(1);
        assert!(
            said.stderr.contains("is still there; nothing has changed"),
            "{said}"
        );
    }
    drop(strace);
    let log = sandbox.supervisor_log();
    assert!(
        log.contains("Input/output error") && log.contains("this supervisor carries on"),
        "{log}"
    );
    let so_far = follows.lines().len();
    follows.shows("lines after that", |lines| {
        (lines.len() > so_far + 50).then_some(())
    });
    let lines = follows.lines();
    let expected: Vec<String> = (0..lines.len())
        .map(|number| format!("line {number:08}"))
        .collect();
    assert_eq!(lines, expected, "each line once, in order");
    assert_eq!(daemon.component("one")["pid"], before);
    let failed = || daemon.status()["supervisor"]["upgrade_failed"].clone();
    let why = failed()["why"].to_string();
    assert!(why.contains("Input/output error"), "{why}");
    sandbox
        .ctl(&["status"])
        .exits(0)
        .says("this supervisor carries on: executing ");
    daemon.signal(Signal::HUP);
    eventually("the operator knows", SOON, || {
        when(failed().is_null(), || failed().to_string())
    });
    // What this image gives to components is what it was before it tried.
    sandbox.ctl(&["restart", "one"]).exits(0);
    sandbox.ctl(&["upgrade"]).exits(0);
}

#[test]
fn a_restart_in_place_looks_at_its_program_before_anything_is_stopped() {
    let sandbox = one();
    sandbox.copy_program(&programs::path_of(programs::DAEMON), "bin/daemon");
    let mut command = sandbox.daemon_command();
    let arguments: Vec<_> = command.get_args().map(ToOwned::to_owned).collect();
    command = std::process::Command::new(sandbox.path("bin/daemon"));
    sandbox.clean(&mut command);
    let daemon = s7tests::daemon::Daemon::spawn(&sandbox, {
        command.args(arguments);
        command
    });
    daemon.wait_until_it_answers();
    let before = daemon.wait_for("one", "RUNNING")["pid"].clone();
    let replace = |program: &std::path::Path| {
        sandbox.copy_program(program, "bin/fresh");
        std::fs::rename(sandbox.path("bin/fresh"), sandbox.path("bin/daemon")).expect("the sandbox is ours");
    };
    replace(&programs::path_of(programs::FIXTURE));
    sandbox.write("bin/daemon.verbs", "exit 7");
    sandbox.ctl(&["restart"]).exits(1).says("cannot carry on");
    assert_eq!(daemon.component("one")["pid"], before, "nothing was stopped");
    replace(&programs::path_of(programs::DAEMON));
    sandbox.ctl(&["restart"]).exits(0);
    assert_ne!(daemon.wait_for("one", "RUNNING")["pid"], before);
}
