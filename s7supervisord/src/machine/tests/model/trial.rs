//! Trials: fleets, manners and sequences of commands, drawn by proptest and shrunk to what matters.

use super::judge::Court;
use super::reference::{Model, Next};
use super::world::{Birth, LifeSpan, Manners, Orphans, WhenAsked};
use crate::machine::input::{
    Change, CheckPolicy, Command, Event, Loss, NoteFrom, NotifyPolicy, Policy, Restart, RunId, Slot, Verdict,
};
use crate::machine::tests::desk::{killed_from_outside, policy};
use proptest::prelude::*;
use s7proto::status::{Exit, State, Wish};
use std::collections::BTreeSet;
use std::time::Duration;

mod found;

/// One thing done to the fleet or to the world. Numbers of components are taken modulo how many there have been.
#[derive(Debug, Clone)]
enum Act {
    Start(Vec<u32>),
    Stop(Vec<u32>),
    Restart(Vec<u32>),
    StartAll,
    StopAll,
    RestartAll,
    Reload(Vec<Alteration>, bool),
    Shutdown,
    Hurry,
    Pass(u64),
    Behave(u32, Manners),
    Kill(u32),
    Hang(u32),
    /// It says something of itself.
    Say(u32, NoteFrom),
    Grow(u32),
    /// An event of an earlier run, or of one that has not been.
    Stale(u32, u8, bool),
}

#[derive(Debug, Clone)]
enum Alteration {
    Add(Policy),
    Remove(u32),
    Alter(u32, Policy, bool),
}

#[derive(Debug, Clone)]
struct Trial {
    policies: Vec<Policy>,
    manners: Vec<Manners>,
    acts: Vec<Act>,
    seed: u64,
    /// Timers come when they are due.
    punctual: bool,
}

fn checks(restarts: bool) -> impl Strategy<Value = CheckPolicy> {
    (1..6u64, 1..4u32, 1..3u32, 2..20u64).prop_map(move |(interval, failures, successes, startup)| {
        CheckPolicy {
            asks: 0,
            interval: Duration::from_secs(interval),
            timeout: Duration::from_secs(1),
            failures,
            successes,
            startup: Duration::from_secs(startup),
            restarts,
        }
    })
}

/// Some are checked, some tell of themselves, some mind what they lose, and some are asked for a diagnosis.
fn policies() -> impl Strategy<Value = Policy> {
    let health = prop::option::weighted(0.25, checks(true));
    let readiness = prop::option::weighted(0.15, checks(false));
    let notify = prop::option::weighted(
        0.15,
        (1..20u64, prop::option::of(2..9u64)).prop_map(|(startup, watchdog)| NotifyPolicy {
            startup: Duration::from_secs(startup),
            watchdog: watchdog.map(Duration::from_secs),
        }),
    );
    let dumps = (any::<bool>(), any::<bool>());
    let minds = prop::collection::vec(
        prop_oneof![2 => Just(None), 2 => Just(Some(Loss::Restart)), 1 => Just(Some(Loss::Stop))],
        3,
    );
    (plain_policies(), health, readiness, notify, dumps, minds).prop_map(
        |(plain, health, readiness, notify, (dump_when_hung, dump_before_kill), minds)| {
            let told = health.is_some() || readiness.is_some() || notify.is_some();
            let losses = plain.depends_on.iter().zip(minds);
            Policy {
                ready_after: plain.ready_after.filter(|_| !told),
                on_loss: losses.filter_map(|(on, loss)| Some((*on, loss?))).collect(),
                health,
                readiness,
                notify,
                dump_when_hung,
                dump_before_kill,
                ..plain
            }
        },
    )
}

fn plain_policies() -> impl Strategy<Value = Policy> {
    let restart = prop_oneof![
        5 => Just(Restart::Always),
        2 => Just(Restart::OnFailure),
        2 => Just(Restart::Never)
    ];
    let ready = prop_oneof![Just(None), Just(Some(0)), Just(Some(1000)), Just(Some(5000))];
    let stop = prop_oneof![Just(0), Just(1000), Just(10_000)];
    let depends = prop_oneof![4 => Just(vec![]), 1 => prop::collection::vec(0..4u32, 1..3)];
    (any::<bool>(), 0..3i32, ready, stop, restart, 0..3u32, depends).prop_map(
        |(auto_start, tier, ready, stop, restart, max_retries, depends)| Policy {
            auto_start,
            tier,
            ready_after: ready.map(Duration::from_millis),
            stop_timeout: Duration::from_millis(stop),
            restart,
            max_retries,
            success: vec![0, 7],
            depends_on: depends.into_iter().map(Slot).collect(),
            ..policy()
        },
    )
}

fn manners() -> impl Strategy<Value = Manners> {
    let birth = prop_oneof![
        8 => (0..50u64).prop_map(Birth::After),
        1 => Just(Birth::After(45_000)),
        1 => Just(Birth::HostFault),
        1 => Just(Birth::OwnFault)
    ];
    let life = prop_oneof![
        5 => Just(LifeSpan::Long),
        3 => (prop_oneof![Just(0), Just(500), Just(7000), Just(61_000)], prop_oneof![Just(0), Just(1), Just(7)])
            .prop_map(|(after_ms, code)| LifeSpan::Exits { after_ms, code }),
        1 => Just(LifeSpan::Hangs { after_ms: 300 })
    ];
    let when_asked = prop_oneof![
        5 => prop_oneof![Just(0), Just(100), Just(3000)].prop_map(|after_ms| WhenAsked::Ends { after_ms }),
        1 => Just(WhenAsked::Deaf),
        1 => Just(WhenAsked::CannotBeAsked)
    ];
    let orphans = prop_oneof![4 => Just(Orphans::None), 1 => Just(Orphans::Polite), 1 => Just(Orphans::Deaf)];
    let ready = prop_oneof![3 => (0..2000u64).prop_map(Some), 1 => Just(None)];
    let immortal = prop::bool::weighted(0.08);
    let verdict = prop_oneof![
        8 => Just(Verdict::Well),
        3 => Just(Verdict::Ill),
        1 => Just(Verdict::TimedOut { late: Duration::ZERO }),
        1 => Just(Verdict::TimedOut { late: Duration::from_secs(2) }),
        1 => Just(Verdict::Unsure),
        1 => Just(Verdict::NotMade)
    ];
    let answers = prop::collection::vec((0..1000u64, verdict), 0..6);
    let signs =
        prop_oneof![3 => (500..1900u64).prop_map(Some), 1 => (2000..9000u64).prop_map(Some), 1 => Just(None)];
    (
        birth,
        ready,
        life,
        when_asked,
        immortal,
        orphans,
        answers,
        (any::<bool>(), signs),
    )
        .prop_map(
            |(birth, ready_ms, life, when_asked, immortal, orphans, answers, (dumps, signs_ms))| Manners {
                birth,
                ready_ms,
                life,
                when_asked,
                immortal,
                orphans,
                answers,
                dumps,
                signs_ms,
            },
        )
}

/// What is said now and then, beside being ready and the signs of life.
fn notes() -> impl Strategy<Value = NoteFrom> {
    prop_oneof![
        2 => Just(NoteFrom::Trouble),
        1 => Just(NoteFrom::Ready),
        1 => (0..6000u64).prop_map(|every| NoteFrom::AliveEvery(Duration::from_millis(every))),
    ]
}

fn acts() -> impl Strategy<Value = Act> {
    let some = || prop::collection::vec(0..8u32, 1..3);
    let alteration = prop_oneof![
        1 => policies().prop_map(Alteration::Add),
        1 => (0..8u32).prop_map(Alteration::Remove),
        2 => (0..8u32, policies(), any::<bool>()).prop_map(|(of, policy, run)| Alteration::Alter(of, policy, run)),
    ];
    prop_oneof![
        6 => some().prop_map(Act::Start),
        6 => some().prop_map(Act::Stop),
        5 => some().prop_map(Act::Restart),
        4 => Just(Act::StartAll),
        3 => Just(Act::StopAll),
        3 => Just(Act::RestartAll),
        4 => (prop::collection::vec(alteration, 0..4), any::<bool>())
            .prop_map(|(changes, restart)| Act::Reload(changes, restart)),
        1 => Just(Act::Shutdown),
        1 => Just(Act::Hurry),
        12 => (0..60u64).prop_map(Act::Pass),
        8 => (0..3000u64).prop_map(Act::Pass),
        6 => (0..90_000u64).prop_map(Act::Pass),
        3 => (0..8u32, manners()).prop_map(|(of, manners)| Act::Behave(of, manners)),
        5 => (0..8u32).prop_map(Act::Kill),
        2 => (0..8u32).prop_map(Act::Hang),
        3 => (0..8u32, notes()).prop_map(|(of, note)| Act::Say(of, note)),
        2 => (0..8u32).prop_map(Act::Grow),
        2 => (0..8u32, 0..9u8, any::<bool>()).prop_map(|(of, event, old)| Act::Stale(of, event, old)),
    ]
}

fn trials(punctual: bool) -> impl Strategy<Value = Trial> {
    let policies = prop::collection::vec(policies(), 1..6);
    let manners = prop::collection::vec(manners(), 0..6);
    let acts = prop::collection::vec(acts(), 1..60);
    (policies, manners, acts, any::<u64>()).prop_map(move |(policies, manners, acts, seed)| Trial {
        policies,
        manners,
        acts,
        seed,
        punctual,
    })
}

impl Trial {
    /// Plays it to its end, where everything behaves and comes to rest; gives the record of all effects.
    fn play(&self) -> Vec<String> {
        let mut policies = self.policies.clone();
        for (place, policy) in policies.iter_mut().enumerate() {
            let place = u32::try_from(place).unwrap();
            // The registry refuses dependencies in a circle.
            *policy = before(policy, place);
        }
        let mut court = Court::new(policies, self.seed, self.punctual);
        for (slot, manners) in (0..).map(Slot).zip(&self.manners) {
            court.world.behave(slot, manners.clone());
        }
        for act in &self.acts {
            if court.halted {
                return court.record;
            }
            act.carry_out(&mut court);
        }
        come_to_rest(&mut court);
        court.record
    }
}

/// I11: with faults off, everything is as it is wished within a bound that can be told.
fn come_to_rest(court: &mut Court) {
    court.world.heal();
    // The longest space or host wait, a stop that must be killed, one more try of what is stuck, an overdue spawn, and
    // for each tier and each link of dependencies a gate and a start.
    let links = u64::try_from(court.models.all.len()).unwrap();
    court.pass(Duration::from_secs(72 + 30 + 60 + 65 + 80 * (links + 1)));
    if court.halted {
        return;
    }
    assert!(!court.shutting_down, "I11: a shutdown comes to its halt");
    let now = court.now();
    for (slot, model) in &court.models.all {
        let state = court.fleet.view(*slot, now).expect("it exists").state;
        let held = court.models.missing(*slot, now).is_some() && model.process.is_none();
        let settled = match (model.wish, state) {
            (Wish::Down, State::Stopped) => true,
            (Wish::Up, State::Running) => true,
            (Wish::Up, State::Exited) => model.next == Next::StayEnded || !court.punctual,
            (Wish::Up, State::Fatal) => true,
            (Wish::Up, State::Waiting) => held,
            _ => false,
        };
        assert!(settled, "I11: {slot:?} is {state:?} in the end: {model:?}");
    }
    assert!(
        court.pending.is_empty(),
        "I11: {:?} aren't answered in the end",
        court.pending
    );
}

impl Act {
    fn carry_out(&self, court: &mut Court) {
        let count = court.fleet.next_slot().0;
        let slot = |number: &u32| Slot(number % count);
        let slots = |numbers: &[u32]| numbers.iter().map(slot).collect::<Vec<_>>();
        match self {
            Act::Start(numbers) => court.command(Command::Start(slots(numbers))),
            Act::Stop(numbers) => court.command(Command::Stop(slots(numbers))),
            Act::Restart(numbers) => court.command(Command::Restart(slots(numbers))),
            Act::StartAll => court.command(Command::StartAll),
            Act::StopAll => court.command(Command::StopAll),
            Act::RestartAll => court.command(Command::RestartAll),
            Act::Shutdown => court.command(Command::Shutdown),
            Act::Hurry => court.command(Command::Hurry),
            Act::Reload(changes, restart) => {
                let mut next = count;
                // A difference between two registries names a component once.
                let mut seen = BTreeSet::new();
                let changes = changes
                    .iter()
                    .filter(|change| match change {
                        Alteration::Add(_) => true,
                        Alteration::Remove(number) | Alteration::Alter(number, ..) => {
                            seen.insert(slot(number))
                        }
                    })
                    .map(|change| match change {
                        Alteration::Add(policy) => {
                            let policy = before(policy, next);
                            next += 1;
                            Change::Add(policy)
                        }
                        Alteration::Remove(number) => Change::Remove(slot(number)),
                        Alteration::Alter(number, policy, needs_run) => Change::Alter {
                            slot: slot(number),
                            policy: as_told(court, slot(number), before(policy, number % count)),
                            needs_run: *needs_run,
                        },
                    })
                    .collect();
                court.command(Command::Reload {
                    changes,
                    restart: *restart,
                });
            }
            Act::Pass(ms) => court.pass(Duration::from_millis(*ms)),
            Act::Behave(number, manners) => court.world.behave(slot(number), manners.clone()),
            Act::Kill(number) => court
                .world
                .befall(slot(number), Event::Exited(killed_from_outside())),
            Act::Grow(number) => court.world.befall(slot(number), Event::TooMuchMemory),
            Act::Hang(number) => court.world.befall(slot(number), Event::Matched),
            Act::Say(number, note) => {
                // Who doesn't notify may say that it is ready or in trouble, and owes no signs that it could change.
                let slot = slot(number);
                let notifies = |model: &Model| model.policy.notify.is_some();
                let owes = court.models.all.get(&slot).is_some_and(notifies);
                if owes || !matches!(note, NoteFrom::AliveEvery(_)) {
                    court.world.befall(slot, Event::Noticed(*note));
                }
            }
            Act::Stale(number, event, old) => {
                let slot = slot(number);
                let Some(model) = court.models.all.get(&slot) else {
                    return;
                };
                let run = if *old {
                    model.run.wrapping_sub(1)
                } else {
                    model.run + 1
                };
                let event = match event {
                    0 => Event::Spawned { pid: 5 },
                    1 => Event::SpawnFailed(crate::machine::tests::desk::failure(false)),
                    2 => Event::Exited(Exit::Code(0)),
                    3 => Event::Emptied,
                    4 => Event::Survivors(4),
                    5 => Event::CannotAsk,
                    6 => Event::Noticed(NoteFrom::Ready),
                    7 => Event::Checked {
                        number: 0,
                        verdict: Verdict::Ill,
                    },
                    _ => Event::Matched,
                };
                court.noise(RunId { slot, run }, event);
            }
        }
    }
}

/// The policy with the checks that the component has already: how they change is for stories to tell.
fn as_told(court: &Court, slot: Slot, policy: Policy) -> Policy {
    let Some(model) = court.models.all.get(&slot) else {
        return policy;
    };
    let now = &model.policy;
    let told = now.health.is_some() || now.readiness.is_some() || now.notify.is_some();
    Policy {
        ready_after: if told { None } else { policy.ready_after },
        health: now.health.clone(),
        readiness: now.readiness.clone(),
        notify: now.notify,
        ..policy
    }
}

/// The policy with dependencies on components before `place` only, as a registry without circles has them.
fn before(policy: &Policy, place: u32) -> Policy {
    let mut policy = policy.clone();
    policy.depends_on.retain(|on| on.0 < place);
    policy.on_loss.retain(|(on, _)| on.0 < place);
    policy
}

fn config() -> ProptestConfig {
    ProptestConfig {
        // What is found is kept as a story or a test with a name, not as a seed.
        failure_persistence: None,
        max_shrink_iters: 20_000,
        ..ProptestConfig::default()
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn whatever_happens_the_machine_does_what_the_design_says(trial in trials(true)) {
        trial.play();
    }

    #[test]
    fn whoever_is_late_with_timers_gets_order_all_the_same(trial in trials(false)) {
        trial.play();
    }

    #[test]
    fn the_same_seed_and_inputs_give_the_same_effects(trial in trials(true)) {
        prop_assert_eq!(trial.play(), trial.play());
    }
}
