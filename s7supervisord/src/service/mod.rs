//! The daemon as a service of the system: installing it, and being one.
//!
//! `install` and its like are verbs of the binary (`unit` and `init_script` say what is written, `own` whether what lies
//! there may be replaced, `steps` what is done). `report`, `mark` and `reap` are for the daemon that runs as a service.

mod init_script;
pub mod mark;
mod own;
mod reap;
pub mod report;
mod steps;
mod unit;

use crate::cli::{self, ServiceVerb};
use crate::platform::process;
use crate::platform::service_manager::{self, Kind};
use crate::registry::{places, trust};
use crate::{Failure, exit, run};
use s7proto::endpoint::{Endpoint, Surroundings};
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use steps::{Plan, Target};

/// Where the daemon of a service listens: in the folder that the service manager makes for it.
const SOCKET: &str = "/run/s7supervisord/control.sock";
/// The variable in which systemd names the folder of `RuntimeDirectory=` (systemd.exec(5)).
const RUNTIME_VARIABLE: &str = "RUNTIME_DIRECTORY";

/// `service`: one of its verbs.
///
/// # Errors
/// It can't be done; nothing is changed then but what was said before.
pub fn run(verb: ServiceVerb) -> Result<u8, Failure> {
    match verb {
        ServiceVerb::Install(install) => {
            let kind = kind(&install.options.root)?;
            let daemon = Daemon::of(&install.options)?;
            warn(&install.options, &daemon);
            let target = Target::new(kind, &install.options.root);
            let plan = steps::install(&target, &file(kind, &daemon), install.force)?;
            carry_out(&target, &plan, install.dry_run)
        }
        ServiceVerb::Uninstall(options) => {
            let target = Target::new(kind(&options.root)?, &options.root);
            let plan = steps::uninstall(&target, options.force)?;
            carry_out(&target, &plan, options.dry_run)
        }
        ServiceVerb::Start(options) => control("start", options.dry_run),
        ServiceVerb::Stop(options) => control("stop", options.dry_run),
        ServiceVerb::Restart(options) => control("restart", options.dry_run),
        ServiceVerb::Status(options) => {
            let target = Target::new(kind(Path::new("/"))?, Path::new("/"));
            steps::status(&target, options.dry_run)
        }
        ServiceVerb::Show(options) => {
            let kind = kind(&options.root)?;
            print!("{}", file(kind, &Daemon::of(&options)?));
            Ok(exit::OK)
        }
        ServiceVerb::Reap(options) => reap::reap(&options.runtime_dir),
    }
}

fn kind(root: &Path) -> Result<Kind, Failure> {
    service_manager::kind(root).map_err(|why| Failure::new(exit::INTERNAL, why))
}

fn control(verb: &str, dry_run: bool) -> Result<u8, Failure> {
    let target = Target::new(kind(Path::new("/"))?, Path::new("/"));
    carry_out(&target, &steps::control(&target, verb)?, dry_run)
}

fn carry_out(target: &Target, plan: &Plan, dry_run: bool) -> Result<u8, Failure> {
    if !dry_run && target.runs() && !service_manager::may_manage() {
        let what =
            "services are changed by root alone; run this with sudo, or see what it would do with --dry-run";
        return Err(Failure::new(exit::PERMISSION, what));
    }
    plan.carry_out(dry_run)?;
    Ok(exit::OK)
}

fn file(kind: Kind, daemon: &Daemon) -> String {
    own::signed(&match kind {
        Kind::Systemd(version) => unit::text(daemon, version),
        Kind::InitScripts => init_script::text(daemon),
    })
}

/// Says what would keep the service from starting, as far as it can be seen now. It is no reason not to install it: the
/// registry may come later.
fn warn(options: &cli::Options, daemon: &Daemon) {
    let found = run::load_options(options.registry.as_deref(), &options.common).map(|load| {
        let trusted = trust::check_obeyed(&load.file, &load.install_folder).map_err(|why| why.to_string());
        trusted.and_then(|()| match crate::registry::load(&load) {
            Ok(_) => Ok(()),
            Err(failure) => Err(failure.to_string()),
        })
    });
    if let Ok(Err(why)) = found {
        eprintln!("s7supervisord: the service won't start before this is mended:\n{why}");
    }
    if let Some(user) = &daemon.user {
        match service_manager::user_exists(user) {
            Ok(true) => {}
            Ok(false) => eprintln!("s7supervisord: the service won't start before there is a user {user}"),
            Err(why) => eprintln!("s7supervisord: {why}"),
        }
    }
}

/// Where a daemon listens: as [`Endpoint::of_daemon`] says, but where it isn't root's and a service manager has made a
/// runtime folder for it, there.
///
/// # Errors
/// What names the socket is no name of one.
pub fn endpoint_of_daemon(option: Option<&OsStr>) -> Result<Endpoint, Failure> {
    let privileged = process::is_privileged();
    let mut around = Surroundings::of_this_process();
    let folders = std::env::var_os(RUNTIME_VARIABLE).filter(|_| !privileged);
    around.socket_variable = around.socket_variable.or(folders.and_then(|folders| {
        // Several are separated by colons; the first is ours.
        let first = folders.to_str()?.split(':').next()?;
        (!first.is_empty()).then(|| Path::new(first).join("control.sock").into())
    }));
    Endpoint::of_daemon(option, privileged, &around)
        .map_err(|error| Failure::new(exit::USAGE, error.to_string()))
}

/// The daemon of the service: what it is started with. All texts, since both kinds of files are texts.
#[derive(Debug, Clone)]
pub struct Daemon {
    program: String,
    /// What stands behind `run`.
    options: Vec<String>,
    socket: String,
    runtime_dir: String,
    user: Option<String>,
}

impl Daemon {
    /// As the options say, all paths made absolute: a service has no current folder and none of this environment.
    fn of(options: &cli::Options) -> Result<Self, Failure> {
        let given = places::Given::new(options.common.install_folder.clone(), options.registry.clone());
        let places = places::find(&given).map_err(|why| Failure::new(exit::USAGE, why.to_string()))?;
        let program = std::env::current_exe()
            .map_err(|error| Failure::new(exit::INTERNAL, format!("finding this program: {error}")))?;
        let mut words = vec!["--install-folder".to_owned(), text(&places.install_folder)?];
        if options.registry.is_some() {
            words.extend(["--registry".to_owned(), text(&places.registry)?]);
        }
        for (name, value) in &options.common.settings {
            words.extend(["--set".to_owned(), format!("{name}={value}")]);
        }
        let mut socket = PathBuf::from(SOCKET);
        // Nothing of the shell that installs it: what people export there is for their own supervisor.
        if let Some(named) = &options.socket {
            let endpoint =
                Endpoint::parse(named).map_err(|error| Failure::new(exit::USAGE, error.to_string()))?;
            socket = PathBuf::from(endpoint.as_os_str());
            words.extend(["--socket".to_owned(), text(&socket)?]);
        } else if options.user.is_some() {
            words.extend(["--socket".to_owned(), text(&socket)?]);
        }
        let groups = [
            ("--observe-group", &options.observe_group),
            ("--control-group", &options.control_group),
        ];
        for (option, group) in groups {
            if let Some(group) = group {
                words.extend([option.to_owned(), group.clone()]);
            }
        }
        Ok(Self {
            program: text(&program)?,
            options: words,
            runtime_dir: text(socket.parent().unwrap_or(Path::new("/")))?,
            socket: text(&socket)?,
            user: options.user.clone(),
        })
    }

    fn run(&self) -> Vec<String> {
        let mut words = vec![self.program.clone(), "run".to_owned()];
        words.extend(self.options.iter().cloned());
        words
    }

    fn reap(&self) -> Vec<String> {
        let words = ["service", "reap", "--runtime-dir"].map(str::to_owned);
        let mut all = vec![self.program.clone()];
        all.extend(words);
        all.push(self.runtime_dir.clone());
        all
    }
}

fn text(path: &Path) -> Result<String, Failure> {
    let text = path.to_str().filter(|text| !text.contains(['\n', '\r', '\0']));
    text.map(str::to_owned).ok_or_else(|| {
        let what = format!(
            "{} can't be written into a service's file; rename it",
            path.display()
        );
        Failure::new(exit::USAGE, what)
    })
}

#[cfg(test)]
mod tests {
    use super::Daemon;

    /// A daemon whose paths need quotes.
    pub fn daemon() -> Daemon {
        let options = [
            "--install-folder",
            "/srv/is",
            "--set",
            "SV::PsHeapSize=1g",
            "--socket",
            "/srv/run/c.sock",
        ];
        Daemon {
            program: "/opt/my s7/s7supervisord".to_owned(),
            options: options.map(str::to_owned).to_vec(),
            socket: "/srv/run/c.sock".to_owned(),
            runtime_dir: "/srv/run".to_owned(),
            user: None,
        }
    }
}
