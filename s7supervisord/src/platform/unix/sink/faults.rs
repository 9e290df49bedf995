//! What becomes of a log that can't be written, and what is told of it.

use super::{Fault, RETRY, Sink, wall_ms};
use crate::output::failure::cause;
use crate::output::unwritten::Unwritten;
use crate::registry::plan::OnFull;
use std::io;
use std::time::Instant;

impl Sink {
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
            Ok(()) if self.unmarked > 0 => self.mark(),
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
