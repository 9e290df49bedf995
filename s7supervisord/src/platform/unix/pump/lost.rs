//! What was dropped, from one image of the daemon to the next.

use super::super::lost_note::LostNote;
use super::super::stream::{Stream, lock};
use super::Pumps;
use crate::output::lost::{self, Lost};
use rustix::fs::MemfdFlags;
use s7proto::name::ComponentName;
use std::fs::File;
use std::io::{self, Read, Seek, Write};
use std::sync::atomic::Ordering;
use std::sync::{Arc, TryLockError};
use std::time::{Duration, Instant};

/// How long whoever is at a log may take to let go of it, all together.
const LETTING_GO: Duration = Duration::from_millis(500);

/// Between two looks whether he has.
const LOOK_AGAIN: Duration = Duration::from_millis(1);

/// The longest text that is taken over, in bytes: some hundred for each of ten thousand components, many times over.
const LONGEST: u64 = 64 * 1024 * 1024;

impl Pumps {
    /// Brings the output to rest and writes down what was dropped, so that nothing is dropped or marked afterwards that the next
    /// image doesn't hear of. Pipes hold meanwhile what comes.
    pub(in super::super) fn hand_over(&self) -> io::Result<File> {
        self.resting.store(true, Ordering::SeqCst);
        let until = Instant::now() + LETTING_GO;
        let streams: Vec<Arc<Stream>> = lock(&self.components).values().cloned().collect();
        // What nobody has taken up yet is still to be told.
        let mut all = lock(&self.left).clone();
        for stream in streams {
            let lost = lost_of(&stream, until);
            if !lost.is_nothing() {
                all.insert(stream.component.clone(), lost);
            }
        }
        let mut file = File::from(rustix::fs::memfd_create("lost", MemfdFlags::CLOEXEC)?);
        file.write_all(lost::write(&all).as_bytes())?;
        file.rewind()?;
        Ok(file)
    }

    /// There is no next image after all.
    pub(in super::super) fn go_on(&self) {
        self.resting.store(false, Ordering::SeqCst);
    }

    /// Takes over what the image before has written down.
    pub(in super::super) fn go_on_from(&self, file: File) -> io::Result<()> {
        let mut text = Vec::new();
        file.take(LONGEST).read_to_end(&mut text)?;
        *lock(&self.left) = lost::read(&text);
        Ok(())
    }

    /// What was dropped of a component before this daemon, as far as that is known, and the note about it. Looks at the disk.
    pub(super) fn left_of(&self, component: &ComponentName) -> (Lost, LostNote) {
        let mut note = LostNote::of(component, &self.path);
        let noted = note.left();
        // Who has handed it over knew more than the note.
        let handed = lock(&self.left).remove(component);
        (handed.or(noted).unwrap_or_default(), note)
    }
}

/// What was dropped of one.
fn lost_of(stream: &Stream, until: Instant) -> Lost {
    loop {
        match stream.sink.try_lock() {
            Ok(sink) => return sink.lost(),
            Err(TryLockError::Poisoned(poisoned)) => return poisoned.into_inner().lost(),
            Err(TryLockError::WouldBlock) if Instant::now() < until => std::thread::sleep(LOOK_AGAIN),
            Err(TryLockError::WouldBlock) => {
                // Whoever is at it hangs in a disk. Where there was a fault, nobody knows what he has just dropped.
                let unwritten = lock(&stream.unwritten).clone();
                return Lost {
                    dropped: stream.dropped.load(Ordering::Relaxed),
                    unmarked: 0,
                    uncounted: unwritten.is_some(),
                    since_ms: unwritten.as_ref().map(|unwritten| unwritten.since_ms),
                    why: unwritten.map(|unwritten| unwritten.why).unwrap_or_default(),
                };
            }
        }
    }
}
