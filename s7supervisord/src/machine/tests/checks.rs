//! The checks of one run, by themselves: against their reference, and what holds however late somebody is.

use super::desk::policy;
use super::vigil::Vigil;
use crate::machine::checks::{Checks, Finding, Origin};
use crate::machine::input::{CheckPolicy, NoteFrom, NotifyPolicy, Policy, Role, Verdict};
use crate::machine::life::Unwell;
use crate::machine::moment::Moment;
use crate::machine::restart::Jitter;
use proptest::prelude::*;
use s7proto::status::Health;
use std::time::Duration;

/// One thing that happens to a run.
#[derive(Debug, Clone)]
enum Act {
    /// The check that is under way comes to this.
    Answer(Verdict),
    /// One that isn't does.
    Stray(u64, Verdict),
    Note(NoteFrom),
    /// So much time passes, in milliseconds.
    Pass(u64),
}

fn spans(low: u64, high: u64) -> impl Strategy<Value = Duration> {
    (low..high).prop_map(Duration::from_millis)
}

fn checks(restarts: bool) -> impl Strategy<Value = CheckPolicy> {
    (
        spans(500, 12_000),
        spans(100, 4000),
        1..4u32,
        1..4u32,
        spans(1000, 30_000),
    )
        .prop_map(
            move |(interval, timeout, failures, successes, startup)| CheckPolicy {
                asks: 0,
                interval,
                timeout,
                failures,
                successes,
                startup,
                restarts,
            },
        )
}

fn policies() -> impl Strategy<Value = Policy> {
    let notify = (spans(1000, 30_000), prop::option::of(spans(1000, 9000)));
    let notify = notify.prop_map(|(startup, watchdog)| NotifyPolicy { startup, watchdog });
    let health = prop::option::weighted(0.8, checks(true));
    let readiness = prop::option::weighted(0.4, checks(false));
    (
        health,
        readiness,
        prop::option::weighted(0.3, notify),
        spans(0, 3000),
    )
        .prop_map(|(health, mut readiness, notify, first_check_after)| {
            if let (Some(health), Some(readiness)) = (&health, &mut readiness) {
                // No registry loads where both have no room.
                readiness.timeout = readiness
                    .timeout
                    .min(health.interval.saturating_sub(health.timeout));
            }
            Policy {
                ready_after: None,
                first_check_after,
                health,
                readiness,
                notify,
                ..policy()
            }
        })
}

fn verdicts() -> impl Strategy<Value = Verdict> {
    prop_oneof![
        6 => Just(Verdict::Well),
        5 => Just(Verdict::Ill),
        2 => Just(Verdict::TimedOut { late: Duration::ZERO }),
        1 => Just(Verdict::TimedOut { late: Duration::from_secs(15) }),
        1 => Just(Verdict::Unsure),
        1 => Just(Verdict::NotMade),
    ]
}

fn acts() -> impl Strategy<Value = Act> {
    let notes = prop_oneof![
        4 => Just(NoteFrom::Ready),
        4 => Just(NoteFrom::Alive),
        1 => spans(0, 5000).prop_map(NoteFrom::AliveEvery),
        2 => spans(0, 60_000).prop_map(NoteFrom::MoreTime),
        1 => Just(NoteFrom::Trouble),
        1 => Just(NoteFrom::Unheard),
        1 => Just(NoteFrom::HeardAgain),
    ];
    prop_oneof![
        10 => verdicts().prop_map(Act::Answer),
        1 => (0..9u64, verdicts()).prop_map(|(number, verdict)| Act::Stray(number, verdict)),
        2 => notes.prop_map(Act::Note),
        10 => (0..6000u64).prop_map(Act::Pass),
        3 => (0..40_000u64).prop_map(Act::Pass),
    ]
}

/// The checks, their reference, and what both have come to.
pub struct Watch {
    pub checks: Checks,
    vigil: Vigil,
    pub jitter: Jitter,
    pub now: Moment,
    /// The check under way, as the acting side knows it, and when it began.
    pub under_way: Option<(Role, u64)>,
    pub numbers: u64,
    ready: bool,
    pub given_up: Option<Unwell>,
}

impl Watch {
    pub fn new(policy: &Policy, seed: u64) -> Self {
        let (now, mut jitter) = (Moment::from_micros(5), Jitter::new(seed));
        Self {
            checks: Checks::begin(policy, now, now, Origin::New, &mut jitter),
            vigil: Vigil::begin(policy, now),
            jitter,
            now,
            under_way: None,
            numbers: 0,
            ready: false,
            given_up: None,
        }
    }

    fn found(&mut self, finding: Finding) {
        match finding {
            Finding::Nothing => {}
            Finding::Ready => {
                assert!(
                    !self.ready && self.given_up.is_none(),
                    "ready once, and not when given up"
                );
                self.ready = true;
            }
            Finding::Unwell(why) => {
                assert_eq!(self.given_up, None, "given up once");
                self.given_up = Some(why);
            }
        }
        assert_eq!(
            self.ready,
            self.vigil.ready_since.is_some(),
            "whether it is ready"
        );
        assert_eq!(
            self.given_up, self.vigil.given_up,
            "whether it is given up, and what for: {:?}",
            self.vigil
        );
        let rely = self.checks.lets_others_rely();
        assert!(
            self.given_up.is_some() || rely != self.vigil.is_ill(),
            "whether others may rely on it"
        );
        let unhealthy = self.checks.health() == Health::Unhealthy;
        assert_eq!(unhealthy, self.given_up.is_some() || !rely, "the flag");
    }

    fn tick(&mut self) {
        self.vigil.time(self.now, self.under_way.map(|(role, _)| role));
        let (check, finding) = self.checks.tick(self.now);
        if let Some((role, number)) = check {
            assert_eq!(self.under_way, None, "one at a time");
            assert_eq!(number, self.numbers + 1, "they are counted");
            assert_eq!(self.given_up, None, "nobody looks any more");
            self.numbers = number;
            self.under_way = check;
            let _ = role;
        }
        self.found(finding);
        assert!(
            self.checks.deadline().is_none_or(|at| at > self.now),
            "a timer of the past is left"
        );
    }

    /// Time passes, and timers come when they are due.
    pub fn pass(&mut self, span: Duration) {
        let end = self.now + span;
        while let Some(due) = self.checks.deadline().filter(|due| *due <= end) {
            self.now = self.now.max(due);
            self.tick();
        }
        self.now = end;
    }

    pub fn answer(&mut self, verdict: Verdict) {
        let Some((role, number)) = self.under_way.take() else {
            return;
        };
        self.vigil.verdict(role, verdict, self.now);
        let finding = self.checks.checked(number, verdict, self.now, &mut self.jitter);
        self.found(finding);
    }

    fn act(&mut self, act: &Act) {
        match act {
            Act::Pass(ms) => self.pass(Duration::from_millis(*ms)),
            Act::Answer(verdict) => self.answer(*verdict),
            Act::Stray(number, verdict) => {
                if self.under_way.map(|(_, under_way)| under_way) != Some(*number) {
                    let before = self.checks.clone();
                    let finding = self.checks.checked(*number, *verdict, self.now, &mut self.jitter);
                    assert_eq!(
                        (finding, &self.checks),
                        (Finding::Nothing, &before),
                        "a stray answer"
                    );
                }
            }
            Act::Note(note) => {
                self.vigil.note(*note, self.now);
                let finding = self.checks.noticed(*note, self.now);
                self.found(finding);
            }
        }
    }
}

#[test]
fn more_time_that_it_has_asked_for_outlives_a_reload_of_something_else() {
    let seconds = Duration::from_secs;
    let told = |startup, watchdog| Policy {
        ready_after: None,
        notify: Some(NotifyPolicy { startup, watchdog }),
        ..policy()
    };
    let mut watch = Watch::new(&told(seconds(10), None), 7);
    let began = watch.now;
    watch.act(&Act::Note(NoteFrom::MoreTime(seconds(60))));
    let altered = told(seconds(10), Some(seconds(5)));
    watch.checks.alter(&altered, watch.now, &mut watch.jitter);
    assert_eq!(watch.checks.deadline(), Some(began + seconds(60)));
    let altered = told(seconds(20), None);
    watch.checks.alter(&altered, watch.now, &mut watch.jitter);
    assert_eq!(
        watch.checks.deadline(),
        Some(began + seconds(20)),
        "that is what has changed"
    );
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1500, ..ProptestConfig::default() })]

    #[test]
    fn whatever_is_checked_and_noticed_comes_to_what_the_issue_says(
        policy in policies(), acts in prop::collection::vec(acts(), 1..80), seed in any::<u64>()
    ) {
        prop_assume!(policy.health.is_some() || policy.readiness.is_some() || policy.notify.is_some());
        let mut watch = Watch::new(&policy, seed);
        for act in &acts {
            watch.act(act);
        }
    }

    /// Row 33 of the fault matrix, whatever the numbers are: the daemon stands still for any time at any moment, and the component
    /// answers everything, and says what it has to say.
    #[test]
    fn whoever_answers_is_never_given_up_however_late_the_daemon_is(
        policy in policies(), stops in prop::collection::vec((prop_oneof![Just(0), 1..9000u64], 400..40_000u64), 1..30), seed in any::<u64>()
    ) {
        let mut watch = Watch::new(&policy, seed);
        watch.act(&Act::Note(NoteFrom::Ready));
        for (runs, stands) in stops {
            // What was said while it stood is read when it runs again; now and then it stands once more before that.
            let mut left = runs;
            while left > 0 {
                watch.act(&Act::Note(NoteFrom::Alive));
                // It signs, and answers, each 100 ms.
                let step = left.min(100);
                left -= step;
                watch.pass(Duration::from_millis(step));
                watch.answer(Verdict::Well);
            }
            watch.now = watch.now + Duration::from_millis(stands);
            // Its timers come before what was said meanwhile.
            let late = watch.checks.tick(watch.now);
            prop_assert!(!matches!(late.1, Finding::Unwell(_)), "the daemon was late by {} ms", stands);
            if let (Some(check), finding) = late {
                watch.under_way = Some(check);
                watch.numbers = check.1;
                prop_assert_eq!(finding, Finding::Nothing);
            }
            let late = Duration::from_millis(stands);
            if watch.under_way.is_some() && stands > 4000 {
                watch.answer(Verdict::TimedOut { late });
            }
        }
        prop_assert_eq!(watch.given_up, None);
    }

    /// Only one is under way at a time, and whichever takes its whole time, both have their turn: the one that may restart it when it
    /// is due, the other within an interval of that after it is due.
    #[test]
    fn neither_check_waits_for_the_other_longer_than_it_may(
        policy in policies(), takes in prop::collection::vec(0..=1000u32, 20..80), hangs in any::<bool>(), seed in any::<u64>()
    ) {
        let (Some(health), Some(readiness)) = (&policy.health, &policy.readiness) else {
            return Ok(());
        };
        prop_assume!(health.timeout + readiness.timeout <= health.interval);
        let mut watch = Watch::new(&Policy { notify: None, ..policy.clone() }, seed);
        while !watch.ready {
            let due = watch.checks.deadline().unwrap();
            watch.pass(due.since(watch.now));
            watch.answer(Verdict::Well);
        }
        let mut last = [watch.now; 2];
        for takes in takes {
            let due = watch.checks.deadline().unwrap();
            watch.pass(due.since(watch.now));
            if let Some((role, _)) = watch.under_way {
                let (at, longest) = match role {
                    Role::Health => (0, health.interval),
                    Role::Readiness => (1, readiness.interval + readiness.timeout + health.interval + health.timeout),
                };
                let after = watch.now.since(last[at]);
                prop_assert!(after <= longest, "{role:?} after {after:?}, and may be after {longest:?}");
                last[at] = watch.now;
                let whole = if at == 0 { health.timeout } else { readiness.timeout };
                let is_late = at == 1 && hangs;
                watch.pass(if is_late { whole } else { whole * takes / 1000 });
                watch.answer(if is_late { Verdict::TimedOut { late: Duration::ZERO } } else { Verdict::Well });
            }
        }
        let since = last.map(|last| watch.now.since(last));
        prop_assert!(since[1] <= readiness.interval + readiness.timeout + 2 * health.interval + health.timeout, "{since:?}");
        prop_assert!(since[0] <= health.interval, "{since:?}");
    }

    /// Issue 5: within interval × failures + timeout of the last time that it answered.
    #[test]
    fn whoever_stops_answering_is_given_up_in_time(check in checks(true), rounds in 1..20u32, seed in any::<u64>()) {
        prop_assume!(check.timeout <= check.interval);
        let within = check.interval * check.failures + check.timeout;
        let timeout = check.timeout;
        let policy = Policy { ready_after: None, health: Some(check), ..policy() };
        let mut watch = Watch::new(&policy, seed);
        for _ in 0..rounds {
            let due = watch.checks.deadline().unwrap();
            watch.pass(due.since(watch.now));
            watch.answer(Verdict::Well);
        }
        let stopped = watch.now;
        while watch.given_up.is_none() {
            let due = watch.checks.deadline().unwrap();
            watch.pass(due.since(watch.now));
            watch.pass(timeout);
            watch.answer(Verdict::TimedOut { late: Duration::ZERO });
        }
        prop_assert_eq!(watch.given_up, Some(Unwell::Checks));
        let took = watch.now.since(stopped);
        prop_assert!(took <= within, "it took {took:?}, and may take {within:?}");
    }
}
