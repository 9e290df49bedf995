//! `s7ctl` as a program, against a supervisor made of `s7proto`'s own channel, and against ones that misbehave.
#![cfg(unix)]
#![expect(
    clippy::unwrap_used,
    reason = "in a test a panic is the report, also in its helpers"
)]

mod conversation;
mod itself;
mod replaced;
mod streams;
mod verbs;

use s7proto::channel::ServerChannel;
use s7proto::hello::{HELLO_BYTES, Hello};
use s7proto::name::ComponentName;
use s7proto::refusal::Refusal;
use s7proto::reply::*;
use s7proto::request::{Request, Selection};
use s7proto::status::*;
use s7proto::version::{PROTOCOL, Version};
use serde_json::Value;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};

/// Longer than anything here takes, shorter than a person's patience.
const SOON: Duration = Duration::from_secs(20);

/// A folder with a socket in it, and `s7ctl` pointed there.
struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn socket(&self) -> PathBuf {
        self.path("control.sock")
    }

    fn ctl(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_s7ctl"));
        command
            .args(arguments)
            .env_clear()
            .env("S7_SOCKET", self.socket())
            .env("TZ", "UTC")
            .stdin(Stdio::null());
        command
    }

    /// A program that `s7ctl` takes for the supervisor's.
    fn program(&self, script: &str) -> PathBuf {
        let path = self.path("program");
        std::fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o755)).unwrap();
        path
    }
}

/// What a call of `s7ctl` left behind.
#[derive(Debug)]
#[must_use]
struct Said {
    exit: i32,
    out: String,
    err: String,
}

impl Said {
    fn of(output: Output) -> Self {
        Self {
            exit: output.status.code().unwrap(),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// Standard output of a stream: one object for each line.
    fn lines(&self) -> Vec<Value> {
        let lines = self.out.lines().map(serde_json::from_str);
        lines
            .collect::<Result<_, _>>()
            .unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

/// Runs `s7ctl` while `serve` plays the supervisor; both have to come to an end.
async fn with<F>(place: &Place, arguments: &[&str], serve: F) -> Said
where
    F: AsyncFnOnce(UnixListener),
{
    let listener = UnixListener::bind(place.socket()).unwrap();
    let mut command = place.ctl(arguments);
    let ctl = tokio::task::spawn_blocking(move || command.output().unwrap());
    let both = async { tokio::join!(serve(listener), ctl) };
    let ((), output) = tokio::time::timeout(SOON, both)
        .await
        .expect("s7ctl has not ended");
    Said::of(output.unwrap())
}

async fn accept(listener: &UnixListener) -> UnixStream {
    listener.accept().await.unwrap().0
}

/// The next request of the next client.
async fn asked(listener: &UnixListener) -> (ServerChannel<UnixStream>, u64, Request) {
    let mut channel = ServerChannel::greet(accept(listener).await, SOON).await.unwrap();
    let (id, request) = channel.recv(SOON).await.unwrap().unwrap();
    (channel, id, request.unwrap())
}

async fn answer(listener: &UnixListener, done: Done) -> (ServerChannel<UnixStream>, Request) {
    let (mut channel, id, request) = asked(listener).await;
    channel.send(id, &Response::Done(done), SOON).await.unwrap();
    (channel, request)
}

fn name(text: &str) -> ComponentName {
    ComponentName::parse(text).unwrap()
}

fn named(text: &str) -> Selection {
    Selection::Named(vec![name(text)])
}

const RUN: RunInfo = RunInfo { run: 1, pid: 4121 };

fn part(component: &str, outcome: Outcome) -> Part {
    Part {
        component: name(component),
        outcome,
        took_us: 310_000,
    }
}

fn report(state: State) -> StatusReport {
    StatusReport {
        supervisor: SupervisorStatus {
            pid: 812,
            version: "0.1.0".into(),
            uptime_us: 5_000_000,
            registry: "/r.xml".into(),
            containment: "group".into(),
            state_not_persisted: None,
        },
        components: vec![ComponentStatus {
            id: name("is"),
            description: "Image server".into(),
            tier: 1,
            wish: Wish::Up,
            state,
            health: Health::None,
            pid: Some(4121),
            run: 1,
            uptime_us: Some(3_000_000),
            restarts: 0,
            memory_bytes: None,
            cpu_percent: None,
            last_exit: None,
            next_try_us: None,
            reason: None,
            output_dropped_bytes: 0,
        }],
    }
}
