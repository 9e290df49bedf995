//! `s7ctl why`.

use s7tests::registry::Server;
use s7tests::sandbox::Sandbox;

#[test]
fn why_tells_how_it_ended_what_it_said_and_what_to_do() {
    let broken = Server::new("broken", "complain no-such-database sleep 20 exit 9").start_delay("10");
    let needs = Server::new("needs", "wait")
        .tier(2)
        .with("<dependsOn ref=\"broken\"/>");
    let sandbox = Sandbox::with(&[Server::new("good", "wait"), broken, needs]);
    let daemon = sandbox.start();
    daemon.wait_for("good", "RUNNING");
    let crashed =
        |seen: &serde_json::Value| seen["restarts"].as_u64() >= Some(2) && seen["state"] == "BACKOFF";
    daemon.wait_until("it has crashed", "broken", s7tests::eventually::SOON, crashed);
    let said = sandbox.ctl(&["why", "broken"]).exits(0);
    for text in [
        "broken is BACKOFF: ",
        "exited with code 9",
        "3 \u{d7} exited with code 9 after ",
        "next        a try in ",
        "holds up    needs, which is WAITING",
        "    | no-such-database\n",
        "s7ctl logs -n 100 broken",
        "s7ctl stop broken",
    ] {
        assert!(said.stdout.contains(text), "{text:?} is missing in {said}");
    }
    let said = sandbox.ctl(&["why"]).exits(0);
    assert!(
        said.stdout.contains("broken is BACKOFF") && said.stdout.contains("needs is WAITING"),
        "{said}"
    );
    assert!(
        !said.stdout.contains("good is"),
        "that is as it should be: {said}"
    );
    let json = sandbox.ctl(&["why", "broken", "--json"]).exits(0).json();
    let one = &json["data"]["components"][0];
    assert_eq!(
        (
            &one["id"],
            &one["past"][0]["exit"]["code"],
            &one["dependants"][0]["id"]
        ),
        (&"broken".into(), &9.into(), &"needs".into())
    );
    assert!(
        one["output"]["text"]
            .as_str()
            .is_some_and(|text| text.contains("no-such-database")),
        "{one}"
    );
    sandbox
        .ctl(&["why", "brokn"])
        .exits(4)
        .says("did you mean broken?");
}

#[test]
fn why_names_who_stopped_it_and_is_content_when_all_is_well() {
    let sandbox = Sandbox::with(&[Server::new("one", "wait"), Server::new("two", "wait")]);
    let daemon = sandbox.start();
    daemon.wait_for("one", "RUNNING");
    daemon.wait_for("two", "RUNNING");
    sandbox.ctl(&["stop", "one"]).exits(0);
    let said = sandbox.ctl(&["why", "one"]).exits(0);
    let uid = rustix::process::geteuid().as_raw();
    assert!(
        said.stdout
            .starts_with(&format!("one is STOPPED: stopped by uid {uid} at ")),
        "{said}"
    );
    for text in [
        &format!(" uid {uid} asked for: stop one\n") as &str,
        "  runs        was ended by SIGTERM as asked after ",
        "start it: s7ctl start one",
    ] {
        assert!(said.stdout.contains(text), "{text:?} is missing in {said}");
    }
    let said = sandbox.ctl(&["why"]).exits(0);
    assert_eq!(said.stdout, "Everything is as it should be.\n");
}
