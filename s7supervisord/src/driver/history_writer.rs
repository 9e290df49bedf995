//! What has happened is written down for the next daemon beside the loop: by one thread, in batches, and never waited for.
//!
//! The way there is bounded. What finds no room on it is made good once there is some: then everything is written anew that is
//! still remembered. The same follows where the file has grown, was removed, or could not be written for a while.

use super::background::Found;
use crate::state::history::HistoryFile;
use crate::state::past::{self, QUEUE, Said, Whole};
use s7proto::event::Event;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, oneshot};

/// From the end of one write to the next at least: what happens meanwhile goes in one. A single event is written at once.
const PACE: Duration = Duration::from_millis(20);
/// A write that takes longer than this is a disk that hangs, and no busy machine.
const HANGS: Duration = Duration::from_secs(5);
/// The thread's stack; only touched pages cost memory.
const STACK: usize = 128 * 1024;

/// What the loop is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    /// Everything that is remembered, to be written anew now.
    Anew,
    /// The same after a while: it can't be written at present.
    AnewLater,
    /// A look at the runtime folder: something of it was removed.
    Look,
    /// Nothing more: it is written again.
    Nothing,
}

/// The way to the thread.
pub struct Writer {
    queue: mpsc::Sender<Told>,
    thread: Thread,
    shared: Arc<Shared>,
}

/// What both sides know.
struct Shared {
    /// There was no room for something, so everything is to be written anew.
    behind: AtomicBool,
    /// Since when a write is under way, in milliseconds from `begun`; [`u64::MAX`] for none.
    writing_since: AtomicU64,
    begun: Instant,
    /// That the disk hangs was said, and it wasn't seen since that it doesn't.
    said: AtomicBool,
}

enum Told {
    Happened(Arc<Event>),
    Anew(Box<Whole>),
    Close {
        sequence: u64,
        said: Vec<Said>,
        written: oneshot::Sender<()>,
    },
}

impl Writer {
    /// Begins the thread. It writes nothing before [`Writer::anew`]; `tell` hears what it wants.
    ///
    /// # Errors
    /// There is no thread left.
    pub fn start(dir: PathBuf, boot_id: String, tell: mpsc::UnboundedSender<Found>) -> io::Result<Self> {
        let (queue, taken) = mpsc::channel(QUEUE);
        let shared = Arc::new(Shared {
            behind: AtomicBool::new(false),
            writing_since: AtomicU64::new(u64::MAX),
            begun: Instant::now(),
            said: AtomicBool::new(false),
        });
        let desk = Desk {
            file: HistoryFile::new(dir),
            boot_id,
            tell,
            shared: Arc::clone(&shared),
            text: String::new(),
            anew: false,
            asked: false,
            fault: false,
        };
        let thread = thread::Builder::new()
            .name("s7-history".to_owned())
            .stack_size(STACK)
            .spawn(move || desk.run(taken))?;
        let thread = thread.thread().clone();
        Ok(Self {
            queue,
            thread,
            shared,
        })
    }

    /// Something has happened.
    pub fn happened(&self, event: &Arc<Event>) {
        self.send(Told::Happened(Arc::clone(event)));
    }

    /// Has everything written anew.
    pub fn anew(&self, whole: Whole) {
        self.send(Told::Anew(Box::new(whole)));
    }

    /// Has the end of this daemon's turn written without a delay; what comes back hears when that, and all before it, is done.
    #[must_use]
    pub fn close(&self, sequence: u64, said: Vec<Said>) -> oneshot::Receiver<()> {
        let (written, done) = oneshot::channel();
        self.send(Told::Close {
            sequence,
            said,
            written,
        });
        self.thread.unpark();
        done
    }

    /// Whether something found no room and wasn't made good yet.
    #[must_use]
    pub fn is_behind(&self) -> bool {
        self.shared.behind.load(Ordering::Acquire)
    }

    fn send(&self, told: Told) {
        let Err(refused) = self.queue.try_send(told) else {
            return;
        };
        self.shared.behind.store(true, Ordering::Release);
        // Once more: else the thread may have emptied the way and looked before it was told that it is behind.
        let _ = self.queue.try_send(refused.into_inner());
        if self.shared.hangs() && !self.shared.said.swap(true, Ordering::Relaxed) {
            log::error!(
                "writing down what happens takes longer than {} s: as long as its disk hangs, only this supervisor remembers it",
                HANGS.as_secs()
            );
        }
    }
}

impl Shared {
    fn now(&self) -> u64 {
        u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn hangs(&self) -> bool {
        let since = self.writing_since.load(Ordering::Relaxed);
        u128::from(self.now().saturating_sub(since)) > HANGS.as_millis()
    }
}

/// The thread's own.
struct Desk {
    file: HistoryFile,
    boot_id: String,
    tell: mpsc::UnboundedSender<Found>,
    shared: Arc<Shared>,
    /// What is to be written next.
    text: String,
    /// In the place of all that was written.
    anew: bool,
    /// The loop was asked to have everything written anew.
    asked: bool,
    /// It could not be written.
    fault: bool,
}

impl Desk {
    fn run(mut self, mut queue: mpsc::Receiver<Told>) {
        while let Some(first) = queue.blocking_recv() {
            let mut waiting = Vec::new();
            let rest = std::iter::from_fn(|| queue.try_recv().ok()).take(QUEUE);
            for told in std::iter::once(first).chain(rest) {
                self.take(told, &mut waiting);
            }
            self.shared
                .writing_since
                .store(self.shared.now(), Ordering::Relaxed);
            self.write();
            self.shared.writing_since.store(u64::MAX, Ordering::Relaxed);
            self.shared.said.store(false, Ordering::Relaxed);
            for written in waiting {
                // Whoever waited may have given up.
                let _: Result<(), ()> = written.send(());
            }
            if self.shared.behind.swap(false, Ordering::AcqRel) {
                self.want(Wanted::Anew);
            }
            thread::park_timeout(PACE);
        }
    }

    fn take(&mut self, told: Told, waiting: &mut Vec<oneshot::Sender<()>>) {
        match told {
            Told::Happened(event) => past::add_event(&event, &mut self.text),
            Told::Anew(whole) => {
                self.text = whole.text(&self.boot_id);
                self.anew = true;
            }
            Told::Close {
                sequence,
                said,
                written,
            } => {
                past::add_end(sequence, &said, &mut self.text);
                waiting.push(written);
            }
        }
    }

    fn write(&mut self) {
        let text = std::mem::take(&mut self.text);
        if !std::mem::take(&mut self.anew) {
            if self.file.is_open() {
                let appended = self.file.append(&text);
                self.appended(appended);
            }
            return;
        }
        self.asked = false;
        match self.file.write_anew(&text) {
            Ok(()) if std::mem::take(&mut self.fault) => {
                log::info!("{}: it is written again", self.file.path().display());
                self.want(Wanted::Nothing);
            }
            Ok(()) => {}
            Err(error) => self.cannot(&error),
        }
    }

    fn appended(&mut self, appended: io::Result<()>) {
        match appended {
            Ok(()) if self.file.has_grown() && !self.asked => {
                self.asked = true;
                self.want(Wanted::Anew);
            }
            Ok(()) => {}
            // Where the whole folder was removed, it is made again first.
            Err(error) if error.kind() == io::ErrorKind::NotFound => self.want(Wanted::Look),
            Err(error) => self.cannot(&error),
        }
    }

    fn cannot(&mut self, error: &io::Error) {
        if !std::mem::replace(&mut self.fault, true) {
            log::error!(
                "writing {}: {error}: a next supervisor won't know what happens now; it is tried again",
                self.file.path().display()
            );
        }
        self.want(Wanted::AnewLater);
    }

    fn want(&self, wanted: Wanted) {
        // The loop may have ended.
        let _ = self.tell.send(Found::History(wanted));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::history;
    use crate::state::past::REMEMBERED;
    use s7proto::event::Happening;

    const BOOT: &str = "b1";

    struct Room {
        dir: tempfile::TempDir,
        writer: Writer,
        wants: mpsc::UnboundedReceiver<Found>,
    }

    fn room() -> Room {
        let dir = tempfile::tempdir().unwrap();
        let (tell, wants) = mpsc::unbounded_channel();
        let writer = Writer::start(dir.path().to_owned(), BOOT.to_owned(), tell).unwrap();
        Room { dir, writer, wants }
    }

    fn event(sequence: u64) -> Arc<Event> {
        Arc::new(Event {
            sequence,
            at_ms: 1,
            component: None,
            what: Happening::RegistryLoaded { changed: 3 },
        })
    }

    fn whole(events: std::ops::RangeInclusive<u64>) -> Whole {
        Whole {
            since_ms: 5,
            sequence: *events.end(),
            events: events.map(event).collect(),
            ..Whole::default()
        }
    }

    impl Room {
        async fn wanted(&mut self) -> Wanted {
            let soon = tokio::time::timeout(Duration::from_secs(10), self.wants.recv());
            match soon.await {
                Ok(Some(Found::History(wanted))) => wanted,
                _ => panic!("nothing is wanted"),
            }
        }

        async fn close(&self, sequence: u64) {
            let done = self.writer.close(sequence, Vec::new());
            let soon = tokio::time::timeout(Duration::from_secs(10), done);
            soon.await.unwrap().unwrap();
        }

        fn numbers(&self) -> Vec<u64> {
            let kept = history::read(self.dir.path(), BOOT).unwrap();
            kept.events.iter().map(|event| event.sequence).collect()
        }
    }

    #[tokio::test]
    async fn what_happens_is_there_when_the_turn_is_over_in_few_writes() {
        let room = room();
        room.writer.anew(whole(1..=1));
        for sequence in 2..=500 {
            room.writer.happened(&event(sequence));
        }
        room.close(500).await;
        assert_eq!(room.numbers(), (1..=500).collect::<Vec<_>>());
        let kept = history::read(room.dir.path(), BOOT).unwrap();
        assert_eq!((kept.since_ms, kept.sequence), (Some(5), 500));
    }

    #[tokio::test]
    async fn what_finds_no_room_is_made_good_by_writing_everything_anew() {
        let mut room = room();
        room.writer.anew(whole(1..=1));
        let last = 3 * QUEUE as u64;
        for sequence in 2..=last {
            room.writer.happened(&event(sequence));
        }
        assert_eq!(
            room.wanted().await,
            Wanted::Anew,
            "there was no room for all of them"
        );
        room.writer.anew(whole(last - REMEMBERED as u64 + 1..=last));
        room.close(last).await;
        assert_eq!(
            room.numbers(),
            (last - REMEMBERED as u64 + 1..=last).collect::<Vec<_>>()
        );
    }

    #[tokio::test]
    async fn a_file_that_has_grown_is_written_anew_once() {
        let mut room = room();
        room.writer.anew(whole(1..=1));
        room.close(1).await;
        let mut last = 1;
        while room.wants.is_empty() {
            last += 1;
            room.writer.happened(&event(last));
            if last % 500 == 0 {
                room.close(last).await;
            }
        }
        assert_eq!(room.wanted().await, Wanted::Anew);
        room.close(last).await;
        assert!(room.wants.is_empty(), "it is asked for once");
        room.writer.anew(whole(last - 2..=last));
        room.close(last).await;
        assert_eq!(room.numbers(), [last - 2, last - 1, last]);
    }

    #[tokio::test]
    async fn a_file_that_cannot_be_written_is_tried_again_and_nobody_waits_for_it() {
        let mut room = room();
        let in_the_way = room.dir.path().join("history.new");
        std::fs::create_dir(&in_the_way).unwrap();
        room.writer.anew(whole(1..=1));
        assert_eq!(room.wanted().await, Wanted::AnewLater);
        room.writer.happened(&event(2));
        room.close(2).await;
        assert!(room.numbers().is_empty());
        std::fs::remove_dir(&in_the_way).unwrap();
        room.writer.anew(whole(1..=2));
        assert_eq!(room.wanted().await, Wanted::Nothing);
        room.close(2).await;
        assert_eq!(room.numbers(), [1, 2]);
    }
}
