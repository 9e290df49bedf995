//! The field: what the product costs, beside the floor of the same run and the bounds that it has to keep.
//!
//! ```text
//! cargo bench -p s7tests --bench field                         # everything; some seven minutes
//! cargo bench -p s7tests --bench field -- --only start,mass    # some of it
//! cargo bench -p s7tests --bench field -- --quick              # fewer samples
//! cargo bench -p s7tests --bench field -- --realtime           # on a machine that has other work (root)
//! ```
//!
//! `--sizes 1,100` limits the numbers of components, `--json FILE` writes the rows as JSON, `--runtime-in FOLDER` says where
//! runtime folders lie (by default `/dev/shm`: on a machine that is set up, `/run` is no disk either). The floor is a
//! C program that does nothing but posix_spawn and sigwaitinfo; it is compiled by `cc` when the table is made, and measured
//! in turns with the daemon, since a machine is never as quick as it was a minute ago. `--realtime` runs all of it, the floor
//! too, before the other work of the machine (SCHED_RR): each component has a session of its own, and the kernel gives
//! each session its share of a busy processor, so that beside compilers it is the compilers that would be measured.
//! Benchmarks are no tests: the exit code is 0 where everything could be measured, whatever came out.

#[cfg(unix)]
mod adopt;
#[cfg(unix)]
mod bed;
#[cfg(unix)]
mod capture;
#[cfg(unix)]
mod chatty;
#[cfg(unix)]
mod checks;
#[cfg(unix)]
mod floods;
#[cfg(unix)]
mod floor;
#[cfg(unix)]
mod mass;
#[cfg(unix)]
mod memory;
#[cfg(unix)]
mod options;
#[cfg(unix)]
mod query;
#[cfg(unix)]
mod rest;
#[cfg(unix)]
mod restart;
#[cfg(unix)]
mod row;
#[cfg(unix)]
mod start;
#[cfg(unix)]
mod starts;
#[cfg(unix)]
mod status;
#[cfg(unix)]
mod stop;
#[cfg(unix)]
mod table;
#[cfg(unix)]
mod tools;

#[cfg(unix)]
pub use options::{Options, STEADY, quiet};

/// What can be measured, by the name that `--only` takes.
#[cfg(unix)]
const MEASURES: &[table::Measure] = &[
    ("restart", restart::rows),
    ("start", start::rows),
    ("mass", mass::rows),
    ("memory", memory::rows),
    ("rest", rest::rows),
    ("checks", checks::rows),
    ("stop", stop::rows),
    ("status", status::rows),
    ("query", query::rows),
    ("capture", capture::rows),
    ("chatty", chatty::rows),
    ("floods", floods::rows),
    ("adopt", adopt::rows),
];

#[cfg(unix)]
fn main() -> std::process::ExitCode {
    let made = Options::from_command_line(&MEASURES.iter().map(|(name, _)| *name).collect::<Vec<_>>())
        .and_then(|options| table::make(&options, MEASURES));
    match made {
        Ok(()) => std::process::ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("field: {error}");
            std::process::ExitCode::FAILURE
        }
    }
}

#[cfg(not(unix))]
fn main() {
    eprintln!("field: NOT RUN: the floor and the measures are written for Linux");
}
