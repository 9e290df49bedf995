//! A supervisor that is replaced while somebody asks it, waits for it or follows it.

use super::*;
use s7proto::NO_REQUEST;
use s7proto::event::{Event, Happening};
use s7proto::overview::{Overview, SupervisorFact};
use s7proto::request::{LogPosition, Until};

/// Says that another one carries on and nothing was begun, and closes the connection.
async fn send_on(mut channel: ServerChannel<UnixStream>) {
    let nothing = Response::Done(Done::HandedOver);
    channel.send(NO_REQUEST, &nothing, SOON).await.unwrap();
}

/// Says that another one goes on with what was asked, and then the same as [`send_on`].
async fn hand_over(mut channel: ServerChannel<UnixStream>, id: u64, done: Done) {
    channel.send(id, &Response::Done(done), SOON).await.unwrap();
    send_on(channel).await;
}

#[tokio::test]
async fn what_was_not_begun_is_asked_again_whatever_it_is() {
    for (arguments, reply) in [
        (&["status"][..], Done::Status(report(State::Running))),
        (
            &["restart", "is"],
            Done::Operation(vec![part("is", Outcome::Started(RUN))]),
        ),
        (&["why", "is"], Done::Story(vec![])),
    ] {
        let place = Place::new();
        let said = with(&place, arguments, async |listener| {
            let (channel, _, first) = asked(&listener).await;
            send_on(channel).await;
            // Before it could even ask.
            let channel = ServerChannel::greet(accept(&listener).await, SOON).await.unwrap();
            send_on(channel).await;
            let (_open, second) = answer(&listener, reply).await;
            assert_eq!(first, second);
        })
        .await;
        assert_eq!((said.exit, said.err.as_str()), (0, ""), "{arguments:?}: {said:?}");
    }
}

#[tokio::test]
async fn an_operation_that_was_begun_is_waited_for_and_not_asked_for_again() {
    for (verb, until) in [
        ("start", Until::Up),
        ("restart", Until::Up),
        ("stop", Until::Down),
    ] {
        let place = Place::new();
        let said = with(&place, &[verb, "is"], async |listener| {
            let (channel, id, _) = asked(&listener).await;
            hand_over(channel, id, Done::HandedOver).await;
            let outcome = match until {
                Until::Up => Outcome::AlreadyUp(RUN),
                Until::Down => Outcome::AlreadyDown,
            };
            let (_open, request) = answer(&listener, Done::Operation(vec![part("is", outcome)])).await;
            let which = named("is");
            assert_eq!(request, Request::Wait { which, until });
        })
        .await;
        assert_eq!(said.exit, 0, "{said:?}");
        assert!(said.err.contains("replaced meanwhile"), "{said:?}");
    }
}

#[tokio::test]
async fn a_start_of_everything_goes_on_with_what_is_to_be_up() {
    let place = Place::new();
    let said = with(&place, &["start", "all"], async |listener| {
        let (channel, id, _) = asked(&listener).await;
        hand_over(channel, id, Done::HandedOver).await;
        let mut both = report(State::Starting);
        both.components.push(ComponentStatus {
            id: name("off"),
            wish: Wish::Down,
            ..both.components[0].clone()
        });
        let (mut channel, request) = answer(&listener, Done::Status(both)).await;
        assert_eq!(request, Request::Status(Selection::All));
        let (id, request) = channel.recv(SOON).await.unwrap().unwrap();
        let which = named("is");
        let until = Until::Up;
        assert_eq!(request.unwrap(), Request::Wait { which, until });
        let done = Done::Operation(vec![part("is", Outcome::AlreadyUp(RUN))]);
        channel.send(id, &Response::Done(done), SOON).await.unwrap();
    })
    .await;
    assert_eq!(said.exit, 0, "{said:?}");
}

#[tokio::test]
async fn who_follows_output_goes_on_from_where_it_was_handed_over() {
    let place = Place::new();
    let output = |text: &str| Notice::Output {
        component: name("is"),
        bytes: text.as_bytes().to_vec(),
    };
    let positions = vec![LogPosition {
        component: name("is"),
        file: 77,
        offset: 8,
    }];
    let said = with(&place, &["logs", "-f", "is"], async |listener| {
        let (mut channel, _) = answer(&listener, Done::Status(report(State::Running))).await;
        let (id, _) = channel.recv(SOON).await.unwrap().unwrap();
        let first = Response::Notice(output("one\ntw"));
        channel.send(id, &first, SOON).await.unwrap();
        hand_over(channel, id, Done::OutputHandedOver(positions.clone())).await;
        let (mut channel, id, request) = asked(&listener).await;
        assert_eq!(request, Request::FollowFrom(positions));
        let rest = Response::Notice(output("o\nthree\n"));
        channel.send(id, &rest, SOON).await.unwrap();
        let ended = Response::Done(Done::StreamEnded);
        channel.send(id, &ended, SOON).await.unwrap();
    })
    .await;
    assert_eq!(
        (said.exit, said.out.as_str()),
        (3, "one\ntwo\nthree\n"),
        "{said:?}"
    );
}

#[tokio::test]
async fn who_follows_events_goes_on_behind_the_last_one_also_where_nobody_has_said_a_word() {
    let happened = |sequence| {
        Response::Notice(Notice::Happened(Event {
            sequence,
            at_ms: 1_795_343_465_250,
            component: Some(name("is")),
            what: Happening::Health(true),
        }))
    };
    let place = Place::new();
    let said = with(&place, &["events", "-f", "is", "--json"], async |listener| {
        let (mut channel, id, request) = asked(&listener).await;
        assert!(matches!(request, Request::Events { last: 20, .. }), "{request:?}");
        channel.send(id, &happened(300), SOON).await.unwrap();
        hand_over(channel, id, Done::HandedOver).await;
        for after in [300, 310] {
            let (mut channel, id, request) = asked(&listener).await;
            let which = named("is");
            assert_eq!(request, Request::EventsFrom { which, after });
            channel.send(id, &happened(after + 10), SOON).await.unwrap();
        }
        // And nothing came since.
        let (channel, _, request) = asked(&listener).await;
        assert!(
            matches!(request, Request::EventsFrom { after: 320, .. }),
            "{request:?}"
        );
        drop(channel);
    })
    .await;
    assert_eq!(said.exit, 3, "{said:?}");
    let numbers: Vec<_> = said
        .lines()
        .iter()
        .filter_map(|line| line["sequence"].as_u64())
        .collect();
    assert_eq!(numbers, [300, 310, 320]);
}

/// What `s7ctl upgrade` says where the supervisor that answers afterwards has been there for so long.
async fn upgrade(uptime_us: u64) -> Said {
    let place = Place::new();
    with(
        &place,
        &["upgrade", "--binary", "/new", "--json"],
        async |listener| {
            let upgrading = Done::Upgrading {
                from: "1".into(),
                to: "2".into(),
            };
            let (channel, request) = answer(&listener, upgrading).await;
            let binary = Some("/new".to_owned());
            assert_eq!(request, Request::Upgrade { binary });
            drop(channel);
            let mut report = report(State::Running);
            report.supervisor.uptime_us = uptime_us;
            report.supervisor.version = "2".into();
            let overview = Overview {
                report,
                supervisor: vec![SupervisorFact::TookOver {
                    replaced: Some("1".into()),
                    at_ms: 0,
                    adopted: 3,
                }],
                components: vec![],
            };
            let (_open, request) = answer(&listener, Done::Overview(Box::new(overview))).await;
            assert_eq!(request, Request::Overview(Selection::Named(vec![])));
        },
    )
    .await
}

#[tokio::test]
async fn an_upgrade_is_done_when_a_younger_supervisor_answers() {
    let said = upgrade(1).await;
    assert_eq!(said.exit, 0, "{said:?}");
    assert_eq!(
        said.json()["data"],
        serde_json::json!({"from": "1", "to": "2", "pid": 812, "adopted": 3})
    );
    let said = upgrade(3_600_000_000).await;
    assert_eq!(said.exit, 1, "{said:?}");
    let message = said.json()["error"]["message"].as_str().unwrap().to_owned();
    assert!(
        message.contains("is still there; nothing has changed"),
        "{message}"
    );
}

#[tokio::test]
async fn the_path_of_a_binary_is_made_absolute_by_the_client() {
    let place = Place::new();
    let said = with(&place, &["upgrade", "--binary", "new"], async |listener| {
        let (mut channel, id, request) = asked(&listener).await;
        let here = std::env::current_dir().unwrap().join("new");
        let binary = Some(here.to_str().unwrap().to_owned());
        assert_eq!(request, Request::Upgrade { binary });
        let refusal = Response::Refused(Refusal::Busy);
        channel.send(id, &refusal, SOON).await.unwrap();
    })
    .await;
    assert_eq!(said.exit, 1, "{said:?}");
}
