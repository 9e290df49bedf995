//! What a run goes by when it tells of itself: what it was told when it began, whatever the registry says now.

use crate::registry::plan::{NotifyBy, NotifyPlan};
use std::time::Duration;

/// What a run was told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Told {
    /// By which way it tells of itself; `None` for not at all.
    pub by: Option<NotifyBy>,
    /// How far apart its signs of life are to be; `None` where none are expected.
    pub watchdog: Option<Duration>,
}

impl Told {
    /// What a run is told as the registry has it.
    #[must_use]
    pub fn of(notify: Option<NotifyPlan>) -> Self {
        Self {
            by: notify.map(|notify| notify.by),
            watchdog: notify.and_then(|notify| notify.watchdog),
        }
    }

    /// As a word without a blank: `no`, `socket`, `socket,<microseconds>`, `descriptor,<number>`.
    #[must_use]
    pub(super) fn word(&self) -> String {
        match (self.by, self.watchdog) {
            (None, _) => "no".to_owned(),
            (Some(NotifyBy::Descriptor(number)), _) => format!("descriptor,{number}"),
            (Some(NotifyBy::Socket), None) => "socket".to_owned(),
            (Some(NotifyBy::Socket), Some(span)) => format!("socket,{}", span.as_micros()),
        }
    }

    /// What such a word says.
    #[must_use]
    pub(super) fn read(word: &str) -> Option<Self> {
        let (by, watchdog) = match word.split_once(',') {
            None if word == "no" => (None, None),
            None if word == "socket" => (Some(NotifyBy::Socket), None),
            Some(("socket", micros)) => {
                let micros = micros.parse().ok()?;
                (Some(NotifyBy::Socket), Some(Duration::from_micros(micros)))
            }
            Some(("descriptor", number)) => (Some(NotifyBy::Descriptor(number.parse().ok()?)), None),
            _ => return None,
        };
        Some(Self { by, watchdog })
    }
}
