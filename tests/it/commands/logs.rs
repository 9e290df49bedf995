//! `s7ctl logs`.

use s7tests::registry::Server;
use s7tests::sandbox::Sandbox;

#[test]
fn logs_are_the_last_lines_as_they_were_written() {
    let sandbox = Sandbox::with(&[
        Server::new("counter", "lines 0 1000 exit 0").with("<restart policy=\"never\"/>"),
        Server::new("quiet", "wait"),
    ]);
    let daemon = sandbox.start();
    daemon.wait_for("counter", "EXITED");
    let said = sandbox.ctl(&["logs", "-n", "3", "counter"]).exits(0);
    assert_eq!(
        said.stdout, "line 00000997\nline 00000998\nline 00000999\n",
        "{said}"
    );
    let said = sandbox.ctl(&["logs", "-n", "2000", "counter"]).exits(0);
    assert_eq!(said.stdout.lines().count(), 1000);
    assert_eq!(sandbox.ctl(&["logs", "quiet"]).exits(0).stdout, "");
    sandbox.ctl(&["logs", "nobody"]).exits(4);
}
