//! From the execution of a new daemon, after the one before was killed, until all that runs is adopted: until `status` says
//! that everybody runs, with the process ids from before, and until the daemon itself has said so in its log.

use crate::bed::Bed;
use crate::query::Client;
use crate::row::{Bound, Row, median, spread};
use crate::starts::{ms, now};
use crate::{Options, STEADY, quiet};
use std::collections::BTreeSet;
use std::io;
use std::time::Duration;

/// What the issue allows for a hundred, in milliseconds.
const MOST: f64 = 100.0;
/// For how many.
const COMPONENTS: usize = 100;
/// What the daemon writes when it is done with what was recorded.
const SAID: &str = "runs adopted";

/// The measure.
///
/// # Errors
/// What could not be measured; also a run that is another one afterwards.
pub fn rows(options: &Options) -> io::Result<Vec<Row>> {
    let (mut bed, begun) = Bed::workers(&options.tools, COMPONENTS)?;
    let before: BTreeSet<u32> = begun.iter().map(|start| start.pid).collect();
    std::thread::sleep(STEADY);
    let (mut status, mut said) = (Vec::new(), Vec::new());
    for _ in 0..options.rounds(30) {
        let heard = count(&bed)?;
        bed.replace()?;
        status.push(ms(until_all_run(&bed, &before)? - bed.began));
        said.push(until_said(&bed, heard)?);
        std::thread::sleep(Duration::from_millis(200));
    }
    // Nobody was started again.
    bed.starts.many(0, Duration::ZERO)?;
    bed.stop()?;
    quiet();
    let row = |measure, figures: &[f64]| {
        Ok::<_, io::Error>(Row {
            measure,
            n: Some(COMPONENTS),
            ours: median(figures)?,
            unit: "ms",
            floor: None,
            bound: Bound::AtMost(MOST),
            note: spread(figures)?,
        })
    };
    Ok(vec![row("adopt", &status)?, row("adopt, in the log", &said)?])
}

/// When `status` was answered so that all of `before` run and nobody else.
fn until_all_run(bed: &Bed, before: &BTreeSet<u32>) -> io::Result<Duration> {
    let begun = now();
    loop {
        let pids = Client::connect(bed).and_then(|mut client| client.running(before.len()));
        match pids {
            Ok(pids) if pids == *before => return Ok(now()),
            Ok(pids) if pids.len() == before.len() => {
                return Err(io::Error::other("other processes run than before"));
            }
            _ if now() - begun > crate::bed::PATIENCE => {
                return Err(io::Error::other(format!("not all were adopted: {pids:?}")));
            }
            _ => std::thread::sleep(Duration::from_micros(300)),
        }
    }
}

/// The daemon's own log, all days of it.
fn log(bed: &Bed) -> io::Result<String> {
    let mut text = String::new();
    for entry in std::fs::read_dir(bed.path("logs"))? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.starts_with("Supervisor-") && !name.contains("audit") {
            text.push_str(&std::fs::read_to_string(entry.path())?);
        }
    }
    Ok(text)
}

fn count(bed: &Bed) -> io::Result<usize> {
    Ok(log(bed)?.lines().filter(|line| line.contains(SAID)).count())
}

/// The milliseconds from the execution until it was said once more than `heard` times, by the time that the line bears.
fn until_said(bed: &Bed, heard: usize) -> io::Result<f64> {
    let begun = now();
    loop {
        let log = log(bed)?;
        let mut lines = log.lines().filter(|line| line.contains(SAID)).skip(heard);
        if let Some(line) = lines.next() {
            // "2026-11-22 18:27:46.922 INFO …": what matters is the second of the minute.
            let second = line.get(17..23).and_then(|text| text.parse::<f64>().ok());
            let second = second.ok_or_else(|| io::Error::other(format!("no time in {line:?}")))?;
            let span = second - bed.began_at % 60.0;
            return Ok((if span < -1.0 { span + 60.0 } else { span.max(0.0) }) * 1e3);
        }
        if now() - begun > crate::bed::PATIENCE {
            return Err(io::Error::other(format!("the daemon has not said {SAID:?}")));
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}
