//! A pid namespace of its own, as a container has one.

use crate::ctl;
use crate::daemon::Daemon;
use crate::eventually::{SOON, eventually};
use crate::processes::{self, children_of, send};
use crate::programs;
use crate::sandbox::Sandbox;
use rustix::process::Signal;
use std::process::{Command, Stdio};

/// A daemon that is a child of the first process of a pid namespace of its own, so that it can die without ending it.
pub struct Namespace<'a> {
    sandbox: &'a Sandbox,
    holder: std::process::Child,
    /// The namespace's first process, as seen from outside.
    first: u32,
}

impl<'a> Namespace<'a> {
    /// Makes it.
    ///
    /// # Errors
    /// Why it can't be made here: it needs root.
    pub fn new(sandbox: &'a Sandbox) -> Result<Self, String> {
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
    #[must_use]
    pub fn inside(&self, program: &str) -> Command {
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
    #[must_use]
    pub fn daemon(&self) -> Daemon<'a> {
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
    #[must_use]
    pub fn bystander(&self, wanted: u32) -> u32 {
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
        // The kernel ends the namespace when all who lived in it are reaped, and some of them are this process's to reap.
        eventually("the namespace is gone", SOON, || {
            processes::reap_adopted();
            match self.holder.try_wait() {
                Ok(None) => Err("its holder waits".into()),
                _ => Ok(()),
            }
        });
        processes::forget(&self.holder);
    }
}
