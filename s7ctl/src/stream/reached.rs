//! How far a stream was heard, so that who is cut off can go on there.

use s7proto::name::ComponentName;
use s7proto::reply::Notice;
use s7proto::request::{LogPosition, Request};
use std::collections::BTreeMap;

/// The point that each component's output was heard up to, or the events.
#[derive(Debug, Default)]
pub struct Reached {
    points: BTreeMap<ComponentName, LogPosition>,
    /// Points that are reached after so many more bytes.
    ahead: BTreeMap<ComponentName, (LogPosition, u64)>,
    /// The number of the last event that had happened when the stream began.
    began_at: Option<u64>,
    /// The number of the last event that was shown.
    event: Option<u64>,
}

impl Reached {
    /// Where `request` begins.
    #[must_use]
    pub fn of(request: &Request) -> Self {
        let of = |point: &LogPosition| (point.component.clone(), point.clone());
        let points = match request {
            Request::FollowFrom(points) => points.iter().map(of).collect(),
            _ => BTreeMap::new(),
        };
        Self {
            points,
            ..Self::default()
        }
    }

    /// What to ask for to hear the rest of `request`, which was cut off; `None` where nothing of it was heard that one could go
    /// on behind.
    #[must_use]
    pub fn rest_of(&self, request: &Request) -> Option<Request> {
        let rest = match request {
            Request::Events { which, last, .. } => {
                // Before the first of the past ones has come, it isn't known which that is.
                let began_at = self.began_at.filter(|_| *last == 0);
                Request::EventsFrom {
                    which: which.clone(),
                    after: self.event.or(began_at)?,
                }
            }
            Request::EventsFrom { which, .. } => Request::EventsFrom {
                which: which.clone(),
                after: self.event?,
            },
            _ => Request::FollowFrom(Some(self.points()).filter(|points| !points.is_empty())?),
        };
        (rest != *request).then_some(rest)
    }

    /// The same for events, where everything that was to be heard from one supervisor has come.
    #[must_use]
    pub fn rest_when_handed_over(&self, request: &Request) -> Option<Request> {
        let (Request::Events { which, .. } | Request::EventsFrom { which, .. }) = request else {
            return None;
        };
        Some(Request::EventsFrom {
            which: which.clone(),
            after: self.event.max(self.began_at)?,
        })
    }

    /// A notice was shown.
    pub fn heard(&mut self, notice: &Notice) {
        let (component, bytes) = match notice {
            Notice::Snapshot { sequence, .. } => {
                self.began_at = Some(*sequence);
                return;
            }
            Notice::Happened(event) => {
                self.event = Some(event.sequence);
                return;
            }
            Notice::OutputReaches { position, after } => {
                let name = position.component.clone();
                self.ahead.insert(name.clone(), (position.clone(), *after));
                (name, 0)
            }
            Notice::Output { component, bytes } => (component.clone(), bytes.len() as u64),
            _ => return,
        };
        let Some((position, left)) = self.ahead.remove(&component) else {
            return;
        };
        match left.saturating_sub(bytes) {
            0 => drop(self.points.insert(component, position)),
            left => drop(self.ahead.insert(component, (position, left))),
        }
    }

    /// Where to go on. Of a component of which only a part of what was there first has come, the rest is left out.
    #[must_use]
    fn points(&self) -> Vec<LogPosition> {
        let mut points = self.points.clone();
        for (component, (position, _)) in &self.ahead {
            points
                .entry(component.clone())
                .or_insert_with(|| position.clone());
        }
        points.into_values().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use s7proto::event::{Event, Happening};
    use s7proto::request::Selection;
    use s7proto::status::{StatusReport, SupervisorStatus};

    #[test]
    fn a_point_is_reached_when_all_before_it_has_come() {
        let name = |text| ComponentName::parse(text).unwrap();
        let at = |text, offset| LogPosition {
            component: name(text),
            file: 7,
            offset,
        };
        let mut reached = Reached::of(&Request::FollowFrom(vec![at("is", 10)]));
        let output = |bytes: &[u8]| Notice::Output {
            component: name("is"),
            bytes: bytes.to_vec(),
        };
        let reaches = |position, after| Notice::OutputReaches { position, after };
        for (notice, is_at) in [
            (reaches(at("is", 15), 5), 10),
            (output(b"123"), 10),
            (output(b"45"), 15),
            (reaches(at("is", 20), 0), 20),
            (output(b"of an older daemon"), 20),
        ] {
            reached.heard(&notice);
            assert_eq!(reached.points(), [at("is", is_at)], "{notice:?}");
        }
        reached.heard(&reaches(at("ps", 3), 3));
        assert_eq!(reached.points(), [at("is", 20), at("ps", 3)]);
        let which = Selection::All;
        let rest = reached.rest_of(&Request::Follow { which, lines: 3 });
        assert_eq!(rest, Some(Request::FollowFrom(vec![at("is", 20), at("ps", 3)])));
        assert_eq!(reached.rest_of(&rest.unwrap()), None, "nothing has come since");
    }

    #[test]
    fn events_go_on_behind_the_last_one_that_was_shown() {
        let happened = |sequence| {
            Notice::Happened(Event {
                sequence,
                at_ms: 0,
                component: None,
                what: Happening::RegistryLoaded { changed: 0 },
            })
        };
        let snapshot = Notice::Snapshot {
            sequence: 300,
            report: StatusReport {
                supervisor: SupervisorStatus {
                    pid: 7,
                    version: String::new(),
                    uptime_us: 0,
                    registry: String::new(),
                    containment: String::new(),
                    state_not_persisted: None,
                },
                components: vec![],
            },
        };
        let which = Selection::All;
        let from = |after| {
            let which = Selection::All;
            Some(Request::EventsFrom { which, after })
        };
        let events = |last| Request::Events {
            which: which.clone(),
            last,
            follow: true,
        };
        let mut reached = Reached::default();
        assert_eq!(reached.rest_of(&events(0)), None);
        reached.heard(&snapshot);
        assert_eq!(reached.rest_of(&events(0)), from(300));
        assert_eq!(reached.rest_of(&events(20)), None, "the past ones have not come");
        assert_eq!(
            reached.rest_when_handed_over(&events(20)),
            from(300),
            "there were none"
        );
        reached.heard(&happened(280));
        assert_eq!(reached.rest_of(&events(20)), from(280));
        assert_eq!(reached.rest_when_handed_over(&events(20)), from(300));
        reached.heard(&happened(301));
        assert_eq!(reached.rest_of(&from(280).unwrap()), from(301));
        assert_eq!(
            reached.rest_of(&from(301).unwrap()),
            None,
            "nothing has come since"
        );
    }
}
