//! One call with a supervisor that answers, refuses, is silent, or breaks off.

use super::*;

#[tokio::test]
async fn status_shows_a_line_for_each_component_without_colour_and_ends_with_its_exit_code() {
    let said = with(&Place::new(), &["status"], async |listener| {
        let (_open, request) = answer(&listener, Done::Status(report(State::Running))).await;
        assert_eq!(request, Request::Overview(Selection::All));
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
        assert_eq!(request, Request::Overview(named("is")));
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
         hint: it is tried again, unless its policy says otherwise; what comes next: s7ctl why ps\n"
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
