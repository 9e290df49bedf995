//! What has happened: remembered for `events` and `why`, and told to whoever listens.

use crate::machine::input::Slot;
use s7proto::event::{Event, Happening, PastEnd, PastRun};
use s7proto::name::ComponentName;
use std::collections::{HashMap, VecDeque};
use tokio::sync::broadcast;

/// Events that are remembered; some 200 bytes each. As many as one answer gives.
const REMEMBERED: usize = s7proto::LIMITS.events as usize;
/// Events that a listener may be behind before it misses some.
const BEHIND: usize = 1024;
/// Past runs that are remembered of each component.
const PAST_RUNS: usize = 5;

/// Everything that is remembered.
pub struct History {
    events: VecDeque<Event>,
    sequence: u64,
    listeners: broadcast::Sender<Event>,
    components: HashMap<Slot, Past>,
}

/// What is remembered of one component.
#[derive(Debug, Default)]
pub struct Past {
    /// When it entered its state (wall time).
    pub since_ms: Option<i64>,
    /// Its last runs, the latest last.
    pub runs: VecDeque<PastRun>,
}

impl Default for History {
    fn default() -> Self {
        Self {
            events: VecDeque::new(),
            sequence: 0,
            listeners: broadcast::Sender::new(BEHIND),
            components: HashMap::new(),
        }
    }
}

impl History {
    /// Something has happened.
    pub fn note(&mut self, at_ms: i64, component: Option<(Slot, ComponentName)>, what: Happening) {
        let component = component.map(|(slot, name)| {
            self.remember(slot, at_ms, &what);
            name
        });
        self.sequence += 1;
        let event = Event {
            sequence: self.sequence,
            at_ms,
            component,
            what,
        };
        if self.listeners.receiver_count() > 0 {
            let _ = self.listeners.send(event.clone());
        }
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
            .cloned()
            .collect();
        events.reverse();
        events
    }

    /// What is remembered of one component.
    #[must_use]
    pub fn of(&self, slot: Slot) -> Option<&Past> {
        self.components.get(&slot)
    }

    /// Every event after [`History::last`], as of now.
    #[must_use]
    pub fn listen(&self) -> broadcast::Receiver<Event> {
        self.listeners.subscribe()
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
        let mut listener = history.listen();
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
        let missed = listener.try_recv().unwrap_err();
        assert_eq!(
            missed,
            broadcast::error::TryRecvError::Lagged(3000 - BEHIND as u64)
        );
        assert_eq!(listener.try_recv().unwrap().sequence, 3001 - BEHIND as u64);
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
