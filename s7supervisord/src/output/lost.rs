//! What of a component's output isn't in its log, as one daemon tells it to the next.
//!
//! One line of JSON for each component. A field that isn't there has its default, and one that this version doesn't know is left
//! out: what it said was true of that moment.

use super::mark::OWN;
use s7proto::name::ComponentName;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// How much was lost, and what is still to be said of it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Lost {
    /// Bytes dropped in all.
    pub dropped: u64,
    /// How many of them no line in the log tells of yet.
    pub unmarked: u64,
    /// Others were dropped of which nobody knows how many they are, and no line tells of them yet.
    pub uncounted: bool,
    /// Since when the log can't be written, as wall time in milliseconds since 1970; `None` where it can.
    pub since_ms: Option<i64>,
    /// Why, in words.
    pub why: String,
}

#[derive(Serialize, Deserialize)]
struct Line {
    component: String,
    #[serde(flatten)]
    lost: Lost,
}

impl Lost {
    /// Whether the log owes a line.
    #[must_use]
    pub fn is_unmarked(&self) -> bool {
        self.unmarked > 0 || self.uncounted
    }

    /// Whether there is anything to tell.
    #[must_use]
    pub fn is_nothing(&self) -> bool {
        *self == Self::default()
    }
}

/// The line in a log that tells what is missing there.
#[must_use]
pub fn mark(unmarked: u64, uncounted: bool, why: &str) -> String {
    let many = match (unmarked, uncounted) {
        (0, true) => "an unknown number of".to_owned(),
        (bytes, true) => format!("{bytes} and an unknown number of other"),
        (bytes, false) => bytes.to_string(),
    };
    format!("{OWN}{many} bytes of output dropped: {why}]")
}

/// All of it as text.
#[must_use]
pub fn write(all: &BTreeMap<ComponentName, Lost>) -> String {
    let lines = all.iter().filter_map(|(component, lost)| {
        let line = Line {
            component: component.to_string(),
            lost: lost.clone(),
        };
        // Numbers and strings can't fail to be written.
        Some(serde_json::to_string(&line).ok()? + "\n")
    });
    lines.collect()
}

/// What such a text says; lines that make no sense are left out.
#[must_use]
pub fn read(text: &[u8]) -> BTreeMap<ComponentName, Lost> {
    let lines = text.split(|byte| *byte == b'\n');
    lines
        .filter_map(|line| {
            let line: Line = serde_json::from_slice(line).ok()?;
            Some((ComponentName::parse(&line.component).ok()?, line.lost))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(id: &str) -> ComponentName {
        ComponentName::parse(id).unwrap()
    }

    #[test]
    fn what_is_written_is_read_again() {
        let lost = Lost {
            dropped: u64::MAX,
            unmarked: 7,
            uncounted: true,
            since_ms: Some(-1),
            why: "it is \"a folder\";\nmove it".to_owned(),
        };
        let all = BTreeMap::from([(name("a"), lost), (name("b"), Lost::default())]);
        assert_eq!(read(write(&all).as_bytes()), all);
    }

    #[test]
    fn fields_of_a_newer_version_are_passed_over_and_those_that_an_older_one_lacks_have_their_defaults() {
        let text = b"{\"component\":\"a\",\"dropped\":3,\"files\":[1,{}]}\n{\"component\":\"b\"}\n";
        let lost = Lost {
            dropped: 3,
            ..Lost::default()
        };
        assert_eq!(
            read(text),
            BTreeMap::from([(name("a"), lost), (name("b"), Lost::default())])
        );
    }

    #[test]
    fn lines_that_make_no_sense_say_nothing() {
        let text = b"\xff\n{\"component\":\"a/b\"}\n{}\n[]\n{\"component\":\"a\",\"dropped\":-1}\n{\"component\":\"a\"";
        assert_eq!(read(text), BTreeMap::new());
    }

    #[test]
    fn a_mark_says_what_is_known() {
        let said = [(7, false), (0, true), (7, true)].map(|(bytes, more)| mark(bytes, more, "disk full"));
        let expected = ["7", "an unknown number of", "7 and an unknown number of other"]
            .map(|many| format!("[s7supervisord: {many} bytes of output dropped: disk full]"));
        assert_eq!(said, expected);
    }
}
