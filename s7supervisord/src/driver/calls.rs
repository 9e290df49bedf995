//! What each request comes to.

use super::operations::Kind;
use super::{Driver, End};
use crate::control::call::{Answer, Call, name};
use crate::machine::input::{Command, Slot};
use s7proto::refusal::Refusal;
use s7proto::reply::{Done, LogTail, VersionInfo};
use s7proto::request::{Request, Selection};
use s7proto::status::{Actor, SupervisorStatus};

impl Driver {
    /// Takes one request of one client.
    pub(super) fn call(&mut self, call: Call) {
        let Call { request, who, answer } = call;
        match request {
            Request::Status(which) => self.select(&which, answer, |driver, slots, answer| {
                driver.status(slots, answer);
            }),
            Request::Start(which) => {
                self.operate(&which, who, answer, Command::StartAll, Command::Start, "start");
            }
            Request::Stop(which) => {
                self.operate(&which, who, answer, Command::StopAll, Command::Stop, "stop")
            }
            Request::Restart(which) => {
                self.operate(
                    &which,
                    who,
                    answer,
                    Command::RestartAll,
                    Command::Restart,
                    "restart",
                );
            }
            Request::Reload { dry_run, restart } => {
                log::info!(
                    "{}: reload{}",
                    name(&who),
                    if dry_run { " (dry run)" } else { "" }
                );
                self.begin_reload(Some((who, answer)), dry_run, restart);
            }
            Request::Logs { which, lines } => self.select(&which, answer, |driver, slots, answer| {
                driver.logs(&slots, lines, answer);
            }),
            Request::Check { strict } => self.begin_check(strict, answer),
            Request::Shutdown => {
                log::info!(target: "lifecycle", "{}: shutdown: stopping everything in order", name(&who));
                let ticket = self.operations.open(Kind::ShutDown, None, answer);
                self.then = End::Stopped;
                self.command(Some(ticket), who, Command::Shutdown);
            }
            Request::RestartSupervisor => {
                log::info!(target: "lifecycle", "{}: restart of the supervisor", name(&who));
                self.begin_restart(who, answer);
            }
            Request::Version => {
                let supervisor = self.supervisor();
                answer.reply(Ok(Done::Version(VersionInfo {
                    version: supervisor.version,
                    pid: supervisor.pid,
                    registry: supervisor.registry,
                })));
            }
        }
    }

    fn select(&mut self, which: &Selection, answer: Answer, act: impl FnOnce(&mut Self, Vec<Slot>, Answer)) {
        match self.roster.resolve(which) {
            Ok(slots) => act(self, slots, answer),
            Err(refusal) => answer.refuse(refusal),
        }
    }

    fn operate(
        &mut self,
        which: &Selection,
        who: Actor,
        answer: Answer,
        all: Command,
        some: impl FnOnce(Vec<Slot>) -> Command,
        verb: &str,
    ) {
        self.select(which, answer, |driver, slots, answer| {
            let is_all = matches!(which, Selection::All);
            let about = (!is_all).then_some(slots.as_slice());
            let names: Vec<String> = match which {
                Selection::All => vec!["all".to_owned()],
                Selection::Named(names) => names.iter().map(ToString::to_string).collect(),
            };
            log::info!("{}: {verb} {}", name(&who), names.join(" "));
            let ticket = driver.operations.open(Kind::Plain, about, answer);
            driver.command(Some(ticket), who, if is_all { all } else { some(slots) });
        });
    }

    fn logs(&self, slots: &[Slot], lines: u32, answer: Answer) {
        let files: Vec<_> = slots
            .iter()
            .filter_map(|slot| self.roster.plan(*slot))
            .map(|plan| (plan.id.clone(), plan.log.file.clone()))
            .collect();
        // The disk is read beside the loop; the answer goes from there straight to the client.
        tokio::task::spawn_blocking(move || {
            let share = s7proto::LIMITS.log_bytes / files.len().max(1);
            let lines = lines.min(s7proto::LIMITS.log_lines);
            let tails = files
                .into_iter()
                .map(|(component, file)| {
                    let read = crate::output::tail::tail(&file, lines, share);
                    let file = file.display().to_string();
                    match read {
                        Ok(tail) => LogTail {
                            component,
                            file,
                            bytes: tail.bytes,
                            truncated: tail.truncated,
                            error: None,
                        },
                        // It has never run, or somebody has taken the file away: there is nothing to show.
                        Err(error) if error.kind() == std::io::ErrorKind::NotFound => LogTail {
                            component,
                            file,
                            bytes: Vec::new(),
                            truncated: false,
                            error: None,
                        },
                        Err(error) => LogTail {
                            component,
                            file,
                            bytes: Vec::new(),
                            truncated: false,
                            error: Some(error.to_string()),
                        },
                    }
                })
                .collect();
            answer.reply(Ok(Done::Logs(tails)));
        });
    }

    /// The daemon as people see it.
    pub(super) fn supervisor(&self) -> SupervisorStatus {
        SupervisorStatus {
            pid: std::process::id(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            uptime_us: self.clock.now().as_micros(),
            registry: self.load.file.display().to_string(),
            containment: self.host.containment().to_owned(),
            state_not_persisted: self
                .host
                .record_fault()
                .map(str::to_owned)
                .or_else(|| self.state_fault.clone()),
        }
    }

    /// Tells a client that the daemon is on its way out.
    pub(super) fn shutting_down() -> Refusal {
        Refusal::ShuttingDown
    }
}
