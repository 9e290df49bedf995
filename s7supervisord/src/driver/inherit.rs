//! Carrying on where an earlier daemon has stopped: its runs are adopted before anything is started, and who is not in its
//! record is looked for before anybody is heard.

use super::Driver;
use super::background::Found;
use crate::failpoint::{self, Point};
use crate::machine::input::{Event, Fate, Legacy, NoteFrom, RunId, Slot, Told};
use crate::machine::moment::Moment;
use crate::notification::Hearing;
use crate::platform::leftovers;
use crate::registry::fingerprint;
use crate::state::known::{Holder, Known, StartedRun, Stays, Tally, Unrecorded, end_of_leftover_words};
use crate::state::line;
use crate::state::past::Kept;
use s7proto::event::Happening;
use s7proto::name::ComponentName;
use s7proto::overview::SupervisorFact;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::io;
use std::time::Duration;

/// How long the look at all processes of the machine may take: it may hang with one of them. Also how long it may take to read what
/// has happened.
const LOOKING: Duration = Duration::from_secs(5);

/// What came from an earlier daemon.
#[derive(Debug, Default)]
pub struct Inheritance {
    /// The last recorded run of each component.
    recorded: HashMap<ComponentName, u64>,
    /// Runs that live on under this daemon.
    pub adopted: HashSet<RunId>,
    /// That it was so, for the status.
    pub took_over: Option<SupervisorFact>,
    /// Runs that were listened to all the while: what they have told the image before holds.
    unbroken: Vec<(ComponentName, RunId)>,
    instance: String,
}

impl Driver {
    /// Carries on with what an earlier daemon has known, which was of the version `replaced` where another binary has taken its
    /// place.
    ///
    /// # Errors
    /// Nobody can look after what isn't a child of this process.
    pub fn take_over(
        &mut self,
        known: BTreeMap<ComponentName, Known>,
        instance: String,
        replaced: Option<String>,
    ) -> io::Result<()> {
        self.inheritance.instance = instance;
        for (component, known) in known {
            self.inheritance.recorded.insert(component.clone(), known.run);
            match self.roster.slot(&component) {
                Some(slot) => self.inherit(slot, &component, known, true)?,
                None => {
                    if let Some(started) = known.started(&component) {
                        self.end_alone(started)?;
                    }
                }
            }
        }
        failpoint::reach(Point::AdoptDone);
        let adopted = u32::try_from(self.inheritance.adopted.len()).unwrap_or(u32::MAX);
        if adopted > 0 || replaced.is_some() {
            log::info!(target: "lifecycle", "carries on where an earlier supervisor stopped: {adopted} runs adopted");
            let took_over = Happening::TookOver {
                replaced: replaced.clone(),
                adopted,
            };
            let at_ms = self.clock.stamp().wall_ms;
            self.history.note(at_ms, None, took_over);
            self.inheritance.took_over = Some(SupervisorFact::TookOver {
                replaced,
                at_ms,
                adopted,
            });
        }
        Ok(())
    }

    /// `leads`: what is known of is the first process of the run, else only something that it has left.
    fn inherit(
        &mut self,
        slot: Slot,
        component: &ComponentName,
        known: Known,
        leads: bool,
    ) -> io::Result<()> {
        let stamp = self.clock.stamp();
        let run = RunId { slot, run: known.run };
        let told = known.goes_by(self.roster.plan(slot).and_then(|plan| plan.notify));
        let mut hearing = Hearing::Unbroken;
        let fate = match known.started(component) {
            Some(started) => {
                let pid = started.process.pid;
                // What a run has left is no run: in the record a next daemon would take it for one.
                let words = known.words(component).into_iter().filter(|_| leads);
                let record: String = words.map(|words| line::sealed(&words)).collect();
                if self.host.adopt(run, started, record.into_bytes(), leads)? {
                    self.adopted(run, component, pid);
                    if let Some(by) = told.by {
                        hearing = self.host.listen_again(run, by);
                        if hearing == Hearing::Unbroken {
                            self.inheritance.unbroken.push((component.clone(), run));
                        }
                    }
                    Fate::Lives {
                        pid,
                        asked: known.asked_ns.map(since_boot),
                    }
                } else {
                    Fate::Unseen {
                        pid,
                        asked: known.asked_ns.is_some(),
                    }
                }
            }
            None => match known.stays {
                Some(Stays::Exited) => Fate::Exited,
                Some(Stays::Fatal) => Fate::Fatal,
                None => Fate::Over,
            },
        };
        let plan = self.roster.plan(slot);
        let lives = matches!(fate, Fate::Lives { .. });
        let present = plan.map(|plan| fingerprint::of(plan));
        let Tally {
            restarts,
            crashes,
            last_exit,
        } = known.tally;
        let legacy = Legacy {
            run: known.run,
            restarts,
            crashes,
            last_exit,
            started: since_boot(known.began_ns).min(stamp.now),
            marked: lives && known.made_of.is_some() && known.made_of != present,
            ready: known.ready,
            missed: hearing != Hearing::Unbroken,
            told: Some(Told {
                notifies: told.by.is_some(),
                watchdog: told.watchdog,
            }),
            until: known.until_ns.map(since_boot),
            fate,
        };
        self.fleet.inherit(stamp, slot, legacy, &mut self.effects);
        if hearing == Hearing::Lost {
            let unheard = Event::Noticed(NoteFrom::Unheard);
            self.fleet.event(stamp, run, unheard, &mut self.effects);
        }
        Ok(())
    }

    fn adopted(&mut self, run: RunId, component: &ComponentName, pid: u32) {
        log::info!(target: "lifecycle", "{component}: run {} goes on, pid {pid}", run.run);
        self.inheritance.adopted.insert(run);
        failpoint::reach(Point::AdoptEach);
        let about = Some(component.clone());
        let adopted = Happening::Adopted { run: run.run, pid };
        self.history.note(self.clock.stamp().wall_ms, about, adopted);
    }

    fn end_alone(&mut self, started: StartedRun) -> io::Result<()> {
        let (component, run) = (&started.component, started.run);
        log::warn!(
            "{component}: run {run} was left by an earlier supervisor and is no longer wanted, ending it"
        );
        let left = Happening::LeftOver { run, gone: false };
        self.history
            .note_of(self.clock.stamp().wall_ms, component.clone(), left);
        self.host.end_alone(started)
    }

    /// Nothing is left of runs that were ended so.
    pub(super) fn leftovers_gone(&mut self) {
        for gone in self.host.take_gone() {
            let component = &gone.component;
            log::info!(
                "{component}: run {}, left by an earlier supervisor, is gone",
                gone.run
            );
            let left = Happening::LeftOver {
                run: gone.run,
                gone: true,
            };
            self.history
                .note_of(self.clock.stamp().wall_ms, component.clone(), left);
            if self.roster.slot(component).is_none() {
                // Else the record is about its present run, and this one was never in it.
                self.host.note(vec![end_of_leftover_words(&gone)]);
            }
        }
    }

    /// Looks for runs that aren't in the record; the boot comes after it.
    pub(super) fn begin(&mut self) {
        let recorded = self.inheritance.recorded.clone();
        let instance = self.inheritance.instance.clone();
        let before = self.host.first_command();
        let looking =
            tokio::task::spawn_blocking(move || leftovers::unrecorded(&recorded, &instance, before));
        let tell = self.background.teller();
        tokio::spawn(async move {
            let found = tokio::time::timeout(LOOKING, looking).await;
            let _ = tell.send(Found::Unrecorded(found.ok().and_then(Result::ok)));
        });
    }

    /// Who lives without a record is adopted like the others.
    pub(super) fn found_unrecorded(&mut self, found: Option<Vec<Unrecorded>>) {
        let found = found.unwrap_or_else(|| {
            log::error!(
                "looking for what an earlier supervisor left takes too long; only its record is believed"
            );
            Vec::new()
        });
        let mut outputs = Vec::new();
        for found in found {
            match self.adopt_unrecorded(&found) {
                Ok(Some((slot, holder))) => {
                    let plan = self.roster.plan(slot).cloned();
                    outputs.extend(plan.map(|plan| (plan, found.run.run, holder)));
                }
                Ok(None) => {}
                Err(error) => log::error!("looking after what an earlier supervisor left: {error}"),
            }
        }
        let capture = self.capture.clone();
        let remove_unheard = self.host.unheard();
        let remembered = self.remembered.take();
        // Their logs are on a disk. Nothing begins meanwhile, so no new pipe is taken for one that nobody knows.
        self.background.run(
            move || {
                for (plan, run, holder) in outputs {
                    match capture.reattach(&plan.id, run, &plan.log, holder) {
                        Ok(true) => {}
                        Ok(false) => log::warn!("{}: run {run} has no output pipe any more", plan.id),
                        Err(error) => log::warn!("{error}: what it still writes is lost"),
                    }
                }
                if let Err(error) = capture.remove_strays() {
                    log::warn!("{error}");
                }
                remove_unheard();
                let kept = remembered.and_then(|remembered| remembered.recv_timeout(LOOKING).ok());
                Found::TakenUp(kept.unwrap_or_default())
            },
            Found::TakenUp(Kept::default()),
        );
    }

    /// Then everything else begins.
    pub(super) fn taken_up(&mut self, mut kept: Kept) {
        self.host.all_are_known();
        for (component, run) in std::mem::take(&mut self.inheritance.unbroken) {
            if let Some(status) = kept.said.remove(&(component, run.run)) {
                self.host.recall(run, status);
            }
        }
        self.begin_history(kept);
        failpoint::reach(Point::BootBefore);
        self.boot();
    }

    /// Gives whose run it is, where it is one of a component that is there, and who has its output pipe, where that has no name.
    fn adopt_unrecorded(&mut self, found: &Unrecorded) -> io::Result<Option<(Slot, Option<Holder>)>> {
        let (started, leads) = (&found.run, found.leads);
        let component = started.component.clone();
        let slot = self.roster.slot(&component);
        let newest = slot.and_then(|slot| self.fleet.view(slot, self.clock.now()));
        let newest = newest.map_or(0, |view| view.run);
        let Some(slot) = slot.filter(|_| started.run > newest) else {
            // What this daemon has begun itself meanwhile isn't left over.
            let is_present = slot.is_some() && started.run == newest;
            if !is_present {
                self.end_alone(started.clone())?;
            }
            return Ok(None);
        };
        log::warn!(
            "{component}: run {} isn't in the record and was found by its environment",
            started.run
        );
        let known = Known {
            run: started.run,
            process: Some(started.process),
            began_ns: started.began_ns,
            output: found.output,
            ..Known::default()
        };
        let holder = known.holder();
        if leads {
            self.host.note(known.words(&component));
        }
        self.inherit(slot, &component, known, leads)?;
        self.memory.look_at_limits();
        Ok(Some((slot, holder)))
    }
}

/// A point in time as the record has it.
fn since_boot(ns: u64) -> Moment {
    Moment::from_micros(ns / 1000)
}
