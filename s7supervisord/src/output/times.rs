//! When a log was how long: what `logs --since` is answered from, because a log holds what a component wrote and no times.
//!
//! The writer leaves a point at most once a second, before it writes, in a small file beside the log. A point says how long
//! the log was at that time and when it was last written before. So what is looked for is found to the second; points that
//! are older than an hour are thinned out to one a minute, those older than a day to one in ten minutes. All of what was
//! written since a time is found, with no more before it than that.

use crate::output::chain::{Link, Place};
use crate::output::rotated::RotatedNames;
use crate::platform::log_file;
use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How far points are apart at least.
const EVERY: Duration = Duration::from_secs(1);

/// How many points a file may have before it is thinned out, and how many may be left then. A point has [`LENGTH`] bytes,
/// so this is 640 KiB.
const MOST: usize = 16 * 1024;

/// The bytes of a point: five numbers of eight.
const LENGTH: usize = 40;

/// The file system's clock may be behind ours by a tick, in milliseconds.
const TICK: i64 = 20;

/// How far apart points are, in milliseconds, from this age on.
const THINNED: [(i64, i64); 2] = [(24 * 3_600_000, 600_000), (3_600_000, 60_000)];

/// One point. All times are those of the wall clock in milliseconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Point {
    /// When it was made.
    pub at: i64,
    /// When the file was last written before that.
    pub before: i64,
    /// Which file (see [`log_file::identity`]).
    pub file: u64,
    /// How long it was.
    pub offset: u64,
}

impl Point {
    fn encode(&self) -> [u8; LENGTH] {
        let mut bytes = [0; LENGTH];
        let words = [self.at as u64, self.before as u64, self.file, self.offset];
        let all = words.into_iter().chain([check(words)]);
        for (place, word) in bytes.chunks_exact_mut(8).zip(all) {
            place.copy_from_slice(&word.to_le_bytes());
        }
        bytes
    }

    /// `None` where it wasn't written whole.
    fn decode(bytes: &[u8]) -> Option<Self> {
        let word = |at: usize| {
            let bytes = bytes.get(at * 8..)?.first_chunk()?;
            Some(u64::from_le_bytes(*bytes))
        };
        let words = [word(0)?, word(1)?, word(2)?, word(3)?];
        (word(4)? == check(words)).then_some(Self {
            at: words[0] as i64,
            before: words[1] as i64,
            file: words[2],
            offset: words[3],
        })
    }

    /// Whether this is about another file than `last`, or about a file that has begun anew.
    fn begins_anew(&self, last: &Self) -> bool {
        self.file != last.file || self.offset < last.offset || (self.offset == 0 && last.offset > 0)
    }
}

/// FNV-1a over the words: enough to know a point that a full disk or a loss of power has cut.
fn check(words: [u64; 4]) -> u64 {
    words.into_iter().fold(0xcbf2_9ce4_8422_2325, |hash, word| {
        (hash ^ word).wrapping_mul(0x0100_0000_01b3)
    })
}

/// Writes the points of one log.
#[derive(Debug)]
pub struct Points {
    names: Option<RotatedNames>,
    last: Option<(Instant, Point)>,
}

impl Points {
    /// Those of `log`. Nothing is opened before there is one.
    #[must_use]
    pub fn of(log: &Path) -> Self {
        Self {
            names: RotatedNames::of(log),
            last: None,
        }
    }

    /// Writes a point down, unless the last one is as good. One that can't be written makes answers less exact, and
    /// nothing else.
    pub fn note(&mut self, now: Instant, point: Point) {
        if let Some((when, last)) = &self.last
            && !point.begins_anew(last)
            && (now.duration_since(*when) < EVERY || point.offset == last.offset)
        {
            return;
        }
        self.last = Some((now, point));
        if let Some(names) = &self.names
            && let Err(why) = write(names, point)
        {
            log::debug!("a point in time can't be written down: {why}");
        }
    }
}

fn path(names: &RotatedNames) -> PathBuf {
    names.hidden("times")
}

fn write(names: &RotatedNames, point: Point) -> io::Result<()> {
    let mut file = log_file::open_to_place(&path(names))?;
    let mut held = file.metadata()?.len() / LENGTH as u64;
    if held >= MOST as u64 {
        file = rewritten(names, &thin(&read_from(file)?, point.at))?;
        held = file.metadata()?.len() / LENGTH as u64;
    }
    // Behind the last whole one: a full disk may have left a part of another.
    file.seek(SeekFrom::Start(held * LENGTH as u64))?;
    file.write_all(&point.encode())
}

fn rewritten(names: &RotatedNames, points: &[Point]) -> io::Result<File> {
    let new = names.hidden("times.new");
    let mut file = log_file::open_to_place(&new)?;
    file.set_len(0)?;
    file.write_all(&points.iter().flat_map(Point::encode).collect::<Vec<u8>>())?;
    fs::rename(new, path(names))?;
    Ok(file)
}

/// Leaves out what lies closer together than its age asks for.
fn thin(points: &[Point], now: i64) -> Vec<Point> {
    let mut kept: Vec<Point> = Vec::new();
    for point in points {
        let age = now.saturating_sub(point.at);
        let apart = THINNED.iter().find(|(from, _)| age >= *from);
        let near = |last: &Point| {
            let since = point.at.saturating_sub(last.at);
            apart.is_some_and(|(_, apart)| (0..*apart).contains(&since))
        };
        if kept
            .last()
            .is_none_or(|last| point.begins_anew(last) || !near(last))
        {
            kept.push(*point);
        }
    }
    kept.split_off(kept.len().saturating_sub(MOST / 2))
}

fn read_from(mut file: File) -> io::Result<Vec<Point>> {
    let mut bytes = Vec::new();
    let most = 2 * MOST * LENGTH;
    Read::by_ref(&mut file)
        .take(most as u64)
        .read_to_end(&mut bytes)?;
    Ok(bytes.chunks_exact(LENGTH).filter_map(Point::decode).collect())
}

/// Where to begin to read.
#[derive(Debug, PartialEq, Eq)]
pub struct Start {
    /// The place; the end of the newest file where there is nothing.
    pub place: Place,
    /// That what is at the beginning may be older, and why that isn't known.
    pub uncertain: Option<String>,
}

/// Where in `links`, the files of `log`, is the first byte that was written since `since`.
///
/// # Errors
/// The file of points is there and can't be read.
pub fn start(log: &Path, links: &[Link], since: i64) -> io::Result<Start> {
    let points = match RotatedNames::of(log).map(|names| log_file::open_to_read(&path(&names))) {
        None => Vec::new(),
        Some(Err(error)) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
        Some(opened) => read_from(opened?)?,
    };
    Ok(search(&points, links, since))
}

fn search(points: &[Point], links: &[Link], since: i64) -> Start {
    let at = |link, offset| Place { link, offset };
    let mut begin = at(0, links.first().map_or(0, |link| link.length));
    let mut known = true;
    for (index, link) in links.iter().enumerate() {
        if link.modified.saturating_add(TICK) < since {
            break;
        }
        // A number may have been given to several files, one after the other.
        let newer = links[..index].iter().filter(|newer| newer.origin == link.origin);
        let own = segment(points, link.origin, newer.count());
        let earlier = own
            .iter()
            .rev()
            .find(|point| point.before < since && point.offset > 0);
        if let Some(point) = earlier {
            let place = at(
                index,
                if link.packed {
                    point.offset
                } else {
                    point.offset.min(link.length)
                },
            );
            return Start {
                place,
                uncertain: None,
            };
        }
        begin = at(index, 0);
        known = link.length == 0 || own.first().is_some_and(|point| point.offset == 0);
    }
    let uncertain = (!known).then(|| {
        let file = links[begin.link].path.display();
        format!("when the first part of {file} was written is not known, so all of it is shown")
    });
    Start {
        place: begin,
        uncertain,
    }
}

/// The points of the file that had the number `file`, `newer` files before the last one that had it.
fn segment(points: &[Point], file: u64, newer: usize) -> Vec<Point> {
    let own: Vec<Point> = points
        .iter()
        .filter(|point| point.file == file)
        .copied()
        .collect();
    let mut segments = own.chunk_by(|last, point| !point.begins_anew(last));
    segments.nth_back(newer).unwrap_or_default().to_vec()
}

#[cfg(test)]
#[path = "times_tests.rs"]
mod tests;
