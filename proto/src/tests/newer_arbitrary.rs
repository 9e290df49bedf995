//! Generators for what 1.2 has added: the long status, output since a time, and replacing the daemon.

use super::arbitrary::{diagnostic, name, selection, status, text};
use super::long_arbitrary::explanation;
use crate::event::{DumpReason, Event, Happening, MatchAction, Remains};
use crate::explain::{LastWords, Story};
use crate::overview::{
    CheckFact, CheckKind, CheckResult, CheckVerdict, ComponentFact, ComponentFacts, Overview, SupervisorFact,
};
use crate::refusal::{Refusal, UpgradeProblem};
use crate::reply::{Done, DumpOutcome, DumpReport, Notice, RunInfo};
use crate::request::{LogPosition, Request};
use crate::status::Actor;
use proptest::collection::vec;
use proptest::option::of;
use proptest::prelude::*;

pub fn request() -> impl Strategy<Value = Request> {
    prop_oneof![
        selection().prop_map(Request::Overview),
        selection().prop_map(Request::Story),
        (selection(), any::<(i64, u32, bool)>()).prop_map(|(which, (since_ms, lines, follow))| {
            Request::LogsFrom {
                which,
                since_ms,
                lines,
                follow,
            }
        }),
        of(text()).prop_map(|binary| Request::Upgrade { binary }),
        vec(position(), 0..3).prop_map(Request::FollowFrom),
        selection().prop_map(Request::Dump),
        (selection(), any::<u64>()).prop_map(|(which, after)| Request::EventsFrom { which, after }),
    ]
}

fn position() -> impl Strategy<Value = LogPosition> {
    (name(), any::<(u64, u64)>()).prop_map(|(component, (file, offset))| LogPosition {
        component,
        file,
        offset,
    })
}

fn match_action() -> impl Strategy<Value = MatchAction> {
    prop_oneof![
        Just(MatchAction::Restart),
        Just(MatchAction::Dump),
        Just(MatchAction::Event)
    ]
}

pub fn notice() -> impl Strategy<Value = Notice> {
    let what = prop_oneof![
        any::<(u64, u32)>().prop_map(|(run, pid)| Happening::Adopted { run, pid }),
        (of(text()), any::<u32>()).prop_map(|(replaced, adopted)| Happening::TookOver { replaced, adopted }),
        any::<u32>().prop_map(|errors| Happening::RegistryStale { errors }),
        (any::<u64>(), text()).prop_map(|(run, detail)| Happening::Unresponsive { run, detail }),
        (any::<(u64, u64)>(), match_action(), text()).prop_map(|((run, times), action, line)| {
            Happening::Matched {
                run,
                action,
                line,
                times,
            }
        }),
        (any::<(u64, u64, u64)>(), text(), dump_reason()).prop_map(|((run, from, to), file, why)| {
            Happening::Dumped {
                run,
                file,
                from,
                to,
                why,
            }
        }),
        (any::<u64>(), vec(remains(), 0..3)).prop_map(|(run, remains)| Happening::Found { run, remains }),
    ];
    (any::<(u64, i64)>(), of(name()), what).prop_map(|((sequence, at_ms), component, what)| {
        Notice::Happened(Event {
            sequence,
            at_ms,
            component,
            what,
        })
    })
}

fn dump_reason() -> impl Strategy<Value = DumpReason> {
    prop_oneof![
        any::<u32>().prop_map(|uid| DumpReason::AskedBy(Actor::Uid(uid))),
        Just(DumpReason::StopTimeout),
        Just(DumpReason::Hung),
        Just(DumpReason::NotReady),
        Just(DumpReason::WatchdogMissed),
        Just(DumpReason::InTrouble),
        Just(DumpReason::Output),
    ]
}

fn remains() -> impl Strategy<Value = Remains> {
    prop_oneof![
        text().prop_map(Remains::OutOfJavaMemory),
        (text(), any::<u64>()).prop_map(|(file, bytes)| Remains::HeapDump { file, bytes }),
        (text(), any::<u64>()).prop_map(|(file, bytes)| Remains::ErrorReport { file, bytes }),
        (text(), any::<u64>()).prop_map(|(folder, looked)| Remains::More { folder, looked }),
    ]
}

fn dump() -> impl Strategy<Value = DumpReport> {
    let written = (any::<(u64, u32, u64, u64)>(), text(), vec(any::<u8>(), 0..9));
    let outcome = prop_oneof![
        written.prop_map(|((run, pid, from, to), file, bytes)| DumpOutcome::Written {
            run: RunInfo { run, pid },
            file,
            from,
            to,
            bytes,
        }),
        any::<u64>().prop_map(DumpOutcome::Silent),
        Just(DumpOutcome::NotConfigured),
        Just(DumpOutcome::NotRunning),
        text().prop_map(DumpOutcome::Failed),
        proptest::option::of(text()).prop_map(|option| DumpOutcome::WouldEnd { option }),
    ];
    (name(), outcome).prop_map(|(component, outcome)| DumpReport { component, outcome })
}

pub fn done() -> impl Strategy<Value = Done> {
    let about_daemon = prop_oneof![
        (text(), vec(diagnostic(), 0..3))
            .prop_map(|(file, diagnostics)| SupervisorFact::StaleRegistry { file, diagnostics }),
        (of(text()), any::<(i64, u32)>()).prop_map(|(replaced, (at_ms, adopted))| {
            SupervisorFact::TookOver {
                replaced,
                at_ms,
                adopted,
            }
        }),
        any::<u64>().prop_map(SupervisorFact::PipeBytes),
        (text(), any::<i64>()).prop_map(|(why, at_ms)| SupervisorFact::UpgradeFailed { why, at_ms }),
        text().prop_map(|why| SupervisorFact::CannotWrite { why }),
    ];
    let facts = (name(), vec(about_component(), 0..4)).prop_map(|(id, facts)| ComponentFacts { id, facts });
    let overview =
        (status(), vec(about_daemon, 0..4), vec(facts, 0..3)).prop_map(|(report, supervisor, components)| {
            Done::Overview(Box::new(Overview {
                report,
                supervisor,
                components,
            }))
        });
    let words = (any::<u64>(), vec(any::<u8>(), 0..20)).prop_map(|(run, bytes)| LastWords { run, bytes });
    let story = (explanation(), vec(about_component(), 0..4), vec(words, 0..3)).prop_map(
        |(explanation, facts, last_words)| Story {
            explanation,
            facts,
            last_words,
        },
    );
    prop_oneof![
        overview,
        vec(story, 0..2).prop_map(Done::Story),
        (text(), text()).prop_map(|(from, to)| Done::Upgrading { from, to }),
        Just(Done::HandedOver),
        vec(position(), 0..3).prop_map(Done::OutputHandedOver),
        vec(dump(), 0..3).prop_map(Done::Dumped),
    ]
}

fn about_component() -> impl Strategy<Value = ComponentFact> {
    prop_oneof![
        Just(ComponentFact::Adopted),
        text().prop_map(ComponentFact::Containment),
        any::<u64>().prop_map(ComponentFact::PipeBytes),
        (of(any::<u64>()), of(any::<u64>()), any::<bool>()).prop_map(|(soft, hard, by_system)| {
            ComponentFact::MemoryLimits {
                soft,
                hard,
                by_system,
            }
        }),
        check().prop_map(ComponentFact::Check),
        text().prop_map(ComponentFact::Said),
        text().prop_map(ComponentFact::AwaitsNotice),
        Just(ComponentFact::Reloading),
        Just(ComponentFact::SaysItStops),
        any::<u32>().prop_map(ComponentFact::MainProcess),
        any::<u64>().prop_map(ComponentFact::NoticesIgnored),
        Just(ComponentFact::Debugged),
        (text(), text(), any::<i64>(), any::<bool>()).prop_map(|(file, why, since_ms, waits)| {
            ComponentFact::OutputUnwritten {
                file,
                why,
                since_ms,
                waits,
            }
        }),
        any::<i64>().prop_map(ComponentFact::RunsKnownSince),
    ]
}

fn check() -> impl Strategy<Value = CheckFact> {
    let kind = prop_oneof![Just(CheckKind::Health), Just(CheckKind::Readiness)];
    let verdict = prop_oneof![
        Just(CheckVerdict::Well),
        Just(CheckVerdict::Ill),
        Just(CheckVerdict::Unsure),
    ];
    let last = (any::<(u64, i64, u64, u32)>(), verdict, text());
    let last = last.prop_map(|((run, at_ms, took_us, in_a_row), verdict, detail)| CheckResult {
        run,
        at_ms,
        took_us,
        verdict,
        in_a_row,
        detail,
    });
    (kind, text(), of(last)).prop_map(|(kind, what, last)| CheckFact { kind, what, last })
}

pub fn refusal() -> impl Strategy<Value = Refusal> {
    let problem = prop_oneof![
        text().prop_map(|why| UpgradeProblem::Unusable { why }),
        text().prop_map(|why| UpgradeProblem::Untrusted { why }),
        text().prop_map(|said| UpgradeProblem::CannotCarryOn { said }),
        any::<u32>().prop_map(|seconds| UpgradeProblem::Silent { seconds }),
        text().prop_map(|why| UpgradeProblem::NotNow { why }),
    ];
    (text(), problem).prop_map(|(binary, problem)| Refusal::CannotUpgrade { binary, problem })
}
