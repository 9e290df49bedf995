#![doc = include_str!("../ARCHITECTURE.md")]

pub mod cli;
pub mod control;
pub mod daemon_log;
pub mod demo;
pub mod driver;
pub mod failpoint;
mod folders;
mod handover;
mod in_force;
mod lock;
pub mod machine;
pub mod notification;
pub mod output;
pub mod panics;
pub mod platform;
pub mod registry;
pub mod run;
pub mod service;
pub mod state;
mod until;

use clap::Parser;
use cli::{Cli, Verb};
use std::process::ExitCode;
use std::sync::OnceLock;

/// The daemon's exit codes (DESIGN 10), those of sysexits.h where it has one.
pub mod exit {
    /// It was asked to stop and has stopped.
    pub const OK: u8 = 0;
    /// The command line is wrong.
    pub const USAGE: u8 = 64;
    /// Another supervisor has the endpoint.
    pub const TAKEN: u8 = 69;
    /// The daemon itself failed.
    pub const INTERNAL: u8 = 70;
    /// The log, the folder for intermediate data or the socket can't be created.
    pub const CANNOT_CREATE: u8 = 73;
    /// Something may be changed by others who must not.
    pub const PERMISSION: u8 = 77;
    /// The registry can't be loaded.
    pub const REGISTRY: u8 = 78;
}

/// The version that this program goes by.
static VERSION: OnceLock<&str> = OnceLock::new();

/// The version of this program.
#[must_use]
pub fn version() -> &'static str {
    VERSION.get_or_init(|| env!("CARGO_PKG_VERSION"))
}

/// The whole program, under another version: for tests of what one version hands over to another.
#[must_use]
pub fn main_as(version: &'static str) -> ExitCode {
    VERSION.get_or_init(|| version);
    main()
}

/// The whole program.
#[must_use]
pub fn main() -> ExitCode {
    platform::allocator::keep_little();
    let inherited = platform::Inherited::take();
    if let Err(unknown) = failpoint::arm() {
        eprintln!("s7supervisord: {unknown}");
        return ExitCode::from(exit::USAGE);
    }
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            let _ = error.print();
            return ExitCode::from(if error.use_stderr() { exit::USAGE } else { exit::OK });
        }
    };
    let result = match cli.verb {
        Verb::Run(options) => run::run(options, inherited),
        Verb::Check(options) => run::check(&options),
        Verb::Service(options) => service::run(options.verb),
        Verb::Demo(options) => demo::demo(options, inherited),
        Verb::DemoServer(options) => demo::serve(&options),
        Verb::CheckState => state::check::run(&platform::leftovers::boot_id()),
    };
    match result {
        Ok(code) => ExitCode::from(code),
        Err(failure) => {
            eprintln!("s7supervisord: {}", failure.message);
            ExitCode::from(failure.code)
        }
    }
}

/// Why the daemon can't do what it was started for.
#[derive(Debug, Clone)]
pub struct Failure {
    /// Its exit code.
    pub code: u8,
    /// What was being done, to what, why it failed, and what can be done.
    pub message: String,
}

impl Failure {
    /// A failure with its exit code.
    #[must_use]
    pub fn new(code: u8, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
        }
    }
}
