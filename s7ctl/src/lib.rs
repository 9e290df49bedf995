//! `s7ctl`, the client of `s7supervisord`.
//!
//! [`cli`] (as typed) → [`connect`] → [`call`] → a [`render::View`] → text or JSON → exit code. Only [`main`] ends the
//! program; data goes to standard output, talk to standard error.

pub mod call;
pub mod cli;
pub mod commands;
pub mod connect;
pub mod deadline;
pub mod duration;
pub mod error;
pub mod launch;
pub mod minor;
pub mod progress;
pub mod render;
pub mod since;
pub mod stream;

use crate::cli::{Cli, Verb};
use crate::commands::Context;
use crate::error::{CtlError, Kind};
use crate::render::View;
use crate::render::clock::Clock;
use crate::render::text::Page;
use clap::Parser;
use s7proto::endpoint::Surroundings;
use std::ffi::OsString;
use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;

/// The whole program.
#[must_use]
pub fn main() -> ExitCode {
    let arguments: Vec<OsString> = std::env::args_os().collect();
    ExitCode::from(match Cli::try_parse_from(&arguments) {
        Ok(cli) => run(&cli),
        Err(error) => misused(&error, &arguments),
    })
}

fn run(cli: &Cli) -> u8 {
    if cli.verb.is_ambiguous() {
        let error = CtlError::new(Kind::Usage, "all stands beside other names");
        return fail(
            cli,
            &error.hint("name all alone, or the components that are meant"),
        );
    }
    let live = !cli.global.json && io::stderr().is_terminal();
    let around = Surroundings::of_this_process();
    let mut context = match Context::new(&cli.global, &around, live) {
        Ok(context) => context,
        Err(error) => return fail(cli, &error),
    };
    // One thread: a call is one conversation, and starting more would cost more than it takes.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .enable_time()
        .build();
    let result = match runtime {
        Ok(runtime) => runtime.block_on(commands::run(&cli.verb, &mut context)),
        Err(error) => Err(CtlError::new(Kind::Failed, "cannot wait for input and output").because(error)),
    };
    match result {
        Ok(view) => show(cli, &view, &context),
        Err(error) => fail(cli, &error),
    }
}

fn show(cli: &Cli, view: &View, context: &Context) -> u8 {
    if cli.global.json {
        return write(
            render::json::render(view, &Clock::for_programs()).as_bytes(),
            view.exit(),
        );
    }
    let page = Page {
        shown: context.progress.shown().to_vec(),
        ..Page::of_stdout(context.colour())
    };
    let exit = write(&render::text::render(view, &page), view.exit());
    // The table of status says it all, line by line.
    if !matches!(
        view,
        View::Status { .. } | View::NoSupervisor(_) | View::Version(_)
    ) {
        let failures = view.failures();
        let untold = failures.iter().filter(|error| !is_told(error, &page));
        untold.for_each(progress::tell);
    }
    exit
}

fn is_told(error: &CtlError, page: &Page) -> bool {
    error
        .component
        .as_ref()
        .is_some_and(|component| page.shown.contains(component))
}

fn fail(cli: &Cli, error: &CtlError) -> u8 {
    if cli.global.json {
        let of_status = matches!(cli.verb, Verb::Status(_));
        let text = render::json::render_error(error, of_status, &Clock::for_programs());
        return write(text.as_bytes(), error.kind.exit());
    }
    progress::tell(error);
    error.kind.exit()
}

/// The command line made no sense, or asked for help.
fn misused(error: &clap::Error, arguments: &[OsString]) -> u8 {
    let json = arguments.iter().any(|argument| argument == "--json");
    if json && error.use_stderr() {
        let text = error.render().to_string();
        // What is missing stands in the lines after the first, up to an empty one.
        let lines = text.lines().take_while(|line| !line.trim().is_empty());
        let text = lines.map(str::trim).collect::<Vec<_>>().join(" ");
        let message = text.strip_prefix("error: ").unwrap_or(&text);
        let failure = CtlError::new(Kind::Usage, message).hint("s7ctl --help shows what is possible");
        let of_status = arguments.iter().any(|argument| argument == "status");
        let text = render::json::render_error(&failure, of_status, &Clock::for_programs());
        return write(text.as_bytes(), failure.kind.exit());
    }
    // Nobody to read the help is no failure.
    let _unread = error.print();
    u8::try_from(error.exit_code()).unwrap_or(2)
}

/// In one piece; gives back the exit code, which becomes 1 where the data could not be delivered. A reader that has gone
/// (`| head`) wanted no more, and that is no failure.
fn write(bytes: &[u8], exit: u8) -> u8 {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(bytes).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            progress::talk(&format!("error: cannot write to standard output: {error}"));
            exit.max(1)
        }
        Ok(()) | Err(_) => exit,
    }
}
