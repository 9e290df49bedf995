//! How a component is checked and what that came to, as lines of `why`.

use super::quantity::{self, micros};
use super::text::Page;
use s7proto::overview::{CheckFact, CheckResult, CheckVerdict, ComponentFact};
use s7proto::status::{ComponentStatus, State};

/// A line for each kind of check.
#[must_use]
pub fn lines(facts: &[ComponentFact], status: &ComponentStatus, page: &Page) -> Vec<String> {
    let checks = facts.iter().filter_map(|fact| match fact {
        ComponentFact::Check(check) => Some(line(check, status, page)),
        _ => None,
    });
    checks.collect()
}

/// What a component that isn't ready yet is waited for, as far as its checks say: one of them that has not been answered.
#[must_use]
pub fn awaited(facts: &[ComponentFact], status: &ComponentStatus) -> Option<String> {
    if status.state != State::Starting || status.pid.is_none() {
        return None;
    }
    let checks = facts.iter().filter_map(|fact| match fact {
        ComponentFact::Check(check) => Some(check),
        _ => None,
    });
    let mut told = checks.filter_map(|check| {
        let last = check.last.as_ref().filter(|last| last.run == status.run);
        let Some(last) = last else {
            return Some(format!("not ready: not checked yet ({})", check.what));
        };
        let times = match last.in_a_row {
            1 => String::new(),
            several => format!(", {several} times"),
        };
        match last.verdict {
            CheckVerdict::Well => None,
            CheckVerdict::Ill => Some(format!("not ready: {}{times}", last.detail)),
            CheckVerdict::Unsure => Some(format!(
                "not ready, and could not be checked: {}{times}",
                last.detail
            )),
        }
    });
    told.next()
}

fn line(check: &CheckFact, status: &ComponentStatus, page: &Page) -> String {
    let said = match &check.last {
        None => "not made yet".to_owned(),
        Some(last) => result(last, status, page),
    };
    format!("{}, {}: {said}", check.kind.name(), check.what)
}

fn result(last: &CheckResult, status: &ComponentStatus, page: &Page) -> String {
    let ago = page.clock.ago(last.at_ms).map(quantity::age);
    let ago = ago.map_or_else(String::new, |ago| format!(" {ago} ago"));
    let times = match last.in_a_row {
        1 => String::new(),
        several => format!(", {several} times in a row"),
    };
    let run = match last.run == status.run {
        true => String::new(),
        false => format!(" (run {})", last.run),
    };
    match last.verdict {
        CheckVerdict::Well => format!("answered{ago}{run}, in {}{times}", micros(last.took_us)),
        CheckVerdict::Ill => format!("failed{ago}{run}{times}: {}", last.detail),
        CheckVerdict::Unsure => format!("could not be made{ago}{run}{times}: {}", last.detail),
    }
}
