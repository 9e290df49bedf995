//! The supervisor itself: not there, started, stopped, restarted; its program; the utility script.

use super::*;

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
        &["logs", "-f"],
        &["signal", "HUP", "all"],
        &["wait"],
        &["why"],
        &["events"],
        &["events", "-f"],
        &["info"],
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
