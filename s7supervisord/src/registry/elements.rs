//! The elements of a layer that have parts: what is written, typed as far as it doesn't depend on the instance.

use super::diagnostic::{Finding, Span};
use super::layer::{JAVA_VERSION, STARTUP_TIMEOUT, count};
use super::paths::Os;
use super::plan::{DumpPlan, LimitPlan, Resource, StopSignal};
use super::reading::{Reading, Text};
use super::tree::Element;
use super::values::{duration, integer, size, word};
use std::ops::RangeInclusive;
use std::time::Duration;

const PROBE_INTERVAL: RangeInclusive<Duration> = Duration::from_millis(100)..=Duration::from_secs(86_400);
const PROBE_TIMEOUT: RangeInclusive<Duration> = Duration::from_millis(10)..=Duration::from_secs(3600);
const PROBE_COUNT: RangeInclusive<i64> = 1..=1000;

/// An argument, and the first version of Java it is for.
#[derive(Debug, Clone)]
pub(super) struct Argument {
    pub text: Text,
    pub java_from: Option<u32>,
}

/// `<stop>` as written.
#[derive(Debug, Clone)]
pub(super) enum StopElement {
    Signal(StopSignal),
    Console,
    Tcp {
        host: Option<Text>,
        port: Text,
        text: Option<Text>,
    },
    Command(CommandElement),
}

/// A command in `<stop>`, `<health>`, `<readiness>` or `<onFailure>`.
#[derive(Debug, Clone)]
pub(super) struct CommandElement {
    pub executable: Text,
    pub arguments: Vec<Text>,
}

/// `<health>` or `<readiness>` as written.
#[derive(Debug, Clone, Default)]
pub(super) struct HealthElement {
    /// `None` for `type="none"`, which takes away what a profile has.
    pub probe: Option<ProbeElement>,
    pub interval: Option<Duration>,
    pub timeout: Option<Duration>,
    pub failures: Option<u32>,
    pub successes: Option<u32>,
    pub startup_timeout: Option<Duration>,
    /// Where its `timeout` stands, or else its `type`.
    pub at: Option<Span>,
}

/// What `<health type="…">` does.
#[derive(Debug, Clone)]
pub(super) enum ProbeElement {
    /// The port, where it isn't the server's; and where to point at if there is none at all.
    Tcp {
        port: Option<Text>,
        at: Text,
    },
    Http {
        url: Text,
        status: Option<Text>,
        expect: Option<Text>,
    },
    Exec(CommandElement),
}

/// The executable for the system of the plan, and whether there is one for the other system only. One with the
/// system's name goes before one without any.
pub(super) fn read_executable(element: &Element, reading: &mut Reading<'_>) -> (Option<Text>, bool) {
    let mut found: Vec<(Option<Os>, Text)> = Vec::new();
    for child in element.children.iter().filter(|child| child.name == "executable") {
        reading.shape(child, &[], &["os"]);
        let os = reading.attribute(child, "os");
        let os = os.and_then(|os| {
            reading.typed(&os, "`os`", |text| {
                word(text, &[("linux", Os::Linux), ("windows", Os::Windows)])
            })
        });
        let text = reading.text(child);
        let Some(text) = reading.filled(text, "`<executable>`") else {
            continue;
        };
        match found.iter().find(|(first, _)| *first == os) {
            Some((_, first)) => reading.twice(text.at, first.at, "the executable for the same system"),
            None => found.push((os, text)),
        }
    }
    let here = found.iter().find(|(os, _)| *os == Some(reading.os));
    let anywhere = || found.iter().find(|(os, _)| os.is_none());
    let chosen = here.or_else(anywhere).map(|(_, text)| text.clone());
    let foreign = chosen.is_none() && !found.is_empty();
    (chosen, foreign)
}

pub(super) fn read_arguments(element: &Element, name: &str, reading: &mut Reading<'_>) -> Vec<Argument> {
    let Some(list) = reading.one(element, name) else {
        return Vec::new();
    };
    reading.shape(list, &["argument"], &[]);
    let mut arguments = Vec::new();
    for child in list.children.iter().filter(|child| child.name == "argument") {
        reading.shape(child, &[], &["javaFrom"]);
        arguments.push(Argument {
            text: reading.text(child),
            java_from: reading.typed_attribute(child, "javaFrom", count(JAVA_VERSION)),
        });
    }
    arguments
}

/// The `<executable>` and `<arguments>` of a command in another element.
pub(super) fn read_command(element: &Element, reading: &mut Reading<'_>) -> Option<CommandElement> {
    let (executable, _) = read_executable(element, reading);
    let arguments = read_arguments(element, "arguments", reading);
    let Some(executable) = executable else {
        let message = format!(
            "this `<{}>` has no `<executable>` for {}",
            element.name,
            reading.os.name()
        );
        reading.findings.report(Finding::error(element.tag, message));
        return None;
    };
    Some(CommandElement {
        executable,
        arguments: arguments.into_iter().map(|argument| argument.text).collect(),
    })
}

pub(super) fn read_stop(element: &Element, reading: &mut Reading<'_>) -> Option<StopElement> {
    #[derive(Clone, Copy)]
    enum Method {
        Signal,
        Console,
        Tcp,
        Command,
    }
    let stop = reading.one(element, "stop")?;
    let method = reading.attribute(stop, "method");
    let method = match method {
        None => Method::Signal,
        Some(text) => reading.typed(&text, "`method`", |text| {
            word(
                text,
                &[
                    ("signal", Method::Signal),
                    ("console", Method::Console),
                    ("tcp", Method::Tcp),
                    ("command", Method::Command),
                ],
            )
        })?,
    };
    match method {
        Method::Signal => {
            reading.flat(stop, &["method", "signal"]);
            let signal = reading.attribute(stop, "signal");
            let Some(text) = signal else {
                return Some(StopElement::Signal(StopSignal::Term));
            };
            let signal = reading.typed(&text, "`signal`", |text| {
                let name = text.strip_prefix("SIG").unwrap_or(text);
                word(
                    name,
                    &[
                        ("TERM", StopSignal::Term),
                        ("INT", StopSignal::Int),
                        ("QUIT", StopSignal::Quit),
                        ("HUP", StopSignal::Hup),
                        ("USR1", StopSignal::Usr1),
                        ("USR2", StopSignal::Usr2),
                        ("WINCH", StopSignal::Winch),
                        ("KILL", StopSignal::Kill),
                    ],
                )
            })?;
            if signal == StopSignal::Kill {
                reading.findings.report(
                    Finding::warning(text.at, "SIGKILL leaves the component no chance to save its work")
                        .hint("every stop ends with SIGKILL anyway when `stopTimeout` is over; ask with TERM first"),
                );
            }
            Some(StopElement::Signal(signal))
        }
        Method::Console => {
            reading.flat(stop, &["method"]);
            Some(StopElement::Console)
        }
        Method::Tcp => {
            reading.flat(stop, &["method", "host", "port", "text"]);
            Some(StopElement::Tcp {
                host: reading.attribute(stop, "host"),
                port: reading.required_attribute(stop, "port")?,
                text: reading.verbatim_attribute(stop, "text"),
            })
        }
        Method::Command => {
            reading.shape(stop, &["executable", "arguments"], &["method"]);
            read_command(stop, reading).map(StopElement::Command)
        }
    }
}

pub(super) fn read_dump(dump: &Element, reading: &mut Reading<'_>) -> DumpPlan {
    reading.flat(dump, &["on", "via"]);
    // There is one way so far; its name is checked, so that another can be added without changing a meaning.
    reading.typed_attribute(dump, "via", |text| word(text, &[("signal", ())]));
    let mut plan = DumpPlan {
        by_signal: true,
        ..DumpPlan::default()
    };
    if let Some(on) = reading.required_attribute(dump, "on") {
        for event in on.value.split_whitespace() {
            let text = Text {
                value: event.to_owned(),
                ..on.clone()
            };
            match reading.typed(&text, "`on`", |text| {
                word(text, &[("stop-timeout", true), ("health-fail", false)])
            }) {
                Some(true) => plan.on_stop_timeout = true,
                Some(false) => plan.on_health_failure = true,
                None => {}
            }
        }
    }
    plan
}

pub(super) fn read_limit(limit: &Element, reading: &mut Reading<'_>) -> Option<LimitPlan> {
    reading.flat(limit, &["name", "soft", "hard"]);
    let name = reading.required_attribute(limit, "name")?;
    let resource = reading.typed(&name, "`name`", |text| {
        word(
            text,
            &[
                ("as", Resource::As),
                ("core", Resource::Core),
                ("cpu", Resource::Cpu),
                ("data", Resource::Data),
                ("fsize", Resource::Fsize),
                ("memlock", Resource::Memlock),
                ("nofile", Resource::Nofile),
                ("nproc", Resource::Nproc),
                ("rss", Resource::Rss),
                ("stack", Resource::Stack),
            ],
        )
    })?;
    let in_bytes = !matches!(resource, Resource::Cpu | Resource::Nofile | Resource::Nproc);
    let amount = |text: &str| {
        if text == "unlimited" {
            Ok(None)
        } else if in_bytes {
            // RLIM_INFINITY is the largest 64-bit number, and a limit is below it.
            size(text, &(0..=u64::MAX - 1)).map(Some)
        } else {
            integer(text, &(0..=i64::MAX)).map(|number| Some(number.unsigned_abs()))
        }
    };
    let soft = reading.attribute(limit, "soft");
    let hard = reading.attribute(limit, "hard");
    if soft.is_none() && hard.is_none() {
        let finding = Finding::error(limit.tag, "this limit has neither `soft` nor `hard`")
            .hint("write a number or \"unlimited\"; one of the two stands for both");
        reading.findings.report(finding);
        return None;
    }
    let given = |text: &Option<Text>, what: &str, reading: &mut Reading<'_>| match text {
        None => Some(None),
        Some(text) => reading.typed(text, what, amount).map(Some),
    };
    let soft_value = given(&soft, "`soft`", reading)?;
    let hard_value = given(&hard, "`hard`", reading)?;
    let soft_amount = soft_value.or(hard_value).flatten();
    let hard_amount = hard_value.or(soft_value).flatten();
    if soft_amount.unwrap_or(u64::MAX) > hard_amount.unwrap_or(u64::MAX) {
        let finding = Finding::error(limit.tag, "the soft limit is above the hard one")
            .hint("`soft` is what holds, and `hard` is how far it may be raised");
        reading.findings.report(finding);
        return None;
    }
    Some(LimitPlan {
        resource,
        soft: soft_amount,
        hard: hard_amount,
    })
}

/// The `<health>` or `<readiness>` of a layer, whichever `name` is.
pub(super) fn read_health(element: &Element, name: &str, reading: &mut Reading<'_>) -> Option<HealthElement> {
    #[derive(Clone, Copy)]
    enum Type {
        None,
        Tcp,
        Http,
        Exec,
    }
    let health = reading.one(element, name)?;
    let text = reading.required_attribute(health, "type")?;
    let kind = reading.typed(&text, "`type`", |text| {
        word(
            text,
            &[
                ("tcp", Type::Tcp),
                ("http", Type::Http),
                ("exec", Type::Exec),
                ("none", Type::None),
            ],
        )
    })?;
    let timeout = reading.attribute(health, "timeout");
    let at = Some(timeout.map_or(text.at, |timeout| timeout.at));
    let common = [
        "type",
        "interval",
        "timeout",
        "failures",
        "successes",
        "startupTimeout",
    ];
    let probe = match kind {
        Type::None => {
            reading.flat(health, &["type"]);
            None
        }
        Type::Tcp => {
            reading.flat(health, &[&common[..], &["port"]].concat());
            let port = reading.attribute(health, "port");
            Some(ProbeElement::Tcp { port, at: text })
        }
        Type::Http => {
            reading.flat(health, &[&common[..], &["url", "status", "expect"]].concat());
            let url = reading.required_attribute(health, "url")?;
            let expect = reading.verbatim_attribute(health, "expect");
            let status = reading.attribute(health, "status");
            Some(ProbeElement::Http { url, status, expect })
        }
        Type::Exec => {
            reading.shape(health, &["executable", "arguments"], &common);
            Some(ProbeElement::Exec(read_command(health, reading)?))
        }
    };
    Some(HealthElement {
        probe,
        interval: reading.typed_attribute(health, "interval", |text| duration(text, &PROBE_INTERVAL)),
        timeout: reading.typed_attribute(health, "timeout", |text| duration(text, &PROBE_TIMEOUT)),
        failures: reading.typed_attribute(health, "failures", count(PROBE_COUNT)),
        successes: reading.typed_attribute(health, "successes", count(PROBE_COUNT)),
        startup_timeout: reading
            .typed_attribute(health, "startupTimeout", |text| duration(text, &STARTUP_TIMEOUT)),
        at,
    })
}
