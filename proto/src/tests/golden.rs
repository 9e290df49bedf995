//! The bytes of every variant, frozen. A difference here is a different protocol.

use super::samples::{requests, responses};
use crate::codec::{Message, encode};
use crate::event::{DumpReason, Happening, MatchAction, PastEnd, Remains};
use crate::frame;
use crate::hello::Hello;
use crate::overview::{CheckKind, CheckVerdict, ComponentFact, SupervisorFact};
use crate::refusal::{Permission, Refusal, UpgradeProblem};
use crate::reply::*;
use crate::request::{Request, Selection, Until};
use crate::signal::Signal;
use crate::status::*;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

/// Set to 1, the test writes the files instead of comparing them. What an old version has sent stays what it was, so
/// this is for files of *new* variants, and for a new major in a folder of its own.
const REGENERATE: &str = "S7PROTO_WRITE_GOLDEN";

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("golden/v1")
}

/// Whole frames, so that their layout is frozen too. The id has eight different bytes.
fn framed<M: Message>(message: &M) -> Vec<u8> {
    let mut bytes = frame::begin(0x0807_0605_0403_0201);
    encode(message, &mut bytes).unwrap();
    frame::seal(&mut bytes, usize::MAX).unwrap();
    bytes
}

fn all() -> BTreeMap<String, Vec<u8>> {
    let requests: Vec<_> = requests();
    let responses: Vec<_> = responses();
    let count = 1 + requests.len() + responses.len();
    let hello = ("hello".to_owned(), Hello::ours(4 << 20).encode().to_vec());
    let all: BTreeMap<_, _> = requests
        .iter()
        .map(|(file, message)| (file.clone(), framed(message)))
        .chain(
            responses
                .iter()
                .map(|(file, message)| (file.clone(), framed(message))),
        )
        .chain([hello])
        .collect();
    assert_eq!(all.len(), count, "two messages share a file");
    all
}

#[test]
fn every_message_has_the_bytes_that_it_always_had() {
    if std::env::var_os(REGENERATE).is_some_and(|value| value == "1") {
        std::fs::create_dir_all(folder()).unwrap();
        for (file, bytes) in all() {
            std::fs::write(folder().join(format!("{file}.bin")), bytes).unwrap();
        }
    }
    let mut wrong = Vec::new();
    for (file, bytes) in all() {
        match std::fs::read(folder().join(format!("{file}.bin"))) {
            Ok(frozen) if frozen == bytes => {}
            Ok(frozen) => wrong.push(format!("{file}: was {frozen:02x?}\n  now is {bytes:02x?}")),
            Err(error) => wrong.push(format!(
                "{file}: {error}; {REGENERATE}=1 writes the files of new variants"
            )),
        }
    }
    assert!(
        wrong.is_empty(),
        "the protocol has changed:\n{}",
        wrong.join("\n")
    );
}

#[test]
fn every_file_belongs_to_a_message_that_still_exists() {
    let known: BTreeSet<String> = all().into_keys().map(|file| format!("{file}.bin")).collect();
    let files = std::fs::read_dir(folder())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap());
    assert_eq!(files.collect::<BTreeSet<_>>(), known);
}

/// Every variant has a name here, and `match` sees to it that none is forgotten; [`seen`] collects those of the samples.
macro_rules! variants {
    ($function:ident, $type:ty, $($pattern:pat => $name:literal),+ $(,)?) => {
        fn $function(value: &$type, seen: &mut BTreeSet<&'static str>) {
            seen.insert(match value { $($pattern => concat!(stringify!($type), "::", $name)),+ });
        }
        mod $function {
            pub const ALL: &[&str] = &[$(concat!(stringify!($type), "::", $name)),+];
        }
    };
}

variants!(request, Request,
    Request::Status(_) => "Status", Request::Start(_) => "Start", Request::Stop(_) => "Stop",
    Request::Restart(_) => "Restart", Request::Reload { .. } => "Reload", Request::Logs { .. } => "Logs",
    Request::Check { .. } => "Check", Request::Shutdown => "Shutdown",
    Request::RestartSupervisor => "RestartSupervisor", Request::Version => "Version",
    Request::Signal { .. } => "Signal", Request::Wait { .. } => "Wait", Request::Follow { .. } => "Follow",
    Request::Why(_) => "Why", Request::Events { .. } => "Events", Request::Info(_) => "Info",
    Request::Overview(_) => "Overview", Request::LogsFrom { .. } => "LogsFrom", Request::Upgrade { .. } => "Upgrade",
    Request::FollowFrom(_) => "FollowFrom", Request::Story(_) => "Story", Request::Dump(_) => "Dump",
    Request::EventsFrom { .. } => "EventsFrom");
variants!(until, Until, Until::Up => "Up", Until::Down => "Down");
variants!(signal, Signal,
    Signal::Hup => "Hup", Signal::Int => "Int", Signal::Quit => "Quit", Signal::Abrt => "Abrt", Signal::Kill => "Kill",
    Signal::Usr1 => "Usr1", Signal::Usr2 => "Usr2", Signal::Alrm => "Alrm", Signal::Term => "Term",
    Signal::Cont => "Cont", Signal::Stop => "Stop", Signal::Tstp => "Tstp", Signal::Ttin => "Ttin",
    Signal::Ttou => "Ttou", Signal::Winch => "Winch");
variants!(selection, Selection, Selection::All => "All", Selection::Named(_) => "Named",
    Selection::Matching(_) => "Matching");
variants!(response, Response,
    Response::Notice(_) => "Notice", Response::Done(_) => "Done", Response::Refused(_) => "Refused");
variants!(notice, Notice, Notice::Entered { .. } => "Entered", Notice::Finished(_) => "Finished",
    Notice::Snapshot { .. } => "Snapshot", Notice::Happened(_) => "Happened", Notice::Missed { .. } => "Missed",
    Notice::Output { .. } => "Output", Notice::OutputUnreadable { .. } => "OutputUnreadable",
    Notice::OutputReaches { .. } => "OutputReaches");
variants!(happening, Happening,
    Happening::Entered { .. } => "Entered", Happening::Ended { .. } => "Ended", Happening::Asked { .. } => "Asked",
    Happening::Signalled { .. } => "Signalled", Happening::RegistryLoaded { .. } => "RegistryLoaded",
    Happening::RegistryRefused { .. } => "RegistryRefused", Happening::TierForced { .. } => "TierForced",
    Happening::Forgotten => "Forgotten", Happening::Health(_) => "Health",
    Happening::LeftOver { .. } => "LeftOver", Happening::Adopted { .. } => "Adopted",
    Happening::TookOver { .. } => "TookOver", Happening::RegistryStale { .. } => "RegistryStale",
    Happening::Unresponsive { .. } => "Unresponsive", Happening::Matched { .. } => "Matched",
    Happening::Dumped { .. } => "Dumped", Happening::Found { .. } => "Found");
variants!(dump_reason, DumpReason, DumpReason::AskedBy(_) => "AskedBy", DumpReason::StopTimeout => "StopTimeout",
    DumpReason::Hung => "Hung", DumpReason::Output => "Output",
    DumpReason::NotReady => "NotReady", DumpReason::WatchdogMissed => "WatchdogMissed",
    DumpReason::InTrouble => "InTrouble");
variants!(remains, Remains, Remains::OutOfJavaMemory(_) => "OutOfJavaMemory", Remains::HeapDump { .. } => "HeapDump",
    Remains::ErrorReport { .. } => "ErrorReport", Remains::More { .. } => "More");
variants!(dump_outcome, DumpOutcome, DumpOutcome::Written { .. } => "Written", DumpOutcome::Silent(_) => "Silent",
    DumpOutcome::NotConfigured => "NotConfigured", DumpOutcome::NotRunning => "NotRunning",
    DumpOutcome::Failed(_) => "Failed", DumpOutcome::WouldEnd { .. } => "WouldEnd");
variants!(match_action, MatchAction, MatchAction::Restart => "Restart", MatchAction::Dump => "Dump",
    MatchAction::Event => "Event");
variants!(past_end, PastEnd, PastEnd::Exited(_) => "Exited", PastEnd::NotSpawned(_) => "NotSpawned");
variants!(done, Done,
    Done::Status(_) => "Status", Done::Operation(_) => "Operation", Done::Reload(_) => "Reload",
    Done::Logs(_) => "Logs", Done::Check(_) => "Check", Done::ShutDown(_) => "ShutDown",
    Done::Restarting(_) => "Restarting", Done::Version(_) => "Version", Done::Why(_) => "Why",
    Done::Events(_) => "Events", Done::Info(_) => "Info", Done::StreamEnded => "StreamEnded",
    Done::Overview(_) => "Overview", Done::Upgrading { .. } => "Upgrading", Done::HandedOver => "HandedOver",
    Done::OutputHandedOver(_) => "OutputHandedOver", Done::Story(_) => "Story",
    Done::Dumped(_) => "Dumped");
variants!(supervisor_fact, SupervisorFact, SupervisorFact::StaleRegistry { .. } => "StaleRegistry",
    SupervisorFact::TookOver { .. } => "TookOver", SupervisorFact::PipeBytes(_) => "PipeBytes",
    SupervisorFact::UpgradeFailed { .. } => "UpgradeFailed",
    SupervisorFact::CannotWrite { .. } => "CannotWrite");
variants!(component_fact, ComponentFact, ComponentFact::Adopted => "Adopted",
    ComponentFact::Containment(_) => "Containment", ComponentFact::PipeBytes(_) => "PipeBytes",
    ComponentFact::Check(_) => "Check", ComponentFact::MemoryLimits { .. } => "MemoryLimits",
    ComponentFact::Said(_) => "Said", ComponentFact::AwaitsNotice(_) => "AwaitsNotice",
    ComponentFact::Reloading => "Reloading", ComponentFact::SaysItStops => "SaysItStops",
    ComponentFact::MainProcess(_) => "MainProcess", ComponentFact::NoticesIgnored(_) => "NoticesIgnored",
    ComponentFact::Debugged => "Debugged", ComponentFact::OutputUnwritten { .. } => "OutputUnwritten",
    ComponentFact::RunsKnownSince(_) => "RunsKnownSince");
variants!(check_kind, CheckKind, CheckKind::Health => "Health", CheckKind::Readiness => "Readiness");
variants!(check_verdict, CheckVerdict, CheckVerdict::Well => "Well", CheckVerdict::Ill => "Ill",
    CheckVerdict::Unsure => "Unsure");
variants!(outcome, Outcome,
    Outcome::Started(_) => "Started", Outcome::AlreadyUp(_) => "AlreadyUp", Outcome::Completed(_) => "Completed",
    Outcome::Stopped(_) => "Stopped", Outcome::AlreadyDown => "AlreadyDown", Outcome::Restarted { .. } => "Restarted",
    Outcome::FailedRun(_) => "FailedRun", Outcome::FailedSpawn(_) => "FailedSpawn",
    Outcome::Unkillable => "Unkillable", Outcome::Superseded => "Superseded", Outcome::Refused(_) => "Refused",
    Outcome::Signalled(_) => "Signalled", Outcome::NotRunning => "NotRunning", Outcome::Failed(_) => "Failed");
variants!(refusal, Refusal,
    Refusal::NoSuchComponent { .. } => "NoSuchComponent", Refusal::NotPermitted { .. } => "NotPermitted",
    Refusal::DependencyDown { .. } => "DependencyDown", Refusal::RegistryBroken { .. } => "RegistryBroken",
    Refusal::ShuttingDown => "ShuttingDown", Refusal::Busy => "Busy", Refusal::Malformed { .. } => "Malformed",
    Refusal::Unsupported { .. } => "Unsupported", Refusal::Internal { .. } => "Internal",
    Refusal::NoMatch { .. } => "NoMatch", Refusal::CannotUpgrade { .. } => "CannotUpgrade");
variants!(problem, UpgradeProblem, UpgradeProblem::Unusable { .. } => "Unusable",
    UpgradeProblem::Untrusted { .. } => "Untrusted", UpgradeProblem::CannotCarryOn { .. } => "CannotCarryOn",
    UpgradeProblem::Silent { .. } => "Silent", UpgradeProblem::NotNow { .. } => "NotNow");
variants!(permission, Permission, Permission::Observe => "Observe", Permission::Control => "Control",
    Permission::Own => "Own");
variants!(reason, Reason,
    Reason::NotAutoStarted => "NotAutoStarted", Reason::StoppedBy { .. } => "StoppedBy",
    Reason::WaitingForTier { .. } => "WaitingForTier", Reason::WaitingForDependency(_) => "WaitingForDependency",
    Reason::Crashed { .. } => "Crashed", Reason::SpawnFailed(_) => "SpawnFailed", Reason::GaveUp { .. } => "GaveUp",
    Reason::Completed => "Completed", Reason::Unkillable { .. } => "Unkillable",
    Reason::NeedsRestart => "NeedsRestart", Reason::Removed => "Removed",
    Reason::GivenUpRun(_) => "GivenUpRun");
variants!(actor, Actor, Actor::Uid(_) => "Uid", Actor::Sid(_) => "Sid", Actor::Supervisor => "Supervisor");
variants!(state, State,
    State::Stopped => "Stopped", State::Waiting => "Waiting", State::Starting => "Starting",
    State::Running => "Running", State::Stopping => "Stopping", State::Backoff => "Backoff",
    State::Exited => "Exited", State::Fatal => "Fatal", State::Stuck => "Stuck");
variants!(health, Health,
    Health::None => "None", Health::Unknown => "Unknown", Health::Healthy => "Healthy",
    Health::Unhealthy => "Unhealthy");
variants!(wish, Wish, Wish::Up => "Up", Wish::Down => "Down");
variants!(exit, Exit, Exit::Code(_) => "Code", Exit::Signal { .. } => "Signal", Exit::Unknown => "Unknown");
variants!(cause, EndCause,
    EndCause::Finished => "Finished", EndCause::Crashed => "Crashed", EndCause::Requested => "Requested",
    EndCause::KilledAfterTimeout => "KilledAfterTimeout", EndCause::Unseen => "Unseen",
    EndCause::OutOfMemory => "OutOfMemory", EndCause::Hung => "Hung",
    EndCause::TooMuchMemory => "TooMuchMemory", EndCause::DependencyLost => "DependencyLost",
    EndCause::NotReady => "NotReady", EndCause::WatchdogMissed => "WatchdogMissed",
    EndCause::InTrouble => "InTrouble", EndCause::OutputMatched => "OutputMatched");
variants!(stage, SpawnStage,
    SpawnStage::LookingUpUser => "LookingUpUser", SpawnStage::PreparingOutput => "PreparingOutput",
    SpawnStage::CreatingProcess => "CreatingProcess", SpawnStage::Recording => "Recording",
    SpawnStage::CreatingSession => "CreatingSession", SpawnStage::SettingLimits => "SettingLimits",
    SpawnStage::SettingGroup => "SettingGroup", SpawnStage::SettingUser => "SettingUser",
    SpawnStage::ChangingDirectory => "ChangingDirectory", SpawnStage::ConnectingOutput => "ConnectingOutput",
    SpawnStage::Executing => "Executing", SpawnStage::CheckingPort => "CheckingPort");
variants!(action, ReloadAction,
    ReloadAction::AddedAndStarted => "AddedAndStarted", ReloadAction::Added => "Added",
    ReloadAction::Removed => "Removed", ReloadAction::Restarted => "Restarted",
    ReloadAction::NeedsRestart => "NeedsRestart", ReloadAction::Updated => "Updated",
    ReloadAction::AppliedLive => "AppliedLive");
variants!(severity, Severity, Severity::Error => "Error", Severity::Warning => "Warning");

/// The names of all variants in the samples. Deep parts are visited where the samples vary them.
fn seen() -> BTreeSet<&'static str> {
    let mut seen = BTreeSet::new();
    for (_, message) in requests() {
        request(&message, &mut seen);
        match message {
            Request::Status(which)
            | Request::Start(which)
            | Request::Stop(which)
            | Request::Restart(which)
            | Request::Follow { which, .. }
            | Request::Why(which)
            | Request::Events { which, .. }
            | Request::EventsFrom { which, .. }
            | Request::Info(which)
            | Request::Overview(which)
            | Request::Story(which)
            | Request::Dump(which)
            | Request::LogsFrom { which, .. } => {
                selection(&which, &mut seen);
            }
            Request::Signal { signal: which, .. } => signal(&which, &mut seen),
            Request::Wait { until: which, .. } => until(&which, &mut seen),
            Request::Logs { which, .. } => selection(&which, &mut seen),
            Request::Reload { .. }
            | Request::Check { .. }
            | Request::Shutdown
            | Request::RestartSupervisor
            | Request::Upgrade { .. }
            | Request::FollowFrom(_)
            | Request::Version => {}
        }
    }
    for (_, message) in responses() {
        response(&message, &mut seen);
        match message {
            Response::Notice(message) => {
                notice(&message, &mut seen);
                match message {
                    Notice::Entered { state: entered, .. } => state(&entered, &mut seen),
                    Notice::Happened(event) => {
                        happening(&event.what, &mut seen);
                        match event.what {
                            Happening::Matched { action, .. } => match_action(&action, &mut seen),
                            Happening::Dumped { why, .. } => dump_reason(&why, &mut seen),
                            Happening::Found { remains: left, .. } => {
                                left.iter().for_each(|one| remains(one, &mut seen));
                            }
                            _ => {}
                        }
                    }
                    _ => {}
                }
            }
            Response::Done(message) => {
                done(&message, &mut seen);
                visit_done(message, &mut seen);
            }
            Response::Refused(message) => visit_refusal(&message, &mut seen),
        }
    }
    seen
}

fn visit_done(message: Done, seen: &mut BTreeSet<&'static str>) {
    match message {
        Done::Status(report) => {
            for component in report.components {
                health(&component.health, seen);
                wish(&component.wish, seen);
                if let Some(why) = component.reason {
                    reason(&why, seen);
                    if let Reason::StoppedBy { who, .. } = why {
                        actor(&who, seen);
                    }
                }
            }
        }
        Done::Operation(parts) | Done::ShutDown(parts) | Done::Restarting(parts) => {
            for part in parts {
                outcome(&part.outcome, seen);
                match part.outcome {
                    Outcome::Stopped(report) => {
                        exit(&report.exit, seen);
                        cause(&report.cause, seen);
                    }
                    Outcome::FailedSpawn(failure) => stage(&failure.stage, seen),
                    _ => {}
                }
            }
        }
        Done::Reload(report) => report
            .changes
            .iter()
            .for_each(|change| action(&change.action, seen)),
        Done::Check(report) => report
            .diagnostics
            .iter()
            .for_each(|one| severity(&one.severity, seen)),
        Done::Why(explanations) => explanations
            .iter()
            .flat_map(|one| &one.past)
            .for_each(|past| past_end(&past.end, seen)),
        Done::Story(stories) => {
            for story in &stories {
                story.facts.iter().for_each(|fact| component_fact(fact, seen));
            }
        }
        Done::Overview(overview) => {
            let components = overview.components.iter().flat_map(|one| &one.facts);
            components.for_each(|fact| {
                component_fact(fact, seen);
                if let ComponentFact::Check(check) = fact {
                    check_kind(&check.kind, seen);
                    if let Some(last) = &check.last {
                        check_verdict(&last.verdict, seen);
                    }
                }
            });
            overview
                .supervisor
                .iter()
                .for_each(|fact| supervisor_fact(fact, seen));
        }
        Done::Dumped(reports) => reports.iter().for_each(|one| dump_outcome(&one.outcome, seen)),
        Done::Logs(_)
        | Done::Version(_)
        | Done::Events(_)
        | Done::Info(_)
        | Done::StreamEnded
        | Done::Upgrading { .. }
        | Done::HandedOver
        | Done::OutputHandedOver(_) => {}
    }
}

fn visit_refusal(message: &Refusal, seen: &mut BTreeSet<&'static str>) {
    refusal(message, seen);
    if let Refusal::NotPermitted { needed, .. } = message {
        permission(needed, seen);
    }
    if let Refusal::CannotUpgrade { problem: why, .. } = message {
        problem(why, seen);
    }
}

#[test]
fn no_variant_is_without_its_frozen_bytes() {
    let all = [
        request::ALL,
        selection::ALL,
        until::ALL,
        signal::ALL,
        happening::ALL,
        past_end::ALL,
        response::ALL,
        notice::ALL,
        done::ALL,
        outcome::ALL,
        refusal::ALL,
        permission::ALL,
        reason::ALL,
        actor::ALL,
        state::ALL,
        health::ALL,
        wish::ALL,
        exit::ALL,
        cause::ALL,
        stage::ALL,
        action::ALL,
        severity::ALL,
        supervisor_fact::ALL,
        component_fact::ALL,
        check_kind::ALL,
        check_verdict::ALL,
        match_action::ALL,
        dump_reason::ALL,
        remains::ALL,
        dump_outcome::ALL,
        problem::ALL,
    ];
    assert_eq!(seen(), all.concat().into_iter().collect());
}
