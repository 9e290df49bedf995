//! A command line of `s7ctl`: anything is either a command, a text on standard output, or a usage error.

use clap::Parser;
use clap::error::ErrorKind;
use s7ctl::cli::{Cli, Target, Targets, Verb};
use s7ctl::error::{CtlError, Kind};
use s7ctl::render::clock::Clock;
use s7ctl::render::json::render_error;
use s7proto::LIMITS;
use s7proto::request::{Request, Selection};
use std::ffi::OsString;

/// More words than a test needs; the parser is quadratic in some of them, and that is its own affair.
const MOST_WORDS: usize = 64;

/// The words stand one to a line.
pub fn run(data: &[u8]) {
    let words: Vec<OsString> = data
        .split(|byte| *byte == b'\n')
        .filter(|word| !word.contains(&0))
        .take(MOST_WORDS)
        .map(word)
        .collect();
    let line: Vec<OsString> = std::iter::once("s7ctl".into()).chain(words).collect();
    match Cli::try_parse_from(&line) {
        Ok(cli) => understood(&cli),
        Err(error) => refused(&error),
    }
    // The same words mean the same once more.
    let again = |result: Result<Cli, clap::Error>| match result {
        Ok(cli) => format!("{cli:?}"),
        Err(error) => error.to_string(),
    };
    let first = again(Cli::try_parse_from(&line));
    assert_eq!(first, again(Cli::try_parse_from(&line)));
}

#[cfg(unix)]
fn word(bytes: &[u8]) -> OsString {
    use std::os::unix::ffi::OsStringExt;
    OsString::from_vec(bytes.to_vec())
}

#[cfg(not(unix))]
fn word(bytes: &[u8]) -> OsString {
    String::from_utf8_lossy(bytes).into_owned().into()
}

fn understood(cli: &Cli) {
    if let Some(timeout) = cli.global.timeout {
        assert!(!timeout.is_zero(), "a timeout of nothing");
    }
    match &cli.verb {
        Verb::Status(targets)
        | Verb::Start(targets)
        | Verb::Stop(targets)
        | Verb::Restart(targets)
        | Verb::Why(targets)
        | Verb::Info(targets) => selected(targets),
        Verb::Wait(wait) => selected(&wait.targets),
        Verb::Signal(signal) => {
            assert!(!signal.components.is_empty(), "a signal for nobody");
            selected(&Targets {
                components: signal.components.clone(),
            });
        }
        Verb::Logs(logs) => {
            let lines = logs.lines.unwrap_or_default();
            assert!(lines <= LIMITS.log_lines, "{lines} lines");
            selected(&logs.targets);
        }
        Verb::Events(events) => {
            assert!(events.last <= LIMITS.events, "{} events", events.last);
            selected(&events.targets);
        }
        // The others name no component.
        _ => {}
    }
}

/// What goes to the daemon is what was meant, and the daemon understands it.
fn selected(targets: &Targets) {
    let all = targets.components.is_empty() || targets.components.contains(&Target::All);
    let which = targets.or_all();
    assert_eq!(
        which == Selection::All,
        all,
        "everything is meant only where that is said"
    );
    match &which {
        Selection::Named(names) => assert_eq!(names.len(), targets.components.len()),
        Selection::Matching(patterns) => assert_eq!(patterns.len(), targets.components.len()),
        Selection::All => {}
    }
    super::frame::round_trip(&Request::Status(which));
}

fn refused(error: &clap::Error) {
    let text = error.render().to_string();
    assert!(!text.trim().is_empty(), "an error without a text");
    let asked_for = matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion);
    assert_eq!(error.exit_code(), if asked_for { 0 } else { 2 }, "{text}");
    assert_eq!(error.use_stderr(), !asked_for, "{text}");
    if asked_for {
        return;
    }
    for of_status in [true, false] {
        let failure = CtlError::new(Kind::Usage, text.clone());
        assert_eq!(failure.kind.exit(), 2);
        let json = render_error(&failure, of_status, &Clock::for_programs());
        let json: serde_json::Value = serde_json::from_str(&json).expect("what is printed is JSON");
        assert_eq!(json["error"]["exit"], 2);
        assert_eq!(json["error"]["message"], text.as_str());
    }
}
