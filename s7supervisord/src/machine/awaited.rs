//! When a wait for a component is over, and how it ends.

use super::view::{View, Why};
use s7proto::reply::{Outcome, RunInfo};
use s7proto::request::Until;
use s7proto::status::{EndCause, Health, State, Wish};

/// What a wait for a component comes to, if that can be said already.
#[must_use]
pub fn verdict(view: &View, until: Until) -> Option<Outcome> {
    let by_itself = || {
        view.last_exit
            .clone()
            .map_or(Outcome::AlreadyDown, Outcome::Stopped)
    };
    match (until, view.state) {
        (_, State::Stuck) => Some(Outcome::Unkillable),
        (Until::Up, _) if view.wish == Wish::Down => Some(Outcome::NotRunning),
        // Parked while it runs, it is about to be stopped for a run that is awaited.
        (Until::Up, State::Running) if view.health != Health::Unhealthy && !view.parked => {
            let pid = view.pid?;
            Some(Outcome::AlreadyUp(RunInfo { run: view.run, pid }))
        }
        (Until::Up, State::Exited) => Some(match &view.last_exit {
            Some(report) if report.cause == EndCause::Finished => Outcome::Completed(report.clone()),
            Some(report) => Outcome::FailedRun(report.clone()),
            None => Outcome::AlreadyDown,
        }),
        (Until::Up, State::Fatal) => Some(match (&view.why, &view.last_exit) {
            (Why::SpawnFailed(failure), _) => Outcome::FailedSpawn(failure.clone()),
            (_, Some(report)) => Outcome::FailedRun(report.clone()),
            _ => Outcome::NotRunning,
        }),
        (Until::Down, State::Stopped | State::Exited | State::Fatal) => Some(by_itself()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::input::Slot;
    use s7proto::status::{Exit, ExitReport, SpawnFailure, SpawnStage};

    fn view(wish: Wish, state: State) -> View {
        View {
            slot: Slot(0),
            tier: 1,
            wish,
            state,
            health: Health::None,
            pid: Some(7),
            parked: false,
            marked: false,
            run: 2,
            uptime_us: None,
            restarts: 0,
            last_exit: None,
            next_try_us: None,
            why: Why::Nothing,
            unwell: None,
        }
    }

    fn report() -> ExitReport {
        ExitReport {
            exit: Exit::Code(1),
            cause: EndCause::Crashed,
            at_ms: 0,
            lasted_us: 0,
        }
    }

    #[test]
    fn a_wait_is_over_when_nothing_more_is_to_come() {
        let run = RunInfo { run: 2, pid: 7 };
        let table = [
            (Until::Up, Wish::Up, State::Running, Some(Outcome::AlreadyUp(run))),
            (Until::Up, Wish::Up, State::Starting, None),
            (Until::Up, Wish::Up, State::Waiting, None),
            (Until::Up, Wish::Up, State::Backoff, None),
            (Until::Up, Wish::Up, State::Stopping, None),
            (Until::Up, Wish::Down, State::Stopping, Some(Outcome::NotRunning)),
            (Until::Up, Wish::Down, State::Stopped, Some(Outcome::NotRunning)),
            (Until::Up, Wish::Up, State::Stuck, Some(Outcome::Unkillable)),
            (
                Until::Down,
                Wish::Down,
                State::Stopped,
                Some(Outcome::AlreadyDown),
            ),
            (Until::Down, Wish::Up, State::Running, None),
            (Until::Down, Wish::Up, State::Backoff, None),
            (Until::Down, Wish::Down, State::Stopping, None),
        ];
        for (until, wish, state, expected) in table {
            assert_eq!(
                verdict(&view(wish, state), until),
                expected,
                "{until:?} {wish:?} {state:?}"
            );
        }
    }

    #[test]
    fn a_wait_says_how_it_ended_where_it_has_ended_by_itself() {
        let ended = |state| View {
            last_exit: Some(report()),
            ..view(Wish::Up, state)
        };
        let failure = SpawnFailure {
            stage: SpawnStage::Executing,
            subject: String::new(),
            os_error: None,
            cause: String::new(),
            host_fault: false,
        };
        let not_spawned = View {
            why: Why::SpawnFailed(failure.clone()),
            ..ended(State::Fatal)
        };
        let unhealthy = View {
            health: Health::Unhealthy,
            ..view(Wish::Up, State::Running)
        };
        let parked = View {
            parked: true,
            ..view(Wish::Up, State::Running)
        };
        let up = |view: &View| verdict(view, Until::Up);
        assert_eq!(
            up(&parked),
            None,
            "it runs, and will be stopped before it runs again"
        );
        let finished = ExitReport {
            cause: EndCause::Finished,
            ..report()
        };
        let completed = View {
            last_exit: Some(finished.clone()),
            ..view(Wish::Up, State::Exited)
        };
        assert_eq!(up(&completed), Some(Outcome::Completed(finished)));
        assert_eq!(up(&ended(State::Exited)), Some(Outcome::FailedRun(report())));
        assert_eq!(up(&ended(State::Fatal)), Some(Outcome::FailedRun(report())));
        assert_eq!(up(&not_spawned), Some(Outcome::FailedSpawn(failure)));
        assert_eq!(up(&unhealthy), None);
        assert_eq!(
            verdict(&ended(State::Exited), Until::Down),
            Some(Outcome::Stopped(report()))
        );
    }
}
