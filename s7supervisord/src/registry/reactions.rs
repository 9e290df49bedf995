//! The elements that say what follows from what a component does: `<memory>`, `<onFailure>` and `<match>`.

use super::diagnostic::{Finding, Span};
use super::elements::{CommandElement, read_command};
use super::plan::{DumpPlan, MemoryPlan, TriggerAction, TriggerPattern, TriggerPlan};
use super::reading::Reading;
use super::tree::Element;
use super::values::{BadValue, duration, size, word};
use std::ops::RangeInclusive;
use std::time::Duration;

/// From 1 MiB, below which no program of any kind starts, to a petabyte, which keeps sums far from any overflow.
const MEMORY: RangeInclusive<u64> = 1 << 20..=1 << 50;
const HOOK_TIMEOUT: RangeInclusive<Duration> = Duration::from_millis(100)..=Duration::from_secs(3600);
const ONCE: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(86_400);
/// Where `once` isn't given. A component that is in trouble writes the same line many times.
const DEFAULT_ONCE: Duration = Duration::from_secs(60);
/// The most triggers of one component: each line is compared with all of them.
const MAX_TRIGGERS: usize = 32;
/// The longest text or regular expression, in bytes.
const MAX_PATTERN: usize = 1024;
/// The most memory that one compiled expression may take, in bytes: a hundred times that of a line of words. What is above
/// is made by counted repetitions of repetitions, and takes long for every line.
const MAX_COMPILED: usize = 64 << 10;
/// The most memory that one expression may take while lines are searched for it, in bytes.
const MAX_SEARCHING: usize = 256 << 10;

/// `<memory>` as written.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct MemoryElement {
    /// `None` where it isn't given, `Some(None)` for "unlimited", which takes away what a profile has.
    soft: Option<Option<u64>>,
    hard: Option<Option<u64>>,
    at: Option<Span>,
}

impl MemoryElement {
    /// This one with `later` over it.
    pub fn under(self, later: Self) -> Self {
        Self {
            soft: later.soft.or(self.soft),
            hard: later.hard.or(self.hard),
            at: later.at.or(self.at),
        }
    }

    /// The limits; reports it where the soft one can't come first.
    pub fn settled(self, reading: &mut Reading<'_>) -> MemoryPlan {
        let plan = MemoryPlan {
            soft: self.soft.flatten(),
            hard: self.hard.flatten(),
        };
        if let (Some(soft), Some(hard), Some(at)) = (plan.soft, plan.hard, self.at)
            && soft >= hard
        {
            let message = "the soft limit of the memory is not below the hard one";
            let hint = "above `soft` a new run takes the place of the old one, before `hard` ends it";
            reading.findings.report(Finding::error(at, message).hint(hint));
        }
        plan
    }
}

/// The `<memory>` of a layer.
pub(super) fn read_memory(element: &Element, reading: &mut Reading<'_>) -> MemoryElement {
    let Some(memory) = reading.one(element, "memory") else {
        return MemoryElement::default();
    };
    reading.flat(memory, &["soft", "hard"]);
    let amount = |text: &str| match text {
        "unlimited" => Ok(None),
        _ => size(text, &MEMORY).map(Some),
    };
    let given = |name: &str| memory.attributes.iter().any(|attribute| attribute.name == name);
    if !given("soft") && !given("hard") {
        let finding = Finding::error(memory.tag, "this `<memory>` has neither `soft` nor `hard`")
            .hint("write a size, such as 512MB, or \"unlimited\"");
        reading.findings.report(finding);
    }
    MemoryElement {
        soft: reading.typed_attribute(memory, "soft", amount),
        hard: reading.typed_attribute(memory, "hard", amount),
        at: Some(memory.tag),
    }
}

/// `<onFailure>` as written.
#[derive(Debug, Clone)]
pub(super) struct HookElement {
    /// `None` for `type="none"`, which takes away what `<config>` or a profile has.
    pub command: Option<CommandElement>,
    pub timeout: Option<Duration>,
}

/// The `<onFailure>` of a layer, or of `<config>`.
pub(super) fn read_hook(element: &Element, reading: &mut Reading<'_>) -> Option<HookElement> {
    let hook = reading.one(element, "onFailure")?;
    let wanted = match reading.attribute(hook, "type") {
        None => true,
        Some(text) => reading.typed(&text, "`type`", |text| {
            word(text, &[("command", true), ("none", false)])
        })?,
    };
    if !wanted {
        reading.flat(hook, &["type"]);
        return Some(HookElement {
            command: None,
            timeout: None,
        });
    }
    reading.shape(hook, &["executable", "arguments"], &["type", "timeout"]);
    let timeout = reading.typed_attribute(hook, "timeout", |text| duration(text, &HOOK_TIMEOUT));
    Some(HookElement {
        command: Some(read_command(hook, reading)?),
        timeout,
    })
}

/// A `<match>` and its place.
#[derive(Debug, Clone)]
pub(super) struct TriggerElement {
    plan: TriggerPlan,
    at: Span,
}

/// The `<match>`es of a layer.
pub(super) fn read_triggers(element: &Element, reading: &mut Reading<'_>) -> Vec<TriggerElement> {
    let mut triggers: Vec<TriggerElement> = Vec::new();
    for child in element.children.iter().filter(|child| child.name == "match") {
        if triggers.len() == MAX_TRIGGERS {
            too_many(child.tag, reading);
            break;
        }
        triggers.extend(read_trigger(child, reading).map(|plan| TriggerElement { plan, at: child.tag }));
    }
    triggers
}

fn too_many(at: Span, reading: &mut Reading<'_>) {
    let message = format!("these are more than {MAX_TRIGGERS} `<match>`es");
    let hint =
        "every line is compared with all of them; one `regex` can hold several texts, with | between them";
    reading.findings.report(Finding::error(at, message).hint(hint));
}

fn read_trigger(element: &Element, reading: &mut Reading<'_>) -> Option<TriggerPlan> {
    reading.flat(element, &["text", "regex", "action", "once"]);
    let text = reading.verbatim_attribute(element, "text");
    let regex = reading.verbatim_attribute(element, "regex");
    let action = reading.required_attribute(element, "action");
    let action = action.and_then(|action| {
        reading.typed(&action, "`action`", |text| {
            word(
                text,
                &[
                    ("restart", TriggerAction::Restart),
                    ("dump", TriggerAction::Dump),
                    ("event", TriggerAction::Event),
                ],
            )
        })
    });
    let once = reading.typed_attribute(element, "once", |text| duration(text, &ONCE));
    let pattern = match (text, regex) {
        (Some(text), None) => {
            let text = reading.filled(text, "`text`")?;
            TriggerPattern::Text(reading.typed(&text, "`text`", plain)?)
        }
        (None, Some(regex)) => {
            let regex = reading.filled(regex, "`regex`")?;
            TriggerPattern::Regex(reading.typed(&regex, "`regex`", expression)?)
        }
        (text, _) => {
            let message = match text {
                Some(_) => "this `<match>` has both `text` and `regex`",
                None => "this `<match>` has neither `text` nor `regex`",
            };
            let hint = "write what a line has to hold as `text`, or as `regex`, and not as both";
            reading
                .findings
                .report(Finding::error(element.tag, message).hint(hint));
            return None;
        }
    };
    Some(TriggerPlan {
        pattern,
        action: action?,
        once: once.unwrap_or(DEFAULT_ONCE),
    })
}

fn plain(text: &str) -> Result<String, BadValue> {
    let bad = |message: String, hint: &str| BadValue {
        message,
        hint: Some(hint.into()),
    };
    if text.len() > MAX_PATTERN {
        let message = format!("this is longer than {MAX_PATTERN} bytes");
        return Err(bad(
            message,
            "write the part of the line that tells it from others",
        ));
    }
    // A tab may be in a line; what ends one, and what can't be seen, is a mistake.
    match text.chars().find(|c| c.is_control() && *c != '\t') {
        Some(found) => Err(bad(
            format!("a line of output doesn't hold the control character {found:?}"),
            "each line is looked at by itself",
        )),
        None => Ok(text.to_owned()),
    }
}

fn expression(text: &str) -> Result<String, BadValue> {
    let text = plain(text)?;
    match compile_trigger(&text) {
        Ok(_) => Ok(text),
        Err(error) => {
            // The last line of the message says what is wrong; those before it show where, in several lines.
            let why = error.to_string();
            let why = why.lines().last().unwrap_or_default();
            let why = why.strip_prefix("error: ").unwrap_or(why);
            Err(BadValue {
                message: format!("`{}` can't be used: {why}", super::diagnostic::shown(&text)),
                hint: Some("the syntax is that of Rust's regex crate, without back references".into()),
            })
        }
    }
}

/// The expression that a line is searched for, within the bounds that a registry is held to. Output is bytes, so that `.` is
/// any byte, and `\w` those of ASCII; with Unicode's tables each of these would be a hundred times as large.
///
/// # Errors
/// What is wrong with it, or that it takes too much memory.
pub fn compile_trigger(expression: &str) -> Result<regex::bytes::Regex, regex::Error> {
    regex::bytes::RegexBuilder::new(expression)
        .unicode(false)
        .size_limit(MAX_COMPILED)
        .dfa_size_limit(MAX_SEARCHING)
        .build()
}

/// The triggers of a component; reports those that it can't have.
pub(super) fn settled_triggers(
    elements: &[TriggerElement],
    dump: DumpPlan,
    reading: &mut Reading<'_>,
) -> Vec<TriggerPlan> {
    if let Some(element) = elements.get(MAX_TRIGGERS) {
        too_many(element.at, reading);
        return Vec::new();
    }
    let dumps = dump != DumpPlan::default();
    for element in elements {
        if element.plan.action == TriggerAction::Dump && !dumps {
            let message = "nothing says that this component can be asked for a dump";
            let hint = "the signal that asks a JVM ends other programs; write `<dump on=\"health-fail\"/>` where that is meant";
            reading
                .findings
                .report(Finding::error(element.at, message).hint(hint));
        }
    }
    elements.iter().map(|element| element.plan.clone()).collect()
}
