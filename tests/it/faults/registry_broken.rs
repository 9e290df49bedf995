//! Registries that can't be loaded, at the start and while everything runs.

use s7tests::ctl::Output;
use s7tests::eventually::SOON;
use s7tests::registry::Server;
use s7tests::sandbox::Sandbox;
use std::fmt::Write;
use std::fs;
use std::time::{Duration, Instant};

const REGISTRY: &str = "conf/SupervisorRegistry.xml";

fn check(sandbox: &Sandbox) -> Output {
    let folder = sandbox.folder().display().to_string();
    sandbox.daemon_says(&["check", "--install-folder", &folder])
}

/// Everything that can be wrong with a file before any element of it is looked at.
fn hostile() -> Vec<(&'static str, Vec<u8>)> {
    let mut bomb = String::from("<!DOCTYPE supervisor [<!ENTITY a \"aaaaaaaaaa\">\n");
    for level in 0..9 {
        let (name, of) = (b'b' + level, b'a' + level);
        let ten = format!("&{};", of as char).repeat(10);
        writeln!(bomb, "<!ENTITY {} \"{ten}\">", name as char).expect("a string takes all");
    }
    bomb.push_str("]><supervisor><config><log>&j;</log></config></supervisor>");
    let external =
        "<!DOCTYPE supervisor [<!ENTITY x SYSTEM \"file:///etc/passwd\">]><supervisor>&x;</supervisor>";
    let deep = "<supervisor>".to_owned() + &"<a>".repeat(5000) + &"</a>".repeat(5000) + "</supervisor>";
    let long = format!(
        "<supervisor><!-- {} --></supervisor>",
        "x".repeat(2 * 1024 * 1024)
    );
    let latin = b"<?xml version=\"1.0\" encoding=\"UTF-8\"?><supervisor><config><log>\xe9\xff</log></config></supervisor>";
    vec![
        ("an entity bomb", bomb.into_bytes()),
        ("an external entity", external.into()),
        ("five thousand levels", deep.into()),
        ("two megabytes", long.into()),
        ("bytes that are no UTF-8", latin.to_vec()),
        ("nothing", vec![]),
        ("zeros", vec![0; 4096]),
        (
            "half an element",
            b"<supervisor><servers><server id=\"a\"".to_vec(),
        ),
        ("another root", b"<configuration/>".to_vec()),
        ("two roots", b"<supervisor/><supervisor/>".to_vec()),
    ]
}

#[test]
fn a_hostile_registry_is_refused_with_78() {
    let sandbox = Sandbox::new();
    for (what, bytes) in hostile() {
        fs::write(sandbox.path(REGISTRY), &bytes).expect("the sandbox is ours");
        let begun = Instant::now();
        let said = check(&sandbox);
        assert_eq!(
            said.code,
            Some(78),
            "{what}: {}",
            said.stderr.chars().take(2000).collect::<String>()
        );
        assert!(
            begun.elapsed() < Duration::from_secs(5),
            "{what} took {:?}",
            begun.elapsed()
        );
        let text = format!("{}{}", said.stdout, said.stderr);
        assert!(
            text.contains("SupervisorRegistry.xml"),
            "{what}: the file is named"
        );
        assert!(
            !text.contains("root:"),
            "{what}: nothing of another file is shown"
        );
        assert!(
            text.len() < 64 * 1024,
            "{what}: {} bytes of complaint",
            text.len()
        );
        let mut daemon = sandbox.spawn_with(&[]);
        assert_eq!(daemon.wait().code(), Some(78), "{what}");
        sandbox.assert_nothing_left();
    }
}

#[test]
fn a_registry_that_is_missing_at_boot_is_told_with_its_path_and_78() {
    let sandbox = Sandbox::new();
    let mut daemon = sandbox.spawn_with(&[]);
    assert_eq!(daemon.wait().code(), Some(78));
    let said = sandbox.read("daemon.stderr");
    let path = sandbox.path(REGISTRY).display().to_string();
    assert!(said.contains(&path), "the file that is missing is named: {said}");
    assert!(!sandbox.socket().exists(), "nobody listens");
    assert_eq!(sandbox.supervisor_log(), "", "nothing was begun");
}

#[test]
fn all_errors_of_a_registry_come_at_once() {
    let sandbox = Sandbox::new();
    let good = sandbox.document(&[Server::new("twice", "wait")]);
    let servers = r#"
    <server id="twice"><executable>bin/fixture</executable></server>
    <server id="bad id"><executable>bin/fixture</executable></server>
    <server id="early"><executable>bin/fixture</executable><startDelay>-5</startDelay></server>
    <server id="late"><executable>bin/fixture</executable><stopTimeout>99999999999999999999</stopTimeout></server>
    <server id="wordy"><executable>bin/fixture</executable><startPriority>one</startPriority></server>
    <server id="lost"><profile ref="Java46"/></server>
    <server id="text"><executable>bin/fixture</executable><instances>2</instances></server>
    <server id="text-1"><executable>bin/fixture</executable></server>
    <server id="leaning"><executable>bin/fixture</executable><dependsOn ref="nobody"/></server>
    <server id="open"><executable>bin/fixture</executable><description>SV::NoSuchThing</description></server>
  </servers>"#;
    let broken = good.replace("  </servers>", servers);
    sandbox.write(REGISTRY, &broken);
    let said = check(&sandbox).exits(78);
    let text = format!("{}{}", said.stdout, said.stderr);
    for word in [
        "twice",
        "bad id",
        "-5",
        "99999999999999999999",
        "one",
        "Java46",
        "Java64",
        "text-1",
        "nobody",
        "NoSuchThing",
    ] {
        assert!(text.contains(word), "{word:?} is missing in {said}");
    }
    for (number, line) in (1..).zip(broken.lines()) {
        let wrong = [
            "bad id",
            "<startDelay>-5",
            "99999999999999999999",
            "<startPriority>one",
            "Java46",
            "\"nobody\"",
            "NoSuchThing",
        ];
        if wrong.iter().any(|word| line.contains(word)) {
            assert!(
                text.contains(&format!(":{number}:")),
                "line {number} ({line}) is not named in {said}"
            );
        }
    }
    let json = sandbox
        .daemon_says(&["check", "--json", &sandbox.path(REGISTRY).display().to_string()])
        .exits(78)
        .json();
    assert_eq!(json["schema"], 1);
    assert_eq!(json["ok"], false);
}

#[test]
fn a_broken_registry_harms_nothing_that_runs() {
    let sandbox = Sandbox::with(&[Server::new("steady", "record starts wait")]);
    let daemon = sandbox.start();
    let before = daemon.wait_for("steady", "RUNNING");
    let stale = || daemon.status()["supervisor"]["registry_stale"].clone();
    for (what, bytes) in hostile() {
        fs::write(sandbox.path(REGISTRY), &bytes).expect("the sandbox is ours");
        let _ = sandbox.ctl(&["reload", "--dry-run"]).exits(1);
        assert!(
            what != "an entity bomb" || stale().is_null(),
            "only asked: {}",
            stale()
        );
        let said = sandbox.ctl(&["reload"]);
        assert_eq!(said.code, Some(1), "{what}: {said}");
        assert!(stale()["diagnostics"][0].is_object(), "{what}: {}", stale());
        assert!(
            said.to_string().contains("SupervisorRegistry.xml"),
            "{what}: {said}"
        );
        let said = sandbox.ctl(&["restart"]);
        assert_ne!(
            said.code,
            Some(0),
            "a restart of everything looks at the registry first; {what}: {said}"
        );
    }
    fs::remove_file(sandbox.path(REGISTRY)).expect("the sandbox is ours");
    let said = sandbox.ctl(&["reload"]).exits(1);
    assert!(said.to_string().contains("SupervisorRegistry.xml"), "{said}");
    daemon.signal(rustix::process::Signal::HUP);
    let after = daemon.component("steady");
    assert_eq!((&after["pid"], &after["run"]), (&before["pid"], &before["run"]));
    assert_eq!(sandbox.starts("starts").len(), 1);
    sandbox.write_registry(&[
        Server::new("steady", "record starts wait"),
        Server::new("more", "wait"),
    ]);
    sandbox.ctl(&["reload"]).exits(0);
    assert!(stale().is_null(), "{}", stale());
    daemon.wait_for("more", "RUNNING");
    assert_eq!(daemon.component("steady")["pid"], before["pid"]);
}

#[test]
fn a_registry_that_changes_all_the_time_is_loaded_whole_or_not_at_all() {
    let sandbox = Sandbox::new();
    let versions = ["a", "b"].map(|text| {
        let servers = ["x", "y", "z"].map(|id| {
            Server::new(id, "wait")
                .variable("VERSION", text)
                .variable("ID", id)
        });
        sandbox.document(&servers)
    });
    fs::write(sandbox.path(REGISTRY), &versions[0]).expect("the sandbox is ours");
    let daemon = sandbox.start();
    for id in ["x", "y", "z"] {
        daemon.wait_for(id, "RUNNING");
    }
    let path = sandbox.path(REGISTRY);
    let (enough, stop) = std::sync::mpsc::channel::<()>();
    let last = versions[1].clone();
    let writer = std::thread::spawn(move || {
        let mut round = 0usize;
        while stop.try_recv().is_err() {
            // In place and in pieces, as an editor without manners writes.
            let text = &versions[round % 2];
            let middle = text.len() * (round % 7) / 7;
            fs::write(&path, &text[..middle]).expect("the sandbox is ours");
            std::thread::sleep(Duration::from_millis(3));
            fs::write(&path, text).expect("the sandbox is ours");
            std::thread::sleep(Duration::from_millis(7));
            round += 1;
        }
    });
    let (mut loaded, mut refused) = (0, 0);
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_secs(4) {
        match sandbox.ctl(&["reload"]) {
            said if said.code == Some(0) => loaded += 1,
            said => {
                refused += 1;
                assert_eq!(said.code, Some(1), "{said}");
                assert!(said.to_string().contains("SupervisorRegistry.xml"), "{said}");
            }
        }
        let status = daemon.status();
        assert_eq!(
            status["components"].as_array().map(Vec::len),
            Some(3),
            "all or nothing: {status}"
        );
    }
    enough.send(()).expect("the writer listens");
    writer.join().expect("the writer did its part");
    assert!(loaded > 0, "no reload met a whole file ({refused} refused)");
    fs::write(sandbox.path(REGISTRY), last).expect("the sandbox is ours");
    sandbox.ctl(&["reload"]).exits(0);
    for id in ["x", "y", "z"] {
        let seen = daemon.wait_until("it runs", id, SOON, |seen| seen["state"] == "RUNNING");
        let pid = s7tests::daemon::pid(&seen).expect("it runs");
        let environment = fs::read(format!("/proc/{pid}/environ")).expect("it lives");
        let text = String::from_utf8_lossy(&environment);
        assert!(text.contains("VERSION=b"), "the last version is in force: {text}");
    }
}

#[test]
fn ties_start_in_the_order_of_the_file() {
    let ids: Vec<String> = (0..12).map(|number| format!("c{}", (number * 5) % 12)).collect();
    let servers: Vec<_> = ids.iter().map(|id| Server::new(id, "wait")).collect();
    let sandbox = Sandbox::with(&servers);
    let daemon = sandbox.start();
    ids.iter().for_each(|id| drop(daemon.wait_for(id, "RUNNING")));
    let status = daemon.status();
    let shown: Vec<_> = status["components"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|one| one["id"].clone())
        .collect();
    assert_eq!(shown, ids, "they are shown in that order");
    // Pids go up, and nothing else starts so much in between that they could wrap around twelve times over.
    let mut begun: Vec<_> = ids
        .iter()
        .map(|id| s7tests::processes::process(daemon.pid_of(id)).expect("it lives"))
        .map(|process| (process.started, process.pid))
        .collect();
    let as_filed = begun.clone();
    begun.sort_unstable();
    assert_eq!(begun, as_filed, "they are started in that order");
}
