//! What becomes of a log that can't be written, and what is told of it.

use super::{Fault, RETRY, Sink, wall_ms};
use crate::output::failure::cause;
use crate::output::lost::Lost;
use crate::output::unwritten::Unwritten;
use crate::registry::plan::OnFull;
use std::io;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

impl Fault {
    /// The fault that an earlier daemon has left, where it has left one or what is to be told of it.
    pub(super) fn left(lost: &Lost) -> Option<Self> {
        if lost.since_ms.is_none() && !lost.is_unmarked() {
            return None;
        }
        let (now, now_ms) = (Instant::now(), wall_ms());
        let since_ms = lost.since_ms.unwrap_or(now_ms);
        // By the wall clock, which may have been set meanwhile.
        let lasted = Duration::from_millis(u64::try_from(now_ms.saturating_sub(since_ms)).unwrap_or(0));
        let why = match lost.why.as_str() {
            "" => "it could not be written under an earlier supervisor",
            why => why,
        };
        Some(Self {
            since: now.checked_sub(lasted).unwrap_or(now),
            since_ms,
            retry_at: now,
            why: io::Error::other(why),
        })
    }
}

impl Sink {
    /// What of the output isn't in the log, for the daemon that comes after this one.
    pub(in super::super) fn lost(&self) -> Lost {
        let fault = self.fault.as_ref();
        Lost {
            dropped: self.dropped.load(Ordering::Relaxed),
            unmarked: self.unmarked,
            uncounted: self.uncounted,
            since_ms: fault.map(|fault| fault.since_ms),
            why: fault.map(|fault| cause(&fault.why)).unwrap_or_default(),
        }
    }

    /// Whether a line in the file is to tell of what was dropped.
    pub(super) fn owes_a_mark(&self) -> bool {
        self.unmarked > 0 || self.uncounted
    }

    /// Whether the file could not be written when that was last tried.
    pub(in super::super) fn is_faulty(&self) -> bool {
        self.fault.is_some()
    }

    /// The same in words.
    pub(in super::super) fn unwritten(&self) -> Option<Unwritten> {
        let fault = self.fault.as_ref()?;
        Some(Unwritten {
            file: self.plan.file.clone(),
            why: cause(&fault.why),
            since_ms: fault.since_ms,
            waits: self.plan.on_full == OnFull::Block,
        })
    }

    /// Tries the file again where nothing comes that would do so: a fault that is over is not to be told for ever. A line that
    /// tells of what was dropped is written as output is; where nothing was, the file only has to be there.
    pub(in super::super) fn look_again(&mut self, component: &str) {
        let now = Instant::now();
        if !self.is_faulty() {
            return;
        }
        let tried = match self.opened(now).map(|_| ()) {
            Ok(()) if self.owes_a_mark() => self.mark(),
            tried => tried,
        };
        match tried {
            Ok(()) => self.recovered(component),
            Err(why) => self.failed(why, now, component),
        }
    }

    pub(super) fn failed(&mut self, why: io::Error, now: Instant, component: &str) {
        // The next attempt opens the file anew: it may be a new disk under the same name by then.
        self.file = None;
        let retry_at = now + RETRY;
        if let Some(fault) = &mut self.fault {
            fault.retry_at = retry_at;
            fault.why = why;
            return;
        }
        let policy = match self.plan.on_full {
            OnFull::Drop => "after 1 s it is dropped and counted",
            OnFull::Block => "the component waits when its pipe is full",
        };
        let file = self.plan.file.display();
        log::warn!(
            "{component}: its output can't be written to {file}: {}; it is tried again each second, {policy}",
            cause(&why)
        );
        self.fault = Some(Fault {
            since: now,
            since_ms: wall_ms(),
            retry_at,
            why,
        });
    }

    pub(super) fn recovered(&mut self, component: &str) {
        if let Some(fault) = self.fault.take() {
            let seconds = fault.since.elapsed().as_secs_f64();
            log::info!("{component}: its output is logged again after {seconds:.1} s");
        }
    }
}
