//! What a run has written last, found again where it ended: also when others have written since, and under another name.

use crate::output::chain::{self, Place};
use crate::output::failure::doing;
use crate::output::tail::{Tail, tail_of};
use std::collections::VecDeque;
use std::io;
use std::path::Path;

/// Ends that are remembered of each component: as many as past runs are.
const REMEMBERED: usize = 5;

/// A place in a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Spot {
    /// Which file (see [`crate::platform::log_file::identity`]).
    pub file: u64,
    /// Bytes from its beginning.
    pub offset: u64,
}

/// Where in its log one run has written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Written {
    /// The run's number.
    pub run: u64,
    /// Where the log ended when it began; `None` where nobody has looked.
    pub from: Option<Spot>,
    /// Where the log ended when all of its output was there.
    pub to: Spot,
}

/// Where the last runs of one component have written, the latest last.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ends(VecDeque<Written>);

impl Ends {
    /// The output of one more run is complete.
    pub fn note(&mut self, written: Written) {
        if self.0.len() == REMEMBERED {
            self.0.pop_front();
        }
        self.0.push_back(written);
    }

    /// What is known of one run.
    #[must_use]
    pub fn of(&self, run: u64) -> Option<Written> {
        self.0.iter().rfind(|written| written.run == run).copied()
    }
}

/// The last `lines` lines of what one run has written to the log `file`, at most `max_bytes` bytes of them. `None` where
/// that file is gone.
///
/// # Errors
/// A file of the log can't be read.
pub fn last_words(file: &Path, written: Written, lines: u32, max_bytes: usize) -> io::Result<Option<Tail>> {
    let mut links = chain::open(file)?;
    let Some(last) = links.iter().position(|link| link.origin == written.to.file) else {
        return Ok(None);
    };
    let mut links = links.split_off(last);
    // What was compressed is read to its end: nobody writes to a log any more once it is.
    if let Some(link) = links.first_mut().filter(|link| !link.packed) {
        link.length = link.length.min(written.to.offset);
    }
    let floor = written.from.and_then(|from| {
        let link = links.iter().position(|link| link.origin == from.file)?;
        let offset = from.offset;
        Some(Place { link, offset })
    });
    tail_of(links, floor, lines, max_bytes)
        .map(Some)
        .map_err(|why| doing(format_args!("reading {}", file.display()), why))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::platform::log_file;
    use std::fs::{self, File};

    fn spot(path: &Path) -> Spot {
        let file = File::open(path).unwrap();
        Spot {
            file: log_file::identity(&file).unwrap(),
            offset: file.metadata().unwrap().len(),
        }
    }

    #[test]
    fn a_run_is_quoted_up_to_its_end_and_from_its_beginning_also_after_a_rotation() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("a.log");
        fs::write(&log, "of the run before\n").unwrap();
        let from = spot(&log);
        fs::write(&log, "of the run before\nfirst\nsecond\n").unwrap();
        let written = Written {
            run: 2,
            from: Some(from),
            to: spot(&log),
        };
        fs::write(&log, "of the run before\nfirst\nsecond\nof the next run\n").unwrap();
        let words = |lines, written| {
            let tail = last_words(&log, written, lines, 1000).unwrap();
            tail.map(|tail| String::from_utf8(tail.bytes).unwrap())
        };
        assert_eq!(words(5, written).as_deref(), Some("first\nsecond\n"));
        assert_eq!(words(1, written).as_deref(), Some("second\n"));
        let unknown = Written {
            from: None,
            ..written
        };
        assert_eq!(
            words(5, unknown).as_deref(),
            Some("of the run before\nfirst\nsecond\n")
        );
        fs::rename(&log, folder.path().join("a.log.1")).unwrap();
        fs::write(&log, "later\n").unwrap();
        assert_eq!(words(5, written).as_deref(), Some("first\nsecond\n"));
        fs::remove_file(folder.path().join("a.log.1")).unwrap();
        assert_eq!(words(5, written), None);
    }

    #[test]
    fn the_last_runs_are_remembered() {
        let to = Spot { file: 1, offset: 0 };
        let mut ends = Ends::default();
        for run in 1..=7 {
            ends.note(Written { run, from: None, to });
        }
        assert_eq!(ends.of(2), None);
        assert_eq!(ends.of(3).map(|written| written.run), Some(3));
        assert_eq!(ends.of(7).map(|written| written.run), Some(7));
    }
}
