//! Views → text.

use crate::render::clock::Clock;
use crate::render::sentence::Asked;
use crate::render::table::{self, Cell, visible, visible_lines};
use crate::render::{Facts, View, checks, dump, event, facts, info, quantity, sentence, why};
use anstyle::{AnsiColor, Style};
use s7proto::name::ComponentName;
use s7proto::overview::{ComponentFact, SupervisorFact};
use s7proto::reply::{CheckReport, LogTail, Part, ReloadReport, VersionInfo};
use s7proto::status::{ComponentStatus, Health, State, StatusReport, SupervisorStatus};
use s7proto::version::PROTOCOL;
use std::time::Duration;

/// Where the text goes.
#[derive(Debug)]
pub struct Page {
    /// The terminal's width in columns; `None` where it is no terminal.
    pub width: Option<usize>,
    /// Whether colour is wanted.
    pub colour: bool,
    /// For times.
    pub clock: Clock,
    /// Components whose part of the operation has been shown already.
    pub shown: Vec<ComponentName>,
}

impl Page {
    /// Standard output as it is.
    #[must_use]
    pub fn of_stdout(colour: bool) -> Self {
        let size = terminal_size::terminal_size_of(std::io::stdout());
        Self {
            width: size.map(|(terminal_size::Width(columns), _)| usize::from(columns)),
            colour,
            clock: Clock::system(),
            shown: Vec::new(),
        }
    }
}

/// The data of a view, for standard output. Failures are told apart, see [`View::failures`].
#[must_use]
pub fn render(view: &View, page: &Page) -> Vec<u8> {
    match view {
        View::Status { report, facts, .. } => status(report, facts, page).into_bytes(),
        View::NoSupervisor(error) => line(&sentence_case(&error.message)),
        View::NothingToStop(_) => line("The supervisor is not running; there is nothing to stop."),
        View::Operation { asked, parts } => operation(parts, *asked, page).into_bytes(),
        View::Reload(report) => reload(report, page).into_bytes(),
        View::Logs(tails) => logs(tails),
        View::Check(report) => check(report).into_bytes(),
        View::Why { stories, omitted } => why::render(stories, *omitted, page).into_bytes(),
        View::Dumps { reports, .. } => dump::text(reports),
        View::Events(events) => event::table(events, page).into_bytes(),
        View::Info(report) => info::render(report, page).into_bytes(),
        View::Upgraded(upgraded) => line(&sentence::upgraded(upgraded)),
        View::Version(daemon) => version(daemon.as_ref()).into_bytes(),
        View::Passed(_) => Vec::new(),
    }
}

fn line(text: &str) -> Vec<u8> {
    format!("{text}\n").into_bytes()
}

fn sentence_case(text: &str) -> String {
    let mut chars = text.chars();
    let first = chars.next().into_iter().flat_map(char::to_uppercase);
    first.chain(chars).chain(['.']).collect()
}

fn status(report: &StatusReport, told: &Facts, page: &Page) -> String {
    let title = Style::new().bold();
    let titles = [
        "COMPONENT",
        "STATE",
        "HEALTH",
        "PID",
        "UPTIME",
        "RESTARTS",
        "MEMORY",
        "CPU",
        "DESCRIPTION",
    ];
    let mut rows = vec![titles.map(|text| styled(text, title, page)).to_vec()];
    let facts_of = |place: usize| told.components.get(place).map_or(&[][..], |of| &of.facts);
    let components = report.components.iter().enumerate();
    rows.extend(components.map(|(place, component)| row(component, facts_of(place), page)));
    let mut text = table::render(&rows, page.width);
    text.push('\n');
    text.push_str(&supervisor(&report.supervisor));
    for fact in &told.supervisor {
        match fact {
            SupervisorFact::StaleRegistry { file, diagnostics } => text.push_str(&format!(
                "warning: the registry {} could not be loaded when it was last tried ({}); the one before is in force; see: s7ctl check\n",
                visible(file),
                sentence::findings(diagnostics)
            )),
            SupervisorFact::UpgradeFailed { why, at_ms } => text.push_str(&format!(
                "warning: the upgrade at {} has failed, and this supervisor carries on: {}; mend that and repeat: s7ctl upgrade\n",
                page.clock.in_words(*at_ms),
                visible(why)
            )),
            SupervisorFact::CannotWrite { why } => text.push_str(&format!(
                "warning: the supervisor goes on without what it can't write: {}\n",
                visible(why)
            )),
            SupervisorFact::TookOver { .. } | SupervisorFact::PipeBytes(_) => {}
        }
    }
    text
}

fn row(component: &ComponentStatus, told: &[ComponentFact], page: &Page) -> Vec<Cell> {
    let health = match component.health {
        Health::None => Cell::new("-"),
        health => styled(health.name(), colour_of_health(health), page),
    };
    let details: Vec<String> = sentence::detail(component, &page.clock)
        .into_iter()
        .chain(checks::awaited(told, component))
        .chain(told.iter().filter_map(|fact| facts::words(fact, &page.clock)))
        .collect();
    let detail = (!details.is_empty()).then(|| details.join("; "));
    let description = match (component.description.as_str(), detail) {
        ("", detail) => detail.unwrap_or_default(),
        (description, None) => description.to_owned(),
        (description, Some(detail)) => format!("{description} - {detail}"),
    };
    vec![
        Cell::new(component.id.as_str()),
        styled(component.state.name(), colour_of(component.state), page),
        health,
        or_dash(component.pid.map(|pid| pid.to_string())),
        or_dash(
            component
                .uptime_us
                .map(|us| quantity::age(Duration::from_micros(us))),
        ),
        Cell::new(component.restarts.to_string()),
        or_dash(component.memory_bytes.map(quantity::size)),
        or_dash(component.cpu_percent.map(|percent| format!("{percent:.1}%"))),
        Cell::new(description),
    ]
}

fn or_dash(value: Option<String>) -> Cell {
    Cell::new(value.as_deref().unwrap_or("-"))
}

/// A cell in `style` where colour is wanted.
#[must_use]
pub fn styled(text: &str, style: Style, page: &Page) -> Cell {
    Cell::styled(text, if page.colour { style } else { Style::new() })
}

/// How a state looks where colour is wanted.
#[must_use]
pub fn colour_of(state: State) -> Style {
    let colour = match state {
        State::Running => AnsiColor::Green,
        State::Waiting | State::Starting | State::Stopping => AnsiColor::Yellow,
        State::Backoff | State::Fatal | State::Stuck => AnsiColor::Red,
        State::Stopped | State::Exited => return Style::new().dimmed(),
    };
    Style::new().fg_color(Some(colour.into()))
}

fn colour_of_health(health: Health) -> Style {
    let colour = match health {
        Health::Healthy => AnsiColor::Green,
        Health::Unhealthy => AnsiColor::Red,
        Health::None | Health::Unknown => return Style::new().dimmed(),
    };
    Style::new().fg_color(Some(colour.into()))
}

fn supervisor(daemon: &SupervisorStatus) -> String {
    let mut text = format!(
        "s7supervisord {}, pid {}, up {}, containment {}, registry {}\n",
        visible(&daemon.version),
        daemon.pid,
        quantity::age(Duration::from_micros(daemon.uptime_us)),
        visible(&daemon.containment),
        visible(&daemon.registry),
    );
    if let Some(why) = &daemon.state_not_persisted {
        text.push_str(&format!(
            "warning: what runs cannot be recorded as it should be: a next supervisor may find runs that begin now only by \
             their environment or cgroup, and may not know what is wished now: {}\n",
            visible(why)
        ));
    }
    text
}

fn operation(parts: &[Part], asked: Asked, page: &Page) -> String {
    let done = parts.iter().filter(|part| !page.shown.contains(&part.component));
    let mut text: String = done
        .filter_map(|part| sentence::part(part, asked).ok())
        .map(|said| visible_lines(&said) + "\n")
        .collect();
    if parts.is_empty() {
        text.push_str("There is no component to do this with.\n");
    }
    text
}

fn reload(report: &ReloadReport, page: &Page) -> String {
    let mut text = String::new();
    for warning in &report.warnings {
        text.push_str(&visible_lines(warning.rendered.trim_end()));
        text.push('\n');
    }
    for change in &report.changes {
        text.push_str(&sentence::change(change, report.dry_run));
        text.push('\n');
    }
    match (report.changes.is_empty(), report.dry_run) {
        (true, false) => text.push_str("The registry is loaded; no component has changed.\n"),
        (true, true) => text.push_str("The registry would load; no component has changed.\n"),
        (false, true) => text.push_str("Nothing was done: this was a dry run.\n"),
        (false, false) => {}
    }
    if !report.parts.is_empty() {
        text.push_str(&operation(&report.parts, Asked::Change, page));
    }
    text
}

/// The bytes as they are: what a component wrote is not ours to change.
fn logs(tails: &[LogTail]) -> Vec<u8> {
    let mut out = Vec::new();
    for (at, tail) in tails.iter().filter(|tail| readable(tail)).enumerate() {
        if tails.len() > 1 {
            let gap = if at > 0 { "\n" } else { "" };
            out.extend_from_slice(format!("{gap}==> {} <==\n", tail.component).as_bytes());
        }
        if let Some(uncertain) = &tail.error {
            out.extend_from_slice(format!("(... {})\n", visible(uncertain)).as_bytes());
        }
        if tail.truncated {
            out.extend_from_slice(b"(... earlier lines are left out: more than fits into one answer)\n");
        }
        out.extend_from_slice(&tail.bytes);
        if tail.bytes.last().is_some_and(|last| *last != b'\n') && tails.len() > 1 {
            out.push(b'\n');
        }
    }
    out
}

/// Bytes beside an error were read.
fn readable(tail: &LogTail) -> bool {
    tail.error.is_none() || !tail.bytes.is_empty()
}

fn check(report: &CheckReport) -> String {
    let mut text = String::new();
    for diagnostic in &report.diagnostics {
        text.push_str(&visible_lines(diagnostic.rendered.trim_end()));
        text.push_str("\n\n");
    }
    if report.ok {
        let names: Vec<&str> = report.components.iter().map(ComponentName::as_str).collect();
        let number = quantity::count(names.len() as u64, "component", "components");
        let found = sentence::findings(&report.diagnostics);
        text.push_str(&format!(
            "{}: {found}; {number}: {}\n",
            visible(&report.registry),
            names.join(", ")
        ));
    }
    text
}

fn version(daemon: Option<&VersionInfo>) -> String {
    let ours = format!("s7ctl {} (protocol {PROTOCOL})\n", env!("CARGO_PKG_VERSION"));
    match daemon {
        None => ours + "s7supervisord is not running\n",
        Some(info) => format!(
            "{ours}s7supervisord {}, pid {}, registry {}\n",
            visible(&info.version),
            info.pid,
            visible(&info.registry)
        ),
    }
}
