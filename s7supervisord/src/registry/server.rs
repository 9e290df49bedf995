//! `<servers>`: each server with its profiles under it, as one component or several.

use super::component::Builder;
use super::dependencies::Wanted;
use super::diagnostic::{Finding, Span, shown};
use super::layer::{ELEMENTS, Layer, count};
use super::paths::Os;
use super::plan::{ComponentPlan, OnLoss, TriggerPattern};
use super::profiles::Profiles;
use super::reading::{Reading, Text};
use super::supervisor::Folders;
use super::tree::Element;
use super::values::word;
use s7proto::name::ComponentName;
use std::collections::{HashMap, HashSet};
use std::path::PathBuf;
use std::rc::Rc;

/// The most components (reliability B37: a status of ten thousand fits in one reply).
pub(super) const MAX_COMPONENTS: usize = 10_000;
/// The most that command lines, environments and triggers may take in memory. Without it, a megabyte of arguments and a
/// thousand instances would be a gigabyte.
const MAX_BYTES: usize = 64 << 20;
const INSTANCES: std::ops::RangeInclusive<i64> = 1..=1000;

/// What `<servers>` comes to.
#[derive(Debug, Default)]
pub(super) struct Servers {
    /// The components, in order.
    pub components: Vec<ComponentPlan>,
    /// What each of them depends on, as written.
    pub wanted: Vec<Rc<[Wanted]>>,
    /// Components by server, where the server has several.
    pub groups: HashMap<String, Vec<usize>>,
    /// Ids that can't be had because of an error that is reported already.
    pub failed: HashSet<String>,
    /// What all command lines, environments and triggers take in memory, about.
    bytes: usize,
    /// Programs that must be there, where each is to be reported, and for which server.
    pub programs: Vec<(PathBuf, Span, ComponentName)>,
}

/// Reads `<servers>` in `root`. What `for_all` says lies under every server.
pub(super) fn read(
    root: &Element,
    profiles: &Profiles,
    folders: &Folders,
    for_all: &Layer,
    reading: &mut Reading<'_>,
) -> Servers {
    let mut servers = Servers::default();
    let Some(list) = reading.one(root, "servers") else {
        let finding = Finding::warning(root.tag, "there are no `<servers>`, so there is nothing to run");
        reading.findings.report(finding);
        return servers;
    };
    reading.shape(list, &["server"], &[]);
    let mut ids = Ids::default();
    for element in list.children.iter().filter(|child| child.name == "server") {
        if let Some(server) = Server::read(element, profiles, folders, for_all, reading) {
            server.build(&mut servers, &mut ids, folders, reading);
        }
        if servers.components.len() > MAX_COMPONENTS || servers.bytes > MAX_BYTES {
            break;
        }
    }
    if list.children.is_empty() {
        let finding = Finding::warning(list.tag, "`<servers>` is empty, so there is nothing to run");
        reading.findings.report(finding);
    }
    servers
}

struct Server {
    id: ComponentName,
    id_at: Span,
    port: Option<Text>,
    description: String,
    instances: u32,
    wanted: Rc<[Wanted]>,
    layer: Layer,
    /// Where a program of a built-in profile is reported: at the reference.
    reference: Option<Span>,
    /// False where a profile it refers to doesn't exist, so that nothing can be said to be missing.
    complete: bool,
    image_server_64: bool,
    element: Span,
}

impl Server {
    fn read(
        element: &Element,
        profiles: &Profiles,
        folders: &Folders,
        for_all: &Layer,
        reading: &mut Reading<'_>,
    ) -> Option<Self> {
        // What only a profile has is left out of the list, and yet a server may carry everything itself.
        reading.shape(element, &ELEMENTS, &["id", "port"]);
        let id_text = reading.required_attribute(element, "id");
        let port = reading.attribute(element, "port");
        let description = reading.leaf(element, "description");
        let under = read_profiles(element, profiles, for_all, reading);
        let own = Layer::read(element, reading);
        let instances = reading
            .typed_leaf(element, "instances", count(INSTANCES))
            .unwrap_or(1);
        let wanted = read_dependencies(element, reading).into();
        let id_text = id_text.filter(|text| text.sound)?;
        let id = check_id(&id_text, folders, reading)?;
        Some(Self {
            id,
            id_at: id_text.at,
            port,
            description: description
                .map(|text| one_line(&text, reading))
                .unwrap_or_default(),
            instances,
            wanted,
            layer: under.layer.under(&own).settled(reading.os),
            reference: under.reference,
            complete: under.complete,
            image_server_64: under.image_server_64,
            element: element.tag,
        })
    }

    fn build(self, servers: &mut Servers, ids: &mut Ids, folders: &Folders, reading: &mut Reading<'_>) {
        // The server's own name is taken even where only its instances run: on a command line it means all of them.
        if !ids.take(self.id.as_str(), self.id_at, None, reading) {
            return;
        }
        let mut group = Vec::new();
        for instance in 1..=self.instances {
            let Some(id) = self.instance_id(instance, ids, reading) else {
                break;
            };
            let builder = Builder {
                layer: &self.layer,
                id: &id,
                server: &self.id,
                instance,
                port: self.port.as_ref(),
                folders,
                element: self.element,
                reference: self.reference,
                complete: self.complete,
                image_server_64: self.image_server_64,
            };
            let Some((mut component, programs)) = builder.build(reading) else {
                servers.failed.insert(id.into());
                servers.failed.insert(self.id.as_str().to_owned());
                continue;
            };
            component.instance_of = (self.instances > 1).then(|| (self.id.clone(), instance));
            component.description.clone_from(&self.description);
            group.push(servers.components.len());
            let programs = programs.into_iter().map(|(path, at)| (path, at, self.id.clone()));
            servers.programs.extend(programs);
            servers.bytes += size(&component);
            servers.components.push(component);
            servers.wanted.push(Rc::clone(&self.wanted));
            if servers.components.len() > MAX_COMPONENTS || servers.bytes > MAX_BYTES {
                let message = format!("with `{id}` the components are too many or too large together");
                let hint = format!(
                    "at most {MAX_COMPONENTS} components, and {} MiB of arguments and variables",
                    MAX_BYTES >> 20
                );
                reading
                    .findings
                    .report(Finding::error(self.id_at, message).hint(hint));
                return;
            }
        }
        if self.instances > 1 {
            servers.groups.insert(self.id.into(), group);
        }
    }

    /// The id of an instance, taken; nothing, and reported, where it can't be had.
    fn instance_id(&self, instance: u32, ids: &mut Ids, reading: &mut Reading<'_>) -> Option<ComponentName> {
        if self.instances == 1 {
            return Some(self.id.clone());
        }
        let generated = format!("{}-{instance}", self.id);
        match ComponentName::parse(&generated) {
            Ok(id) => ids
                .take(&generated, self.id_at, Some(&self.id), reading)
                .then_some(id),
            Err(error) => {
                let message = format!("the generated id `{generated}` can't be used: {error}");
                reading.findings.report(Finding::error(self.id_at, message));
                None
            }
        }
    }
}

/// What a component's command lines, environment and triggers take in memory, about.
fn size(component: &ComponentPlan) -> usize {
    let run = &component.run;
    let hook = component.on_failure.iter().flat_map(|hook| &hook.arguments);
    let arguments = run.arguments.iter().chain(hook);
    let arguments = arguments.map(|argument| argument.len() + 24);
    let triggers = component.triggers.iter().map(|trigger| match &trigger.pattern {
        TriggerPattern::Text(text) | TriggerPattern::Regex(text) => text.len() + 64,
    });
    let variables = run
        .environment
        .iter()
        .map(|(name, value)| name.len() + value.len() + 48);
    arguments.chain(variables).chain(triggers).sum()
}

/// A server's profiles laid over each other in order.
struct Under {
    layer: Layer,
    /// Where the profile that brings the program is referred to.
    reference: Option<Span>,
    /// Whether every profile was found.
    complete: bool,
    /// Whether the 64-bit image server is among them.
    image_server_64: bool,
}

fn read_profiles(
    element: &Element,
    profiles: &Profiles,
    for_all: &Layer,
    reading: &mut Reading<'_>,
) -> Under {
    let mut under = Under {
        layer: for_all.clone(),
        reference: None,
        complete: true,
        image_server_64: false,
    };
    let mut seen: Vec<Text> = Vec::new();
    for child in element.children.iter().filter(|child| child.name == "profile") {
        reading.flat(child, &["ref"]);
        let Some(reference) = reading.required_attribute(child, "ref") else {
            under.complete = false;
            continue;
        };
        if let Some(first) = seen.iter().find(|first| first.value == reference.value) {
            reading.twice(
                reference.at,
                first.at,
                &format!("the profile `{}`", shown(&reference.value)),
            );
            continue;
        }
        match profiles.find(&reference, reading.findings) {
            Some(layer) => {
                under.image_server_64 |= reference.value == "ImageServer64";
                if layer.executable.is_some() || under.reference.is_none() {
                    under.reference = Some(reference.at);
                }
                under.layer = under.layer.under(layer);
            }
            None => under.complete = false,
        }
        seen.push(reference);
    }
    under
}

fn read_dependencies(element: &Element, reading: &mut Reading<'_>) -> Vec<Wanted> {
    let mut wanted = Vec::new();
    for child in element.children.iter().filter(|child| child.name == "dependsOn") {
        reading.flat(child, &["ref", "onLoss"]);
        let reference = reading.required_attribute(child, "ref");
        let on_loss = reading.typed_attribute(child, "onLoss", |text| {
            word(
                text,
                &[
                    ("none", OnLoss::None),
                    ("restart", OnLoss::Restart),
                    ("stop", OnLoss::Stop),
                ],
            )
        });
        if let Some(reference) = reference.filter(|text| text.sound) {
            wanted.push(Wanted {
                on: reference,
                on_loss: on_loss.unwrap_or(OnLoss::None),
            });
        }
    }
    wanted
}

/// Text over several lines becomes one, as `status` shows it.
fn one_line(text: &Text, reading: &mut Reading<'_>) -> String {
    let line = text.value.split_whitespace().collect::<Vec<_>>().join(" ");
    if line.chars().any(char::is_control) {
        let message = "a description can't hold control characters";
        reading.findings.report(Finding::error(text.at, message));
    }
    line
}

fn check_id(text: &Text, folders: &Folders, reading: &mut Reading<'_>) -> Option<ComponentName> {
    let refuse = |why: String, hint: &str, reading: &mut Reading<'_>| {
        let message = format!("`{}` can't be an id: {why}", shown(&text.value));
        reading
            .findings
            .report(Finding::error(text.at, message).hint(hint));
        None
    };
    let id = match ComponentName::parse(&text.value) {
        Ok(id) => id,
        Err(error) => return refuse(error.to_string(), "take 1 to 64 of A-Z a-z 0-9 . _ -", reading),
    };
    if id.as_str() == "all" {
        return refuse(
            "on a command line it means every component".into(),
            "choose another id",
            reading,
        );
    }
    if id
        .as_str()
        .strip_prefix(folders.log_stem.as_str())
        .is_some_and(is_dated)
    {
        let why = "its log would have the name of one of the supervisor's own".into();
        return refuse(why, "choose another id", reading);
    }
    if reading.os == Os::Windows && is_device(id.as_str()) {
        let why = "its log would have the name of a device of Windows".into();
        return refuse(why, "choose another id", reading);
    }
    Some(id)
}

/// `-yyyy-mm-dd`, as the supervisor's own logs are dated.
fn is_dated(rest: &str) -> bool {
    rest.len() == 11
        && rest.bytes().enumerate().all(|(at, b)| match at {
            0 | 5 | 8 => b == b'-',
            _ => b.is_ascii_digit(),
        })
}

/// Windows opens a device where a file's name is one of these, whatever its suffix.
fn is_device(id: &str) -> bool {
    let stem = id.split('.').next().unwrap_or_default().to_ascii_lowercase();
    let numbered = |prefix: &str| {
        stem.strip_prefix(prefix)
            .is_some_and(|rest| matches!(rest.as_bytes(), [b'0'..=b'9']))
    };
    matches!(stem.as_str(), "con" | "prn" | "aux" | "nul") || numbered("com") || numbered("lpt")
}

/// The ids that are taken, each with where and by which server's instances.
#[derive(Default)]
struct Ids {
    taken: HashMap<String, (Span, Option<ComponentName>)>,
}

impl Ids {
    /// Takes an id. False, and reported, where it is taken already.
    fn take(
        &mut self,
        id: &str,
        at: Span,
        generated_by: Option<&ComponentName>,
        reading: &mut Reading<'_>,
    ) -> bool {
        // On Windows the logs of `text` and `Text` would be the same file.
        let key = match reading.os {
            Os::Linux => id.to_owned(),
            Os::Windows => id.to_ascii_lowercase(),
        };
        let Some((first, first_by)) = self.taken.get(&key) else {
            self.taken.insert(key, (at, generated_by.cloned()));
            return true;
        };
        let from = |by: &Option<&ComponentName>| match by {
            Some(server) => format!(", which `<instances>` of `{server}` makes,"),
            None => String::new(),
        };
        let message = format!("the id `{id}`{} is given twice", from(&generated_by));
        let label = match first_by {
            Some(server) => format!("first made here by `<instances>` of `{server}`"),
            None => "first given here".into(),
        };
        reading.findings.report(
            Finding::error(at, message)
                .related(*first, label)
                .hint("give every component an id of its own"),
        );
        false
    }
}
