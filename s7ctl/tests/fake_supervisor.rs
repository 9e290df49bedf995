//! `s7ctl` as a program, against a supervisor made of `s7proto`'s own channel, and against ones that misbehave.
#![cfg(unix)]
#![expect(
    clippy::unwrap_used,
    reason = "in a test a panic is the report, also in its helpers"
)]

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

#[tokio::test]
async fn status_shows_a_line_for_each_component_without_colour_and_ends_with_its_exit_code() {
    let said = with(&Place::new(), &["status"], async |listener| {
        let (_open, request) = answer(&listener, Done::Status(report(State::Running))).await;
        assert_eq!(request, Request::Status(Selection::All));
    })
    .await;
    assert_eq!((said.exit, said.err.as_str()), (0, ""), "{said:?}");
    let line = said.out.lines().nth(1).unwrap();
    let words: Vec<&str> = line.split_whitespace().collect();
    assert_eq!(
        words,
        [
            "is", "RUNNING", "-", "4121", "3s", "0", "-", "-", "Image", "server"
        ]
    );
    assert!(!said.out.contains('\u{1b}'), "{said:?}");
}

#[tokio::test]
async fn status_of_something_that_does_not_run_ends_with_3_also_as_json() {
    let said = with(&Place::new(), &["status", "is", "--json"], async |listener| {
        let (_open, request) = answer(&listener, Done::Status(report(State::Backoff))).await;
        assert_eq!(request, Request::Status(named("is")));
    })
    .await;
    assert_eq!((said.exit, said.err.as_str()), (3, ""), "{said:?}");
    let json = said.json();
    assert_eq!(
        (json["ok"].as_bool(), json["supervisor"]["pid"].as_u64()),
        (Some(false), Some(812))
    );
    assert_eq!(json["components"][0]["state"], "BACKOFF");
}

#[tokio::test]
async fn start_waits_through_its_notices_and_keeps_talk_from_scripts() {
    let said = with(&Place::new(), &["start", "is"], async |listener| {
        let (mut channel, id, request) = asked(&listener).await;
        assert_eq!(request, Request::Start(named("is")));
        let started = part("is", Outcome::Started(RUN));
        for notice in [
            Notice::Entered {
                component: name("is"),
                state: State::Starting,
            },
            Notice::Finished(started.clone()),
        ] {
            channel.send(id, &Response::Notice(notice), SOON).await.unwrap();
        }
        let done = Response::Done(Done::Operation(vec![started]));
        channel.send(id, &done, SOON).await.unwrap();
    })
    .await;
    assert_eq!(
        (said.exit, said.out.as_str(), said.err.as_str()),
        (0, "is: started, pid 4121 (0.31 s)\n", "")
    );
}

#[tokio::test]
async fn a_failed_start_says_what_failed_and_what_to_do_and_ends_with_1() {
    let failure = SpawnFailure {
        stage: SpawnStage::ChangingDirectory,
        subject: "/srv/ps".into(),
        os_error: Some(2),
        cause: "No such file or directory".into(),
        host_fault: false,
    };
    let parts = vec![
        part("is", Outcome::AlreadyUp(RUN)),
        part("ps", Outcome::FailedSpawn(failure)),
    ];
    let said = with(&Place::new(), &["start", "all"], async |listener| {
        let (_open, request) = answer(&listener, Done::Operation(parts)).await;
        assert_eq!(request, Request::Start(Selection::All));
    })
    .await;
    assert_eq!(
        (said.exit, said.out.as_str()),
        (1, "is: was running already, pid 4121\n")
    );
    assert_eq!(
        said.err,
        "error: ps: cannot start: changing directory to /srv/ps: No such file or directory (os error 2)\n\
         hint: the supervisor keeps trying; see: s7ctl logs ps\n"
    );
}

#[tokio::test]
async fn refusals_have_their_exit_codes_and_their_hints() {
    let refusal = Refusal::NoSuchComponent {
        name: name("pd"),
        similar: vec![name("ps")],
    };
    let refuse = async |listener: UnixListener| {
        let (mut channel, id, _request) = asked(&listener).await;
        channel
            .send(id, &Response::Refused(refusal.clone()), SOON)
            .await
            .unwrap();
    };
    let said = with(&Place::new(), &["restart", "pd"], &refuse).await;
    assert_eq!(
        (said.exit, said.out.as_str(), said.err.as_str()),
        (
            4,
            "",
            "error: no component is called pd\nhint: did you mean ps? s7ctl status shows all components\n"
        )
    );
    let said = with(&Place::new(), &["restart", "pd", "--json"], &refuse).await;
    let json = said.json();
    assert_eq!((said.exit, said.err.as_str()), (4, ""));
    assert_eq!(
        (json["schema"].as_u64(), json["ok"].as_bool()),
        (Some(1), Some(false))
    );
    assert!(json["data"].is_null());
    assert_eq!(json["error"]["component"], "pd");
    assert_eq!(json["error"]["exit"], 4);
}

#[tokio::test]
async fn a_timeout_ends_with_6_and_says_what_is_awaited_and_that_it_goes_on() {
    let said = with(
        &Place::new(),
        &["stop", "is", "--timeout", "300ms"],
        async |listener| {
            let (mut channel, id, request) = asked(&listener).await;
            assert_eq!(request, Request::Stop(named("is")));
            let notice = Notice::Entered {
                component: name("is"),
                state: State::Stopping,
            };
            channel.send(id, &Response::Notice(notice), SOON).await.unwrap();
            assert!(channel.recv(SOON).await.unwrap().is_none(), "s7ctl has gone");
        },
    )
    .await;
    assert_eq!((said.exit, said.out.as_str()), (6, ""));
    assert_eq!(
        said.err,
        "error: timed out after 0.30 s, still waiting for is (STOPPING)\n\
         hint: the operation goes on in the supervisor; see: s7ctl status\n"
    );
}

#[tokio::test]
async fn a_foreign_version_ends_with_7_and_says_which_side_is_older() {
    for (major, older) in [
        (PROTOCOL.major + 1, "s7ctl is older"),
        (0, "the supervisor is older"),
    ] {
        let said = with(&Place::new(), &["status"], async |listener| {
            let mut stream = accept(&listener).await;
            stream.read_exact(&mut [0; HELLO_BYTES]).await.unwrap();
            let hello = Hello {
                version: Version { major, minor: 3 },
                ..Hello::ours(1024)
            };
            stream.write_all(&hello.encode()).await.unwrap();
        })
        .await;
        assert_eq!((said.exit, said.out.as_str()), (7, ""));
        assert!(
            said.err.contains(older) && said.err.contains(&format!("{major}.3")),
            "{said:?}"
        );
    }
}

#[tokio::test]
async fn an_end_inside_a_frame_and_an_end_without_an_answer_are_told_apart() {
    let torn = with(&Place::new(), &["status"], async |listener| {
        let mut stream = accept(&listener).await;
        stream.read_exact(&mut [0; HELLO_BYTES]).await.unwrap();
        stream.write_all(&Hello::ours(65536).encode()).await.unwrap();
        // The whole request first: closing with unread bytes would reset the connection.
        let mut request = [0; 64];
        assert!(stream.read(&mut request).await.unwrap() > 12);
        stream.write_all(&[100, 0, 0, 0, 1, 0, 0]).await.unwrap();
    })
    .await;
    assert_eq!(torn.exit, 1);
    assert!(
        torn.err.contains("ended in the middle of it, after 7 bytes"),
        "{torn:?}"
    );

    let silent = with(&Place::new(), &["stop", "is"], async |listener| {
        drop(asked(&listener).await);
    })
    .await;
    assert_eq!(silent.exit, 1);
    assert!(
        silent.err.contains("closed the connection before it answered"),
        "{silent:?}"
    );
}

#[tokio::test]
async fn something_that_never_answers_is_given_up_in_time() {
    let said = with(
        &Place::new(),
        &["status", "--timeout", "200ms"],
        async |listener| {
            let mut stream = accept(&listener).await;
            let mut sent = Vec::new();
            stream.read_to_end(&mut sent).await.unwrap();
            assert_eq!(sent.len(), HELLO_BYTES, "a greeting and no more");
        },
    )
    .await;
    assert_eq!(said.exit, 6);
    assert!(
        said.err.contains("does not answer: no greeting within 0.20 s"),
        "{said:?}"
    );

    let said = with(&Place::new(), &["status", "--json"], async |listener| {
        let mut stream = accept(&listener).await;
        stream.write_all(b"HTTP/1.1 400 Bad Req").await.unwrap();
        let mut sent = Vec::new();
        stream.read_to_end(&mut sent).await.unwrap();
    })
    .await;
    assert_eq!(said.exit, 1);
    let error = &said.json()["error"];
    assert!(
        error["message"].as_str().unwrap().contains("is not a supervisor"),
        "{error}"
    );
}

#[tokio::test]
async fn without_a_supervisor_every_verb_says_so_in_its_own_way_and_starts_nothing() {
    let place = Place::new();
    // It would leave a trace if it were started.
    let program = place.program(&format!("touch {}", place.path("started").display()));
    let run = |arguments: &[&str]| {
        Said::of(
            place
                .ctl(arguments)
                .env("S7_SUPERVISORD", &program)
                .output()
                .unwrap(),
        )
    };
    let status = run(&["status"]);
    assert_eq!((status.exit, status.err.as_str()), (3, ""));
    assert_eq!(
        status.out,
        format!(
            "The supervisor is not running: nothing answers at {}.\n",
            place.socket().display()
        )
    );
    let json = run(&["status", "--json"]).json();
    assert!(json["supervisor"].is_null() && json["ok"] == false, "{json}");

    let stop = run(&["stop"]);
    assert_eq!((stop.exit, stop.err.as_str()), (0, ""), "{stop:?}");
    for verb in [
        &["start", "is"][..],
        &["stop", "all"],
        &["restart", "is"],
        &["reload"],
        &["logs"],
        &["check"],
        &["shutdown"],
    ] {
        let said = run(verb);
        assert_eq!((said.exit, said.out.as_str()), (3, ""), "{verb:?}");
        assert!(
            said.err.contains("nothing answers at") && said.err.contains("s7ctl start"),
            "{said:?}"
        );
    }
    let version = run(&["version"]);
    assert_eq!(version.exit, 3);
    assert!(
        version.out.starts_with("s7ctl ") && version.out.ends_with("is not running\n"),
        "{version:?}"
    );
    assert!(!place.path("started").exists());
}

#[tokio::test]
async fn both_places_are_tried_and_named_where_none_was_given() {
    let place = Place::new();
    let said = Said::of(
        place
            .ctl(&["logs"])
            .env_remove("S7_SOCKET")
            .env("XDG_RUNTIME_DIR", place.folder.path())
            .output()
            .unwrap(),
    );
    // Whoever has a real supervisor on this machine gets its answer instead.
    if !Path::new("/run/s7supervisord/control.sock").exists() {
        assert_eq!(said.exit, 3);
        let user = place.path("s7supervisord/control.sock");
        let both = format!("{} or at /run/s7supervisord/control.sock", user.display());
        assert!(said.err.contains(&both), "{said:?}");
    }
}

#[tokio::test]
async fn stop_without_names_waits_until_the_supervisor_has_ended() {
    let place = Place::new();
    let ended = place.path("ended");
    let said = with(&place, &["stop"], async |listener| {
        let parts = vec![part("is", Outcome::AlreadyDown)];
        let (channel, request) = answer(&listener, Done::ShutDown(parts)).await;
        assert_eq!(request, Request::Shutdown);
        tokio::time::sleep(Duration::from_millis(200)).await;
        std::fs::write(&ended, "").unwrap();
        drop(channel);
    })
    .await;
    assert_eq!(
        (said.exit, said.out.as_str()),
        (0, "is: was stopped already\n"),
        "{said:?}"
    );
    assert!(ended.exists());
}

#[tokio::test]
async fn a_supervisor_that_does_not_end_after_the_stop_is_reported() {
    let said = with(
        &Place::new(),
        &["shutdown", "--timeout", "300ms"],
        async |listener| {
            let (mut channel, _request) = answer(&listener, Done::ShutDown(vec![])).await;
            assert!(channel.recv(SOON).await.unwrap().is_none(), "s7ctl gives up");
        },
    )
    .await;
    assert_eq!(said.exit, 6);
    assert!(said.err.contains("everything is stopped, but"), "{said:?}");
}

#[tokio::test]
async fn restart_without_names_comes_back_to_the_new_supervisor_and_starts_everything() {
    let place = Place::new();
    let socket = place.socket();
    let said = with(&place, &["restart"], async |listener| {
        let (channel, request) = answer(&listener, Done::Restarting(vec![])).await;
        assert_eq!(request, Request::RestartSupervisor);
        // As long as the old one is there it is left in peace: a new connection would be lost with it.
        let early = tokio::time::timeout(Duration::from_millis(200), listener.accept()).await;
        assert!(
            early.is_err(),
            "s7ctl came back before the old supervisor had ended"
        );
        // The old one goes with its socket; the new one takes its time.
        drop(listener);
        std::fs::remove_file(&socket).unwrap();
        drop(channel);
        tokio::time::sleep(Duration::from_millis(100)).await;
        let listener = UnixListener::bind(&socket).unwrap();
        let parts = vec![part("is", Outcome::Started(RUN))];
        let (_open, request) = answer(&listener, Done::Operation(parts)).await;
        assert_eq!(request, Request::Start(Selection::All));
    })
    .await;
    assert_eq!(
        (said.exit, said.out.as_str(), said.err.as_str()),
        (0, "is: started, pid 4121 (0.31 s)\n", "")
    );
}

#[tokio::test]
async fn a_broken_registry_refuses_the_restart_before_anything_is_stopped() {
    let said = with(&Place::new(), &["restart"], async |listener| {
        let (mut channel, id, _request) = asked(&listener).await;
        let refusal = Refusal::RegistryBroken {
            file: "/r.xml".into(),
            diagnostics: vec![Diagnostic {
                severity: Severity::Error,
                file: "/r.xml".into(),
                line: 9,
                column: 7,
                message: "unknown profile".into(),
                hint: None,
                rendered: "error: unknown profile\n --> /r.xml:9:7\n".into(),
            }],
        };
        channel.send(id, &Response::Refused(refusal), SOON).await.unwrap();
    })
    .await;
    assert_eq!(said.exit, 1);
    assert!(said.err.contains("what runs is untouched"), "{said:?}");
    assert!(said.err.contains(" --> /r.xml:9:7"), "{said:?}");
}

#[tokio::test]
async fn start_brings_up_the_supervisor_detached_and_then_everything() {
    let place = Place::new();
    let (note, ready) = (place.path("note"), place.path("ready"));
    // It tells where it runs, what it was given, and its session, and makes no socket by itself: the test does.
    let program = place.program(&format!(
        "echo \"$PWD $* $(ps -o sid= -p $$) $$\" > {0}.new && mv {0}.new {0}\n\
         for i in $(seq 200); do [ -e {1} ] && exit 0; sleep 0.1; done",
        note.display(),
        ready.display()
    ));
    let mut command = place.ctl(&["start", "--json"]);
    command
        .env("S7_SUPERVISORD", &program)
        .env("PATH", std::env::var_os("PATH").unwrap());
    let ctl = tokio::task::spawn_blocking(move || command.output().unwrap());
    let told = tokio::time::timeout(SOON, async {
        loop {
            match std::fs::read_to_string(&note) {
                Ok(told) => break told,
                Err(_) => tokio::time::sleep(Duration::from_millis(5)).await,
            }
        }
    });
    let told = told.await.expect("the supervisor was not started");
    let listener = UnixListener::bind(place.socket()).unwrap();
    let parts = vec![part("is", Outcome::Started(RUN))];
    let (_open, request) = answer(&listener, Done::Operation(parts)).await;
    assert_eq!(request, Request::Start(Selection::All));
    let said = Said::of(ctl.await.unwrap());
    std::fs::write(&ready, "").unwrap();
    assert_eq!(
        (said.exit, said.json()["ok"].as_bool()),
        (0, Some(true)),
        "{said:?}"
    );

    let words: Vec<&str> = told.split_whitespace().collect();
    let socket = place.socket();
    assert_eq!(words[..4], ["/", "run", "--socket", socket.to_str().unwrap()]);
    assert_eq!(words[4], words[5], "a session of its own: {told}");
}

#[tokio::test]
async fn a_supervisor_that_ends_at_once_is_quoted_with_the_meaning_of_its_exit_code() {
    let place = Place::new();
    let program = place.program("echo 'r.xml:9:7: unknown profile' >&2; exit 78");
    let run = |program: &Path, verb: &[&str]| {
        Said::of(place.ctl(verb).env("S7_SUPERVISORD", program).output().unwrap())
    };
    let said = run(&program, &["start"]);
    assert_eq!((said.exit, said.out.as_str()), (1, ""));
    assert_eq!(
        said.err,
        "error: the supervisor did not start: it ended with exit code 78 (its registry cannot be loaded). \
         It said:\nr.xml:9:7: unknown profile\n"
    );
    let missing = place.path("nothing");
    let said = run(&missing, &["restart", "--json"]);
    assert_eq!(said.exit, 1);
    let message = said.json()["error"]["message"].as_str().unwrap().to_owned();
    assert!(
        message.contains(missing.to_str().unwrap()) && message.contains("No such file"),
        "{message}"
    );
}

#[tokio::test]
async fn a_supervisor_that_never_answers_is_not_waited_for_without_end() {
    let place = Place::new();
    let pid = place.path("pid");
    let program = place.program(&format!("echo $$ > {}; exec sleep 20", pid.display()));
    let mut command = place.ctl(&["start", "--timeout", "1s"]);
    command
        .env("S7_SUPERVISORD", program)
        .env("PATH", std::env::var_os("PATH").unwrap());
    let said = Said::of(command.output().unwrap());
    let pid: i32 = std::fs::read_to_string(&pid).unwrap().trim().parse().unwrap();
    let pid = rustix::process::Pid::from_raw(pid).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).expect("it lives on");
    assert_eq!(said.exit, 6);
    assert!(said.err.contains("does not answer within 1.00 s"), "{said:?}");
}

#[tokio::test]
async fn check_of_a_file_is_done_by_the_supervisors_program_with_the_callers_rights() {
    let place = Place::new();
    let program = place.program("echo \"$*\"; echo talk >&2; exit 78");
    let run = |arguments: &[&str]| {
        Said::of(
            place
                .ctl(arguments)
                .env("S7_SUPERVISORD", &program)
                .output()
                .unwrap(),
        )
    };
    let said = run(&["check", "r.xml"]);
    assert_eq!(
        (said.exit, said.out.as_str(), said.err.as_str()),
        (1, "check -- r.xml\n", "talk\n")
    );
    assert_eq!(
        run(&["check", "r.xml", "--strict", "--json"]).out,
        "check --strict --json -- r.xml\n"
    );
}

#[tokio::test]
async fn a_reader_that_has_gone_is_no_error() {
    let place = Place::new();
    let listener = UnixListener::bind(place.socket()).unwrap();
    let mut command = place.ctl(&["status"]);
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let (_open, _request) = answer(&listener, Done::Status(report(State::Running))).await;
    let exit = tokio::task::spawn_blocking(move || {
        let mut said = String::new();
        child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
        (child.wait().unwrap().code(), said)
    });
    assert_eq!(exit.await.unwrap(), (Some(0), String::new()));
}

#[tokio::test]
async fn data_that_cannot_be_written_is_a_failure() {
    let place = Place::new();
    let listener = UnixListener::bind(place.socket()).unwrap();
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let child = place
        .ctl(&["status"])
        .stdout(full)
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let (_open, _request) = answer(&listener, Done::Status(report(State::Running))).await;
    let output = tokio::task::spawn_blocking(move || child.wait_with_output().unwrap());
    let said = Said::of(output.await.unwrap());
    assert_eq!(said.exit, 1);
    assert!(said.err.contains("cannot write to standard output"), "{said:?}");
}

#[test]
fn what_makes_no_sense_on_the_command_line_ends_with_2_in_both_forms() {
    let place = Place::new();
    let said = Said::of(place.ctl(&["start", "a/b"]).output().unwrap());
    assert_eq!((said.exit, said.out.as_str()), (2, ""));
    assert!(said.err.contains("can't contain '/'"), "{said:?}");
    let said = Said::of(place.ctl(&["start", "a/b", "--json"]).output().unwrap());
    assert_eq!((said.exit, said.err.as_str()), (2, ""));
    assert_eq!(said.json()["error"]["code"], "usage");
    let long = format!("/{}", "x".repeat(200));
    let said = Said::of(place.ctl(&["status", "--socket", &long]).output().unwrap());
    assert_eq!(said.exit, 2);
    assert!(said.err.contains("has 201 bytes"), "{said:?}");
}

#[tokio::test]
async fn the_image_serving_script_passes_the_documented_verbs_on_to_s7ctl_beside_it() {
    let place = Place::new();
    let bin = place.path("bin");
    std::fs::create_dir(&bin).unwrap();
    let script = bin.join("ImageServing.sh");
    std::fs::copy(concat!(env!("CARGO_MANIFEST_DIR"), "/ImageServing.sh"), &script).unwrap();
    // As the documentation has it for the init system: reached from elsewhere.
    let link = place.path("ImageServing");
    std::os::unix::fs::symlink(&script, &link).unwrap();
    let run = |arguments: &[&str]| {
        let mut command = Command::new(&link);
        command
            .args(arguments)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap());
        Said::of(command.env("S7_SOCKET", place.socket()).output().unwrap())
    };
    let alone = run(&["status"]);
    assert_eq!(alone.exit, 1);
    assert!(alone.err.contains("s7ctl is missing"), "{alone:?}");

    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_s7ctl"), bin.join("s7ctl")).unwrap();
    for wrong in [&["upgrade"][..], &[]] {
        let said = run(wrong);
        assert_eq!((said.exit, said.out.as_str()), (2, ""));
        assert_eq!(
            said.err,
            "usage: ImageServing {start|stop|restart|status} [COMPONENT ...]\n"
        );
    }
    let said = run(&["status"]);
    assert_eq!(said.exit, 3);
    assert!(said.out.starts_with("The supervisor is not running"), "{said:?}");
    assert_eq!(run(&["stop"]).exit, 0);
    assert_eq!(run(&["restart", "no such"]).exit, 2);

    let listener = UnixListener::bind(place.socket()).unwrap();
    let mut command = Command::new(&link);
    command.args(["restart", "ps"]).env("S7_SOCKET", place.socket());
    let script = tokio::task::spawn_blocking(move || command.output().unwrap());
    let restarted = part(
        "ps",
        Outcome::Restarted {
            before: None,
            after: RUN,
        },
    );
    let (_open, request) = answer(&listener, Done::Operation(vec![restarted])).await;
    assert_eq!(request, Request::Restart(named("ps")));
    assert_eq!(Said::of(script.await.unwrap()).exit, 0);
}
