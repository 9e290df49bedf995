//! Memory and CPU of the trees: measured when somebody asks, or for the log, never more than once a second.

use super::Driver;
use super::background::Found;
use super::overview::Detail;
use crate::control::call::Answer;
use crate::machine::input::{RunId, Slot};
use crate::machine::moment::Moment;
use crate::platform::host::{Meter, Usage};
use s7proto::status::ComponentStatus;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// A sample serves every question for this long (DESIGN 5).
const FRESH: Duration = Duration::from_secs(1);

/// The last sample, and who waits for the next.
pub struct Statistics {
    sample: HashMap<RunId, Sample>,
    taken: Option<Moment>,
    /// Only one measurement is under way at a time, so nobody ever waits for it.
    meter: Arc<Mutex<Meter>>,
    under_way: bool,
    waiting: Vec<(Vec<Slot>, Detail, Answer)>,
    interval: Option<Duration>,
    next_log: Option<Moment>,
    log_it: bool,
}

#[derive(Clone, Copy)]
struct Sample {
    usage: Usage,
    at: Moment,
    cpu_percent: Option<f64>,
}

impl Statistics {
    /// Statistics that are logged each `interval`.
    #[must_use]
    pub fn new(interval: Option<Duration>, now: Moment) -> Self {
        Self {
            sample: HashMap::new(),
            taken: None,
            meter: Arc::default(),
            under_way: false,
            waiting: Vec::new(),
            interval,
            next_log: interval.map(|interval| now + interval),
            log_it: false,
        }
    }

    /// The registry has another interval.
    pub fn set_interval(&mut self, interval: Option<Duration>, now: Moment) {
        if interval != self.interval {
            self.interval = interval;
            self.next_log = interval.map(|interval| now + interval);
        }
    }

    /// When the log is due.
    #[must_use]
    pub fn deadline(&self) -> Option<Moment> {
        self.next_log
    }

    /// Whether somebody waits for a measurement.
    #[must_use]
    pub fn is_asked(&self) -> bool {
        !self.waiting.is_empty()
    }

    fn add_to(&self, status: &mut ComponentStatus, slot: Slot) {
        if status.pid.is_none() {
            return;
        }
        if let Some(sample) = self.sample.get(&RunId {
            slot,
            run: status.run,
        }) {
            status.memory_bytes = Some(sample.usage.memory_bytes);
            status.cpu_percent = sample.cpu_percent;
        }
    }
}

impl Driver {
    /// Answers with the status of `slots`, after a new sample if the last is old.
    pub(super) fn status(&mut self, slots: Vec<Slot>, detail: Detail, answer: Answer) {
        let now = self.clock.now();
        let young = self
            .statistics
            .taken
            .is_some_and(|taken| now.since(taken) < FRESH);
        // A run that began after the sample isn't in it, and nobody wants to read "-" about it.
        let whole = self
            .host
            .pids()
            .all(|(run, _)| self.statistics.sample.contains_key(&run));
        if (young && whole) || self.host.pids().next().is_none() {
            return answer.reply(Ok(self.in_detail(&slots, detail)));
        }
        self.statistics.waiting.push((slots, detail, answer));
        self.measure();
    }

    /// The log is due.
    pub(super) fn begin_statistics(&mut self) {
        let now = self.clock.now();
        self.statistics.next_log = self.statistics.interval.map(|interval| now + interval);
        self.statistics.log_it = true;
        self.measure();
    }

    fn measure(&mut self) {
        if self.statistics.under_way {
            return;
        }
        self.statistics.under_way = true;
        let pids: Vec<(RunId, u32)> = self.host.pids().collect();
        let meter = Arc::clone(&self.statistics.meter);
        self.background.run(
            move || {
                let mut meter = meter.lock().unwrap_or_else(PoisonError::into_inner);
                Found::Measured(meter.usage(&pids))
            },
            Found::Measured(HashMap::new()),
        );
    }

    /// A sample is there.
    pub(super) fn measured(&mut self, usages: &HashMap<RunId, Usage>) {
        let now = self.clock.now();
        let before = std::mem::take(&mut self.statistics.sample);
        for (run, usage) in usages {
            // Without an earlier sample the average over the life of the run is as good as can be had.
            let (since, used_before) = match before.get(run) {
                Some(sample) => (now.since(sample.at), sample.usage.cpu_us),
                None => {
                    let uptime = self.fleet.view(run.slot, now).and_then(|view| view.uptime_us);
                    (Duration::from_micros(uptime.unwrap_or(0)), 0)
                }
            };
            #[expect(clippy::cast_precision_loss, reason = "a percentage is shown with one digit")]
            let cpu_percent = (!since.is_zero()).then(|| {
                usage.cpu_us.saturating_sub(used_before) as f64 / since.as_micros().max(1) as f64 * 100.0
            });
            self.statistics.sample.insert(
                *run,
                Sample {
                    usage: *usage,
                    at: now,
                    cpu_percent,
                },
            );
        }
        self.statistics.taken = Some(now);
        self.statistics.under_way = false;
        for (slots, detail, answer) in std::mem::take(&mut self.statistics.waiting) {
            answer.reply(Ok(self.in_detail(&slots, detail)));
        }
        if std::mem::take(&mut self.statistics.log_it) {
            self.log_statistics();
        }
    }

    fn log_statistics(&self) {
        for slot in self.roster.order() {
            let Some(mut status) = self.roster.status(&self.fleet, *slot, self.clock.now()) else {
                continue;
            };
            self.statistics.add_to(&mut status, *slot);
            if let (Some(pid), Some(memory)) = (status.pid, status.memory_bytes) {
                log::info!(
                    "{}: statistics: pid {pid}, memory {memory} bytes, cpu {:.1} %, restarts {}",
                    status.id,
                    status.cpu_percent.unwrap_or(0.0),
                    status.restarts
                );
            }
        }
    }

    /// One component as `status` shows it, with the last sample of memory and CPU.
    pub(super) fn status_of(&self, slot: Slot) -> Option<ComponentStatus> {
        let mut status = self.roster.status(&self.fleet, slot, self.clock.now())?;
        self.statistics.add_to(&mut status, slot);
        status.output_dropped_bytes = self.capture.dropped_bytes(&status.id);
        Some(status)
    }

    /// `slots` with the last sample of memory and CPU, however old it is.
    pub(super) fn report(&self, slots: &[Slot]) -> s7proto::status::StatusReport {
        let components = slots.iter().filter_map(|slot| self.status_of(*slot)).collect();
        s7proto::status::StatusReport {
            supervisor: self.supervisor(),
            components,
        }
    }
}
