//! `s7ctl check` and `s7supervisord check`.

use s7tests::registry::Server;
use s7tests::sandbox::Sandbox;
use std::collections::BTreeSet;

/// The documented file with placeholders as it is printed, and with literals in their place.
const DOCUMENTED: [&str; 2] = [
    include_str!("../../../s7supervisord/src/registry/fixtures/documented.xml"),
    include_str!("../../../s7supervisord/src/registry/fixtures/documented-literals.xml"),
];

fn tree(sandbox: &Sandbox) -> BTreeSet<std::path::PathBuf> {
    let mut found = BTreeSet::new();
    let mut folders = vec![sandbox.folder().to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("the sandbox is ours").flatten() {
            if entry.file_type().expect("a listed entry has a type").is_dir() {
                folders.push(entry.path());
            }
            found.insert(entry.path());
        }
    }
    found
}

#[test]
fn the_documented_registry_loads_unchanged() {
    let sandbox = Sandbox::new();
    let file = sandbox.path("conf/SupervisorRegistry.xml").display().to_string();
    let folder = sandbox.folder().display().to_string();
    assert!(DOCUMENTED[0].contains("SV::PsHeapSize") && !DOCUMENTED[1].contains("SV::"));
    for text in DOCUMENTED {
        sandbox.write("conf/SupervisorRegistry.xml", text);
        let before = tree(&sandbox);
        let said = sandbox
            .daemon_says(&["check", &file, "--install-folder", &folder])
            .exits(0);
        assert_eq!(tree(&sandbox), before, "a check creates nothing");
        for word in [
            "is",
            "svg",
            "ps",
            "-Xmx200m",
            "-Xmx512m",
            "-Dcom.sun.management.jmxremote.port=9999",
        ] {
            assert!(said.stdout.contains(word), "{word:?} is missing in {said}");
        }
        let lines = said
            .stdout
            .lines()
            .filter(|line| line.trim_start().starts_with("command "));
        let commands: Vec<_> = lines.collect();
        assert_eq!(commands.len(), 3, "{said}");
        assert!(
            commands.iter().all(|line| !line.contains("SV::")),
            "a placeholder has reached a command line: {commands:?}"
        );
        // What lies in the field is half installed here: programs are missing, which only --strict minds.
        sandbox
            .daemon_says(&["check", &file, "--install-folder", &folder, "--strict"])
            .exits(78);
        let json = sandbox
            .daemon_says(&["check", &file, "--install-folder", &folder, "--json"])
            .exits(0)
            .json();
        assert_eq!((&json["schema"], &json["ok"]), (&1.into(), &true.into()));
        let components = json["data"]["components"].as_array().expect("a list");
        let ids: Vec<_> = components.iter().map(|one| one["id"].as_str()).collect();
        assert_eq!(
            ids,
            [Some("is"), Some("svg"), Some("ps")],
            "in the order of their start"
        );
    }
}

#[test]
fn a_file_is_checked_with_the_callers_eyes_and_the_daemons_own_by_the_daemon() {
    let sandbox = Sandbox::with(&[Server::new("one", "wait")]);
    let daemon = sandbox.start();
    daemon.wait_for("one", "RUNNING");
    sandbox.ctl(&["check"]).exits(0);
    sandbox.write("conf/SupervisorRegistry.xml", "<supervisor>");
    let said = sandbox.ctl(&["check"]).exits(1);
    assert!(said.to_string().contains("SupervisorRegistry.xml"), "{said}");
    sandbox.write("other.xml", &sandbox.document(&[Server::new("two", "wait")]));
    let said = sandbox.ctl(&["check", "other.xml"]).exits(0);
    assert!(said.stdout.contains("two"), "{said}");
    assert_eq!(daemon.component("one")["state"], "RUNNING");
}

#[test]
fn a_placeholder_is_taken_from_the_command_line_first() {
    let sandbox = Sandbox::new();
    let settings = r#"<settings><setting name="SV::Size">written</setting></settings><servers>"#;
    let document = sandbox.document(&[Server::new("sized", "print size-SV::Size wait")]);
    sandbox.write(
        "conf/SupervisorRegistry.xml",
        &document.replace("<servers>", settings),
    );
    let file = sandbox.path("conf/SupervisorRegistry.xml").display().to_string();
    let said = sandbox.daemon_says(&["check", &file]).exits(0);
    assert!(said.stdout.contains("size-written"), "{said}");
    let daemon = sandbox.start_with(&["--set", "SV::Size=given"]);
    daemon.wait_for("sized", "RUNNING");
    s7tests::eventually::eventually("the size is logged", s7tests::eventually::SOON, || {
        let log = sandbox.log_of("sized");
        s7tests::eventually::when(log == "size-given\n", || log.clone())
    });
    sandbox.write("conf/SupervisorRegistry.xml", &document);
    let said = sandbox.daemon_says(&["check", &file]).exits(78);
    assert!(
        said.to_string().contains("SV::Size"),
        "an unresolved placeholder is an error: {said}"
    );
}
