//! Both ends of a channel over a pretend stream, and ends that misbehave.

use crate::LIMITS;
use crate::channel::{ChannelError, ClientChannel, Doing, ServerChannel};
use crate::frame;
use crate::hello::{HELLO_BYTES, Hello};
use crate::name::ComponentName;
use crate::pattern::Pattern;
use crate::refusal::Refusal;
use crate::reply::Response;
use crate::request::{Request, Selection};
use crate::version::{PROTOCOL, Side, Version};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};

const SOON: Duration = Duration::from_secs(10);
/// For waits that have to run out: tokio's clock is paused, so they cost nothing.
const LATE: Duration = Duration::from_secs(3600);

fn client_hello() -> [u8; HELLO_BYTES] {
    Hello::ours(4 * 1024 * 1024).encode()
}

/// A server, and the bare stream of a client that has greeted it.
async fn greeted() -> (ServerChannel<DuplexStream>, DuplexStream) {
    let (mut client, server) = duplex(1 << 20);
    client.write_all(&client_hello()).await.unwrap();
    let server = ServerChannel::greet(server, SOON).await.unwrap();
    client.read_exact(&mut [0; HELLO_BYTES]).await.unwrap();
    (server, client)
}

async fn pair() -> (ClientChannel<DuplexStream>, ServerChannel<DuplexStream>) {
    let (client, server) = duplex(1 << 16);
    let (client, server) = tokio::join!(
        ClientChannel::greet(client, SOON),
        ServerChannel::greet(server, SOON)
    );
    (client.unwrap(), server.unwrap())
}

#[tokio::test]
async fn requests_and_responses_arrive_as_they_were_sent_with_their_ids() {
    let (mut client, mut server) = pair().await;
    let ask = Request::Stop(Selection::Named(vec![ComponentName::parse("is").unwrap()]));
    client.send(7, &ask, SOON).await.unwrap();
    client.send(u64::MAX, &Request::Version, SOON).await.unwrap();
    assert_eq!(server.recv(SOON).await.unwrap(), Some((7, Ok(ask))));
    assert_eq!(
        server.recv(SOON).await.unwrap(),
        Some((u64::MAX, Ok(Request::Version)))
    );
    let answer = Response::Refused(Refusal::ShuttingDown);
    server.send(7, &answer, SOON).await.unwrap();
    assert_eq!(client.recv(SOON).await.unwrap(), Some((7, answer)));
    drop(server);
    assert_eq!(
        client.recv(SOON).await.unwrap(),
        None,
        "a clean end is not an error"
    );
}

#[tokio::test]
async fn a_split_server_reads_while_it_writes_and_the_end_comes_when_both_halves_are_gone() {
    let (mut client, server) = pair().await;
    let (mut requests, mut responses) = server.split();
    let reading = async {
        let got = requests.recv(SOON).await.unwrap();
        drop(requests);
        got
    };
    let writing = async {
        responses
            .send(1, &Response::Refused(Refusal::Busy), SOON)
            .await
            .unwrap();
        drop(responses);
    };
    let asking = async {
        assert!(
            client.recv(SOON).await.unwrap().is_some(),
            "the answer needs no request first"
        );
        client.send(2, &Request::Version, SOON).await.unwrap();
        client.recv(SOON).await.unwrap()
    };
    let (got, (), end) = tokio::join!(reading, writing, asking);
    assert_eq!(got, Some((2, Ok(Request::Version))));
    assert_eq!(end, None);
}

#[tokio::test]
async fn a_frame_that_arrives_byte_by_byte_is_a_frame() {
    let (mut server, mut client) = greeted().await;
    let mut bytes = frame::begin(3);
    crate::codec::encode(&Request::Version, &mut bytes).unwrap();
    frame::seal(&mut bytes, 1024).unwrap();
    for (at, byte) in bytes.iter().enumerate() {
        // A receive that is given up in between loses nothing.
        let early = server.recv(Duration::ZERO).await;
        assert!(
            matches!(early, Err(ChannelError::TimedOut { .. })),
            "after {at} bytes: {early:?}"
        );
        client.write_all(&[*byte]).await.unwrap();
    }
    assert_eq!(server.recv(SOON).await.unwrap(), Some((3, Ok(Request::Version))));
}

#[tokio::test]
async fn an_undecodable_body_has_its_id_and_the_connection_goes_on() {
    let (mut server, mut client) = greeted().await;
    for (id, body) in [(5u64, &[0xee, 0xee][..]), (6, &[9, 9])] {
        let mut bytes = frame::begin(id);
        bytes.extend_from_slice(body);
        frame::seal(&mut bytes, 1024).unwrap();
        client.write_all(&bytes).await.unwrap();
        let Some((got, Err(_malformed))) = server.recv(SOON).await.unwrap() else {
            panic!("request {id} was understood");
        };
        assert_eq!(got, id);
    }
    let refused = Response::Refused(Refusal::Malformed { detail: "x".into() });
    server.send(5, &refused, SOON).await.unwrap();
    assert!(client.read_u8().await.is_ok());
}

#[tokio::test]
async fn an_end_inside_a_frame_is_told_from_an_end_between_two() {
    let (mut server, mut client) = greeted().await;
    client.write_all(&[20, 0, 0, 0, 1]).await.unwrap();
    drop(client);
    let error = server.recv(SOON).await.unwrap_err();
    assert!(matches!(error, ChannelError::CutOff { got: 5, .. }), "{error}");

    let (mut server, client) = greeted().await;
    drop(client);
    assert!(server.recv(SOON).await.unwrap().is_none());
}

#[tokio::test]
async fn a_frame_longer_than_the_limit_ends_the_channel_without_waiting_for_it() {
    for claim in [u32::MAX, u32::try_from(LIMITS.request_bytes).unwrap() + 1, 7] {
        let (mut server, mut client) = greeted().await;
        client.write_all(&claim.to_le_bytes()).await.unwrap();
        let error = server.recv(SOON).await.unwrap_err();
        assert!(matches!(error, ChannelError::Frame(_)), "{claim}: {error}");
    }
}

#[tokio::test]
async fn a_message_longer_than_the_peer_accepts_is_not_sent_and_another_can_be() {
    let (mut client, server) = duplex(1 << 16);
    client.write_all(&Hello::ours(40).encode()).await.unwrap();
    let mut server = ServerChannel::greet(server, SOON).await.unwrap();
    let detail = "x".repeat(100);
    let long = Response::Refused(Refusal::Malformed { detail });
    let error = server.send(1, &long, SOON).await.unwrap_err();
    assert!(matches!(error, ChannelError::Frame(_)), "{error}");
    server
        .send(1, &Response::Refused(Refusal::Busy), SOON)
        .await
        .unwrap();
}

#[tokio::test]
async fn a_foreign_major_is_answered_and_both_sides_know_who_is_older() {
    let newer = Version {
        major: PROTOCOL.major + 1,
        minor: 0,
    };
    let (mut client, server) = duplex(1 << 16);
    let hello = Hello {
        version: newer,
        ..Hello::ours(1024)
    };
    client.write_all(&hello.encode()).await.unwrap();
    let Err(ChannelError::Foreign(foreign)) = ServerChannel::greet(server, SOON).await else {
        panic!("a foreign client was let in");
    };
    assert_eq!((foreign.theirs, foreign.older), (newer, Side::Ours));
    let mut answer = [0; HELLO_BYTES];
    client.read_exact(&mut answer).await.unwrap();
    assert_eq!(Hello::decode(answer).unwrap().version, PROTOCOL);
    assert_eq!(
        client.read(&mut [0]).await.unwrap(),
        0,
        "and then the server closes"
    );

    let (client, mut server) = duplex(1 << 16);
    let older = Version { major: 0, minor: 9 };
    let hello = Hello {
        version: older,
        ..Hello::ours(1024)
    };
    server.write_all(&hello.encode()).await.unwrap();
    let Err(ChannelError::Foreign(foreign)) = ClientChannel::greet(client, SOON).await else {
        panic!("a foreign server was accepted");
    };
    assert_eq!((foreign.theirs, foreign.older), (older, Side::Theirs));
}

#[tokio::test]
async fn something_else_than_a_greeting_gets_no_answer() {
    let (mut client, server) = duplex(1 << 16);
    client
        .write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        .await
        .unwrap();
    let error = ServerChannel::greet(server, SOON).await.map(drop).unwrap_err();
    assert!(matches!(error, ChannelError::NotHello(_)), "{error}");
    assert_eq!(client.read(&mut [0]).await.unwrap(), 0);

    let (mut client, server) = duplex(1 << 16);
    client.write_all(b"S7SV").await.unwrap();
    drop(client);
    let error = ServerChannel::greet(server, SOON).await.map(drop).unwrap_err();
    assert!(matches!(error, ChannelError::CutOff { got: 4, .. }), "{error}");
}

#[tokio::test(start_paused = true)]
async fn every_wait_ends_in_time_with_a_silent_peer() {
    let (_silent, stream) = duplex(64);
    let error = ServerChannel::greet(stream, LATE).await.map(drop).unwrap_err();
    assert!(
        matches!(
            error,
            ChannelError::TimedOut {
                doing: Doing::ReceivingHello,
                ..
            }
        ),
        "{error}"
    );

    let (_silent, stream) = duplex(64);
    let error = ClientChannel::greet(stream, LATE).await.map(drop).unwrap_err();
    assert!(
        matches!(
            error,
            ChannelError::TimedOut {
                doing: Doing::ReceivingHello,
                ..
            }
        ),
        "{error}"
    );

    let (mut client, server) = pair().await;
    let error = client.recv(LATE).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "waiting for a message: nothing moved within 3600 s"
    );

    // A peer that takes nothing fills the stream between, and then the sender stands still.
    let (_requests, mut responses) = server.split();
    let bytes = Response::Refused(Refusal::Malformed {
        detail: "x".repeat(1 << 17),
    });
    let error = responses.send(1, &bytes, LATE).await.unwrap_err();
    assert!(
        matches!(
            error,
            ChannelError::TimedOut {
                doing: Doing::Sending,
                ..
            }
        ),
        "{error}"
    );
}

#[tokio::test]
async fn a_server_that_is_older_is_not_sent_what_it_does_not_know() {
    let (client, mut server) = duplex(1 << 16);
    let old = Hello {
        version: Version {
            major: PROTOCOL.major,
            minor: 0,
        },
        ..Hello::ours(64 * 1024)
    };
    server.write_all(&old.encode()).await.unwrap();
    let mut client = ClientChannel::greet(client, SOON).await.unwrap();
    server.read_exact(&mut [0; HELLO_BYTES]).await.unwrap();
    let wild = Selection::Matching(vec![Pattern::parse("w*").unwrap()]);
    for younger in [Request::Info(Selection::All), Request::Stop(wild)] {
        let refused = client.send(1, &younger, SOON).await;
        assert!(
            matches!(refused, Err(ChannelError::PeerOlder { peer }) if peer == old.version),
            "{refused:?}"
        );
    }
    client.send(2, &Request::Version, SOON).await.unwrap();
    drop(client);
    let mut sent = Vec::new();
    server.read_to_end(&mut sent).await.unwrap();
    match frame::parse(&sent, 1 << 16).unwrap() {
        frame::Parsed::Complete { id, consumed, .. } => assert_eq!((id, consumed), (2, sent.len())),
        other => panic!("{other:?}"),
    }
}
