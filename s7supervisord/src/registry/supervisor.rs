//! `<config>`: what concerns the daemon itself.

use super::diagnostic::{Finding, Span};
use super::layer::Layer;
use super::neighbours::Neighbours;
use super::paths::{AbsolutePath, names_a_folder};
use super::plan::SupervisorPlan;
use super::reactions::read_hook;
use super::reading::{Reading, Text};
use super::settings::{Variables, expand};
use super::tree::Element;
use super::values::{BadValue, duration, integer};
use std::ops::RangeInclusive;
use std::time::Duration;

/// The documented range, below which 0 stands for never.
const STATS_INTERVAL: RangeInclusive<Duration> = Duration::from_secs(5)..=Duration::from_secs(86_400);

/// The folders that paths and `${…}` of components are made of.
#[derive(Debug)]
pub(super) struct Folders {
    /// The install folder.
    pub install: AbsolutePath,
    /// Where component output goes.
    pub logs: AbsolutePath,
    /// Where intermediate data goes.
    pub temp: AbsolutePath,
    /// The name of the daemon's own log, without its suffix.
    pub log_stem: String,
    /// Where the documented components listen.
    pub neighbours: Neighbours,
}

/// Reads `<config>` in `root`; everything in it has a default. The layer is what it says for all components, and lies under
/// everything that they say themselves.
pub(super) fn read(
    root: &Element,
    install: AbsolutePath,
    neighbours: Neighbours,
    reading: &mut Reading<'_>,
) -> (SupervisorPlan, Folders, Layer) {
    let empty = Element {
        name: "config".into(),
        tag: root.tag,
        attributes: Vec::new(),
        children: Vec::new(),
        text: String::new(),
        text_at: root.text_at,
    };
    let config = reading.one(root, "config").unwrap_or(&empty);
    reading.shape(
        config,
        &[
            "tcpport",
            "log",
            "temp",
            "tracelevel",
            "tracestatsinterval",
            "onFailure",
        ],
        &[],
    );
    let log = path(config, "log", "SV::log", &install, reading);
    let temp = path(config, "temp", "SV::temp", &install, reading);
    let trace_level = leaf_or(config, "tracelevel", "SV::tracelevel", reading);
    let trace_level = reading.typed(&trace_level, "`<tracelevel>`", |text| integer(text, &(1..=4)));
    let stats_interval = reading.typed_leaf(config, "tracestatsinterval", |text| {
        match duration(text, &(Duration::ZERO..=Duration::MAX)) {
            Ok(Duration::ZERO) => Ok(None),
            _ => duration(text, &STATS_INTERVAL).map(Some).map_err(|bad| BadValue {
                hint: bad.hint.map(|hint| format!("{hint}, or 0 for never")),
                ..bad
            }),
        }
    });
    let tcp_port = reading.typed_leaf(config, "tcpport", |text| integer(text, &(0..=65535)));
    let plan = SupervisorPlan {
        logs_folder: log.parent().to_path_buf(),
        log: log.to_path_buf(),
        temp: temp.to_path_buf(),
        trace_level: trace_level
            .and_then(|level| u8::try_from(level).ok())
            .unwrap_or(2),
        stats_interval: stats_interval.flatten(),
        tcp_port: tcp_port
            .and_then(|port| u16::try_from(port).ok())
            .filter(|port| *port != 0),
    };
    let stem = log.file_name();
    let folders = Folders {
        logs: log.parent(),
        temp,
        install,
        neighbours,
        log_stem: stem.rsplit_once('.').map_or(stem, |(stem, _)| stem).to_owned(),
    };
    let for_all = Layer {
        on_failure: read_hook(config, reading),
        ..Layer::default()
    };
    (plan, folders, for_all)
}

/// The text of a leaf, or what its documented placeholder stands for where the leaf is absent.
fn leaf_or(config: &Element, name: &str, placeholder: &str, reading: &mut Reading<'_>) -> Text {
    if let Some(text) = reading.leaf(config, name) {
        return text;
    }
    let resolved = reading
        .settings
        .resolve(placeholder, config.tag, reading.findings);
    Text {
        at: config.tag,
        sound: resolved.is_some(),
        value: resolved.unwrap_or_default(),
    }
}

fn path(
    config: &Element,
    name: &str,
    placeholder: &str,
    install: &AbsolutePath,
    reading: &mut Reading<'_>,
) -> AbsolutePath {
    let text = leaf_or(config, name, placeholder, reading);
    if !text.sound {
        return install.clone();
    }
    let variables: &Variables<'_> = &[
        ("install_folder", Some(install.as_str())),
        ("temp", None),
        ("logs", None),
        ("id", None),
        ("instance", None),
    ];
    let value = expand(&text.value, text.at, variables, reading.findings);
    if name == "log" && names_a_folder(reading.os, &value) {
        report(
            text.at,
            name,
            "it ends like a folder, and the log's name is needed too",
            reading,
        );
        return install.clone();
    }
    match install.resolve(&value) {
        Ok(path) => path,
        Err(error) => {
            report(text.at, name, &error.to_string(), reading);
            install.clone()
        }
    }
}

fn report(at: Span, name: &str, why: &str, reading: &mut Reading<'_>) {
    reading.findings.report(
        Finding::error(at, format!("this can't be the path of `<{name}>`: {why}"))
            .hint("write a path, absolute or relative to the install folder"),
    );
}
