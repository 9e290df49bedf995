//! What a client may say that is no protocol.

use s7tests::daemon::Daemon;
use s7tests::registry::Server;
use s7tests::sandbox::Sandbox;
use s7tests::wire::{End, Wire, frame, hello};
use std::time::Duration;

/// The body of a `Version` request: the tenth variant, without fields.
const VERSION: [u8; 1] = [9];
/// How the body of `Done(Version(…))` begins.
const DONE_VERSION: [u8; 2] = [1, 7];
/// How the body of `Refused(Malformed { … })` begins.
const REFUSED_MALFORMED: [u8; 2] = [2, 6];
/// How long a daemon may take to hang up.
const PATIENCE: Duration = Duration::from_secs(10);

fn one() -> Sandbox {
    Sandbox::with(&[Server::new("one", "record starts wait")])
}

/// The resident memory of the daemon, in bytes.
fn resident(daemon: &Daemon<'_>) -> u64 {
    let text = std::fs::read_to_string(format!("/proc/{}/statm", daemon.pid())).expect("the daemon lives");
    let pages: u64 = text
        .split(' ')
        .nth(1)
        .and_then(|word| word.parse().ok())
        .expect("a number of pages");
    pages * 4096
}

#[test]
fn a_request_by_hand_is_answered() {
    let sandbox = one();
    let _daemon = sandbox.start();
    let mut wire = Wire::greet(&sandbox.socket());
    wire.say(&frame(77, &VERSION, None));
    let (id, body) = wire.hear_frame();
    assert_eq!((id, &body[..2]), (77, &DONE_VERSION[..]));
    // Two at once, in one write: each is answered with its own id.
    wire.say(&[frame(1, &VERSION, None), frame(2, &VERSION, None)].concat());
    let mut ids = [wire.hear_frame().0, wire.hear_frame().0];
    ids.sort_unstable();
    assert_eq!(ids, [1, 2]);
}

#[test]
fn a_frame_that_claims_too_much_is_refused_before_it_is_read() {
    let sandbox = one();
    let daemon = sandbox.start();
    let before = resident(&daemon);
    for claimed in [u32::MAX, 1 << 31, 64 * 1024 * 1024, 64 * 1024 + 1, 7, 0] {
        let mut wire = Wire::greet(&sandbox.socket());
        wire.say(&frame(1, &VERSION, Some(claimed)));
        let end = wire.until_the_end(PATIENCE);
        assert_eq!(end, End::Closed(vec![]), "a length of {claimed}");
    }
    let after = resident(&daemon);
    assert!(
        after < before + 32 * 1024 * 1024,
        "{before} bytes of memory became {after}"
    );
    sandbox.ctl(&["version"]).exits(0);
}

#[test]
fn a_body_that_means_nothing_is_answered_and_the_connection_goes_on() {
    let sandbox = one();
    let _daemon = sandbox.start();
    let mut wire = Wire::greet(&sandbox.socket());
    let deep = vec![1; 60_000];
    // No variant; trailing bytes; a string of 2^60 bytes; a collection of 2^32 elements; nothing at all; much of it.
    let bodies: [&[u8]; 6] = [
        &[200],
        &[9, 0, 0, 0],
        &[1, 1, 1, 253, 0, 0, 0, 0, 0, 0, 0, 16],
        &[1, 1, 253, 0, 0, 0, 0, 1, 0, 0, 0],
        &[],
        &deep,
    ];
    for (id, body) in (100..).zip(bodies) {
        wire.say(&frame(id, body, None));
        let (answered, answer) = wire.hear_frame();
        assert_eq!(
            (answered, &answer[..2]),
            (id, &REFUSED_MALFORMED[..]),
            "{:?}",
            &body[..body.len().min(16)]
        );
    }
    wire.say(&frame(1, &VERSION, None));
    assert_eq!(wire.hear_frame().1[..2], DONE_VERSION);
}

#[test]
fn garbage_ends_its_own_connection_alone() {
    let sandbox = one();
    let daemon = sandbox.start();
    let before = daemon.wait_for("one", "RUNNING");
    let mut steady = Wire::greet(&sandbox.socket());
    let garbage: [&[u8]; 5] = [
        b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
        &[0; 64],
        &[0xff; 4096],
        b"S7SW\x01\x00\x00\x00\x00\x00\x40\x00\x00\x00\x00\x00\x00\x00\x00\x00",
        b"\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n",
    ];
    for bytes in garbage {
        let mut wire = Wire::connect(&sandbox.socket());
        wire.say(bytes);
        assert_eq!(
            wire.until_the_end(PATIENCE),
            End::Closed(vec![]),
            "what is no greeting gets no answer"
        );
    }
    // Every beginning of a good exchange, and then the client is gone.
    let whole = [&hello(1, 0)[..], &frame(1, &VERSION, None)].concat();
    for length in 0..whole.len() {
        let mut wire = Wire::connect(&sandbox.socket());
        wire.say(&whole[..length]);
    }
    steady.say(&frame(5, &VERSION, None));
    assert_eq!(steady.hear_frame().0, 5, "other connections never noticed");
    let after = daemon.component("one");
    assert_eq!(after["pid"], before["pid"]);
    assert_eq!(sandbox.starts("starts").len(), 1);
}

#[test]
fn random_bytes_behind_a_greeting_never_harm_the_daemon() {
    let sandbox = one();
    let daemon = sandbox.start();
    let before = daemon.wait_for("one", "RUNNING");
    // A fixed seed: what fails once fails again.
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut byte = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[3]
    };
    for round in 0..200u64 {
        let mut wire = Wire::greet(&sandbox.socket());
        // Shutdown (7) and RestartSupervisor (8) would be obeyed, and Stop (2) too.
        let first = byte() % 2 * 3;
        let body: Vec<u8> = std::iter::once(first)
            .chain((0..round % 40).map(|_| byte()))
            .collect();
        wire.say(&frame(round, &body, None));
        let (id, answer) = wire.hear_frame();
        assert_eq!(id, round);
        assert!(
            answer[0] <= 2,
            "an answer is a notice, done or refused: {answer:?}"
        );
    }
    assert_eq!(
        daemon.component("one")["pid"].is_number(),
        before["pid"].is_number()
    );
}

#[test]
fn a_foreign_version_is_told_the_own_one() {
    let sandbox = one();
    let _daemon = sandbox.start();
    for (major, minor) in [(2, 0), (0, 9), (0xffff, 0xffff)] {
        let mut wire = Wire::connect(&sandbox.socket());
        wire.say(&hello(major, minor));
        let End::Closed(said) = wire.until_the_end(PATIENCE) else {
            panic!("a connection of version {major}.{minor} was kept");
        };
        assert_eq!(said.len(), 20, "one greeting: {said:?}");
        assert_eq!((&said[..4], &said[4..6]), (&b"S7SV"[..], &[1, 0][..]));
    }
    // A newer minor is spoken with.
    let mut wire = Wire::connect(&sandbox.socket());
    wire.say(&hello(1, 99));
    assert_eq!(wire.hear(20)[..4], *b"S7SV");
    wire.say(&frame(3, &VERSION, None));
    assert_eq!(wire.hear_frame().0, 3);
}

#[test]
fn the_client_says_which_side_is_older() {
    use std::io::{Read, Write};
    let sandbox = Sandbox::new();
    std::fs::create_dir(sandbox.path("run")).expect("the sandbox is ours");
    let listener = std::os::unix::net::UnixListener::bind(sandbox.socket()).expect("the sandbox is ours");
    let server = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("the client connects");
        stream.read_exact(&mut [0; 20]).expect("the client greets");
        stream.write_all(&hello(2, 0)).expect("the client listens");
    });
    let said = sandbox.ctl(&["status"]).exits(7);
    server.join().expect("the foreign server did its part");
    let text = said.stderr.to_lowercase();
    assert!(
        text.contains("2.0") && text.contains(&s7proto::version::PROTOCOL.to_string()),
        "both versions are named: {said}"
    );
    std::fs::remove_file(sandbox.socket()).expect("the sandbox is ours");
}

#[test]
fn a_client_that_says_nothing_holds_nobody_up() {
    let sandbox = one();
    let _daemon = sandbox.start();
    let silent: Vec<_> = (0..20).map(|_| Wire::connect(&sandbox.socket())).collect();
    sandbox.ctl(&["--timeout", "5", "version"]).exits(0);
    drop(silent);
}
