//! The record as a whole: what its lines come to, and the lines that say it again in short.
//!
//! Lines, not a binary format, so that they can be read at 3 a.m.: `state <format>`, `boot <boot id>`, what is known of runs
//! ([`super::known`]), that they have become ready (`ready <component> <run>`), how far apart they have said that their signs of
//! life will be (`signs <component> <run> <microseconds>`), up to when they have asked to have time, to start or, once they were
//! asked to end, to stop (`until <component> <run> <nanoseconds since boot>`), when they were asked to end (`asked <component> <run> <nanoseconds since boot>`), what people have
//! wished by name ([`super::wishes`]) and that everything was stopped (`all down <who> <at>`, taken back by `all up`). Later
//! lines win. Lines of a kind that this version doesn't know are kept for the version that does.

use super::known::{Known, Recorded};
use super::line::{self, Read};
use super::wishes::{self, Wishes};
use s7proto::name::ComponentName;
use s7proto::status::Actor;
use std::collections::BTreeMap;
use std::time::Duration;

/// The format that this version writes. The first one had no number, no seals and no fields.
pub const FORMAT: u32 = 2;

/// No run has a higher number, so that there is always a next one: at a thousand starts a second it is reached after 290
/// million years.
const LAST_RUN: u64 = u64::MAX / 2;

/// Lines of a newer version that are kept; more than a newer version is expected to write about each component.
const KEPT_LINES: usize = 10_000;

/// What an earlier daemon has left.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Left {
    /// What is known of each component.
    pub known: BTreeMap<ComponentName, Known>,
    /// What people have wished by name.
    pub wishes: Wishes,
    /// Who has stopped everything, and when (wall time in milliseconds since 1970), if nobody has started it since.
    pub all_down: Option<(Actor, i64)>,
    /// Lines that can't be understood: half written, or damaged.
    pub damaged: u32,
    /// Lines of a newer version.
    pub others: Vec<String>,
}

/// The record is of a format that this version doesn't know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("it was written by a newer supervisor (format {0}; this one reads up to {FORMAT})")]
pub struct Newer(pub u32);

/// What was noted since the boot `boot_id` and still holds.
///
/// # Errors
/// A newer version has written it, in a format of its own.
pub fn parse(text: &[u8], boot_id: &str) -> Result<Left, Newer> {
    let mut reading = Reading::default();
    for bytes in text.split(|byte| *byte == b'\n') {
        match line::read(bytes) {
            Read::Nothing => {}
            Read::Sealed(words) => reading.take(words, boot_id)?,
            Read::Plain(words) if reading.format < 2 => reading.take(words, boot_id)?,
            Read::Plain(_) | Read::Damaged => reading.left.damaged += 1,
        }
    }
    Ok(reading.left)
}

#[derive(Default)]
struct Reading {
    format: u32,
    /// The lines are of the present boot.
    present: bool,
    left: Left,
}

impl Reading {
    fn take(&mut self, line: &str, boot_id: &str) -> Result<(), Newer> {
        let mut words = line.split(' ');
        let kind = words.next().unwrap_or_default();
        match kind {
            "state" => {
                self.format = words
                    .next()
                    .and_then(|format| format.parse().ok())
                    .unwrap_or(FORMAT);
                if self.format > FORMAT {
                    return Err(Newer(self.format));
                }
            }
            "boot" => {
                self.present = words.next() == Some(boot_id);
                let damaged = self.left.damaged;
                self.left = Left {
                    damaged,
                    ..Left::default()
                };
            }
            _ if !self.present => {}
            "start" | "end" | "asked" | "ready" | "signs" | "until" => {
                let understood = self.take_run(kind, &mut words).is_some();
                self.left.damaged += u32::from(!understood);
            }
            "wish" | "unwish" => wishes::take(kind, words, &mut self.left.wishes),
            "all" => {
                self.left.all_down = wishes::take_all(words);
                if self.left.all_down.is_some() {
                    wishes::all_are_before(&mut self.left.wishes);
                }
            }
            // What an interrupted write of the first format has left of a word is nothing to be kept.
            _ if self.format >= 2 && self.left.others.len() < KEPT_LINES => {
                self.left.others.push(line.to_owned());
            }
            _ => {}
        }
        Ok(())
    }

    fn take_run<'a>(
        &mut self,
        kind: &str,
        words: &mut (impl Iterator<Item = &'a str> + Clone),
    ) -> Option<()> {
        let component = ComponentName::parse(words.next()?).ok()?;
        let run: u64 = words.next()?.parse().ok().filter(|run| *run <= LAST_RUN)?;
        match kind {
            "start" => {
                let pid = words.next()?.parse().ok().filter(|pid| *pid > 1)?;
                let began_ns = words.next()?.parse().ok()?;
                let mut known = Known {
                    run,
                    process: Some(Recorded { pid, inode: None }),
                    began_ns,
                    ..Known::default()
                };
                known.take(words);
                // What is recorded again late says nothing about a run that has begun since.
                if self
                    .left
                    .known
                    .get(&component)
                    .is_some_and(|latest| latest.began_ns > began_ns)
                {
                    return Some(());
                }
                // A new run is created only when nothing of the one before is left.
                self.left.known.insert(component, known);
            }
            "end" => {
                let mut over = Known::default();
                over.take(words.clone());
                let known = self.left.known.entry(component).or_default();
                if over.began_ns > 0 && over.began_ns < known.began_ns {
                    // Of a run of that name before it left the registry; what has begun since counts from the beginning.
                    return Some(());
                }
                // The end of a later one too: it was not even created before this one was over. One that is noted late says
                // nothing about the next run.
                if known.run <= run {
                    known.run = run;
                    known.process = None;
                    known.asked_ns = None;
                    known.until_ns = None;
                    known.ready = false;
                    known.signs = None;
                    // Whoever noted this end has noted as well whether it is the last one.
                    known.stays = None;
                    known.take(words);
                }
            }
            "signs" => {
                let apart = Duration::from_micros(words.next()?.parse().ok()?);
                let known = self.left.known.get_mut(&component);
                if let Some(known) = known.filter(|known| known.run == run) {
                    known.signs = Some(apart);
                }
            }
            "until" => {
                let at_ns = words.next()?.parse().ok()?;
                let known = self.left.known.get_mut(&component);
                if let Some(known) = known.filter(|known| known.run == run) {
                    known.until_ns = Some(at_ns);
                }
            }
            "ready" => {
                let known = self.left.known.get_mut(&component);
                if let Some(known) = known.filter(|known| known.run == run) {
                    known.ready = true;
                }
            }
            _ => {
                let at_ns = words.next()?.parse().ok()?;
                // Where the line of the start is lost, this one is whole all the same; it has nothing to be said of.
                let known = self.left.known.get_mut(&component);
                if let Some(known) = known.filter(|known| known.run == run) {
                    known.asked_ns = Some(at_ns);
                    // That was time to start.
                    known.until_ns = None;
                }
            }
        }
        Some(())
    }
}

/// All of it again, in as few lines as it takes.
#[must_use]
pub fn text(boot_id: &str, left: &Left) -> String {
    let mut lines = vec![format!("state {FORMAT}"), format!("boot {boot_id}")];
    for (component, known) in &left.known {
        lines.extend(known.words(component));
    }
    lines.extend(wishes::all_lines(&left.wishes, left.all_down.as_ref()));
    lines.extend(left.others.iter().cloned());
    lines.iter().map(|words| line::sealed(words)).collect()
}
