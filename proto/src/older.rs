//! What a newer daemon says to an older client: everything in words that the client knows.
//!
//! An unknown variant makes a whole message unreadable, so a newer one is replaced by what comes nearest, or left out.

use crate::event::{Event, Happening, PastEnd};
use crate::refusal::{Permission, Refusal};
use crate::reply::{Done, Notice, Outcome, Part, Response};
use crate::status::{EndCause, ExitReport, Reason, SpawnFailure, SpawnStage, StatusReport};

/// `response` as a client of this minor can read it; `None` for a notice that has nothing to say to it.
#[must_use]
pub fn response_for(minor: u16, response: Response) -> Option<Response> {
    if minor >= 2 {
        return Some(response);
    }
    Some(match response {
        Response::Notice(notice) => Response::Notice(notice_before_2(notice)?),
        Response::Done(done) => match done_before_2(done) {
            Some(done) => Response::Done(done),
            // It has not asked for anything that is answered so.
            None => Response::Refused(Refusal::ShuttingDown),
        },
        Response::Refused(refusal) => Response::Refused(refusal_before_2(refusal)),
    })
}

fn notice_before_2(notice: Notice) -> Option<Notice> {
    Some(match notice {
        Notice::Finished(part) => Notice::Finished(part_before_2(part)),
        Notice::Snapshot { sequence, mut report } => {
            report_before_2(&mut report);
            Notice::Snapshot { sequence, report }
        }
        Notice::Happened(event) => Notice::Happened(event_before_2(event)?),
        // It could do nothing with it.
        Notice::OutputReaches { .. } => return None,
        other @ (Notice::Entered { .. }
        | Notice::Missed { .. }
        | Notice::Output { .. }
        | Notice::OutputUnreadable { .. }) => other,
    })
}

fn done_before_2(done: Done) -> Option<Done> {
    let parts_before_2 = |parts: Vec<Part>| parts.into_iter().map(part_before_2).collect();
    Some(match done {
        Done::Status(mut report) => {
            report_before_2(&mut report);
            Done::Status(report)
        }
        Done::Operation(parts) => Done::Operation(parts_before_2(parts)),
        Done::Reload(mut report) => {
            report.parts = parts_before_2(report.parts);
            Done::Reload(report)
        }
        Done::ShutDown(parts) => Done::ShutDown(parts_before_2(parts)),
        Done::Restarting(parts) => Done::Restarting(parts_before_2(parts)),
        Done::Why(mut explanations) => {
            for one in &mut explanations {
                if let Some(exit) = &mut one.status.last_exit {
                    exit_before_2(exit);
                }
                reason_before_2(&mut one.status.reason);
                for past in &mut one.past {
                    match &mut past.end {
                        PastEnd::Exited(exit) => exit_before_2(exit),
                        PastEnd::NotSpawned(failure) => spawn_before_2(failure),
                    }
                }
                one.events = one.events.drain(..).filter_map(event_before_2).collect();
            }
            Done::Why(explanations)
        }
        Done::Events(events) => Done::Events(events.into_iter().filter_map(event_before_2).collect()),
        other @ (Done::Logs(_) | Done::Check(_) | Done::Version(_) | Done::Info(_) | Done::StreamEnded) => {
            other
        }
        Done::Overview(_) | Done::Upgrading { .. } | Done::Story(_) | Done::Dumped(_) => return None,
        // It would hear the same when the daemon ends.
        Done::HandedOver | Done::OutputHandedOver(_) => Done::StreamEnded,
    })
}

fn report_before_2(report: &mut StatusReport) {
    for component in &mut report.components {
        component.last_exit.iter_mut().for_each(exit_before_2);
        reason_before_2(&mut component.reason);
    }
}

fn reason_before_2(reason: &mut Option<Reason>) {
    match reason {
        Some(Reason::SpawnFailed(failure)) => spawn_before_2(failure),
        Some(Reason::GivenUpRun(_)) => *reason = None,
        _ => {}
    }
}

fn spawn_before_2(failure: &mut SpawnFailure) {
    if failure.stage == SpawnStage::CheckingPort {
        failure.stage = SpawnStage::Executing;
        let port = std::mem::take(&mut failure.subject);
        failure.cause = format!("port {port}: {}", failure.cause);
    }
}

fn exit_before_2(exit: &mut ExitReport) {
    // Nobody wished it, and that is what a crash is.
    if matches!(
        exit.cause,
        EndCause::Unseen
            | EndCause::OutOfMemory
            | EndCause::Hung
            | EndCause::TooMuchMemory
            | EndCause::NotReady
            | EndCause::WatchdogMissed
            | EndCause::InTrouble
            | EndCause::OutputMatched
    ) {
        exit.cause = EndCause::Crashed;
    }
    if exit.cause == EndCause::DependencyLost {
        exit.cause = EndCause::Requested;
    }
}

fn part_before_2(mut part: Part) -> Part {
    part.outcome = match part.outcome {
        Outcome::Completed(mut exit) => {
            exit_before_2(&mut exit);
            Outcome::Completed(exit)
        }
        Outcome::Stopped(mut exit) => {
            exit_before_2(&mut exit);
            Outcome::Stopped(exit)
        }
        Outcome::FailedRun(mut exit) => {
            exit_before_2(&mut exit);
            Outcome::FailedRun(exit)
        }
        Outcome::FailedSpawn(mut failure) => {
            spawn_before_2(&mut failure);
            Outcome::FailedSpawn(failure)
        }
        Outcome::Refused(refusal) => Outcome::Refused(refusal_before_2(refusal)),
        other => other,
    };
    part
}

fn event_before_2(mut event: Event) -> Option<Event> {
    match &mut event.what {
        Happening::Ended { report, .. } => exit_before_2(report),
        Happening::Unresponsive { .. } => event.what = Happening::Health(false),
        Happening::Entered { reason, .. } => reason_before_2(reason),
        Happening::Adopted { .. }
        | Happening::TookOver { .. }
        | Happening::RegistryStale { .. }
        | Happening::Matched { .. }
        | Happening::Dumped { .. }
        | Happening::Found { .. } => return None,
        _ => {}
    }
    Some(event)
}

fn refusal_before_2(refusal: Refusal) -> Refusal {
    match refusal {
        Refusal::NotPermitted {
            uid,
            needed: Permission::Own,
        } => Refusal::NotPermitted {
            uid,
            needed: Permission::Control,
        },
        Refusal::CannotUpgrade { binary, .. } => Refusal::Unsupported {
            what: format!("replacing the supervisor by {binary}"),
        },
        other => other,
    }
}
