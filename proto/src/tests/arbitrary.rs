//! Every message survives its way over the wire: generators for all of them, and the round trip.

use super::{long_arbitrary, newer_arbitrary};
use crate::codec::{self, Message};
use crate::frame::{self, Parsed};
use crate::hello::{HELLO_BYTES, Hello};
use crate::name::ComponentName;
use crate::pattern::Pattern;
use crate::refusal::{Permission, Refusal};
use crate::reply::*;
use crate::request::{Request, Selection};
use crate::status::*;
use proptest::collection::vec;
use proptest::option::of;
use proptest::prelude::*;

pub fn text() -> impl Strategy<Value = String> {
    "\\PC{0,40}"
}

pub fn name() -> impl Strategy<Value = ComponentName> {
    "[A-Za-z0-9_-][A-Za-z0-9._-]{0,63}".prop_map(|text| ComponentName::parse(&text).unwrap())
}

pub fn selection() -> impl Strategy<Value = Selection> {
    let pattern = "[A-Za-z0-9._*?-]{1,64}".prop_map(|text| Pattern::parse(&text).unwrap());
    prop_oneof![
        Just(Selection::All),
        vec(name(), 0..5).prop_map(Selection::Named),
        vec(pattern, 0..5).prop_map(Selection::Matching),
    ]
}

pub fn request() -> impl Strategy<Value = Request> {
    prop_oneof![
        selection().prop_map(Request::Status),
        selection().prop_map(Request::Start),
        selection().prop_map(Request::Stop),
        selection().prop_map(Request::Restart),
        any::<(bool, bool)>().prop_map(|(dry_run, restart)| Request::Reload { dry_run, restart }),
        (selection(), any::<u32>()).prop_map(|(which, lines)| Request::Logs { which, lines }),
        any::<bool>().prop_map(|strict| Request::Check { strict }),
        Just(Request::Shutdown),
        Just(Request::RestartSupervisor),
        Just(Request::Version),
        long_arbitrary::request(),
        newer_arbitrary::request(),
    ]
}

pub fn state() -> impl Strategy<Value = State> {
    prop::sample::select(vec![
        State::Stopped,
        State::Waiting,
        State::Starting,
        State::Running,
        State::Stopping,
        State::Backoff,
        State::Exited,
        State::Fatal,
        State::Stuck,
    ])
}

pub fn exit_report() -> impl Strategy<Value = ExitReport> {
    let exit = prop_oneof![
        any::<i32>().prop_map(Exit::Code),
        (text(), any::<bool>()).prop_map(|(name, core)| Exit::Signal { name, core }),
        Just(Exit::Unknown),
    ];
    let cause = prop::sample::select(vec![
        EndCause::Finished,
        EndCause::Crashed,
        EndCause::Requested,
        EndCause::KilledAfterTimeout,
        EndCause::Unseen,
        EndCause::OutOfMemory,
        EndCause::Hung,
        EndCause::TooMuchMemory,
        EndCause::DependencyLost,
        EndCause::NotReady,
        EndCause::WatchdogMissed,
        EndCause::InTrouble,
        EndCause::OutputMatched,
    ]);
    (exit, cause, any::<i64>(), any::<u64>()).prop_map(|(exit, cause, at_ms, lasted_us)| ExitReport {
        exit,
        cause,
        at_ms,
        lasted_us,
    })
}

pub fn spawn_failure() -> impl Strategy<Value = SpawnFailure> {
    let stage = prop::sample::select(vec![
        SpawnStage::LookingUpUser,
        SpawnStage::PreparingOutput,
        SpawnStage::CreatingProcess,
        SpawnStage::Recording,
        SpawnStage::CreatingSession,
        SpawnStage::SettingLimits,
        SpawnStage::SettingGroup,
        SpawnStage::SettingUser,
        SpawnStage::ChangingDirectory,
        SpawnStage::ConnectingOutput,
        SpawnStage::Executing,
        SpawnStage::CheckingPort,
    ]);
    (stage, text(), of(any::<i32>()), text(), any::<bool>()).prop_map(
        |(stage, subject, os_error, cause, host_fault)| SpawnFailure {
            stage,
            subject,
            os_error,
            cause,
            host_fault,
        },
    )
}

pub fn diagnostic() -> impl Strategy<Value = Diagnostic> {
    let severity = prop::sample::select(vec![Severity::Error, Severity::Warning]);
    (severity, text(), any::<(u32, u32)>(), text(), of(text()), text()).prop_map(
        |(severity, file, (line, column), message, hint, rendered)| Diagnostic {
            severity,
            file,
            line,
            column,
            message,
            hint,
            rendered,
        },
    )
}

fn refusal() -> impl Strategy<Value = Refusal> {
    let permission = prop::sample::select(vec![Permission::Observe, Permission::Control, Permission::Own]);
    prop_oneof![
        (name(), vec(name(), 0..3)).prop_map(|(name, similar)| Refusal::NoSuchComponent { name, similar }),
        (of(any::<u32>()), permission).prop_map(|(uid, needed)| Refusal::NotPermitted { uid, needed }),
        (name(), name()).prop_map(|(component, dependency)| Refusal::DependencyDown {
            component,
            dependency
        }),
        (text(), vec(diagnostic(), 0..3))
            .prop_map(|(file, diagnostics)| Refusal::RegistryBroken { file, diagnostics }),
        Just(Refusal::ShuttingDown),
        Just(Refusal::Busy),
        text().prop_map(|detail| Refusal::Malformed { detail }),
        text().prop_map(|what| Refusal::Unsupported { what }),
        text().prop_map(|what| Refusal::Internal { what }),
        "[a-z*?]{1,9}".prop_map(|text| Refusal::NoMatch {
            pattern: Pattern::parse(&text).unwrap()
        }),
        newer_arbitrary::refusal(),
    ]
}

pub fn run() -> impl Strategy<Value = RunInfo> {
    any::<(u64, u32)>().prop_map(|(run, pid)| RunInfo { run, pid })
}

pub fn part() -> impl Strategy<Value = Part> {
    let outcome = prop_oneof![
        run().prop_map(Outcome::Started),
        run().prop_map(Outcome::AlreadyUp),
        exit_report().prop_map(Outcome::Completed),
        exit_report().prop_map(Outcome::Stopped),
        Just(Outcome::AlreadyDown),
        (of(run()), run()).prop_map(|(before, after)| Outcome::Restarted { before, after }),
        exit_report().prop_map(Outcome::FailedRun),
        spawn_failure().prop_map(Outcome::FailedSpawn),
        Just(Outcome::Unkillable),
        Just(Outcome::Superseded),
        refusal().prop_map(Outcome::Refused),
        long_arbitrary::outcome(),
    ];
    (name(), outcome, any::<u64>()).prop_map(|(component, outcome, took_us)| Part {
        component,
        outcome,
        took_us,
    })
}

pub fn reason() -> impl Strategy<Value = Reason> {
    let actor = prop_oneof![
        any::<u32>().prop_map(Actor::Uid),
        text().prop_map(Actor::Sid),
        Just(Actor::Supervisor),
    ];
    prop_oneof![
        Just(Reason::NotAutoStarted),
        (actor, any::<i64>()).prop_map(|(who, at_ms)| Reason::StoppedBy { who, at_ms }),
        (any::<i32>(), vec(name(), 0..8))
            .prop_map(|(tier, members)| Reason::WaitingForTier { tier, members }),
        name().prop_map(Reason::WaitingForDependency),
        any::<(u32, bool)>().prop_map(|(in_a_row, crash_loop)| Reason::Crashed { in_a_row, crash_loop }),
        spawn_failure().prop_map(Reason::SpawnFailed),
        any::<u32>().prop_map(|in_a_row| Reason::GaveUp { in_a_row }),
        Just(Reason::Completed),
        any::<u32>().prop_map(|left| Reason::Unkillable { left }),
        Just(Reason::NeedsRestart),
        Just(Reason::Removed),
        Just(Reason::GivenUpRun(EndCause::Hung)),
    ]
}

pub fn component() -> impl Strategy<Value = ComponentStatus> {
    let health = prop::sample::select(vec![
        Health::None,
        Health::Unknown,
        Health::Healthy,
        Health::Unhealthy,
    ]);
    let wish = prop::sample::select(vec![Wish::Up, Wish::Down]);
    let who = (name(), text(), any::<i32>());
    let what = (wish, state(), health, of(reason()));
    let numbers = (any::<u64>(), any::<u64>(), any::<u64>());
    let maybe = (
        of(any::<u32>()),
        of(any::<u64>()),
        of(any::<u64>()),
        of(-1e9..1e9f64),
        of(any::<u64>()),
    );
    (who, what, numbers, maybe, of(exit_report())).prop_map(
        |((id, description, tier), (wish, state, health, reason), numbers, maybe, last_exit)| {
            let (run, restarts, output_dropped_bytes) = numbers;
            let (pid, uptime_us, memory_bytes, cpu_percent, next_try_us) = maybe;
            ComponentStatus {
                id,
                description,
                tier,
                wish,
                state,
                health,
                pid,
                run,
                uptime_us,
                restarts,
                memory_bytes,
                cpu_percent,
                last_exit,
                next_try_us,
                reason,
                output_dropped_bytes,
            }
        },
    )
}

pub fn status() -> impl Strategy<Value = StatusReport> {
    let supervisor = (any::<(u32, u64)>(), text(), text(), text(), of(text())).prop_map(
        |((pid, uptime_us), version, registry, containment, state_not_persisted)| SupervisorStatus {
            pid,
            version,
            uptime_us,
            registry,
            containment,
            state_not_persisted,
        },
    );
    (supervisor, vec(component(), 0..4)).prop_map(|(supervisor, components)| StatusReport {
        supervisor,
        components,
    })
}

fn reload() -> impl Strategy<Value = ReloadReport> {
    let action = prop::sample::select(vec![
        ReloadAction::AddedAndStarted,
        ReloadAction::Added,
        ReloadAction::Removed,
        ReloadAction::Restarted,
        ReloadAction::NeedsRestart,
        ReloadAction::Updated,
        ReloadAction::AppliedLive,
    ]);
    let change = (name(), action, vec(text(), 0..3)).prop_map(|(component, action, fields)| ReloadChange {
        component,
        action,
        fields,
    });
    (
        any::<bool>(),
        vec(change, 0..3),
        vec(diagnostic(), 0..2),
        vec(part(), 0..2),
    )
        .prop_map(|(dry_run, changes, warnings, parts)| ReloadReport {
            dry_run,
            changes,
            warnings,
            parts,
        })
}

pub fn tail() -> impl Strategy<Value = LogTail> {
    (
        name(),
        text(),
        vec(any::<u8>(), 0..200),
        any::<bool>(),
        of(text()),
    )
        .prop_map(|(component, file, bytes, truncated, error)| LogTail {
            component,
            file,
            bytes,
            truncated,
            error,
        })
}

fn done() -> impl Strategy<Value = Done> {
    let check = (text(), any::<bool>(), vec(diagnostic(), 0..3), vec(name(), 0..3)).prop_map(
        |(registry, ok, diagnostics, components)| CheckReport {
            registry,
            ok,
            diagnostics,
            components,
        },
    );
    let version = (text(), any::<u32>(), text()).prop_map(|(version, pid, registry)| VersionInfo {
        version,
        pid,
        registry,
    });
    prop_oneof![
        status().prop_map(Done::Status),
        vec(part(), 0..4).prop_map(Done::Operation),
        reload().prop_map(Done::Reload),
        vec(tail(), 0..3).prop_map(Done::Logs),
        check.prop_map(Done::Check),
        vec(part(), 0..4).prop_map(Done::ShutDown),
        vec(part(), 0..4).prop_map(Done::Restarting),
        version.prop_map(Done::Version),
        long_arbitrary::done(),
        newer_arbitrary::done(),
    ]
}

pub fn response() -> impl Strategy<Value = Response> {
    let notice = prop_oneof![
        (name(), state()).prop_map(|(component, state)| Notice::Entered { component, state }),
        part().prop_map(Notice::Finished),
        long_arbitrary::notice(),
        newer_arbitrary::notice(),
    ];
    prop_oneof![
        notice.prop_map(Response::Notice),
        done().prop_map(Response::Done),
        refusal().prop_map(Response::Refused),
    ]
}

fn over_the_wire<M: Message>(id: u64, message: &M) -> (u64, M) {
    let limit = usize::try_from(M::LONGEST_FRAME).unwrap();
    let mut bytes = frame::begin(id);
    codec::encode(message, &mut bytes).unwrap();
    frame::seal(&mut bytes, limit).unwrap();
    match frame::parse(&bytes, limit).unwrap() {
        Parsed::Complete { id, body, consumed } if consumed == bytes.len() => {
            (id, codec::decode(body).unwrap())
        }
        other => panic!("{other:?}"),
    }
}

proptest! {
    #[test]
    fn every_request_survives_its_way_over_the_wire(id in any::<u64>(), message in request()) {
        prop_assert_eq!(over_the_wire(id, &message), (id, message));
    }

    #[test]
    fn every_response_survives_its_way_over_the_wire(id in any::<u64>(), message in response()) {
        prop_assert_eq!(over_the_wire(id, &message), (id, message));
    }

    #[test]
    fn a_message_with_something_behind_it_or_without_its_end_is_malformed(message in response(), more in any::<u8>()) {
        let mut body = Vec::new();
        codec::encode(&message, &mut body).unwrap();
        body.push(more);
        prop_assert_eq!(codec::decode::<Response>(&body), Err(codec::Malformed::Trailing(1)));
        for end in 0..body.len() - 1 {
            prop_assert!(codec::decode::<Response>(&body[..end]).is_err(), "cut at {}", end);
        }
    }

    #[test]
    fn arbitrary_bytes_are_a_value_or_an_error_and_never_a_panic(bytes in vec(any::<u8>(), 0..300)) {
        let limit = 64 * 1024;
        if let Ok(Parsed::Incomplete { more }) = frame::parse(&bytes, limit) {
            prop_assert!(more > 0 && bytes.len() + more <= limit + 4);
        }
        if let Ok(Parsed::Complete { consumed, .. }) = frame::parse(&bytes, limit) {
            prop_assert!(consumed <= bytes.len());
        }
        // What is understood is something that could have been sent.
        if let Ok(message) = codec::decode::<Request>(&bytes) {
            prop_assert_eq!(over_the_wire(1, &message), (1, message));
        }
        let _understood_or_not = codec::decode::<Response>(&bytes);
    }

    #[test]
    fn every_greeting_survives_and_everything_else_is_refused(bytes in any::<[u8; HELLO_BYTES]>()) {
        let mut greeting = bytes;
        greeting[..4].copy_from_slice(b"S7SV");
        prop_assert_eq!(Hello::decode(greeting).unwrap().encode(), greeting);
        prop_assert_eq!(Hello::decode(bytes).is_ok(), bytes.starts_with(b"S7SV"));
    }
}
