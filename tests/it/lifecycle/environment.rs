//! What a run finds around it.

use s7tests::eventually::{SOON, eventually, when};
use s7tests::registry::Server;
use s7tests::sandbox::{MARKER, Sandbox};
use std::collections::BTreeMap;

/// Runs a component that prints something and gives what its log has, once `last` is in it.
fn printed(sandbox: &Sandbox, component: &str, last: &str) -> String {
    eventually(&format!("{component} has printed {last:?}"), SOON, || {
        let log = sandbox.log_of(component);
        if log.contains(last) { Ok(log) } else { Err(log) }
    })
}

fn variables(log: &str) -> BTreeMap<&str, &str> {
    log.lines().filter_map(|line| line.split_once('=')).collect()
}

#[test]
fn a_run_gets_the_registrys_environment_and_nothing_of_the_daemons() {
    let plain = Server::new("plain", "print-env print done wait").variable("GREETING", "good day");
    let heir = Server::program(
        "heir",
        "bin/fixture",
        ["print-env", "print", "done", "wait"].map(Into::into).into(),
    );
    let sandbox = Sandbox::new();
    let inherits = |text: String| {
        let (before, after) = text
            .rsplit_once("inherit=\"false\"")
            .expect("every server has an environment");
        format!("{before}inherit=\"true\"{after}")
    };
    sandbox.write(
        "conf/SupervisorRegistry.xml",
        &inherits(sandbox.document(&[plain, heir])),
    );
    let mut command = sandbox.daemon_command();
    command
        .env("DAEMONS_OWN", "secret")
        .env("NOTIFY_SOCKET", "/nowhere")
        .env("WATCHDOG_USEC", "1000000000");
    command.env("LISTEN_FDS", "0").env("LANG", "C.UTF-8");
    let daemon = s7tests::daemon::Daemon::spawn(&sandbox, command);
    daemon.wait_until_it_answers();
    let log = printed(&sandbox, "plain", "done");
    let found = variables(&log);
    assert_eq!(found["GREETING"], "good day");
    assert_eq!(found["S7_COMPONENT"], "plain");
    assert_eq!(found["S7_RUN"], "1");
    let allowed = [
        "PATH",
        "LANG",
        "TZ",
        "HOME",
        "USER",
        "LOGNAME",
        "SHELL",
        "S7_COMPONENT",
        "S7_RUN",
        "S7_INSTANCE",
        "GREETING",
        MARKER,
    ];
    let others: Vec<_> = found.keys().filter(|name| !allowed.contains(name)).collect();
    assert!(others.is_empty(), "nobody asked for {others:?}");
    let log = printed(&sandbox, "heir", "done");
    let found = variables(&log);
    assert_eq!(found["DAEMONS_OWN"], "secret");
    for private in ["NOTIFY_SOCKET", "WATCHDOG_USEC", "LISTEN_FDS"] {
        assert!(!found.contains_key(private), "{private} is the daemon's alone");
    }
}

/// A number that nobody else has.
const LEFT_OPEN: libc::c_int = 177;

fn leave_a_descriptor() -> std::io::Result<()> {
    // SAFETY: standard error is open, and a free number is taken.
    match unsafe { libc::dup2(2, LEFT_OPEN) } {
        LEFT_OPEN => Ok(()),
        _ => Err(std::io::Error::last_os_error()),
    }
}

#[test]
fn a_run_has_a_session_a_mask_limits_and_only_three_descriptors() {
    let server = Server::new(
        "tidy",
        "print-identity print-limits print-descriptors print-folder print done wait",
    )
    .with("<umask>027</umask><limits><limit name=\"nofile\" soft=\"123\" hard=\"456\"/></limits>")
    .with("<workingDirectory>temp</workingDirectory>");
    let plain = Server::new("plain", "print-identity print-limits print done wait");
    let sandbox = Sandbox::with(&[server, plain]);
    let mut command = sandbox.daemon_command();
    // Whoever starts the daemon may leave a descriptor open in it; that isn't for components.
    // SAFETY: dup2 is a plain system call, which is all that may happen between fork and exec.
    unsafe { std::os::unix::process::CommandExt::pre_exec(&mut command, leave_a_descriptor) };
    let daemon = s7tests::daemon::Daemon::spawn(&sandbox, command);
    daemon.wait_until_it_answers();
    let given = std::fs::read_link(format!("/proc/{}/fd/{LEFT_OPEN}", daemon.pid()));
    assert!(
        given.is_ok(),
        "the daemon was given no descriptor, so this test shows nothing"
    );
    let log = printed(&sandbox, "tidy", "done");
    for line in ["session 1", "umask 027", "nofile 123 456", "fd 0 /dev/null"] {
        assert!(
            log.lines().any(|said| said == line),
            "{line:?} is missing in {log}"
        );
    }
    assert!(
        log.lines()
            .any(|line| line == sandbox.path("temp").display().to_string()),
        "{log}"
    );
    let descriptors = log.lines().filter_map(|line| line.strip_prefix("fd "));
    let more: Vec<_> = descriptors
        .filter(|line| {
            !["0 ", "1 ", "2 "]
                .iter()
                .any(|standard| line.starts_with(standard))
        })
        .collect();
    // One may be the lock that proves leftovers.
    let locks = sandbox.path("run/locks").display().to_string();
    assert!(
        more.len() <= 1 && more.iter().all(|line| line.contains(&locks)),
        "{more:?}"
    );
    let log = printed(&sandbox, "plain", "done");
    assert!(log.lines().any(|line| line == "umask 022"), "{log}");
    let own = rustix::process::getrlimit(rustix::process::Resource::Nofile);
    let number = |limit: Option<u64>| limit.unwrap_or(u64::MAX).to_string();
    let expected = format!("nofile {} {}", number(own.current), number(own.maximum));
    assert!(
        log.lines().any(|line| line == expected),
        "as the daemon found them, {expected:?}: {log}"
    );
}

#[test]
fn a_run_of_another_user_has_nothing_of_roots_needs_root() {
    let test = "a_run_of_another_user_has_nothing_of_roots_needs_root";
    if !rustix::process::geteuid().is_root() {
        return s7tests::not_run(test, "only root may become another user");
    }
    let server = Server::new("other", "print-identity print-env print done wait").with("<user>nobody</user>");
    let sandbox = Sandbox::with(&[server]);
    let fixture = s7tests::programs::path_of(s7tests::programs::FIXTURE);
    sandbox.copy_program(&fixture, s7tests::registry::FIXTURE);
    let daemon = sandbox.start();
    let seen = daemon.wait_for("other", "RUNNING");
    let log = printed(&sandbox, "other", "done");
    let passwd = std::fs::read_to_string("/etc/passwd").expect("every system has users");
    let nobody: Vec<_> = passwd
        .lines()
        .find(|line| line.starts_with("nobody:"))
        .expect("nobody is one")
        .split(':')
        .collect();
    for line in [
        format!("uid {}", nobody[2]),
        format!("gid {}", nobody[3]),
        format!("groups [{}]", nobody[3]),
    ] {
        assert!(
            log.lines().any(|said| said == line),
            "{line:?} is missing in {log}"
        );
    }
    let found = variables(&log);
    assert_eq!(
        (found["USER"], found["LOGNAME"], found["HOME"]),
        ("nobody", "nobody", nobody[5])
    );
    sandbox.ctl(&["stop", "other"]).exits(0);
    assert!(!s7tests::processes::is_alive(
        s7tests::daemon::pid(&seen).expect("it ran")
    ));
}

#[test]
fn arguments_arrive_as_they_stand() {
    let strange = [
        "print-arguments",
        "exit-if",
        "a b \"c\" 'd' $HOME * \\ ü <&>",
        "1",
    ];
    let sandbox = Sandbox::with(&[Server::program(
        "strange",
        "bin/fixture",
        strange.map(Into::into).into(),
    )]);
    let _daemon = sandbox.start();
    eventually("the arguments are logged", SOON, || {
        let log = sandbox.log_of("strange");
        let wanted: String = strange.iter().map(|argument| format!("[{argument}]\n")).collect();
        when(log == wanted, || log.clone())
    });
}

#[test]
fn a_restart_in_place_holds_no_signal_back_from_components() {
    let sandbox = Sandbox::with(&[Server::new("one", "wait")]);
    let daemon = sandbox.start();
    let held = |pid: u32| {
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("it lives");
        let line = status.lines().find(|line| line.starts_with("SigBlk:"));
        line.expect("the kernel tells the mask").to_owned()
    };
    daemon.wait_for("one", "RUNNING");
    let first = daemon.pid_of("one");
    let before = held(first);
    sandbox.ctl(&["restart"]).exits(0);
    daemon.wait_for("one", "RUNNING");
    let second = daemon.pid_of("one");
    assert_ne!(second, first, "it began anew");
    assert_eq!(held(second), before);
    let environment = std::fs::read(format!("/proc/{}/environ", daemon.pid())).expect("it lives");
    let environment = String::from_utf8_lossy(&environment);
    assert!(
        environment.contains("S7_SIGNAL_MASK="),
        "the mask was handed over: {environment}"
    );
}
