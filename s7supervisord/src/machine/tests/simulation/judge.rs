//! What has to hold at every step, whatever happens: the promises of the design as they are seen from outside of the
//! machine, by what the host has and by what was asked.

use super::daemon::{Daemon, Input};
use super::host::{Host, Stage};
use crate::machine::effect::Effect;
use crate::machine::input::{Event, Loss, RunId, Slot, Ticket};
use crate::machine::life::{Cause, Life};
use crate::machine::moment::Moment;
use crate::machine::view::{View, Why};
use s7proto::status::{Health, State, Wish};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

mod commands;
mod handover;

/// The window in which starts are counted: the longest space between two (DESIGN 4).
const WINDOW: Duration = Duration::from_secs(60);
/// Starts in a window: one, one at once, and then after 1, 2, 4, 8, 16 and 32 s less a fifth; the next comes after it.
const STARTS: usize = 8;
/// With faults of the host between them, which have a schedule of their own and don't end the row.
const STARTS_WITH_HOST_FAULTS: usize = 24;

/// What is known of the past.
#[derive(Default)]
pub struct Judge {
    /// The number of the last run of each component.
    pub last_run: BTreeMap<Slot, u64>,
    /// What people want, where that follows from commands alone.
    wishes: BTreeMap<Slot, Wish>,
    removed: BTreeSet<Slot>,
    /// Starts since the last command, and whether the host was at fault meanwhile.
    starts: BTreeMap<Slot, (VecDeque<Moment>, bool)>,
    /// Wished up by a command that keeps to tiers, and nothing of it began since.
    ordered: BTreeSet<Slot>,
    /// Who was waited for in vain.
    excused: BTreeSet<Slot>,
    /// What is being stopped tier by tier: the tier that counts.
    sequence: BTreeMap<RunId, i32>,
    /// Killed in vain, or never born: nobody waits for it.
    out_of_reach: BTreeSet<Slot>,
    /// When patience with the polite way ends.
    patience: BTreeMap<RunId, Moment>,
    /// How often each run was ordered to be killed.
    kills: BTreeMap<RunId, u32>,
    announced: BTreeMap<Slot, State>,
    /// By when a ticket has to be answered, in time that the machine was awake.
    due: BTreeMap<Ticket, Duration>,
    /// How long this daemon has been awake: time leaps are none.
    pub awake: Duration,
    shutting_down: bool,
    hurry: bool,
    /// When one daemon has followed another, as far as the window goes.
    changes: VecDeque<Moment>,
    /// Runs that an earlier daemon has asked to end.
    asked: BTreeSet<RunId>,
    /// Of components that an earlier daemon has known: whether they were up for it.
    inherited: BTreeMap<Slot, bool>,
    /// What an earlier daemon has left at rest, as its policy wants it or given up; nobody has wished it anew.
    at_rest: BTreeSet<Slot>,
    /// The boot is still to come.
    before_boot: bool,
}

impl Judge {
    /// Before the machine hears of `input`.
    pub fn before(&mut self, daemon: &Daemon, host: &Host, input: &Input) {
        match input {
            Input::Command(ticket, command) => self.command(daemon, host, *ticket, command),
            Input::Event(run, Event::SpawnFailed(failure)) if failure.host_fault => {
                self.starts.entry(run.slot).or_default().1 = true;
            }
            _ => {}
        }
    }

    /// Each effect, before the host does anything about it.
    pub fn effect(&mut self, daemon: &Daemon, host: &Host, input: &Input, effect: &Effect) {
        match effect {
            Effect::Spawn(run) => self.spawn(daemon, host, *run),
            Effect::Ask(run) => self.ends(daemon, host, input, *run, false),
            Effect::Kill(run) => self.ends(daemon, host, input, *run, true),
            Effect::AskRest(run) => {
                let stage = host.of(run.slot).map(|(is, process)| (is, process.stage));
                assert_eq!(
                    stage,
                    Some((*run, Stage::Headless)),
                    "the rest of {run:?} is asked"
                );
            }
            Effect::Entered { slot, state } => self.entered(host, *slot, *state),
            Effect::Ended { run, .. } => {
                assert!(
                    !host.processes.contains_key(run),
                    "{run:?} is said to be over, and it is there"
                );
                self.patience.remove(run);
                self.kills.remove(run);
                self.out_of_reach.remove(&run.slot);
            }
            Effect::GateTimedOut { laggards, .. } => self.excused.extend(laggards),
            Effect::SpawnOverdue(run) => {
                self.out_of_reach.insert(run.slot);
                self.ordered.remove(&run.slot);
            }
            Effect::Hasten(run) => assert_eq!(host.of(run.slot).map(|(is, _)| is), Some(*run)),
            Effect::Remember(_) | Effect::Unremember(_) | Effect::RememberAll(_) => {}
            Effect::Refuse(_) => assert!(self.shutting_down, "a refusal without a reason"),
            Effect::Forget(slot) => {
                assert!(
                    self.removed.remove(slot),
                    "{slot:?} is forgotten and still in the registry"
                );
                assert!(host.of(*slot).is_none(), "{slot:?} is forgotten and there");
                self.wishes.remove(slot);
            }
            Effect::Halt => {
                assert!(self.shutting_down, "a halt that nobody asked for");
                for run in host.processes.keys() {
                    let given_up = self.out_of_reach.contains(&run.slot);
                    assert!(given_up, "{run:?} is left behind at the halt");
                }
            }
            // What clients are told is for the daemon to see.
            _ => {}
        }
    }

    fn spawn(&mut self, daemon: &Daemon, host: &Host, run: RunId) {
        let slot = run.slot;
        assert!(!self.shutting_down, "{run:?} is created in a shutdown");
        assert!(!self.before_boot, "{run:?} is created before the boot");
        assert!(
            !self.at_rest.contains(&slot),
            "{run:?} is created, and it was to stay as it was"
        );
        let before = host.of(slot);
        assert!(before.is_none(), "{run:?} is created beside {before:?}");
        let last = self.last_run.insert(slot, run.run).unwrap_or(0);
        assert_eq!(last + 1, run.run, "runs of {slot:?} are counted");
        assert_ne!(
            self.wishes.get(&slot),
            Some(&Wish::Down),
            "{run:?} is created and not wished"
        );
        let (starts, host_fault) = self.starts.entry(slot).or_default();
        starts.push_back(host.now);
        while starts.front().is_some_and(|at| host.now.since(*at) >= WINDOW) {
            starts.pop_front();
        }
        let most = if *host_fault {
            STARTS_WITH_HOST_FAULTS
        } else {
            STARTS
        };
        // An end that nobody has seen, and a start whose record was not written, add nothing to a row.
        let most = most
            + 2 * self
                .changes
                .iter()
                .filter(|at| host.now.since(**at) < WINDOW)
                .count();
        // Who follows what it relies on begins with it, and with what that follows.
        let minds = daemon.fleet.component(slot).policy.on_loss.len();
        let most = most * (1 + 4 * minds);
        assert!(starts.len() <= most, "a storm of starts of {slot:?}: {starts:?}");
        let Some(plan) = daemon.roster.plan(slot).cloned() else {
            return;
        };
        for on in &plan.depends_on {
            let ready = |on| {
                let view = daemon.fleet.view(on, host.now);
                view.is_none_or(|view| view.wish == Wish::Up && is_ready(&view))
            };
            let missing = daemon.roster.slot(&on.on).filter(|on| !ready(*on));
            assert_eq!(missing, None, "{run:?} is created before what it depends on");
        }
        if self.ordered.remove(&slot) && plan.depends_on.is_empty() {
            let laggard = daemon.fleet.slots().find(|other| {
                let view = daemon.fleet.view(*other, host.now);
                let lags = view
                    .is_some_and(|view| view.tier < plan.tier && view.wish == Wish::Up && !is_ready(&view));
                lags && !self.excused.contains(other) && !daemon.comes_to_nothing(*other, host.now)
            });
            assert_eq!(laggard, None, "{run:?} is created before its tier opens");
        }
    }

    /// A run is asked or killed.
    fn ends(&mut self, daemon: &Daemon, host: &Host, input: &Input, run: RunId, kill: bool) {
        let (is, process) = host
            .of(run.slot)
            .unwrap_or_else(|| panic!("{run:?} is to end and isn't there"));
        assert_eq!(is, run, "another run than the present one is to end");
        assert_ne!(
            process.stage,
            Stage::Creating,
            "{run:?} is to end before it is there"
        );
        let plan = daemon.roster.plan(run.slot).cloned();
        let patience = plan.map_or(Duration::ZERO, |plan| plan.stop_timeout);
        assert!(kill || !self.asked.contains(&run), "{run:?} is asked once more");
        let first = !self.patience.contains_key(&run);
        let due = *self.patience.entry(run).or_insert(host.now + patience);
        if kill {
            *self.kills.entry(run).or_default() += 1;
            let excused = self.hurry
                || process.stage == Stage::Headless
                || matches!(input, Input::Event(_, Event::CannotAsk));
            assert!(excused || due <= host.now, "{run:?} is killed before {due}");
            self.patience.insert(run, host.now);
        }
        // What is given up, or follows a loss, has no turn.
        let cause = match &daemon.fleet.component(run.slot).life {
            Life::Ending(ending) => Some(ending.cause),
            _ => None,
        };
        let lost = cause == Some(Cause::DependencyLost);
        let named = handover::names(input, run) || lost || matches!(cause, Some(Cause::Unwell(_)));
        if !lost {
            self.boot_ends(input, run);
        }
        let Some(tier) = self.sequence.get(&run).filter(|_| first && !named && !self.hurry) else {
            return;
        };
        let later = self.sequence.iter().find(|(other, later)| {
            *later > tier && host.processes.contains_key(other) && !self.out_of_reach.contains(&other.slot)
        });
        assert_eq!(
            later, None,
            "{run:?} of tier {tier} is stopped before what comes first"
        );
    }

    fn entered(&mut self, host: &Host, slot: Slot, state: State) {
        let before = self.announced.insert(slot, state);
        assert_ne!(before, Some(state), "{slot:?} enters the state that it is in");
        let stage = host.of(slot).map(|(_, process)| process.stage);
        match state {
            State::Running => assert_eq!(stage, Some(Stage::Alive), "{slot:?} is shown as RUNNING"),
            State::Stopped | State::Exited | State::Fatal | State::Waiting => {
                assert_eq!(stage, None, "{slot:?} is shown as {}", state.name());
            }
            State::Stuck => {
                let kills = host.of(slot).and_then(|(run, _)| self.kills.get(&run));
                // Three attempts, and one more on giving up.
                assert!(
                    kills.is_some_and(|kills| *kills >= 4),
                    "{slot:?} is STUCK after {kills:?} attempts"
                );
                self.out_of_reach.insert(slot);
                self.ordered.remove(&slot);
            }
            State::Starting | State::Stopping | State::Backoff => {}
        }
    }

    /// After everything of a step was carried out.
    pub fn after(&mut self, daemon: &Daemon, host: &Host, input: &Input) {
        // A loss may be what stops it, and then that is how it is.
        for (slot, wish) in &mut self.wishes {
            let Some(view) = daemon.fleet.view(*slot, host.now) else {
                continue;
            };
            let losses = &daemon.fleet.component(*slot).policy.on_loss;
            let may_stop = losses.iter().any(|(_, loss)| *loss == Loss::Stop);
            if may_stop && view.wish == Wish::Down {
                *wish = Wish::Down;
                self.ordered.remove(slot);
            }
        }
        if !self.excused.is_empty() && !daemon.fleet.slots().any(|slot| may_wait(daemon, host, slot)) {
            self.excused.clear();
        }
        self.sequence.retain(|run, _| host.processes.contains_key(run));
        self.due.retain(|ticket, _| daemon.is_waiting(*ticket));
        let late = self.due.iter().find(|(_, due)| **due < self.awake);
        assert_eq!(late, None, "a stop takes longer than it may, at {:?}", self.awake);
        assert!(
            !daemon.halted || daemon.waiting().next().is_none(),
            "somebody waits at the halt"
        );
        if matches!(input, Input::Command(..)) {
            for (slot, wish) in &self.wishes {
                let is = daemon.fleet.view(*slot, host.now).map(|view| view.wish);
                assert_eq!(is, Some(*wish), "what is wished of {slot:?}");
            }
        }
    }
}

/// Whether it waits for its tier, or may do so once it has ended.
fn may_wait(daemon: &Daemon, host: &Host, slot: Slot) -> bool {
    daemon.fleet.view(slot, host.now).is_some_and(|view| {
        let ends = matches!(
            view.state,
            State::Stopping | State::Stuck | State::Starting | State::Backoff
        );
        matches!(view.why, Why::Tier { .. }) || (view.wish == Wish::Up && ends)
    })
}

fn is_ready(view: &View) -> bool {
    let relied_on = view.state == State::Running && view.health != Health::Unhealthy;
    relied_on || view.state == State::Exited
}
