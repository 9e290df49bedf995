//! Which events are about which components.

use s7proto::event::{Event, Happening};
use s7proto::name::ComponentName;
use s7proto::pattern::Pattern;
use std::collections::HashSet;
use wildmatch::WildMatch;

/// The components that somebody wants to hear of.
#[derive(Debug, Clone)]
pub enum Concern {
    /// All of them, and the daemon itself.
    Everything,
    /// These, by their names and those of the servers that they are instances of.
    These(HashSet<ComponentName>),
}

impl Concern {
    /// Whether `event` is about one of them: it happened to it, or somebody asked something of it (as far as the event
    /// names whom it was asked of).
    #[must_use]
    pub fn includes(&self, event: &Event) -> bool {
        let Self::These(names) = self else { return true };
        if let Some(component) = &event.component {
            return names.contains(component);
        }
        let Happening::Asked { about, .. } = &event.what else {
            return false;
        };
        about.iter().any(|asked| {
            let named = |name: &ComponentName| name.as_str() == asked;
            asked == "all"
                || names.iter().any(named)
                || Pattern::is_wild(asked) && {
                    let wild = WildMatch::new(asked);
                    names.iter().any(|name| wild.matches(name.as_str()))
                }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use s7proto::status::Actor;

    fn name(text: &str) -> ComponentName {
        ComponentName::parse(text).unwrap()
    }

    fn event(component: Option<&str>, what: Happening) -> Event {
        Event {
            sequence: 1,
            at_ms: 0,
            component: component.map(name),
            what,
        }
    }

    #[test]
    fn an_event_is_about_whom_it_happened_to_or_was_asked_of() {
        let concern = Concern::These(HashSet::from([name("text-1"), name("text")]));
        let asked = |about: &[&str]| Happening::Asked {
            who: Actor::Uid(0),
            verb: "stop".to_owned(),
            about: about.iter().map(|name| (*name).to_owned()).collect(),
        };
        let table = [
            (event(Some("text-1"), Happening::Forgotten), true),
            (event(Some("text-2"), Happening::Forgotten), false),
            (event(None, asked(&["all"])), true),
            (event(None, asked(&["is", "text"])), true),
            (event(None, asked(&["t*-?"])), true),
            (event(None, asked(&["text-2", "is*"])), false),
            (event(None, asked(&[])), false),
            (event(None, Happening::RegistryLoaded { changed: 1 }), false),
        ];
        for (event, included) in table {
            assert_eq!(concern.includes(&event), included, "{event:?}");
            assert!(Concern::Everything.includes(&event));
        }
    }
}
