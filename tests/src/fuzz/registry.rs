//! A registry, profiles and settings into the loader: whatever they hold, all is said, at its place, and twice the same.

use s7proto::name::ComponentName;
use s7proto::reply::Severity;
use s7proto::status::Actor;
use s7supervisord::driver::roster::{self, Roster};
use s7supervisord::machine::effect::Effect;
use s7supervisord::machine::fleet::Fleet;
use s7supervisord::machine::input::{Command, Event, NoteFrom, Order, Slot, Stamp, Verdict};
use s7supervisord::machine::moment::Moment;
use s7supervisord::registry::diff::{ChangeKind, diff, diff_config};
use s7supervisord::registry::plan::{ComponentPlan, Plan};
use s7supervisord::registry::{LoadFailure, LoadOptions, Os, check, load_text};
use std::collections::{HashMap, HashSet};
use std::path::PathBuf;
use std::time::{Duration, Instant};

const REGISTRY: &str = "r.xml";
const PROFILES: &str = "p.xml";
/// Far more than any input may take, also without optimisation on a busy machine.
const AT_ONCE: Duration = Duration::from_secs(20);
/// A fleet of more is not looked at, because one look would take as long as a thousand others.
const LARGE: usize = 64;

/// A registry; where there is a NUL, a file of profiles behind it; behind the next one, lines of `--set`.
pub fn run(data: &[u8]) {
    let begun = Instant::now();
    let mut parts = data.split(|byte| *byte == 0);
    // UTF-16 is full of NULs.
    let (registry, profiles, settings) = if data.starts_with(&[0xff, 0xfe]) || data.starts_with(&[0xfe, 0xff])
    {
        (data, None, &[][..])
    } else {
        (
            parts.next().unwrap_or_default(),
            parts.next(),
            parts.next().unwrap_or_default(),
        )
    };
    let settings: Vec<(String, String)> = String::from_utf8_lossy(settings)
        .lines()
        .filter_map(|line| line.split_once('='))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    let profiles: Vec<(PathBuf, Vec<u8>)> = profiles
        .map(|bytes| (PROFILES.into(), bytes.to_vec()))
        .into_iter()
        .collect();
    // One of the two for each input, so that a fuzzer gets twice as far; a byte more is the other.
    let os = if data.len().is_multiple_of(2) {
        Os::Linux
    } else {
        Os::Windows
    };
    let options = |strict| LoadOptions {
        file: REGISTRY.into(),
        install_folder: if os == Os::Windows { r"C:\s7" } else { "/s7" }.into(),
        settings: settings.clone(),
        strict,
        os,
    };
    let load = |strict| load_text(registry, &options(strict), &profiles);
    let (loaded, strict) = (load(false), load(true));
    judge_rendering(&options(false), &loaded);
    match &loaded {
        Err(failure) => judge_failure(failure, registry, &profiles),
        Ok(plan) => judge_plan(plan, registry, &profiles),
    }
    match (&loaded, &strict) {
        (Ok(plan), Ok(strict)) => assert_eq!(plan, strict, "what is strictly right is the same"),
        (Ok(plan), Err(_)) => assert!(
            !plan.warnings.is_empty(),
            "only a warning is refused by strictness"
        ),
        (Err(_), Ok(_)) => panic!("strictness takes what is refused without it"),
        (Err(_), Err(failure)) => judge_failure(failure, registry, &profiles),
    }
    assert_eq!(loaded, load(false), "the same bytes come to the same");
    assert!(
        begun.elapsed() < AT_ONCE,
        "{} bytes took {:?}",
        data.len(),
        begun.elapsed()
    );
}

fn judge_rendering(options: &LoadOptions, result: &Result<Plan, LoadFailure>) {
    assert!(!check::render(options, result, false).trim().is_empty());
    let json = check::render(options, result, true);
    let json: serde_json::Value = serde_json::from_str(&json).expect("what check prints is JSON");
    assert_eq!(json["ok"], result.is_ok());
}

fn judge_failure(failure: &LoadFailure, registry: &[u8], profiles: &[(PathBuf, Vec<u8>)]) {
    let errors = failure
        .diagnostics
        .iter()
        .filter(|one| one.severity == Severity::Error);
    assert!(errors.count() > 0, "a refusal says why");
    judge_places(&failure.diagnostics, registry, profiles);
}

/// Every finding is in its file, or about the whole of it.
fn judge_places(
    diagnostics: &[s7proto::reply::Diagnostic],
    registry: &[u8],
    profiles: &[(PathBuf, Vec<u8>)],
) {
    for one in diagnostics {
        assert!(!one.message.is_empty() && !one.rendered.is_empty(), "{one:?}");
        let bytes = match one.file.as_str() {
            REGISTRY => registry,
            PROFILES => profiles.first().map_or(&[][..], |(_, bytes)| bytes),
            other => panic!("{other} is no file that was given: {one:?}"),
        };
        if one.line == 0 {
            assert_eq!(one.column, 0, "{one:?}");
            continue;
        }
        assert!(
            one.rendered
                .starts_with(&format!("{}:{}:{}: ", one.file, one.line, one.column)),
            "{one:?}"
        );
        let (line, column) = (one.line as usize, one.column as usize);
        if let Some(text) = text_of(bytes) {
            let width = text.split('\n').nth(line - 1).map(|line| line.chars().count());
            assert!(
                width.is_some_and(|width| (1..=width + 1).contains(&column)),
                "{one:?}"
            );
        } else {
            let lines = bytes.split(|byte| *byte == b'\n').count();
            assert!(
                (1..=lines).contains(&line) && (1..=bytes.len() + 1).contains(&column),
                "{one:?}"
            );
        }
    }
}

/// The text of bytes that are text.
fn text_of(bytes: &[u8]) -> Option<String> {
    let utf16 = |rest: &[u8], unit: fn([u8; 2]) -> u16| {
        let (pairs, rest) = rest.as_chunks::<2>();
        let units: Vec<u16> = pairs.iter().map(|pair| unit(*pair)).collect();
        rest.is_empty().then(|| String::from_utf16(&units).ok()).flatten()
    };
    match bytes {
        [0xff, 0xfe, rest @ ..] => utf16(rest, u16::from_le_bytes),
        [0xfe, 0xff, rest @ ..] => utf16(rest, u16::from_be_bytes),
        _ => std::str::from_utf8(bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes))
            .ok()
            .map(str::to_owned),
    }
}

fn judge_plan(plan: &Plan, registry: &[u8], profiles: &[(PathBuf, Vec<u8>)]) {
    judge_places(&plan.warnings, registry, profiles);
    assert!(plan.warnings.iter().all(|one| one.severity == Severity::Warning));
    let ids: HashSet<&ComponentName> = plan.components.iter().map(|one| &one.id).collect();
    assert_eq!(ids.len(), plan.components.len(), "an id stands for one component");
    for component in &plan.components {
        judge_component(component, &ids);
    }
    assert_eq!(diff(plan, plan), [], "nothing differs from itself");
    assert!(diff_config(plan, plan).is_empty());
    if plan.components.len() <= LARGE {
        judge_fleet(plan);
    }
}

fn judge_component(component: &ComponentPlan, ids: &HashSet<&ComponentName>) {
    let run = &component.run;
    for text in run
        .arguments
        .iter()
        .chain(run.environment.iter().map(|(_, value)| value))
    {
        assert!(
            !holds_placeholder(text),
            "a placeholder reaches a run of {}: {text:?}",
            component.id
        );
        assert!(!text.contains('\0'), "{text:?} can't be given to a process");
    }
    let program = run.program.to_string_lossy();
    assert!(!holds_placeholder(&program), "{program}");
    let absolute =
        |path: &str| path.starts_with('/') || path.starts_with(r"\\") || path.get(1..3) == Some(r":\");
    assert!(
        absolute(&program),
        "{program} of {} depends on a current folder",
        component.id
    );
    for (name, _) in &run.environment {
        assert!(
            !name.is_empty() && !name.contains(['=', '\0']),
            "a variable {name:?}"
        );
    }
    for dependency in &component.depends_on {
        assert!(
            ids.contains(&dependency.on) && dependency.on != component.id,
            "{dependency:?}"
        );
    }
}

/// Whether something like `SV::Name` stands there.
fn holds_placeholder(text: &str) -> bool {
    let after = text.split("SV::").skip(1);
    after
        .into_iter()
        .any(|rest| rest.starts_with(|first: char| first.is_ascii_alphabetic()))
}

/// What loads can be run: everything that starts by itself comes up, none before what it depends on; and a reload from
/// nothing to it and back again tells the machine of every component.
fn judge_fleet(plan: &Plan) {
    let slots: HashMap<&ComponentName, Slot> = plan
        .components
        .iter()
        .map(|one| &one.id)
        .zip((0..).map(Slot))
        .collect();
    let slot_of = |name: &ComponentName| slots.get(name).copied();
    let policies = plan
        .components
        .iter()
        .map(|one| roster::policy(one, slot_of))
        .collect();
    let mut fleet = Fleet::new(policies, 1);
    let mut known = Roster::default();
    known.set(plan, slot_of);
    let empty = Plan {
        components: Vec::new(),
        ..plan.clone()
    };
    assert_eq!(diff(&empty, plan).len(), plan.components.len());
    assert!(diff(&empty, plan).iter().all(|one| one.kind == ChangeKind::Added));
    assert_eq!(
        Roster::default().renew(plan, &diff(&empty, plan), Slot(0)).len(),
        plan.components.len()
    );
    let away = diff(plan, &empty);
    assert!(away.iter().all(|one| one.kind == ChangeKind::Removed));

    let mut effects = Vec::new();
    let mut now = Moment::default();
    let stamp = |now| Stamp { now, wall_ms: 0 };
    let order = |command| Order {
        ticket: None,
        who: Actor::Supervisor,
        command,
    };
    fleet.command(stamp(now), order(Command::StartAll), &mut effects);
    let mut begun: HashSet<Slot> = HashSet::new();
    // Each round begins a run, or goes on to the next timer; a component has at most two of those until it is up, and
    // one that ends its row of crashes.
    for _ in 0..4 * LARGE + 8 {
        let mut spawned = Vec::new();
        for effect in std::mem::take(&mut effects) {
            match effect {
                Effect::Spawn(run) => spawned.push(run),
                Effect::Check { run, number, .. } => {
                    let verdict = Verdict::Well;
                    fleet.event(stamp(now), run, Event::Checked { number, verdict }, &mut effects);
                }
                _ => {}
            }
        }
        for run in &spawned {
            assert!(begun.insert(run.slot), "{run:?} is begun twice and never ended");
            fleet.event(stamp(now), *run, Event::Spawned { pid: 1 }, &mut effects);
            if plan.components[run.slot.index()].notify.is_some() {
                let ready = Event::Noticed(NoteFrom::Ready);
                fleet.event(stamp(now), *run, ready, &mut effects);
            }
        }
        match fleet.next_deadline() {
            Some(next) if spawned.is_empty() => {
                now = now.max(next);
                fleet.tick(stamp(now), &mut effects);
            }
            None if spawned.is_empty() => break,
            _ => {}
        }
    }
    let checked =
        |one: &ComponentPlan| one.health.is_some() || one.readiness.is_some() || one.notify.is_some();
    assert!(
        fleet.next_deadline().is_none() || plan.components.iter().any(checked),
        "a fleet that is up and isn't checked has nothing to wait for"
    );
    for (component, slot) in plan.components.iter().zip((0..).map(Slot)) {
        let held = |one: &ComponentPlan| {
            one.depends_on
                .iter()
                .any(|on| slot_of(&on.on).is_some_and(|on| !begun.contains(&on)))
        };
        assert_eq!(
            begun.contains(&slot),
            component.auto_start && !held(component),
            "{}",
            component.id
        );
        assert!(
            known.status(&fleet, slot, now).is_some(),
            "{} has no status",
            component.id
        );
    }
}
