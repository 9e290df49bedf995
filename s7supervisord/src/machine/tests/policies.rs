//! What becomes of a run that ended by itself: each restart policy with each way to end (fault row 16).

use super::desk::{Desk, failure, killed_from_outside, policy};
use crate::machine::input::{Command, Event, NoteFrom, Policy, Restart, Slot};
use crate::machine::restart::CRASH_LOOP;
use crate::machine::view::Why;
use s7proto::reply::Outcome;
use s7proto::status::{EndCause, Exit, State};
use std::time::Duration;

const WEB: Slot = Slot(0);

/// A component that was started by ticket 1 and whose process is there.
fn started(policy: Policy) -> Desk {
    let mut desk = Desk::new(vec![("web", policy)]);
    desk.order(Command::Start(vec![WEB]));
    desk.report(WEB, Event::Spawned { pid: 7 });
    desk
}

fn end(desk: &mut Desk, exit: Exit) -> Vec<String> {
    let mut effects = desk.report(WEB, Event::Exited(exit));
    effects.extend(desk.report(WEB, Event::Emptied));
    desk.words(&effects)
}

#[test]
fn each_policy_answers_each_way_to_end() {
    use Restart::{Always, Never, OnFailure};
    let again = State::Starting;
    let table = [
        // The policy, the end, what it is called, the state after it, what a start is told that waited for it.
        (Always, Exit::Code(0), EndCause::Finished, again, "failed-run"),
        (Always, Exit::Code(7), EndCause::Finished, again, "failed-run"),
        (Always, Exit::Code(1), EndCause::Crashed, again, "failed-run"),
        (
            Always,
            killed_from_outside(),
            EndCause::Crashed,
            again,
            "failed-run",
        ),
        (Always, Exit::Unknown, EndCause::Crashed, again, "failed-run"),
        (
            OnFailure,
            Exit::Code(0),
            EndCause::Finished,
            State::Exited,
            "completed",
        ),
        (
            OnFailure,
            Exit::Code(7),
            EndCause::Finished,
            State::Exited,
            "completed",
        ),
        (OnFailure, Exit::Code(1), EndCause::Crashed, again, "failed-run"),
        (
            OnFailure,
            killed_from_outside(),
            EndCause::Crashed,
            again,
            "failed-run",
        ),
        (OnFailure, Exit::Unknown, EndCause::Crashed, again, "failed-run"),
        (
            Never,
            Exit::Code(0),
            EndCause::Finished,
            State::Exited,
            "completed",
        ),
        (
            Never,
            Exit::Code(7),
            EndCause::Finished,
            State::Exited,
            "completed",
        ),
        (
            Never,
            Exit::Code(1),
            EndCause::Crashed,
            State::Exited,
            "failed-run",
        ),
        (
            Never,
            killed_from_outside(),
            EndCause::Crashed,
            State::Exited,
            "failed-run",
        ),
        (
            Never,
            Exit::Unknown,
            EndCause::Crashed,
            State::Exited,
            "failed-run",
        ),
    ];
    for (restart, exit, cause, state, told) in table {
        for ready in [false, true] {
            let mut desk = started(Policy {
                restart,
                success: vec![0, 7],
                ..policy()
            });
            if ready {
                desk.report(WEB, Event::Noticed(NoteFrom::Ready));
            }
            let words = end(&mut desk, exit.clone());
            let case = format!("{restart:?}, {exit:?}, ready: {ready}");
            assert_eq!(desk.state(WEB), Some(state), "{case}");
            let view = desk.fleet.view(WEB, desk.now).unwrap();
            let report = view.last_exit.unwrap();
            assert_eq!((report.cause, report.exit), (cause, exit.clone()), "{case}");
            // Where it had been ready, the start has been answered by that.
            let told_now = words.contains(&format!("#1 web {told}"));
            assert_eq!(told_now, !ready, "{case}: {words:?}");
            let restarts = u64::from(state == again);
            assert_eq!(view.restarts, restarts, "{case}");
        }
    }
}

#[test]
fn what_is_told_of_an_end_succeeds_only_if_the_end_did() {
    let report = |cause| s7proto::status::ExitReport {
        exit: Exit::Code(0),
        cause,
        at_ms: 0,
        lasted_us: 0,
    };
    assert!(Outcome::Completed(report(EndCause::Finished)).is_success());
    assert!(!Outcome::FailedRun(report(EndCause::Crashed)).is_success());
    assert!(!Outcome::Unkillable.is_success() && !Outcome::Superseded.is_success());
}

#[test]
fn the_fifth_crash_of_a_row_is_called_a_loop_with_the_time_of_the_next_try() {
    let mut desk = started(policy());
    for crash in 1..=CRASH_LOOP {
        let before = desk.now;
        end(&mut desk, Exit::Code(1));
        let view = desk.fleet.view(WEB, desk.now).unwrap();
        assert_eq!(view.why, Why::Crashed(crash));
        assert_eq!(Why::is_crash_loop(crash), crash == 5);
        // The first is answered at once; from then on one is waited for, and doesn't count yet.
        assert_eq!(view.restarts, u64::from(crash.max(2) - 1));
        if crash == CRASH_LOOP {
            assert_eq!(view.state, State::Backoff);
            let wait = Duration::from_micros(view.next_try_us.unwrap());
            assert!(wait >= Duration::from_millis(6400) && wait <= Duration::from_millis(9600));
            break;
        }
        if view.state == State::Backoff {
            desk.now = desk.fleet.next_deadline().unwrap();
            assert!(desk.now > before);
            desk.tick();
        }
        desk.report(WEB, Event::Spawned { pid: 7 });
    }
}

#[test]
fn a_fault_of_the_host_is_no_restart_and_no_crash() {
    let mut desk = Desk::new(vec![("web", policy())]);
    desk.order(Command::Start(vec![WEB]));
    for _ in 0..9 {
        desk.report(WEB, Event::SpawnFailed(failure(true)));
        let view = desk.fleet.view(WEB, desk.now).unwrap();
        assert_eq!((view.state, view.restarts), (State::Backoff, 0));
        assert_eq!(view.why, Why::SpawnFailed(failure(true)), "status says why");
        desk.now = desk.fleet.next_deadline().unwrap();
        desk.tick();
    }
    desk.report(WEB, Event::Spawned { pid: 7 });
    let view = desk.fleet.view(WEB, desk.now).unwrap();
    assert_eq!((view.why, view.restarts), (Why::Nothing, 0));
    end(&mut desk, Exit::Code(1));
    assert_eq!(desk.fleet.view(WEB, desk.now).unwrap().why, Why::Crashed(1));
}

#[test]
fn a_new_run_for_one_that_took_too_much_memory_is_a_restart_however_old_that_was() {
    for age in [5, 90] {
        let mut desk = started(policy());
        desk.report(WEB, Event::Noticed(NoteFrom::Ready));
        desk.now = desk.now + Duration::from_secs(age);
        desk.report(WEB, Event::TooMuchMemory);
        end(&mut desk, Exit::Code(0));
        let view = desk.fleet.view(WEB, desk.now).unwrap();
        assert_eq!((view.run, view.restarts), (2, 1), "after {age} s");
    }
}

#[test]
fn a_component_says_why_it_is_not_running() {
    let names = ["web", "late", "app", "hand"];
    let policies = [
        policy(),
        Policy { tier: 2, ..policy() },
        Policy {
            depends_on: vec![WEB],
            ..policy()
        },
        Policy {
            auto_start: false,
            ..policy()
        },
    ];
    let mut desk = Desk::new(names.into_iter().zip(policies).collect());
    let why = |desk: &Desk, name: &str| desk.fleet.view(desk.slot(name), desk.now).unwrap().why;
    assert_eq!(why(&desk, "hand"), Why::NotAutoStarted);
    desk.order(Command::StartAll);
    let members = vec![WEB, desk.slot("app")];
    assert_eq!(why(&desk, "late"), Why::Tier { tier: 1, members });
    assert_eq!(why(&desk, "app"), Why::Dependency(WEB));
    desk.report(WEB, Event::Spawned { pid: 7 });
    desk.report(WEB, Event::Noticed(NoteFrom::Ready));
    desk.order(Command::Stop(vec![WEB]));
    assert_eq!(why(&desk, "web"), Why::Nothing, "it does as it was told");
    for _ in 0..4 {
        desk.now = desk.fleet.component(WEB).life.deadline().unwrap();
        desk.tick();
        desk.report(WEB, Event::Survivors(3));
    }
    assert_eq!(why(&desk, "web"), Why::Unkillable(3));
    desk.report(WEB, Event::Exited(Exit::Code(0)));
    desk.report(WEB, Event::Emptied);
    let Why::StoppedBy(who, _) = why(&desk, "web") else {
        panic!("{:?}", why(&desk, "web"));
    };
    assert_eq!(who, s7proto::status::Actor::Uid(1000));
}
