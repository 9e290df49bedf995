//! Whether a run is ready and well: what is checked when, and what its results come to (DESIGN 4; Kubernetes' semantics,
//! reliability A2).
//!
//! A run that is checked by something that may restart it (`<health>`), or that tells of itself, begins with a startup phase:
//! failures cost it nothing but time, until its startup time is over. From then on each check counts its failures and
//! successes in a row. A check that may restart gives a run up once; the other (`<readiness>`) only ever says whether others
//! may rely on it.

use super::input::{CheckPolicy, NotifyPolicy, Policy, Role, Told, Verdict};
use super::life::Unwell;
use super::moment::Moment;
use super::restart::Jitter;
use s7proto::status::Health;
use std::time::Duration;

mod line;
mod turn;
mod word;
use line::Line;
pub use line::STARTUP_INTERVAL;

/// A verdict that comes later than by this part of its timeout says more about this daemon than about the component.
const LATE_PART: u32 = 4;

/// Whoever is woken later than this was late itself (reliability B33), and blames nobody. Timers of a busy machine come sooner.
const LATE: Duration = Duration::from_millis(100);

/// For so long it is looked once more, before somebody is given up for having said nothing: what has come while this daemon stood
/// still may be unread.
pub const LAST_CALL: Duration = Duration::from_millis(200);

/// Where a run comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// This daemon has created it.
    New,
    /// An earlier daemon has.
    Adopted {
        /// What it has said meanwhile may have been missed, and what it says now may go to a socket that is no more.
        missed: bool,
        /// It was ready then.
        ready: bool,
        /// What it goes by when it tells of itself, where that isn't what the registry says.
        told: Option<Told>,
    },
}

/// What one run has shown of itself so far.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Checks {
    lines: Vec<Line>,
    /// When it was created.
    began: Moment,
    /// A notification may have been missed.
    may_have_told: bool,
    /// What it says now may be missed.
    unheard: bool,
    /// Nothing that it says has come since a daemon has died: whoever has kept the way to that one can't be heard.
    unproven: bool,
    /// A notification is still to come.
    awaits_notice: bool,
    /// How long its startup phase may take; `None` where nothing limits it.
    budget: Option<Duration>,
    /// When its startup phase has to be over; `None` once it is.
    startup_until: Option<Moment>,
    /// How far apart signs of life may be, and when the next one is due, once it is ready.
    watchdog: Option<Duration>,
    sign_due: Option<Moment>,
    /// What is due has not come, and is waited for a last time.
    last_call: bool,
    /// The time of the startup phase is over, and the check under way decides.
    overtime: bool,
    ready: bool,
    /// How many checks were begun: an answer to an earlier one counts for nothing.
    begun: u64,
    /// The one that hasn't ended.
    under_way: Option<(Role, u64)>,
    given_up: bool,
}

/// What follows from something that was noticed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Finding {
    /// Nothing.
    Nothing,
    /// Everything that was to be waited for has come.
    Ready,
    /// It is given up: it is to be stopped, and that counts as a crash.
    Unwell(Unwell),
}

fn kinds(policy: &Policy) -> [(Role, Option<&CheckPolicy>); 2] {
    [
        (Role::Health, policy.health.as_ref()),
        (Role::Readiness, policy.readiness.as_ref()),
    ]
}

/// How long the startup phase may take, from the creation of the run.
fn budget(policy: &Policy) -> Option<Duration> {
    let checks = kinds(policy).into_iter().filter_map(|(_, check)| check);
    let startups = checks.filter(|check| check.restarts).map(|check| check.startup);
    let notice = policy.notify.map(|notify: NotifyPolicy| notify.startup);
    let longest = startups.chain(notice).max();
    longest.map(|startup| policy.first_check_after.saturating_add(startup))
}

impl Checks {
    /// The checks from `now` on of a run that was created at `began`.
    #[must_use]
    pub fn begin(policy: &Policy, began: Moment, now: Moment, origin: Origin, jitter: &mut Jitter) -> Self {
        let (missed, ready, told) = match origin {
            Origin::New => (false, false, None),
            Origin::Adopted { missed, ready, told } => (missed, ready, told),
        };
        // As in [`Checks::alter`]: what it was told when it began, it keeps.
        let notify = policy.notify.filter(|_| told.is_none_or(|told| told.notifies));
        let earliest = (began + policy.first_check_after).max(now);
        let lines = kinds(policy).into_iter().filter_map(|(role, check)| {
            let check = check?.clone();
            // Those of many runs that begin together are spread; less where somebody waits for the first success.
            let span = if ready {
                check.interval
            } else {
                check.interval.min(STARTUP_INTERVAL) / 10
            };
            Some(Line::new(role, check, earliest + jitter.part_of(span)))
        });
        let watchdog = notify.and_then(|notify| told.map_or(notify.watchdog, |told| told.watchdog));
        let mut checks = Self {
            lines: lines.collect(),
            began,
            may_have_told: missed,
            unproven: missed,
            awaits_notice: !ready && notify.is_some(),
            budget: budget(policy),
            watchdog,
            ready,
            ..Self::default()
        };
        checks.owe_sign(now);
        checks.limit_startup(now);
        checks
    }

    /// The policy has changed while the run lives. What it was told when it began, it keeps: a run that began without a
    /// notification owes none, and its signs of life come as often as it was told then.
    pub fn alter(&mut self, policy: &Policy, now: Moment, jitter: &mut Jitter) {
        for (role, check) in kinds(policy) {
            let at = self.lines.iter().position(|line| line.role == role);
            match (check, at) {
                (Some(check), Some(at)) => {
                    if self.lines[at].alter(check, now, jitter) {
                        self.break_off(role);
                    }
                }
                (Some(check), None) => {
                    let first = now + jitter.part_of(check.interval);
                    self.lines.push(Line::new(role, check.clone(), first));
                }
                (None, Some(at)) => {
                    self.lines.remove(at);
                    self.break_off(role);
                }
                (None, None) => {}
            }
        }
        if policy.notify.is_none() {
            self.awaits_notice = false;
            self.watchdog = None;
            self.sign_due = None;
        }
        let budget = budget(policy);
        // More time that it has asked for stays its own as long as this is the same.
        if budget != self.budget || self.startup_until.is_some() != self.is_in_startup() {
            self.budget = budget;
            self.limit_startup(now);
        }
    }

    /// What is under way asks for what nobody wants to know any more; its answer counts for nothing.
    fn break_off(&mut self, role: Role) {
        self.under_way = self.under_way.filter(|(under_way, _)| *under_way != role);
        self.overtime &= self.under_way.is_some();
    }

    /// Not earlier than at `from`: a limit that is over when it is set is no sign that this daemon was late.
    fn limit_startup(&mut self, from: Moment) {
        let until = self.budget.map(|budget| (self.began + budget).max(from));
        self.startup_until = until.filter(|_| self.is_in_startup());
        self.last_call = false;
        self.overtime = false;
    }

    /// Whether something has to come before its failures count.
    fn is_in_startup(&self) -> bool {
        !self.ready && (self.awaits_notice || self.lines.iter().any(Line::holds_startup))
    }

    /// Whether it is ready when it or a check says so, and not by its age.
    #[must_use]
    pub fn are_awaited(&self) -> bool {
        self.awaits_notice || !self.lines.is_empty()
    }

    /// When [`Checks::tick`] is to be called.
    #[must_use]
    pub fn deadline(&self) -> Option<Moment> {
        if self.given_up {
            return None;
        }
        let next = self.next_line().map(|line| line.next_at);
        let next = next.filter(|_| self.under_way.is_none());
        let startup = self.startup_until.filter(|_| !self.overtime);
        let times = [next, startup, self.sign_due];
        times.into_iter().flatten().min()
    }

    /// Time has passed: which check is to begin (with its number), and what follows.
    pub fn tick(&mut self, now: Moment) -> (Option<(Role, u64)>, Finding) {
        if self.given_up {
            return (None, Finding::Nothing);
        }
        let startup = self.startup_until.filter(|_| !self.overtime);
        if startup.is_some_and(|until| now.since(until) > LATE) {
            // What is known of it is as old as this daemon was late: whoever is still awaited is asked once more.
            let missing = self.lines.iter_mut().filter(|line| line.holds_startup());
            missing.for_each(|line| line.unsure = true);
        }
        let finding = self.look_at_time(now);
        if matches!(finding, Finding::Unwell(_)) {
            return (None, finding);
        }
        (self.next_check(now), finding)
    }

    fn look_at_time(&mut self, now: Moment) -> Finding {
        if let Some(due) = self.sign_due
            && due <= now
        {
            if self.last_call && now.since(due) <= LATE {
                return self.give_up(Unwell::Watchdog);
            }
            self.sign_due = Some(now + LAST_CALL);
            self.last_call = true;
        }
        if let Some(until) = self.startup_until.filter(|_| !self.overtime)
            && until <= now
        {
            if self.last_call && now.since(until) <= LATE {
                return self.end_startup(now);
            }
            self.startup_until = Some(now + LAST_CALL);
            self.last_call = true;
        }
        Finding::Nothing
    }

    /// The time of the startup phase is over, and the phase isn't.
    fn end_startup(&mut self, now: Moment) -> Finding {
        if self.may_have_told && self.awaits_notice {
            // It may have said so while nobody was there to hear it; that it has lived on counts for it.
            self.awaits_notice = false;
            if !self.is_in_startup() {
                return self.look_whether_ready(now);
            }
        }
        let missing = || self.lines.iter().filter(|line| line.holds_startup());
        if self.awaits_notice {
            return self.give_up(Unwell::Startup);
        }
        let under_way = |line: &&Line| self.under_way.is_some_and(|(role, _)| role == line.role);
        if missing().any(|line| under_way(&line)) {
            // It has begun in time, and may be the one that is answered. It ends within its own time.
            (self.startup_until, self.last_call, self.overtime) = (Some(now), false, true);
            return Finding::Nothing;
        }
        if missing().any(|line| !line.unsure) {
            return self.give_up(Unwell::Startup);
        }
        // The prober could not do its work, which is nobody's failure (reliability 0.8); one more round of it.
        let round = missing().map(|line| line.policy.interval.saturating_add(line.policy.timeout));
        self.startup_until = round.max().map(|round| now + round.max(LAST_CALL));
        self.last_call = false;
        Finding::Nothing
    }

    /// A check has ended.
    pub fn checked(&mut self, number: u64, verdict: Verdict, now: Moment, jitter: &mut Jitter) -> Finding {
        let Some((role, _)) = self.under_way.filter(|(_, begun)| *begun == number) else {
            return Finding::Nothing;
        };
        self.under_way = None;
        let finding = self.judge(role, verdict, now, jitter);
        let decides = std::mem::take(&mut self.overtime) && self.is_in_startup();
        if decides && finding == Finding::Nothing {
            return self.end_startup(now);
        }
        finding
    }

    fn judge(&mut self, role: Role, verdict: Verdict, now: Moment, jitter: &mut Jitter) -> Finding {
        let (ready, in_startup, began) = (self.ready, self.is_in_startup(), self.began);
        let room = match self.lines.len() {
            0 | 1 => Duration::ZERO,
            _ => self.timeouts(),
        };
        // A reload may have taken this kind of check away meanwhile.
        let Some(line) = self.lines.iter_mut().find(|line| line.role == role) else {
            return Finding::Nothing;
        };
        if verdict == Verdict::NotMade {
            line.put_off(now);
            return Finding::Nothing;
        }
        let waits_for_first = line.well.is_none() && !ready;
        let quick = waits_for_first && verdict != Verdict::Well && now < began + line.policy.startup;
        line.plan_next(now, quick, room, jitter);
        line.unsure = match verdict {
            // A prober's own trouble says nothing about the component (reliability 0.8), and neither does an answer that
            // this daemon was too late to hear.
            Verdict::Unsure => true,
            Verdict::TimedOut { late } => late > line.policy.timeout / LATE_PART,
            Verdict::Well | Verdict::Ill | Verdict::NotMade => false,
        };
        if line.unsure {
            return Finding::Nothing;
        }
        if verdict == Verdict::Well {
            line.failures = 0;
            line.successes = line.successes.saturating_add(1);
            // The first success is enough to be ready; whoever was unwell has to show more (Kubernetes).
            if line.well != Some(false) || line.successes >= line.policy.successes {
                line.well = Some(true);
            }
            return self.look_whether_ready(now);
        }
        line.successes = 0;
        line.failures = line.failures.saturating_add(1);
        if waits_for_first || line.failures < line.policy.failures {
            return Finding::Nothing;
        }
        line.well = Some(false);
        if line.policy.restarts && !in_startup {
            return self.give_up(Unwell::Checks);
        }
        Finding::Nothing
    }

    /// Whether everything that was waited for has come.
    pub fn look_whether_ready(&mut self, now: Moment) -> Finding {
        if !self.is_in_startup() {
            self.startup_until = None;
        }
        let missing = self.awaits_notice || self.lines.iter().any(|line| line.well != Some(true));
        if self.given_up || self.ready || missing {
            return Finding::Nothing;
        }
        self.be_ready(now);
        Finding::Ready
    }

    /// It is ready, by whatever has told: from now on its failures count.
    pub fn be_ready(&mut self, now: Moment) {
        if !self.ready {
            self.ready = true;
            self.startup_until = None;
            self.sign(now);
        }
    }

    fn give_up(&mut self, why: Unwell) -> Finding {
        if self.given_up {
            return Finding::Nothing;
        }
        // Once for each run (Kubernetes' "on hold"): what comes later is about a run that is ending.
        self.given_up = true;
        Finding::Unwell(why)
    }

    /// The flag beside the state.
    #[must_use]
    pub fn health(&self) -> Health {
        if self.given_up || !self.lets_others_rely() {
            Health::Unhealthy
        } else if self.lines.is_empty() && self.watchdog.is_none() {
            Health::None
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
}

#[cfg(test)]
impl Checks {
    /// Whether a check has not ended, for tests of the machine.
    pub(super) fn is_under_way(&self) -> bool {
        self.under_way.is_some()
    }

    /// The number of the last check, for tests of the machine.
    pub(super) fn begun(&self) -> u64 {
        self.begun
    }
}
