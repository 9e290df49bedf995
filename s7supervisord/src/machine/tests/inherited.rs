//! What one daemon leaves to the next, where a story can't show it: counts, and what is noted.

use super::desk::{Desk, policy};
use crate::machine::effect::Effect;
use crate::machine::input::{Change, Command, Event, Fate, Legacy, Slot};
use crate::machine::moment::Moment;
use s7proto::status::Wish;

#[test]
fn an_end_that_nobody_has_seen_is_no_restart_and_one_that_was_seen_before_is() {
    let left = |fate, crashes| Legacy {
        run: 4,
        restarts: 7,
        crashes,
        last_exit: None,
        started: Moment::from_micros(99_900_000),
        marked: false,
        ready: false,
        missed: true,
        told: None,
        until: None,
        fate,
    };
    for (fate, crashes, restarts) in [
        (Fate::Unseen { pid: 9, asked: false }, 0, 7),
        (Fate::Unseen { pid: 9, asked: false }, 3, 7),
        (Fate::Over, 1, 8),
        (Fate::Over, 3, 8),
    ] {
        let mut desk = Desk::new(vec![("web", policy())]);
        desk.now = Moment::from_micros(100_000_000);
        desk.inherit(Slot(0), left(fate.clone(), crashes));
        desk.order(Command::Boot(Vec::new(), None));
        desk.report(Slot(0), Event::Emptied);
        if let Some(due) = desk.fleet.component(Slot(0)).life.deadline() {
            desk.now = desk.now.max(due);
            desk.tick();
        }
        let view = desk.fleet.view(Slot(0), desk.now).unwrap();
        assert_eq!(
            (view.run, view.restarts),
            (5, restarts),
            "{fate:?} after {crashes} crashes"
        );
    }
}

#[test]
fn what_a_reload_adds_while_everything_is_down_is_remembered_as_wished_up() {
    let mut desk = Desk::new(vec![("web", policy())]);
    desk.names.push("added".to_owned());
    let add = |desk: &mut Desk| {
        let change = Change::Add(policy());
        let effects = desk.order(Command::Reload {
            changes: vec![change],
            restart: true,
        });
        effects
            .iter()
            .any(|effect| matches!(effect, Effect::Remember(one) if one.wish == Wish::Up))
    };
    assert!(!add(&mut desk));
    desk.order(Command::StopAll);
    desk.names.push("added later".to_owned());
    assert!(add(&mut desk), "the next daemon would stop it with the others");
    desk.order(Command::StartAll);
    desk.names.push("added last".to_owned());
    assert!(!add(&mut desk));
}
