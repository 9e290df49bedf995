//! A component is ready when its check says so, and others wait for that.

use super::page;
use crate::platform::servers::free_ports;
use s7tests::eventually::SOON;
use s7tests::registry::Server;
use s7tests::sandbox::Sandbox;

#[test]
fn a_component_is_ready_when_its_port_answers_and_others_wait_for_that() {
    let [port] = free_ports();
    let slow = Server::new(
        "slow",
        &format!("record starts sleep 700 record serves serve {port}"),
    );
    let sandbox = Sandbox::with(&[
        slow.with(&format!(
            "<health type=\"tcp\" port=\"{port}\" interval=\"200ms\"/>"
        )),
        Server::new("needs", "record needs wait").with("<dependsOn ref=\"slow\"/>"),
    ]);
    let daemon = sandbox.start();
    let early = daemon.wait_until("it is checked", "slow", SOON, |seen| {
        seen["checks"][0]["last"]["result"] == "ill"
    });
    assert_eq!(
        (&early["state"], &early["health"]),
        (&"STARTING".into(), &"unknown".into())
    );
    let detail = early["checks"][0]["last"]["detail"]
        .as_str()
        .expect("it says why");
    assert_eq!(
        detail,
        format!("connecting to 127.0.0.1:{port}: Connection refused")
    );
    let ready = daemon.wait_for("slow", "RUNNING");
    assert_eq!(ready["health"], "healthy", "{ready}");
    let check = &ready["checks"][0];
    assert_eq!(
        (&check["kind"], &check["last"]["result"]),
        (&"health".into(), &"well".into())
    );
    assert_eq!(check["what"], format!("tcp {port} each 200ms"));
    assert!(check["last"]["detail"].is_null(), "{check}");
    daemon.wait_for("needs", "RUNNING");
    let (serves, needs) = (&sandbox.starts("serves")[0], &sandbox.starts("needs")[0]);
    assert!(needs.at > serves.at, "{serves:?} {needs:?}");
    sandbox
        .ctl(&["why", "slow"])
        .exits(0)
        .says(&format!("health, tcp {port} each 200ms: answered"));
}

#[test]
fn a_component_is_ready_when_its_page_holds_what_is_expected() {
    let [port] = free_ports();
    let sandbox = Sandbox::new();
    sandbox.write("page", &page("503 Busy", "imageServer"));
    let health = format!(
        "<health type=\"http\" url=\"http://localhost:{port}/is/image\" expect=\"imageServer\" interval=\"100ms\"/>"
    );
    sandbox.write_registry(&[Server::new("ps", &format!("answer {port} page")).with(&health)]);
    let daemon = sandbox.start();
    let url = format!("GET http://localhost:{port}/is/image: ");
    let says = |what: &str| {
        let wanted = format!("{url}{what}");
        daemon.wait_until(what, "ps", SOON, |seen| {
            seen["state"] == "STARTING" && seen["checks"][0]["last"]["detail"] == wanted
        });
    };
    says("status 503, expected 200-399");
    sandbox.write("page", &page("200 OK", "catalog"));
    says("the answer doesn't hold \"imageServer\"");
    sandbox.write("page", "+PONG\r\n");
    says("the answer isn't HTTP: invalid HTTP version");
    let chunks =
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nimage\r\n6\r\nServer\r\n0\r\n\r\n";
    sandbox.write("page", chunks);
    daemon.wait_for("ps", "RUNNING");
    // Every failure before it was ready was nothing but time.
    assert_eq!(daemon.component("ps")["restarts"], 0);
}

#[test]
fn a_component_that_is_not_ready_for_others_runs_on_and_others_wait_for_it() {
    let [port] = free_ports();
    let sandbox = Sandbox::new();
    sandbox.write("page", &page("200 OK", "well"));
    let readiness = format!(
        "<readiness type=\"http\" url=\"http://127.0.0.1:{port}/\" interval=\"100ms\" failures=\"2\"/>"
    );
    let needs = Server::new("needs", "record needs wait").with("<autoStart>false</autoStart>");
    sandbox.write_registry(&[
        Server::new("is", &format!("answer {port} page")).with(&readiness),
        needs.with("<dependsOn ref=\"is\"/>"),
    ]);
    let daemon = sandbox.start();
    let ready = daemon.wait_for("is", "RUNNING");
    assert_eq!(
        (&ready["health"], &ready["checks"][0]["kind"]),
        (&"healthy".into(), &"readiness".into())
    );
    sandbox.write("page", &page("503 Busy", ""));
    daemon.wait_until("it is unwell", "is", SOON, |seen| seen["health"] == "unhealthy");
    let client = s7tests::ctl::start(sandbox.ctl_command().args(["--timeout", "60", "start", "needs"]));
    daemon.wait_for("needs", "WAITING");
    daemon.wait_until("more checks fail", "is", SOON, |seen| {
        seen["checks"][0]["last"]["in_a_row"].as_u64() >= Some(6)
    });
    let seen = daemon.component("is");
    assert_eq!((&seen["pid"], &seen["state"]), (&ready["pid"], &"RUNNING".into()));
    assert_eq!((&seen["restarts"], sandbox.starts("needs").len()), (&0.into(), 0));
    sandbox.write("page", &page("200 OK", "well"));
    s7tests::ctl::finish(client, "start needs".into()).exits(0);
    assert_eq!(daemon.component("is")["health"], "healthy");
}
