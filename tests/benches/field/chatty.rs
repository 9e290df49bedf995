//! `s7ctl status` while 50 components write lines all the time, each line a write of its own: once a thousand lines a second
//! each, and once as fast as they can, which also keeps every processor busy with their own loops (the floor tells).

use crate::bed::{Bed, PATIENCE};
use crate::row::{Bound, Row, median, spread};
use crate::starts::now;
use crate::status::{call, talker, wait_for_table};
use crate::{Options, quiet};
use std::io::{self, Read, Seek, SeekFrom};
use std::process::Command;
use std::time::Duration;

const COMPONENTS: usize = 50;

/// The measure.
///
/// # Errors
/// What could not be measured.
pub fn rows(options: &Options) -> io::Result<Vec<Row>> {
    Ok(vec![
        row(options, "s7ctl status, 50 chatty", 1000)?,
        row(options, "s7ctl status, 50 flat out", 0)?,
    ])
}

fn row(options: &Options, measure: &'static str, pause_us: u32) -> io::Result<Row> {
    let talker = talker(options)?;
    let mut bed = Bed::with(&options.tools, |starts| {
        format!(
            "<server id=\"chat\"><executable>{}</executable><arguments><argument>chat</argument>\
             <argument>{pause_us}</argument><argument>{}</argument></arguments><instances>{COMPONENTS}</instances></server>",
            talker.display(),
            starts.path().display()
        )
    })?;
    bed.starts.many(COMPONENTS, PATIENCE)?;
    wait_for_table(&bed, COMPONENTS)?;
    let before = written(&bed)?;
    let (mut took, mut least) = (Vec::new(), Vec::new());
    for round in 0..options.rounds(60) {
        took.push(call(bed.ctl().arg("status"))?);
        least.push(call(Command::new(&talker).arg("nothing"))?);
        if round % 10 == 9 {
            // A disk isn't filled for a figure: the logs begin anew, which they may at any time.
            cut(&bed)?;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    let silent = still(&bed, &before)?;
    bed.stop()?;
    quiet();
    if silent > 0 {
        return Err(io::Error::other(format!(
            "{silent} of {COMPONENTS} components wrote nothing meanwhile"
        )));
    }
    Ok(Row {
        measure,
        n: Some(COMPONENTS),
        ours: median(&took)?,
        unit: "ms",
        floor: Some(median(&least)?),
        bound: Bound::AtMost(20.0),
        note: format!("{}; floor {}", spread(&took)?, spread(&least)?),
    })
}

fn logs(bed: &Bed) -> impl Iterator<Item = std::path::PathBuf> {
    (1..=COMPONENTS).map(|number| bed.path(&format!("logs/chat-{number}.log")))
}

/// The last number that each has written; `None` where its log was just cut.
fn written(bed: &Bed) -> io::Result<Vec<Option<u64>>> {
    logs(bed).map(|log| last_number(&log)).collect()
}

/// Of the last whole line; a log that was cut begins anywhere.
fn last_number(log: &std::path::Path) -> io::Result<Option<u64>> {
    let mut file = std::fs::File::open(log)?;
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(300)))?;
    let mut end = Vec::new();
    file.take(300).read_to_end(&mut end)?;
    let text = String::from_utf8_lossy(&end).into_owned();
    let Some((whole, _)) = text.rsplit_once('\n') else {
        return Ok(None);
    };
    let number = whole.lines().last().and_then(|line| line.get(..12)?.parse().ok());
    let why = || format!("no line at the end of {}: {text:?}", log.display());
    number.map(Some).ok_or_else(|| io::Error::other(why()))
}

/// How many have written nothing since, and don't in the next seconds either.
fn still(bed: &Bed, before: &[Option<u64>]) -> io::Result<usize> {
    let begun = now();
    loop {
        let written = written(bed)?;
        let silent = written.iter().zip(before).filter(|(now, before)| now <= before);
        let silent = silent.count();
        if silent == 0 || now() - begun > PATIENCE / 6 {
            return Ok(silent);
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn cut(bed: &Bed) -> io::Result<()> {
    logs(bed).try_for_each(|log| std::fs::OpenOptions::new().write(true).open(log)?.set_len(0))
}
