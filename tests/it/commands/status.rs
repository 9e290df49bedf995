//! `s7ctl status`.

use s7tests::registry::Server;
use s7tests::sandbox::Sandbox;
use serde_json::Value;

#[test]
fn status_has_every_field_of_the_schema() {
    let sandbox = Sandbox::with(&[
        Server::new("two", "wait").tier(2),
        Server::new("one", "wait").with("<description>The first</description>"),
    ]);
    let daemon = sandbox.start();
    daemon.wait_for("two", "RUNNING");
    let status = sandbox.ctl(&["--json", "status"]).exits(0).json();
    assert_eq!((&status["schema"], &status["ok"]), (&1.into(), &true.into()));
    let supervisor = &status["supervisor"];
    assert_eq!(supervisor["pid"], daemon.pid());
    assert_eq!(supervisor["version"], env!("CARGO_PKG_VERSION"));
    assert!(
        supervisor["uptime_seconds"]
            .as_f64()
            .is_some_and(|seconds| seconds > 0.0),
        "{supervisor}"
    );
    assert!(
        supervisor["registry"]
            .as_str()
            .is_some_and(|text| text.ends_with("SupervisorRegistry.xml")),
        "{supervisor}"
    );
    assert!(supervisor["containment"].is_string(), "{supervisor}");
    let components = status["components"].as_array().expect("a list");
    let ids: Vec<_> = components.iter().map(|one| one["id"].as_str()).collect();
    assert_eq!(ids, [Some("one"), Some("two")], "by tier, then by file");
    let fields = [
        "id",
        "description",
        "tier",
        "wish",
        "state",
        "health",
        "pid",
        "run",
        "uptime_seconds",
        "restarts",
        "memory_bytes",
        "cpu_percent",
        "last_exit",
        "next_try_seconds",
        "reason",
    ];
    for component in components {
        let object = component.as_object().expect("an object");
        for field in fields {
            assert!(object.contains_key(field), "{field} is left out of {component}");
        }
        assert_eq!(
            (&component["wish"], &component["health"]),
            (&"up".into(), &"none".into())
        );
        assert!(
            component["uptime_seconds"]
                .as_f64()
                .is_some_and(|seconds| seconds > 0.0),
            "{component}"
        );
        assert_eq!(
            (&component["last_exit"], &component["next_try_seconds"]),
            (&Value::Null, &Value::Null)
        );
    }
    assert_eq!(components[0]["description"], "The first");
    assert_eq!(
        (&components[0]["tier"], &components[1]["tier"]),
        (&1.into(), &2.into())
    );
}

#[test]
fn status_tells_memory_of_the_whole_tree() {
    let sandbox = Sandbox::with(&[
        Server::new("alone", "wait"),
        Server::new("family", "fork-in-group child wait").stop_timeout("200ms"),
    ]);
    let daemon = sandbox.start();
    daemon.wait_for("family", "RUNNING");
    let _child = sandbox.pid_in("child");
    let memory = |id: &str| daemon.component(id)["memory_bytes"].as_u64();
    s7tests::eventually::eventually(
        "a sample that has seen the child",
        s7tests::eventually::SOON,
        || match (memory("alone"), memory("family")) {
            (Some(alone), Some(family)) if alone > 100_000 && family > alone => Ok(()),
            seen => Err(format!("{seen:?}")),
        },
    );
}

#[test]
fn the_exit_code_of_status_tells_whether_all_that_should_run_does() {
    let sandbox = Sandbox::with(&[
        Server::new("good", "wait"),
        Server::new("idle", "wait").with("<autoStart>false</autoStart>"),
    ]);
    let daemon = sandbox.start();
    daemon.wait_for("good", "RUNNING");
    sandbox.ctl(&["status"]).exits(0);
    sandbox.ctl(&["status", "good"]).exits(0);
    sandbox.ctl(&["status", "idle"]).exits(3);
    sandbox.ctl(&["stop", "good"]).exits(0);
    sandbox.ctl(&["status"]).exits(0);
    sandbox.ctl(&["status", "good"]).exits(3);
    let said = sandbox.ctl(&["status", "goood"]).exits(4);
    assert!(said.stderr.contains("good"), "it names what is near: {said}");
}

#[test]
fn status_in_words_has_a_line_for_each_component_and_says_who_stopped_it() {
    let sandbox = Sandbox::with(&[Server::new("runner", "wait"), Server::new("sitter", "wait")]);
    let daemon = sandbox.start();
    let pid = daemon.wait_for("runner", "RUNNING")["pid"].to_string();
    sandbox.ctl(&["stop", "sitter"]).exits(0);
    let said = sandbox.ctl(&["status"]).exits(0);
    let line = |id: &str| {
        said.stdout
            .lines()
            .find(|line| line.contains(id))
            .unwrap_or_else(|| panic!("{id} in {said}"))
    };
    assert!(
        line("runner").contains("RUNNING") && line("runner").contains(&pid),
        "{said}"
    );
    assert!(
        line("sitter").contains("STOPPED") && line("sitter").contains("uid"),
        "{said}"
    );
    assert!(
        !said.stdout.contains('\u{1b}'),
        "no colour where nobody looks: {said}"
    );
}

#[test]
fn status_without_a_supervisor_is_one_line_and_3() {
    let sandbox = Sandbox::new();
    let said = sandbox.ctl(&["status"]).exits(3);
    assert_eq!(
        said.stdout.lines().count() + said.stderr.lines().count(),
        1,
        "one informational line: {said}"
    );
    let json = sandbox.ctl(&["--json", "status"]).exits(3).json();
    assert_eq!(
        (&json["schema"], &json["ok"], &json["supervisor"]),
        (&1.into(), &false.into(), &Value::Null)
    );
}
