//! `s7ctl why`.

use s7tests::eventually::{SOON, eventually, when};
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
        "3 \u{d7} exited with code 9, the last after ",
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
fn why_alone_begins_with_what_was_given_up_and_ends_with_what_waits() {
    let waiting =
        (0..12).map(|at| Server::new(&format!("waits-{at}"), "wait").with("<dependsOn ref=\"given-up\"/>"));
    let fails = |id: &str| Server::new(id, "exit 3").start_delay("10");
    let mut servers: Vec<Server> = waiting.collect();
    servers.push(fails("tries"));
    servers.push(fails("given-up").with("<restart maxRetries=\"1\"/>").tier(1));
    let sandbox = Sandbox::with(&servers);
    let daemon = sandbox.start();
    daemon.wait_for("given-up", "FATAL");
    daemon.wait_for("waits-11", "WAITING");
    daemon.wait_until("it is tried again", "tries", SOON, |seen| {
        seen["state"] == "BACKOFF"
    });
    let told = |json: &serde_json::Value| {
        let ids = json["data"]["components"].as_array().into_iter().flatten();
        ids.map(|one| one["id"].as_str().unwrap_or_default().to_owned())
            .collect::<Vec<_>>()
    };
    // It may be starting at the moment that is asked about.
    eventually("what is tried again comes second", SOON, || {
        let said = sandbox.ctl(&["why", "--json"]).exits(0);
        let told = told(&said.json());
        assert_eq!((told.len(), told[0].as_str()), (10, "given-up"), "{said}");
        when(told[1] == "tries" && told[2] == "waits-0", || format!("{told:?}"))
    });
    let said = sandbox.ctl(&["why"]).exits(0);
    let _ = said.says("4 more components are not as they should be");
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

#[test]
fn why_quotes_what_a_run_has_written_before_it_failed_when_the_next_one_runs_long_since() {
    let sandbox = Sandbox::with(&[]);
    let gate = sandbox.path("gate");
    let script = format!(
        "complain out-of-luck exit-if {} 9 print all-is-well wait",
        gate.display()
    );
    sandbox.write("gate", "");
    sandbox.write_registry(&[Server::new("flaky", &script).start_delay("0")]);
    let daemon = sandbox.start();
    let crashed = |seen: &serde_json::Value| seen["restarts"].as_u64() >= Some(1);
    daemon.wait_until("it has crashed", "flaky", s7tests::eventually::SOON, crashed);
    std::fs::remove_file(&gate).unwrap();
    daemon.wait_for("flaky", "RUNNING");
    let quoted =
        s7tests::eventually::eventually("what it said before is quoted", s7tests::eventually::SOON, || {
            let said = sandbox.ctl(&["why", "flaky"]).exits(0);
            let there = said.stdout.contains("\n                | out-of-luck\n");
            there.then_some(said.clone()).ok_or_else(|| said.to_string())
        });
    let (runs, output) = quoted
        .stdout
        .split_once("  output ")
        .expect("its output is there");
    assert!(
        runs.contains("flaky is RUNNING") && !runs.contains("all-is-well"),
        "{quoted}"
    );
    assert!(output.contains("    | all-is-well\n"), "{quoted}");
}

#[test]
fn why_says_whose_output_can_not_be_written_until_it_can() {
    let script = "while :; do echo line; sleep 0.02; done".to_owned();
    let talks = Server::program("talks", "/bin/sh", vec!["-c".to_owned(), script]);
    let sandbox = Sandbox::with(&[talks.with("<log onFull=\"block\"/>"), Server::new("one", "wait")]);
    let daemon = sandbox.start();
    daemon.wait_for("talks", "RUNNING");
    daemon.wait_for("one", "RUNNING");
    let log = sandbox.path("logs/talks.log");
    std::fs::remove_file(&log).unwrap();
    std::fs::create_dir(&log).unwrap();
    let told = |what: &str, text: &str| {
        eventually(what, SOON, || {
            let said = sandbox.ctl(&["why"]).exits(0);
            when(said.stdout.contains(text), || said.to_string())
        });
    };
    let text = format!("its output can't be written to {} since ", log.display());
    told("it waits for its log", &text);
    let said = sandbox.ctl(&["status", "talks"]).exits(0);
    assert!(said.stdout.contains("it waits when its pipe is full"), "{said}");
    std::fs::remove_dir(&log).unwrap();
    told("it is written again", "Everything is as it should be.\n");
}

#[test]
fn why_counts_from_the_beginning_of_a_run_that_was_adopted_and_says_that_earlier_ones_are_not_known() {
    let sandbox = Sandbox::with(&[Server::new("one", "wait")]);
    let since = || {
        let json = sandbox.ctl(&["why", "one", "--json"]).exits(0).json();
        let since = json["data"]["components"][0]["since"].as_str().map(str::to_owned);
        since.expect("it runs").trim_end_matches('Z').to_owned()
    };
    let daemon = sandbox.start();
    daemon.wait_for("one", "RUNNING");
    let before = since();
    daemon.kill();
    let daemon = sandbox.start();
    daemon.wait_for("one", "RUNNING");
    let after = since();
    assert!(after <= before, "{before} became {after}");
    let why = || sandbox.ctl(&["why", "one"]).exits(0);
    assert!(!why().stdout.contains("not known"), "there were none: {}", why());
    sandbox.ctl(&["restart", "one"]).exits(0);
    daemon.kill();
    std::fs::remove_file(sandbox.path("run/history")).expect("it is there");
    let daemon = sandbox.start();
    daemon.wait_for("one", "RUNNING");
    why().says("earlier ones are not known: what happened is remembered since ");
}
