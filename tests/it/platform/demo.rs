//! `s7supervisord demo`: the main job on an embedded registry, with nothing set up.

use rustix::process::Signal;
use s7tests::daemon::{Daemon, pid};
use s7tests::eventually::{SOON, eventually};
use s7tests::processes::{is_alive, send};
use s7tests::sandbox::Sandbox;
use s7tests::{ctl, programs};
use serde_json::Value;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

/// What the server on that port answers to a real request.
fn page(port: u16) -> Result<String, String> {
    let told = |error: std::io::Error| error.to_string();
    let mut stream = TcpStream::connect(("127.0.0.1", port)).map_err(told)?;
    stream
        .set_read_timeout(Some(Duration::from_secs(5)))
        .map_err(told)?;
    stream
        .write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        .map_err(told)?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).map_err(told)?;
    Ok(answer)
}

/// The three components once they all run.
fn running(sandbox: &Sandbox, socket: &str) -> Vec<Value> {
    eventually("the three components run", SOON, || {
        let mut command = sandbox.program(programs::CTL);
        let said = ctl::run(command.env("S7_SOCKET", socket).args(["--json", "status"]));
        let status: Value = serde_json::from_str(&said.stdout).map_err(|_| said.to_string())?;
        let all = status["components"].as_array().cloned().unwrap_or_default();
        let count = all.iter().filter(|one| one["state"] == "RUNNING").count();
        if count == 3 {
            Ok(all)
        } else {
            Err(status.to_string())
        }
    })
}

#[test]
fn the_demo_serves_and_says_what_to_try() {
    let sandbox = Sandbox::new();
    let mut command = sandbox.program(programs::DAEMON);
    command.arg("demo").env("TMPDIR", sandbox.path("temp"));
    let daemon = Daemon::spawn(&sandbox, command);
    let (socket, ports) = eventually("the demo says what to try", SOON, || {
        let said = sandbox.read("daemon.stderr");
        let words = || said.split_whitespace();
        let socket = words()
            .find_map(|word| word.strip_prefix("S7_SOCKET="))
            .map(str::to_owned);
        let port = |url: &str| {
            url.strip_prefix("http://127.0.0.1:")?
                .strip_suffix('/')?
                .parse::<u16>()
                .ok()
        };
        let ports: Vec<_> = words().filter_map(port).collect();
        match socket {
            Some(socket) if !ports.is_empty() && said.contains("shutdown") => Ok((socket, ports)),
            _ => Err(said.clone()),
        }
    });
    let components = running(&sandbox, &socket);
    let ids: Vec<_> = components
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
    let pids: Vec<_> = components.iter().map(|one| pid(one).expect("it runs")).collect();
    for port in &ports {
        let answer = page(*port).expect("it serves");
        let told = |pid: &u32| answer.contains(&format!("pid {pid}\n"));
        assert!(
            answer.starts_with("HTTP/1.1 200 OK") && pids.iter().any(told),
            "{pids:?} in {answer}"
        );
    }
    send(pids[2], Signal::KILL);
    let again = eventually("the killed one is back", SOON, || {
        let now = running(&sandbox, &socket);
        if pid(&now[2]) == Some(pids[2]) {
            Err(now[2].to_string())
        } else {
            Ok(pid(&now[2]).expect("it runs"))
        }
    });
    let served: Vec<_> = ports.iter().filter_map(|port| page(*port).ok()).collect();
    assert!(
        served
            .iter()
            .any(|answer| answer.contains(&format!("pid {again}\n"))),
        "{served:?}"
    );
    // The next image serves the same demo, on the same ports.
    let mut upgrade = sandbox.program(programs::CTL);
    ctl::run(upgrade.env("S7_SOCKET", &socket).arg("upgrade")).exits(0);
    for one in running(&sandbox, &socket) {
        assert_eq!(
            (&one["adopted"], &one["reason_code"] == "needs_restart"),
            (&true.into(), false),
            "{one}"
        );
    }
    daemon.stop();
    let left: Vec<_> = pids
        .iter()
        .chain([&again])
        .filter(|pid| is_alive(**pid))
        .collect();
    assert!(left.is_empty(), "after the demo these are left: {left:?}");
    let files: Vec<_> = std::fs::read_dir(sandbox.path("temp"))
        .expect("the sandbox is ours")
        .flatten()
        .collect();
    assert!(files.is_empty(), "after the demo these files are left: {files:?}");
}
