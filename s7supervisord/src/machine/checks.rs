//! Whether a run is ready and well: what is checked when, and what its results come to (DESIGN 4; Kubernetes' semantics,
//! reliability A2).
//!
//! Until a run is ready, failures cost it nothing but time, and it has its startup time for the first success. From then on
//! each check counts its failures and successes in a row. A check that may restart (`<health>`, a watchdog) gives a run up
//! once; the other (`<readiness>`) only says whether others may rely on it.

use super::input::{CheckPolicy, NoteFrom, NotifyPolicy, Policy, Role, Verdict};
use super::moment::Moment;
use super::restart::Jitter;
use s7proto::status::Health;
use std::time::Duration;

/// From one check to the next while a run isn't ready: it is wanted, so its readiness is noticed soon.
pub const STARTUP_INTERVAL: Duration = Duration::from_secs(1);

/// Whoever is woken later than this part of what it waited for was late itself, and blames nobody.
const LATE_PART: u32 = 4;

/// What one run has shown of itself so far.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Checks {
    lines: Vec<Line>,
    /// A notification is still to come.
    awaits_notice: bool,
    /// When it has to be ready; `None` once it is, or where only `startDelay` counts.
    startup_until: Option<Moment>,
    /// How far apart signs of life may be, and when the next one is due, once it is ready.
    watchdog: Option<Duration>,
    sign_due: Option<Moment>,
    ready: bool,
    /// How many checks were begun: an answer to an earlier one counts for nothing.
    begun: u64,
    given_up: bool,
}

/// One kind of check.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Line {
    role: Role,
    policy: CheckPolicy,
    /// When the next one is to begin. While one is under way, it is not before that has ended.
    next_at: Moment,
    under_way: Option<u64>,
    /// What it has last come to.
    well: Option<bool>,
    successes: u32,
    failures: u32,
}

/// What follows from something that was noticed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Finding {
    /// Nothing.
    Nothing,
    /// Everything that was to be waited for has come.
    Ready,
    /// It is to be stopped, and that counts as a crash.
    Hung,
}

impl Checks {
    /// The checks of a run that begins at `now`. `ready`: it was ready under an earlier daemon.
    #[must_use]
    pub fn begin(policy: &Policy, started: Moment, now: Moment, ready: bool, jitter: &mut Jitter) -> Self {
        let lines: Vec<Line> = [
            (Role::Health, &policy.health),
            (Role::Readiness, &policy.readiness),
        ]
        .into_iter()
        .filter_map(|(role, check)| Some((role, check.clone()?)))
        .map(|(role, check)| {
            // Those of many runs that begin together are spread over the time between two.
            let span = if ready {
                check.interval
            } else {
                check.interval.min(STARTUP_INTERVAL)
            };
            let earliest = (started + policy.first_check_after).max(now);
            Line {
                role,
                next_at: earliest
                    + if ready {
                        jitter.part_of(span)
                    } else {
                        jitter.part_of(span / 10)
                    },
                policy: check,
                under_way: None,
                well: None,
                successes: 0,
                failures: 0,
            }
        })
        .collect();
        let notify = policy.notify.as_ref();
        let startups = lines.iter().filter(|line| line.policy.restarts);
        let startup = startups
            .map(|line| line.policy.startup)
            .chain(notify.map(|notify: &NotifyPolicy| notify.startup))
            .max();
        let waits = !ready && (notify.is_some() || !lines.is_empty());
        let watchdog = notify.and_then(|notify| notify.watchdog);
        Self {
            awaits_notice: !ready && notify.is_some(),
            startup_until: startup
                .filter(|_| waits)
                .map(|startup| started + policy.first_check_after + startup),
            sign_due: watchdog.filter(|_| ready).map(|span| now + span),
            watchdog,
            ready,
            lines,
            begun: 0,
            given_up: false,
        }
    }

    /// When [`Checks::tick`] is to be called.
    #[must_use]
    pub fn deadline(&self) -> Option<Moment> {
        if self.given_up {
            return None;
        }
        let free = self.lines.iter().all(|line| line.under_way.is_none());
        let next = self.lines.iter().map(|line| line.next_at).min().filter(|_| free);
        [next, self.startup_until, self.sign_due]
            .into_iter()
            .flatten()
            .min()
    }

    /// Time has passed: which check is to begin (with its number), and what follows.
    pub fn tick(&mut self, now: Moment) -> (Option<(Role, u64)>, Finding) {
        if self.given_up {
            return (None, Finding::Nothing);
        }
        if let Some(until) = self.startup_until
            && until <= now
        {
            let patience = STARTUP_INTERVAL;
            if now.since(until) > patience {
                // Nobody has looked for a while, so it may have become ready unseen.
                self.startup_until = Some(now + patience + patience);
            } else {
                return (None, self.give_up());
            }
        }
        if let (Some(due), Some(span)) = (self.sign_due, self.watchdog)
            && due <= now
        {
            if now.since(due) > span / LATE_PART {
                self.sign_due = Some(now + span);
            } else {
                return (None, self.give_up());
            }
        }
        (self.next_check(now), Finding::Nothing)
    }

    fn next_check(&mut self, now: Moment) -> Option<(Role, u64)> {
        if self.lines.iter().any(|line| line.under_way.is_some()) {
            return None;
        }
        // The one that has waited longest, so that none of them starves another.
        let line = self.lines.iter_mut().min_by_key(|line| line.next_at)?;
        if line.next_at > now {
            return None;
        }
        self.begun += 1;
        line.under_way = Some(self.begun);
        Some((line.role, self.begun))
    }

    /// A check has ended.
    pub fn checked(&mut self, number: u64, verdict: Verdict, now: Moment, jitter: &mut Jitter) -> Finding {
        let ready = self.ready;
        let Some(line) = self.lines.iter_mut().find(|line| line.under_way == Some(number)) else {
            return Finding::Nothing;
        };
        line.under_way = None;
        let waits_for_first = line.successes == 0 && line.well.is_none() && !ready;
        let span = if waits_for_first && verdict != Verdict::Well {
            line.policy.interval.min(STARTUP_INTERVAL)
        } else {
            line.policy.interval
        };
        line.next_at = now + jitter.spread(span);
        match verdict {
            // A prober's own trouble says nothing about the component (reliability 0.8), and neither does an answer that
            // this daemon was too late to hear.
            Verdict::Unsure => return Finding::Nothing,
            Verdict::TimedOut { late } if late > line.policy.timeout / LATE_PART => return Finding::Nothing,
            Verdict::Well => {
                line.failures = 0;
                line.successes = line.successes.saturating_add(1);
                // The first success is enough to be ready; whoever was unwell has to show more (Kubernetes).
                if line.well != Some(false) || line.successes >= line.policy.successes {
                    line.well = Some(true);
                }
            }
            Verdict::Ill | Verdict::TimedOut { .. } => {
                line.successes = 0;
                line.failures = line.failures.saturating_add(1);
                if waits_for_first {
                    return Finding::Nothing;
                }
                if line.failures >= line.policy.failures {
                    line.well = Some(false);
                    if line.policy.restarts && ready {
                        return self.give_up();
                    }
                }
            }
        }
        self.look_whether_ready(now)
    }

    /// The component has said something of itself.
    pub fn noticed(&mut self, note: NoteFrom, now: Moment) -> Finding {
        if self.given_up {
            return Finding::Nothing;
        }
        match note {
            NoteFrom::Ready => {
                self.awaits_notice = false;
                self.sign(now);
                self.look_whether_ready(now)
            }
            NoteFrom::Alive => {
                self.sign(now);
                Finding::Nothing
            }
            NoteFrom::AliveEvery(span) => {
                self.watchdog = (!span.is_zero()).then_some(span);
                self.sign_due = None;
                self.sign(now);
                Finding::Nothing
            }
            NoteFrom::MoreTime(span) => {
                // Only ever more: what it has, it keeps (sd_notify(3)).
                if let Some(until) = &mut self.startup_until {
                    *until = (*until).max(now + span);
                }
                Finding::Nothing
            }
            NoteFrom::Trouble => self.give_up(),
        }
    }

    fn sign(&mut self, now: Moment) {
        self.sign_due = self.watchdog.filter(|_| self.ready).map(|span| now + span);
    }

    fn look_whether_ready(&mut self, now: Moment) -> Finding {
        if self.ready || self.awaits_notice || self.lines.iter().any(|line| line.well != Some(true)) {
            return Finding::Nothing;
        }
        self.ready = true;
        self.startup_until = None;
        self.sign(now);
        Finding::Ready
    }

    fn give_up(&mut self) -> Finding {
        if self.given_up {
            return Finding::Nothing;
        }
        // Once for each run (Kubernetes' "on hold"): what comes later is about a run that is ending.
        self.given_up = true;
        Finding::Hung
    }

    /// The flag beside the state.
    #[must_use]
    pub fn health(&self) -> Health {
        if self.lines.is_empty() && self.watchdog.is_none() {
            return Health::None;
        }
        if self.given_up || self.lines.iter().any(|line| line.well == Some(false)) {
            Health::Unhealthy
        } else if !self.ready || self.lines.iter().any(|line| line.well.is_none()) {
            Health::Unknown
        } else {
            Health::Healthy
        }
    }

    /// Whether others may rely on it, as far as its checks say.
    #[must_use]
    pub fn lets_others_rely(&self) -> bool {
        self.lines.iter().all(|line| line.well != Some(false))
    }

    /// Failures in a row of one kind of check.
    #[must_use]
    pub fn failures(&self, role: Role) -> u32 {
        let line = self.lines.iter().find(|line| line.role == role);
        line.map_or(0, |line| line.failures)
    }
}
