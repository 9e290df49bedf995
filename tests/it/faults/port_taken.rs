//! A port that somebody else has.

use rustix::net::{AddressFamily, SocketType, bind, listen, socket, sockopt};
use s7tests::eventually::{SOON, eventually, when};
use s7tests::registry::Server;
use s7tests::sandbox::Sandbox;
use std::net::{IpAddr, Ipv6Addr, SocketAddrV6, TcpListener, UdpSocket};

/// Somebody who listens on a port of loopback, and which.
fn somebody() -> (TcpListener, u16) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
    let port = port_of(&listener);
    (listener, port)
}

fn port_of(listener: &TcpListener) -> u16 {
    let address = listener.local_addr().expect("a bound socket has an address");
    address.port()
}

/// Somebody who listens on all addresses of IPv6 and on none of IPv4; `None` where there is no IPv6.
fn somebody_of_ipv6_only() -> Option<TcpListener> {
    let socket = socket(AddressFamily::INET6, SocketType::STREAM, None).ok()?;
    sockopt::set_ipv6_v6only(&socket, true).ok()?;
    bind(&socket, &SocketAddrV6::new(Ipv6Addr::UNSPECIFIED, 0, 0, 0)).ok()?;
    listen(&socket, 8).ok()?;
    Some(socket.into())
}

/// An address of this machine that isn't loopback, if it has one: the one that others would be asked from. Nobody is.
fn another_address() -> Option<IpAddr> {
    let socket = UdpSocket::bind("0.0.0.0:0").ok()?;
    socket.connect("192.0.2.1:9").ok()?;
    let address = socket.local_addr().ok()?.ip();
    (!address.is_loopback() && !address.is_unspecified()).then_some(address)
}

/// The registry with one attribute more: `id` is to listen on `port`.
fn with_port(document: &str, id: &str, port: u16) -> String {
    let server = format!("<server id=\"{id}\"");
    assert!(document.contains(&server), "{document}");
    document.replace(&server, &format!("{server} port=\"{port}\""))
}

#[test]
fn whoever_has_the_port_is_named_and_the_start_follows_as_soon_as_it_is_free() {
    let (listener, port) = somebody();
    let sandbox = Sandbox::new();
    let server = Server::new("web", &format!("record starts serve {port}"));
    let document = sandbox.document(&[server.with("<autoStart>false</autoStart>")]);
    sandbox.write("conf/SupervisorRegistry.xml", &with_port(&document, "web", port));
    let daemon = sandbox.start();
    let owner = format!("port {port}: it is taken by pid {} (", std::process::id());
    let said = sandbox.ctl(&["start", "web"]).exits(1).says(&owner);
    assert!(said.stderr.contains("free the port"), "{said}");
    let seen = daemon.wait_for("web", "BACKOFF");
    assert_eq!(
        (&seen["reason_code"], &seen["wish"]),
        (&"port_taken".into(), &"up".into()),
        "{seen}"
    );
    assert!(sandbox.starts("starts").is_empty(), "nothing was run");
    sandbox.ctl(&["why", "web"]).exits(0).says(&owner);
    drop(listener);
    daemon.wait_for("web", "RUNNING");
    assert_eq!(sandbox.starts("starts").len(), 1);
}

#[test]
fn a_component_that_has_the_port_of_another_one_is_named_and_one_that_is_asked_through_it_is_not_held_up() {
    let sandbox = Sandbox::new();
    let (listener, port) = somebody();
    drop(listener);
    let checked = format!("<health type=\"tcp\" port=\"{port}\"/>");
    let servers = [
        Server::new("first", &format!("serve {port}")),
        Server::new("second", "wait").tier(2),
        Server::new("behind", "wait").tier(2).with(&checked),
    ];
    let document = with_port(&sandbox.document(&servers), "first", port);
    sandbox.write(
        "conf/SupervisorRegistry.xml",
        &with_port(&document, "second", port),
    );
    let daemon = sandbox.start();
    daemon.wait_for("first", "RUNNING");
    let first = daemon.pid_of("first");
    let named =
        format!("port {port}: it is taken by pid {first} (fixture), which belongs to the component first");
    daemon.wait_until("its reason is told", "second", SOON, |seen| {
        seen["reason"]
            .as_str()
            .is_some_and(|reason| reason.contains(&named))
    });
    // What only its check says of the port may be at the one before it.
    daemon.wait_for("behind", "RUNNING");
}

#[test]
fn who_listens_on_any_of_this_machines_own_addresses_is_named_and_not_taken_for_the_component() {
    let others = [
        ("127.0.0.2", TcpListener::bind("127.0.0.2:0").ok()),
        ("::1", TcpListener::bind("[::1]:0").ok()),
        ("::", somebody_of_ipv6_only()),
    ];
    let others: Vec<_> = others
        .into_iter()
        .filter_map(|(address, listener)| Some((address, listener?)))
        .collect();
    let id = |place: usize| format!("c{place}");
    let sandbox = Sandbox::new();
    // They would run for ever and listen on nothing.
    let servers: Vec<Server> = (0..others.len())
        .map(|place| Server::new(&id(place), "record starts wait"))
        .collect();
    let mut document = sandbox.document(&servers);
    for (place, (_, listener)) in others.iter().enumerate() {
        document = with_port(&document, &id(place), port_of(listener));
    }
    sandbox.write("conf/SupervisorRegistry.xml", &document);
    let daemon = sandbox.start();
    for (place, (address, listener)) in others.iter().enumerate() {
        let begin = format!(
            "port {}: it is taken by pid {} (",
            port_of(listener),
            std::process::id()
        );
        let end = format!("), on {address}");
        daemon.wait_until("its reason is told", &id(place), SOON, |seen| {
            let reason = seen["reason"].as_str();
            reason.is_some_and(|reason| reason.contains(&begin) && reason.contains(&end))
        });
    }
    assert!(sandbox.starts("starts").is_empty(), "nothing was run");
}

#[test]
fn who_listens_on_another_address_holds_nobody_up_and_is_named_after_a_crash_needs_another_address() {
    let test =
        "who_listens_on_another_address_holds_nobody_up_and_is_named_after_a_crash_needs_another_address";
    let Some(address) = another_address() else {
        return s7tests::not_run(test, "this machine has no address but loopback");
    };
    let listen = || TcpListener::bind((address, 0)).expect("it is an address of this machine");
    let (narrow, wide) = (listen(), listen());
    let sandbox = Sandbox::new();
    let servers = [
        Server::new("narrow", &format!("serve {}", port_of(&narrow))),
        Server::new("wide", &format!("serve-at 0.0.0.0:{}", port_of(&wide))),
    ];
    let document = with_port(&sandbox.document(&servers), "narrow", port_of(&narrow));
    sandbox.write(
        "conf/SupervisorRegistry.xml",
        &with_port(&document, "wide", port_of(&wide)),
    );
    let daemon = sandbox.start();
    daemon.wait_for("narrow", "RUNNING");
    let named = format!(
        "wide: port {} of {address} is held by pid {} (",
        port_of(&wide),
        std::process::id()
    );
    eventually("it is named", SOON, || {
        let log = sandbox.supervisor_log();
        when(log.contains(&named), || log.clone())
    });
    assert!(
        !sandbox.supervisor_log().contains("narrow: port"),
        "it has crashed never"
    );
}

#[test]
fn who_shares_a_port_on_purpose_is_started_needs_ipv6() {
    let test = "who_shares_a_port_on_purpose_is_started_needs_ipv6";
    let Ok(stranger) = TcpListener::bind("[::1]:0") else {
        return s7tests::not_run(test, "this machine has no loopback of IPv6");
    };
    let (listener, shared) = somebody();
    drop(listener);
    let beside = port_of(&stranger);
    let checked = |port: u16| format!("<health type=\"tcp\" port=\"{port}\"/>");
    let sandbox = Sandbox::new();
    // Two components, by their checks alone; and one beside a stranger, by another port of its own, where nobody listens.
    let servers = [
        Server::new("four", &format!("serve {shared}")).with(&checked(shared)),
        Server::new("six", &format!("serve-at [::1]:{shared}"))
            .tier(2)
            .with(&checked(shared)),
        Server::new("beside", &format!("serve {beside}")).with(&checked(beside)),
    ];
    let document = with_port(&sandbox.document(&servers), "beside", 1);
    sandbox.write("conf/SupervisorRegistry.xml", &document);
    let daemon = sandbox.start();
    for id in ["four", "six", "beside"] {
        daemon.wait_for(id, "RUNNING");
    }
}

#[test]
fn a_start_that_is_held_up_by_whoever_has_the_port_is_told_to_the_command_for_failures() {
    let (listener, port) = somebody();
    let sandbox = Sandbox::new();
    let tell = "<onFailure><executable>/bin/sh</executable><arguments><argument>tell.sh</argument></arguments></onFailure>";
    let document = sandbox.document(&[Server::new("web", &format!("serve {port}")).with(tell)]);
    sandbox.write("conf/SupervisorRegistry.xml", &with_port(&document, "web", port));
    sandbox.write("tell.sh", "echo \"$S7_EVENT run $S7_RUN: $S7_REASON\" >>told\n");
    let daemon = sandbox.start();
    let wanted = format!(
        "start run 1: checking port {port}: it is taken by pid {} (",
        std::process::id()
    );
    eventually("it is told", SOON, || {
        let told = std::fs::read_to_string(sandbox.path("told")).unwrap_or_default();
        when(told.starts_with(&wanted), || told.clone())
    });
    drop(listener);
    daemon.wait_for("web", "RUNNING");
}
