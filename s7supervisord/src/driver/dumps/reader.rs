//! What a run writes once it is asked for a dump, read back from its log.

use crate::output::follow::Follower;
use crate::output::last_words::Spot;
use crate::output::mark::Mark;
use crate::output::thread_dump::ThreadDump;
use s7proto::reply::{DumpOutcome, RunInfo};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A dump that has all threads is complete when nothing has come for so long, where its end isn't seen; and when all that came
/// for so long since is something else.
const QUIET: Duration = Duration::from_millis(300);
/// What is no dump of a HotSpot JVM is complete when nothing has come for so long.
const SILENCE: Duration = Duration::from_secs(1);
/// How much of one dump is kept for whoever has asked for it: several hundred threads. All of it is in the file.
const KEPT: usize = 1024 * 1024;
/// How much is read at a time.
const PIECE: usize = 64 * 1024;

/// Where the output of the run ends, once it is complete.
type End = Box<dyn Fn() -> Option<Spot> + Send>;

/// What comes behind the mark, up to the end of the dump or of the run.
pub(super) struct Reader {
    file: PathBuf,
    mark: Arc<Mark>,
    /// It is a JVM, so that what doesn't look like its dump is none.
    is_java: bool,
    end: End,
    follower: Option<Follower>,
    dump: ThreadDump,
    /// What is kept of what has come, from the byte `kept_from` on.
    bytes: Vec<u8>,
    kept_from: u64,
    /// How many bytes have come.
    length: u64,
    /// What the log was read up to, without what came behind the end of the run.
    read_to: (u64, u64),
    last: Instant,
    all_threads_at: Option<Instant>,
    is_over: bool,
}

impl Reader {
    pub(super) fn new(file: PathBuf, mark: Arc<Mark>, is_java: bool, end: End) -> Self {
        Self {
            file,
            mark,
            is_java,
            end,
            follower: None,
            dump: ThreadDump::default(),
            bytes: Vec::new(),
            kept_from: 0,
            length: 0,
            read_to: (0, 0),
            last: Instant::now(),
            all_threads_at: None,
            is_over: false,
        }
    }

    /// Reads what has come; whether that is all.
    pub(super) fn look(&mut self) -> std::io::Result<bool> {
        // It is asked for first, so that all that the run has written is there when it is known where that ends.
        let end = (self.end)();
        let follower = match (&mut self.follower, self.mark.place()) {
            (Some(follower), _) => follower,
            (none, Some(place)) => none.insert(Follower::going_on(self.file.clone(), place)),
            (None, None) => {
                self.is_over = end.is_some();
                return Ok(self.is_over);
            }
        };
        // So much that a component that writes without an end doesn't keep this from coming back.
        for _ in 0..KEPT / PIECE {
            let mut piece = follower.read(PIECE)?;
            let (file, mut at) = follower.position();
            if let Some(end) = end
                && end.file == file
                && at >= end.offset
            {
                self.is_over = true;
                let behind = usize::try_from(at - end.offset).unwrap_or(usize::MAX);
                piece.truncate(piece.len().saturating_sub(behind));
                at = end.offset;
            }
            if piece.is_empty() {
                // Where the file in which the run ended can't be found, nothing more is.
                self.is_over |= end.is_some();
                break;
            }
            self.read_to = (file, at);
            self.last = Instant::now();
            self.length += piece.len() as u64;
            self.dump.feed(&piece);
            keep(
                &mut self.bytes,
                &mut self.kept_from,
                &piece,
                &self.dump,
                self.is_java,
            );
            if self.is_over || self.dump.end().is_some() {
                break;
            }
        }
        if self.dump.has_all_threads() {
            let at = *self.all_threads_at.get_or_insert(self.last);
            return Ok(self.is_over || self.dump.end().is_some() || at.elapsed() >= QUIET);
        }
        let is_quiet = self.last.elapsed() >= SILENCE;
        // Other lines of a JVM are no dump that could be complete.
        let may_be_complete = self.length > 0 && !self.is_java;
        Ok(self.is_over || (may_be_complete && is_quiet))
    }

    /// What has come within `waited`.
    pub(super) fn outcome(self, run: RunInfo, waited: Duration) -> DumpOutcome {
        let place = self.mark.place().filter(|_| self.length > 0);
        let is_dump = !self.is_java || self.dump.begin().is_some();
        let Some((file, from)) = place.filter(|_| is_dump) else {
            self.mark.withdraw();
            if self.is_over {
                return DumpOutcome::Failed(format!("run {} has ended before it wrote one", run.run));
            }
            return DumpOutcome::Silent(u64::try_from(waited.as_micros()).unwrap_or(u64::MAX));
        };
        let begin = self.dump.begin().unwrap_or(0);
        // What came with the end of the dump and isn't of it.
        let more = self.dump.end().map_or(0, |end| self.length - end);
        let wanted = (self.length - more).saturating_sub(self.kept_from);
        let mut bytes = self.bytes;
        bytes.truncate(usize::try_from(wanted).unwrap_or(usize::MAX));
        let (last_file, to) = self.read_to;
        DumpOutcome::Written {
            run,
            file: text(&self.file),
            // Where the log was rotated meanwhile, the rest of it is in the file that has the name now.
            from: if last_file == file { from + begin } else { 0 },
            to: to.saturating_sub(more),
            bytes,
        }
    }
}

/// Keeps what may be of the dump.
fn keep(bytes: &mut Vec<u8>, kept_from: &mut u64, piece: &[u8], dump: &ThreadDump, is_java: bool) {
    let wants_begin = is_java && dump.begin().is_none();
    if wants_begin && bytes.len() + piece.len() > KEPT {
        *kept_from += bytes.len() as u64;
        bytes.clear();
    }
    let room = KEPT - bytes.len();
    bytes.extend_from_slice(&piece[..piece.len().min(room)]);
    let before = dump.begin().unwrap_or(0).saturating_sub(*kept_from);
    if before > 0 {
        bytes.drain(..usize::try_from(before).unwrap_or(usize::MAX).min(bytes.len()));
        *kept_from += before;
    }
}

fn text(path: &Path) -> String {
    path.display().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::platform::log_file;
    use std::fs::File;
    use std::io::Write;
    use std::sync::Mutex;

    const RUN: RunInfo = RunInfo { run: 7, pid: 1 };
    const DUMP: &str = "Full thread dump X:\n\nJNI global refs: 1\n\nHeap\n new\n\n";

    struct Log {
        _folder: tempfile::TempDir,
        path: PathBuf,
        end: Arc<Mutex<Option<Spot>>>,
        reader: Reader,
    }

    /// A log in which the mark is behind `before`.
    fn log(before: &str, is_java: bool) -> Log {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.log");
        std::fs::write(&path, before).unwrap();
        let mark = Arc::new(Mark::new(String::new(), RUN.run));
        mark.is_before((identity(&path), before.len() as u64));
        let end: Arc<Mutex<Option<Spot>>> = Arc::default();
        let known = Arc::clone(&end);
        let reader = Reader::new(
            path.clone(),
            mark,
            is_java,
            Box::new(move || *known.lock().unwrap()),
        );
        Log {
            _folder: folder,
            path,
            end,
            reader,
        }
    }

    fn identity(path: &Path) -> u64 {
        log_file::identity(&File::open(path).unwrap()).unwrap()
    }

    impl Log {
        fn write(&self, text: &str) {
            let mut file = File::options().append(true).open(&self.path).unwrap();
            file.write_all(text.as_bytes()).unwrap();
        }

        /// The run ends where the log does.
        fn run_ends(&self) {
            *self.end.lock().unwrap() = Some(Spot {
                file: identity(&self.path),
                offset: std::fs::metadata(&self.path).unwrap().len(),
            });
        }

        fn outcome(self) -> DumpOutcome {
            self.reader.outcome(RUN, Duration::from_secs(5))
        }

        /// From, to and what is said to be between.
        fn written(self) -> (u64, u64, String) {
            match self.outcome() {
                DumpOutcome::Written { from, to, bytes, .. } => (from, to, String::from_utf8(bytes).unwrap()),
                other => panic!("{other:?}"),
            }
        }
    }

    #[test]
    fn a_dump_is_over_where_it_ends_though_other_lines_come_all_the_time() {
        let mut log = log("old\n", true);
        log.write("line 1\n");
        assert!(!log.reader.look().unwrap(), "other lines are no dump");
        log.write(&format!("line 2\n{DUMP}line 3\n"));
        assert!(log.reader.look().unwrap(), "at once");
        let from = "old\nline 1\nline 2\n".len() as u64;
        assert_eq!(log.written(), (from, from + DUMP.len() as u64, DUMP.to_owned()));
    }

    #[test]
    fn what_follows_the_end_of_the_run_is_not_its_dump() {
        for is_java in [true, false] {
            let mut log = log("old\n", is_java);
            log.run_ends();
            log.write(&format!("of the next run\n{DUMP}"));
            assert!(log.reader.look().unwrap());
            let why = "run 7 has ended before it wrote one".to_owned();
            assert_eq!(log.outcome(), DumpOutcome::Failed(why));
        }
        let mut log = log("old\n", false);
        log.write("its own\n");
        log.run_ends();
        log.write("of the next run\n");
        assert!(log.reader.look().unwrap());
        assert_eq!(log.written(), (4, 12, "its own\n".to_owned()));
    }

    #[test]
    fn a_run_that_has_ended_without_a_word_is_waited_for_no_longer() {
        let mark = Arc::new(Mark::new("mark".to_owned(), RUN.run));
        let end = || Some(Spot { file: 1, offset: 0 });
        let mut reader = Reader::new(PathBuf::from("/nowhere"), Arc::clone(&mark), true, Box::new(end));
        assert!(reader.look().unwrap());
        assert!(matches!(
            reader.outcome(RUN, Duration::ZERO),
            DumpOutcome::Failed(_)
        ));
        assert_eq!(mark.unwritten(), None, "it is not written any more");
    }

    #[test]
    fn other_lines_of_a_jvm_are_no_dump() {
        let mut log = log("", true);
        log.write(&"line\n".repeat(KEPT / 4));
        while !log.reader.look().unwrap() && log.reader.length < 5 * KEPT as u64 / 4 {}
        log.write(DUMP);
        assert!(log.reader.look().unwrap());
        assert_eq!(log.written().2, DUMP, "and leave it its room");
        let mut log = self::log("", true);
        log.write("line\n");
        assert!(!log.reader.look().unwrap());
        assert_eq!(log.outcome(), DumpOutcome::Silent(5_000_000));
    }
}
