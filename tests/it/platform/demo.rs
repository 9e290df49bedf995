//! `s7supervisord demo`: the main job on an embedded registry.

use s7tests::daemon::Daemon;
use s7tests::eventually::{SOON, eventually};
use s7tests::programs;
use s7tests::sandbox::Sandbox;
use serde_json::Value;

#[test]
fn the_demo_serves_and_says_what_to_try() {
    let sandbox = Sandbox::new();
    let mut command = sandbox.program(programs::DAEMON);
    command
        .arg("demo")
        .env("TMPDIR", sandbox.path("temp"))
        .env("XDG_RUNTIME_DIR", sandbox.path("temp"));
    let daemon = Daemon::spawn(&sandbox, command);
    let said = eventually("the demo says which socket to use", SOON, || {
        let said = sandbox.read("daemon.stderr");
        let socket = said
            .split_whitespace()
            .find_map(|word| word.split_once("S7_SOCKET="))
            .map(|(_, path)| path.to_owned());
        socket.map(|socket| (socket, said.clone())).ok_or(said)
    });
    let socket = said
        .0
        .trim_matches(|letter| letter == '\'' || letter == '"')
        .to_owned();
    let status = || -> Value {
        let mut command = sandbox.program(programs::CTL);
        s7tests::ctl::run(command.env("S7_SOCKET", &socket).args(["--json", "status"])).json()
    };
    let running = eventually("the three components run", SOON, || {
        let status = status();
        let all = status["components"].as_array().cloned().unwrap_or_default();
        let running = all.iter().filter(|one| one["state"] == "RUNNING").count();
        if running == 3 {
            Ok(all)
        } else {
            Err(status.to_string())
        }
    });
    let ids: Vec<_> = running
        .iter()
        .map(|one| (one["id"].as_str(), one["tier"].as_i64()))
        .collect();
    assert_eq!(
        ids,
        [
            (Some("is"), Some(1)),
            (Some("svg"), Some(1)),
            (Some("ps"), Some(2))
        ]
    );
    drop(daemon);
}
