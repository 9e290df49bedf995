//! The thread that writes the log and the audit log, each in its file of the day.

use super::book::{Book, local};
use super::{Audited, LogOptions, Shared, Told, audit_file};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use log::Level;
use std::io;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::sync::{Arc, PoisonError};
use std::time::Duration;

/// How much is gathered for one write.
const BATCH: usize = 64 * 1024;
/// From one try of a file that can't be written to the next, where nothing is logged meanwhile.
const RETRY: Duration = Duration::from_secs(5);

/// Owns the files of the day.
pub(super) struct Writer {
    receiver: Receiver<Told>,
    shared: Arc<Shared>,
    zone: Option<TimeZone>,
    log: Book,
    audit: Book,
}

impl Writer {
    /// Opens the log of the day of `now`, and removes files that are too old. The audit log is made by its first line.
    pub(super) fn open(
        options: &LogOptions,
        zone: Option<TimeZone>,
        now: Timestamp,
        receiver: Receiver<Told>,
        shared: Arc<Shared>,
    ) -> io::Result<Self> {
        let keep = options.keep_days;
        let mut log = Book::new(&options.file, zone.clone(), keep, options.also_stderr, now)?;
        match log.open_now() {
            Err(why) if options.indispensable => return Err(why),
            Err(why) => log.do_without(&why),
            Ok(()) => log.prune(now),
        }
        let mut audit = Book::new(&audit_file(&options.file), zone.clone(), keep, false, now)?;
        audit.prune(now);
        *shared.fault() = log.fault().map(str::to_owned);
        Ok(Self {
            receiver,
            shared,
            zone,
            log,
            audit,
        })
    }

    /// Writes what comes until nobody can send any more.
    pub(super) fn run(mut self) {
        loop {
            let told = match self.log.fault() {
                None => self.receiver.recv().map_err(|_| RecvTimeoutError::Disconnected),
                Some(_) => self.receiver.recv_timeout(RETRY),
            };
            let done = match told {
                Ok(first) => self.write_batch(first),
                Err(RecvTimeoutError::Timeout) => {
                    self.log.try_again();
                    0
                }
                Err(RecvTimeoutError::Disconnected) => return,
            };
            *self.shared.fault() = self.log.fault().map(str::to_owned);
            let mut written = self.shared.written.lock().unwrap_or_else(PoisonError::into_inner);
            *written += done;
            drop(written);
            self.shared.progress.notify_all();
        }
    }

    /// Writes `first` and what else is there already; says how many records that were.
    fn write_batch(&mut self, first: Told) -> u64 {
        let mut done = 0;
        let mut gathered = 0;
        let mut next = Some(first);
        let mut last = Timestamp::UNIX_EPOCH;
        while let Some(told) = next {
            if let Told::Record(entry) = told {
                let time = local(self.zone.as_ref(), entry.time);
                gathered += self.log.push(&time, entry.level, &entry.text);
                last = entry.time;
            }
            done += 1;
            next = if gathered < BATCH {
                self.receiver.try_recv().ok()
            } else {
                None
            };
        }
        let lost = self.shared.lost.swap(0, Ordering::Relaxed);
        if lost > 0 {
            let time = local(self.zone.as_ref(), last);
            let told = format!("{lost} lines are missing here: they came faster than they could be written");
            self.log.push(&time, Level::Warn, &told);
        }
        self.log.put();
        self.write_audited();
        done
    }

    fn write_audited(&mut self) {
        let Audited { entries, lost } = std::mem::take(&mut *self.shared.audited());
        let mut last = None;
        for entry in &entries {
            let time = local(self.zone.as_ref(), entry.time);
            self.audit.push(&time, entry.level, &entry.text);
            last = Some(time);
        }
        if let Some(time) = last.filter(|_| lost > 0) {
            let told = format!("{lost} lines are missing here: they came faster than they could be written");
            self.audit.push(&time, Level::Warn, &told);
        }
        self.audit.put();
    }
}
