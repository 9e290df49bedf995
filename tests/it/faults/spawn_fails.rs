//! Starts that don't come to a running program.

use s7tests::eventually::SOON;
use s7tests::processes::{self, children_of};
use s7tests::registry::{FIXTURE, Server};
use s7tests::sandbox::Sandbox;
use std::fs;
use std::os::unix::fs::PermissionsExt;

/// A component that can't be started, and what must be said about it.
struct Case {
    server: Server,
    says: [&'static str; 2],
}

fn cases(sandbox: &Sandbox) -> Vec<Case> {
    let make = |name: &str, mode: u32, text: &str| {
        let path = sandbox.path(&format!("bin/{name}"));
        processes::while_nobody_forks(|| fs::write(&path, text)).expect("the sandbox is ours");
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("the sandbox is ours");
        format!("bin/{name}")
    };
    let plain = make("plain", 0o644, "#!/bin/sh\n");
    let noise = make("noise", 0o755, "\u{1}\u{2} no program of any kind\n");
    let orphaned = make("orphaned", 0o755, "#!/nonexistent/interpreter\n");
    let runs = |id: &str, program: &str| Server::program(id, program, vec![]);
    let fixture = |id: &str| Server::program(id, FIXTURE, vec!["wait".into()]);
    let mut cases = vec![
        Case {
            server: runs("missing", "bin/missing"),
            says: ["executing", "No such file"],
        },
        Case {
            server: runs("forbidden", &plain),
            says: ["executing", "Permission denied: nobody may execute it"],
        },
        Case {
            server: runs("noise", &noise),
            says: [
                "executing",
                "Exec format error: it is neither a program nor a script",
            ],
        },
        Case {
            server: runs("orphaned", &orphaned),
            says: [
                "executing",
                "No such file or directory: its interpreter /nonexistent/interpreter is missing",
            ],
        },
        Case {
            server: fixture("homeless").with("<workingDirectory>nowhere</workingDirectory>"),
            says: ["changing directory", "No such file"],
        },
    ];
    // Without root, a user in the registry is another question than whether that user exists.
    if rustix::process::geteuid().is_root() {
        cases.push(Case {
            server: fixture("nobody").with("<user>no-such-user-here</user>"),
            says: ["user", "no-such-user-here"],
        });
    }
    cases
}

#[test]
fn a_start_that_fails_names_its_stage_and_cause() {
    let sandbox = Sandbox::new();
    let cases = cases(&sandbox);
    let mut servers: Vec<_> = cases
        .iter()
        .map(|case| case.server.clone().with("<autoStart>false</autoStart>"))
        .collect();
    servers.push(Server::new("fine", "wait"));
    sandbox.write_registry(&servers);
    let daemon = sandbox.start();
    let ids = ["missing", "forbidden", "noise", "orphaned", "homeless", "nobody"];
    for (case, id) in cases.iter().zip(ids) {
        let said = sandbox.ctl(&["start", id]).exits(1);
        let text = said.to_string().to_lowercase();
        for word in case.says {
            assert!(
                text.contains(&word.to_lowercase()),
                "{word:?} is missing in what was said of {id}: {said}"
            );
        }
        let seen = daemon.wait_until("it is tried again", id, SOON, |seen| seen["state"] == "BACKOFF");
        assert_eq!(seen["wish"], "up", "a start that failed goes on: {seen}");
        let reason = seen["reason"].to_string().to_lowercase();
        assert!(
            case.says.iter().all(|word| reason.contains(&word.to_lowercase())),
            "reason of {id}: {reason}"
        );
        // The first failure of a row, which is followed by the next try at once, is told as well.
        let _ = sandbox
            .ctl(&["events", id])
            .exits(0)
            .says("BACKOFF, run 1: cannot start: ");
        let why = sandbox.ctl(&["why", "--json", id]).exits(0).json();
        assert_eq!(why["data"]["components"][0]["past"][0]["run"], 1, "{why}");
        sandbox.ctl(&["stop", id]).exits(0);
        assert_eq!(daemon.component(id)["state"], "STOPPED");
    }
    assert_eq!(
        daemon.wait_for("fine", "RUNNING")["restarts"],
        0,
        "the others never noticed"
    );
    let children = children_of(daemon.pid());
    assert_eq!(
        children.len(),
        1,
        "only the one that runs is a child: {children:?}"
    );
}

#[test]
fn a_program_that_appears_later_is_started_by_itself() {
    let sandbox = Sandbox::with(&[Server::program("late", "bin/late", vec!["wait".into()])]);
    let daemon = sandbox.start();
    daemon.wait_for("late", "BACKOFF");
    std::os::unix::fs::symlink(sandbox.path(FIXTURE), sandbox.path("bin/late")).expect("the sandbox is ours");
    daemon.wait_for("late", "RUNNING");
}
