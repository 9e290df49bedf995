//! Clients that connect and then do nothing, or never take what they asked for.

use rustix::process::{Resource, Signal};
use s7tests::daemon::pid;
use s7tests::eventually::{SOON, eventually, when};
use s7tests::processes::send;
use s7tests::registry::Server;
use s7tests::sandbox::Sandbox;
use s7tests::usage::{descriptors, resident};
use s7tests::wire::{Wire, frame};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

/// The body of a `Status` request for all components.
const STATUS: [u8; 2] = [0, 0];
/// Clients at a time (`control/listen.rs`), and some descriptors that have nothing to do with clients.
const PLACES: usize = 256 + 40;

#[test]
fn a_client_that_never_reads_costs_nobody_anything_and_is_dropped() {
    // Enough of them that a few answers fill what the system keeps for the client.
    let mut servers: Vec<_> = (0..40)
        .map(|number| {
            Server::new(&format!("idle-{number}"), "wait")
                .with("<autoStart>false</autoStart><description>One of many that only lengthen the list</description>")
        })
        .collect();
    servers.push(Server::new("one", "record starts wait"));
    let sandbox = Sandbox::with(&servers);
    let daemon = sandbox.start();
    let before = pid(&daemon.wait_for("one", "RUNNING")).expect("it runs");
    let (open, memory) = (descriptors(daemon.pid()), resident(daemon.pid()));
    let mut deaf = Wire::greet(&sandbox.socket());
    let began = Instant::now();
    let requests: Vec<u8> = (0..500).flat_map(|id| frame(id, &STATUS, None)).collect();
    deaf.say(&requests);
    eventually("the daemon has its descriptor", SOON, || {
        let now = descriptors(daemon.pid());
        when(now > open, || format!("{now} beside {open}"))
    });
    // While it is there, everybody else is served.
    for _ in 0..5 {
        let asked = Instant::now();
        let _ = daemon.status();
        assert!(
            asked.elapsed() < Duration::from_secs(2),
            "an answer took {:?}",
            asked.elapsed()
        );
    }
    send(before, Signal::KILL);
    daemon.wait_until("it is back", "one", SOON, |seen| {
        seen["state"] == "RUNNING" && seen["pid"] != before
    });
    eventually("the deaf client is dropped", Duration::from_secs(30), || {
        let now = descriptors(daemon.pid());
        when(now <= open, || format!("{now} beside {open}"))
    });
    assert!(
        began.elapsed() > Duration::from_secs(3),
        "it was given no time to listen: {:?}",
        began.elapsed()
    );
    let grown = resident(daemon.pid()).saturating_sub(memory);
    assert!(
        grown < 16 * 1024 * 1024,
        "{grown} bytes for one who doesn't listen"
    );
}

#[test]
fn a_thousand_idle_connections_hold_nobody_up_for_long_and_are_closed() {
    let mut limit = rustix::process::getrlimit(Resource::Nofile);
    if limit.current.is_some_and(|current| current < 4096) {
        limit.current = limit.maximum;
        rustix::process::setrlimit(Resource::Nofile, limit).expect("the hard limit is allowed");
    }
    let sandbox = Sandbox::with(&[Server::new("one", "record starts wait")]);
    let daemon = sandbox.start();
    let before = pid(&daemon.wait_for("one", "RUNNING")).expect("it runs");
    let (open, memory) = (descriptors(daemon.pid()), resident(daemon.pid()));
    // Some stay silent, some stop in the middle of their greeting, some of a frame.
    let crowd: Vec<_> = (0..1000)
        .filter_map(|number| {
            let stream = UnixStream::connect(sandbox.socket()).ok()?;
            let whole = [&s7tests::wire::hello(1, 0)[..], &frame(1, &STATUS, None)].concat();
            let part = &whole[..number % whole.len()];
            // The daemon may have turned it away already.
            let _ = std::io::Write::write_all(&mut &stream, part);
            let most = descriptors(daemon.pid());
            assert!(most <= PLACES, "{most} descriptors for a crowd");
            Some(stream)
        })
        .collect();
    assert!(crowd.len() > 900, "the queue of the socket took {}", crowd.len());
    send(before, Signal::KILL);
    eventually("supervision goes on", SOON, || {
        let starts = sandbox.starts("starts");
        when(starts.len() == 2, || format!("{starts:?}"))
    });
    // Whoever has something to say gets a place as soon as the silent ones have lost theirs.
    eventually("a client is heard while the crowd is there", SOON * 2, || {
        let said = sandbox.ctl(&["version"]);
        when(said.code == Some(0), || said.to_string())
    });
    // Those that greeted whole and then stopped are given a minute, as any client is.
    eventually("all are closed", Duration::from_secs(180), || {
        let now = descriptors(daemon.pid());
        when(now <= open, || format!("{now} descriptors beside {open}"))
    });
    let grown = resident(daemon.pid()).saturating_sub(memory);
    assert!(
        grown < 32 * 1024 * 1024,
        "{grown} bytes are kept of a crowd that is gone"
    );
    drop(crowd);
}
