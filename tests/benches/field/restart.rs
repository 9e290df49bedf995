//! From kill(2) to the first line of the successor, the first crash in its row; the floor's and ours in turns.

use crate::bed::{Bed, PATIENCE, kill_all};
use crate::floor::Floor;
use crate::row::{Bound, Row, median, spread};
use crate::starts::{Start, Starts, ms};
use crate::{Options, STEADY, quiet};
use s7tests::random::Random;
use std::io;
use std::time::Duration;

/// The measure.
///
/// # Errors
/// What could not be measured.
pub fn rows(options: &Options) -> io::Result<Vec<Row>> {
    options.sizes.iter().map(|n| row(options, *n)).collect()
}

/// A component is killed once only, so that each crash is the first in its row: where there is one alone, under one daemon
/// after the other.
fn row(options: &Options, n: usize) -> io::Result<Row> {
    let mut random = Random::new();
    let crashes = options.rounds(if n < 10 { 15 } else { 40 });
    let (mut floor, begun) = Floor::workers(&options.tools, n)?;
    let mut floors = Victims::new(&begun, &mut random);
    let mut ours: Option<(Bed, Victims)> = None;
    let (mut took, mut least) = (Vec::new(), Vec::new());
    for _ in 0..crashes {
        let (mut bed, mut victims) = match ours.take() {
            Some(ours) if !ours.1.are_done() => ours,
            before => {
                if let Some((bed, _)) = before {
                    bed.stop()?;
                }
                let (bed, begun) = Bed::workers(&options.tools, n)?;
                std::thread::sleep(STEADY);
                (bed, Victims::new(&begun, &mut random))
            }
        };
        std::thread::sleep(Duration::from_millis(50 + random.below(200)));
        took.push(victims.crash(&mut bed.starts)?);
        std::thread::sleep(Duration::from_millis(50 + random.below(100)));
        if floors.are_done() {
            floors.begin_again();
        }
        least.push(floors.crash(&mut floor.starts)?);
        ours = Some((bed, victims));
    }
    drop(floor);
    if let Some((bed, _)) = ours {
        bed.stop()?;
    }
    quiet();
    Ok(Row {
        measure: "restart",
        n: Some(n),
        ours: median(&took)?,
        unit: "ms",
        floor: Some(median(&least)?),
        bound: Bound::TimesFloor(2.0),
        note: format!("{}; floor {}", spread(&took)?, spread(&least)?),
    })
}

/// Those who are killed, in a random order.
struct Victims {
    /// Not killed yet.
    left: Vec<u32>,
    /// Those who have come for them.
    next: Vec<u32>,
}

impl Victims {
    fn new(begun: &[Start], random: &mut Random) -> Self {
        let mut left: Vec<u32> = begun.iter().map(|start| start.pid).collect();
        random.shuffle(&mut left);
        Self {
            left,
            next: Vec::new(),
        }
    }

    fn are_done(&self) -> bool {
        self.left.is_empty()
    }

    /// The floor has no rows of crashes: whoever has come can be killed again.
    fn begin_again(&mut self) {
        std::mem::swap(&mut self.left, &mut self.next);
    }

    fn crash(&mut self, starts: &mut Starts) -> io::Result<f64> {
        let victim = self.left.pop();
        let victim = victim.ok_or_else(|| io::Error::other("nobody is left to be killed"))?;
        let killed = kill_all([victim])?;
        let again = starts.next(1, PATIENCE)?;
        let [next] = again[..] else {
            return Err(io::Error::other("one was killed, and several began"));
        };
        self.next.push(next.pid);
        Ok(ms(next.at - killed))
    }
}
