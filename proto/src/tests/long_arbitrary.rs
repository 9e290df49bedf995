//! Generators for what 1.1 has added: streams, explanations and settings.

use super::arbitrary::{
    component, exit_report, name, part, reason, run, selection, spawn_failure, state, status, tail, text,
};
use crate::event::{Event, Happening, PastEnd, PastRun};
use crate::explain::{ComponentInfo, Explanation, InfoReport, Neighbour, SupervisorInfo};
use crate::reply::{Done, Notice, Outcome};
use crate::request::{LogPosition, Request, Until};
use crate::signal::Signal;
use crate::status::{Actor, Wish};
use proptest::collection::vec;
use proptest::option::of;
use proptest::prelude::*;

pub fn request() -> impl Strategy<Value = Request> {
    prop_oneof![
        (selection(), signal()).prop_map(|(which, signal)| Request::Signal { which, signal }),
        (selection(), prop::sample::select(vec![Until::Up, Until::Down]))
            .prop_map(|(which, until)| Request::Wait { which, until }),
        (selection(), any::<u32>()).prop_map(|(which, lines)| Request::Follow { which, lines }),
        selection().prop_map(Request::Why),
        (selection(), any::<(u32, bool)>()).prop_map(|(which, (last, follow))| Request::Events {
            which,
            last,
            follow
        }),
        selection().prop_map(Request::Info),
    ]
}

pub fn notice() -> impl Strategy<Value = Notice> {
    prop_oneof![
        (any::<u64>(), status()).prop_map(|(sequence, report)| Notice::Snapshot { sequence, report }),
        event().prop_map(Notice::Happened),
        any::<u64>().prop_map(|events| Notice::Missed { events }),
        (name(), vec(any::<u8>(), 0..200)).prop_map(|(component, bytes)| Notice::Output { component, bytes }),
        (name(), text()).prop_map(|(component, why)| Notice::OutputUnreadable { component, why }),
        part().prop_map(Notice::Finished),
        (name(), any::<(u64, u64, u64)>()).prop_map(|(component, (file, offset, after))| {
            let position = LogPosition {
                component,
                file,
                offset,
            };
            Notice::OutputReaches { position, after }
        }),
    ]
}

pub fn done() -> impl Strategy<Value = Done> {
    prop_oneof![
        vec(explanation(), 0..3).prop_map(Done::Why),
        vec(event(), 0..5).prop_map(Done::Events),
        (supervisor(), vec(info(), 0..3)).prop_map(|(supervisor, components)| {
            Done::Info(Box::new(InfoReport {
                supervisor,
                components,
            }))
        }),
        Just(Done::StreamEnded),
    ]
}

pub fn outcome() -> impl Strategy<Value = Outcome> {
    prop_oneof![
        run().prop_map(Outcome::Signalled),
        Just(Outcome::NotRunning),
        text().prop_map(Outcome::Failed)
    ]
}

fn signal() -> impl Strategy<Value = Signal> {
    prop::sample::select(Signal::ALL.to_vec())
}

fn event() -> impl Strategy<Value = Event> {
    let who = || {
        prop_oneof![
            any::<u32>().prop_map(Actor::Uid),
            text().prop_map(Actor::Sid),
            Just(Actor::Supervisor)
        ]
    };
    let what = prop_oneof![
        (state(), any::<u64>(), of(any::<u32>()), of(reason())).prop_map(|(state, run, pid, reason)| {
            Happening::Entered {
                state,
                run,
                pid,
                reason,
            }
        }),
        (any::<u64>(), exit_report()).prop_map(|(run, report)| Happening::Ended { run, report }),
        (who(), text(), vec(text(), 0..3)).prop_map(|(who, verb, about)| Happening::Asked {
            who,
            verb,
            about
        }),
        (signal(), who(), any::<u64>()).prop_map(|(signal, who, run)| Happening::Signalled {
            signal,
            who,
            run
        }),
        any::<u32>().prop_map(|changed| Happening::RegistryLoaded { changed }),
        any::<u32>().prop_map(|errors| Happening::RegistryRefused { errors }),
        (any::<i32>(), vec(name(), 0..3))
            .prop_map(|(tier, laggards)| Happening::TierForced { tier, laggards }),
        Just(Happening::Forgotten),
        any::<bool>().prop_map(Happening::Health),
        any::<(u64, bool)>().prop_map(|(run, gone)| Happening::LeftOver { run, gone }),
    ];
    (any::<(u64, i64)>(), of(name()), what).prop_map(|((sequence, at_ms), component, what)| Event {
        sequence,
        at_ms,
        component,
        what,
    })
}

pub fn explanation() -> impl Strategy<Value = Explanation> {
    let neighbour = || {
        (name(), prop::sample::select(vec![Wish::Up, Wish::Down]), state())
            .prop_map(|(id, wish, state)| Neighbour { id, wish, state })
    };
    let end = prop_oneof![
        exit_report().prop_map(PastEnd::Exited),
        spawn_failure().prop_map(PastEnd::NotSpawned)
    ];
    let past = (any::<(u64, i64)>(), end).prop_map(|((run, at_ms), end)| PastRun { run, at_ms, end });
    (
        component(),
        of(any::<i64>()),
        vec(neighbour(), 0..3),
        vec(neighbour(), 0..3),
        vec(past, 0..5),
        vec(event(), 0..5),
        tail(),
    )
        .prop_map(
            |(status, since_ms, dependencies, dependants, past, events, output)| Explanation {
                status,
                since_ms,
                dependencies,
                dependants,
                past,
                events,
                output,
            },
        )
}

fn supervisor() -> impl Strategy<Value = SupervisorInfo> {
    let paths = (text(), text(), text(), text(), text(), text());
    let numbers = (
        any::<(u16, u16)>(),
        any::<u8>(),
        of(any::<u64>()),
        any::<u32>(),
        any::<u64>(),
    );
    (status(), paths, numbers).prop_map(|(status, paths, numbers)| {
        let (install_folder, runtime_dir, endpoint, log, audit_log, temp) = paths;
        let (protocol, trace_level, stats_interval_us, components, last_event) = numbers;
        SupervisorInfo {
            status: status.supervisor,
            protocol,
            install_folder,
            runtime_dir,
            endpoint,
            log,
            audit_log,
            temp,
            trace_level,
            stats_interval_us,
            components,
            last_event,
        }
    })
}

fn info() -> impl Strategy<Value = ComponentInfo> {
    let who = (name(), of((name(), any::<u32>())), text());
    let run = (
        vec(text(), 0..4),
        text(),
        any::<bool>(),
        vec((text(), text()), 0..3),
    );
    let user = (
        of(text()),
        of(text()),
        any::<u32>(),
        vec((text(), of(any::<u64>()), of(any::<u64>())), 0..3),
    );
    let life = (any::<(bool, i32, u64, u64)>(), text(), any::<u32>());
    let rest = (
        vec(any::<i32>(), 0..3),
        text(),
        of(text()),
        vec((name(), text()), 0..3),
        text(),
    );
    (who, run, user, life, rest, vec(any::<u32>(), 0..4)).prop_map(|(who, run, user, life, rest, pids)| {
        let (id, instance_of, description) = who;
        let (command, working_directory, inherit_environment, environment) = run;
        let (user, group, umask, limits) = user;
        let ((auto_start, tier, start_delay_us, stop_timeout_us), restart_policy, max_retries) = life;
        let (success_exit_codes, stop, health, depends_on, log_file) = rest;
        ComponentInfo {
            id,
            instance_of,
            description,
            command,
            working_directory,
            inherit_environment,
            environment,
            user,
            group,
            umask,
            limits,
            auto_start,
            tier,
            start_delay_us,
            stop_timeout_us,
            restart_policy,
            max_retries,
            success_exit_codes,
            stop,
            health,
            depends_on,
            log_file,
            pids,
        }
    })
}
