//! What a `<profile>` and a `<server>` have in common, and how one is laid over the other.

use super::diagnostic::{Finding, shown};
use super::elements::{
    Argument, HealthElement, StopElement, read_arguments, read_dump, read_executable, read_health,
    read_limit, read_stop,
};
use super::notify::{NotifyElement, read_notify};
use super::paths::Os;
use super::plan::{DropPlan, DumpPlan, LimitPlan, OnFull, RestartPolicy};
use super::reactions::{HookElement, MemoryElement, TriggerElement, read_hook, read_memory, read_triggers};
use super::reading::{Reading, Text};
use super::tree::Element;
use super::values::{BadValue, boolean, duration, exit_codes, integer, size, umask, word};
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::ops::RangeInclusive;
use std::time::Duration;

/// What kind of command line is built.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// The program and its arguments.
    Native,
    /// Java: options, class path, main class, arguments.
    Java,
}

/// One profile, one server, or several laid over each other. What isn't given is empty.
#[derive(Debug, Clone, Default)]
pub(super) struct Layer {
    pub kind: Option<Kind>,
    pub executable: Option<Text>,
    /// An executable is given, but for the other system only.
    pub foreign_executable: bool,
    pub vm_arguments: Vec<Argument>,
    pub arguments: Vec<Argument>,
    pub program_arguments: Vec<Argument>,
    pub class_path: Vec<Text>,
    pub main_class: Option<Text>,
    pub inherit_environment: Option<bool>,
    pub variables: Vec<(Text, Text)>,
    pub working_directory: Option<Text>,
    pub user: Option<Text>,
    pub group: Option<Text>,
    pub umask: Option<u32>,
    pub limits: Vec<LimitPlan>,
    pub auto_start: Option<bool>,
    pub start_priority: Option<i32>,
    pub start_delay: Option<Duration>,
    pub stop_timeout: Option<Duration>,
    pub startup_timeout: Option<Duration>,
    pub policy: Option<RestartPolicy>,
    pub max_retries: Option<u32>,
    pub success: Option<Vec<i32>>,
    pub stop: Option<StopElement>,
    pub health: Option<HealthElement>,
    pub readiness: Option<HealthElement>,
    pub memory: MemoryElement,
    pub on_failure: Option<HookElement>,
    pub triggers: Vec<TriggerElement>,
    pub notify: Option<NotifyElement>,
    pub max_size: Option<u64>,
    pub max_files: Option<u32>,
    pub max_days: Option<u32>,
    pub compress: Option<bool>,
    pub on_full: Option<OnFull>,
    pub drop: Vec<DropPlan>,
    pub dump: Option<DumpPlan>,
}

/// The elements that a layer is read from.
pub(super) const ELEMENTS: [&str; 33] = [
    "description",
    "executable",
    "arguments",
    "environment",
    "workingDirectory",
    "user",
    "group",
    "umask",
    "limits",
    "autoStart",
    "startPriority",
    "startDelay",
    "stopTimeout",
    "restart",
    "stop",
    "health",
    "readiness",
    "memory",
    "onFailure",
    "match",
    "notify",
    "log",
    "vmArguments",
    "classpath",
    "mainClass",
    "programArguments",
    "startupTimeout",
    "dropArguments",
    "exit",
    "dump",
    // Only in a server:
    "profile",
    "instances",
    "dependsOn",
];

// The ranges of values. The documents give none but for `tracestatsinterval`; these keep out what can only be a
// mistake, and keep sums of times far from any overflow.
const START_PRIORITY: RangeInclusive<i64> = -1_000_000..=1_000_000;
const START_DELAY: RangeInclusive<Duration> = Duration::ZERO..=Duration::from_secs(3600);
const STOP_TIMEOUT: RangeInclusive<Duration> = Duration::ZERO..=Duration::from_secs(86_400);
pub(super) const STARTUP_TIMEOUT: RangeInclusive<Duration> =
    Duration::from_secs(1)..=Duration::from_secs(86_400);
const MAX_RETRIES: RangeInclusive<i64> = 0..=1_000_000;
/// From 4 KiB, below which a file would be rotated for every few lines.
const LOG_SIZE: RangeInclusive<u64> = 4096..=1 << 40;
const LOG_FILES: RangeInclusive<i64> = 0..=10_000;
const LOG_DAYS: RangeInclusive<i64> = 1..=36_500;
pub(super) const JAVA_VERSION: RangeInclusive<i64> = 1..=1000;

/// A parser for a whole number in a range whose bounds all fit in 32 bits.
pub(super) fn count(range: RangeInclusive<i64>) -> impl FnOnce(&str) -> Result<u32, BadValue> {
    move |text| integer(text, &range).map(|number| u32::try_from(number).unwrap_or(u32::MAX))
}

impl Layer {
    /// Reads what is in `element`. What is unknown in it is the caller's to report.
    pub fn read(element: &Element, reading: &mut Reading<'_>) -> Self {
        let mut layer = Self::default();
        layer.read_command(element, reading);
        layer.read_surroundings(element, reading);
        layer.read_life(element, reading);
        layer.stop = read_stop(element, reading);
        layer.health = read_health(element, "health", reading);
        layer.readiness = read_health(element, "readiness", reading);
        layer.memory = read_memory(element, reading);
        layer.on_failure = read_hook(element, reading);
        layer.triggers = read_triggers(element, reading);
        layer.notify = read_notify(element, reading);
        layer.read_log(element, reading);
        layer.read_java(element, reading);
        layer
    }

    fn read_command(&mut self, element: &Element, reading: &mut Reading<'_>) {
        (self.executable, self.foreign_executable) = read_executable(element, reading);
        self.arguments = read_arguments(element, "arguments", reading);
        self.program_arguments = read_arguments(element, "programArguments", reading);
    }

    fn read_surroundings(&mut self, element: &Element, reading: &mut Reading<'_>) {
        if let Some(environment) = reading.one(element, "environment") {
            reading.shape(environment, &["variable"], &["inherit"]);
            self.inherit_environment = reading.typed_attribute(environment, "inherit", boolean);
            let mut seen = HashMap::new();
            for variable in environment
                .children
                .iter()
                .filter(|child| child.name == "variable")
            {
                reading.flat(variable, &["name", "value"]);
                let name = reading.required_attribute(variable, "name");
                let value = reading.verbatim_attribute(variable, "value");
                if value.is_none() {
                    let hint = "write it as <variable name=\"NAME\" value=\"text\"/>";
                    let finding = Finding::error(variable.tag, "`<variable>` has no `value`").hint(hint);
                    reading.findings.report(finding);
                }
                let (Some(name), Some(value)) = (name, value) else {
                    continue;
                };
                match seen.get(&variable_key(reading.os, &name)) {
                    Some(first) => {
                        reading.twice(name.at, *first, &format!("the variable `{}`", shown(&name.value)))
                    }
                    None => {
                        seen.insert(variable_key(reading.os, &name), name.at);
                        self.variables.push((name, value));
                    }
                }
            }
        }
        self.working_directory = reading.filled_leaf(element, "workingDirectory");
        self.user = reading.filled_leaf(element, "user");
        self.group = reading.filled_leaf(element, "group");
        self.umask = reading.typed_leaf(element, "umask", umask);
        if let Some(limits) = reading.one(element, "limits") {
            reading.shape(limits, &["limit"], &[]);
            let mut seen = Vec::new();
            for limit in limits.children.iter().filter(|child| child.name == "limit") {
                let Some(plan) = read_limit(limit, reading) else {
                    continue;
                };
                match seen.iter().find(|(resource, _)| *resource == plan.resource) {
                    Some((_, first)) => reading.twice(limit.tag, *first, "this limit"),
                    None => {
                        seen.push((plan.resource, limit.tag));
                        self.limits.push(plan);
                    }
                }
            }
        }
    }

    fn read_life(&mut self, element: &Element, reading: &mut Reading<'_>) {
        self.auto_start = reading.typed_leaf(element, "autoStart", boolean);
        self.start_priority = reading.typed_leaf(element, "startPriority", |text| {
            integer(text, &START_PRIORITY).map(|number| i32::try_from(number).unwrap_or_default())
        });
        self.start_delay = reading.typed_leaf(element, "startDelay", |text| duration(text, &START_DELAY));
        self.stop_timeout = reading.typed_leaf(element, "stopTimeout", |text| duration(text, &STOP_TIMEOUT));
        self.startup_timeout =
            reading.typed_leaf(element, "startupTimeout", |text| duration(text, &STARTUP_TIMEOUT));
        // `<exit>` is the profiles' older form of what `<restart>` says, which therefore comes second.
        if let Some(exit) = reading.one(element, "exit") {
            reading.flat(exit, &["success", "restart"]);
            self.success = reading.typed_attribute(exit, "success", exit_codes);
            self.policy = reading.typed_attribute(exit, "restart", |text| {
                word(text, &[("*", RestartPolicy::Always), ("", RestartPolicy::Never)])
            });
        }
        if let Some(restart) = reading.one(element, "restart") {
            reading.flat(restart, &["policy", "maxRetries", "successExitCodes"]);
            let policy = reading.typed_attribute(restart, "policy", |text| {
                word(
                    text,
                    &[
                        ("always", RestartPolicy::Always),
                        ("onFailure", RestartPolicy::OnFailure),
                        ("never", RestartPolicy::Never),
                    ],
                )
            });
            self.policy = policy.or(self.policy);
            self.max_retries = reading.typed_attribute(restart, "maxRetries", count(MAX_RETRIES));
            let success = reading.typed_attribute(restart, "successExitCodes", exit_codes);
            self.success = success.or(self.success.take());
        }
        if let Some(dump) = reading.one(element, "dump") {
            self.dump = Some(read_dump(dump, reading));
        }
    }

    fn read_log(&mut self, element: &Element, reading: &mut Reading<'_>) {
        let Some(log) = reading.one(element, "log") else {
            return;
        };
        reading.flat(log, &["maxSize", "maxFiles", "maxDays", "compress", "onFull"]);
        self.max_size = reading.typed_attribute(log, "maxSize", |text| size(text, &LOG_SIZE));
        self.max_files = reading.typed_attribute(log, "maxFiles", count(LOG_FILES));
        self.max_days = reading.typed_attribute(log, "maxDays", count(LOG_DAYS));
        self.compress = reading.typed_attribute(log, "compress", boolean);
        self.on_full = reading.typed_attribute(log, "onFull", |text| {
            word(text, &[("drop", OnFull::Drop), ("block", OnFull::Block)])
        });
    }

    fn read_java(&mut self, element: &Element, reading: &mut Reading<'_>) {
        self.vm_arguments = read_arguments(element, "vmArguments", reading);
        if let Some(class_path) = reading.one(element, "classpath") {
            reading.shape(class_path, &["entry"], &[]);
            for entry in class_path.children.iter().filter(|child| child.name == "entry") {
                reading.shape(entry, &[], &[]);
                let text = reading.text(entry);
                self.class_path.extend(reading.filled(text, "`<entry>`"));
            }
        }
        self.main_class = reading.filled_leaf(element, "mainClass");
        for drop in element
            .children
            .iter()
            .filter(|child| child.name == "dropArguments")
        {
            reading.flat(drop, &["match", "javaFrom"]);
            let pattern = reading.required_attribute(drop, "match");
            // Without a version the option is left out for every Java.
            let from = reading.typed_attribute(drop, "javaFrom", count(JAVA_VERSION));
            self.drop.extend(pattern.map(|pattern| DropPlan {
                pattern: pattern.value,
                from: from.unwrap_or(1),
            }));
        }
    }

    /// This layer with `later` over it: of single values the later wins, lists are put together, of variables and
    /// limits the later wins by name (windows-and-scene7 A.4).
    pub fn under(mut self, later: &Self) -> Self {
        fn over<T: Clone>(earlier: &mut Option<T>, later: &Option<T>) {
            if later.is_some() {
                earlier.clone_from(later);
            }
        }
        over(&mut self.kind, &later.kind);
        over(&mut self.executable, &later.executable);
        self.foreign_executable |= later.foreign_executable;
        self.vm_arguments.extend_from_slice(&later.vm_arguments);
        self.arguments.extend_from_slice(&later.arguments);
        self.program_arguments.extend_from_slice(&later.program_arguments);
        self.class_path.extend_from_slice(&later.class_path);
        over(&mut self.main_class, &later.main_class);
        over(&mut self.inherit_environment, &later.inherit_environment);
        self.variables.extend_from_slice(&later.variables);
        over(&mut self.working_directory, &later.working_directory);
        over(&mut self.user, &later.user);
        over(&mut self.group, &later.group);
        over(&mut self.umask, &later.umask);
        for limit in &later.limits {
            self.limits.retain(|earlier| earlier.resource != limit.resource);
            self.limits.push(*limit);
        }
        over(&mut self.auto_start, &later.auto_start);
        over(&mut self.start_priority, &later.start_priority);
        over(&mut self.start_delay, &later.start_delay);
        over(&mut self.stop_timeout, &later.stop_timeout);
        over(&mut self.startup_timeout, &later.startup_timeout);
        over(&mut self.policy, &later.policy);
        over(&mut self.max_retries, &later.max_retries);
        over(&mut self.success, &later.success);
        over(&mut self.stop, &later.stop);
        over(&mut self.health, &later.health);
        over(&mut self.readiness, &later.readiness);
        self.memory = self.memory.under(later.memory);
        over(&mut self.on_failure, &later.on_failure);
        self.triggers.extend_from_slice(&later.triggers);
        over(&mut self.notify, &later.notify);
        over(&mut self.max_size, &later.max_size);
        over(&mut self.max_files, &later.max_files);
        over(&mut self.max_days, &later.max_days);
        over(&mut self.compress, &later.compress);
        over(&mut self.on_full, &later.on_full);
        self.drop.extend_from_slice(&later.drop);
        over(&mut self.dump, &later.dump);
        self
    }

    /// Each variable once, with its last value, at its first place.
    pub fn settled(mut self, os: Os) -> Self {
        let mut places: HashMap<String, usize> = HashMap::new();
        let mut settled: Vec<(Text, Text)> = Vec::with_capacity(self.variables.len());
        for variable in self.variables {
            match places.entry(variable_key(os, &variable.0)) {
                Entry::Occupied(place) => settled[*place.get()] = variable,
                Entry::Vacant(place) => {
                    place.insert(settled.len());
                    settled.push(variable);
                }
            }
        }
        self.variables = settled;
        self
    }
}

/// What two names of one variable have in common: on Windows upper and lower case are the same.
fn variable_key(os: Os, name: &Text) -> String {
    match os {
        Os::Linux => name.value.clone(),
        Os::Windows => name.value.to_uppercase(),
    }
}
