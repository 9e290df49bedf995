//! The service where there is no systemd: the init script that is installed, run as init runs it.

use s7tests::ctl::{self, Output};
use s7tests::eventually::{SOON, eventually, when};
use s7tests::processes::{is_alive, send};
use s7tests::programs;
use s7tests::registry::Server;
use s7tests::sandbox::Sandbox;
use std::process::Command;

/// Installs the script under a root folder in the sandbox, and says where it is.
fn install(sandbox: &Sandbox) -> Output {
    let _ = std::fs::create_dir_all(sandbox.path("root/etc/init.d"));
    let (root, folder, socket) = (sandbox.path("root"), sandbox.folder(), sandbox.socket());
    let path = |path: &std::path::Path| path.to_str().expect("the sandbox has a plain path").to_owned();
    let words = [
        "service",
        "install",
        "--root",
        &path(&root),
        "--install-folder",
        &path(folder),
        "--socket",
        &path(&socket),
    ];
    sandbox.daemon_says(&words).exits(0)
}

fn script(sandbox: &Sandbox, verb: &str) -> Output {
    let mut command = Command::new(sandbox.path("root/etc/init.d/imageserving"));
    sandbox.clean(&mut command);
    ctl::run(command.arg(verb))
}

#[test]
fn an_init_script_starts_stops_and_tells_the_state_as_the_standard_wants_it() {
    let sandbox = Sandbox::with(&[Server::new("one", "pid one wait")]);
    install(&sandbox);
    let _ = script(&sandbox, "status").exits(3);
    let _ = script(&sandbox, "stop").exits(0);
    let _ = script(&sandbox, "start").exits(0).says("started");
    let _ = script(&sandbox, "start").exits(0).says("runs already");
    let _ = script(&sandbox, "status").exits(0);
    let _ = script(&sandbox, "reload").exits(0);
    let one = sandbox.pid_in("one");

    // After a crash the components run on, and nobody claims that the service runs.
    let daemon: u32 = sandbox
        .read("run/lock")
        .trim()
        .parse()
        .expect("the lock has the pid");
    send(daemon, rustix::process::Signal::KILL);
    eventually("it is gone", SOON, || {
        s7tests::processes::reap_adopted();
        when(!is_alive(daemon), || "it lives".into())
    });
    let _ = script(&sandbox, "status").exits(1);
    assert!(is_alive(one));
    // A stop is one even then.
    let _ = script(&sandbox, "stop").exits(0).says("left after the stop");
    assert!(!is_alive(one));
    let _ = script(&sandbox, "status").exits(3);

    let _ = script(&sandbox, "restart").exits(0);
    let _ = script(&sandbox, "status").exits(0);
    let _ = script(&sandbox, "stop").exits(0);
    let _ = script(&sandbox, "status").exits(3);
    let _ = script(&sandbox, "nonsense").exits(2).says("usage");
}

#[test]
fn an_init_script_knows_the_supervisor_by_its_lock_whatever_program_it_is_since_an_upgrade() {
    let sandbox = Sandbox::with(&[Server::new("one", "pid one wait")]);
    install(&sandbox);
    let _ = script(&sandbox, "start").exits(0);
    let one = sandbox.pid_in("one");
    sandbox.copy_program(&programs::path_of(programs::DAEMON), "bin/newer");
    let newer = sandbox.path("bin/newer").display().to_string();
    sandbox.ctl(&["upgrade", "--binary", &newer]).exits(0);
    let _ = script(&sandbox, "status").exits(0).says("runs");
    let _ = script(&sandbox, "start").exits(0).says("runs already");
    let daemon = sandbox.read("run/lock");
    let _ = script(&sandbox, "stop").exits(0).says("imageserving stopped");
    assert!(!is_alive(one));
    assert_eq!(sandbox.read("run/lock"), "", "it was {daemon}");
    let _ = script(&sandbox, "status").exits(3);

    // A number that is somebody else's by now isn't the supervisor's.
    sandbox.write("run/lock", &format!("{}\n", std::process::id()));
    let _ = script(&sandbox, "status").exits(1);
    let _ = script(&sandbox, "stop").exits(0).says("does not run");
    let _ = script(&sandbox, "status").exits(3);
}

#[test]
fn an_init_script_says_why_the_supervisor_did_not_start() {
    let sandbox = Sandbox::new();
    sandbox.write("conf/SupervisorRegistry.xml", "<supervisor>");
    install(&sandbox).says("the service won't start before this is mended");
    let _ = script(&sandbox, "start").exits(1).says("exit code 78");
}

#[test]
fn an_init_script_that_somebody_has_edited_is_neither_replaced_nor_removed() {
    let sandbox = Sandbox::with(&[Server::new("one", "wait")]);
    install(&sandbox);
    install(&sandbox).says("is as it should be");
    let file = "root/etc/init.d/imageserving";
    let edited = format!("{}# mine\n", sandbox.read(file));
    std::fs::write(sandbox.path(file), &edited).expect("the sandbox is ours");
    let root = sandbox.path("root");
    let root = root.to_str().expect("the sandbox has a plain path");
    for verb in ["install", "uninstall"] {
        let _ = sandbox
            .daemon_says(&["service", verb, "--root", root])
            .exits(77)
            .says("was edited by somebody");
    }
    assert_eq!(sandbox.read(file), edited);
    let _ = sandbox
        .daemon_says(&["service", "uninstall", "--force", "--root", root])
        .exits(0);
    assert!(!sandbox.path(file).exists());
}

#[test]
fn a_service_listens_where_it_was_installed_to_whatever_the_shell_says() {
    let sandbox = Sandbox::with(&[Server::new("one", "wait")]);
    let _ = std::fs::create_dir_all(sandbox.path("root/etc/init.d"));
    let mut command = sandbox.program(programs::DAEMON);
    sandbox.clean(&mut command);
    command.env("S7_SOCKET", "/shell/own.sock");
    let (root, folder) = (sandbox.path("root"), sandbox.folder());
    command.args(["service", "show", "--root"]).arg(root);
    let said = ctl::run(command.arg("--install-folder").arg(folder)).exits(0);
    assert!(!said.stdout.contains("/shell"), "{said}");
    install(&sandbox);
    let mut command = Command::new(sandbox.path("root/etc/init.d/imageserving"));
    sandbox.clean(&mut command);
    command.env("S7_SOCKET", sandbox.path("shell.sock"));
    let _ = ctl::run(command.arg("start")).exits(0);
    let _ = sandbox.ctl(&["status"]).exits(0);
    let _ = script(&sandbox, "stop").exits(0);
}
