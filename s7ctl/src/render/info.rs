//! How the supervisor and its components are set up: a block of keys and values for each.

use crate::render::quantity::{self, micros};
use crate::render::table::{self, Cell};
use crate::render::text::{Page, styled};
use anstyle::Style;
use s7proto::explain::{ComponentInfo, InfoReport, SupervisorInfo};
use std::time::Duration;

/// The supervisor where no component was asked for, else the components.
#[must_use]
pub fn render(report: &InfoReport, page: &Page) -> String {
    if report.components.is_empty() {
        return block("supervisor", supervisor(&report.supervisor), page);
    }
    let blocks: Vec<String> = report
        .components
        .iter()
        .map(|component| block(component.id.as_str(), of_component(component), page))
        .collect();
    blocks.join("\n")
}

type Pairs = Vec<(&'static str, String)>;

fn block(title: &str, pairs: Pairs, page: &Page) -> String {
    let title = table::render(&[vec![styled(title, Style::new().bold(), page)]], None);
    let rows: Vec<Vec<Cell>> = pairs
        .into_iter()
        .map(|(key, value)| vec![Cell::new(format!("  {key}")), Cell::new(value)])
        .collect();
    title + &table::render(&rows, page.width)
}

fn supervisor(info: &SupervisorInfo) -> Pairs {
    let status = &info.status;
    let (major, minor) = info.protocol;
    let up = quantity::age(Duration::from_micros(status.uptime_us));
    let mut pairs = vec![
        ("version", status.version.clone()),
        ("protocol", format!("{major}.{minor}")),
        ("pid", format!("{}, up {up}", status.pid)),
        ("registry", status.registry.clone()),
        ("components", info.components.to_string()),
        ("install folder", info.install_folder.clone()),
        ("runtime folder", info.runtime_dir.clone()),
        ("endpoint", info.endpoint.clone()),
        ("log", info.log.clone()),
        ("audit log", info.audit_log.clone()),
        ("temp", info.temp.clone()),
        ("trace level", info.trace_level.to_string()),
        ("statistics", info.stats_interval_us.map_or_else(never, every)),
        ("containment", status.containment.clone()),
        ("last event", info.last_event.to_string()),
    ];
    if let Some(why) = &status.state_not_persisted {
        pairs.push(("not recorded", why.clone()));
    }
    pairs
}

fn never() -> String {
    "never".to_owned()
}

fn every(interval_us: u64) -> String {
    format!("every {}", micros(interval_us))
}

fn of_component(info: &ComponentInfo) -> Pairs {
    let mut pairs = Pairs::new();
    let mut add = |key, value: String| {
        if !value.is_empty() {
            pairs.push((key, value));
        }
    };
    add("description", info.description.clone());
    if let Some((server, number)) = &info.instance_of {
        add("instance", format!("{number} of {server}"));
    }
    add("command", command(&info.command));
    add("folder", info.working_directory.clone());
    add("user", or(info.user.as_deref(), "the supervisor's own"));
    add("group", or(info.group.as_deref(), "the user's"));
    add("umask", format!("{:03o}", info.umask));
    for (name, soft, hard) in &info.limits {
        add(
            "limit",
            format!("{name} {}, at most {}", limit(*soft), limit(*hard)),
        );
    }
    let inherits = info
        .inherit_environment
        .then_some("what the supervisor has, and:");
    add("environment", inherits.unwrap_or_default().to_owned());
    for (name, value) in &info.environment {
        add("variable", format!("{name}={value}"));
    }
    add("start", start(info));
    add("restart", restart(info));
    let codes: Vec<String> = info.success_exit_codes.iter().map(ToString::to_string).collect();
    add("success codes", codes.join(" "));
    add(
        "stop",
        format!("{}, killed after {}", info.stop, micros(info.stop_timeout_us)),
    );
    add("health", or(info.health.as_deref(), "not checked"));
    for (component, on_loss) in &info.depends_on {
        add("depends on", format!("{component}, when that is lost: {on_loss}"));
    }
    add("log", info.log_file.clone());
    let pids: Vec<String> = info.pids.iter().map(ToString::to_string).collect();
    add(
        "processes",
        or(Some(&pids.join(" ")).filter(|pids| !pids.is_empty()), "none"),
    );
    pairs
}

fn or(value: Option<impl AsRef<str>>, absent: &str) -> String {
    value.map_or_else(|| absent.to_owned(), |value| value.as_ref().to_owned())
}

fn limit(value: Option<u64>) -> String {
    value.map_or_else(|| "unlimited".to_owned(), |value| value.to_string())
}

fn start(info: &ComponentInfo) -> String {
    let by_itself = if info.auto_start {
        "by itself"
    } else {
        "only when asked for"
    };
    let delay = micros(info.start_delay_us);
    format!("{by_itself}, tier {}, startDelay {delay}", info.tier)
}

fn restart(info: &ComponentInfo) -> String {
    match (info.restart_policy.as_str(), info.max_retries) {
        ("never", _) => never(),
        (policy, 0) => policy.to_owned(),
        (policy, retries) => {
            let crashes = quantity::count(u64::from(retries), "crash", "crashes");
            format!("{policy}, given up after {crashes} in a row")
        }
    }
}

/// As it could be typed into a shell, so that it can be tried by hand.
fn command(words: &[String]) -> String {
    let quoted: Vec<String> = words.iter().map(|word| quote(word)).collect();
    quoted.join(" ")
}

fn quote(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-./:=@%+,".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}
