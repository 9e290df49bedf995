//! The verbs without a component: what the Image Serving utility script has always meant by them.

use s7tests::ctl::Output;
use s7tests::eventually::{SOON, eventually, when};
use s7tests::processes;
use s7tests::registry::Server;
use s7tests::sandbox::Sandbox;

/// A sandbox with both programs under their own names, as they are installed.
fn installed(servers: &[Server]) -> Sandbox {
    let sandbox = Sandbox::with(servers);
    sandbox.install();
    sandbox
}

/// The installed client, with its daemon's folders in the environment.
fn script(sandbox: &Sandbox, arguments: &[&str]) -> Output {
    let mut command = std::process::Command::new(sandbox.path("bin/s7ctl"));
    sandbox.clean(&mut command);
    command
        .env("S7_INSTALL_FOLDER", sandbox.folder())
        .env("S7_SOCKET", sandbox.socket());
    command.env("XDG_RUNTIME_DIR", sandbox.path("xdg"));
    s7tests::ctl::run(command.args(arguments))
}

fn supervisor(sandbox: &Sandbox) -> u32 {
    let json = script(sandbox, &["--json", "status"]).json();
    let pid = json["supervisor"]["pid"]
        .as_u64()
        .unwrap_or_else(|| panic!("no supervisor in {json}"));
    u32::try_from(pid).expect("a pid")
}

#[test]
fn start_and_stop_without_a_component_mean_the_supervisor_too() {
    let sandbox = installed(&[Server::new("one", "wait"), Server::new("two", "wait").tier(2)]);
    std::fs::create_dir(sandbox.path("xdg")).expect("the sandbox is ours");
    script(&sandbox, &["start"]).exits(0);
    let status = script(&sandbox, &["--json", "status"]).exits(0).json();
    for component in status["components"].as_array().expect("a list") {
        assert_eq!(
            component["state"], "RUNNING",
            "start waits until everything runs: {component}"
        );
    }
    let daemon = supervisor(&sandbox);
    let folder = std::fs::read_link(format!("/proc/{daemon}/cwd")).expect("it lives");
    assert_eq!(
        folder,
        std::path::Path::new("/"),
        "a detached daemon holds no folder"
    );
    let session = std::fs::read_to_string(format!("/proc/{daemon}/stat")).expect("it lives");
    let session = session
        .rsplit_once(')')
        .and_then(|(_, tail)| tail.split_whitespace().nth(3).map(str::to_owned));
    assert_eq!(
        session,
        Some(daemon.to_string()),
        "a detached daemon has a session of its own"
    );
    script(&sandbox, &["start"]).exits(0);
    assert_eq!(supervisor(&sandbox), daemon, "a second start finds it");
    script(&sandbox, &["stop"]).exits(0);
    eventually("everything and the supervisor are gone", SOON, || {
        processes::reap_adopted();
        let left = sandbox.processes();
        when(left.is_empty(), || format!("{left:?}"))
    });
    script(&sandbox, &["stop"]).exits(0);
}

#[test]
fn restart_without_a_component_loads_the_registry_anew() {
    let sandbox = installed(&[Server::new("old", "record starts wait")]);
    std::fs::create_dir(sandbox.path("xdg")).expect("the sandbox is ours");
    script(&sandbox, &["start"]).exits(0);
    let before = supervisor(&sandbox);
    sandbox.write("conf/SupervisorRegistry.xml", "<supervisor><servers>");
    let said = script(&sandbox, &["restart"]);
    assert_ne!(said.code, Some(0), "a broken registry is refused: {said}");
    assert_eq!(sandbox.starts("starts").len(), 1, "and nothing was stopped");
    sandbox.write_registry(&[
        Server::new("old", "record starts wait"),
        Server::new("new", "wait"),
    ]);
    script(&sandbox, &["restart"]).exits(0);
    assert_eq!(supervisor(&sandbox), before, "it restarts in place");
    let status = script(&sandbox, &["--json", "status"]).exits(0).json();
    assert_eq!(status["components"].as_array().map(Vec::len), Some(2), "{status}");
    assert_eq!(sandbox.starts("starts").len(), 2);
    script(&sandbox, &["stop"]).exits(0);
}

#[test]
fn no_other_verb_starts_a_daemon() {
    let sandbox = installed(&[Server::new("one", "record starts wait")]);
    std::fs::create_dir(sandbox.path("xdg")).expect("the sandbox is ours");
    for verb in [
        &["status"][..],
        &["reload"],
        &["logs"],
        &["shutdown"],
        &["start", "one"],
        &["stop", "all"],
        &["restart", "one"],
    ] {
        let said = script(&sandbox, verb);
        assert_eq!(said.code, Some(3), "{verb:?}: {said}");
    }
    assert!(sandbox.starts("starts").is_empty());
    let left = sandbox.processes();
    assert!(left.is_empty(), "somebody was started: {left:?}");
}

#[test]
fn the_shim_understands_the_documented_commands() {
    let sandbox = installed(&[Server::new("is", "wait"), Server::new("ps", "wait").tier(2)]);
    std::fs::create_dir(sandbox.path("xdg")).expect("the sandbox is ours");
    let shim = crate::tree::files_under("s7ctl")
        .into_iter()
        .find(|path| path.ends_with("ImageServing.sh"));
    let shim = shim.expect("the shim is part of the client's package");
    sandbox.copy_program(&shim, "bin/ImageServing.sh");
    let run = |arguments: &[&str]| {
        let mut command = std::process::Command::new(sandbox.path("bin/ImageServing.sh"));
        sandbox.clean(&mut command);
        command
            .env("S7_SOCKET", sandbox.socket())
            .env("XDG_RUNTIME_DIR", sandbox.path("xdg"));
        command.env("S7_INSTALL_FOLDER", sandbox.folder());
        s7tests::ctl::run(command.args(arguments))
    };
    run(&["start"]).exits(0);
    let said = run(&["status"]).exits(0);
    assert!(said.stdout.contains("is") && said.stdout.contains("ps"), "{said}");
    run(&["restart", "ps"]).exits(0);
    run(&["status", "is"]).exits(0);
    run(&["restart"]).exits(0);
    run(&["stop"]).exits(0);
    run(&["status"]).exits(3);
}
