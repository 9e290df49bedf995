//! The command line of the daemon, as typed.

use clap::{Args, Parser, Subcommand};
use std::ffi::OsString;
use std::path::PathBuf;

/// Starts the components of a registry in order, keeps them running, and stops them cleanly.
#[derive(Debug, Parser)]
#[command(name = "s7supervisord", version, arg_required_else_help = true)]
pub struct Cli {
    /// What to do
    #[command(subcommand)]
    pub verb: Verb,
}

/// What the daemon's binary can do.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Supervise, in the foreground
    Run(Run),
    /// Check a registry and print what it comes to; nothing is started or created
    Check(Check),
    /// Supervise three small servers of its own, to be played with
    Demo(Demo),
    /// Install, remove and control the supervisor as a service of this system, started at boot
    Service(Service),
    /// One of the servers of the demo
    #[command(hide = true)]
    DemoServer(DemoServer),
    /// Say whether this program can carry on with the state on standard input
    #[command(hide = true)]
    CheckState,
}

/// Where the registry is, and what to put in place of its placeholders.
#[derive(Debug, Args)]
pub struct Registry {
    /// The folder that relative paths are under [env: S7_INSTALL_FOLDER]
    #[arg(long, value_name = "FOLDER")]
    pub install_folder: Option<PathBuf>,
    /// Put VALUE in place of a placeholder of the registry; may be given several times
    #[arg(long = "set", value_name = "SV::NAME=VALUE", value_parser = setting)]
    pub settings: Vec<(String, String)>,
}

/// `run`.
#[derive(Debug, Args)]
pub struct Run {
    /// The registry [default: conf/SupervisorRegistry.xml in the install folder]
    #[arg(long, value_name = "FILE")]
    pub registry: Option<PathBuf>,
    /// Where it is, and its placeholders.
    #[command(flatten)]
    pub common: Registry,
    /// The folder for the lock, the record of runs and the output pipes [default: the socket's]
    #[arg(long, value_name = "FOLDER")]
    pub runtime_dir: Option<PathBuf>,
    /// Where clients connect [env: S7_SOCKET]
    #[arg(long, value_name = "SOCKET")]
    pub socket: Option<OsString>,
    /// The group whose members may look at the status
    #[arg(long, value_name = "GROUP")]
    pub observe_group: Option<String>,
    /// The group whose members may do everything
    #[arg(long, value_name = "GROUP")]
    pub control_group: Option<String>,
}

/// `check`.
#[derive(Debug, Args)]
pub struct Check {
    /// The registry [default: conf/SupervisorRegistry.xml in the install folder]
    pub file: Option<PathBuf>,
    /// Where it is, and its placeholders.
    #[command(flatten)]
    pub common: Registry,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
    /// Take warnings for errors
    #[arg(long)]
    pub strict: bool,
}

/// `demo`.
#[derive(Debug, Args)]
pub struct Demo {
    /// Where to put the demo's files [default: a new folder, removed at the end]
    #[arg(long, value_name = "FOLDER")]
    pub folder: Option<PathBuf>,
}

/// `demo-server`.
#[derive(Debug, Args)]
pub struct DemoServer {
    /// Its name
    #[arg(long)]
    pub name: String,
    /// Its port on loopback
    #[arg(long)]
    pub port: u16,
}

/// `service`.
#[derive(Debug, Args)]
pub struct Service {
    /// What to do with the service
    #[command(subcommand)]
    pub verb: ServiceVerb,
}

/// What can be done with the service.
#[derive(Debug, Subcommand)]
pub enum ServiceVerb {
    /// Install it, to be started at each boot; again: bring it up to date
    Install(Install),
    /// Stop it, and remove what install has written
    Uninstall(Uninstall),
    /// Start it now
    Start(Plan),
    /// Stop it: the components in order, then the supervisor
    Stop(Plan),
    /// Stop it and start it
    Restart(Plan),
    /// Show what the service manager knows about it, with its exit code (0: it runs, 3: it does not)
    Status(Plan),
    /// Print what install would write
    Show(Options),
    /// End what a requested stop has left; run by the service manager
    #[command(hide = true)]
    Reap(Reap),
}

/// What the service is to be run with.
#[derive(Debug, Args)]
pub struct Options {
    /// The registry [default: conf/SupervisorRegistry.xml in the install folder]
    #[arg(long, value_name = "FILE")]
    pub registry: Option<PathBuf>,
    /// Where it is, and its placeholders.
    #[command(flatten)]
    pub common: Registry,
    /// Where clients connect [default: /run/s7supervisord/control.sock]
    #[arg(long, value_name = "SOCKET")]
    pub socket: Option<OsString>,
    /// The group whose members may look at the status
    #[arg(long, value_name = "GROUP")]
    pub observe_group: Option<String>,
    /// The group whose members may do everything
    #[arg(long, value_name = "GROUP")]
    pub control_group: Option<String>,
    /// Run all of it as this user [default: root, and each component as its `<user>`]
    #[arg(long, value_name = "USER")]
    pub user: Option<String>,
    /// Another root folder than /, of a system that does not run
    #[arg(long, value_name = "FOLDER", hide = true, default_value = "/")]
    pub root: PathBuf,
}

/// `service install`.
#[derive(Debug, Args)]
pub struct Install {
    /// What it is to be run with.
    #[command(flatten)]
    pub options: Options,
    /// Only say what would be done
    #[arg(long)]
    pub dry_run: bool,
    /// Replace a file that somebody has edited; the old one is kept beside it
    #[arg(long)]
    pub force: bool,
}

/// `service uninstall`.
#[derive(Debug, Args)]
pub struct Uninstall {
    /// Only say what would be done
    #[arg(long)]
    pub dry_run: bool,
    /// Remove a file that somebody has edited as well
    #[arg(long)]
    pub force: bool,
    /// Another root folder than /, of a system that does not run
    #[arg(long, value_name = "FOLDER", hide = true, default_value = "/")]
    pub root: PathBuf,
}

/// `service start` and its like.
#[derive(Debug, Args)]
pub struct Plan {
    /// Only say what would be done
    #[arg(long)]
    pub dry_run: bool,
}

/// `service reap`.
#[derive(Debug, Args)]
pub struct Reap {
    /// The runtime folder of the supervisor that has ended
    #[arg(long, value_name = "FOLDER")]
    pub runtime_dir: PathBuf,
}

fn setting(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("expected SV::NAME=VALUE".to_owned()),
    }
}
