//! One component that writes 512 MB of 100-byte lines as fast as it can, from its first line until the last byte is in its
//! log. Beside it, in turns, the same writer on a pipe that a program copies to a file by read(2) and write(2).

use crate::bed::{Bed, PATIENCE};
use crate::row::{Bound, Row, median, spread};
use crate::starts::{Starts, now};
use crate::status::talker;
use crate::{Options, STEADY, quiet};
use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

/// As the field was measured (`peers-measured.md`, 8), in bytes.
const BYTES: u64 = 512_000_000;

/// What one round took.
struct Round {
    seconds: f64,
    cpu_seconds: f64,
}

/// The measure.
///
/// # Errors
/// What could not be measured; also a byte that was lost or is another one.
pub fn rows(options: &Options) -> io::Result<Vec<Row>> {
    let talker = talker(options)?;
    let floor_folder = options.tools.fresh_folder()?;
    let mut floor_starts = Starts::make(&floor_folder.join("starts"))?;
    let mut bed = Bed::with(&options.tools, |starts| {
        format!(
            "<server id=\"flood\"><executable>{}</executable><arguments><argument>flood</argument>\
             <argument>{BYTES}</argument><argument>{}</argument></arguments>\
             <autoStart>false</autoStart><restart policy=\"never\"/><log maxSize=\"1GB\"/></server>",
            talker.display(),
            starts.path().display()
        )
    })?;
    std::thread::sleep(STEADY);
    let (mut ours, mut floor) = (Vec::new(), Vec::new());
    for round in 0..options.rounds(9) {
        // Each goes first as often as the other: what the first one leaves for the disk falls upon the second.
        for turn in [round % 2, (round + 1) % 2] {
            if turn == 0 {
                ours.push(captured(&mut bed)?);
            } else {
                floor.push(copied(&talker, &floor_folder, &mut floor_starts)?);
            }
        }
    }
    bed.stop()?;
    quiet();
    let rates =
        |rounds: &[Round]| -> Vec<f64> { rounds.iter().map(|round| megabytes() / round.seconds).collect() };
    let costs = |rounds: &[Round]| -> Vec<f64> {
        let per_gigabyte = |round: &Round| round.cpu_seconds / megabytes() * 1e3;
        rounds.iter().map(per_gigabyte).collect()
    };
    let row =
        |measure, unit, bound, figures: fn(&[f64]) -> io::Result<f64>, of: &dyn Fn(&[Round]) -> Vec<f64>| {
            let (ours, floor) = (of(&ours), of(&floor));
            Ok::<_, io::Error>(Row {
                measure,
                n: Some(1),
                ours: figures(&ours)?,
                unit,
                floor: Some(figures(&floor)?),
                bound,
                note: format!("{}; floor {}", spread(&ours)?, spread(&floor)?),
            })
        };
    Ok(vec![
        row("capture", "MB/s", Bound::AtLeastTimesFloor(0.9), median, &rates)?,
        row("capture, CPU", "s/GB", Bound::TimesFloor(1.0), median, &costs)?,
    ])
}

fn megabytes() -> f64 {
    BYTES as f64 / 1e6
}

/// One round of ours.
fn captured(bed: &mut Bed) -> io::Result<Round> {
    let log = bed.path("logs/flood.log");
    let before = cpu_seconds(bed.pid()?)?;
    let mut started = bed.ctl();
    started
        .args(["start", "flood"])
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let mut started = started.spawn()?;
    let begun = bed.starts.next(1, PATIENCE)?;
    let seconds = until_whole(&log, begun[0].at)?;
    let cpu_seconds = cpu_seconds(bed.pid()?)? - before;
    started.wait()?;
    finish(&log)?;
    Ok(Round { seconds, cpu_seconds })
}

/// One round of the floor.
fn copied(talker: &Path, folder: &Path, starts: &mut Starts) -> io::Result<Round> {
    let file = folder.join("copy");
    let mut copier = Command::new(talker)
        .arg("copy")
        .arg(&file)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    let pipe = copier.stdin.take();
    let pipe = pipe.ok_or_else(|| io::Error::other("the copier has no pipe"))?;
    let mut writer = Command::new(talker)
        .arg("flood")
        .arg(BYTES.to_string())
        .arg(starts.path())
        .stdout(pipe)
        .spawn()?;
    let begun = starts.next(1, PATIENCE)?;
    let seconds = until_whole(&file, begun[0].at);
    let wrote = writer.wait()?;
    let output = copier.wait_with_output()?;
    if !wrote.success() || !output.status.success() {
        return Err(io::Error::other(format!(
            "the writer ended with {wrote}, the copier with {}",
            output.status
        )));
    }
    let said = String::from_utf8_lossy(&output.stdout);
    let nanoseconds: f64 = said.trim().parse().map_err(io::Error::other)?;
    finish(&file)?;
    Ok(Round {
        seconds: seconds?,
        cpu_seconds: nanoseconds / 1e9,
    })
}

/// Waits until all bytes are in `file`; the seconds since `began`.
fn until_whole(file: &Path, began: Duration) -> io::Result<f64> {
    loop {
        let length = std::fs::metadata(file).map_or(0, |meta| meta.len());
        let span = now() - began;
        if length >= BYTES {
            return Ok(span.as_secs_f64());
        }
        if span > PATIENCE {
            return Err(io::Error::other(format!("{length} of {BYTES} bytes came")));
        }
        std::thread::sleep(Duration::from_micros(500));
    }
}

/// Looks at every line, and leaves nothing for the disk to do.
fn finish(file: &Path) -> io::Result<()> {
    let mut lines = BufReader::with_capacity(1 << 20, File::open(file)?);
    let mut line = [0; 100];
    for number in 0..BYTES / 100 {
        lines.read_exact(&mut line)?;
        let written = line[..12].iter().try_fold(0, |sum, digit| {
            digit.is_ascii_digit().then(|| sum * 10 + u64::from(digit - b'0'))
        });
        if written != Some(number) || line[99] != b'\n' {
            let line = String::from_utf8_lossy(&line).into_owned();
            return Err(io::Error::other(format!("line {number} is {line:?}")));
        }
    }
    if lines.read(&mut line)? != 0 {
        return Err(io::Error::other("there is more in it than was written"));
    }
    std::fs::remove_file(file)?;
    rustix::fs::sync();
    Ok(())
}

/// What all threads of a process have used.
fn cpu_seconds(pid: u32) -> io::Result<f64> {
    let mut nanoseconds = 0.0;
    for task in std::fs::read_dir(format!("/proc/{pid}/task"))? {
        let text = std::fs::read_to_string(task?.path().join("schedstat"))?;
        let first = text.split(' ').next().and_then(|word| word.parse::<f64>().ok());
        nanoseconds += first.ok_or_else(|| io::Error::other(format!("no run time in {text:?}")))?;
    }
    Ok(nanoseconds / 1e9)
}
