//! Many components at once (fault row 13): everything is accounted for exactly once, in bounded time.

use super::desk::{Desk, killed_from_outside, policy};
use crate::machine::effect::Effect;
use crate::machine::input::{Command, Event, NoteFrom, Policy, RunId, Slot};
use s7proto::status::State;
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

const COUNT: u32 = 1000;

/// What a step of a thousand components may take without optimisation. On an idle core it is a tenth of a second; the
/// bound leaves room for a machine that is busy with other things, and none for work that grows with the square.
const BOUND: Duration = Duration::from_secs(3);

/// `COUNT` components, all RUNNING, in ten tiers, half of them depending on the first.
fn all_running() -> Desk {
    let names: Vec<String> = (0..COUNT).map(|number| format!("c{number}")).collect();
    let policy_of = |number: usize| Policy {
        tier: i32::try_from(number / 100).unwrap(),
        ready_after: None,
        depends_on: if number % 2 == 1 { vec![Slot(0)] } else { vec![] },
        ..policy()
    };
    let components = names.iter().enumerate();
    let components = components.map(|(number, name)| (name.as_str(), policy_of(number)));
    let mut desk = Desk::new(components.collect());
    let mut effects = desk.order(Command::StartAll);
    let mut done = Vec::new();
    while !effects.is_empty() {
        let spawned: Vec<RunId> = spawns(&effects);
        done.extend(
            effects
                .drain(..)
                .filter(|effect| matches!(effect, Effect::Reply(_))),
        );
        for run in spawned {
            effects.extend(event(&mut desk, run, Event::Spawned { pid: 1 }));
            effects.extend(event(&mut desk, run, Event::Noticed(NoteFrom::Ready)));
        }
    }
    assert_eq!(done.len(), 1, "the start of everything is answered");
    assert!((0..COUNT).all(|number| desk.state(Slot(number)) == Some(State::Running)));
    desk
}

/// An event without the checks of the desk, which look at every component each time.
fn event(desk: &mut Desk, run: RunId, event: Event) -> Vec<Effect> {
    let mut effects = Vec::new();
    desk.fleet.event(desk.stamp(), run, event, &mut effects);
    effects
}

fn spawns(effects: &[Effect]) -> Vec<RunId> {
    let spawn = |effect: &Effect| match effect {
        Effect::Spawn(run) => Some(*run),
        _ => None,
    };
    effects.iter().filter_map(spawn).collect()
}

fn runs(run: u64) -> impl Iterator<Item = RunId> {
    (0..COUNT).map(move |number| RunId {
        slot: Slot(number),
        run,
    })
}

#[test]
fn a_thousand_crashes_at_once_are_accounted_for_once_each() {
    let mut desk = all_running();
    let began = Instant::now();
    let mut effects = Vec::new();
    for run in runs(1) {
        effects.extend(event(&mut desk, run, Event::Exited(killed_from_outside())));
    }
    let kills = effects.iter().filter(|effect| matches!(effect, Effect::Kill(_)));
    assert_eq!(kills.count(), COUNT as usize, "each tree is swept once");
    effects.clear();
    for run in runs(1) {
        effects.extend(event(&mut desk, run, Event::Emptied));
        effects.extend(event(&mut desk, run, Event::Emptied));
    }
    let ended: Vec<RunId> = effects
        .iter()
        .filter_map(|effect| match effect {
            Effect::Ended { run, .. } => Some(*run),
            _ => None,
        })
        .collect();
    assert!(ended.iter().copied().eq(runs(1)), "each run ends once");
    // Half of them wait for the first, which has crashed as well.
    let again: BTreeSet<Slot> = spawns(&effects).iter().map(|run| run.slot).collect();
    assert!(again.iter().copied().eq((0..COUNT).step_by(2).map(Slot)));
    event(&mut desk, runs(2).next().unwrap(), Event::Spawned { pid: 1 });
    let rest = event(
        &mut desk,
        runs(2).next().unwrap(),
        Event::Noticed(NoteFrom::Ready),
    );
    assert_eq!(
        spawns(&rest).len(),
        COUNT as usize / 2,
        "they come when it is ready"
    );
    let took = began.elapsed();
    assert!(took < BOUND, "a thousand crashes took the machine {took:?}");
    desk.check_timers();
}

#[test]
fn a_thousand_that_crash_again_do_not_come_back_in_step() {
    let mut desk = all_running();
    for round in 1..=2 {
        desk.now = desk.now + Duration::from_millis(1);
        for run in runs(round) {
            event(&mut desk, run, Event::Exited(killed_from_outside()));
        }
        for run in runs(round) {
            event(&mut desk, run, Event::Emptied);
        }
        if round == 1 {
            for run in runs(2) {
                event(&mut desk, run, Event::Spawned { pid: 1 });
                event(&mut desk, run, Event::Noticed(NoteFrom::Ready));
            }
            for run in runs(2) {
                event(&mut desk, run, Event::Spawned { pid: 1 });
                event(&mut desk, run, Event::Noticed(NoteFrom::Ready));
            }
        }
    }
    let armed = desk.fleet.armed();
    assert_eq!(armed.len(), COUNT as usize, "everyone has its next try");
    let moments: BTreeSet<u64> = armed.iter().map(|(_, at)| at.as_micros() / 1000).collect();
    // 1 s ± 20 % in steps of a thousandth: 401 moments, of which a thousand draws leave few untouched.
    assert!(
        moments.len() > 300,
        "a thousand starts fall on {} moments",
        moments.len()
    );
    let (first, last) = (moments.first().unwrap(), moments.last().unwrap());
    assert!(
        *first >= 800 && *last <= 1202,
        "they fall between {first} and {last} ms"
    );
}

#[test]
fn a_thousand_components_stop_in_order_and_in_bounded_time() {
    let mut desk = all_running();
    let began = Instant::now();
    let mut effects = desk.order(Command::Shutdown);
    let mut stopped = Vec::new();
    loop {
        let asked: Vec<RunId> = effects
            .iter()
            .filter_map(|effect| match effect {
                Effect::Ask(run) => Some(*run),
                _ => None,
            })
            .collect();
        if asked.is_empty() {
            break;
        }
        let tiers: BTreeSet<u32> = asked.iter().map(|run| run.slot.0 / 100).collect();
        assert_eq!(tiers.len(), 1, "one tier at a time");
        stopped.extend(tiers);
        effects.clear();
        for run in &asked {
            effects.extend(event(&mut desk, *run, Event::Exited(killed_from_outside())));
            effects.extend(event(&mut desk, *run, Event::Emptied));
        }
    }
    assert!(stopped.iter().copied().eq((0..10).rev()), "{stopped:?}");
    assert_eq!(effects.last(), Some(&Effect::Halt));
    let took = began.elapsed();
    assert!(took < BOUND, "the machine took {took:?} to stop a thousand");
}
