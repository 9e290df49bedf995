//! One log with a file for each day, and what is done when that can't be written.

use super::line;
use crate::output::dated::DatedName;
use crate::output::failure::{cause, doing};
use crate::platform::log_file;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};
use log::Level;
use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How often a file that couldn't be written is tried again, and whether it still has its name is checked.
const RECHECK: Duration = Duration::from_secs(1);

/// One log.
pub(super) struct Book {
    zone: Option<TimeZone>,
    name: DatedName,
    keep_days: u32,
    also_stderr: bool,
    day: Date,
    path: PathBuf,
    file: Option<File>,
    /// When the file is next tried, where there is none, or next checked.
    check_at: Instant,
    /// Lines that wait for [`Book::put`], and how many they are.
    text: String,
    lines: u64,
    /// Lines that didn't get into a file, and why the last one didn't.
    unwritten: u64,
    why: String,
}

impl Book {
    /// A log called `file` with the date before its suffix. Its file is opened by the first line.
    pub(super) fn new(
        file: &Path,
        zone: Option<TimeZone>,
        keep_days: u32,
        also_stderr: bool,
        now: Timestamp,
    ) -> io::Result<Self> {
        let name = DatedName::of(file).ok_or_else(|| {
            io::Error::new(
                io::ErrorKind::InvalidInput,
                format!("the log {} has no usable file name", file.display()),
            )
        })?;
        let day = local(zone.as_ref(), now).date();
        let path = name.on(day);
        Ok(Self {
            zone,
            name,
            keep_days,
            also_stderr,
            day,
            path,
            file: None,
            check_at: Instant::now(),
            text: String::new(),
            lines: 0,
            unwritten: 0,
            why: String::new(),
        })
    }

    /// Opens the file of the day before there is a line for it, so that the start fails where it can't be written.
    pub(super) fn open_now(&mut self) -> io::Result<()> {
        self.file = Some(open(&self.path)?);
        self.check_at = Instant::now() + RECHECK;
        Ok(())
    }

    /// Goes on without the file, which is tried again.
    pub(super) fn do_without(&mut self, why: &io::Error) {
        self.why = why.to_string();
    }

    /// Why the file can't be written at present, if so.
    pub(super) fn fault(&self) -> Option<&str> {
        (self.file.is_none() && !self.why.is_empty()).then_some(&*self.why)
    }

    /// Tries the file again where it could not be written.
    pub(super) fn try_again(&mut self) {
        if self.fault().is_some()
            && let Err(why) = self.put_to_file("")
        {
            self.why = why.to_string();
        }
    }

    /// Adds a line to those that wait; says how long it is. Lines of a day before are written first.
    pub(super) fn push(&mut self, time: &Zoned, level: Level, text: &str) -> usize {
        if time.date() != self.day {
            self.put();
            self.begin_day(time);
        }
        let before = self.text.len();
        line::push(&mut self.text, time, level, text);
        self.lines += 1;
        self.text.len() - before
    }

    /// Brings what waits to the file, or to stderr where that can't be.
    pub(super) fn put(&mut self) {
        let text = std::mem::take(&mut self.text);
        let lines = std::mem::take(&mut self.lines);
        self.write(&text, lines);
    }

    fn begin_day(&mut self, time: &Zoned) {
        self.day = time.date();
        self.path = self.name.on(self.day);
        self.file = None;
        self.check_at = Instant::now();
        self.prune(time.timestamp());
    }

    fn write(&mut self, text: &str, lines: u64) {
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
    pub(super) fn prune(&mut self, now: Timestamp) {
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
        self.write(&text, troubles.len() as u64);
    }
}

/// The local time; the zone is asked for each time, because a daemon lives longer than some rules of its zone.
pub(super) fn local(zone: Option<&TimeZone>, time: Timestamp) -> Zoned {
    time.to_zoned(zone.cloned().unwrap_or_else(TimeZone::system))
}

/// Opens a file to append to; a line that a crash left open is closed.
fn open(path: &Path) -> io::Result<File> {
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
