//! What components have written: the last of it, what was written since a time, and what is written from now on.

use super::{Driver, Turn};
use crate::control::call::Answer;
use crate::machine::input::Slot;
use crate::output::follow::Follower;
use crate::output::tail::{tail, tail_since};
use s7proto::LIMITS;
use s7proto::name::ComponentName;
use s7proto::reply::{Done, LogTail, Notice};
use s7proto::request::LogPosition;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::sync::watch;

/// How often a log that is followed is looked at for something new. Only while somebody follows it.
const LOOK: Duration = Duration::from_millis(100);

/// How long who reads output waits for what runs that are over have left in their pipes. The pumps pause for 4 ms at most; only a
/// disk can take longer, and then the file as it is says more than no answer.
pub(super) const LAST_WORDS: Duration = Duration::from_millis(100);

impl Driver {
    /// Answers with what was written since `since_ms`, and goes on if `follow`.
    pub(super) fn logs_since(&self, slots: &[Slot], since_ms: i64, lines: u32, follow: bool, answer: Answer) {
        if follow {
            self.follow(slots, Some(since_ms), lines, answer);
        } else {
            self.logs(slots, Some(since_ms), lines, answer);
        }
    }

    /// Answers with the last lines of output.
    pub(super) fn logs(&self, slots: &[Slot], since: Option<i64>, lines: u32, answer: Answer) {
        let files = self.log_files(slots);
        let capture = self.capture.clone();
        // The disk is read beside the loop; the answer goes from there straight to the client.
        tokio::task::spawn_blocking(move || {
            let components: Vec<ComponentName> =
                files.iter().map(|(component, _)| component.clone()).collect();
            capture.settle(&components, LAST_WORDS);
            let share = LIMITS.log_bytes / files.len().max(1);
            let lines = lines.min(LIMITS.log_lines);
            let tails = files
                .into_iter()
                .map(|(component, file)| tail_of(component, &file, since, lines, share))
                .collect();
            answer.reply(Ok(Done::Logs(tails)));
        });
    }

    /// Answers with the last lines of output, and with what is written from now on. What was written since a time is a
    /// stream from its beginning, so there are only as few lines of it as were asked for.
    pub(super) fn follow(&self, slots: &[Slot], since: Option<i64>, lines: u32, answer: Answer) {
        let share = LIMITS.log_bytes / slots.len().max(1);
        let follower = |file: PathBuf| match since {
            None => Follower::new(file, lines.min(LIMITS.log_lines), share),
            Some(since) if lines > LIMITS.log_lines => Follower::since(file, since, u32::MAX, share),
            Some(since) => Follower::since(file, since, lines, share),
        };
        let files = self.log_files(slots).into_iter();
        let followed = files.map(|(component, file)| Followed {
            component,
            file: follower(file),
            trouble: None,
            told: None,
        });
        let piece = share.min(LIMITS.output_bytes);
        tokio::spawn(stream_output(
            answer,
            followed.collect(),
            piece,
            self.alive.subscribe(),
        ));
    }

    /// Goes on where the image before this one has handed over. A component that is no longer there is left out.
    pub(super) fn follow_from(&self, positions: Vec<LogPosition>, answer: Answer) {
        let share = LIMITS.log_bytes / positions.len().max(1);
        let followed = positions.into_iter().filter_map(|position| {
            let plan = self.roster.plan(self.roster.slot(&position.component)?)?;
            let file = Follower::going_on(plan.log.file.clone(), (position.file, position.offset));
            Some(Followed {
                component: position.component,
                file,
                trouble: None,
                told: None,
            })
        });
        let piece = share.min(LIMITS.output_bytes);
        tokio::spawn(stream_output(
            answer,
            followed.collect(),
            piece,
            self.alive.subscribe(),
        ));
    }

    fn log_files(&self, slots: &[Slot]) -> Vec<(ComponentName, PathBuf)> {
        let plans = slots.iter().filter_map(|slot| self.roster.plan(*slot));
        plans
            .map(|plan| (plan.id.clone(), plan.log.file.clone()))
            .collect()
    }
}

/// The last lines of a component's output, since a time where one is given. Reads the disk.
///
/// Where it isn't known whether the first lines are older than that, they are shown, and `error` says it; also where some are
/// missing because a compressed file is damaged, which is worse.
pub(super) fn tail_of(
    component: ComponentName,
    file: &Path,
    since: Option<i64>,
    lines: u32,
    max_bytes: usize,
) -> LogTail {
    let read = match since {
        None => tail(file, lines, max_bytes).map(|tail| (tail, None)),
        Some(since) => tail_since(file, since, lines, max_bytes),
    };
    let (bytes, truncated, error) = match read {
        Ok((tail, uncertain)) => (tail.bytes, tail.truncated, tail.damaged.or(uncertain)),
        // It has never run, or somebody has taken the file away: there is nothing to show.
        Err(error) if error.kind() == io::ErrorKind::NotFound => (Vec::new(), false, None),
        Err(error) => (Vec::new(), false, Some(error.to_string())),
    };
    LogTail {
        component,
        file: file.display().to_string(),
        bytes,
        truncated,
        error,
    }
}

/// One component's output, as a client follows it.
struct Followed {
    component: ComponentName,
    file: Follower,
    /// What was last said about not being able to read it.
    trouble: Option<String>,
    /// The point that was last told.
    told: Option<(u64, u64)>,
}

/// What one look at all files came to.
struct Look {
    files: Vec<Followed>,
    notices: Vec<Notice>,
    /// Some file may hold more.
    more: bool,
}

async fn stream_output(
    answer: Answer,
    mut files: Vec<Followed>,
    piece: usize,
    mut alive: watch::Receiver<Turn>,
) {
    let mut last = false;
    loop {
        // The disk is read beside the loop, and a client that is slow is waited for before more is read.
        let look = move || read(files, piece);
        let Ok(looked) = tokio::task::spawn_blocking(look).await else {
            return;
        };
        files = looked.files;
        for notice in looked.notices {
            if !answer.stream(notice).await {
                return;
            }
        }
        if *alive.borrow() == Turn::HandedOver {
            // Whatever is written from here on, the next image shows.
            let positions = files.iter().map(Followed::position).collect();
            return answer.reply(Ok(Done::OutputHandedOver(positions)));
        }
        if looked.more {
            continue;
        }
        if last {
            break;
        }
        tokio::select! {
            () = tokio::time::sleep(LOOK) => {}
            // The daemon ends: one more look for what came last. Or it hands over, and that look is the last one too.
            changed = alive.changed() => last = changed.is_err(),
            () = answer.gone() => return,
        }
    }
    answer.reply(Ok(Done::StreamEnded));
}

/// One piece of each file: all of them together are no more than [`LIMITS`]`.log_bytes`, and a component that writes much
/// doesn't keep the others from being heard.
fn read(mut files: Vec<Followed>, piece: usize) -> Look {
    let mut notices = Vec::new();
    for followed in &mut files {
        let read = followed.file.read(piece);
        followed.tell(read, &mut notices);
    }
    let more = notices
        .iter()
        .any(|notice| matches!(notice, Notice::Output { bytes, .. } if bytes.len() >= piece));
    Look { files, notices, more }
}

impl Followed {
    fn position(&self) -> LogPosition {
        let (file, offset) = self.file.position();
        LogPosition {
            component: self.component.clone(),
            file,
            offset,
        }
    }

    fn tell(&mut self, read: std::io::Result<Vec<u8>>, notices: &mut Vec<Notice>) {
        match read {
            Ok(bytes) => {
                self.trouble = None;
                if self.told != Some(self.file.position()) {
                    self.told = Some(self.file.position());
                    notices.push(Notice::OutputReaches {
                        position: self.position(),
                        after: bytes.len() as u64,
                    });
                }
                notices.extend(bytes.chunks(LIMITS.output_bytes).map(|piece| Notice::Output {
                    component: self.component.clone(),
                    bytes: piece.to_vec(),
                }));
            }
            Err(error) => {
                let why = error.to_string();
                if self.trouble.as_deref() != Some(why.as_str()) {
                    self.trouble = Some(why.clone());
                    notices.push(Notice::OutputUnreadable {
                        component: self.component.clone(),
                        why,
                    });
                }
            }
        }
    }
}
