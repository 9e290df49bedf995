//! The verdict on an end: who may be asked or killed, for which reason, and when.

use super::judge::{Court, Input};
use super::reference::Ending;
use crate::machine::input::{Command, Event, RunId};
use crate::machine::life::{Cause, Life, Unwell};
use s7proto::status::{EndCause, State};

impl Court {
    /// `Ask` or `Kill`: the run begins to end, or is made to end.
    pub(super) fn judge_end(&mut self, input: &Input, run: RunId, kill: bool) {
        let now = self.now();
        self.models.prune_stop(now);
        let turn = self.models.stopping.last_key_value();
        let turn = turn.is_some_and(|(_, tier)| tier.contains(&run.slot));
        let cause = match &self.fleet.component(run.slot).life {
            Life::Ending(ending) => ending.cause,
            other => panic!("{run:?} is ended, and it is {other:?}"),
        };
        let ran = self.announced.get(&run.slot) == Some(&State::Running);
        let bereaved = self.bereaved.remove(&run.slot);
        let (hurry, punctual, model) = (self.hurry, self.punctual, self.model(run.slot));
        assert_eq!(model.run, run.run, "only the present run is ended");
        if model.ending.is_none() {
            let given_up = model.vigil.as_ref().and_then(|vigil| vigil.given_up);
            let late = !punctual && matches!(input, Input::Tick);
            let told = matches!(input, Input::Event(of, Event::Matched) if *of == run);
            let unwell = if told { Some(Unwell::Output) } else { given_up };
            // Only what a timer tells comes late.
            let unwell = unwell.or(match cause {
                Cause::Unwell(why @ (Unwell::Startup | Unwell::Watchdog)) if late => Some(why),
                _ => None,
            });
            let large = matches!(input, Input::Event(of, Event::TooMuchMemory) if *of == run);
            let lost = bereaved
                || (model.bereft && matches!(input, Input::Event(of, Event::Spawned { .. }) if *of == run));
            let named = matches!(input, Input::Command(Command::Stop(slots) | Command::Restart(slots))
                if slots.contains(&run.slot));
            let unwished =
                matches!(input, Input::Event(of, Event::Spawned { .. }) if *of == run) && !model.wants_run();
            let may = unwell.is_some() || large || lost || named || unwished || turn || hurry;
            assert!(may || !punctual, "I7: {run:?} is ended before its turn");
            let why = match cause {
                Cause::Unwell(why) => Ending::Unwell(why),
                Cause::TooMuchMemory => Ending::TooLarge,
                Cause::DependencyLost => Ending::Lost,
                Cause::Asked | Cause::Itself | Cause::Unseen => Ending::Asked,
            };
            let reason = match why {
                Ending::Unwell(why) => unwell == Some(why),
                Ending::TooLarge => large,
                Ending::Lost => lost,
                Ending::Asked | Ending::Itself => true,
            };
            assert!(reason, "{run:?} is ended as {why:?} without a reason");
            model.ends(why, now);
            let patience = if hurry {
                std::time::Duration::ZERO
            } else {
                model.policy.stop_timeout
            };
            model.kill_due = Some(now + patience);
            if ran {
                let renewed = match input {
                    Input::Command(Command::Restart(slots)) => slots.as_slice(),
                    _ => &[],
                };
                let minders = self.models.lose(run.slot, renewed);
                self.bereaved.extend(minders);
            }
        }
        let model = self.model(run.slot);
        if kill && model.first_kill.is_none() {
            let excused = hurry || matches!(input, Input::Event(_, Event::CannotAsk | Event::Diagnosed));
            let patient = model.kill_due.is_some_and(|due| due > now);
            assert!(!patient || excused, "{run:?} is killed before its time is up");
            model.first_kill = Some(now);
            // Its first process had obeyed; the rest had to be killed.
            if model.cause == Some(EndCause::Requested) {
                model.cause = Some(EndCause::KilledAfterTimeout);
            }
        }
    }
}
