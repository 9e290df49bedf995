//! The reference of the checks: what the issue says of them, told anew from what is checked and noticed, and from nothing that
//! the machine keeps. Timers are taken as they are due; who is late has a test of his own.

use crate::machine::checks::LAST_CALL;
use crate::machine::input::{CheckPolicy, NoteFrom, Policy, Role, Verdict};
use crate::machine::life::Unwell;
use crate::machine::moment::Moment;
use std::collections::BTreeMap;
use std::time::Duration;

/// What one kind of check has shown.
#[derive(Debug, Clone)]
struct Shown {
    policy: CheckPolicy,
    /// Every verdict that says something about the component: whether it was well.
    verdicts: Vec<bool>,
    /// The last one said nothing, or there was none.
    unsure: bool,
    /// It has been ready before it was looked at by this check.
    counts_at_once: bool,
}

/// One run, as its checks see it.
#[derive(Debug, Clone)]
pub struct Vigil {
    shown: BTreeMap<Role, Shown>,
    owes_notice: bool,
    startup_until: Option<Moment>,
    /// The startup time is over, and this check has begun before.
    waits_for: Option<Role>,
    watchdog: Option<Duration>,
    sign_due: Option<Moment>,
    /// What it says is missed now, or has been.
    unheard: bool,
    was_unheard: bool,
    /// Nothing tells that it is ready but its age.
    by_age: bool,
    pub ready_since: Option<Moment>,
    pub given_up: Option<Unwell>,
}

impl Shown {
    fn has_been_well(&self) -> bool {
        self.verdicts.contains(&true)
    }

    fn in_a_row(&self) -> u32 {
        let ill = self.verdicts.iter().rev().take_while(|well| !**well).count();
        u32::try_from(ill).unwrap()
    }

    /// Failures that count: those before the first success cost nothing but time.
    fn counted(&self) -> u32 {
        if self.counts_at_once || self.has_been_well() {
            self.in_a_row()
        } else {
            0
        }
    }

    /// Whether others may not rely on it: it has failed often enough, and not been well often enough since.
    fn is_ill(&self) -> bool {
        let mut ill = false;
        let (mut bad, mut good) = (0, 0);
        let mut counts = self.counts_at_once;
        for &well in &self.verdicts {
            counts |= well;
            (bad, good) = if well { (0, good + 1) } else { (bad + 1, 0) };
            ill = match well {
                false => ill || (counts && bad >= self.policy.failures),
                true => ill && good < self.policy.successes,
            };
        }
        ill
    }
}

impl Vigil {
    pub fn begin(policy: &Policy, began: Moment) -> Self {
        let kinds = [
            (Role::Health, &policy.health),
            (Role::Readiness, &policy.readiness),
        ];
        let shown: BTreeMap<Role, Shown> = kinds
            .into_iter()
            .filter_map(|(role, check)| Some((role, check.clone()?)))
            .map(|(role, policy)| {
                let shown = Shown {
                    policy,
                    verdicts: Vec::new(),
                    unsure: true,
                    counts_at_once: false,
                };
                (role, shown)
            })
            .collect();
        let restarting = shown.values().filter(|one| one.policy.restarts);
        let startups = restarting.map(|one| one.policy.startup);
        let longest = startups.chain(policy.notify.map(|notify| notify.startup)).max();
        Self {
            by_age: shown.is_empty() && policy.notify.is_none(),
            shown,
            owes_notice: policy.notify.is_some(),
            startup_until: longest.map(|startup| began + policy.first_check_after + startup + LAST_CALL),
            waits_for: None,
            watchdog: policy.notify.and_then(|notify| notify.watchdog),
            sign_due: None,
            unheard: false,
            was_unheard: false,
            ready_since: None,
            given_up: None,
        }
    }

    /// Something has to come before failures count.
    fn is_in_startup(&self) -> bool {
        let mut restarting = self.shown.values().filter(|one| one.policy.restarts);
        self.ready_since.is_none() && (self.owes_notice || restarting.any(|one| !one.has_been_well()))
    }

    pub fn verdict(&mut self, role: Role, verdict: Verdict, now: Moment) {
        let in_startup = self.is_in_startup();
        let Some(one) = self.shown.get_mut(&role).filter(|_| self.given_up.is_none()) else {
            return;
        };
        let well = match verdict {
            Verdict::Well => Some(true),
            Verdict::Ill => Some(false),
            Verdict::TimedOut { late } => (late <= one.policy.timeout / 4).then_some(false),
            Verdict::Unsure => None,
            // As if nothing had been asked.
            Verdict::NotMade => return self.wait_no_longer(role, now),
        };
        one.unsure = well.is_none();
        one.verdicts.extend(well);
        let lost = well == Some(false) && one.counted() >= one.policy.failures;
        if lost && one.policy.restarts && !in_startup {
            self.given_up = Some(Unwell::Checks);
        }
        self.look(now);
        self.wait_no_longer(role, now);
    }

    /// The check that was waited for beyond the startup time has ended.
    fn wait_no_longer(&mut self, role: Role, now: Moment) {
        if self.waits_for == Some(role) {
            self.waits_for = None;
            if self.is_in_startup() {
                self.end_startup(now);
            }
        }
    }

    pub fn note(&mut self, note: NoteFrom, now: Moment) {
        match note {
            _ if self.given_up.is_some() => {}
            NoteFrom::Ready => {
                self.owes_notice = false;
                self.sign(now);
                self.look(now);
                // Where nobody is asked, it may still say so.
                if self.by_age && self.ready_since.is_none() {
                    self.be_ready(now);
                }
            }
            NoteFrom::Alive => self.sign(now),
            NoteFrom::AliveEvery(span) => {
                self.watchdog = Some(span).filter(|span| !span.is_zero());
                self.sign(now);
            }
            NoteFrom::MoreTime(span) => {
                let last_call = if self.waits_for.is_some() {
                    Duration::ZERO
                } else {
                    LAST_CALL
                };
                if self
                    .startup_until
                    .is_some_and(|until| until < now + span + last_call)
                {
                    (self.startup_until, self.waits_for) = (Some(now + span + LAST_CALL), None);
                }
            }
            NoteFrom::Stopping => {}
            NoteFrom::Trouble => self.given_up = Some(Unwell::Trouble),
            NoteFrom::Unheard | NoteFrom::HeardAgain => {
                self.unheard = note == NoteFrom::Unheard;
                self.was_unheard |= self.unheard;
                self.sign(now);
            }
        }
    }

    /// It has lived for as long as makes it ready.
    pub fn be_ready(&mut self, now: Moment) {
        if self.ready_since.is_none() {
            self.ready_since = Some(now);
            self.sign(now);
        }
    }

    /// Its timers have come, if they were due, while this check is under way.
    pub fn time(&mut self, now: Moment, under_way: Option<Role>) {
        if self.sign_due.is_some_and(|due| due <= now) {
            self.given_up.get_or_insert(Unwell::Watchdog);
        }
        let is_over = self.startup_until.is_some_and(|until| until <= now);
        if !is_over || !self.is_in_startup() || self.waits_for.is_some() {
            return;
        }
        if self.was_unheard && self.owes_notice {
            // It may have said so.
            self.owes_notice = false;
            if !self.is_in_startup() {
                return self.look(now);
            }
        }
        let shown = under_way.and_then(|role| Some((role, self.shown.get(&role)?)));
        let decides = shown.filter(|(_, one)| one.policy.restarts && !one.has_been_well());
        match decides {
            Some((role, _)) if !self.owes_notice => {
                (self.waits_for, self.startup_until) = (Some(role), Some(now));
            }
            _ => self.end_startup(now),
        }
    }

    fn end_startup(&mut self, now: Moment) {
        let missing = self.shown.values();
        let missing = missing.filter(|one| one.policy.restarts && !one.has_been_well());
        let failed = missing.clone().any(|one| !one.unsure);
        if failed || self.owes_notice {
            self.given_up.get_or_insert(Unwell::Startup);
        } else {
            let round = missing.map(|one| one.policy.interval + one.policy.timeout).max();
            self.startup_until = round.map(|round| now + round + LAST_CALL);
        }
    }

    fn sign(&mut self, now: Moment) {
        self.sign_due = self
            .watchdog
            .filter(|_| self.ready_since.is_some() && !self.unheard)
            .map(|span| now + span + LAST_CALL);
    }

    fn look(&mut self, now: Moment) {
        let all = self
            .shown
            .values()
            .all(|one| one.has_been_well() && !one.is_ill());
        if !self.by_age && all && !self.owes_notice && self.given_up.is_none() && self.ready_since.is_none() {
            self.be_ready(now);
        }
    }

    /// Whether others may rely on it.
    pub fn is_ill(&self) -> bool {
        self.shown.values().any(Shown::is_ill)
    }
}
