//! What runs say of themselves (sd_notify(3), or a newline on a descriptor), heard on the core loop: a bounded number of
//! datagrams in each turn, and of a run that never stops talking only so many in a while.

mod channel;
mod kin;
mod receive;

pub use channel::{Channel, Name, NewChannel, descriptor_of, remove_others};
pub use kin::Kin;

use self::channel::Source;
use self::receive::receive;
use super::watch::Watch;
use crate::machine::input::{Event, NoteFrom, RunId, Slot};
use crate::notification::{self, LONGEST, SaidSoFar, Word};
use crate::until::until;
use std::collections::{HashMap, HashSet, VecDeque};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;
use std::time::Duration;
use tokio::time::Instant;

/// Runs that are listened to in one turn of the loop, and datagrams of each: together about as much as one client's request
/// costs. The others have their turn in the next.
const RUNS: usize = 16;
const DATAGRAMS: usize = 8;
/// What was said before the end of a run is heard before that end is told. The kernel queues 10 datagrams for a socket, or as
/// many as `net.unix.max_dgram_qlen` says.
const LAST_WORDS: usize = 64;
/// A run that says more than so much in such a while has to rest for what is left of it; the kernel makes it wait when its socket
/// is full. It rests for no longer than the shortest watchdog.
const IN_A_WHILE: u32 = 20;
const A_WHILE: Duration = Duration::from_millis(100);

/// All runs that are listened to.
#[derive(Default)]
pub struct Notices {
    /// Made when it is first needed.
    watch: Option<Watch>,
    listeners: HashMap<u64, Listener>,
    keys: HashMap<RunId, u64>,
    next_key: u64,
    /// Who has said too much, and when it is listened to again.
    resting: VecDeque<(Instant, u64)>,
    /// What the latest run of each component has said last, once it is over.
    last: HashMap<Slot, SaidSoFar>,
}

struct Listener {
    run: RunId,
    channel: Channel,
    kin: Kin,
    said: SaidSoFar,
    /// How much was heard since when.
    heard: u32,
    since: Instant,
}

/// What came of listening to one run for a while.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Then {
    /// There may be more.
    GoOn,
    /// Nothing more can come.
    Over,
}

/// Which of a run's sockets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum At {
    Named,
    Nameless,
}

impl Notices {
    /// Listens to a run from now on. To be called inside the runtime.
    pub fn add(&mut self, run: RunId, channel: Channel, kin: Kin) {
        let key = self.next_key;
        self.next_key += 1;
        let added = self
            .watch()
            .and_then(|watch| channel.sockets().try_for_each(|socket| watch.add(socket, key)));
        if let Err(error) = added {
            // It is never ready then, and its startup time says so; the system is out of memory for 200 bytes.
            log::error!("{}: listening to run {}: {error}", kin.component, run.run);
        }
        self.last.remove(&run.slot);
        self.keys.insert(run, key);
        self.listeners.insert(
            key,
            Listener {
                run,
                channel,
                kin,
                said: SaidSoFar::default(),
                heard: 0,
                since: Instant::now(),
            },
        );
    }

    fn watch(&mut self) -> io::Result<&Watch> {
        match &mut self.watch {
            Some(watch) => Ok(watch),
            none => Ok(none.insert(Watch::new()?)),
        }
    }

    /// The run is over: what it has said stays, and its channel is to be dropped where a disk may be waited for.
    pub fn remove(&mut self, run: RunId) -> Option<Channel> {
        let key = self.keys.remove(&run)?;
        let listener = self.listeners.remove(&key)?;
        if let Some(watch) = &self.watch {
            listener.channel.sockets().for_each(|socket| watch.remove(socket));
        }
        self.last.insert(run.slot, listener.said);
        Some(listener.channel)
    }

    /// The component is gone.
    pub fn forget(&mut self, slot: Slot) {
        self.last.remove(&slot);
    }

    /// What a run that is listened to has said before that it is at.
    pub fn recall(&mut self, run: RunId, status: String) {
        let key = self.keys.get(&run);
        let listener = key.and_then(|key| self.listeners.get_mut(key));
        // What it has said to this daemon is later.
        if let Some(listener) = listener.filter(|listener| listener.said.status.is_empty()) {
            listener.said.status = status;
        }
    }

    /// What the latest run of a component has said; `None` where it isn't listened to.
    pub fn said(&self, run: RunId) -> Option<&SaidSoFar> {
        let present = self.keys.get(&run).and_then(|key| self.listeners.get(key));
        present
            .map(|listener| &listener.said)
            .or_else(|| self.last.get(&run.slot))
    }

    /// The names of all channels.
    pub fn names(&self) -> HashSet<PathBuf> {
        let all = self.listeners.values();
        all.map(|listener| listener.channel.path().to_owned()).collect()
    }

    /// Those channels that are sockets, to be handed over: behind each the one that has lost its name.
    pub fn sockets(&self) -> Vec<&OwnedFd> {
        let all = self.listeners.values();
        all.flat_map(|listener| match listener.channel.source() {
            Source::Socket(socket) => std::iter::once(socket)
                .chain(listener.channel.nameless())
                .collect(),
            Source::Pipe(_) => Vec::new(),
        })
        .collect()
    }

    /// The names of all sockets.
    pub fn names_of_sockets(&self) -> Vec<(RunId, Name)> {
        let all = self.listeners.values();
        all.filter_map(|listener| Some((listener.run, listener.channel.name()?)))
            .collect()
    }

    /// The name of a run's socket was gone and is borne by `renewed` now; what the run has said stays. Gives that back where the
    /// run is over.
    pub fn replace(&mut self, run: RunId, renewed: Channel) -> Option<Channel> {
        let key = self.keys.get(&run).copied();
        let Some((key, listener)) = key.and_then(|key| Some((key, self.listeners.get_mut(&key)?))) else {
            return Some(renewed);
        };
        if let Some(watch) = &self.watch
            && let Err(error) = watch.add(renewed.as_fd(), key)
        {
            log::error!(
                "{}: listening to run {}: {error}",
                listener.kin.component,
                run.run
            );
        }
        listener.channel.replace(renewed);
        None
    }

    /// Waits until somebody says something. Can be dropped at any time without losing anything.
    pub async fn next(&mut self) -> Vec<(RunId, Event)> {
        loop {
            let rested = self.resting.front().map(|(until, _)| *until);
            let Some(watch) = &self.watch else {
                return std::future::pending().await;
            };
            tokio::select! {
                keys = watch.next() => {
                    let events = self.hear(&keys);
                    if !events.is_empty() {
                        return events;
                    }
                }
                () = until(rested) => self.resume(),
            }
        }
    }

    /// Those that have waited long enough are listened to again.
    fn resume(&mut self) {
        let now = Instant::now();
        while let Some((until, key)) = self.resting.front().copied()
            && until <= now
        {
            self.resting.pop_front();
            self.listen(key);
        }
    }

    /// One report for each time: whoever is not listened to again says nothing.
    fn listen(&self, key: u64) {
        let (Some(watch), Some(listener)) = (&self.watch, self.listeners.get(&key)) else {
            return;
        };
        for socket in listener.channel.sockets() {
            if let Err(error) = watch.again(socket, key) {
                let Kin { component, run, .. } = &listener.kin;
                log::error!("{component}: listening to run {run}: {error}");
            }
        }
    }

    fn hear(&mut self, keys: &[u64]) -> Vec<(RunId, Event)> {
        let mut events = Vec::new();
        let now = Instant::now();
        for (place, key) in keys.iter().enumerate() {
            let Some(listener) = self.listeners.get_mut(key) else {
                continue;
            };
            if place >= RUNS {
                self.listen(*key);
                continue;
            }
            if listener.hear(DATAGRAMS, &mut events) == Then::Over {
                continue;
            }
            match listener.rests_until(now) {
                Some(until) => {
                    self.resting.push_back((until, *key));
                    // Its sign of life may be among what has to wait, and that it talks shows that it lives.
                    events.push((listener.run, Event::Noticed(NoteFrom::Alive)));
                }
                None => self.listen(*key),
            }
        }
        events
    }

    /// What a run has said before its first process has ended.
    pub fn last_words(&mut self, run: RunId) -> Vec<(RunId, Event)> {
        let mut events = Vec::new();
        let key = self.keys.get(&run);
        if let Some(listener) = key.and_then(|key| self.listeners.get_mut(key)) {
            listener.hear(LAST_WORDS, &mut events);
        }
        events
    }
}

impl Listener {
    /// When it is listened to again, if it has said too much.
    fn rests_until(&mut self, now: Instant) -> Option<Instant> {
        if now.duration_since(self.since) >= A_WHILE {
            (self.since, self.heard) = (now, 0);
        }
        (self.heard > IN_A_WHILE).then(|| self.since + A_WHILE)
    }

    /// Takes at most `most` datagrams of each of its sockets: the one that has lost its name is the older one.
    fn hear(&mut self, most: usize, events: &mut Vec<(RunId, Event)>) -> Then {
        if self.channel.nameless().is_some() && self.hear_at(At::Nameless, most, events) == Then::Over {
            self.channel.forget_nameless();
        }
        self.hear_at(At::Named, most, events)
    }

    fn hear_at(&mut self, at: At, most: usize, events: &mut Vec<(RunId, Event)>) -> Then {
        let mut buffer = [0; LONGEST];
        for _ in 0..most {
            let heard = match self.channel.source() {
                Source::Socket(_) => self.hear_datagram(at, &mut buffer, events),
                Source::Pipe(_) => self.hear_newline(&mut buffer, events),
            };
            match heard {
                Ok(Some(Then::GoOn)) => self.heard = self.heard.saturating_add(1),
                Ok(None) => break,
                Ok(Some(Then::Over)) => return Then::Over,
                Err(error) => {
                    let Kin { component, run, .. } = &self.kin;
                    log::error!("{component}: listening to run {run}: {error}");
                    return Then::Over;
                }
            }
        }
        Then::GoOn
    }

    /// `None` where there is nothing to be heard.
    fn hear_datagram(
        &mut self,
        at: At,
        buffer: &mut [u8; LONGEST],
        events: &mut Vec<(RunId, Event)>,
    ) -> io::Result<Option<Then>> {
        let socket = match (at, self.channel.nameless()) {
            (At::Nameless, Some(socket)) => socket.as_fd(),
            _ => self.channel.as_fd(),
        };
        let Some(received) = receive(socket, buffer)? else {
            return Ok(None);
        };
        let sender = match &received.sender {
            Some(sender) if self.kin.has(sender) => sender.pid,
            Some(sender) => {
                self.ignore(&format!("by process {}, which is none of its run", sender.pid));
                return Ok(Some(Then::GoOn));
            }
            None => {
                self.ignore("by nobody knows whom");
                return Ok(Some(Then::GoOn));
            }
        };
        let words = match buffer.get(..received.length).filter(|_| received.whole) {
            Some(datagram) => notification::read(datagram),
            None => Err(notification::Unreadable::TooLong),
        };
        match words {
            Ok(words) => words.into_iter().for_each(|word| self.take(word, events)),
            Err(why) => self.ignore(&format!("by process {sender}: {why}")),
        }
        Ok(Some(Then::GoOn))
    }

    fn take(&mut self, word: Word, events: &mut Vec<(RunId, Event)>) {
        if let Word::MainProcess(pid) = word {
            if self.kin.has_number(pid) {
                self.said.main_process = (pid != self.kin.leader).then_some(pid);
            } else {
                self.ignore(&format!("of a main process {pid}, which is none of its run"));
            }
        }
        let note = self.said.take(word);
        events.extend(note.map(|note| (self.run, Event::Noticed(note))));
    }

    /// Whatever comes before the newline means nothing (s6, `notifywhenup`).
    fn hear_newline(
        &mut self,
        buffer: &mut [u8; LONGEST],
        events: &mut Vec<(RunId, Event)>,
    ) -> io::Result<Option<Then>> {
        let length = match rustix::io::read(self.channel.as_fd(), &mut buffer[..]) {
            Ok(0) => return Ok(Some(Then::Over)),
            Ok(length) => length,
            Err(rustix::io::Errno::WOULDBLOCK) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        if !self.said.ready && buffer.get(..length).is_some_and(|bytes| bytes.contains(&b'\n')) {
            self.said.ready = true;
            events.push((self.run, Event::Noticed(NoteFrom::Ready)));
        }
        Ok(Some(Then::GoOn))
    }

    /// The first time is told; how often, the status tells.
    fn ignore(&mut self, what: &str) {
        if self.said.ignored == 0 {
            let Kin { component, run, .. } = &self.kin;
            log::warn!("{component}: run {run}: ignoring a notification {what}");
        }
        self.said.ignored = self.said.ignored.saturating_add(1);
    }
}
