//! One component: a layer with everything in it resolved for one instance.

pub(super) mod checks;
mod java;

use super::diagnostic::{Finding, Span, shown};
use super::elements::{Argument, CommandElement, HealthElement, StopElement};
use super::layer::{Kind, Layer};
use super::paths::AbsolutePath;
use super::plan::{
    ComponentPlan, JavaPlan, LogPlan, OnFull, ProbePlan, RestartPlan, RestartPolicy, RunPlan, StopPlan,
    StopSignal,
};
use super::reactions::settled_triggers;
use super::reading::{Reading, Text};
use super::settings::expand;
use super::supervisor::Folders;
use super::values::{BadValue, integer};
use s7proto::name::ComponentName;
use std::path::PathBuf;
use std::time::Duration;

// The defaults of DESIGN 3.
const START_DELAY: Duration = Duration::from_secs(1);
const STOP_TIMEOUT: Duration = Duration::from_secs(60);
const UMASK: u32 = 0o022;
const LOG_SIZE: u64 = 50_000_000;
const LOG_FILES: u32 = 10;
const LOG_DAYS: u32 = 10;
/// The word that Tomcat's shutdown port waits for.
const STOP_TEXT: &str = "SHUTDOWN";
/// What the daemon itself sets for every run, and for commands beside it.
const OWN_VARIABLES: [&str; 4] = ["S7_COMPONENT", "S7_RUN", "S7_INSTANCE", "S7_COMMAND"];

/// Programs that a component needs, and where each is to be reported.
type Programs = Vec<(PathBuf, Span)>;

/// All that one component is made of.
pub(super) struct Builder<'a> {
    pub layer: &'a Layer,
    pub id: &'a ComponentName,
    /// The server's name, for messages: what is wrong with a server is worth one of them, not one for each instance.
    pub server: &'a ComponentName,
    pub instance: u32,
    pub port: Option<&'a Text>,
    pub folders: &'a Folders,
    /// The `<server>`.
    pub element: Span,
    /// The `<profile ref>` that brings the program, if one does.
    pub reference: Option<Span>,
    /// False where a profile is missing, and with it perhaps all that seems to be.
    pub complete: bool,
    /// Whether it refers to the 64-bit image server, which has no executable for Windows.
    pub image_server_64: bool,
}

impl Builder<'_> {
    /// The component, and the programs it needs. Its description and group are the caller's to fill in.
    pub fn build(&self, reading: &mut Reading<'_>) -> Option<(ComponentPlan, Programs)> {
        let mut programs = Vec::new();
        let layer = self.layer;
        // Everything is looked at before anything is given up, so that all errors come at once.
        let program = self.program(reading, &mut programs);
        let (mut arguments, java) = self.command_line(reading);
        let environment = self.environment(reading);
        let mut java = java.map(|java| self.java(java, (&arguments, &environment), reading));
        if layer.user.is_some()
            && let Some(java) = &mut java
        {
            java.move_error_file(&mut arguments, self.id);
        }
        let working_directory = match &layer.working_directory {
            Some(text) => self.path(text, "the working directory", reading),
            None => Some(self.folders.install.clone()),
        };
        let user = layer.user.as_ref().map(|text| self.account(text, reading));
        let group = layer.group.as_ref().map(|text| self.account(text, reading));
        let stop = self.stop(reading, &mut programs);
        let port = self.port.and_then(|text| self.port(text, "`port`", reading));
        let health = match &layer.health {
            // A server that only has a port is probed there.
            None => port.map(|port| self.numbers(ProbePlan::Tcp { port }, &HealthElement::default())),
            Some(health) => self.health(health, port, reading, &mut programs),
        };
        let readiness = layer.readiness.as_ref();
        let readiness = readiness.and_then(|health| self.health(health, port, reading, &mut programs));
        if let (Some(health), Some(readiness)) = (&health, &readiness) {
            self.have_room(health, readiness, reading);
        }
        let memory = layer.memory.settled(reading);
        let on_failure = layer.on_failure.as_ref();
        let on_failure = on_failure.and_then(|hook| self.hook(hook, reading, &mut programs));
        let triggers = settled_triggers(&layer.triggers, layer.dump.unwrap_or_default(), reading);
        let notify = self.notify(reading);
        let file = self.folders.logs.resolve(&format!("{}.log", self.id)).ok()?;
        let run = RunPlan {
            program: program?,
            arguments,
            inherit_environment: layer.inherit_environment,
            environment,
            working_directory: working_directory?.to_path_buf(),
            user,
            group,
            umask: layer.umask.unwrap_or(UMASK),
            limits: layer.limits.clone(),
        };
        let component = ComponentPlan {
            id: self.id.clone(),
            instance_of: None,
            description: String::new(),
            run,
            auto_start: layer.auto_start.unwrap_or(true),
            tier: layer.start_priority.unwrap_or(1),
            start_delay: layer.start_delay.unwrap_or(START_DELAY),
            stop_timeout: layer.stop_timeout.unwrap_or(STOP_TIMEOUT),
            restart: RestartPlan {
                policy: layer.policy.unwrap_or(RestartPolicy::Always),
                max_retries: layer.max_retries.unwrap_or(0),
                success: layer.success.clone().unwrap_or_else(|| vec![0]),
            },
            stop: stop?,
            health,
            readiness,
            notify,
            port,
            memory,
            on_failure,
            triggers,
            depends_on: Vec::new(),
            log: LogPlan {
                file: file.to_path_buf(),
                max_size: layer.max_size.unwrap_or(LOG_SIZE),
                max_files: layer.max_files.unwrap_or(LOG_FILES),
                max_days: layer.max_days.unwrap_or(LOG_DAYS),
                compress: layer.compress.unwrap_or(false),
                on_full: layer.on_full.unwrap_or(OnFull::Drop),
            },
            dump: layer.dump.unwrap_or_default(),
            java,
        };
        Some((component, programs))
    }

    fn program(&self, reading: &mut Reading<'_>, programs: &mut Programs) -> Option<PathBuf> {
        let Some(text) = &self.layer.executable else {
            if !self.complete {
                return None;
            }
            let message = format!("`{}` has no executable for {}", self.server, reading.os.name());
            let hint = match self.layer.foreign_executable {
                true if self.image_server_64 => {
                    "the documents say that the 64-bit image server doesn't start there; \
                     set SV::ImageServerMode to ImageServer32"
                }
                true => "one is given, but for the other system only",
                false => "give it an `<executable>`, or a profile that has one",
            };
            reading
                .findings
                .report(Finding::error(self.element, message).hint(hint));
            return None;
        };
        self.needed(text, reading, programs)
    }

    /// The path of a program that has to be there.
    fn needed(&self, text: &Text, reading: &mut Reading<'_>, programs: &mut Programs) -> Option<PathBuf> {
        let path = self.path(text, "the executable", reading)?.to_path_buf();
        // A profile from elsewhere is shared or built in, so the server's reference to it is shown instead.
        let at = match self.reference {
            Some(reference) if text.at.source != self.element.source => reference,
            _ => text.at,
        };
        programs.push((path.clone(), at));
        Some(path)
    }

    /// The arguments, and for Java what in them depends on its version.
    fn command_line(&self, reading: &mut Reading<'_>) -> (Vec<String>, Option<JavaPlan>) {
        let layer = self.layer;
        let texts = |arguments: &[Argument], reading: &mut Reading<'_>| -> Vec<String> {
            let all = arguments.iter();
            all.map(|argument| self.plain(&argument.text, "an argument", reading))
                .collect()
        };
        if layer.kind != Some(Kind::Java) {
            if self.complete {
                self.refuse_java_parts(reading);
            }
            let mut all = texts(&layer.arguments, reading);
            all.extend(texts(&layer.program_arguments, reading));
            return (all, None);
        }
        let options: Vec<&Argument> = layer.vm_arguments.iter().chain(&layer.arguments).collect();
        let only_from = options.iter().enumerate();
        let only_from = only_from.filter_map(|(index, option)| option.java_from.map(|from| (index, from)));
        let java = JavaPlan {
            options: options.len(),
            only_from: only_from.collect(),
            drop: layer.drop.clone(),
            ..JavaPlan::default()
        };
        // The version of the Java is not known here, so every option stays as it was written.
        let mut all = texts(&layer.vm_arguments, reading);
        all.extend(texts(&layer.arguments, reading));
        self.look_at_options(&options, &all, reading);
        let entries: Vec<String> = layer
            .class_path
            .iter()
            .filter_map(|entry| self.path(entry, "an entry of the class path", reading))
            .map(|path| path.as_str().to_owned())
            .collect();
        if !entries.is_empty() {
            all.push("-classpath".into());
            all.push(entries.join(reading.os.list_separator()));
        }
        match &layer.main_class {
            Some(text) => all.push(self.plain(text, "the main class", reading)),
            None if !self.complete || all.iter().any(|argument| argument == "-jar") => {}
            None => {
                let message = format!(
                    "`{}` runs Java, and nothing says what Java is to run",
                    self.server
                );
                reading.findings.report(
                    Finding::error(self.element, message).hint("add a profile that has a `<mainClass>`"),
                );
            }
        }
        all.extend(texts(&layer.program_arguments, reading));
        (all, Some(java))
    }

    fn environment(&self, reading: &mut Reading<'_>) -> Vec<(String, String)> {
        let mut all = Vec::with_capacity(self.layer.variables.len());
        for (name, value) in &self.layer.variables {
            let bad = |c: char| c == '=' || c.is_control();
            if name.sound && name.value.chars().any(bad) {
                let message = format!("`{}` can't be the name of a variable", shown(&name.value));
                reading.findings.report(
                    Finding::error(name.at, message).hint("a name holds neither `=` nor control characters"),
                );
            }
            if OWN_VARIABLES.contains(&name.value.as_str()) {
                let message = format!("`{}` is set by the supervisor itself", name.value);
                reading
                    .findings
                    .report(Finding::error(name.at, message).hint("choose another name"));
            }
            let value = self.plain(value, "the value of a variable", reading);
            all.push((name.value.clone(), value));
        }
        all
    }

    fn stop(&self, reading: &mut Reading<'_>, programs: &mut Programs) -> Option<StopPlan> {
        Some(match &self.layer.stop {
            None => StopPlan::Signal(StopSignal::Term),
            Some(StopElement::Signal(signal)) => StopPlan::Signal(*signal),
            Some(StopElement::Console) => StopPlan::Console,
            Some(StopElement::Tcp { host, port, text }) => StopPlan::Tcp {
                host: match host {
                    Some(host) => self.plain(host, "a host", reading),
                    None => "127.0.0.1".into(),
                },
                port: self.port(port, "`port`", reading)?,
                text: match text {
                    Some(text) => self.expanded(text, reading),
                    None => STOP_TEXT.into(),
                },
            },
            Some(StopElement::Command(command)) => {
                let (program, arguments) = self.command(command, reading, programs)?;
                StopPlan::Command { program, arguments }
            }
        })
    }

    fn command(
        &self,
        command: &CommandElement,
        reading: &mut Reading<'_>,
        programs: &mut Programs,
    ) -> Option<(PathBuf, Vec<String>)> {
        let arguments = command.arguments.iter();
        let arguments = arguments
            .map(|text| self.plain(text, "an argument", reading))
            .collect();
        Some((self.needed(&command.executable, reading, programs)?, arguments))
    }

    fn port(&self, text: &Text, what: &str, reading: &mut Reading<'_>) -> Option<u16> {
        let expanded = Text {
            value: self.expanded(text, reading),
            ..text.clone()
        };
        reading.typed(&expanded, what, |text| {
            let number = integer(text, &(1..=65535))?;
            u16::try_from(number).map_err(|_| BadValue {
                message: format!("`{number}` is out of range"),
                hint: None,
            })
        })
    }

    fn account(&self, text: &Text, reading: &mut Reading<'_>) -> String {
        let name = self.plain(text, "the name of an account", reading);
        if text.sound && name.contains([':', '/']) {
            let message = format!("`{}` can't be the name of an account", shown(&name));
            reading.findings.report(Finding::error(text.at, message));
        }
        name
    }

    fn path(&self, text: &Text, what: &str, reading: &mut Reading<'_>) -> Option<AbsolutePath> {
        let value = self.expanded(text, reading);
        if !text.sound {
            // What is written can't be used, but nothing more is to be said of it.
            return Some(self.folders.install.clone());
        }
        match self.folders.install.resolve(&value) {
            Ok(path) => Some(path),
            Err(error) => {
                let message = format!("this can't be the path of {what}: {error}");
                reading.findings.report(
                    Finding::error(text.at, message)
                        .hint("write a path, absolute or relative to the install folder"),
                );
                None
            }
        }
    }

    /// The text with `${…}` replaced; control characters in it are reported.
    fn plain(&self, text: &Text, what: &str, reading: &mut Reading<'_>) -> String {
        let value = self.expanded(text, reading);
        if let Some(found) = value.chars().find(|c| c.is_control()) {
            let message = format!("{what} can't hold the control character {found:?}");
            reading
                .findings
                .report(Finding::error(text.at, message).hint("remove it"));
        }
        value
    }

    fn expanded(&self, text: &Text, reading: &mut Reading<'_>) -> String {
        if !text.value.contains("${") {
            return text.value.clone();
        }
        let instance = self.instance.to_string();
        let neighbours = &self.folders.neighbours;
        let (image_server, svg) = (
            neighbours.image_server_port.to_string(),
            neighbours.svg_port.to_string(),
        );
        let variables = [
            ("install_folder", Some(self.folders.install.as_str())),
            ("temp", Some(self.folders.temp.as_str())),
            ("logs", Some(self.folders.logs.as_str())),
            ("id", Some(self.id.as_str())),
            ("instance", Some(instance.as_str())),
            ("image_server_port", Some(image_server.as_str())),
            ("svg_port", Some(svg.as_str())),
            ("platform_server", Some(neighbours.platform_server.as_str())),
        ];
        expand(&text.value, text.at, &variables, reading.findings)
    }
}
