//! How far output was heard, so that who is cut off can go on there.

use s7proto::name::ComponentName;
use s7proto::reply::Notice;
use s7proto::request::LogPosition;
use std::collections::BTreeMap;

/// The point that each component's output was heard up to.
#[derive(Debug, Default)]
pub struct Reached {
    points: BTreeMap<ComponentName, LogPosition>,
    /// Points that are reached after so many more bytes.
    ahead: BTreeMap<ComponentName, (LogPosition, u64)>,
}

impl Reached {
    /// Begins at these points.
    #[must_use]
    pub fn of(points: &[LogPosition]) -> Self {
        let of = |point: &LogPosition| (point.component.clone(), point.clone());
        Self {
            points: points.iter().map(of).collect(),
            ahead: BTreeMap::new(),
        }
    }

    /// A notice was shown.
    pub fn heard(&mut self, notice: &Notice) {
        let (component, bytes) = match notice {
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
    pub fn points(&self) -> Vec<LogPosition> {
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

    #[test]
    fn a_point_is_reached_when_all_before_it_has_come() {
        let name = |text| ComponentName::parse(text).unwrap();
        let at = |text, offset| LogPosition {
            component: name(text),
            file: 7,
            offset,
        };
        let mut reached = Reached::of(&[at("is", 10)]);
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
    }
}
