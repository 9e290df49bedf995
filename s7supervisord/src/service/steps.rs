//! What is to be done to install, remove or control the service: planned first, so that it can be shown, then done.

use super::own::{self, Found};
use super::{init_script, unit};
use crate::platform::service_manager::{self, Kind};
use crate::{Failure, exit};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long what is left in the control group of a stopped service may take to end before it is killed.
const PATIENCE: Duration = Duration::from_secs(5);
/// What an edited file is renamed to before it is replaced: no service manager reads a name that ends so.
const KEPT: &str = ".s7-kept";

/// The system that is worked on.
#[derive(Debug, Clone)]
pub struct Target {
    kind: Kind,
    root: PathBuf,
}

impl Target {
    /// The system under `root`, with the service manager that it has.
    #[must_use]
    pub fn new(kind: Kind, root: &Path) -> Self {
        Self {
            kind,
            root: root.to_owned(),
        }
    }

    /// Whether it is the system that this process runs on, and not only its files.
    #[must_use]
    pub fn runs(&self) -> bool {
        self.root == Path::new("/")
    }

    fn file(&self) -> PathBuf {
        self.root.join(match self.kind {
            Kind::Systemd(_) => unit::FILE,
            Kind::InitScripts => init_script::FILE,
        })
    }

    /// What lies where the service's file is to lie.
    fn there(&self) -> Result<Option<Vec<u8>>, Failure> {
        let path = self.file();
        match std::fs::read(&path) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => {
                let what = format!("reading {}: {error}", path.display());
                Err(Failure::new(exit::PERMISSION, what))
            }
        }
    }

    /// The command that has the service started at each boot, or no longer.
    fn enable(&self, yes: bool) -> Option<Step> {
        let words: Vec<&str> = match self.kind {
            Kind::Systemd(_) => {
                let verb = if yes { "enable" } else { "disable" };
                let root = format!("--root={}", self.root.display());
                let root = if self.runs() { None } else { Some(root) };
                let mut words = vec!["systemctl".to_owned()];
                words.extend(root);
                words.extend([verb.to_owned(), unit::NAME.to_owned()]);
                return Some(Step::Run(words));
            }
            Kind::InitScripts if !self.runs() => return None,
            Kind::InitScripts if service_manager::has_program("update-rc.d") => match yes {
                true => vec!["update-rc.d", init_script::NAME, "defaults"],
                false => vec!["update-rc.d", "-f", init_script::NAME, "remove"],
            },
            Kind::InitScripts if service_manager::has_program("chkconfig") => match yes {
                true => vec!["chkconfig", "--add", init_script::NAME],
                false => vec!["chkconfig", "--del", init_script::NAME],
            },
            Kind::InitScripts => return None,
        };
        Some(run(&words))
    }
}

/// One thing to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Step {
    /// Write this file.
    Write {
        path: PathBuf,
        text: String,
        executable: bool,
    },
    /// Rename a file, so that it is kept.
    Keep { from: PathBuf, to: PathBuf },
    /// Remove this file.
    Remove(PathBuf),
    /// Run a program of the service manager; it must end with 0.
    Run(Vec<String>),
    /// Run one that may have nothing to do.
    Try(Vec<String>),
    /// End what is left in the control group of the stopped service.
    EndGroup,
    /// Say something.
    Say(String),
}

fn run(words: &[&str]) -> Step {
    Step::Run(words.iter().map(|word| (*word).to_owned()).collect())
}

fn attempt(words: &[&str]) -> Step {
    Step::Try(words.iter().map(|word| (*word).to_owned()).collect())
}

/// What is to be done, in order.
#[derive(Debug, Default)]
pub struct Plan(Vec<Step>);

/// Plans the installation of a service with this file.
///
/// # Errors
/// Somebody else's or an edited file is there, and `force` isn't given.
pub fn install(target: &Target, text: &str, force: bool) -> Result<Plan, Failure> {
    let path = target.file();
    let found = own::compare(target.there()?.as_deref(), text);
    let mut steps = Vec::new();
    match found {
        Found::Same => steps.push(Step::Say(format!("{} is as it should be", path.display()))),
        Found::Nothing | Found::Own => {}
        Found::Edited | Found::Foreign if force => {
            let mut kept = path.clone().into_os_string();
            kept.push(KEPT);
            steps.push(Step::Keep {
                from: path.clone(),
                to: kept.into(),
            });
        }
        Found::Edited | Found::Foreign => return Err(not_ours(&path, found, "replaced")),
    }
    if found != Found::Same {
        steps.push(Step::Write {
            path,
            text: text.to_owned(),
            executable: target.kind == Kind::InitScripts,
        });
    }
    if target.runs() && matches!(target.kind, Kind::Systemd(_)) {
        steps.push(run(&["systemctl", "daemon-reload"]));
    }
    match target.enable(true) {
        Some(enable) => steps.push(enable),
        None => steps.push(Step::Say(
            "it is not linked into the runlevels; do that with the tool of this system".to_owned(),
        )),
    }
    steps.extend(drop_ins(target, "add to it"));
    if target.runs() {
        let next = if matches!(found, Found::Same | Found::Nothing) {
            "it starts at the next boot, and now with: s7supervisord service start"
        } else {
            "what has changed holds from its next start on: s7supervisord service restart"
        };
        steps.push(Step::Say(next.to_owned()));
    }
    Ok(Plan(steps))
}

/// Plans the removal of the service.
///
/// # Errors
/// Somebody else's or an edited file is there, and `force` isn't given.
pub fn uninstall(target: &Target, force: bool) -> Result<Plan, Failure> {
    let path = target.file();
    // Nothing that this program writes is empty, so what is there is never the same as this.
    match own::compare(target.there()?.as_deref(), "") {
        Found::Nothing => {
            let what = format!("the service is not installed: there is no {}", path.display());
            return Ok(Plan(vec![Step::Say(what)]));
        }
        found @ (Found::Edited | Found::Foreign) if !force => {
            return Err(not_ours(&path, found, "removed"));
        }
        Found::Same | Found::Own | Found::Edited | Found::Foreign => {}
    }
    let mut steps = Vec::new();
    if target.runs() {
        steps.extend(control(target, "stop")?.0);
    }
    match target.kind {
        Kind::Systemd(_) => {
            steps.extend(target.enable(false));
            if target.runs() {
                // The runtime folder, which outlives the service otherwise.
                steps.push(attempt(&["systemctl", "clean", "--what=runtime", unit::NAME]));
            }
            steps.push(Step::Remove(path));
            if target.runs() {
                steps.push(run(&["systemctl", "daemon-reload"]));
                steps.push(attempt(&["systemctl", "--quiet", "reset-failed", unit::NAME]));
            }
        }
        Kind::InitScripts => {
            steps.push(Step::Remove(path));
            steps.extend(target.enable(false));
        }
    }
    steps.extend(drop_ins(target, "are yours and stay"));
    Ok(Plan(steps))
}

/// Plans `start`, `stop` or `restart`.
///
/// # Errors
/// The service isn't installed.
pub fn control(target: &Target, verb: &str) -> Result<Plan, Failure> {
    if target.there()?.is_none() {
        return Err(not_installed(target));
    }
    let script = target.file().display().to_string();
    let mut steps = match target.kind {
        Kind::Systemd(_) => vec![run(&["systemctl", verb, unit::NAME])],
        Kind::InitScripts => vec![run(&[&script, verb])],
    };
    if verb == "stop" && matches!(target.kind, Kind::Systemd(_)) {
        steps.push(Step::EndGroup);
    }
    Ok(Plan(steps))
}

/// `systemctl status` ends with it, and an init script's `status` by the Linux Standard Base, where nothing is known of a service.
const UNKNOWN: u8 = 4;

/// Shows what the service manager knows; its exit code is the answer.
///
/// # Errors
/// It can't be asked.
pub fn status(target: &Target, dry_run: bool) -> Result<u8, Failure> {
    let script = target.file().display().to_string();
    let words = match target.kind {
        Kind::Systemd(_) => vec!["systemctl", "--no-pager", "status", unit::NAME],
        Kind::InitScripts if target.there()?.is_none() => {
            let Failure { message, .. } = not_installed(target);
            return Err(Failure::new(UNKNOWN, message));
        }
        Kind::InitScripts => vec![script.as_str(), "status"],
    };
    if dry_run {
        println!("would run: {}", words.join(" "));
        return Ok(exit::OK);
    }
    service_manager::call(&words).map_err(|why| Failure::new(exit::INTERNAL, why))
}

fn not_installed(target: &Target) -> Failure {
    let what = format!(
        "the service is not installed: there is no {}; install it with: s7supervisord service install",
        target.file().display()
    );
    Failure::new(exit::INTERNAL, what)
}

fn not_ours(path: &Path, found: Found, what: &str) -> Failure {
    let whose = match found {
        Found::Edited => "was edited by somebody since it was installed",
        _ => "was not written by this program",
    };
    let what = format!(
        "{} {whose}, so it is not {what}; give --force to have that done all the same",
        path.display()
    );
    Failure::new(exit::PERMISSION, what)
}

/// Says that an administrator has additions, which are left alone.
fn drop_ins(target: &Target, what: &str) -> Option<Step> {
    let folder = target.root.join(unit::DROP_INS);
    let there = matches!(target.kind, Kind::Systemd(_)) && folder.is_dir();
    there.then(|| Step::Say(format!("the drop-ins in {} {what}", folder.display())))
}

impl Plan {
    /// Does it all, and says what; or only says what would be done.
    ///
    /// # Errors
    /// A step has failed; those before it are done.
    pub fn carry_out(&self, dry_run: bool) -> Result<(), Failure> {
        for step in &self.0 {
            if dry_run {
                println!("{}", step.words("would ", ""));
            } else {
                step.carry_out()?;
            }
        }
        Ok(())
    }
}

impl Step {
    /// What it does, after `how` and with this ending of the verb: "would write X", "writing X".
    fn words(&self, how: &str, ending: &str) -> String {
        let verb = |verb: &str, bare: &str| match ending {
            "" => format!("{how}{verb}"),
            _ => format!("{how}{bare}{ending}"),
        };
        match self {
            Self::Write { path, .. } => format!("{} {}", verb("write", "writ"), path.display()),
            Self::Keep { from, to } => {
                let keep = verb("keep", "keep");
                format!("{keep} {} as {}", from.display(), to.display())
            }
            Self::Remove(path) => format!("{} {}", verb("remove", "remov"), path.display()),
            Self::Run(words) | Self::Try(words) => format!("{} {}", verb("run", "runn"), words.join(" ")),
            Self::EndGroup => format!("{} what is left of the service", verb("end", "end")),
            Self::Say(text) => text.clone(),
        }
    }

    fn carry_out(&self) -> Result<(), Failure> {
        match self {
            Self::EndGroup | Self::Try(_) => {}
            _ => println!("{}", self.words("", "ing")),
        }
        let failed = |why: &dyn std::fmt::Display| {
            let what = format!("{}: {why}", self.words("", "ing"));
            Failure::new(exit::INTERNAL, what)
        };
        match self {
            Self::Write {
                path,
                text,
                executable,
            } => service_manager::write_file(path, text, *executable).map_err(|error| failed(&error)),
            Self::Keep { from, to } => std::fs::rename(from, to).map_err(|error| failed(&error)),
            Self::Remove(path) => std::fs::remove_file(path).map_err(|error| failed(&error)),
            Self::Run(words) => {
                let words: Vec<&str> = words.iter().map(String::as_str).collect();
                match service_manager::call(&words) {
                    Ok(0) => Ok(()),
                    Ok(code) => Err(failed(&format!("it ended with {code} and has said why"))),
                    Err(why) => Err(failed(&why)),
                }
            }
            Self::Try(words) => {
                let words: Vec<&str> = words.iter().map(String::as_str).collect();
                // It has said so itself.
                let _ = service_manager::call(&words);
                Ok(())
            }
            Self::EndGroup => {
                let Some(group) = service_manager::group_of_unit(unit::NAME) else {
                    return Ok(());
                };
                let ended = service_manager::end_group(&group, PATIENCE).map_err(|error| failed(&error))?;
                if ended > 0 {
                    println!("ended {ended} processes that an earlier crash had left");
                }
                Ok(())
            }
            Self::Say(_) => Ok(()),
        }
    }
}

#[cfg(test)]
#[path = "steps_tests.rs"]
mod tests;
