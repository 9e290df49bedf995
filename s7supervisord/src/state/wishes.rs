//! What people have wished by name, as it stands in the record: `wish <component> <up|down> <who> <at>`, where who is
//! `uid:<number>`, `sid:<sid>` or `supervisor` and at is wall time in milliseconds since 1970; `unwish <component>` takes it
//! back. The order of the lines decides what holds, the times are only shown. A line that can't be understood is passed over.

use s7proto::name::ComponentName;
use s7proto::status::{Actor, Wish};
use std::collections::BTreeMap;

/// One wish.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wished {
    /// What.
    pub wish: Wish,
    /// Who wished it.
    pub who: Actor,
    /// When, as wall time in milliseconds since 1970 (UTC): only shown, since clocks are set back and forth.
    pub at_ms: i64,
    /// Somebody has stopped everything after it: the line that says so comes later in the record.
    pub before_stop: bool,
}

/// The wishes by component.
pub type Wishes = BTreeMap<ComponentName, Wished>;

/// The words of the line that notes a wish, or that there is none any more.
#[must_use]
pub fn words(component: &ComponentName, wished: Option<&Wished>) -> String {
    let Some(Wished { wish, who, at_ms, .. }) = wished else {
        return format!("unwish {component}");
    };
    let wish = match wish {
        Wish::Up => "up",
        Wish::Down => "down",
    };
    format!("wish {component} {wish} {} {at_ms}", actor(who))
}

/// The words of the line that says who has stopped everything, and when, or that it holds no longer.
#[must_use]
pub fn all_words(down: Option<&(Actor, i64)>) -> String {
    match down {
        Some((who, at_ms)) => format!("all down {} {at_ms}", actor(who)),
        None => "all up".to_owned(),
    }
}

/// The words of the lines that say all of it, in the order in which it was wished as far as that matters.
#[must_use]
pub fn all_lines(wishes: &Wishes, down: Option<&(Actor, i64)>) -> Vec<String> {
    let named = |before_stop: bool| {
        let wished = wishes
            .iter()
            .filter(move |(_, wished)| wished.before_stop == before_stop);
        wished.map(|(component, wished)| words(component, Some(wished)))
    };
    named(true)
        .chain(down.map(|down| all_words(Some(down))))
        .chain(named(false))
        .collect()
}

/// Somebody has stopped everything: what was wished by name so far was wished before that.
pub fn all_are_before(wishes: &mut Wishes) {
    wishes.values_mut().for_each(|wished| wished.before_stop = true);
}

fn actor(who: &Actor) -> String {
    match who {
        Actor::Uid(uid) => format!("uid:{uid}"),
        Actor::Sid(sid) => format!("sid:{sid}"),
        Actor::Supervisor => "supervisor".to_owned(),
    }
}

/// Takes the words of a line, after its first one, into `wishes`.
pub fn take<'a>(kind: &str, mut words: impl Iterator<Item = &'a str>, wishes: &mut Wishes) {
    let Some(component) = words.next().and_then(|name| ComponentName::parse(name).ok()) else {
        return;
    };
    match kind {
        "unwish" => {
            wishes.remove(&component);
        }
        "wish" => {
            if let Some(wished) = wished(words) {
                wishes.insert(component, wished);
            }
        }
        _ => {}
    }
}

fn wished<'a>(mut words: impl Iterator<Item = &'a str>) -> Option<Wished> {
    let wish = match words.next()? {
        "up" => Wish::Up,
        "down" => Wish::Down,
        _ => return None,
    };
    let who = read_actor(words.next()?)?;
    let at_ms = words.next()?.parse().ok()?;
    words.next().is_none().then_some(Wished {
        wish,
        who,
        at_ms,
        before_stop: false,
    })
}

/// The words of a line about everything, after its first one: who has stopped it, and when.
pub fn take_all<'a>(mut words: impl Iterator<Item = &'a str>) -> Option<(Actor, i64)> {
    if words.next()? != "down" {
        return None;
    }
    Some((read_actor(words.next()?)?, words.next()?.parse().ok()?))
}

fn read_actor(text: &str) -> Option<Actor> {
    Some(match text.split_once(':') {
        Some(("uid", uid)) => Actor::Uid(uid.parse().ok()?),
        Some(("sid", sid)) => Actor::Sid(sid.to_owned()),
        None if text == "supervisor" => Actor::Supervisor,
        _ => return None,
    })
}
