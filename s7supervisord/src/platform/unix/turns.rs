//! Who does what next, among the threads that create processes.
//!
//! Orders are prepared side by side, and what is prepared is created one after the other, in the order of the registry.
//! As long as nothing hangs two threads are enough: one waits in the kernel for a program to be executed, the other
//! prepares those that come next, and whoever is done with one takes the next without waking anybody. A thread that is at
//! the same thing for longer than [`PATIENCE`] no longer counts, and another one takes its place.

use super::spawner::THREADS;
use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

/// How long one order may hold up those that come after it.
const PATIENCE: Duration = Duration::from_millis(500);
/// Threads that are at work at the same time, not counting those that hang. More of them only take the processor from the
/// components that have just begun.
const AWAKE: usize = 2;
/// Threads that commands beside runs may hold, those that hang included: starts go on although all of the commands hang.
const BESIDE: usize = THREADS / 2;
/// Orders that are prepared and not created yet: each holds descriptors.
const AHEAD: usize = 8;

/// What a thread is to do.
#[derive(Debug, PartialEq, Eq)]
pub enum Job<O, P> {
    /// Prepare it, and say so by [`Turns::prepared`], if it has a number.
    Take(Option<u64>, O),
    /// Create it.
    Create(P),
    /// Nothing, until somebody wakes it or until this time has passed.
    Wait(Option<Duration>),
}

/// When the turn of an order is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// It has a number, and is created when all before it are.
    InTurn,
    /// As soon as a thread has time.
    AtOnce,
    /// The same, for a command beside a run: only so many threads have time for those.
    Beside,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Work {
    Taking,
    TakingBeside,
    Creating,
}

/// All orders (`O`), and all that is prepared (`P`).
#[derive(Debug)]
pub struct Turns<O, P> {
    orders: VecDeque<(Way, Option<u64>, O)>,
    ready: BTreeMap<u64, (Instant, P)>,
    /// The number that the next order to be created in its turn gets.
    last: u64,
    /// Whose turn it is.
    next: u64,
    at_work: [Option<(Work, Instant)>; THREADS],
}

impl<O, P> Default for Turns<O, P> {
    fn default() -> Self {
        Self {
            orders: VecDeque::new(),
            ready: BTreeMap::new(),
            last: 0,
            next: 0,
            at_work: [None; THREADS],
        }
    }
}

impl<O, P> Turns<O, P> {
    /// Takes an order, with a number of its own where it has to wait for its turn. Whether a thread should be woken for it.
    pub fn order(&mut self, way: Way, order: O, now: Instant) -> bool {
        let in_turn = way == Way::InTurn;
        let number = in_turn.then_some(self.last);
        self.last += u64::from(in_turn);
        self.orders.push_back((way, number, order));
        self.busy(now) < AWAKE
    }

    /// Orders that aren't done with.
    pub fn open(&self) -> usize {
        self.orders.len() + self.ready.len() + self.at_work.iter().flatten().count()
    }

    /// An order waits for its turn now.
    pub fn prepared(&mut self, number: u64, what: P, now: Instant) {
        self.ready.insert(number, (now, what));
    }

    /// The thread `me` is done with what it had.
    pub fn is_done(&mut self, me: usize) {
        self.at_work[me] = None;
    }

    /// What the thread `me` is to do, which has nothing to do.
    pub fn next(&mut self, me: usize, now: Instant) -> Job<O, P> {
        if self.can_create(now)
            && let Some((number, (_, what))) = self.ready.pop_first()
        {
            self.next = self.next.max(number + 1);
            self.at_work[me] = Some((Work::Creating, now));
            return Job::Create(what);
        }
        if self.ready.len() < AHEAD
            && self.busy(now) < AWAKE
            && let Some((way, number, order)) = self.next_order().and_then(|place| self.orders.remove(place))
        {
            let work = match way {
                Way::Beside => Work::TakingBeside,
                Way::InTurn | Way::AtOnce => Work::Taking,
            };
            self.at_work[me] = Some((work, now));
            return Job::Take(number, order);
        }
        let idle = self.next_order().is_none() && self.ready.is_empty() && !self.is_creating(now);
        Job::Wait((!idle).then_some(PATIENCE))
    }

    /// Whether one more thread would find something to do.
    pub fn has_more(&self, now: Instant) -> bool {
        // Not as soon as there is room for one: a thread is woken for several.
        self.next_order().is_some() && self.ready.len() <= AHEAD / 2 && self.busy(now) < AWAKE
    }

    /// Whether something is being created, or is to be created now.
    pub fn goes_on(&self, now: Instant) -> bool {
        self.is_creating(now) || self.can_create(now)
    }

    /// Where the next order is that may be taken.
    fn next_order(&self) -> Option<usize> {
        let at_work = self.at_work.iter().flatten();
        let beside = at_work.filter(|(work, _)| *work == Work::TakingBeside).count();
        let is_free = |(way, ..): &(Way, Option<u64>, O)| *way != Way::Beside || beside < BESIDE;
        self.orders.iter().position(is_free)
    }

    fn can_create(&self, now: Instant) -> bool {
        !self.is_creating(now)
            && self.ready.first_key_value().is_some_and(|(number, (since, _))| {
                // What should come before it may hang while it is prepared.
                *number <= self.next || now.saturating_duration_since(*since) >= PATIENCE
            })
    }

    fn is_creating(&self, now: Instant) -> bool {
        self.fresh(now).any(|work| work == Work::Creating)
    }

    fn busy(&self, now: Instant) -> usize {
        self.fresh(now).count()
    }

    fn fresh(&self, now: Instant) -> impl Iterator<Item = Work> {
        self.at_work
            .iter()
            .flatten()
            .filter(move |(_, since)| now.saturating_duration_since(*since) < PATIENCE)
            .map(|(work, _)| *work)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Both = Turns<&'static str, &'static str>;

    impl Both {
        /// The thread is done with what it had, and asks for more.
        fn then(&mut self, me: usize, now: Instant) -> Job<&'static str, &'static str> {
            self.is_done(me);
            self.next(me, now)
        }
    }

    fn with(orders: &[&'static str], now: Instant) -> Both {
        let mut turns = Both::default();
        for order in orders {
            turns.order(Way::InTurn, order, now);
        }
        turns
    }

    #[test]
    fn what_is_prepared_out_of_order_is_created_in_order() {
        let now = Instant::now();
        let mut turns = with(&["a", "b", "c"], now);
        assert_eq!(turns.then(0, now), Job::Take(Some(0), "a"));
        assert_eq!(turns.then(1, now), Job::Take(Some(1), "b"));
        turns.prepared(1, "B", now);
        assert_eq!(turns.then(1, now), Job::Take(Some(2), "c"), "b waits for a");
        turns.prepared(0, "A", now);
        assert_eq!(turns.then(0, now), Job::Create("A"));
        turns.prepared(2, "C", now);
        assert_eq!(turns.then(1, now), Job::Wait(Some(PATIENCE)), "one at a time");
        assert_eq!(turns.then(0, now), Job::Create("B"));
        assert_eq!(turns.then(0, now), Job::Create("C"));
        assert_eq!(turns.then(0, now), Job::Wait(None));
        assert_eq!(turns.open(), 0);
    }

    #[test]
    fn one_that_hangs_while_it_is_prepared_holds_up_the_others_for_a_moment_only() {
        let now = Instant::now();
        let mut turns = with(&["a", "b"], now);
        assert_eq!(turns.then(0, now), Job::Take(Some(0), "a"));
        assert_eq!(turns.then(1, now), Job::Take(Some(1), "b"));
        turns.prepared(1, "B", now);
        assert_eq!(turns.then(1, now), Job::Wait(Some(PATIENCE)));
        let later = now + PATIENCE;
        assert_eq!(turns.then(1, later), Job::Create("B"));
        turns.prepared(0, "A", later);
        assert_eq!(turns.then(0, later), Job::Wait(Some(PATIENCE)));
        assert_eq!(
            turns.then(1, later),
            Job::Create("A"),
            "it has no turn to wait for any more"
        );
    }

    #[test]
    fn one_that_hangs_while_it_is_created_holds_up_the_others_for_a_moment_only() {
        let now = Instant::now();
        let mut turns = with(&["a", "b"], now);
        assert_eq!(turns.then(0, now), Job::Take(Some(0), "a"));
        turns.prepared(0, "A", now);
        assert_eq!(turns.then(0, now), Job::Create("A"));
        assert_eq!(turns.then(1, now), Job::Take(Some(1), "b"));
        turns.prepared(1, "B", now);
        assert_eq!(turns.then(1, now), Job::Wait(Some(PATIENCE)));
        assert_eq!(turns.then(1, now + PATIENCE), Job::Create("B"));
        assert_eq!(turns.open(), 2);
    }

    #[test]
    fn threads_that_hang_are_replaced_until_all_of_them_hang() {
        let mut now = Instant::now();
        let mut turns = with(&["a"; THREADS], now);
        for thread in 0..THREADS {
            assert!(
                matches!(turns.then(thread, now), Job::Take(..)),
                "thread {thread}"
            );
            now += PATIENCE;
        }
    }

    #[test]
    fn only_so_many_are_prepared_beforehand_and_two_threads_are_enough() {
        let now = Instant::now();
        let mut turns = with(&["a"; 100], now);
        assert!(turns.order(Way::InTurn, "b", now), "nobody is at work");
        assert_eq!(turns.then(0, now), Job::Take(Some(0), "a"));
        for number in 1..=AHEAD as u64 {
            assert_eq!(turns.then(1, now), Job::Take(Some(number), "a"));
            turns.prepared(number, "A", now);
        }
        assert_eq!(turns.then(1, now), Job::Wait(Some(PATIENCE)));
        assert!(!turns.has_more(now), "there is enough for a while");
        turns.prepared(0, "A", now);
        for _ in 0..=AHEAD / 2 {
            assert_eq!(turns.then(0, now), Job::Create("A"));
        }
        assert!(turns.has_more(now));
        assert_eq!(turns.then(1, now), Job::Take(Some(9), "a"));
        assert_eq!(turns.then(2, now), Job::Wait(Some(PATIENCE)), "two are at work");
        assert!(!turns.order(Way::InTurn, "c", now), "two are at work");
    }

    #[test]
    fn commands_that_hang_keep_no_run_from_starting() {
        let mut now = Instant::now();
        let mut turns = Both::default();
        for _ in 0..THREADS {
            turns.order(Way::Beside, "command", now);
        }
        for thread in 0..BESIDE {
            assert_eq!(turns.then(thread, now), Job::Take(None, "command"));
            now += PATIENCE;
        }
        assert_eq!(
            turns.then(BESIDE, now),
            Job::Wait(None),
            "they have all that they may"
        );
        assert!(!turns.has_more(now));
        assert!(turns.order(Way::InTurn, "run", now));
        assert_eq!(turns.then(BESIDE, now), Job::Take(Some(0), "run"));
        assert_eq!(turns.then(0, now), Job::Take(None, "command"), "one is done");
    }

    #[test]
    fn what_has_no_turn_is_done_at_once() {
        let now = Instant::now();
        let mut turns = with(&["a"], now);
        turns.order(Way::AtOnce, "note", now);
        assert_eq!(turns.then(0, now), Job::Take(Some(0), "a"));
        assert_eq!(turns.then(1, now), Job::Take(None, "note"));
        turns.prepared(0, "A", now);
        assert_eq!(turns.then(1, now), Job::Create("A"));
    }
}
