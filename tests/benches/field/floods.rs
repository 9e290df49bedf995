//! A status query beside three components that write without end: lines, no lines at all, blocks (fault row 11).

use crate::bed::{Bed, PATIENCE};
use crate::query::Client;
use crate::row::{Bound, Row, percentile, spread};
use crate::starts::now;
use crate::{Options, quiet};
use std::io;
use std::path::Path;
use std::time::Duration;

const FLOODS: [&str; 3] = ["lines", "zeros", "blocks"];

/// What a log may grow to before it is cut, more or less.
const ENOUGH: u64 = 128 << 20;

/// The measure.
///
/// # Errors
/// What could not be measured.
pub fn rows(options: &Options) -> io::Result<Vec<Row>> {
    let bed = Bed::with(&options.tools, |_| {
        let server = |id: &str, program: &str, argument: &str| {
            format!(
                "<server id=\"{id}\"><executable>{program}</executable>\
                 <arguments><argument>{argument}</argument></arguments></server>"
            )
        };
        // `yes` writes blocks of many lines, `cat` of 128 KiB, `dd` of 512 bytes, which are no lines at all.
        server("lines", "/usr/bin/yes", "y")
            + &server("zeros", "/bin/cat", "/dev/zero")
            + &server("blocks", "/bin/dd", "if=/dev/zero")
    })?;
    let begun = now();
    while !FLOODS.iter().all(|id| length(&log(&bed, id)) > 1 << 20) {
        if now() - begun > PATIENCE {
            return Err(io::Error::other(format!("not all flood: {}", bed.said())));
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    let mut client = Client::connect(&bed)?;
    let mut took = Vec::new();
    for _ in 0..options.rounds(300) {
        std::thread::sleep(Duration::from_millis(10));
        took.push(client.ask(FLOODS.len())? / 1e3);
        for id in FLOODS {
            let log = log(&bed, id);
            if length(&log) > ENOUGH {
                std::fs::OpenOptions::new().write(true).open(log)?.set_len(0)?;
            }
        }
    }
    bed.stop()?;
    quiet();
    Ok(vec![Row {
        measure: "status query, floods, p99",
        n: Some(FLOODS.len()),
        ours: percentile(&took, 0.99)?,
        unit: "ms",
        floor: None,
        bound: Bound::AtMost(50.0),
        note: spread(&took)?,
    }])
}

fn log(bed: &Bed, id: &str) -> std::path::PathBuf {
    bed.path(&format!("logs/{id}.log"))
}

fn length(log: &Path) -> u64 {
    std::fs::metadata(log).map_or(0, |meta| meta.len())
}
