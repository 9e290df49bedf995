//! What has happened: remembered for `events` and `why`, told to whoever listens, and written down for the next daemon.

use super::history_writer::Writer;
use crate::state::past::{self, Kept, LEFT_OUT, REMEMBERED, Said, Whole};
use s7proto::event::{Event, Happening, PastRun};
use s7proto::name::ComponentName;
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::sync::{mpsc, oneshot};

/// Events that a listener may be behind before it misses some. One step of the loop can tell of every component several
/// times, so this is five for each of some three thousand; the events themselves are shared by all listeners.
const BEHIND: usize = 16 * 1024;

/// Everything that is remembered.
#[derive(Default)]
pub struct History {
    events: VecDeque<Arc<Event>>,
    sequence: u64,
    listeners: Vec<Listener>,
    components: HashMap<ComponentName, Past>,
    /// Since when something is remembered, as wall time in milliseconds since 1970 (UTC).
    since_ms: i64,
    /// The number after which [`LEFT_OUT`] ones may have been, because the daemon before was killed.
    gap: Option<u64>,
    /// The number of the last event of an earlier daemon.
    inherited: u64,
    writer: Option<Writer>,
    /// It could not be written down at last, and is tried again.
    lacking: bool,
    /// What has happened before it was known what had happened before that; `None` once it is. Nobody asks until then.
    early: Option<Vec<Early>>,
}

/// Something that has no number yet.
struct Early {
    at_ms: i64,
    component: Option<ComponentName>,
    what: Happening,
}

/// What a listener holds.
#[derive(Debug)]
pub struct Listening {
    /// What happens.
    pub events: mpsc::Receiver<Arc<Event>>,
    /// How many events there was no room for, since this was last set to 0.
    pub missed: Arc<AtomicU64>,
}

/// One who is told everything.
struct Listener {
    tell: mpsc::Sender<Arc<Event>>,
    missed: Arc<AtomicU64>,
}

impl Listener {
    /// Tells an event, or notes that there is no room for it; says whether anybody still listens.
    fn tell(&self, event: &Arc<Event>) -> bool {
        if self.tell.try_send(Arc::clone(event)).is_err() {
            self.missed.fetch_add(1, Ordering::Relaxed);
        }
        !self.tell.is_closed()
    }
}

/// What is remembered of one component.
#[derive(Debug, Default)]
pub struct Past {
    /// When it entered its state (wall time).
    pub since_ms: Option<i64>,
    /// Its last runs, the latest last.
    pub runs: VecDeque<PastRun>,
}

impl History {
    /// One that waits for what an earlier daemon has left.
    #[must_use]
    pub fn waiting() -> Self {
        Self {
            early: Some(Vec::new()),
            ..Self::default()
        }
    }

    /// Goes on with what an earlier daemon has left, at `now_ms`. A component that `has` says no to has no past.
    pub fn go_on(&mut self, kept: Kept, now_ms: i64, has: impl Fn(&ComponentName) -> bool) {
        let since_ms = None;
        let runs = kept.runs.into_iter().filter(|(name, _)| has(name));
        let past = runs.map(|(name, runs)| (name, Past { since_ms, runs }));
        self.components = past.collect();
        self.gap = kept.left_out_after;
        self.inherited = kept.sequence;
        self.events = kept.events;
        self.sequence = kept.sequence;
        self.since_ms = kept.since_ms.unwrap_or(now_ms);
        for early in self.early.take().into_iter().flatten() {
            let Early {
                at_ms,
                component,
                what,
            } = early;
            if let Some(name) = component.as_ref().filter(|name| has(name)) {
                self.remember(name, at_ms, &what);
            }
            self.tell(at_ms, component, what);
        }
    }

    /// Since when something is remembered.
    #[must_use]
    pub fn since_ms(&self) -> i64 {
        self.since_ms
    }

    /// Has everything written down from now on.
    pub fn write_with(&mut self, writer: Writer) {
        self.writer = Some(writer);
        self.write_anew();
    }

    /// Has everything that is remembered written anew.
    pub fn write_anew(&self) {
        if let Some(writer) = &self.writer {
            writer.anew(self.whole());
        }
    }

    /// It can't be written down at present (`true`), or can again.
    pub fn is_not_written(&mut self, lacking: bool) {
        self.lacking = lacking;
    }

    /// Whether it is to be tried again to write it down.
    #[must_use]
    pub fn is_lacking(&self) -> bool {
        self.lacking
    }

    /// Has the end of this daemon's turn written down, with what runs say that they are at. What comes back hears when it is.
    #[must_use]
    pub fn close(&self, said: Vec<Said>) -> Option<oneshot::Receiver<()>> {
        let writer = self.writer.as_ref()?;
        if writer.is_behind() {
            self.write_anew();
        }
        Some(writer.close(self.sequence, said))
    }

    fn whole(&self) -> Whole {
        let runs = self.components.iter().flat_map(|(name, past)| {
            let of = move |run: &PastRun| (name.clone(), run.clone());
            past.runs.iter().map(of)
        });
        Whole {
            since_ms: self.since_ms,
            sequence: self.sequence,
            runs: runs.collect(),
            events: self.events.iter().cloned().collect(),
        }
    }

    /// Something has happened, to a component of the registry or to the daemon.
    pub fn note(&mut self, at_ms: i64, component: Option<ComponentName>, what: Happening) {
        if let Some(name) = component.as_ref().filter(|_| self.early.is_none()) {
            self.remember(name, at_ms, &what);
        }
        self.tell(at_ms, component, what);
    }

    /// Something has happened to a component that may not be in the registry.
    pub fn note_of(&mut self, at_ms: i64, component: ComponentName, what: Happening) {
        self.tell(at_ms, Some(component), what);
    }

    fn tell(&mut self, at_ms: i64, component: Option<ComponentName>, what: Happening) {
        if let Some(early) = &mut self.early {
            early.push(Early {
                at_ms,
                component,
                what,
            });
            return;
        }
        self.sequence += 1;
        let event = Arc::new(Event {
            sequence: self.sequence,
            at_ms,
            component,
            what,
        });
        self.listeners.retain(|listener| listener.tell(&event));
        if let Some(writer) = &self.writer {
            writer.happened(&event);
        }
        if self.events.len() == REMEMBERED {
            self.events.pop_front();
        }
        self.events.push_back(event);
    }

    fn remember(&mut self, name: &ComponentName, at_ms: i64, what: &Happening) {
        if *what == Happening::Forgotten {
            self.components.remove(name);
            return;
        }
        let past = match self.components.get_mut(name) {
            Some(past) => past,
            None => self.components.entry(name.clone()).or_default(),
        };
        if matches!(what, Happening::Entered { .. }) {
            past.since_ms = Some(at_ms);
        }
        if let Some(run) = past::past_run(at_ms, what) {
            past::remember(&mut past.runs, run);
        }
    }

    /// The number of the last event; 0 before the first.
    #[must_use]
    pub fn last(&self) -> u64 {
        self.sequence
    }

    /// The latest events that `wanted` says yes to, `count` at most, the latest last.
    #[must_use]
    pub fn latest(&self, count: usize, wanted: impl Fn(&Event) -> bool) -> Vec<Event> {
        let mut events: Vec<Event> = self
            .events
            .iter()
            .rev()
            .filter(|event| wanted(event))
            .take(count)
            .map(|event| Event::clone(event))
            .collect();
        events.reverse();
        events
    }

    /// The events behind the number `after` that `wanted` says yes to, and how many of any kind are no longer remembered. Those of
    /// this daemon where that number is still to come: it belongs to another history, or to a part of this one that could not be
    /// written down.
    #[must_use]
    pub fn after(&self, after: u64, wanted: impl Fn(&Event) -> bool) -> (u64, Vec<Event>) {
        if after > self.sequence {
            let own = |event: &Event| event.sequence > self.inherited && wanted(event);
            return (0, self.latest(usize::MAX, own));
        }
        let oldest = self
            .events
            .front()
            .map_or(self.sequence + 1, |event| event.sequence);
        let lost = oldest.saturating_sub(after.saturating_add(1));
        // Numbers that nobody has had are no loss.
        let left_out = self.gap.map_or(0, |gap| {
            let (from, to) = (
                gap.max(after),
                gap.saturating_add(LEFT_OUT).min(oldest.saturating_sub(1)),
            );
            to.saturating_sub(from)
        });
        let later = |event: &Event| event.sequence > after && wanted(event);
        (lost.saturating_sub(left_out), self.latest(usize::MAX, later))
    }

    /// What is remembered of one component.
    #[must_use]
    pub fn of(&self, component: &ComponentName) -> Option<&Past> {
        self.components.get(component)
    }

    /// Nobody is told anything any more.
    pub fn release(&mut self) {
        self.listeners.clear();
    }

    /// Every event after [`History::last`], as of now. Ends with the daemon.
    #[must_use]
    pub fn listen(&mut self) -> Listening {
        self.listeners.retain(|listener| !listener.tell.is_closed());
        let (tell, events) = mpsc::channel(BEHIND);
        let missed = Arc::new(AtomicU64::new(0));
        self.listeners.push(Listener {
            tell,
            missed: Arc::clone(&missed),
        });
        Listening { events, missed }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use s7proto::status::{EndCause, Exit, ExitReport, State};

    fn ended(run: u64) -> Happening {
        let report = ExitReport {
            exit: Exit::Code(1),
            cause: EndCause::Crashed,
            at_ms: 0,
            lasted_us: 0,
        };
        Happening::Ended { run, report }
    }

    #[test]
    fn as_much_as_is_said_is_remembered_and_no_number_is_left_out() {
        let mut history = History::default();
        let name = ComponentName::parse("ps").unwrap();
        for run in 1..=3000 {
            history.note(7, Some(name.clone()), ended(run));
        }
        assert_eq!(history.last(), 3000);
        let all = history.latest(usize::MAX, |_| true);
        let numbers: Vec<u64> = all.iter().map(|event| event.sequence).collect();
        assert_eq!(numbers, (3001 - REMEMBERED as u64..=3000).collect::<Vec<_>>());
        assert_eq!(history.latest(2, |event| event.sequence < 2500).len(), 2);
        let past: Vec<u64> = history
            .of(&name)
            .unwrap()
            .runs
            .iter()
            .map(|run| run.run)
            .collect();
        assert_eq!(past, [2996, 2997, 2998, 2999, 3000]);
    }

    #[test]
    fn a_listener_hears_everything_in_order_and_how_much_it_has_missed() {
        let mut history = History::default();
        history.note(7, None, ended(1));
        let mut listener = history.listen();
        let behind = BEHIND as u64;
        for run in 0..behind + 5 {
            history.note(7, None, ended(run));
        }
        let mut hear = || listener.events.try_recv().map(|event| event.sequence).ok();
        assert_eq!(
            (hear(), hear()),
            (Some(2), Some(3)),
            "from the first one after it began to listen"
        );
        history.note(7, None, ended(0));
        let rest: Vec<u64> = std::iter::from_fn(hear).collect();
        assert_eq!(rest, (4..behind + 2).chain([behind + 7]).collect::<Vec<_>>());
        assert_eq!(listener.missed.load(Ordering::Relaxed), 5, "five did not fit");
        drop(listener);
        history.note(7, None, ended(0));
        assert!(history.listeners.is_empty(), "who has gone is forgotten");
    }

    #[test]
    fn what_has_happened_goes_on_behind_a_number_and_under_the_next_daemon() {
        let name = |text| ComponentName::parse(text).unwrap();
        let mut history = History::default();
        history.go_on(Kept::default(), 5, |_| true);
        for run in 1..=1500 {
            history.note(7, Some(name("ps")), ended(run));
            history.note(7, Some(name("is")), ended(run));
        }
        let numbers = |(missed, events): (u64, Vec<Event>)| {
            let numbers = events.iter().map(|event| event.sequence);
            (missed, numbers.collect::<Vec<_>>())
        };
        let of_ps = |event: &Event| event.component == Some(name("ps"));
        let after = |history: &History, number| numbers(history.after(number, of_ps));
        assert_eq!(after(&history, 2996), (0, vec![2997, 2999]));
        assert_eq!(after(&history, 3000), (0, vec![]));
        let (missed, later) = after(&history, 10);
        assert_eq!((missed, later.len(), later[0]), (1990, 500, 2001));
        assert_eq!(
            after(&history, 3001).1.len(),
            500,
            "that isn't one of this history"
        );

        let text = history.whole().text("b1");
        let kept = past::read(text.as_bytes(), "b1");
        let mut next = History::waiting();
        next.note(8, Some(name("ps")), ended(1501));
        next.note_of(8, name("is"), Happening::LeftOver { run: 7, gone: true });
        next.go_on(kept, 99, |component| *component == name("ps"));
        assert_eq!(
            (next.since_ms(), next.last()),
            (5, 3002 + LEFT_OUT),
            "what came early comes after it"
        );
        let runs = |history: &History, of| history.of(&name(of)).map(|past| past.runs.len());
        assert_eq!((runs(&next, "ps"), runs(&next, "is")), (Some(5), None));
        for run in 2..1000 {
            next.note(7, Some(name("ps")), ended(run));
        }
        let first = 3001 + LEFT_OUT;
        assert_eq!(
            after(&next, 2990).0,
            10,
            "numbers that nobody has had aren't missed"
        );
        assert_eq!(after(&next, 3000).0, 0);
        assert_eq!(after(&next, 2990).1[0], first);
    }

    #[test]
    fn what_is_forgotten_takes_its_past_along() {
        let mut history = History::default();
        let name = ComponentName::parse("ps").unwrap();
        let entered = Happening::Entered {
            state: State::Running,
            run: 1,
            pid: Some(7),
            reason: None,
        };
        history.note(5, Some(name.clone()), entered);
        assert_eq!(history.of(&name).unwrap().since_ms, Some(5));
        history.note(6, Some(name.clone()), Happening::Forgotten);
        assert!(history.of(&name).is_none());
        assert_eq!(history.latest(10, |_| true).len(), 2);
    }
}
