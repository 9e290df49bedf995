//! Every state that a component can be in, with a way to drive one there.

use super::desk::{Desk, failure, policy};
use crate::machine::input::{
    Change, CheckPolicy, Command, Event, Fate, Legacy, Loss, NoteFrom, Policy, Restart, Slot, Verdict,
};
use s7proto::status::Exit;
use std::time::Duration;

/// The component that the table is about.
pub const WEB: Slot = Slot(0);
/// What it depends on, in the tier before.
pub const GATE: Slot = Slot(1);

/// How to get there: a story in as few words as possible.
pub type Way = fn(&mut Desk);

/// The states, by the words that [`place`] has for them, and a way to each.
pub const STATES: &[(&str, Way)] = &[
    ("Stopped", |_| {}),
    ("Waiting for a dependency", |desk| {
        desk.order(Command::Start(vec![GATE, WEB]));
    }),
    ("Waiting for its tier", |desk| {
        desk.order(Command::StartAll);
    }),
    ("Spawning", spawning),
    ("Spawning, not wished", |desk| {
        spawning(desk);
        desk.order(Command::Stop(vec![WEB]));
    }),
    ("Spawning, overdue", |desk| {
        spawning(desk);
        wake(desk);
    }),
    ("Starting, ready when old enough", starting),
    ("Starting, ready when told", |desk| {
        desk.order(alter(Policy {
            ready_after: None,
            ..web()
        }));
        starting(desk);
    }),
    ("Running", running),
    ("Running, row over", |desk| {
        running(desk);
        wake(desk);
    }),
    ("Starting, ready when told, check under way", |desk| {
        checked(desk);
        starting(desk);
        wake(desk);
    }),
    ("Running, check under way", |desk| {
        checked(desk);
        starting(desk);
        wake(desk);
        let verdict = Verdict::Well;
        desk.report(WEB, Event::Checked { number: 1, verdict });
        wake(desk);
    }),
    ("Ending by itself, asked", |desk| {
        running(desk);
        desk.report(WEB, Event::Noticed(NoteFrom::Stopping));
    }),
    ("Ending by itself, diagnosing", |desk| {
        running(desk);
        diagnosed(desk, |desk| {
            drop(desk.report(WEB, Event::Noticed(NoteFrom::Stopping)));
        });
    }),
    ("Ending by itself, killing 1", crashing),
    ("Ending by itself, stuck", |desk| {
        crashing(desk);
        (0..3).for_each(|_| wake(desk));
    }),
    ("Ending as asked, asked", asked),
    ("Ending as asked, asked, first process gone", |desk| {
        asked(desk);
        desk.report(WEB, Event::Exited(Exit::Code(0)));
    }),
    ("Ending as asked, killing 1", |desk| {
        asked(desk);
        wake(desk);
    }),
    ("Ending as asked, killing 2, first process gone", |desk| {
        asked(desk);
        (0..2).for_each(|_| wake(desk));
        desk.report(WEB, Event::Exited(Exit::Code(0)));
    }),
    ("Ending as asked, killing 3", |desk| {
        asked(desk);
        (0..3).for_each(|_| wake(desk));
    }),
    ("Ending as asked, stuck", |desk| {
        asked(desk);
        (0..4).for_each(|_| wake(desk));
    }),
    ("Ending as asked, stuck, first process gone", |desk| {
        asked(desk);
        (0..4).for_each(|_| wake(desk));
        desk.report(WEB, Event::Exited(Exit::Code(0)));
    }),
    ("Ending as asked, asked, wished up", |desk| {
        running(desk);
        desk.order(Command::Restart(vec![WEB]));
    }),
    ("Ending as matched, asked", matched),
    ("Ending as matched, killing 1", |desk| {
        matched(desk);
        wake(desk);
    }),
    ("Ending as matched, stuck", |desk| {
        matched(desk);
        (0..4).for_each(|_| wake(desk));
    }),
    ("Ending as asked, diagnosing", |desk| {
        running(desk);
        diagnosed(desk, |desk| drop(desk.order(Command::Stop(vec![WEB]))));
    }),
    ("Ending as matched, diagnosing", |desk| {
        running(desk);
        diagnosed(desk, |desk| drop(desk.report(WEB, Event::Matched)));
    }),
    ("Ending too large, asked", large),
    ("Ending too large, diagnosing", |desk| {
        running(desk);
        diagnosed(desk, |desk| drop(desk.report(WEB, Event::TooMuchMemory)));
    }),
    ("Ending too large, killing 1", |desk| {
        large(desk);
        wake(desk);
    }),
    ("Ending too large, stuck", |desk| {
        large(desk);
        (0..4).for_each(|_| wake(desk));
    }),
    ("Ending with its dependency, asked", bereft),
    ("Ending with its dependency, diagnosing", |desk| {
        running(desk);
        diagnosed(desk, lose);
    }),
    ("Ending with its dependency, killing 1", |desk| {
        bereft(desk);
        wake(desk);
    }),
    ("Ending with its dependency, stuck", |desk| {
        bereft(desk);
        (0..4).for_each(|_| wake(desk));
    }),
    ("Ending unseen, killing 1 (parked)", unseen),
    ("Ending unseen, stuck (parked)", |desk| {
        unseen(desk);
        (0..3).for_each(|_| wake(desk));
    }),
    ("Backoff", |desk| {
        spawning(desk);
        desk.report(WEB, Event::SpawnFailed(failure(true)));
    }),
    ("Exited", |desk| {
        running(desk);
        desk.order(alter(Policy {
            restart: Restart::OnFailure,
            ..web()
        }));
        desk.report(WEB, Event::Exited(Exit::Code(0)));
        desk.report(WEB, Event::Emptied);
    }),
    ("Fatal", |desk| {
        spawning(desk);
        desk.order(alter(Policy {
            restart: Restart::Never,
            ..web()
        }));
        desk.report(WEB, Event::SpawnFailed(failure(false)));
    }),
];

pub fn web() -> Policy {
    Policy {
        tier: 2,
        depends_on: vec![GATE],
        ..policy()
    }
}

pub fn alter(policy: Policy) -> Command {
    reload(Change::Alter {
        slot: WEB,
        policy,
        needs_run: false,
    })
}

pub fn reload(change: Change) -> Command {
    Command::Reload {
        changes: vec![change],
        restart: true,
    }
}

fn spawning(desk: &mut Desk) {
    desk.order(Command::Start(vec![GATE]));
    desk.report(GATE, Event::Spawned { pid: 9 });
    desk.report(GATE, Event::Noticed(NoteFrom::Ready));
    desk.order(Command::Start(vec![WEB]));
}

fn starting(desk: &mut Desk) {
    spawning(desk);
    desk.report(WEB, Event::Spawned { pid: 10 });
}

fn running(desk: &mut Desk) {
    starting(desk);
    desk.report(WEB, Event::Noticed(NoteFrom::Ready));
}

fn crashing(desk: &mut Desk) {
    running(desk);
    desk.report(WEB, Event::Exited(Exit::Code(1)));
}

fn asked(desk: &mut Desk) {
    running(desk);
    desk.order(Command::Stop(vec![WEB]));
}

fn matched(desk: &mut Desk) {
    running(desk);
    desk.report(WEB, Event::Matched);
}

/// It is checked, and ready by that.
fn checked(desk: &mut Desk) {
    let check = CheckPolicy {
        asks: 0,
        interval: Duration::from_secs(5),
        timeout: Duration::from_secs(2),
        failures: 1,
        successes: 1,
        startup: Duration::from_secs(30),
        restarts: true,
    };
    desk.order(alter(Policy {
        ready_after: None,
        health: Some(check),
        ..web()
    }));
}

fn large(desk: &mut Desk) {
    running(desk);
    desk.report(WEB, Event::TooMuchMemory);
}

/// `GATE` has ended, and `WEB` minds.
fn bereft(desk: &mut Desk) {
    running(desk);
    lose(desk);
}

fn lose(desk: &mut Desk) {
    let now = desk.fleet.component(WEB).policy.clone();
    desk.order(alter(Policy {
        on_loss: vec![(GATE, Loss::Restart)],
        ..now
    }));
    desk.report(GATE, Event::Exited(Exit::Code(1)));
}

/// It is ended by `end`, doesn't in time, and is asked for a diagnosis of itself.
fn diagnosed(desk: &mut Desk, end: fn(&mut Desk)) {
    desk.order(alter(Policy {
        dump_before_kill: true,
        ..web()
    }));
    end(desk);
    wake(desk);
}

/// Its first process has ended while no daemon was there, and the next one has booted.
fn unseen(desk: &mut Desk) {
    let started = desk.now;
    desk.now = desk.now + Duration::from_secs(10);
    let legacy = Legacy {
        run: 1,
        restarts: 0,
        crashes: 0,
        last_exit: None,
        started,
        marked: false,
        missed: true,
        ready: false,
        told: None,
        until: None,
        fate: Fate::Unseen {
            pid: 10,
            asked: false,
        },
    };
    desk.inherit(WEB, legacy);
    desk.order(Command::Boot(Vec::new(), None));
}

/// Lets the timer of `WEB` come, and gives its effects.
fn wake(desk: &mut Desk) {
    let due = desk.fleet.component(WEB).deadline();
    desk.now = due.expect("a state that is waited in has a timer");
    desk.tick();
}
