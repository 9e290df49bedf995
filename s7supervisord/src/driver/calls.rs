//! What each request comes to.

use super::operations::Kind;
use super::overview::Detail;
use super::roster::NAMED_MEMBERS;
use super::{Driver, End};
use crate::control::audit::named;
use crate::control::call::{Answer, Call};
use crate::machine::input::{Command, RunId, Slot};
use s7proto::event::Happening;
use s7proto::refusal::Refusal;
use s7proto::reply::{Done, Outcome, Part, RunInfo, VersionInfo};
use s7proto::request::{Request, Selection};
use s7proto::signal::Signal;
use s7proto::status::{Actor, SupervisorStatus};
use tokio::sync::oneshot;

impl Driver {
    /// Takes one request of one client.
    pub(super) fn call(&mut self, call: Call) {
        let Call {
            request,
            peer,
            answer,
        } = call;
        let who = peer.who;
        match request {
            Request::Status(which) => self.select(&which, answer, |driver, slots, answer| {
                driver.status(slots, Detail::Report, answer);
            }),
            Request::Overview(which) => self.select(&which, answer, |driver, slots, answer| {
                driver.status(slots, Detail::Overview, answer);
            }),
            Request::Start(which) => self.operate(&which, who, answer, Verb::Start),
            Request::Stop(which) => self.operate(&which, who, answer, Verb::Stop),
            Request::Restart(which) => self.operate(&which, who, answer, Verb::Restart),
            Request::Reload { dry_run, restart } => {
                log::info!("{}: reload{}", who, if dry_run { " (dry run)" } else { "" });
                self.begin_reload(Some((who, answer)), dry_run, restart);
            }
            Request::Logs { which, lines } => self.select(&which, answer, |driver, slots, answer| {
                driver.logs(&slots, None, lines, answer);
            }),
            Request::Check { strict } => self.begin_check(strict, answer),
            Request::Shutdown => {
                log::info!(target: "lifecycle", "{}: shutdown: stopping everything in order", who);
                self.asked(&who, "shutdown", Vec::new());
                let ticket = self.operations.open(Kind::ShutDown, None, answer);
                self.then = End::Stopped;
                self.command(Some(ticket), who, Command::Shutdown);
            }
            Request::RestartSupervisor => {
                log::info!(target: "lifecycle", "{}: restart of the supervisor", who);
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
            Request::Signal { which, signal } => self.select(&which, answer, |driver, slots, answer| {
                log::info!("{}: {signal} to {}", who, named(&which).join(" "));
                driver.signal(&slots, signal, &who, answer);
            }),
            Request::Dump(which) => self.select(&which, answer, |driver, slots, answer| {
                log::info!("{}: dump of {}", who, named(&which).join(" "));
                driver.dump_for(&slots, &who, answer);
            }),
            Request::Wait { which, until } => self.select(&which, answer, |driver, slots, answer| {
                driver.wait(slots, until, answer);
            }),
            Request::Follow { which, lines } => self.select(&which, answer, |driver, slots, answer| {
                driver.follow(&slots, None, lines, answer);
            }),
            Request::LogsFrom {
                which,
                since_ms,
                lines,
                follow,
            } => self.select(&which, answer, |driver, slots, answer| {
                driver.logs_since(&slots, since_ms, lines, follow, answer);
            }),
            Request::FollowFrom(positions) => self.follow_from(positions, answer),
            Request::Upgrade { binary } => self.begin_upgrade(&who, binary, answer),
            Request::Story(which) => self.select(&which, answer, |driver, slots, answer| {
                driver.story(&slots, answer);
            }),
            Request::Why(which) => self.select(&which, answer, |driver, slots, answer| {
                driver.why(&slots, answer);
            }),
            Request::Events { which, last, follow } => {
                self.select(&which, answer, |driver, slots, answer| {
                    driver.events(&which, &slots, last, follow, answer);
                })
            }
            Request::EventsFrom { which, after } => self.select(&which, answer, |driver, slots, answer| {
                driver.events_after(&which, &slots, after, answer);
            }),
            Request::Info(which) => self.select(&which, answer, |driver, slots, answer| {
                driver.info(&slots, answer);
            }),
        }
    }

    fn select(&mut self, which: &Selection, answer: Answer, act: impl FnOnce(&mut Self, Vec<Slot>, Answer)) {
        match self.roster.resolve(which) {
            Ok(slots) => act(self, slots, answer),
            Err(refusal) => answer.refuse(refusal),
        }
    }

    fn operate(&mut self, which: &Selection, who: Actor, answer: Answer, verb: Verb) {
        self.select(which, answer, |driver, slots, answer| {
            let is_all = matches!(which, Selection::All);
            let about = (!is_all).then_some(slots.as_slice());
            log::info!("{}: {} {}", who, verb.name(), named(which).join(" "));
            if verb == Verb::Stop || !driver.fleet.is_shutting_down() {
                driver.asked(&who, verb.name(), named(which));
            }
            let (written, noted) = oneshot::channel();
            driver.wishes.tell_when_written(written);
            let ticket = driver.operations.open(Kind::Plain, about, answer.after(noted));
            driver.command(Some(ticket), who, verb.command(is_all, &slots));
            // Who waits for one of them may have waited for this.
            driver.look(&slots);
        });
    }

    /// Notes that somebody has asked for something.
    pub(super) fn asked(&mut self, who: &Actor, verb: &str, mut about: Vec<String>) {
        // It is remembered for long; the audit log has all the names.
        let more = about.len().saturating_sub(NAMED_MEMBERS);
        about.truncate(NAMED_MEMBERS);
        if more > 0 {
            about.push(format!("and {more} more"));
        }
        let asked = Happening::Asked {
            who: who.clone(),
            verb: verb.to_owned(),
            about,
        };
        self.history.note(self.clock.stamp().wall_ms, None, asked);
    }

    /// Sends a signal to the first process of each of `slots`.
    fn signal(&mut self, slots: &[Slot], signal: Signal, who: &Actor, answer: Answer) {
        let stamp = self.clock.stamp();
        let mut parts = Vec::with_capacity(slots.len());
        for slot in slots {
            let (Some(view), Some(component)) = (self.fleet.view(*slot, stamp.now), self.roster.name(*slot))
            else {
                continue;
            };
            let id = RunId {
                slot: *slot,
                run: view.run,
            };
            let sent = view.pid.map(|pid| (pid, self.host.signal(id, signal)));
            let outcome = match sent {
                Some((pid, Ok(true))) => {
                    let run = view.run;
                    let what = Happening::Signalled {
                        signal,
                        who: who.clone(),
                        run,
                    };
                    self.history.note(stamp.wall_ms, Some(component.clone()), what);
                    Outcome::Signalled(RunInfo { run, pid })
                }
                None | Some((_, Ok(false))) => Outcome::NotRunning,
                Some((_, Err(error))) => Outcome::Failed(error.to_string()),
            };
            parts.push(Part {
                component: component.clone(),
                outcome,
                took_us: 0,
            });
        }
        answer.reply(Ok(Done::Operation(parts)));
    }

    /// The daemon as people see it.
    pub(super) fn supervisor(&self) -> SupervisorStatus {
        SupervisorStatus {
            pid: std::process::id(),
            version: crate::version().to_owned(),
            uptime_us: self.clock.uptime_us(),
            registry: self.load.file.display().to_string(),
            containment: self.host.containment().to_owned(),
            state_not_persisted: self.state_fault(),
        }
    }

    /// Tells a client that the daemon is on its way out.
    pub(super) fn shutting_down() -> Refusal {
        Refusal::ShuttingDown
    }
}

/// What is asked of components.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verb {
    Start,
    Stop,
    Restart,
}

impl Verb {
    fn name(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Stop => "stop",
            Self::Restart => "restart",
        }
    }

    fn command(self, is_all: bool, slots: &[Slot]) -> Command {
        match (self, is_all) {
            (Self::Start, true) => Command::StartAll,
            (Self::Stop, true) => Command::StopAll,
            (Self::Restart, true) => Command::RestartAll,
            (Self::Start, false) => Command::Start(slots.to_vec()),
            (Self::Stop, false) => Command::Stop(slots.to_vec()),
            (Self::Restart, false) => Command::Restart(slots.to_vec()),
        }
    }
}
