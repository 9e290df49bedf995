//! What could not be put into the record, and putting it there later: a full disk gets free again.

use crate::machine::input::RunId;
use crate::state::line;
use s7proto::name::ComponentName;
use std::collections::{HashMap, HashSet};

/// What is missing in the record.
#[derive(Debug, Default)]
pub struct Recording {
    /// Runs whose lines could not be written, and why.
    missed: HashMap<RunId, String>,
    /// Why nothing can be recorded, or made where the next daemon looks for it.
    lost: Option<String>,
    /// The lines of these are being written again.
    again: Vec<RunId>,
    /// They are being written at this moment.
    pending: bool,
    success: bool,
}

impl Recording {
    /// Why something is missing.
    pub fn fault(&self) -> Option<&str> {
        let of_runs = self.missed.values().next();
        self.lost.as_ref().or(of_runs).map(String::as_str)
    }

    /// The line of a run could not be written.
    pub fn has_missed(&mut self, run: RunId, component: &ComponentName, why: &str) {
        let why = format!("writing the record of {component}, run {}: {why}", run.run);
        self.missed.insert(run, why);
    }

    /// Nothing can be written, or something else that the next daemon goes by can't be made. It counts until all is
    /// [done](Recording::is_done) once more.
    pub fn is_lost(&mut self, why: String) {
        self.lost = Some(why);
    }

    /// The run is over.
    pub fn forget(&mut self, run: RunId) {
        self.missed.remove(&run);
    }

    /// Everything that is to be in the record: the lines of all runs, and others by their words. `None` while that is being
    /// written already: a disk may hang.
    pub fn again(&mut self, records: impl Iterator<Item = Vec<u8>>, others: &[String]) -> Option<Vec<u8>> {
        if std::mem::replace(&mut self.pending, true) {
            return None;
        }
        self.again = self.missed.keys().copied().collect();
        let mut lines: Vec<u8> = others
            .iter()
            .flat_map(|words| line::sealed(words).into_bytes())
            .collect();
        records.for_each(|record| lines.extend(record));
        Some(lines)
    }

    /// Something else could not be recorded.
    pub fn has_failed(&mut self, why: &str) {
        self.lost = Some(format!("writing the record of runs: {why}"));
    }

    /// What came of that.
    pub fn is_done(&mut self, recorded: Result<(), String>) {
        self.pending = false;
        match recorded {
            Ok(()) => {
                let recorded: HashSet<RunId> = self.again.drain(..).collect();
                self.missed.retain(|run, _| !recorded.contains(run));
                self.lost = None;
                self.success = true;
            }
            Err(why) => self.lost = Some(why),
        }
    }

    /// Whether it has succeeded since this was asked last.
    pub fn take_success(&mut self) -> bool {
        std::mem::take(&mut self.success)
    }
}

#[cfg(test)]
mod tests {
    use crate::state::journal::Journal;
    use crate::state::record::Left;
    use std::io::Write;
    use std::os::unix::fs::MetadataExt;
    use std::sync::atomic::Ordering;

    /// A program on a hanging file system keeps its creator for ever, but it has written its line.
    #[test]
    fn a_run_that_has_written_its_line_and_does_not_come_to_execute_holds_no_record_up() {
        let dir = tempfile::tempdir().unwrap();
        let (journal, _) = Journal::begin(dir.path(), "b1", &Left::default());
        let file = || journal.path().metadata().unwrap().ino();
        let before = file();
        let lent = journal.lend(usize::MAX / 2);
        journal.shorten().unwrap();
        assert_eq!(file(), before, "it may be about to write");
        lent.file().unwrap().write_all(b"\n").unwrap();
        lent.written.store(true, Ordering::Release);
        journal.shorten().unwrap();
        assert_ne!(file(), before);
        drop(lent);
    }
}
