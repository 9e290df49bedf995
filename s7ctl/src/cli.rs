//! The command line as typed. A malformed name never reaches the wire.

use crate::duration;
use crate::since;
use clap::{Args, Parser, Subcommand, ValueEnum};
use s7proto::LIMITS;
use s7proto::name::ComponentName;
use s7proto::pattern::Pattern;
use s7proto::request::{Selection, Until};
use s7proto::signal::Signal;
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
    /// Print one JSON object instead of text; streams (-f) print one object for each line
    #[arg(long, global = true)]
    pub json: bool,
    /// Give up waiting or following after this long, with exit code 6; an operation goes on (5, 1.5s, 500ms, 2m)
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
    /// Wait until components are up and ready, or down
    Wait(WaitArgs),
    /// Send a signal to the first process of components
    Signal(SignalArgs),
    /// Ask components for a dump of themselves (the threads of a JVM) and show it
    Dump(DumpArgs),
    /// Load the registry anew and apply what changed
    Reload(ReloadArgs),
    /// Say why components are as they are; without any, of all that are not as they should be
    Why(Targets),
    /// Show the last output of components, or follow it
    Logs(LogsArgs),
    /// Show what has happened, or follow what happens
    Events(EventsArgs),
    /// Show how components are set up; without any, the supervisor itself
    Info(Targets),
    /// Check a registry file, or the supervisor's own as it lies on disk
    Check(CheckArgs),
    /// Put another binary in place of the supervisor that runs; components run on
    Upgrade(UpgradeArgs),
    /// Stop everything and the supervisor itself
    Shutdown,
    /// Show the versions of s7ctl and of the supervisor
    Version,
}

/// Which components.
#[derive(Debug, Clone, Args)]
pub struct Targets {
    /// Components, patterns (in quotes: 'text-*', '?s'), or "all"; a server with instances means all of them
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
    /// Whatever matches.
    Matching(Pattern),
}

impl FromStr for Target {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "all" => Ok(Self::All),
            _ if Pattern::is_wild(text) => Pattern::parse(text)
                .map(Self::Matching)
                .map_err(|error| error.to_string()),
            _ => ComponentName::parse(text)
                .map(Self::Named)
                .map_err(|error| error.to_string()),
        }
    }
}

impl Target {
    /// As a pattern: a name is one that matches itself. `None` for `all`.
    fn pattern(&self) -> Option<Pattern> {
        match self {
            Self::All => None,
            // Whatever a name may hold a pattern may hold too.
            Self::Named(name) => Pattern::parse(name.as_str()).ok(),
            Self::Matching(pattern) => Some(pattern.clone()),
        }
    }

    fn name(&self) -> Option<ComponentName> {
        match self {
            Self::Named(name) => Some(name.clone()),
            Self::All | Self::Matching(_) => None,
        }
    }
}

impl Targets {
    /// `None` where nothing was named.
    #[must_use]
    pub fn selection(&self) -> Option<Selection> {
        if self.components.is_empty() {
            return None;
        }
        // A selection of names also where a pattern would do: every supervisor understands it.
        let names: Option<Vec<_>> = self.components.iter().map(Target::name).collect();
        let patterns = || self.components.iter().map(Target::pattern).collect();
        Some(match (names, patterns()) {
            (Some(names), _) => Selection::Named(names),
            (None, Some(patterns)) => Selection::Matching(patterns),
            (None, None) => Selection::All,
        })
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

impl Verb {
    /// What was named, where components can be.
    #[must_use]
    pub fn named(&self) -> &[Target] {
        match self {
            Self::Status(of)
            | Self::Start(of)
            | Self::Stop(of)
            | Self::Restart(of)
            | Self::Why(of)
            | Self::Info(of) => &of.components,
            Self::Wait(args) => &args.targets.components,
            Self::Signal(args) => &args.components,
            Self::Dump(args) => &args.components,
            Self::Logs(args) => &args.targets.components,
            Self::Events(args) => &args.targets.components,
            Self::Reload(_) | Self::Check(_) | Self::Upgrade(_) | Self::Shutdown | Self::Version => &[],
        }
    }

    /// `all` beside other names: nobody can tell what is meant, and a mistyped name must not become everything.
    #[must_use]
    pub fn is_ambiguous(&self) -> bool {
        let named = self.named();
        named.len() > 1 && named.contains(&Target::All)
    }
}

/// Options of `wait`.
#[derive(Debug, Clone, Args)]
pub struct WaitArgs {
    /// For what: up and ready (or ended as its policy wants it), or down with all its processes gone
    #[arg(
        long = "for",
        value_name = "up|down",
        value_enum,
        hide_possible_values = true,
        default_value_t = Awaited::Up
    )]
    pub awaited: Awaited,
    /// For whom; everything where nothing is named.
    #[command(flatten)]
    pub targets: Targets,
}

/// What `wait` waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Awaited {
    /// Up and ready
    Up,
    /// Down, with all its processes gone
    Down,
}

impl From<Awaited> for Until {
    fn from(awaited: Awaited) -> Self {
        match awaited {
            Awaited::Up => Self::Up,
            Awaited::Down => Self::Down,
        }
    }
}

/// Options of `signal`.
#[derive(Debug, Clone, Args)]
pub struct SignalArgs {
    /// Which signal, by name (HUP, SIGUSR1) or by its number in POSIX (1, 9, 15)
    #[arg(value_name = "SIGNAL")]
    pub signal: Signal,
    /// To whom: components, patterns in quotes, or "all"
    #[arg(value_name = "COMPONENT", required = true)]
    pub components: Vec<Target>,
}

/// Options of `dump`.
#[derive(Debug, Clone, Args)]
pub struct DumpArgs {
    /// Whom: components, patterns in quotes, or "all"
    #[arg(value_name = "COMPONENT", required = true)]
    pub components: Vec<Target>,
}

/// Options of `logs`.
#[derive(Debug, Clone, Args)]
pub struct LogsArgs {
    /// Go on with what is written from now on, until Ctrl-C
    #[arg(short = 'f', long)]
    pub follow: bool,
    /// Lines of each component; with -f also 0 [default: 20; with --since as many as there are]
    #[arg(short = 'n', long, value_name = "N", value_parser = lines())]
    pub lines: Option<u32>,
    /// What was logged since then: how long ago (10m, 2h, 3d), a time (10:00), a day, or both (2026-11-22T10:00:00); to the
    /// second within the last hour, to the minute within a day, to ten minutes before that, and never too little
    #[arg(long, value_name = "TIME", value_parser = since::parse)]
    pub since: Option<i64>,
    /// Whose output.
    #[command(flatten)]
    pub targets: Targets,
}

fn lines() -> clap::builder::RangedI64ValueParser<u32> {
    clap::value_parser!(u32).range(0..=i64::from(LIMITS.log_lines))
}

/// Options of `events`.
#[derive(Debug, Clone, Args)]
pub struct EventsArgs {
    /// Go on with what happens from now on, until Ctrl-C
    #[arg(short = 'f', long)]
    pub follow: bool,
    /// How many of the latest events; with -f also 0
    #[arg(short = 'n', long = "last", value_name = "N", default_value_t = 20, value_parser = last())]
    pub last: u32,
    /// About whom; without any, everything, also what concerns the supervisor itself.
    #[command(flatten)]
    pub targets: Targets,
}

fn last() -> clap::builder::RangedI64ValueParser<u32> {
    clap::value_parser!(u32).range(0..=i64::from(LIMITS.events))
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

/// Options of `upgrade`.
#[derive(Debug, Clone, Args)]
pub struct UpgradeArgs {
    /// The new binary; it and the folders it lies in may be writable by root and the supervisor's user alone [default: the
    /// file that the supervisor was started from]
    #[arg(long, value_name = "PATH")]
    pub binary: Option<PathBuf>,
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
        for line in [
            "stop is all",
            "signal HUP all nope",
            "wait all --for down zz*",
            "logs -f all all",
        ] {
            assert!(parse(line).unwrap().verb.is_ambiguous(), "{line}");
        }
        assert!(!parse("stop all").unwrap().verb.is_ambiguous());
        let both = vec![name("is"), name("ps")];
        assert_eq!(selection("stop is ps"), Some(Selection::Named(both)));
    }

    #[test]
    fn one_pattern_makes_patterns_of_all_that_stands_beside_it() {
        let selection = |line: &str| match parse(line).unwrap().verb {
            Verb::Why(targets) => targets.selection(),
            other => panic!("{other:?}"),
        };
        let patterns = |texts: &[&str]| {
            let patterns = texts.iter().map(|text| Pattern::parse(text).unwrap());
            Some(Selection::Matching(patterns.collect()))
        };
        assert_eq!(selection("why text-*"), patterns(&["text-*"]));
        assert_eq!(selection("why is ?s"), patterns(&["is", "?s"]));
    }

    #[test]
    fn a_signal_has_a_name_and_at_least_one_component() {
        let Verb::Signal(args) = parse("signal hup is text-*").unwrap().verb else {
            panic!("signal");
        };
        assert_eq!((args.signal, args.components.len()), (Signal::Hup, 2));
        let error = parse("signal HUPP is").unwrap_err().to_string();
        assert!(error.contains("known are HUP INT"), "{error}");
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
            "logs -n 10001",
            "events -n 1001",
            "start te[xt]*",
            "signal HUP",
            "signal HUPP is",
            "signal is HUP",
            "wait is --for ever",
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
            (None, Selection::Named(vec![name("is")]))
        );
    }
}
