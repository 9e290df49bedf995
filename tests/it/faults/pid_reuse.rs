//! A pid that was a component's becomes somebody else's.

use rustix::process::Signal;
use s7tests::ctl;
use s7tests::daemon::{Daemon, pid};
use s7tests::eventually::{SOON, eventually};
use s7tests::processes::{self, children_of, is_alive, send};
use s7tests::programs;
use s7tests::registry::Server;
use s7tests::sandbox::Sandbox;
use std::process::{Command, Stdio};
use std::time::Duration;

/// A daemon that is a child of the first process of a pid namespace of its own, so that it can die without ending it.
struct Namespace<'a> {
    sandbox: &'a Sandbox,
    holder: std::process::Child,
    /// The namespace's first process, as seen from outside.
    first: u32,
}

impl<'a> Namespace<'a> {
    fn new(sandbox: &'a Sandbox) -> Result<Self, String> {
        let mut unshare = Command::new("unshare");
        unshare.args(["--pid", "--fork", "--mount-proc", "--kill-child=KILL"]);
        sandbox.clean(&mut unshare);
        unshare
            .arg(programs::path_of(programs::FIXTURE))
            .args(["ignore", "CHLD", "wait"])
            .stdin(Stdio::null());
        let mut holder = processes::spawn(&mut unshare);
        let first = eventually("the namespace has its first process", SOON, || {
            if let Ok(Some(status)) = holder.try_wait() {
                return Ok(Err(format!("unshare may not do that here ({status})")));
            }
            let children = children_of(holder.id());
            let fixture = children.iter().find(|child| child.name == "fixture");
            fixture
                .map(|child| Ok(child.pid))
                .ok_or_else(|| format!("{children:?}"))
        });
        match first {
            Ok(first) => Ok(Self {
                sandbox,
                holder,
                first,
            }),
            Err(why) => {
                processes::forget(&holder);
                Err(why)
            }
        }
    }

    /// A command that runs inside.
    fn inside(&self, program: &str) -> Command {
        let mut command = Command::new("nsenter");
        self.sandbox.clean(&mut command);
        command
            .arg("-t")
            .arg(self.first.to_string())
            .args(["-p", "-m"])
            .arg(format!("--wd={}", self.sandbox.folder().display()))
            .arg(programs::path_of(program));
        command
    }

    /// Starts the daemon inside.
    fn daemon(&self) -> Daemon<'a> {
        let run = self.sandbox.daemon_command();
        let mut command = self.inside(programs::DAEMON);
        command.args(run.get_args());
        let daemon = Daemon::spawn(self.sandbox, command);
        daemon.wait_until_it_answers();
        // `nsenter` has forked it, and ends as it ends.
        let itself = children_of(daemon.pid())
            .first()
            .expect("nsenter has a child")
            .pid;
        daemon.behind(itself)
    }

    /// Makes a bystander of exactly that pid inside; says its pid outside.
    fn bystander(&self, wanted: u32) -> u32 {
        let said =
            ctl::run(
                self.inside(programs::FIXTURE)
                    .args(["fork-as", &wanted.to_string(), "bystander"]),
            );
        assert_eq!(said.code, Some(0), "{said}");
        assert_eq!(
            self.sandbox.pid_in("bystander"),
            wanted,
            "the pid was to be reused, or this test shows nothing"
        );
        eventually("the bystander is seen from outside", SOON, || {
            let marked = self.sandbox.processes();
            let found = marked.iter().find(|process| {
                processes::pid_inside(process.pid) == Some(wanted) && process.name == "fixture"
            });
            found
                .map(|process| process.pid)
                .ok_or_else(|| format!("{marked:?}"))
        })
    }
}

impl Drop for Namespace<'_> {
    fn drop(&mut self) {
        send(self.first, Signal::KILL);
        let _ = self.holder.wait();
        processes::forget(&self.holder);
    }
}

#[test]
fn a_bystander_with_a_reused_pid_is_left_alone_needs_root() {
    let test = "a_bystander_with_a_reused_pid_is_left_alone_needs_root";
    let servers = [
        // It has to be killed, and later another one leaves something to be swept: nothing may go by the old number then.
        Server::new("gone", "record starts ignore TERM wait")
            .stop_timeout("500ms")
            .with("<autoStart>false</autoStart>"),
        Server::new("other", "wait"),
        Server::new("leaver", "fork-setsid outside wait")
            .stop_timeout("500ms")
            .with("<autoStart>false</autoStart>"),
    ];
    let sandbox = Sandbox::with(&servers);
    let namespace = match Namespace::new(&sandbox) {
        Ok(namespace) => namespace,
        Err(why) => return s7tests::not_run(test, &why),
    };
    let daemon = namespace.daemon();
    daemon.wait_for("other", "RUNNING");
    sandbox.ctl(&["start", "gone"]).exits(0);
    // As the daemon counts: pids are those inside.
    let old = pid(&daemon.component("gone")).expect("it runs");
    sandbox.ctl(&["stop", "gone"]).exits(0);
    let bystander = namespace.bystander(old);
    sandbox.ctl(&["stop", "gone"]).exits(0);
    sandbox.ctl(&["start", "leaver"]).exits(0);
    sandbox.ctl(&["stop", "leaver"]).exits(0);
    assert!(
        is_alive(bystander),
        "a sweep for another component has hit a bystander"
    );
    sandbox.ctl(&["restart", "gone"]).exits(0);
    sandbox.ctl(&["stop", "all"]).exits(0);
    assert!(is_alive(bystander), "a stop of what is gone has hit a bystander");
    send(bystander, Signal::KILL);
    eventually("the bystander is gone", SOON, || {
        processes::reap_adopted();
        if is_alive(bystander) {
            Err("it lives".into())
        } else {
            Ok(())
        }
    });
    std::fs::remove_file(sandbox.path("bystander")).expect("the sandbox is ours");

    // The daemon and its component die together, and the component's pid goes to somebody else.
    sandbox.ctl(&["start", "gone"]).exits(0);
    let old = pid(&daemon.component("gone")).expect("it runs");
    let outside = sandbox.starts("starts").len();
    let component = children_with_inner_pid(&sandbox, old);
    daemon.kill();
    send(component, Signal::KILL);
    eventually("the component is gone", SOON, || {
        if is_alive(component) {
            Err("it lives".into())
        } else {
            Ok(())
        }
    });
    let bystander = namespace.bystander(old);
    let daemon = namespace.daemon();
    assert!(
        is_alive(bystander),
        "the next daemon took a bystander for what was left behind"
    );
    sandbox.ctl(&["start", "gone"]).exits(0);
    let seen = daemon.wait_for("gone", "RUNNING");
    assert_ne!(
        pid(&seen),
        Some(old),
        "a bystander was taken for the component: {seen}"
    );
    assert_eq!(sandbox.starts("starts").len(), outside + 1);
    sandbox.ctl(&["stop", "all"]).exits(0);
    assert!(is_alive(bystander), "the bystander was stopped with the rest");
    s7tests::eventually::remains("the bystander lives", Duration::from_millis(300), || {
        if is_alive(bystander) {
            Ok(())
        } else {
            Err("it is gone".into())
        }
    });
    send(bystander, Signal::KILL);
    drop(daemon);
}

/// The sandbox's process with that pid inside the namespace.
fn children_with_inner_pid(sandbox: &Sandbox, wanted: u32) -> u32 {
    let marked = sandbox.processes();
    let found = marked
        .iter()
        .find(|process| processes::pid_inside(process.pid) == Some(wanted));
    found
        .unwrap_or_else(|| panic!("nobody has pid {wanted} inside: {marked:?}"))
        .pid
}
