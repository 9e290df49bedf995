//! The command line as typed. A malformed name never reaches the wire.

use crate::duration;
use clap::{Args, Parser, Subcommand};
use s7proto::LIMITS;
use s7proto::name::ComponentName;
use s7proto::request::Selection;
use std::ffi::OsString;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

/// Steer s7supervisord, the supervisor of servers
#[derive(Debug, Parser)]
#[command(name = "s7ctl", version, arg_required_else_help = true, after_help = EXIT_CODES)]
pub struct Cli {
    /// Options of every verb.
    #[command(flatten)]
    pub global: Global,
    /// What to do.
    #[command(subcommand)]
    pub verb: Verb,
}

const EXIT_CODES: &str = "\
Exit codes: 0 done; 1 the operation failed; 2 usage; 3 not running (the supervisor, something wished up, or a component \
named); 4 no such component; 5 not permitted; 6 timed out; 7 foreign protocol version";

/// Options of every verb.
#[derive(Debug, Clone, Args)]
pub struct Global {
    /// Control socket or pipe of the supervisor [default: S7_SOCKET, else the user's, then the system's]
    #[arg(long, global = true, value_name = "SOCKET")]
    pub socket: Option<OsString>,
    /// Print one JSON object instead of text
    #[arg(long, global = true)]
    pub json: bool,
    /// Give up waiting after this long, with exit code 6; the operation goes on (5, 1.5s, 500ms, 2m)
    #[arg(long, global = true, value_name = "DURATION", value_parser = duration::parse)]
    pub timeout: Option<Duration>,
}

/// The verbs.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Show what runs, and why the rest does not
    Status(Targets),
    /// Start components; without any, the supervisor itself and everything
    Start(Targets),
    /// Stop components; without any, everything and the supervisor itself
    Stop(Targets),
    /// Restart components; without any, everything and the supervisor itself, with the registry loaded anew
    Restart(Targets),
    /// Load the registry anew and apply what changed
    Reload(ReloadArgs),
    /// Show the last output of components
    Logs(LogsArgs),
    /// Check a registry file, or the supervisor's own as it lies on disk
    Check(CheckArgs),
    /// Stop everything and the supervisor itself
    Shutdown,
    /// Show the versions of s7ctl and of the supervisor
    Version,
}

/// Which components.
#[derive(Debug, Clone, Args)]
pub struct Targets {
    /// Components, or "all"; the name of a server with instances means all of them
    #[arg(value_name = "COMPONENT")]
    pub components: Vec<Target>,
}

/// One word where a component is expected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// `all`.
    All,
    /// A component, or a server with instances.
    Named(ComponentName),
}

impl FromStr for Target {
    type Err = s7proto::name::NameError;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "all" => Ok(Self::All),
            _ => ComponentName::parse(text).map(Self::Named),
        }
    }
}

impl Targets {
    /// `None` where nothing was named.
    #[must_use]
    pub fn selection(&self) -> Option<Selection> {
        let names: Option<Vec<_>> = self
            .components
            .iter()
            .map(|target| match target {
                Target::All => None,
                Target::Named(name) => Some(name.clone()),
            })
            .collect();
        match names {
            Some(names) if names.is_empty() => None,
            Some(names) => Some(Selection::Named(names)),
            None => Some(Selection::All),
        }
    }

    /// Everything where nothing was named.
    #[must_use]
    pub fn or_all(&self) -> Selection {
        self.selection().unwrap_or(Selection::All)
    }
}

/// Options of `reload`.
#[derive(Debug, Clone, Args)]
pub struct ReloadArgs {
    /// Only say what would be done
    #[arg(long)]
    pub dry_run: bool,
    /// Leave running what would have to be restarted, and mark it
    #[arg(long)]
    pub no_restart: bool,
}

/// Options of `logs`.
#[derive(Debug, Clone, Args)]
pub struct LogsArgs {
    /// Lines of each component
    #[arg(short = 'n', long, value_name = "N", default_value_t = 20, value_parser = lines())]
    pub lines: u32,
    /// Whose output.
    #[command(flatten)]
    pub targets: Targets,
}

fn lines() -> clap::builder::RangedI64ValueParser<u32> {
    clap::value_parser!(u32).range(1..=i64::from(LIMITS.log_lines))
}

/// Options of `check`.
#[derive(Debug, Clone, Args)]
pub struct CheckArgs {
    /// Registry file, read with your own rights; without it the supervisor checks its own
    pub file: Option<PathBuf>,
    /// Take warnings for errors
    #[arg(long)]
    pub strict: bool,
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    fn parse(line: &str) -> Result<Cli, clap::Error> {
        Cli::try_parse_from(std::iter::once("s7ctl").chain(line.split_whitespace()))
    }

    fn name(text: &str) -> ComponentName {
        ComponentName::parse(text).unwrap()
    }

    #[test]
    fn the_definition_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn nothing_names_and_all_are_three_different_things() {
        let selection = |line: &str| match parse(line).unwrap().verb {
            Verb::Stop(targets) => targets.selection(),
            other => panic!("{other:?}"),
        };
        assert_eq!(selection("stop"), None);
        assert_eq!(selection("stop all"), Some(Selection::All));
        assert_eq!(selection("stop is all"), Some(Selection::All));
        let both = vec![name("is"), name("ps")];
        assert_eq!(selection("stop is ps"), Some(Selection::Named(both)));
    }

    #[test]
    fn the_options_of_every_verb_stand_before_and_behind_it() {
        for line in [
            "--json --timeout 2m --socket /s status",
            "status --socket /s --timeout 2m --json",
        ] {
            let global = parse(line).unwrap().global;
            assert!(global.json, "{line}");
            assert_eq!(global.timeout, Some(Duration::from_secs(120)), "{line}");
            assert_eq!(global.socket, Some("/s".into()), "{line}");
        }
    }

    #[test]
    fn what_is_wrong_on_the_command_line_ends_with_exit_code_2() {
        for line in [
            "fly",
            "start a/b",
            "start ..",
            "status --timeout soon",
            "logs -n 0",
            "logs -n 10001",
            "reload is",
            "shutdown now",
            "--json",
        ] {
            assert_eq!(parse(line).unwrap_err().exit_code(), 2, "{line}");
        }
        assert_eq!(parse("--help").unwrap_err().exit_code(), 0);
        let error = parse("start a/b").unwrap_err().to_string();
        assert!(error.contains("can't contain '/'"), "{error}");
    }

    #[test]
    fn logs_has_a_default_and_takes_names() {
        let Verb::Logs(args) = parse("logs is").unwrap().verb else {
            panic!("logs");
        };
        assert_eq!(
            (args.lines, args.targets.or_all()),
            (20, Selection::Named(vec![name("is")]))
        );
    }
}
