//! Lines of output that something follows from (`<match>`): which of them match, and which of those are told.

use crate::output::mark::OWN;
use crate::registry::compile_trigger;
use crate::registry::plan::{TriggerAction, TriggerPattern, TriggerPlan};
use regex::bytes::Regex;
use std::time::{Duration, Instant};

/// How much of a line is looked at, in bytes. What is behind it is neither kept nor searched, so that a line without an end
/// costs no more than this.
pub const LINE: usize = 8 * 1024;

/// How much of a line is told, in characters: what fits beside a time and a name on a terminal twice.
pub const SHOWN: usize = 200;

/// Searches the output of one component for its triggers, line by line.
#[derive(Debug, Default)]
pub struct Matcher {
    triggers: Vec<Trigger>,
    /// The beginning of a line whose end wasn't read yet, at most [`LINE`] bytes.
    begun: Vec<u8>,
    /// The rest of the line is passed over.
    passing: bool,
}

#[derive(Debug)]
struct Trigger {
    plan: TriggerPlan,
    /// `None` where it can't be made, which the registry has been spared from.
    regex: Option<Regex>,
    told: Option<Instant>,
    /// Lines since it was told, the ones that weren't told.
    untold: u64,
}

/// A line that something follows from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Match {
    /// What follows.
    pub action: TriggerAction,
    /// The line, at most [`SHOWN`] characters of it, without control characters.
    pub line: String,
    /// How many such lines there were since the last one that was told, this one included.
    pub times: u64,
}

impl Matcher {
    /// Searches for `plans`: of several that match the same line the first one counts.
    #[must_use]
    pub fn new(plans: &[TriggerPlan]) -> Self {
        let mut matcher = Self::default();
        matcher.set(plans);
        matcher
    }

    /// Searches for `plans` from now on. Those that it searched for before keep their counts.
    pub fn set(&mut self, plans: &[TriggerPlan]) {
        let mut before = std::mem::take(&mut self.triggers);
        let triggers =
            plans.iter().map(
                |plan| match before.iter().position(|trigger| trigger.plan == *plan) {
                    Some(at) => before.swap_remove(at),
                    None => Trigger::new(plan),
                },
            );
        self.triggers = triggers.collect();
    }

    /// Takes the next bytes; gives what is told of the lines that they complete.
    pub fn feed(&mut self, mut bytes: &[u8], now: Instant) -> Vec<Match> {
        let mut found = Vec::new();
        while let Some(end) = bytes.iter().position(|byte| *byte == b'\n') {
            let (line, rest) = (&bytes[..end], &bytes[end + 1..]);
            bytes = rest;
            if self.passing {
                self.passing = false;
            } else if self.begun.is_empty() {
                found.extend(self.search(&line[..line.len().min(LINE)], now));
            } else {
                self.keep(line);
                found.extend(self.end_line(now));
            }
        }
        if !self.passing {
            self.keep(bytes);
            if self.begun.len() == LINE {
                found.extend(self.end_line(now));
                self.passing = true;
            }
        }
        found
    }

    /// Nothing will be added to the last line.
    pub fn end(&mut self, now: Instant) -> Option<Match> {
        self.passing = false;
        let begun = !self.begun.is_empty();
        begun.then(|| self.end_line(now)).flatten()
    }

    /// Some bytes are left out: what follows is the rest of a line, up to the next one.
    pub fn leave_out(&mut self) {
        self.begun.clear();
        self.passing = true;
    }

    fn keep(&mut self, bytes: &[u8]) {
        let room = LINE - self.begun.len();
        self.begun.extend_from_slice(&bytes[..bytes.len().min(room)]);
    }

    fn end_line(&mut self, now: Instant) -> Option<Match> {
        let line = std::mem::take(&mut self.begun);
        let found = self.search(&line, now);
        self.begun = line;
        self.begun.clear();
        found
    }

    fn search(&mut self, line: &[u8], now: Instant) -> Option<Match> {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        // What the supervisor says of a component is nothing that the component has written.
        if line.starts_with(OWN.as_bytes()) {
            return None;
        }
        let matches =
            |trigger: &&mut Trigger| trigger.regex.as_ref().is_some_and(|regex| regex.is_match(line));
        let trigger = self.triggers.iter_mut().find(matches)?;
        trigger.untold += 1;
        if trigger.is_quiet(now) {
            return None;
        }
        trigger.told = Some(now);
        Some(Match {
            action: trigger.plan.action,
            line: shown(line),
            times: std::mem::take(&mut trigger.untold),
        })
    }
}

impl Trigger {
    fn new(plan: &TriggerPlan) -> Self {
        let regex = match &plan.pattern {
            TriggerPattern::Text(text) => compile_trigger(&regex::escape(text)),
            TriggerPattern::Regex(regex) => compile_trigger(regex),
        };
        Self {
            regex: regex
                .inspect_err(|error| log::error!("a <match> that can't be searched for: {error}"))
                .ok(),
            plan: plan.clone(),
            told: None,
            untold: 0,
        }
    }

    /// Whether such a line is only counted now.
    fn is_quiet(&self, now: Instant) -> bool {
        let once: Duration = self.plan.once;
        self.told
            .is_some_and(|told| now.saturating_duration_since(told) < once)
    }
}

fn shown(line: &[u8]) -> String {
    // A character takes four bytes at most, so what is behind that isn't shown.
    let text = String::from_utf8_lossy(&line[..line.len().min(SHOWN * 4)]);
    let visible = |c: char| if s7proto::plain::steers(c) { '\u{fffd}' } else { c };
    text.trim_end().chars().map(visible).take(SHOWN).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trigger(pattern: TriggerPattern, action: TriggerAction) -> TriggerPlan {
        TriggerPlan {
            pattern,
            action,
            once: Duration::from_secs(60),
        }
    }

    fn text(text: &str) -> TriggerPlan {
        trigger(TriggerPattern::Text(text.into()), TriggerAction::Event)
    }

    fn lines(found: &[Match]) -> Vec<&str> {
        found.iter().map(|one| one.line.as_str()).collect()
    }

    /// Without the minute in which the same is only counted.
    fn always(plans: &[TriggerPlan]) -> Matcher {
        let now = |plan: &TriggerPlan| TriggerPlan {
            once: Duration::ZERO,
            ..plan.clone()
        };
        Matcher::new(&plans.iter().map(now).collect::<Vec<_>>())
    }

    #[test]
    fn however_the_bytes_are_divided_the_same_lines_match() {
        let output = b"one OutOfMemory\r\ntwo\nthree OutOfMemory here\n\nOutOfMem\nory\nlast OutOfMemory";
        let now = Instant::now();
        for size in 1..=output.len() {
            let mut matcher = always(&[text("OutOfMemory")]);
            let mut found: Vec<Match> = Vec::new();
            for piece in output.chunks(size) {
                found.extend(matcher.feed(piece, now));
            }
            found.extend(matcher.end(now));
            let expected = ["one OutOfMemory", "three OutOfMemory here", "last OutOfMemory"];
            assert_eq!(lines(&found), expected, "{size} bytes at a time");
        }
    }

    #[test]
    fn only_so_much_of_a_line_is_looked_at_and_kept() {
        let now = Instant::now();
        let mut line = vec![b'x'; LINE - 3];
        line.extend(b"yes");
        line.extend(vec![b'x'; 3 * LINE]);
        line.extend(b"no\nno\n");
        for size in [1, 100, LINE, usize::MAX] {
            let mut matcher = always(&[text("yes"), text("no")]);
            let mut found = Vec::new();
            for piece in line.chunks(size) {
                found.extend(matcher.feed(piece, now));
                assert!(matcher.begun.len() <= LINE);
            }
            assert_eq!(found.len(), 2, "{size} bytes at a time");
            assert_eq!(found[0].line.len(), SHOWN);
            assert_eq!(found[1].line, "no");
        }
    }

    #[test]
    fn the_first_trigger_that_matches_counts_and_a_text_is_no_expression() {
        let now = Instant::now();
        let mut matcher = always(&[
            text("a.c"),
            trigger(TriggerPattern::Regex("^a.c$".into()), TriggerAction::Restart),
            trigger(TriggerPattern::Regex("a".into()), TriggerAction::Dump),
        ]);
        let found = matcher.feed(b"a.c\nabc\nxabc\n", now);
        let actions: Vec<_> = found.iter().map(|one| one.action).collect();
        assert_eq!(
            actions,
            [TriggerAction::Event, TriggerAction::Restart, TriggerAction::Dump]
        );
    }

    #[test]
    fn within_the_given_time_more_such_lines_are_only_counted() {
        let begun = Instant::now();
        let mut matcher = Matcher::new(&[text("a"), text("b")]);
        assert_eq!(lines(&matcher.feed(b"a1\na2\nb1\na3\n", begun)), ["a1", "b1"]);
        assert!(matcher.feed(b"a4\n", begun + Duration::from_secs(59)).is_empty());
        let found = matcher.feed(b"a5\n", begun + Duration::from_secs(60));
        assert_eq!((found[0].line.as_str(), found[0].times), ("a5", 4));
    }

    #[test]
    fn what_the_supervisor_has_put_into_the_log_is_no_line_of_the_component() {
        let mut matcher = always(&[text("dump")]);
        let found = matcher.feed(b"[s7supervisord: dump of run 1]\na dump\n", Instant::now());
        assert_eq!(lines(&found), ["a dump"]);
    }

    #[test]
    fn triggers_that_stay_keep_their_counts() {
        let now = Instant::now();
        let mut matcher = Matcher::new(&[text("a")]);
        assert_eq!(matcher.feed(b"a\n", now).len(), 1);
        matcher.set(&[text("b"), text("a")]);
        assert_eq!(lines(&matcher.feed(b"a\nb\n", now)), ["b"]);
    }

    #[test]
    fn what_is_left_out_is_passed_over_up_to_the_next_line() {
        let now = Instant::now();
        let mut matcher = always(&[text("a")]);
        assert!(matcher.feed(b"a begun ", now).is_empty());
        matcher.leave_out();
        assert_eq!(lines(&matcher.feed(b"a rest\na whole\n", now)), ["a whole"]);
    }

    #[test]
    fn what_can_not_be_shown_is_replaced() {
        let mut matcher = always(&[text("a")]);
        let found = matcher.feed(b"a\x1b[31m\xff\0b  \n", Instant::now());
        assert_eq!(found[0].line, "a\u{fffd}[31m\u{fffd}\u{fffd}b");
    }

    #[test]
    fn the_longest_text_that_a_registry_takes_can_be_searched_for() {
        let long = "ä".repeat(512);
        let mut matcher = always(&[text(&long)]);
        assert_eq!(
            matcher.feed(format!("{long}\n").as_bytes(), Instant::now()).len(),
            1
        );
    }
}
