//! The thread that writes the log, its file of the day, and what it does when that can't be written.

use super::{Entry, LogOptions, Shared, line};
use crate::output::dated::DatedName;
use crate::output::failure::{cause, doing};
use crate::platform::log_file;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};
use log::Level;
use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::sync::mpsc::Receiver;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

/// How much is gathered for one write.
const BATCH: usize = 64 * 1024;

/// How often a file that couldn't be written is tried again, and whether it still has its name is checked.
const RECHECK: Duration = Duration::from_secs(1);

/// Owns the file of the day.
pub(super) struct Writer {
    receiver: Receiver<Entry>,
    shared: Arc<Shared>,
    zone: Option<TimeZone>,
    name: DatedName,
    keep_days: u32,
    also_stderr: bool,
    day: Date,
    path: PathBuf,
    file: Option<File>,
    /// When the file is next tried, where there is none, or next checked.
    check_at: Instant,
    /// Lines that didn't get into a file, and why the last one didn't.
    unwritten: u64,
    why: String,
}

impl Writer {
    /// Opens the file of the day of `now`, and removes files that are too old.
    pub(super) fn open(
        options: &LogOptions,
        zone: Option<TimeZone>,
        now: Timestamp,
        receiver: Receiver<Entry>,
        shared: Arc<Shared>,
    ) -> io::Result<Self> {
        let name = DatedName::of(&options.file).ok_or_else(|| {
            let file = options.file.display();
            io::Error::new(
                io::ErrorKind::InvalidInput,
                format!("the log {file} has no usable file name"),
            )
        })?;
        let day = local(zone.as_ref(), now).date();
        let path = name.on(day);
        let file = Some(open(&path)?);
        let mut writer = Self {
            receiver,
            shared,
            zone,
            name,
            keep_days: options.keep_days,
            also_stderr: options.also_stderr,
            day,
            path,
            file,
            check_at: Instant::now() + RECHECK,
            unwritten: 0,
            why: String::new(),
        };
        writer.prune(now);
        Ok(writer)
    }

    /// Writes what comes until nobody can send any more.
    pub(super) fn run(mut self) {
        while let Ok(first) = self.receiver.recv() {
            let done = self.write_batch(first);
            let mut written = self.shared.written.lock().unwrap_or_else(PoisonError::into_inner);
            *written += done;
            drop(written);
            self.shared.progress.notify_all();
        }
    }

    /// Writes `first` and what else is there already; says how many records that were.
    fn write_batch(&mut self, first: Entry) -> u64 {
        let mut text = String::new();
        let mut lines = 0;
        let mut done = 0;
        let mut next = Some(first);
        let mut last = Timestamp::UNIX_EPOCH;
        while let Some(entry) = next {
            let time = local(self.zone.as_ref(), entry.time);
            if time.date() != self.day {
                self.put(&text, lines);
                (text, lines) = (String::new(), 0);
                self.begin_day(&time);
            }
            line::push(&mut text, &time, entry.level, &entry.text);
            last = entry.time;
            lines += 1;
            done += 1;
            next = if text.len() < BATCH {
                self.receiver.try_recv().ok()
            } else {
                None
            };
        }
        let lost = self.shared.lost.swap(0, Ordering::Relaxed);
        if lost > 0 {
            let time = local(self.zone.as_ref(), last);
            let told = format!("{lost} lines are missing here: they came faster than they could be written");
            line::push(&mut text, &time, Level::Warn, &told);
            lines += 1;
        }
        self.put(&text, lines);
        done
    }

    fn begin_day(&mut self, time: &Zoned) {
        self.day = time.date();
        self.path = self.name.on(self.day);
        self.file = None;
        self.check_at = Instant::now();
        self.prune(time.timestamp());
    }

    /// Brings lines to the file, or to stderr where that can't be.
    fn put(&mut self, text: &str, lines: u64) {
        if text.is_empty() {
            return;
        }
        let written = self.put_to_file(text);
        if let Err(why) = &written {
            self.file = None;
            self.unwritten += lines;
            self.why = why.to_string();
        }
        if self.also_stderr || written.is_err() {
            // There is nowhere left to complain.
            let _ = io::stderr().write_all(text.as_bytes());
        }
    }

    fn put_to_file(&mut self, text: &str) -> io::Result<()> {
        let now = Instant::now();
        if now >= self.check_at {
            self.check_at = now + RECHECK;
            self.file = self
                .file
                .take()
                .filter(|file| log_file::is_still_named(file, &self.path));
            if self.file.is_none() {
                self.file = Some(open(&self.path)?);
            }
        }
        let Some(file) = &mut self.file else {
            return Err(io::Error::other(self.why.clone()));
        };
        let told = |why| doing(format_args!("writing {}", self.path.display()), why);
        if self.unwritten > 0 {
            let time = local(self.zone.as_ref(), Timestamp::now());
            let missing = format!("{} lines are missing here: {}", self.unwritten, self.why);
            let mut note = String::new();
            line::push(&mut note, &time, Level::Warn, &missing);
            append(file, &note).map_err(told)?;
            self.unwritten = 0;
        }
        append(file, text).map_err(told)
    }

    /// Removes own files that are too old. Whatever goes wrong is a line in the log.
    fn prune(&mut self, now: Timestamp) {
        let folder = self.name.folder().to_owned();
        let mut troubles = Vec::new();
        match fs::read_dir(&folder) {
            Ok(entries) => {
                for entry in entries.flatten() {
                    let outdated = self
                        .name
                        .is_outdated(&entry.file_name(), self.day, self.keep_days);
                    if outdated
                        && entry.file_type().is_ok_and(|kind| kind.is_file())
                        && let Err(why) = fs::remove_file(entry.path())
                    {
                        troubles.push(format!(
                            "removing the old log {}: {}",
                            entry.path().display(),
                            cause(&why)
                        ));
                    }
                }
            }
            Err(why) => troubles.push(format!(
                "looking for old logs in {}: {}",
                folder.display(),
                cause(&why)
            )),
        }
        let time = local(self.zone.as_ref(), now);
        let mut text = String::new();
        for trouble in &troubles {
            line::push(&mut text, &time, Level::Warn, trouble);
        }
        self.put(&text, troubles.len() as u64);
    }
}

/// The local time; the zone is asked for each time, because a daemon lives longer than some rules of its zone.
fn local(zone: Option<&TimeZone>, time: Timestamp) -> Zoned {
    time.to_zoned(zone.cloned().unwrap_or_else(TimeZone::system))
}

/// Opens a file to append to; a line that a crash left open is closed.
fn open(path: &std::path::Path) -> io::Result<File> {
    let mut file = log_file::open_to_append(path)?;
    if file.seek(SeekFrom::End(0))? > 0 {
        file.seek(SeekFrom::End(-1))?;
        let mut last = [b'\n'];
        if file.read(&mut last)? == 1 && last[0] != b'\n' {
            file.write_all(b"\n")?;
        }
    }
    Ok(file)
}

/// Appends all of it or nothing.
fn append(file: &mut File, text: &str) -> io::Result<()> {
    let end = file.metadata()?.len();
    file.write_all(text.as_bytes()).inspect_err(|_| {
        // Where that fails too, half a line stays; the next open closes it.
        let _ = file.set_len(end);
    })
}
