//! Profiles: named layers that servers share. From the registry, then `conf/profiles.d`, then the built-in ones.

use super::diagnostic::{Finding, Findings, Span, did_you_mean, list, shown};
use super::layer::{ELEMENTS, Kind, Layer};
use super::reading::{Reading, Text};
use super::tree::Element;
use super::values::word;
use std::collections::HashMap;

/// What is built in, in the same form and read by the same code as every other profile.
pub(super) const BUILT_IN: &str = include_str!("builtin.xml");

/// All profiles by id.
#[derive(Debug, Default)]
pub(super) struct Profiles {
    all: HashMap<String, Profile>,
}

#[derive(Debug)]
struct Profile {
    layer: Layer,
    at: Span,
    rank: usize,
}

impl Profiles {
    /// Takes up the `<profile>`s in `element`. Of two with the same id the one with the lower `rank` holds; within
    /// one rank that is an error.
    pub fn read(&mut self, element: &Element, rank: usize, reading: &mut Reading<'_>) {
        reading.shape(element, &["profile"], &[]);
        for profile in element.children.iter().filter(|child| child.name == "profile") {
            let elements: Vec<&str> = profile_elements().collect();
            reading.shape(profile, &elements, &["id", "kind"]);
            let mut layer = Layer::read(profile, reading);
            layer.kind = reading.typed_attribute(profile, "kind", |text| {
                word(text, &[("java", Kind::Java), ("native", Kind::Native)])
            });
            let Some(id) = reading.required_attribute(profile, "id") else {
                continue;
            };
            if !id.sound {
                continue;
            }
            match self.all.get(&id.value) {
                Some(first) if first.rank == rank => {
                    reading.twice(id.at, first.at, &format!("the profile `{}`", shown(&id.value)));
                }
                Some(_) => {}
                None => {
                    let at = id.at;
                    self.all.insert(id.value, Profile { layer, at, rank });
                }
            }
        }
    }

    /// The profile that a server refers to; reports it where there is none.
    pub fn find(&self, id: &Text, findings: &mut Findings) -> Option<&Layer> {
        if !id.sound {
            return None;
        }
        if let Some(profile) = self.all.get(&id.value) {
            return Some(&profile.layer);
        }
        let mut known: Vec<&str> = self.all.keys().map(String::as_str).collect();
        known.sort_unstable();
        let mut hint = format!("known are {}", list(known.iter().copied()));
        if !findings.full()
            && let Some(meant) = did_you_mean(&id.value, known.iter().copied(), |name| format!("`{name}`"))
        {
            hint = format!("{meant} {hint}");
        }
        findings.report(Finding::error(id.at, format!("unknown profile `{}`", shown(&id.value))).hint(hint));
        None
    }
}

/// A profile holds what a server does, but not what only makes sense for one server.
fn profile_elements() -> impl Iterator<Item = &'static str> {
    ELEMENTS
        .into_iter()
        .filter(|name| !matches!(*name, "profile" | "instances" | "dependsOn"))
}
