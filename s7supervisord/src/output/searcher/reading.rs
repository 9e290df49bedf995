//! The output of one component, read back and searched, a turn at a time.

use super::Begin;
use crate::output::follow::Follower;
use crate::output::matcher::{Match, Matcher};
use s7proto::name::ComponentName;
use std::collections::VecDeque;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// How much of one component's output is read before another one has its turn, in bytes.
pub(super) const TURN: usize = 64 * 1024;
/// How far a component may be ahead of the search, in bytes. Then what is between is left out: who writes so much in so
/// short a time repeats itself.
pub(super) const BEHIND: u64 = 8 * 1024 * 1024;
/// How often it is said that something was left out.
const SAY_AGAIN: Duration = Duration::from_secs(60);

/// The output of one component, as far as it is read.
#[derive(Default)]
pub(super) struct Output {
    pub(super) matcher: Matcher,
    run: u64,
    follower: Option<Follower>,
    /// The run whose output is complete, as long as its last line may be open.
    pub(super) ended: Option<u64>,
    path: PathBuf,
    pub(super) begins: VecDeque<Begin>,
    pub(super) left_out: u64,
    said: Option<Instant>,
}

/// What a turn came to.
pub(super) struct Turn {
    pub(super) found: Vec<(u64, Match)>,
    pub(super) read: u64,
    /// There may be more.
    pub(super) more: bool,
}

impl Output {
    /// Reads and searches what there is, at most [`TURN`] bytes. `begun` gives the runs that have begun since it was last asked.
    pub(super) fn turn(
        &mut self,
        component: &ComponentName,
        behind: u64,
        now: Instant,
        begun: impl Fn() -> VecDeque<Begin>,
    ) -> Turn {
        let mut turn = Turn {
            found: Vec::new(),
            read: 0,
            more: false,
        };
        if behind > BEHIND {
            self.leave_out(component, behind, now);
            turn.read = behind;
        }
        loop {
            let Some(follower) = &mut self.follower else {
                if !self.next_run(now, &mut turn) {
                    return turn;
                }
                continue;
            };
            let (file, at) = follower.position();
            let here = self
                .begins
                .front()
                .filter(|next| next.file == file && next.path == self.path);
            let most = here.map_or(TURN as u64, |next| next.at.saturating_sub(at));
            let most = usize::try_from(most).unwrap_or(TURN).min(TURN);
            let bytes = if most == 0 {
                Vec::new()
            } else {
                let bytes = self.read(most, component, now);
                // A run may have begun since it was looked how much to read, always before anything of it was written.
                self.begins.append(&mut begun());
                self.own_part(bytes)
            };
            if bytes.is_empty() {
                // Nothing is added to the output of a run once that of the next one has begun.
                if self.next_run(now, &mut turn) {
                    continue;
                }
                if self.is_open() && behind <= turn.read {
                    self.ended = None;
                    turn.found
                        .extend(self.matcher.end(now).map(|one| (self.run, one)));
                }
                return turn;
            }
            turn.read += bytes.len() as u64;
            let found = self.matcher.feed(&bytes, now);
            turn.found.extend(found.into_iter().map(|one| (self.run, one)));
            turn.more = true;
            return turn;
        }
    }

    /// What of `bytes`, which were just read, is before the beginning of the next run; the rest is read again in its turn.
    fn own_part(&mut self, mut bytes: Vec<u8>) -> Vec<u8> {
        let (Some(follower), Some(next)) = (&self.follower, self.begins.front()) else {
            return bytes;
        };
        let (file, end) = follower.position();
        let begin = end.saturating_sub(bytes.len() as u64);
        if next.file == file && next.path == self.path && (begin..end).contains(&next.at) {
            let own = usize::try_from(next.at - begin).unwrap_or(bytes.len());
            bytes.truncate(own);
            self.follower = Some(Follower::going_on(self.path.clone(), (file, next.at)));
        }
        bytes
    }

    /// Whether its last line may be open, and nothing will be added to it.
    pub(super) fn is_open(&self) -> bool {
        self.ended == Some(self.run)
    }

    fn read(&mut self, most: usize, component: &ComponentName, now: Instant) -> Vec<u8> {
        let read = self.follower.as_mut().map(|follower| follower.read(most));
        match read {
            Some(Ok(bytes)) => bytes,
            Some(Err(error)) => {
                // Where nothing but a deleted file is known of, what comes behind it begins with a whole line.
                if error.kind() != std::io::ErrorKind::NotFound {
                    self.matcher.leave_out();
                }
                self.say(now, || {
                    format!("{component}: searching its output for <match>: {error}")
                });
                // What comes behind a gap is there; a file that can't be read can't be this time either.
                let behind = self.follower.as_mut().map(|follower| follower.read(most));
                behind.and_then(Result::ok).unwrap_or_default()
            }
            None => Vec::new(),
        }
    }

    /// Turns to the next run; `false` where there is none.
    fn next_run(&mut self, now: Instant, turn: &mut Turn) -> bool {
        let Some(next) = self.begins.pop_front() else {
            return false;
        };
        turn.found
            .extend(self.matcher.end(now).map(|one| (self.run, one)));
        self.run = next.run;
        self.follower = Some(Follower::going_on(next.path.clone(), (next.file, next.at)));
        self.path = next.path;
        true
    }

    /// Goes on at the end of what there is.
    fn leave_out(&mut self, component: &ComponentName, behind: u64, now: Instant) {
        if let Some(last) = self.begins.pop_back() {
            self.run = last.run;
            self.path = last.path;
            self.begins.clear();
        }
        self.follower = Some(Follower::new(self.path.clone(), 0, 0));
        self.matcher.leave_out();
        self.left_out += behind;
        let left_out = self.left_out;
        self.say(now, || {
            format!(
                "{component}: writes faster than its output may be searched for <match>: {left_out} bytes were left out \
                 so far"
            )
        });
    }

    fn say(&mut self, now: Instant, what: impl FnOnce() -> String) {
        if self
            .said
            .is_none_or(|said| now.saturating_duration_since(said) >= SAY_AGAIN)
        {
            self.said = Some(now);
            log::warn!("{}", what());
        }
    }
}
