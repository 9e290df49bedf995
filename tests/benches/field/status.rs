//! `s7ctl status` as somebody types it: a program that begins, connects, asks, prints and ends. Beside it a program that
//! only begins and ends.

use crate::bed::Bed;
use crate::row::{Bound, Row, median, spread};
use crate::starts::{ms, now};
use crate::{Options, STEADY, quiet};
use std::io;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

/// With how many components, and what the issue allows in milliseconds.
const BOUNDS: [(usize, f64); 2] = [(3, 4.0), (1000, 25.0)];

/// A sample of memory and CPU serves for 1 s (DESIGN 5). After this one it is old, and `status` has to measure anew.
const OLD: Duration = Duration::from_millis(1100);

/// The measure.
///
/// # Errors
/// What could not be measured.
pub fn rows(options: &Options) -> io::Result<Vec<Row>> {
    let nothing = talker(options)?;
    let mut rows = Vec::new();
    for (n, most) in BOUNDS {
        let (bed, _) = Bed::workers(&options.tools, n)?;
        std::thread::sleep(STEADY);
        wait_for_table(&bed, n)?;
        let row = |measure, gap, rounds| {
            let (mut took, mut least) = (Vec::new(), Vec::new());
            for _ in 0..options.rounds(rounds) {
                std::thread::sleep(gap);
                took.push(call(bed.ctl().arg("status"))?);
                least.push(call(Command::new(&nothing).arg("nothing"))?);
            }
            Ok::<_, io::Error>(Row {
                measure,
                n: Some(n),
                ours: median(&took)?,
                unit: "ms",
                floor: Some(median(&least)?),
                bound: Bound::AtMost(most),
                note: format!("{}; floor {}", spread(&took)?, spread(&least)?),
            })
        };
        rows.push(row("s7ctl status", Duration::ZERO, 100)?);
        rows.push(row("s7ctl status, measuring", OLD, 12)?);
        bed.stop()?;
        quiet();
    }
    Ok(rows)
}

/// Where the program of `talker.c` lies.
///
/// # Errors
/// It can't be compiled.
pub fn talker(options: &Options) -> io::Result<PathBuf> {
    let program = options.tools.path("talker");
    if program.exists() {
        return Ok(program);
    }
    options.tools.compile("talker", include_str!("talker.c"))
}

/// Runs a program to its end, its output going nowhere, and gives the milliseconds from before its creation.
///
/// # Errors
/// It can't be run, or fails.
pub fn call(command: &mut Command) -> io::Result<f64> {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let began = now();
    let status = command.spawn()?.wait()?;
    let took = ms(now() - began);
    if !status.success() {
        return Err(io::Error::other(format!("{command:?} ended with {status}")));
    }
    Ok(took)
}

/// Waits until the table has `n` lines of running components: what is timed must be the whole answer.
///
/// # Errors
/// It never has.
pub fn wait_for_table(bed: &Bed, n: usize) -> io::Result<()> {
    let begun = now();
    loop {
        let output = bed.ctl().arg("status").output()?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        if text.lines().filter(|line| line.contains("RUNNING")).count() == n {
            return Ok(());
        }
        if now() - begun > crate::bed::PATIENCE {
            let said = String::from_utf8_lossy(&output.stderr);
            return Err(io::Error::other(format!("not all {n} run: {text}{said}")));
        }
        std::thread::sleep(Duration::from_millis(100));
    }
}
