//! What has happened: remembered for `events` and `why`, and told to whoever listens.

use crate::machine::input::Slot;
use s7proto::event::{Event, Happening, PastEnd, PastRun};
use s7proto::name::ComponentName;
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::sync::mpsc;

/// Events that are remembered; some 200 bytes each. As many as one answer gives.
const REMEMBERED: usize = s7proto::LIMITS.events as usize;
/// Events that a listener may be behind before it misses some. One step of the loop can tell of every component several
/// times, so this is five for each of some three thousand; the events themselves are shared by all listeners.
const BEHIND: usize = 16 * 1024;
/// Past runs that are remembered of each component.
pub(super) const PAST_RUNS: usize = 5;

/// Everything that is remembered.
#[derive(Default)]
pub struct History {
    events: VecDeque<Arc<Event>>,
    sequence: u64,
    listeners: Vec<Listener>,
    components: HashMap<Slot, Past>,
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
    /// Something has happened.
    pub fn note(&mut self, at_ms: i64, component: Option<(Slot, ComponentName)>, what: Happening) {
        let component = component.map(|(slot, name)| {
            self.remember(slot, at_ms, &what);
            name
        });
        self.tell(at_ms, component, what);
    }

    /// Something has happened to a component that may not be in the registry.
    pub fn note_of(&mut self, at_ms: i64, component: ComponentName, what: Happening) {
        self.tell(at_ms, Some(component), what);
    }

    fn tell(&mut self, at_ms: i64, component: Option<ComponentName>, what: Happening) {
        self.sequence += 1;
        let event = Arc::new(Event {
            sequence: self.sequence,
            at_ms,
            component,
            what,
        });
        self.listeners.retain(|listener| listener.tell(&event));
        if self.events.len() == REMEMBERED {
            self.events.pop_front();
        }
        self.events.push_back(event);
    }

    fn remember(&mut self, slot: Slot, at_ms: i64, what: &Happening) {
        let past = self.components.entry(slot).or_default();
        let ended = match what {
            Happening::Entered { run, reason, .. } => {
                past.since_ms = Some(at_ms);
                match reason {
                    Some(s7proto::status::Reason::SpawnFailed(failure)) => {
                        Some((*run, PastEnd::NotSpawned(failure.clone())))
                    }
                    _ => None,
                }
            }
            Happening::Ended { run, report } => Some((*run, PastEnd::Exited(report.clone()))),
            Happening::Forgotten => {
                self.components.remove(&slot);
                return;
            }
            _ => None,
        };
        if let Some((run, end)) = ended {
            if past.runs.len() == PAST_RUNS {
                past.runs.pop_front();
            }
            past.runs.push_back(PastRun { run, at_ms, end });
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

    /// What is remembered of one component.
    #[must_use]
    pub fn of(&self, slot: Slot) -> Option<&Past> {
        self.components.get(&slot)
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
        let (slot, name) = (Slot(3), ComponentName::parse("ps").unwrap());
        for run in 1..=3000 {
            history.note(7, Some((slot, name.clone())), ended(run));
        }
        assert_eq!(history.last(), 3000);
        let all = history.latest(usize::MAX, |_| true);
        let numbers: Vec<u64> = all.iter().map(|event| event.sequence).collect();
        assert_eq!(numbers, (3001 - REMEMBERED as u64..=3000).collect::<Vec<_>>());
        assert_eq!(history.latest(2, |event| event.sequence < 2500).len(), 2);
        let past: Vec<u64> = history.of(slot).unwrap().runs.iter().map(|run| run.run).collect();
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
    fn what_is_forgotten_takes_its_past_along() {
        let mut history = History::default();
        let (slot, name) = (Slot(0), ComponentName::parse("ps").unwrap());
        let entered = Happening::Entered {
            state: State::Running,
            run: 1,
            pid: Some(7),
            reason: None,
        };
        history.note(5, Some((slot, name.clone())), entered);
        assert_eq!(history.of(slot).unwrap().since_ms, Some(5));
        history.note(6, Some((slot, name)), Happening::Forgotten);
        assert!(history.of(slot).is_none());
        assert_eq!(history.latest(10, |_| true).len(), 2);
    }
}
