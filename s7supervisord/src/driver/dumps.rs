//! Dumps that runs write of themselves when they are asked: a JVM puts the stacks of its threads into its output.
//!
//! The signal is sent at once, and what the run writes then is watched beside the loop, until it is complete or has taken
//! too long. A run that is asked while it is at one is not asked again.

mod reader;

use self::reader::Reader;
use super::Driver;
use super::background::Found;
use crate::control::call::Answer;
use crate::machine::input::{Event, RunId, Slot};
use crate::machine::life::Unwell;
use crate::output::mark::{Mark, OWN};
use s7proto::LIMITS;
use s7proto::event::{DumpReason, Happening};
use s7proto::reply::{Done, DumpOutcome, DumpReport, RunInfo};
use s7proto::status::Actor;
use std::collections::HashMap;
use std::time::Duration;
use tokio::sync::oneshot;

/// How long a dump may take (windows-and-scene7 E4). A JVM writes one within 100 ms, unless it is busy collecting garbage.
const PATIENCE: Duration = Duration::from_secs(5);
/// How often it is looked at what has come.
const LOOK: Duration = Duration::from_millis(50);

/// The dumps that are under way: at most one of each run.
#[derive(Debug, Default)]
pub struct Dumps(HashMap<RunId, UnderWay>);

#[derive(Debug)]
struct UnderWay {
    why: DumpReason,
    waiting: Vec<oneshot::Sender<DumpOutcome>>,
}

/// What came of one dump.
#[derive(Debug)]
pub struct Dumped {
    run: RunId,
    outcome: DumpOutcome,
}

impl Driver {
    /// Asks the run for a dump, for the machine: for what it was given up, or because it has not stopped in time.
    pub(super) fn diagnose(&mut self, run: RunId, unwell: Option<Unwell>) {
        let why = match unwell {
            None => DumpReason::StopTimeout,
            Some(Unwell::Checks) => DumpReason::Hung,
            Some(Unwell::Startup) => DumpReason::NotReady,
            Some(Unwell::Watchdog) => DumpReason::WatchdogMissed,
            Some(Unwell::Trouble) => DumpReason::InTrouble,
            Some(Unwell::Output) => DumpReason::Output,
        };
        if let Err(outcome) = self.dump(run, why, None) {
            if let (DumpOutcome::WouldEnd { .. }, Some(component)) = (&outcome, self.roster.name(run.slot)) {
                let why = why_not(&outcome);
                log::info!("{component}: run {} is not asked for a dump: {why}", run.run);
            }
            // Nothing is to be waited for.
            self.fleet
                .event(self.clock.stamp(), run, Event::Diagnosed, &mut self.effects);
        }
    }

    /// Asks the run for a dump, unless it is at one already. What comes of it is an event, and goes to `waiting`.
    ///
    /// # Errors
    /// Why it can't be asked.
    pub(super) fn dump(
        &mut self,
        run: RunId,
        why: DumpReason,
        waiting: Option<oneshot::Sender<DumpOutcome>>,
    ) -> Result<(), DumpOutcome> {
        let plan = self.roster.plan(run.slot).ok_or(DumpOutcome::NotRunning)?;
        if !plan.dump.by_signal {
            return Err(DumpOutcome::NotConfigured);
        }
        if let Some(option) = plan.java.as_ref().and_then(|java| java.deaf_by.clone()) {
            return Err(DumpOutcome::WouldEnd { option: Some(option) });
        }
        let view = self.fleet.view(run.slot, self.clock.now());
        let pid = view.filter(|view| view.run == run.run).and_then(|view| view.pid);
        let pid = pid.ok_or(DumpOutcome::NotRunning)?;
        if let Some(under_way) = self.dumps.0.get_mut(&run) {
            under_way.waiting.extend(waiting);
            return Ok(());
        }
        let component = plan.id.clone();
        let line = format!("{OWN}dump of run {}, {}]", run.run, words(&why));
        let mark = self.capture.mark(&component, Mark::new(line, run.run));
        let mark = mark.ok_or_else(|| DumpOutcome::Failed("its output is not captured".to_owned()))?;
        if let Err(outcome) = self.host.diagnose(run) {
            mark.withdraw();
            return Err(outcome);
        }
        log::info!(
            "{component}: run {} is asked for a dump, {}",
            run.run,
            words(&why)
        );
        let waiting = waiting.into_iter().collect();
        self.dumps.0.insert(run, UnderWay { why, waiting });
        let info = RunInfo { run: run.run, pid };
        let (file, is_java) = (plan.log.file.clone(), plan.java.is_some());
        let capture = self.capture.clone();
        let end = move || capture.ends(&component).of(run.run).map(|written| written.to);
        let reader = Reader::new(file, mark, is_java, Box::new(end));
        let tell = self.background.teller();
        tokio::spawn(async move {
            let outcome = watch(reader, info).await;
            let _ = tell.send(Found::Dumped(Box::new(Dumped { run, outcome })));
        });
        Ok(())
    }

    /// A dump is complete, or has taken too long.
    pub(super) fn dumped(&mut self, dumped: Dumped) {
        let Dumped { run, outcome } = dumped;
        let Some(under_way) = self.dumps.0.remove(&run) else {
            return;
        };
        self.fleet
            .event(self.clock.stamp(), run, Event::Diagnosed, &mut self.effects);
        if let Some(component) = self.roster.name(run.slot) {
            match &outcome {
                DumpOutcome::Written { file, from, to, .. } => {
                    log::info!("{component}: its dump is in {file}, from byte {from} to {to}");
                }
                DumpOutcome::Failed(why) => log::warn!("{component}: run {}: no dump: {why}", run.run),
                _ => log::warn!(
                    "{component}: run {} has written no dump within {PATIENCE:?}",
                    run.run
                ),
            }
        }
        if let DumpOutcome::Written { file, from, to, .. } = &outcome {
            let happening = Happening::Dumped {
                run: run.run,
                file: file.clone(),
                from: *from,
                to: *to,
                why: under_way.why,
            };
            self.happened(run.slot, happening);
        }
        for waiting in under_way.waiting {
            // Whoever has gone doesn't want it any more.
            let _ = waiting.send(outcome.clone());
        }
    }

    /// Asks the runs of `slots` for dumps, and answers with what they write.
    pub(super) fn dump_for(&mut self, slots: &[Slot], who: &Actor, answer: Answer) {
        let mut reports = Vec::with_capacity(slots.len());
        for slot in slots {
            let (Some(component), Some(view)) = (
                self.roster.name(*slot).cloned(),
                self.fleet.view(*slot, self.clock.now()),
            ) else {
                continue;
            };
            let run = RunId {
                slot: *slot,
                run: view.run,
            };
            let (waiting, outcome) = oneshot::channel();
            let asked = self.dump(run, DumpReason::AskedBy(who.clone()), Some(waiting));
            reports.push((component, asked.map(|()| outcome)));
        }
        let share = LIMITS.log_bytes / reports.len().max(1);
        tokio::spawn(async move {
            let mut all = Vec::with_capacity(reports.len());
            for (component, asked) in reports {
                let outcome = match asked {
                    // It is dropped with the loop alone.
                    Ok(outcome) => outcome.await.unwrap_or(DumpOutcome::NotRunning),
                    Err(outcome) => outcome,
                };
                let outcome = cut(outcome, share);
                all.push(DumpReport { component, outcome });
            }
            answer.reply(Ok(Done::Dumped(all)));
        });
    }
}

fn cut(mut outcome: DumpOutcome, most: usize) -> DumpOutcome {
    if let DumpOutcome::Written { bytes, .. } = &mut outcome {
        bytes.truncate(most);
    }
    outcome
}

/// Why, in the mark and the log.
fn words(why: &DumpReason) -> String {
    match why {
        DumpReason::AskedBy(who) => format!("asked for by {who}"),
        DumpReason::StopTimeout => "because it does not stop in time".to_owned(),
        DumpReason::Hung => "because it failed its checks".to_owned(),
        DumpReason::Output => "because of a line of its output".to_owned(),
        DumpReason::NotReady => "because it was not ready in time".to_owned(),
        DumpReason::WatchdogMissed => "because it missed its watchdog".to_owned(),
        DumpReason::InTrouble => "because it said itself that it is in trouble".to_owned(),
    }
}

/// Why it isn't asked, in the log.
pub(super) fn why_not(outcome: &DumpOutcome) -> String {
    match outcome {
        DumpOutcome::WouldEnd { option: Some(option) } => {
            format!("SIGQUIT would end it, because of its option {option}")
        }
        DumpOutcome::WouldEnd { option: None } => {
            "SIGQUIT would end it, because its process does not hear it now".to_owned()
        }
        DumpOutcome::NotConfigured => "the registry does not say that it writes one".to_owned(),
        DumpOutcome::NotRunning => "it has ended".to_owned(),
        DumpOutcome::Failed(why) => why.clone(),
        asked @ (DumpOutcome::Written { .. } | DumpOutcome::Silent(_)) => format!("{asked:?}"),
    }
}

/// Waits until the dump is complete or the run is over, for [`PATIENCE`] at most.
async fn watch(mut reader: Reader, run: RunInfo) -> DumpOutcome {
    let until = tokio::time::Instant::now() + PATIENCE;
    loop {
        tokio::time::sleep(LOOK).await;
        let looking = tokio::task::spawn_blocking(move || {
            let looked = reader.look();
            (reader, looked)
        });
        // A file system that hangs keeps its thread; nobody else waits for it.
        let (back, looked) = match tokio::time::timeout_at(until + LOOK, looking).await {
            Ok(Ok(looked)) => looked,
            Ok(Err(_)) | Err(_) => return DumpOutcome::Failed("its log can't be read".to_owned()),
        };
        reader = back;
        match looked {
            Err(error) => return DumpOutcome::Failed(format!("reading its log: {error}")),
            Ok(complete) if complete || tokio::time::Instant::now() >= until => break,
            Ok(_) => {}
        }
    }
    reader.outcome(run, PATIENCE)
}
