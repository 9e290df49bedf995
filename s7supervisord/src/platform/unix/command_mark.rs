//! What tells a command beside a run from the run itself: a variable in its environment, which all that it makes inherits.
//!
//! It bears the marker of the run as well. Without this one a daemon that has lost its record would take a check for the run.

use crate::registry::plan::ComponentPlan;
use std::collections::HashSet;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The variable. The registry can't set it.
pub const VARIABLE: &str = "S7_COMMAND";

/// What a command is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A check of the run. It ends with it.
    Check,
    /// To tell somebody that the run has failed. It outlives it.
    Failure,
    /// To ask the run to stop.
    Stop,
}

const NAMES: [(Kind, &str); 3] = [
    (Kind::Check, "check"),
    (Kind::Failure, "failure"),
    (Kind::Stop, "stop"),
];

/// Which command it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CommandMark {
    /// What it is for.
    pub kind: Kind,
    /// No other command of this boot has that number, and those of a later daemon have greater ones.
    pub number: u64,
}

impl CommandMark {
    /// Reads the value of the variable.
    pub fn parse(value: &str) -> Option<Self> {
        let (name, number) = value.split_once('.')?;
        let (kind, _) = NAMES.iter().find(|(_, known)| *known == name)?;
        Some(Self {
            kind: *kind,
            number: number.parse().ok()?,
        })
    }

    /// Has a command bear it, whatever else its environment says.
    pub fn put_on(self, plan: &mut ComponentPlan) {
        let environment = &mut plan.run.environment;
        environment.retain(|(name, _)| name != VARIABLE);
        environment.push((VARIABLE.to_owned(), self.to_string()));
    }
}

impl fmt::Display for CommandMark {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = NAMES.iter().find(|(kind, _)| *kind == self.kind);
        write!(formatter, "{}.{}", name.map_or("", |(_, name)| name), self.number)
    }
}

/// The numbers of the commands that this daemon has ordered and that aren't over: shared between the core loop, which writes,
/// and the sweeper, for which what bears another number is left of a command.
#[derive(Debug, Clone, Default)]
pub struct Present(Arc<Mutex<HashSet<u64>>>);

impl Present {
    /// It is ordered.
    pub fn begins(&self, number: u64) {
        self.lock().insert(number);
    }

    /// It is over.
    pub fn is_over(&self, number: u64) {
        self.lock().remove(&number);
    }

    /// Whether it is there.
    pub fn has(&self, number: u64) -> bool {
        self.lock().contains(&number)
    }

    fn lock(&self) -> MutexGuard<'_, HashSet<u64>> {
        // Nobody panics with this lock, and if somebody did, a set is whole all the same.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_and_nothing_else() {
        for (kind, _) in NAMES {
            let mark = CommandMark { kind, number: 17 };
            assert_eq!(CommandMark::parse(&mark.to_string()), Some(mark));
        }
        for other in ["", "check", "check.", "check.-1", "run.17", "17"] {
            assert_eq!(CommandMark::parse(other), None, "{other}");
        }
    }
}
