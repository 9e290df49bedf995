//! `s7ctl logs`.

use s7tests::eventually::{SOON, eventually, when};
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

#[test]
fn logs_since_a_time_are_what_was_written_from_then_on_also_by_an_earlier_supervisor() {
    let sandbox = Sandbox::with(&[
        Server::new("one", "print begun wait").with("<log maxSize=\"4096\" compress=\"true\"/>"),
        Server::new("talker", "lines 0 20000 exit 0")
            .with("<log maxSize=\"5000\" maxFiles=\"1000\"/><restart policy=\"never\"/>"),
    ]);
    let mut daemon = sandbox.start();
    daemon.wait_for("one", "RUNNING");
    daemon.wait_for("talker", "EXITED");
    // The end of a run is told as soon as it is known, and its last lines may be in the pipe for a moment longer.
    let since = || sandbox.ctl(&["logs", "--since", "1h", "talker"]).exits(0).stdout;
    eventually("all is in the files", SOON, || {
        let all = since();
        when(all.ends_with("19999\n"), || {
            format!("{} lines", all.lines().count())
        })
    });
    let all = since();
    let numbers: Vec<&str> = all
        .lines()
        .filter_map(|line| line.strip_prefix("line "))
        .collect();
    assert_eq!(numbers.last(), Some(&"00019999"), "over all files");
    assert_eq!(numbers.len(), 10_000, "as many as one answer takes");
    let said = sandbox
        .ctl(&["logs", "--since", "1h", "-n", "2", "talker"])
        .exits(0);
    assert_eq!(said.stdout, "line 00019998\nline 00019999\n", "{said}");
    sandbox.ctl(&["shutdown"]).exits(0);
    assert_eq!(daemon.wait().code(), Some(0));
    // The points are a second apart, so what comes next has to be that much later.
    let written = std::time::SystemTime::now();
    eventually("two seconds have passed", SOON, || {
        let passed = written.elapsed().unwrap_or_default().as_secs();
        when(passed >= 2, || passed.to_string())
    });
    let daemon = sandbox.start();
    daemon.wait_for("one", "RUNNING");
    eventually("the second run has written", SOON, || {
        let log = sandbox.log_of("one");
        when(log == "begun\nbegun\n", || log.clone())
    });
    let since_restart = format!("{}ms", written.elapsed().unwrap_or_default().as_millis() - 500);
    let said = sandbox.ctl(&["logs", "--since", &since_restart, "one"]).exits(0);
    assert_eq!(said.stdout, "begun\n", "{said}");
    let said = sandbox.ctl(&["logs", "--since", "0s", "one"]).exits(0);
    assert_eq!(said.stdout, "", "{said}");
    sandbox.ctl(&["logs", "--since", "lately"]).exits(2);
}
