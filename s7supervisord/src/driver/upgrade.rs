//! Another binary in place of the one that runs: asked whether it can carry on, then everything is brought to rest, everybody
//! who waits is told, and it is executed in the same process. Up to that last step this one can stay.

use super::background::Found;
use super::operations::Kind;
use super::{Driver, End, Turn};
use crate::control::audit;
use crate::control::call::Answer;
use crate::machine::input::Command;
use crate::platform::binary::{self, Binary};
use crate::platform::{Socket, leftovers, process};
use crate::state::check::{self, StartedWith};
use crate::state::journal::{self, Journal};
use s7proto::overview::SupervisorFact;
use s7proto::refusal::{Refusal, UpgradeProblem};
use s7proto::reply::Done;
use s7proto::status::Actor;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long a binary may take to look at the state.
const LOOK: Duration = Duration::from_secs(10);
/// How long what is under way may take to come to an end: a run that is being created, a note that is being written.
const REST: Duration = Duration::from_secs(5);
/// Between two looks whether it has.
const LOOK_AGAIN: Duration = Duration::from_millis(5);

/// A binary that can carry on.
#[derive(Debug)]
pub struct Candidate {
    /// The binary itself.
    pub binary: Binary,
    /// Its version.
    pub version: String,
}

/// What came of looking at a binary: it, or its path and why not.
pub type Examined = Result<Candidate, (String, UpgradeProblem)>;

/// An upgrade that somebody has asked for.
pub struct Upgrade {
    answer: Answer,
    stage: Stage,
}

enum Stage {
    /// The binary looks at the state.
    Examining,
    /// The binary does, and then everything is stopped and it begins anew.
    BeforeRestart(Actor),
    /// It can carry on; what is under way here comes to an end.
    Settling { candidate: Candidate, since: Instant },
}

impl Driver {
    /// Somebody wants another binary.
    pub(super) fn begin_upgrade(&mut self, who: &Actor, binary: Option<String>, answer: Answer) {
        log::info!(target: "lifecycle", "{who}: upgrade{}", match &binary {
            Some(path) => format!(" to {path}"),
            None => String::new(),
        });
        if !process::can_begin_anew() {
            let what = "replacing the supervisor while components run".to_owned();
            return answer.refuse(Refusal::Unsupported { what });
        }
        if self.fleet.is_shutting_down() {
            return answer.refuse(Self::shutting_down());
        }
        let unready = if let Some(fault) = self.supervisor().state_not_persisted {
            Some(fault)
        } else if self.upgrade.is_some() {
            Some("another upgrade is under way".to_owned())
        } else if self.history.is_lacking() {
            Some(
                "what has happened can't be written down, and would be forgotten; the log says why"
                    .to_owned(),
            )
        } else {
            self.stop_in_order()
        };
        if let Some(why) = unready {
            return answer.refuse(Refusal::CannotUpgrade {
                binary: binary.unwrap_or_else(own_path_shown),
                problem: UpgradeProblem::NotNow { why },
            });
        }
        self.asked(who, "upgrade", Vec::new());
        self.upgrade = Some(Upgrade {
            answer,
            stage: Stage::Examining,
        });
        let (journal, with) = (Arc::clone(&self.journal), self.started_with());
        let path = binary.clone().map(PathBuf::from);
        let broken_off = UpgradeProblem::Unusable {
            why: "the supervisor failed while it was looked at; its log has more".to_owned(),
        };
        self.background.run(
            move || Found::Examined(examine(path, &journal, &with, Trust::Checked)),
            Found::Examined(Err((binary.unwrap_or_else(own_path_shown), broken_off))),
        );
    }

    /// Before everything is stopped, so that another binary can begin anew: whether it would.
    pub(super) fn look_at_successor(&mut self, who: Actor, answer: Answer) {
        if self.upgrade.is_some() {
            let why = "an upgrade is under way".to_owned();
            return answer.refuse(Refusal::CannotUpgrade {
                binary: own_path_shown(),
                problem: UpgradeProblem::NotNow { why },
            });
        }
        self.upgrade = Some(Upgrade {
            answer,
            stage: Stage::BeforeRestart(who),
        });
        let (journal, with) = (Arc::clone(&self.journal), self.started_with());
        let broken_off = UpgradeProblem::Unusable {
            why: "the supervisor failed while it was looked at; its log has more".to_owned(),
        };
        self.background.run(
            // It is the file that the daemon was started from: who can write it was looked at then.
            move || Found::Examined(examine(None, &journal, &with, Trust::Given)),
            Found::Examined(Err((own_path_shown(), broken_off))),
        );
    }

    fn started_with(&self) -> StartedWith {
        StartedWith::of(&self.load, folder_of(&self.journal))
    }

    fn restart_into(&mut self, candidate: Candidate, who: Actor, answer: Answer) {
        if self.fleet.is_shutting_down() {
            return answer.refuse(Self::shutting_down());
        }
        self.asked(&who, "restart of the supervisor", Vec::new());
        self.then = End::Again;
        self.successor = Some(candidate.binary);
        // It starts everything anew, also what was stopped by hand.
        self.forget_stops();
        let ticket = self.operations.open(Kind::Restarting, None, answer);
        self.command(Some(ticket), who, Command::Shutdown);
    }

    /// A binary was looked at.
    pub(super) fn examined(&mut self, examined: Examined) {
        let Some(Upgrade { answer, stage }) = self.upgrade.take() else {
            return;
        };
        let (stage, examined) = match (stage, examined) {
            (Stage::BeforeRestart(who), Ok(candidate)) => return self.restart_into(candidate, who, answer),
            other => other,
        };
        let upgrade = self.upgrade.insert(Upgrade { answer, stage });
        match examined {
            Ok(candidate) => {
                log::info!(
                    "{} is version {} and can carry on",
                    candidate.binary.path().display(),
                    candidate.version
                );
                upgrade.stage = Stage::Settling {
                    candidate,
                    since: Instant::now(),
                };
                // They are begun again by the next image, which could not tell what becomes of these.
                self.host.end_errands();
            }
            Err((binary, problem)) => self.stay(binary, problem),
        }
    }

    /// Whether the loop only brings to an end what is under way: nothing new is begun.
    pub(super) fn is_settling(&self) -> bool {
        self.upgrade
            .as_ref()
            .is_some_and(|upgrade| matches!(upgrade.stage, Stage::Settling { .. }))
    }

    /// Whether another image is to begin, once a binary was found fit or everything is at rest.
    pub(super) fn is_to_begin_anew(&self) -> bool {
        self.upgrade
            .as_ref()
            .is_some_and(|upgrade| !matches!(upgrade.stage, Stage::Examining))
    }

    /// Waits a moment, to look again whether everything is at rest.
    pub(super) async fn a_moment() {
        tokio::time::sleep(LOOK_AGAIN).await;
    }

    /// Whether everything is at rest; gives up where it takes too long.
    pub(super) fn settled(&mut self) -> bool {
        let Some(Upgrade {
            stage: Stage::Settling { candidate, since },
            ..
        }) = &self.upgrade
        else {
            return false;
        };
        let path = candidate.binary.path().display().to_string();
        let over = since.elapsed() >= REST;
        if self.fleet.is_shutting_down() {
            let why = "everything is being stopped".to_owned();
            self.stay(path, UpgradeProblem::NotNow { why });
            return false;
        }
        // No timer runs while this one settles, so a stop that has to be enforced would never come to its end.
        if let Some(why) = self.stop_in_order() {
            self.stay(path, UpgradeProblem::NotNow { why });
            return false;
        }
        let Some(what) = self.under_way() else { return true };
        if over {
            let why = format!("{what} has not come to an end within {} s", REST.as_secs());
            self.stay(path, UpgradeProblem::NotNow { why });
        }
        false
    }

    /// Why nobody can take over in the middle of a stop tier by tier, where there is one.
    fn stop_in_order(&self) -> Option<String> {
        let why = "components are being stopped in order, by a stop or restart of all or by a reload";
        self.fleet.is_stopping_in_order().then(|| why.to_owned())
    }

    /// What can't be handed over in the middle.
    fn under_way(&self) -> Option<&'static str> {
        if !self.host.is_at_rest() {
            Some("the creation of a process")
        } else if self.wishes.is_being_noted() {
            Some("the writing of a record")
        } else if !self.background.loads.is_empty() {
            Some("a load of the registry")
        } else if self.keeping.is_under_way() {
            Some("the keeping of the registry")
        } else if self.statistics.is_asked() {
            Some("a measurement")
        } else {
            None
        }
    }

    /// This binary stays in charge.
    fn stay(&mut self, binary: String, problem: UpgradeProblem) {
        if let Some(upgrade) = self.upgrade.take() {
            let why = audit::cannot_upgrade(&problem);
            log::error!("the upgrade to {binary} is off, this supervisor carries on: it {why}");
            upgrade.answer.refuse(Refusal::CannotUpgrade { binary, problem });
        }
    }

    /// Tells everybody who waits that the next image carries on, and gives it. What was asked and not begun yet is dropped,
    /// and the connection says so.
    pub fn hand_over(&mut self) -> Option<Candidate> {
        let Upgrade {
            answer,
            stage: Stage::Settling { candidate, .. },
        } = self.upgrade.take()?
        else {
            return None;
        };
        self.alive.send_replace(Turn::HandedOver);
        self.history.release();
        self.operations.hand_over();
        self.hand_over_waits();
        while let Ok(call) = self.inbox.try_recv() {
            drop(call);
        }
        answer.reply(Ok(Done::Upgrading {
            from: crate::version().to_owned(),
            to: candidate.version.clone(),
        }));
        Some(candidate)
    }

    /// Where the runs tell of themselves, to be left open for the next image.
    #[must_use]
    pub fn sockets(&self) -> Vec<&Socket> {
        self.host.sockets()
    }

    /// Brings the output to rest; what of it was dropped, to be left open for the next image.
    #[must_use]
    pub fn lost_output(&self) -> Option<File> {
        self.capture.hand_over()
    }

    /// The next image could not be executed: this one carries on after all.
    pub fn carry_on(&mut self, why: &str) {
        log::error!("{why}; this supervisor carries on");
        self.capture.go_on();
        self.upgrade_failed = Some(SupervisorFact::UpgradeFailed {
            why: why.to_owned(),
            at_ms: self.clock.stamp().wall_ms,
        });
        // Those who follow from now on follow this one.
        self.alive = tokio::sync::watch::Sender::new(Turn::Present);
    }
}

fn own_path_shown() -> String {
    binary::own_path().map_or_else(
        |_| "the supervisor's own file".to_owned(),
        |path| path.display().to_string(),
    )
}

/// Whether it is looked at who can write a binary.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Trust {
    Checked,
    Given,
}

fn folder_of(journal: &Journal) -> &Path {
    journal.path().parent().unwrap_or(Path::new("/"))
}

/// Opens a binary and has it look at a copy of the state, and at what else it has to begin with. Takes its time.
fn examine(path: Option<PathBuf>, journal: &Journal, with: &StartedWith, trust: Trust) -> Examined {
    let path = match path.map_or_else(binary::own_path, Ok) {
        Ok(path) => path,
        Err(error) => {
            let why = format!("finding the file that it was started from: {error}");
            return Err((own_path_shown(), UpgradeProblem::Unusable { why }));
        }
    };
    let shown = path.display().to_string();
    let fail = |problem| (shown.clone(), problem);
    if !path.is_absolute() {
        let why = "its path is not absolute".to_owned();
        return Err(fail(UpgradeProblem::Unusable { why }));
    }
    let not_now = |why| UpgradeProblem::NotNow { why };
    let copy = journal::copy(folder_of(journal))
        .map_err(|error| fail(not_now(format!("reading {}: {error}", journal.path().display()))))?;
    let ours = check::look(&copy, &leftovers::boot_id()).map_err(|why| fail(not_now(why)))?;
    let opened = match trust {
        Trust::Checked => Binary::open_trusted(&path),
        Trust::Given => Binary::open(&path).map_err(|error| UpgradeProblem::Unusable {
            why: error.to_string(),
        }),
    };
    let binary = opened.map_err(fail)?;
    let told = with.told();
    let told = told.as_deref().map(|told| (check::VARIABLE, told));
    let answered = binary.ask(check::VERB, told, &copy, LOOK).map_err(fail)?;
    let ended = answered.status.to_string();
    let found = check::judge(&answered.said, answered.status.success(), &ended, &ours)
        .map_err(|said| fail(UpgradeProblem::CannotCarryOn { said }))?;
    Ok(Candidate {
        binary,
        version: found.version,
    })
}
