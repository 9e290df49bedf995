//! What the service manager is told about the daemon (sd_notify(3)): when, and in which words.
//!
//! Pure: it is asked what is due, and told what came of it. Where nobody is to be told anything it has no deadline, so
//! that a daemon at rest stays at rest.

use crate::machine::moment::Moment;
use s7proto::name::ComponentName;
use s7proto::status::State;
use std::fmt::Write as _;
use std::time::Duration;

/// The least time between two texts: `systemctl status` is read by people, and each one wakes the service manager.
const BETWEEN_TEXTS: Duration = Duration::from_secs(1);
/// How often the time for a stop is extended while the stop goes on.
const EXTEND_EVERY: Duration = Duration::from_secs(5);
/// By how much, from then on. Long enough for a machine that is busy with its shutdown, short enough that a daemon that
/// hangs doesn't hold the shutdown up. The machine bounds the stop as a whole: nothing waits for what can't be killed.
const EXTENSION: Duration = Duration::from_secs(30);
/// When a message is tried again that the service manager had no room for.
const AGAIN: Duration = Duration::from_millis(100);
/// Components that a text names at most.
const NAMED: usize = 4;

/// What the daemon is doing, as the service manager sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// It listens, and what is to be started was ordered. Not: everything is up. A component that does not get ready must
    /// neither let the start of the service run out of time nor hold up the boot of the machine.
    Ready,
    /// It loads its registry, or stops everything to begin anew in the same process.
    Reloading,
    /// It stops everything, to end.
    Stopping,
}

/// What was told, and what is due.
#[derive(Debug)]
pub struct Report {
    told: Option<Phase>,
    text: String,
    told_text_at: Option<Moment>,
    /// The components have changed since the last text.
    changed: bool,
    /// Between two signs of life; `None` where nobody watches.
    beat: Option<Duration>,
    next_beat: Option<Moment>,
    next_extension: Option<Moment>,
    again_at: Option<Moment>,
}

/// A message, and what it tells.
#[derive(Debug, PartialEq, Eq)]
pub struct Due {
    /// Its lines, as sd_notify(3) has them.
    pub message: String,
    phase: Phase,
    text: Option<String>,
    beats: bool,
    extends: bool,
}

impl Report {
    /// Nothing was told yet. `beat` is the time between two signs of life.
    #[must_use]
    pub fn new(beat: Option<Duration>) -> Self {
        Self {
            told: None,
            text: String::new(),
            told_text_at: None,
            changed: true,
            beat,
            next_beat: None,
            next_extension: None,
            again_at: None,
        }
    }

    /// A component has changed its state.
    pub fn changed(&mut self) {
        self.changed = true;
    }

    /// What is to be told now, if anything. `monotonic_us` is what the system's monotonic clock shows, in microseconds.
    pub fn due(
        &self,
        now: Moment,
        phase: Phase,
        monotonic_us: impl FnOnce() -> u64,
        text: impl FnOnce() -> String,
    ) -> Option<Due> {
        if self.again_at.is_some_and(|at| now < at) {
            return None;
        }
        let enters = self.told != Some(phase);
        let beats = self.beat.is_some() && self.next_beat.is_none_or(|at| at <= now);
        // A reload is over sooner than any time runs out; only what stops components takes long.
        let long = phase != Phase::Ready;
        let extends = long && self.next_extension.is_none_or(|at| at <= now);
        let may_talk = enters || self.text_from().is_none_or(|at| at <= now);
        let text = (may_talk && (self.changed || enters))
            .then(text)
            .filter(|text| enters || *text != self.text);
        let mut message = String::new();
        // Writing to a String can't fail.
        if enters {
            let _ = match phase {
                Phase::Ready => writeln!(message, "READY=1"),
                Phase::Reloading => writeln!(message, "RELOADING=1\nMONOTONIC_USEC={}", monotonic_us()),
                Phase::Stopping => writeln!(message, "STOPPING=1"),
            };
        }
        if extends {
            let _ = writeln!(message, "EXTEND_TIMEOUT_USEC={}", EXTENSION.as_micros());
        }
        if let Some(text) = &text {
            let _ = writeln!(message, "STATUS={text}");
        }
        if beats {
            message.push_str("WATCHDOG=1\n");
        }
        (!message.is_empty()).then_some(Due {
            message,
            phase,
            text,
            beats,
            extends,
        })
    }

    /// It was told.
    pub fn told(&mut self, now: Moment, due: Due) {
        self.again_at = None;
        self.told = Some(due.phase);
        if let Some(text) = due.text {
            self.text = text;
            self.told_text_at = Some(now);
            self.changed = false;
        }
        if due.beats {
            self.next_beat = self.beat.map(|beat| now + beat);
        }
        if due.phase == Phase::Ready {
            self.next_extension = None;
        } else if due.extends {
            self.next_extension = Some(now + EXTEND_EVERY);
        }
    }

    /// Nothing was due: what had changed has changed back.
    pub fn at_rest(&mut self, now: Moment) {
        if self.again_at.is_some_and(|at| now < at) {
            return;
        }
        self.again_at = None;
        if self.text_from().is_none_or(|at| at <= now) {
            self.changed = false;
        }
    }

    /// The service manager had no room for it.
    pub fn not_told(&mut self, now: Moment) {
        self.again_at = Some(now + AGAIN);
    }

    /// When [`Report::due`] is to be asked next, if nothing happens before.
    #[must_use]
    pub fn deadline(&self) -> Option<Moment> {
        if self.again_at.is_some() {
            return self.again_at;
        }
        let text = if self.changed { self.text_from() } else { None };
        [self.next_beat, self.next_extension, text]
            .into_iter()
            .flatten()
            .min()
    }

    fn text_from(&self) -> Option<Moment> {
        self.told_text_at.map(|at| at + BETWEEN_TEXTS)
    }
}

/// Half of the time after which the service manager takes the daemon for hung (sd_watchdog_enabled(3) says to use half),
/// from the variables `WATCHDOG_USEC` and `WATCHDOG_PID`; `None` where it doesn't watch this process.
#[must_use]
pub fn beat(microseconds: Option<&str>, pid: Option<&str>, own_pid: u32) -> Option<Duration> {
    let for_this = pid.is_none_or(|pid| pid.parse() == Ok(own_pid));
    let microseconds: u64 = microseconds?.parse().ok()?;
    (for_this && microseconds > 0).then(|| Duration::from_micros(microseconds) / 2)
}

/// The text for `systemctl status`: how many of those that are wished up run, and who doesn't.
#[must_use]
pub fn text(phase: Phase, components: &[(&ComponentName, State)]) -> String {
    let up = |state: State| matches!(state, State::Running | State::Exited);
    let mut text = match phase {
        Phase::Ready | Phase::Reloading => {
            let running = components.iter().filter(|(_, state)| up(*state)).count();
            let doing = if phase == Phase::Reloading {
                "reloading; "
            } else {
                ""
            };
            format!("{doing}{running} of {} running", components.len())
        }
        Phase::Stopping => "stopping".to_owned(),
    };
    let interesting: Vec<_> = components
        .iter()
        .filter(|(_, state)| match phase {
            Phase::Stopping => *state != State::Stopped,
            Phase::Ready | Phase::Reloading => !up(*state),
        })
        .collect();
    for (place, (name, state)) in interesting.iter().take(NAMED).enumerate() {
        let between = if place == 0 { "; " } else { ", " };
        let _ = write!(text, "{between}{name}: {}", state.name());
    }
    if interesting.len() > NAMED {
        let _ = write!(text, ", {} more", interesting.len() - NAMED);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Moment = Moment::from_micros(7_000_000);

    fn after(micros: u64) -> Moment {
        NOW + Duration::from_micros(micros)
    }

    /// Tells what is due and gives its message.
    fn tell(report: &mut Report, now: Moment, phase: Phase, text: &str) -> Option<String> {
        let Some(due) = report.due(now, phase, || 42, || text.to_owned()) else {
            report.at_rest(now);
            return None;
        };
        let message = due.message.clone();
        report.told(now, due);
        Some(message)
    }

    #[test]
    fn nobody_is_woken_when_nothing_changes_and_nobody_watches() {
        let mut report = Report::new(None);
        let first = tell(&mut report, NOW, Phase::Ready, "1 of 1 running");
        assert_eq!(first.as_deref(), Some("READY=1\nSTATUS=1 of 1 running\n"));
        assert_eq!(report.deadline(), None);
        assert_eq!(tell(&mut report, after(1), Phase::Ready, "1 of 1 running"), None);
    }

    #[test]
    fn texts_come_once_a_second_at_most_and_the_last_one_always() {
        let mut report = Report::new(None);
        tell(&mut report, NOW, Phase::Ready, "0");
        report.changed();
        assert_eq!(tell(&mut report, after(10), Phase::Ready, "1"), None);
        report.changed();
        assert_eq!(tell(&mut report, after(20), Phase::Ready, "2"), None);
        assert_eq!(report.deadline(), Some(after(1_000_000)));
        let said = tell(&mut report, after(1_000_000), Phase::Ready, "2");
        assert_eq!(said.as_deref(), Some("STATUS=2\n"));
        assert_eq!(report.deadline(), None);
        // What has changed and changed back wakes nobody for ever.
        report.changed();
        assert_eq!(tell(&mut report, after(2_500_000), Phase::Ready, "2"), None);
        assert_eq!(report.deadline(), None);
    }

    #[test]
    fn signs_of_life_come_at_half_of_the_time() {
        let beat = beat(Some("30000000"), Some("7"), 7);
        assert_eq!(beat, Some(Duration::from_secs(15)));
        let mut report = Report::new(beat);
        let first = tell(&mut report, NOW, Phase::Ready, "").unwrap();
        assert!(first.ends_with("WATCHDOG=1\n"), "{first}");
        assert_eq!(report.deadline(), Some(after(15_000_000)));
        assert_eq!(tell(&mut report, after(14_999_999), Phase::Ready, ""), None);
        let second = tell(&mut report, after(15_000_000), Phase::Ready, "");
        assert_eq!(second.as_deref(), Some("WATCHDOG=1\n"));
    }

    #[test]
    fn who_is_not_watched_beats_not() {
        assert_eq!(beat(None, None, 7), None);
        assert_eq!(beat(Some("0"), None, 7), None);
        assert_eq!(beat(Some("x"), None, 7), None);
        assert_eq!(beat(Some("2"), Some("8"), 7), None);
        assert_eq!(beat(Some("2"), Some("x"), 7), None);
        assert_eq!(beat(Some("2"), None, 7), Some(Duration::from_micros(1)));
    }

    #[test]
    fn a_stop_is_told_once_and_extended_as_long_as_it_goes_on() {
        let mut report = Report::new(None);
        tell(&mut report, NOW, Phase::Ready, "1");
        let said = tell(&mut report, after(1), Phase::Stopping, "stopping").unwrap();
        assert_eq!(
            said,
            "STOPPING=1\nEXTEND_TIMEOUT_USEC=30000000\nSTATUS=stopping\n"
        );
        assert_eq!(report.deadline(), Some(after(5_000_001)));
        let said = tell(&mut report, after(5_000_001), Phase::Stopping, "stopping").unwrap();
        assert_eq!(said, "EXTEND_TIMEOUT_USEC=30000000\n");
    }

    #[test]
    fn a_reload_has_its_time_and_ends_with_ready() {
        let mut report = Report::new(None);
        tell(&mut report, NOW, Phase::Ready, "a");
        let said = tell(&mut report, after(1), Phase::Reloading, "b").unwrap();
        assert_eq!(
            said,
            "RELOADING=1\nMONOTONIC_USEC=42\nEXTEND_TIMEOUT_USEC=30000000\nSTATUS=b\n"
        );
        let said = tell(&mut report, after(2), Phase::Ready, "a").unwrap();
        assert_eq!(said, "READY=1\nSTATUS=a\n");
        assert_eq!(report.deadline(), None);
    }

    #[test]
    fn what_there_was_no_room_for_is_told_later_and_whole() {
        let mut report = Report::new(None);
        let due = report.due(NOW, Phase::Ready, || 0, || "a".to_owned());
        assert!(due.is_some());
        report.not_told(NOW);
        assert_eq!(report.deadline(), Some(after(100_000)));
        assert_eq!(tell(&mut report, after(1), Phase::Ready, "a"), None);
        let said = tell(&mut report, after(100_000), Phase::Ready, "a");
        assert_eq!(said.as_deref(), Some("READY=1\nSTATUS=a\n"));
    }

    #[test]
    fn what_is_no_longer_worth_telling_wakes_nobody() {
        let mut report = Report::new(None);
        tell(&mut report, NOW, Phase::Ready, "a");
        report.changed();
        let later = after(2_000_000);
        assert!(report.due(later, Phase::Ready, || 0, || "b".to_owned()).is_some());
        report.not_told(later);
        assert_eq!(tell(&mut report, after(2_100_000), Phase::Ready, "a"), None);
        assert_eq!(report.deadline(), None);
    }

    #[test]
    fn the_text_counts_and_names_who_needs_a_look() {
        let names: Vec<ComponentName> = ["a", "b", "c", "d", "e", "f"]
            .iter()
            .map(|name| ComponentName::parse(name).unwrap())
            .collect();
        let all = |states: &[State]| names.iter().zip(states.to_vec()).collect::<Vec<_>>();
        let (up, exited, backoff) = (State::Running, State::Exited, State::Backoff);
        assert_eq!(text(Phase::Ready, &all(&[up, exited])), "2 of 2 running");
        assert_eq!(
            text(Phase::Ready, &all(&[up, backoff])),
            "1 of 2 running; b: BACKOFF"
        );
        assert_eq!(
            text(Phase::Reloading, &all(&[backoff; 6])),
            "reloading; 0 of 6 running; a: BACKOFF, b: BACKOFF, c: BACKOFF, d: BACKOFF, 2 more"
        );
        assert_eq!(
            text(Phase::Stopping, &all(&[State::Stopping, State::Stopped])),
            "stopping; a: STOPPING"
        );
    }
}
