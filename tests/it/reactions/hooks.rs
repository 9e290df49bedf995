//! The command for failures: what it is told, as whom, how often, and that nothing of it is left.

use s7tests::eventually::{SOON, eventually, when};
use s7tests::processes::is_alive;
use s7tests::registry::Server;
use s7tests::sandbox::Sandbox;
use std::time::Duration;

/// Writes a line of what it is told into `told`, and its arguments into `arguments`.
const TELL: &str = "\
for one in \"$@\"; do echo \"[$one]\" >>arguments; done\n\
echo \"$(date +%s%3N) $S7_EVENT id=$S7_COMPONENT run=$S7_RUN code=$S7_EXIT_CODE signal=$S7_SIGNAL crashes=$S7_CRASHES \
missed=$S7_MISSED uid=$(id -u) log=$S7_LOG reason=$S7_REASON\" >>told\n";

fn shell(script: &str) -> String {
    format!(
        "<onFailure><executable>/bin/sh</executable><arguments><argument>{script}</argument>\
         <argument>a  b</argument><argument>*</argument><argument>$S7_RUN</argument></arguments></onFailure>"
    )
}

fn fixture(verbs: &str, timeout: &str) -> String {
    let arguments: Vec<String> = verbs
        .split_whitespace()
        .map(|verb| format!("<argument>{verb}</argument>"))
        .collect();
    let arguments = arguments.concat();
    format!(
        "<onFailure timeout=\"{timeout}\"><executable>bin/fixture</executable><arguments>{arguments}</arguments></onFailure>"
    )
}

/// What was told so far, without the times.
fn told(sandbox: &Sandbox) -> Vec<String> {
    let text = std::fs::read_to_string(sandbox.path("told")).unwrap_or_default();
    let lines = text.lines().filter_map(|line| line.split_once(' '));
    lines.map(|(_, what)| what.to_owned()).collect()
}

/// Waits for so many lines of `told`.
fn wait_told(sandbox: &Sandbox, count: usize) -> Vec<String> {
    eventually("it is told", Duration::from_secs(60), || {
        let told = told(sandbox);
        when(told.len() >= count, || format!("{told:?}")).map(|()| told)
    })
}

fn pid_in(sandbox: &Sandbox, file: &str) -> u32 {
    eventually("it has begun", SOON, || {
        let text = std::fs::read_to_string(sandbox.path(file)).unwrap_or_default();
        let pid = text.lines().find_map(|line| line.parse().ok());
        pid.ok_or_else(|| format!("{file}: {text:?}"))
    })
}

#[test]
fn a_storm_of_crashes_is_told_at_most_once_in_ten_seconds_with_those_that_were_not_told() {
    let sandbox = Sandbox::with(&[Server::new("is", "record starts exit 3").with(&shell("tell.sh"))]);
    sandbox.write("tell.sh", TELL);
    let daemon = sandbox.start();
    let lines = wait_told(&sandbox, 2);
    let log = sandbox.path("logs/is.log").display().to_string();
    let uid = rustix::process::getuid().as_raw();
    let rest = format!("missed=0 uid={uid} log={log} reason=exited with code 3");
    assert!(
        lines[0].starts_with("crashed id=is run=1 code=3 signal= crashes=1 ") && lines[0].ends_with(&rest),
        "{lines:?}"
    );
    // The first two starts follow each other at once, and the ones after that are a second and more apart.
    let word = |line: &str, name: &str| -> u64 {
        let found = line.split(' ').find_map(|word| word.strip_prefix(name));
        found.expect("it is told").parse().expect("it is a number")
    };
    assert!(word(&lines[1], "missed=") >= 1, "{lines:?}");
    assert_eq!(
        word(&lines[1], "run="),
        2 + word(&lines[1], "missed="),
        "{lines:?}"
    );
    let text = sandbox.read("told");
    let times: Vec<u64> = text
        .lines()
        .filter_map(|line| line.split(' ').next()?.parse().ok())
        .collect();
    assert!(times[1] - times[0] >= 9_000, "{text}");
    let arguments = sandbox.read("arguments");
    assert!(arguments.starts_with("[a  b]\n[*]\n[$S7_RUN]\n"), "{arguments}");
    daemon.stop();
}

#[test]
fn a_command_that_hangs_delays_no_restart_and_is_gone_with_all_that_it_has_made() {
    let hook = fixture("fork-in-group forked pid commands wait", "2");
    let sandbox = Sandbox::with(&[Server::new("is", "record starts exit-if first 1 wait").with(&hook)]);
    sandbox.write("first", "");
    let daemon = sandbox.start();
    let command = pid_in(&sandbox, "commands");
    std::fs::remove_file(sandbox.path("first")).expect("it is there");
    let forked = pid_in(&sandbox, "forked");
    daemon.wait_for("is", "RUNNING");
    eventually("it is gone", SOON, || {
        let left: Vec<u32> = [command, forked]
            .into_iter()
            .filter(|pid| is_alive(*pid))
            .collect();
        when(left.is_empty(), || format!("{left:?}"))
    });
    eventually("it is said", SOON, || {
        let log = sandbox.supervisor_log();
        when(log.contains("has taken longer than 2s and was killed"), || {
            log.clone()
        })
    });
    let starts = sandbox.starts("starts");
    let between = starts[1].at - starts[0].at;
    assert!(
        between < Duration::from_millis(1500),
        "the restart didn't wait: {between:?}"
    );
}

#[test]
fn giving_up_and_a_start_that_fails_are_told_with_their_reasons() {
    let sandbox = Sandbox::with(&[
        Server::new("is", "exit 4")
            .with("<restart maxRetries=\"1\"/>")
            .with(&shell("tell.sh")),
        Server::program("svg", "bin/nothing", Vec::new()).with(&shell("tell.sh")),
    ]);
    sandbox.write("tell.sh", TELL);
    let daemon = sandbox.start();
    let lines = wait_told(&sandbox, 4);
    let find = |begin: &str| lines.iter().find(|line| line.starts_with(begin));
    // The crash that it is given up for is one with that.
    let given_up = find("fatal id=is run=2 ").unwrap_or_else(|| panic!("{lines:?}"));
    assert!(
        given_up.contains("missed=1 ") && given_up.ends_with("2 crashes in a row: exited with code 4"),
        "{lines:?}"
    );
    let failed = find("start id=svg run=1 ").unwrap_or_else(|| panic!("{lines:?}"));
    assert!(
        failed.contains("missed=0 ") && failed.contains("No such file"),
        "{lines:?}"
    );
    daemon.stop();
}

#[test]
fn a_command_that_fails_is_in_the_log_with_its_last_words() {
    let hook = fixture("complain no-mail-today exit 5", "20");
    let sandbox = Sandbox::with(&[Server::new("is", "exit-if first 1 wait").with(&hook)]);
    sandbox.write("first", "");
    let daemon = sandbox.start();
    eventually("it is said", SOON, || {
        let log = sandbox.supervisor_log();
        when(log.contains("exited with code 5: no-mail-today"), || log.clone())
    });
    daemon.stop();
}

#[test]
fn a_command_that_hangs_ends_with_the_daemon() {
    let hook = fixture("fork-in-group forked pid commands wait", "60");
    let sandbox = Sandbox::with(&[Server::new("is", "exit 1").with(&hook)]);
    let daemon = sandbox.start();
    let (command, forked) = (pid_in(&sandbox, "commands"), pid_in(&sandbox, "forked"));
    daemon.stop();
    let left: Vec<u32> = [command, forked]
        .into_iter()
        .filter(|pid| is_alive(*pid))
        .collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn a_command_that_has_outlived_its_supervisor_is_ended_by_the_next_one() {
    let hook = fixture("fork-setsid escaped pid commands wait", "600");
    let sandbox = Sandbox::with(&[Server::new("is", "record starts exit-if first 1 wait").with(&hook)]);
    sandbox.write("first", "");
    let daemon = sandbox.start();
    let (escaped, command) = (pid_in(&sandbox, "escaped"), pid_in(&sandbox, "commands"));
    std::fs::remove_file(sandbox.path("first")).expect("it is there");
    let run = daemon.wait_for("is", "RUNNING");
    daemon.kill();
    let daemon = sandbox.start();
    eventually("it is gone", SOON, || {
        s7tests::processes::reap_adopted();
        let left = [escaped, command].into_iter().filter(|pid| is_alive(*pid));
        let left: Vec<u32> = left.collect();
        when(left.is_empty(), || format!("{left:?}"))
    });
    assert_eq!(daemon.component("is")["pid"], run["pid"]);
    daemon.stop();
}

#[test]
fn a_command_runs_as_the_components_user_needs_root() {
    let test = "a_command_runs_as_the_components_user_needs_root";
    if !rustix::process::geteuid().is_root() {
        return s7tests::not_run(test, "only root may become another user");
    }
    let server = Server::new("is", "exit 1").with("<user>nobody</user>");
    let sandbox = Sandbox::with(&[server.with(&fixture("print-identity exit 9", "20"))]);
    let program = s7tests::programs::path_of(s7tests::programs::FIXTURE);
    sandbox.copy_program(&program, s7tests::registry::FIXTURE);
    let daemon = sandbox.start();
    let passwd = std::fs::read_to_string("/etc/passwd").expect("every system has users");
    let nobody = passwd.lines().find(|line| line.starts_with("nobody:"));
    let uid = nobody
        .and_then(|line| line.split(':').nth(2))
        .expect("nobody is one");
    eventually("it says who it is", SOON, || {
        let log = sandbox.supervisor_log();
        let said = log
            .lines()
            .any(|line| line.contains("exited with code 9: ") && line.contains(&format!("uid {uid} ")));
        when(said, || log.clone())
    });
    daemon.stop();
}
