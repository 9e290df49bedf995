//! The rounds of checks of one run, where this daemon is late, a reload asks otherwise, or a check can't begin.

use super::checks::Watch;
use super::desk::policy;
use crate::machine::checks::Finding;
use crate::machine::input::{CheckPolicy, Policy, Verdict};
use crate::machine::life::Unwell;
use std::time::Duration;

/// `<health>` each 10 s, with 2 s for one and 10 s for the first success.
fn slow_check() -> Policy {
    let check = CheckPolicy {
        asks: 0,
        interval: Duration::from_secs(10),
        timeout: Duration::from_secs(2),
        failures: 2,
        successes: 1,
        startup: Duration::from_secs(10),
        restarts: true,
    };
    Policy {
        ready_after: None,
        health: Some(check),
        ..policy()
    }
}

impl Watch {
    /// Goes on to the next check, which is under way then.
    fn next_check(&mut self) -> Duration {
        let from = self.now;
        while self.under_way.is_none() && self.given_up.is_none() {
            let due = self.checks.deadline().expect("something is due");
            self.pass(due.since(self.now));
        }
        self.now.since(from)
    }

    /// The daemon stands still, and its timers come when it runs again.
    fn stand(&mut self, span: Duration) {
        self.now = self.now + span;
        if let (check @ Some((_, number)), _) = self.checks.tick(self.now) {
            (self.under_way, self.numbers) = (check, number);
        }
    }
}

#[test]
fn a_check_that_is_under_way_when_the_startup_time_is_over_decides() {
    let (mut watch, ms) = (Watch::new(&slow_check(), 7), Duration::from_millis);
    watch.next_check();
    watch.answer(Verdict::Ill);
    watch.next_check();
    watch.stand(ms(11_000));
    let mut checks = watch.checks.clone();
    for _ in 0..9 {
        watch.now = watch.now + ms(50);
        assert_eq!(checks.tick(watch.now), (None, Finding::Nothing));
    }
    assert_eq!(
        checks.checked(watch.numbers, Verdict::Well, watch.now, &mut watch.jitter),
        Finding::Ready
    );
}

#[test]
fn a_daemon_that_was_late_makes_one_round_before_it_gives_a_start_up() {
    let mut watch = Watch::new(&slow_check(), 7);
    watch.next_check();
    let (number, mut checks) = (watch.numbers, watch.checks.clone());
    watch.now = watch.now + Duration::from_secs(11);
    // It was refused before the daemon stood still, and the next one is to come.
    let refused = checks.checked(number, Verdict::Ill, watch.now, &mut watch.jitter);
    assert_eq!(refused, Finding::Nothing);
    let (mut now, mut made) = (watch.now, 0);
    loop {
        let (check, finding) = checks.tick(now);
        if finding != Finding::Nothing {
            assert_eq!(finding, Finding::Unwell(Unwell::Startup), "it fails after that");
            break;
        }
        if let Some((_, number)) = check {
            made += 1;
            checks.checked(number, Verdict::Ill, now, &mut watch.jitter);
        }
        now = checks.deadline().expect("something is due");
    }
    assert!(
        (1..=2).contains(&made),
        "{made} checks were made before it was given up"
    );
}

#[test]
fn what_a_reload_asks_otherwise_begins_to_count_anew() {
    let mut watch = Watch::new(&slow_check(), 7);
    watch.next_check();
    watch.answer(Verdict::Well);
    watch.next_check();
    watch.answer(Verdict::Ill);
    watch.next_check();
    let altered = |asks, timeout| {
        let mut policy = slow_check();
        let check = policy.health.iter_mut();
        check.for_each(|check| (check.asks, check.timeout) = (asks, Duration::from_secs(timeout)));
        policy
    };
    for (policy, goes_on) in [
        (altered(0, 2), true),
        (altered(1, 2), false),
        (altered(0, 1), false),
    ] {
        let (mut checks, mut jitter) = (watch.checks.clone(), watch.jitter.clone());
        checks.alter(&policy, watch.now, &mut jitter);
        assert_eq!(checks.is_under_way(), goes_on, "{policy:?}");
        let late = checks.checked(watch.numbers, Verdict::Ill, watch.now, &mut jitter);
        let given_up = Finding::Unwell(Unwell::Checks);
        let expected = if goes_on { given_up } else { Finding::Nothing };
        assert_eq!(late, expected, "the one under way");
        if !goes_on {
            let due = checks.deadline().expect("it is asked");
            assert!(due.since(watch.now) <= Duration::from_secs(1), "soon");
            let number = checks.tick(due).0.expect("it is due").1;
            let next = checks.checked(number, Verdict::Ill, due, &mut jitter);
            assert_eq!(next, Finding::Nothing, "it is the first in the row");
        }
    }
}

#[test]
fn a_check_that_could_not_begin_counts_for_nothing_and_is_tried_again_soon() {
    let mut watch = Watch::new(&slow_check(), 7);
    watch.next_check();
    watch.answer(Verdict::TimedOut { late: Duration::ZERO });
    watch.next_check();
    let (mut made, mut soon) = (watch.numbers, Duration::ZERO);
    while watch.given_up.is_none() {
        watch.answer(Verdict::NotMade);
        soon = soon.max(watch.next_check());
        made += 1;
        assert!(made < 100, "its startup time is over");
    }
    assert!(soon <= Duration::from_millis(200), "{soon:?}");
    assert_eq!(watch.given_up, Some(Unwell::Startup));
}
