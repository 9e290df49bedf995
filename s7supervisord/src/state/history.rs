//! What has happened as a file in the runtime folder: lines are appended, and when it has grown it is written anew with what is
//! still remembered. It may take as long as the disk takes, so this is for a thread of its own; nothing is ever synced.

use super::past::{self, Kept};
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, sync_channel};

const FILE: &str = "history";
/// Bytes that are appended before it is written anew, at least: some two thousand events. As many as there were then, so that each
/// line is written twice on the average.
const GROWN: u64 = 256 * 1024;
/// The longest file that is read, in bytes: what is written anew has half of that at most, and grows to twice its length.
const LONGEST: u64 = 4 * past::LONGEST as u64;

/// The file, written by one daemon.
#[derive(Debug)]
pub struct HistoryFile {
    dir: PathBuf,
    file: Option<File>,
    /// Bytes appended since it was written anew.
    grown: u64,
    /// Bytes that it had then.
    began: u64,
}

/// Reads what an earlier daemon has left in `dir` since the boot `boot_id`.
///
/// # Errors
/// It is there and can't be read.
pub fn read(dir: &Path, boot_id: &str) -> io::Result<Kept> {
    let path = path(dir);
    let about = match std::fs::symlink_metadata(&path) {
        Ok(about) if about.is_file() => about,
        // It is written anew all the same.
        Ok(_) => {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "it isn't a regular file",
            ));
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Kept::default()),
        Err(error) => return Err(error),
    };
    // Its length at once, and one byte more, which isn't there.
    let length = usize::try_from(about.len().min(LONGEST)).unwrap_or(0);
    let mut text = Vec::with_capacity(length.saturating_add(1));
    let file = crate::platform::private(File::options().read(true)).open(&path)?;
    file.take(LONGEST).read_to_end(&mut text)?;
    Ok(past::read(&text, boot_id))
}

/// As [`read`], beside everything else that has to be done at a start: what has been read is sent once. Where it can't be read,
/// nothing is remembered: nobody depends on it.
#[must_use]
pub fn read_beside(dir: PathBuf, boot_id: String) -> Receiver<Kept> {
    let (tell, told) = sync_channel(1);
    let reading = move || {
        let kept = read(&dir, &boot_id).unwrap_or_else(|error| {
            log::warn!(
                "reading {}: {error}; what has happened before isn't known",
                path(&dir).display()
            );
            Kept::default()
        });
        if kept.damaged {
            log::warn!(
                "{}: some of it can't be understood; what has happened before isn't known, or not all of it",
                path(&dir).display()
            );
        }
        let _ = tell.send(kept);
    };
    // Where there is no thread left, whoever waits hears that nobody will tell.
    let _ = std::thread::Builder::new()
        .name("history-reader".to_owned())
        .spawn(reading);
    told
}

/// Where it lies in the runtime folder `dir`.
#[must_use]
pub fn path(dir: &Path) -> PathBuf {
    dir.join(FILE)
}

/// Whether something is kept in `dir`.
#[must_use]
pub fn is_kept(dir: &Path) -> bool {
    path(dir).exists()
}

impl HistoryFile {
    /// The one in `dir`, which isn't touched before it is written anew.
    #[must_use]
    pub fn new(dir: PathBuf) -> Self {
        let (file, grown, began) = (None, 0, 0);
        Self {
            dir,
            file,
            grown,
            began,
        }
    }

    /// Where it lies.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        path(&self.dir)
    }

    /// Whether lines can be appended.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.file.is_some()
    }

    /// Whether it is long enough to be written anew.
    #[must_use]
    pub fn has_grown(&self) -> bool {
        self.grown >= GROWN.max(self.began)
    }

    /// Writes `text` in its place, whole or not at all.
    ///
    /// # Errors
    /// It can't be written; what was there before stays, and nothing is appended to it.
    pub fn write_anew(&mut self, text: &str) -> io::Result<()> {
        let fresh = self.dir.join("history.new");
        let _ = std::fs::remove_file(&fresh);
        // What is open can't be replaced on every system.
        self.file = None;
        let written = crate::platform::create_private(&fresh).and_then(|mut file| {
            file.write_all(text.as_bytes())?;
            std::fs::rename(&fresh, self.path())?;
            Ok(file)
        });
        match written {
            Ok(file) => {
                (self.file, self.grown, self.began) = (Some(file), 0, text.len() as u64);
                Ok(())
            }
            Err(error) => {
                // Half of it would only take room.
                let _ = std::fs::remove_file(&fresh);
                Err(error)
            }
        }
    }

    /// Appends lines in one write.
    ///
    /// # Errors
    /// They can't be written (kind `NotFound` where the file has lost its name), and nothing more is before it is written anew.
    pub fn append(&mut self, text: &str) -> io::Result<()> {
        let file = self.file.take();
        let mut file = file.ok_or_else(|| io::Error::other("it could not be written before"))?;
        // What has lost its name nobody would read.
        if crate::platform::is_removed(&file) {
            return Err(io::Error::new(io::ErrorKind::NotFound, "it was removed"));
        }
        file.write_all(text.as_bytes())?;
        self.grown = self.grown.saturating_add(text.len() as u64);
        self.file = Some(file);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::past::{REMEMBERED, Whole, add_end, add_event};
    use s7proto::event::{Event, Happening};
    use std::sync::Arc;

    fn event(sequence: u64) -> Arc<Event> {
        Arc::new(Event {
            sequence,
            at_ms: 1_795_343_465_250,
            component: None,
            what: Happening::RegistryLoaded { changed: 3 },
        })
    }

    fn whole(last: u64) -> String {
        let first = (last + 1).saturating_sub(REMEMBERED as u64).max(1);
        let whole = Whole {
            since_ms: 5,
            sequence: last,
            events: (first..=last).map(event).collect(),
            ..Whole::default()
        };
        whole.text("b1")
    }

    #[test]
    fn whatever_is_appended_the_last_events_are_there_and_the_file_stays_short() {
        let dir = tempfile::tempdir().unwrap();
        let mut file = HistoryFile::new(dir.path().to_owned());
        file.write_anew(&whole(0)).unwrap();
        let (mut longest, mut rewritten) = (0, 0);
        for last in 1..=10_000 {
            let mut text = String::new();
            add_event(&event(last), &mut text);
            file.append(&text).unwrap();
            if file.has_grown() {
                rewritten += 1;
                file.write_anew(&whole(last)).unwrap();
            }
            longest = longest.max(file.path().metadata().unwrap().len());
        }
        assert!(longest < 2 * GROWN && rewritten > 2, "{longest}, {rewritten}");
        let mut text = String::new();
        add_end(10_000, &[], &mut text);
        file.append(&text).unwrap();
        let kept = read(dir.path(), "b1").unwrap();
        let numbers: Vec<u64> = kept.events.iter().map(|event| event.sequence).collect();
        assert_eq!(numbers, (9001..=10_000).collect::<Vec<_>>());
        assert_eq!((kept.since_ms, kept.sequence), (Some(5), 10_000));
        assert_eq!(read(dir.path(), "b2").unwrap(), Kept::default(), "another boot");
        let left: Vec<_> = std::fs::read_dir(dir.path()).unwrap().flatten().collect();
        assert_eq!(left.len(), 1, "{left:?}");
    }

    #[test]
    fn where_it_cannot_be_written_anew_what_was_there_stays() {
        let dir = tempfile::tempdir().unwrap();
        let mut file = HistoryFile::new(dir.path().to_owned());
        assert!(
            !file.is_open() && file.append("x").is_err(),
            "not before it was begun"
        );
        file.write_anew(&whole(3)).unwrap();
        // A folder in the way, which no removal of a file takes away.
        std::fs::create_dir(dir.path().join("history.new")).unwrap();
        file.write_anew(&whole(4)).unwrap_err();
        assert!(!file.is_open());
        assert_eq!(read(dir.path(), "b1").unwrap().events.len(), 3);
        std::fs::remove_dir(dir.path().join("history.new")).unwrap();
        file.write_anew(&whole(4)).unwrap();
        assert_eq!(read(dir.path(), "b1").unwrap().events.len(), 4);
    }

    #[test]
    fn there_may_be_nothing_or_something_else() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(read(dir.path(), "b1").unwrap(), Kept::default());
        std::fs::create_dir(path(dir.path())).unwrap();
        read(dir.path(), "b1").unwrap_err();
    }
}
