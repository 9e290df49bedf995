//! A port that somebody else has.

use s7tests::eventually::SOON;
use s7tests::registry::Server;
use s7tests::sandbox::Sandbox;
use std::net::TcpListener;

/// Somebody who listens on a port of loopback, and which.
fn somebody() -> (TcpListener, u16) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
    let port = listener
        .local_addr()
        .expect("a bound socket has an address")
        .port();
    (listener, port)
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
