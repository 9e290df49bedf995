//! Answers that don't end: output and events as they come, and all the ways in which they do end.

use super::*;
use s7proto::event::{Event, Happening};
use std::os::unix::process::ExitStatusExt;

fn output(component: &str, bytes: &[u8]) -> Notice {
    Notice::Output {
        component: name(component),
        bytes: bytes.to_vec(),
    }
}

fn entered(sequence: u64, component: &str, state: State) -> Notice {
    Notice::Happened(Event {
        sequence,
        at_ms: 1_795_343_465_250,
        component: Some(name(component)),
        what: Happening::Entered {
            state,
            run: 4,
            pid: Some(4188),
            reason: None,
        },
    })
}

fn several(names: &[&str]) -> StatusReport {
    let one = report(State::Running);
    let components = names.iter().map(|id| ComponentStatus {
        id: name(id),
        ..one.components[0].clone()
    });
    StatusReport {
        components: components.collect(),
        ..one.clone()
    }
}

/// Answers who it is about, and gives the request for the stream.
async fn follower(listener: &UnixListener, names: &[&str]) -> (ServerChannel<UnixStream>, u64, Request) {
    let (mut channel, request) = answer(listener, Done::Status(several(names))).await;
    assert!(matches!(request, Request::Status(_)), "{request:?}");
    let (id, request) = channel.recv(SOON).await.unwrap().unwrap();
    (channel, id, request.unwrap())
}

async fn send(channel: &mut ServerChannel<UnixStream>, id: u64, notices: Vec<Notice>) {
    for notice in notices {
        channel.send(id, &Response::Notice(notice), SOON).await.unwrap();
    }
}

async fn end(channel: &mut ServerChannel<UnixStream>, id: u64) {
    let ended = Response::Done(Done::StreamEnded);
    channel.send(id, &ended, SOON).await.unwrap();
}

#[tokio::test]
async fn output_of_several_components_is_whole_lines_until_the_supervisor_ends() {
    let said = with(
        &Place::new(),
        &["logs", "-f", "-n", "5", "is", "text-*"],
        async |listener| {
            let (mut channel, id, request) = follower(&listener, &["is", "text-1"]).await;
            let patterns = ["is", "text-*"].map(|text| s7proto::pattern::Pattern::parse(text).unwrap());
            let which = Selection::Matching(patterns.to_vec());
            assert_eq!(request, Request::Follow { which, lines: 5 });
            let notices = vec![
                output("is", b"one\ntw"),
                output("text-1", b"x\n"),
                output("is", b"o\nopen"),
            ];
            send(&mut channel, id, notices).await;
            end(&mut channel, id).await;
        },
    )
    .await;
    assert_eq!(
        (said.exit, said.out.as_str(), said.err.as_str()),
        (
            3,
            "is     | one\ntext-1 | x\nis     | two\nis     | open\n",
            "error: the supervisor has ended\n"
        )
    );
}

#[tokio::test]
async fn output_of_one_component_goes_through_byte_for_byte_and_at_once() {
    let place = Place::new();
    let listener = UnixListener::bind(place.socket()).unwrap();
    let mut child = place
        .ctl(&["logs", "-f", "is"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let (mut channel, id, _) = follower(&listener, &["is"]).await;
    let bytes = b"\xff\x00 no newline, \x1b[31m and ".to_vec();
    send(&mut channel, id, vec![output("is", &bytes)]).await;
    // Before anything else is sent, and without a newline.
    let mut stdout = child.stdout.take().unwrap();
    let shown = tokio::task::spawn_blocking(move || {
        let mut shown = vec![0; bytes.len()];
        stdout.read_exact(&mut shown).unwrap();
        (shown == bytes, stdout)
    });
    let (same, mut stdout) = tokio::time::timeout(SOON, shown).await.unwrap().unwrap();
    assert!(same);
    send(&mut channel, id, vec![output("is", b"more\r\n")]).await;
    end(&mut channel, id).await;
    let rest = tokio::task::spawn_blocking(move || {
        let mut rest = Vec::new();
        stdout.read_to_end(&mut rest).unwrap();
        (rest, child.wait().unwrap().code())
    });
    assert_eq!(rest.await.unwrap(), (b"more\r\n".to_vec(), Some(3)));
}

#[tokio::test]
async fn a_reader_that_has_gone_ends_a_stream_without_a_word_also_while_nothing_comes() {
    for verb in [&["logs", "-f"][..], &["events", "-f"]] {
        let place = Place::new();
        let listener = UnixListener::bind(place.socket()).unwrap();
        let mut child = place
            .ctl(verb)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut open = if verb[0] == "logs" {
            follower(&listener, &["is"]).await.0
        } else {
            asked(&listener).await.0
        };
        drop(child.stdout.take());
        let gone = tokio::time::timeout(SOON, open.recv(SOON)).await.unwrap();
        assert!(gone.unwrap().is_none(), "s7ctl has gone");
        let ended = tokio::task::spawn_blocking(move || Said::of(child.wait_with_output().unwrap()));
        let said = ended.await.unwrap();
        assert_eq!((said.exit, said.err.as_str()), (0, ""), "{verb:?}");
    }
}

#[tokio::test]
async fn a_stream_is_followed_for_as_long_as_the_caller_says_and_no_longer() {
    let quiet = with(
        &Place::new(),
        &["logs", "-f", "--timeout", "200ms"],
        async |listener| {
            let (mut channel, ..) = follower(&listener, &["is"]).await;
            assert!(channel.recv(SOON).await.unwrap().is_none(), "s7ctl has gone");
        },
    )
    .await;
    let chatty = with(
        &Place::new(),
        &["logs", "-f", "--timeout", "200ms"],
        async |listener| {
            let (mut channel, id, _) = follower(&listener, &["is"]).await;
            let line = Response::Notice(output("is", b"line\n"));
            // It never pauses, so that only the time can end it.
            while channel.send(id, &line, SOON).await.is_ok() {}
        },
    )
    .await;
    for said in [&quiet, &chatty] {
        assert_eq!(
            (said.exit, said.err.as_str()),
            (6, "error: followed for 0.20 s, as --timeout says\n")
        );
    }
    assert!(chatty.out.starts_with("line\nline\n") && quiet.out.is_empty());
}

#[tokio::test]
async fn output_that_cannot_be_read_is_told_once_for_each_change() {
    let unreadable = |why: &str| Notice::OutputUnreadable {
        component: name("is"),
        why: why.into(),
    };
    let notices = vec![
        unreadable("no such file"),
        unreadable("no such file"),
        unreadable("not permitted"),
        output("is", b"back\n"),
        unreadable("not permitted"),
    ];
    let serve = async |listener: UnixListener| {
        let (mut channel, id, _) = follower(&listener, &["is"]).await;
        send(&mut channel, id, notices.clone()).await;
        end(&mut channel, id).await;
    };
    let said = with(&Place::new(), &["logs", "-f"], &serve).await;
    let told: Vec<&str> = said.err.lines().filter(|line| line.starts_with("is: ")).collect();
    assert_eq!(
        told,
        ["no such file", "not permitted", "not permitted"]
            .map(|why| format!("is: its output cannot be read at the moment: {why}"))
    );
    assert_eq!(said.out, "back\n");

    let said = with(&Place::new(), &["logs", "-f", "--json"], &serve).await;
    assert_eq!(said.err, "");
    let lines: Vec<Value> = said.lines();
    let whole: Vec<(&Value, &Value)> = lines.iter().map(|line| (&line["line"], &line["error"])).collect();
    let null = &Value::Null;
    assert_eq!(
        whole[..4],
        [
            (null, &"no such file".into()),
            (null, &"not permitted".into()),
            (&"back".into(), null),
            (null, &"not permitted".into()),
        ]
    );
    assert_eq!(
        lines[4]["error"]["code"], "no_supervisor",
        "the last line says why it ends"
    );
}

#[tokio::test]
async fn events_are_a_line_each_for_people_and_an_object_each_for_programs() {
    let serve = async |listener: UnixListener| {
        let (mut channel, id, request) = asked(&listener).await;
        let which = Selection::All;
        assert_eq!(
            request,
            Request::Events {
                which,
                last: 20,
                follow: true
            }
        );
        let snapshot = Notice::Snapshot {
            sequence: 300,
            report: several(&["is", "a-longer-name"]),
        };
        let notices = vec![
            snapshot,
            entered(300, "is", State::Running),
            Notice::Missed { events: 70 },
            entered(371, "a-longer-name", State::Backoff),
        ];
        send(&mut channel, id, notices).await;
        end(&mut channel, id).await;
    };
    let said = with(&Place::new(), &["events", "-f"], &serve).await;
    assert_eq!(
        (said.exit, said.err.as_str()),
        (3, "error: the supervisor has ended\n")
    );
    let at = |line: &str| line.split_once("  ").map(|(_, rest)| rest.to_owned());
    let lines: Vec<&str> = said.out.lines().collect();
    assert_eq!(
        at(lines[0]).as_deref(),
        Some("is             RUNNING, run 4, pid 4188")
    );
    assert_eq!(
        lines[1],
        "\u{2026} 70 events were passed over: this end was too slow"
    );
    assert_eq!(
        at(lines[2]).as_deref(),
        Some("a-longer-name  BACKOFF, run 4, pid 4188")
    );
    assert_eq!(lines.len(), 3);

    let said = with(&Place::new(), &["events", "-f", "--json"], &serve).await;
    assert_eq!((said.exit, said.err.as_str()), (3, ""));
    let lines = said.lines();
    let kinds: Vec<_> = lines.iter().map(|line| line["event"].as_str()).collect();
    assert_eq!(
        kinds,
        [
            Some("snapshot"),
            Some("entered"),
            Some("missed"),
            Some("entered"),
            None
        ]
    );
    let numbers: Vec<_> = lines.iter().map(|line| line["sequence"].as_u64()).collect();
    assert_eq!(numbers, [Some(300), Some(300), None, Some(371), None]);
    assert_eq!(lines[0]["components"][1]["id"], "a-longer-name");
    assert_eq!(lines[2]["events"], 70);
    assert_eq!(lines[4]["error"]["exit"], 3);
}

#[tokio::test]
async fn an_end_without_a_word_and_a_refusal_say_what_they_are() {
    let said = with(&Place::new(), &["events", "-f"], async |listener| {
        drop(asked(&listener).await);
    })
    .await;
    assert_eq!(said.exit, 3, "as when it is killed");
    assert!(
        said.err.contains("closed the connection without a word"),
        "{said:?}"
    );
    let said = with(&Place::new(), &["logs", "-f", "is"], async |listener| {
        let (mut channel, id, _) = follower(&listener, &["is"]).await;
        let uid = Some(1000);
        let needed = s7proto::refusal::Permission::Control;
        let refusal = Response::Refused(Refusal::NotPermitted { uid, needed });
        channel.send(id, &refusal, SOON).await.unwrap();
    })
    .await;
    assert_eq!((said.exit, said.out.as_str()), (5, ""));
}

#[tokio::test]
async fn ctrl_c_ends_a_stream_as_it_ends_any_program() {
    let place = Place::new();
    let listener = UnixListener::bind(place.socket()).unwrap();
    // What a shell starts in the background ignores SIGINT, and so would everything that these tests start.
    let ctl = place.ctl(&["logs", "-f", "is"]);
    let child = std::process::Command::new("/usr/bin/env")
        .env_clear()
        .envs(ctl.get_envs().filter_map(|(name, value)| Some((name, value?))))
        .arg("--default-signal=INT")
        .arg(ctl.get_program())
        .args(ctl.get_args())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let _open = follower(&listener, &["is"]).await;
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    let ended = tokio::task::spawn_blocking(move || child.wait_with_output().unwrap());
    let output = tokio::time::timeout(SOON, ended).await.unwrap().unwrap();
    assert_eq!(output.status.signal(), Some(2), "the shell makes 130 of it");
    assert_eq!((output.stdout, output.stderr), (vec![], vec![]));
}
