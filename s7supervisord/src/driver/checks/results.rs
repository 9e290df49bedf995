//! What the last checks of each component came to, for whoever asks.

use super::probe;
use crate::machine::input::{Role, Slot, Verdict};
use crate::registry::check::command_line;
use crate::registry::plan::{ComponentPlan, HealthPlan, ProbePlan};
use s7proto::overview::{CheckFact, CheckKind, CheckResult, CheckVerdict};
use s7proto::plain::steers;
use std::collections::HashMap;
use std::time::Duration;

/// Characters of a detail that are kept: a line for people.
const DETAIL: usize = 300;

/// The last check of one kind.
#[derive(Debug, Clone)]
pub struct Checked {
    run: u64,
    at_ms: i64,
    took: Duration,
    verdict: CheckVerdict,
    detail: String,
    in_a_row: u32,
}

impl Checked {
    /// A check of `run` has ended at `at_ms`.
    pub fn new(run: u64, at_ms: i64, took: Duration, result: probe::Result) -> Self {
        let verdict = match result.verdict {
            Verdict::Well => CheckVerdict::Well,
            Verdict::Ill | Verdict::TimedOut { .. } => CheckVerdict::Ill,
            Verdict::Unsure | Verdict::NotMade => CheckVerdict::Unsure,
        };
        let plain = |c: char| if steers(c) { ' ' } else { c };
        Self {
            run,
            at_ms,
            took,
            verdict,
            detail: result.detail.chars().take(DETAIL).map(plain).collect(),
            in_a_row: 1,
        }
    }
}

/// The last check of each kind of each component.
#[derive(Debug, Default)]
pub struct Results {
    last: HashMap<(Slot, Role), Checked>,
    /// The run of each component that was last told to be unwell.
    unwell: HashMap<Slot, u64>,
}

impl Results {
    /// A check has ended.
    pub fn note(&mut self, slot: Slot, role: Role, mut checked: Checked) {
        if let Some(before) = self.last.get(&(slot, role))
            && (before.run, before.verdict) == (checked.run, checked.verdict)
        {
            checked.in_a_row = before.in_a_row.saturating_add(1);
        }
        self.last.insert((slot, role), checked);
    }

    /// Whether this run was told to be unwell; it isn't any more.
    pub fn was_unwell(&mut self, slot: Slot, run: u64) -> bool {
        self.unwell.remove(&slot) == Some(run)
    }

    /// The run is unwell: what is wrong with it, as far as its checks say.
    pub fn trouble(&mut self, slot: Slot, run: u64) -> Option<String> {
        self.unwell.insert(slot, run);
        let roles = [Role::Health, Role::Readiness].into_iter();
        let last = roles.filter_map(|role| self.last.get(&(slot, role)));
        let mut last = last.filter(|last| last.run == run && !last.detail.is_empty());
        last.next().map(|last| match last.in_a_row {
            1 => last.detail.clone(),
            several => format!("{} ({several} times in a row)", last.detail),
        })
    }

    /// The component is no longer there.
    pub fn forget(&mut self, slot: Slot) {
        self.last.retain(|(of, _), _| *of != slot);
        self.unwell.remove(&slot);
    }

    /// What is to be told of the checks of a component whose present or last run is `run`.
    pub fn facts(&self, slot: Slot, plan: &ComponentPlan) -> Vec<CheckFact> {
        let checks = [
            (Role::Health, CheckKind::Health, &plan.health),
            (Role::Readiness, CheckKind::Readiness, &plan.readiness),
        ];
        let facts = checks.into_iter().filter_map(|(role, kind, plan)| {
            let last = self.last.get(&(slot, role));
            Some(CheckFact {
                kind,
                what: words(plan.as_ref()?),
                last: last.map(|last| CheckResult {
                    run: last.run,
                    at_ms: last.at_ms,
                    took_us: u64::try_from(last.took.as_micros()).unwrap_or(u64::MAX),
                    verdict: last.verdict,
                    in_a_row: last.in_a_row,
                    detail: last.detail.clone(),
                }),
            })
        });
        facts.collect()
    }
}

/// What a check is for, in the words of the registry.
pub fn name(role: Role) -> &'static str {
    match role {
        Role::Health => "health",
        Role::Readiness => "readiness",
    }
}

/// What is done, and how often.
pub fn words(plan: &HealthPlan) -> String {
    let probe = match &plan.probe {
        ProbePlan::Tcp { port } => format!("tcp {port}"),
        ProbePlan::Http(http) => format!("http {}", http.url),
        ProbePlan::Exec { program, arguments } => format!("exec {}", command_line(program, arguments)),
    };
    format!("{probe} each {:?}", plan.interval)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ill(run: u64, detail: &str) -> Checked {
        Checked::new(
            run,
            7,
            Duration::from_millis(3),
            probe::Result::ill(detail.to_owned()),
        )
    }

    #[test]
    fn results_are_counted_in_a_row_and_only_within_their_run() {
        let (mut results, slot) = (Results::default(), Slot(3));
        results.note(slot, Role::Health, ill(1, "a"));
        results.note(slot, Role::Health, ill(1, "refused\n\u{202e}here"));
        assert_eq!(
            results.trouble(slot, 1).unwrap(),
            "refused  here (2 times in a row)"
        );
        assert_eq!(results.trouble(slot, 2), None, "that was another run");
        assert!(!results.was_unwell(slot, 1), "a later one was unwell");
        results.note(slot, Role::Health, ill(2, "c"));
        assert_eq!(results.trouble(slot, 2).unwrap(), "c");
        assert!(results.was_unwell(slot, 2) && !results.was_unwell(slot, 2));
        let well = Checked::new(2, 8, Duration::ZERO, probe::Result::well());
        results.note(slot, Role::Health, well);
        assert_eq!(results.trouble(slot, 2), None);
        results.forget(slot);
        assert!(results.last.is_empty() && results.unwell.is_empty());
    }
}
