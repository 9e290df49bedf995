//! What people have wished by name, as it stands in the record: `wish <component> <up|down> <who> <at>`, where who is
//! `uid:<number>`, `sid:<sid>` or `supervisor` and at is wall time in milliseconds since 1970; `unwish <component>` takes it
//! back. A line that can't be understood is passed over.

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
    /// When, as wall time in milliseconds since 1970 (UTC).
    pub at_ms: i64,
}

/// The wishes by component.
pub type Wishes = BTreeMap<ComponentName, Wished>;

/// The line that notes a wish, or that there is none any more, with its newline.
#[must_use]
pub fn line(component: &ComponentName, wished: Option<&Wished>) -> String {
    let Some(Wished { wish, who, at_ms }) = wished else {
        return format!("unwish {component}\n");
    };
    let wish = match wish {
        Wish::Up => "up",
        Wish::Down => "down",
    };
    let who = match who {
        Actor::Uid(uid) => format!("uid:{uid}"),
        Actor::Sid(sid) => format!("sid:{sid}"),
        Actor::Supervisor => "supervisor".to_owned(),
    };
    format!("wish {component} {wish} {who} {at_ms}\n")
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
    let who = words.next()?;
    let who = match who.split_once(':') {
        Some(("uid", uid)) => Actor::Uid(uid.parse().ok()?),
        Some(("sid", sid)) => Actor::Sid(sid.to_owned()),
        None if who == "supervisor" => Actor::Supervisor,
        _ => return None,
    };
    let at_ms = words.next()?.parse().ok()?;
    words.next().is_none().then_some(Wished { wish, who, at_ms })
}
