//! The verbs of protocol 1.1 that have one answer.

use super::*;
use s7proto::explain::{Explanation, Story};
use s7proto::overview::{ComponentFact, ComponentFacts, Overview};
use s7proto::pattern::Pattern;
use s7proto::request::Until;
use s7proto::signal::Signal;
use s7proto::version::Version;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

#[tokio::test]
async fn a_signal_is_told_for_each_component_and_what_does_not_run_is_3() {
    let parts = vec![
        part("is", Outcome::Signalled(RUN)),
        part("ps", Outcome::NotRunning),
    ];
    let said = with(&Place::new(), &["signal", "hup", "is", "ps"], async |listener| {
        let (_open, request) = answer(&listener, Done::Operation(parts.clone())).await;
        let which = Selection::Named(vec![name("is"), name("ps")]);
        let signal = Signal::Hup;
        assert_eq!(request, Request::Signal { which, signal });
    })
    .await;
    assert_eq!(
        (said.exit, said.out.as_str()),
        (3, "is: sent SIGHUP to pid 4121\n")
    );
    assert_eq!(
        said.err,
        "error: ps: does not run, so there is nothing to send SIGHUP to\n\
         hint: why: s7ctl why ps; start it with: s7ctl start ps\n"
    );
    // Of all nobody expects that all run.
    let said = with(&Place::new(), &["signal", "hup", "all"], async |listener| {
        let (_open, request) = answer(&listener, Done::Operation(parts.clone())).await;
        let which = Selection::All;
        let signal = Signal::Hup;
        assert_eq!(request, Request::Signal { which, signal });
    })
    .await;
    assert_eq!(
        (said.exit, said.out.as_str(), said.err.as_str()),
        (
            0,
            "is: sent SIGHUP to pid 4121\nps: does not run; nothing sent\n",
            ""
        )
    );
}

#[tokio::test]
async fn a_wait_says_who_is_there_and_who_never_will_be() {
    let failed = ExitReport {
        exit: Exit::Code(1),
        cause: EndCause::Crashed,
        at_ms: 0,
        lasted_us: 200_000,
    };
    let cases = [
        (Outcome::AlreadyUp(RUN), 0, "is: is up, pid 4121\n", ""),
        (
            Outcome::FailedRun(failed),
            1,
            "",
            "error: is: was given up: exited with code 1 after 0.20 s\nhint: s7ctl why is tells more\n",
        ),
        (
            Outcome::NotRunning,
            3,
            "",
            "error: is: nobody wants it to run, so there is nothing to wait for\n\
             hint: start it with: s7ctl start is\n",
        ),
    ];
    for (outcome, exit, out, err) in cases {
        let said = with(&Place::new(), &["wait", "is"], async |listener| {
            let done = Done::Operation(vec![part("is", outcome)]);
            let (_open, request) = answer(&listener, done).await;
            let until = Until::Up;
            assert_eq!(
                request,
                Request::Wait {
                    which: named("is"),
                    until
                }
            );
        })
        .await;
        assert_eq!(
            (said.exit, said.out.as_str(), said.err.as_str()),
            (exit, out, err)
        );
    }
    let said = with(&Place::new(), &["wait", "--for", "down"], async |listener| {
        let parts = vec![part("is", Outcome::AlreadyDown)];
        let (_open, request) = answer(&listener, Done::Operation(parts)).await;
        let until = Until::Down;
        assert_eq!(
            request,
            Request::Wait {
                which: Selection::All,
                until
            }
        );
    })
    .await;
    assert_eq!((said.exit, said.out.as_str()), (0, "is: is down\n"));
}

#[tokio::test]
async fn a_wait_that_takes_too_long_where_no_supervisor_is_there_any_more_says_so() {
    let place = Place::new();
    let said = with(&place, &["wait", "is", "--timeout", "200ms"], async |listener| {
        let (mut channel, ..) = asked(&listener).await;
        drop(listener);
        assert!(channel.recv(SOON).await.unwrap().is_none(), "s7ctl has gone");
    })
    .await;
    assert_eq!(
        (said.exit, said.err.as_str()),
        (
            6,
            "error: timed out after 0.20 s, and no supervisor is there any more\nhint: start it with: s7ctl start\n"
        )
    );
}

#[tokio::test]
async fn a_wait_that_takes_too_long_ends_with_6_and_nothing_goes_on() {
    let said = with(
        &Place::new(),
        &["wait", "is", "--timeout", "200ms"],
        async |listener| {
            let (mut channel, ..) = asked(&listener).await;
            assert!(channel.recv(SOON).await.unwrap().is_none(), "s7ctl has gone");
        },
    )
    .await;
    assert_eq!(
        (said.exit, said.err.as_str()),
        (
            6,
            "error: timed out after 0.20 s\nhint: what holds it up: s7ctl why\n"
        )
    );
}

#[tokio::test]
async fn a_supervisor_that_is_older_is_named_as_that() {
    let old = async |listener: UnixListener| {
        let (mut stream, _) = listener.accept().await.unwrap();
        let hello = Hello {
            version: Version { major: 1, minor: 0 },
            ..Hello::ours(64 * 1024)
        };
        stream.write_all(&hello.encode()).await.unwrap();
        let mut sent = Vec::new();
        stream.read_to_end(&mut sent).await.unwrap();
        assert_eq!(sent.len(), HELLO_BYTES, "what it does not know is not sent to it");
    };
    for (arguments, what) in [
        (&["signal", "HUP", "is"][..], "signal"),
        (&["wait"], "wait"),
        (&["why", "is"], "why"),
        (&["events"], "events"),
        (&["events", "-f"], "events"),
        (&["info"], "info"),
        (&["stop", "text-*"], "patterns"),
    ] {
        let said = with(&Place::new(), arguments, &old).await;
        assert_eq!((said.exit, said.out.as_str()), (1, ""), "{arguments:?}");
        let message = format!(
            "error: the supervisor is older than s7ctl (protocol 1.0) and does not know {what}; nothing was done\n\
             hint: bring it to the version of s7ctl, then: s7ctl restart"
        );
        assert!(said.err.starts_with(&message), "{said:?}");
    }
    let said = with(&Place::new(), &["info", "--json"], &old).await;
    assert_eq!(said.json()["error"]["code"], "unsupported");
}

#[tokio::test]
async fn a_pattern_that_matches_nothing_is_4() {
    let said = with(&Place::new(), &["restart", "x*"], async |listener| {
        let (mut channel, id, request) = asked(&listener).await;
        let pattern = Pattern::parse("x*").unwrap();
        let which = Selection::Matching(vec![pattern.clone()]);
        assert_eq!(request, Request::Restart(which));
        let refusal = Response::Refused(Refusal::NoMatch { pattern });
        channel.send(id, &refusal, SOON).await.unwrap();
    })
    .await;
    assert_eq!(
        (said.exit, said.err.as_str()),
        (
            4,
            "error: no component matches x*\nhint: s7ctl status shows all components\n"
        )
    );
}

fn overview(state: State, facts: Vec<ComponentFact>) -> Done {
    Done::Overview(Box::new(Overview {
        report: report(state),
        supervisor: vec![],
        components: vec![ComponentFacts {
            id: name("is"),
            facts,
        }],
    }))
}

#[tokio::test]
async fn why_without_a_component_explains_only_what_is_not_as_it_should_be() {
    let said = with(&Place::new(), &["why"], async |listener| {
        let (_open, request) = answer(&listener, overview(State::Running, vec![])).await;
        assert_eq!(request, Request::Overview(Selection::All));
    })
    .await;
    assert_eq!(
        (said.exit, said.out.as_str()),
        (0, "Everything is as it should be.\n")
    );
    let said = with(&Place::new(), &["why"], async |listener| {
        let waits = ComponentFact::OutputUnwritten {
            file: "/logs/is.log".into(),
            why: "no space".into(),
            since_ms: 0,
            waits: true,
        };
        let (mut channel, _request) = answer(&listener, overview(State::Running, vec![waits])).await;
        let (id, request) = channel.recv(SOON).await.unwrap().unwrap();
        assert_eq!(
            request.unwrap(),
            Request::Story(named("is")),
            "it waits for its log"
        );
        let done = Response::Done(Done::Story(vec![]));
        channel.send(id, &done, SOON).await.unwrap();
    })
    .await;
    assert_eq!(said.exit, 0);
    let said = with(&Place::new(), &["why"], async |listener| {
        let (mut channel, _request) = answer(&listener, overview(State::Fatal, vec![])).await;
        let (id, request) = channel.recv(SOON).await.unwrap().unwrap();
        assert_eq!(request.unwrap(), Request::Story(named("is")));
        let status = report(State::Fatal).components.remove(0);
        let explanation = Explanation {
            since_ms: None,
            dependencies: vec![],
            dependants: vec![],
            past: vec![],
            events: vec![],
            output: LogTail {
                component: name("is"),
                file: "/logs/is.log".into(),
                bytes: b"out of luck\n".to_vec(),
                truncated: false,
                error: None,
            },
            status,
        };
        let story = Story {
            explanation,
            facts: vec![],
            last_words: vec![],
        };
        let done = Response::Done(Done::Story(vec![story]));
        channel.send(id, &done, SOON).await.unwrap();
    })
    .await;
    assert_eq!((said.exit, said.err.as_str()), (0, ""));
    assert!(
        said.out.starts_with("is is FATAL: given up\n") && said.out.contains("    | out of luck\n"),
        "{said:?}"
    );
}

#[test]
fn no_lines_of_output_make_sense_only_where_more_come() {
    let place = Place::new();
    let said = Said::of(place.ctl(&["logs", "-n", "0"]).output().unwrap());
    assert_eq!((said.exit, said.out.as_str()), (2, ""));
    assert!(said.err.contains("-n 0 goes with -f"), "{said:?}");
}
