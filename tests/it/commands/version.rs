//! `s7ctl version`.

use s7tests::registry::Server;
use s7tests::sandbox::Sandbox;

#[test]
fn version_names_both_sides_and_needs_no_daemon_for_its_own() {
    let sandbox = Sandbox::with(&[Server::new("one", "wait")]);
    let own = env!("CARGO_PKG_VERSION");
    let alone = sandbox.ctl(&["version"]);
    assert!(
        alone.stdout.contains(own),
        "its own version is known without a daemon: {alone}"
    );
    let daemon = sandbox.start();
    let said = sandbox.ctl(&["--json", "version"]).exits(0);
    assert!(
        said.stdout.contains(own) && said.stdout.contains(&daemon.pid().to_string()),
        "{said}"
    );
    assert_eq!(said.json()["schema"], 1);
}
