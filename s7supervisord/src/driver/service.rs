//! Telling the service manager, where there is one, and marking that the end was asked for.

use super::{Driver, End};
use crate::machine::moment::Moment;
use crate::platform::service_manager::{self, Channel, Sent};
use crate::service::mark;
use crate::service::report::{self, Phase, Report};
use s7proto::status::Wish;

/// The way to the service manager, and what it was told.
pub struct Manager {
    channel: Option<Channel>,
    report: Report,
    /// Sending fails for another reason than a lack of room; said once.
    broken: bool,
    /// It was marked that somebody wants the daemon to end.
    marked: bool,
}

impl Manager {
    /// The one that the environment names.
    #[must_use]
    pub fn from_environment() -> Self {
        let channel = Channel::from_environment().unwrap_or_else(|why| {
            log::warn!("{why}; the service manager is told nothing");
            None
        });
        let variable = |name: &str| std::env::var(name).ok();
        let beat = channel.as_ref().and_then(|_| {
            report::beat(
                variable("WATCHDOG_USEC").as_deref(),
                variable("WATCHDOG_PID").as_deref(),
                std::process::id(),
            )
        });
        Self {
            channel,
            report: Report::new(beat),
            broken: false,
            marked: false,
        }
    }

    /// A component has changed its state.
    pub fn changed(&mut self) {
        self.report.changed();
    }

    /// When there is something to tell, if nothing happens before.
    #[must_use]
    pub fn deadline(&self) -> Option<Moment> {
        self.channel.as_ref().and_then(|_| self.report.deadline())
    }
}

impl Driver {
    /// Tells the service manager what is due. To be called after each step, so that a loop that makes none is missed.
    pub(super) fn tell_service_manager(&mut self) {
        let phase = self.phase();
        if phase == Phase::Ready && !self.booted {
            return;
        }
        if phase == Phase::Stopping && !std::mem::replace(&mut self.service.marked, true) {
            let journal = self.journal.path().to_owned();
            // The disk is for other threads. If the daemon dies before it is written, its death was no stop.
            tokio::task::spawn_blocking(move || {
                if let Some(Err(error)) = journal.parent().map(mark::set) {
                    log::warn!("{error}: what outlives the daemon won't be taken for left over by a stop");
                }
            });
        }
        let Some(channel) = &self.service.channel else {
            return;
        };
        let now = self.clock.now();
        let due = self
            .service
            .report
            .due(now, phase, service_manager::monotonic_us, || self.text(phase));
        let Some(due) = due else {
            self.service.report.at_rest(now);
            return;
        };
        match channel.send(&due.message) {
            Ok(Sent::Whole) => {
                self.service.broken = false;
                self.service.report.told(now, due);
            }
            Ok(Sent::NoRoom) => self.service.report.not_told(now),
            Err(error) => {
                // It is not asked for again and again: it would be as broken the next time.
                self.service.report.told(now, due);
                if !std::mem::replace(&mut self.service.broken, true) {
                    log::warn!("telling the service manager: {error}");
                }
            }
        }
    }

    fn phase(&self) -> Phase {
        if !self.fleet.is_shutting_down() {
            if self.background.loads.is_applying() || self.is_to_begin_anew() {
                Phase::Reloading
            } else {
                Phase::Ready
            }
        } else if self.then == End::Stopped {
            Phase::Stopping
        } else {
            // It begins anew in the same process, which is no end.
            Phase::Reloading
        }
    }

    fn text(&self, phase: Phase) -> String {
        let now = self.clock.now();
        let wished = |view: &crate::machine::view::View| phase == Phase::Stopping || view.wish == Wish::Up;
        let components: Vec<_> = self
            .roster
            .order()
            .iter()
            .filter_map(|slot| Some((self.roster.name(*slot)?, self.fleet.view(*slot, now)?)))
            .filter(|(_, view)| wished(view))
            .map(|(name, view)| (name, view.state))
            .collect();
        report::text(phase, &components)
    }
}
